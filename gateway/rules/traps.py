"""YAML's known traps, recognised in the line as written, each answered with the corrected line.

A rules file is YAML that holds expressions, and YAML gives some of their characters a meaning of its own. What the
YAML parser then says (or silently does) would puzzle its author; these sentences name the cause instead.
"""

from __future__ import annotations

import re

_TEMPLATE = re.compile(r"(?:^|[\s:,\[{-])(\{\{.*?\}\}[^,#\]}]*)")
_ENTRY = re.compile(r"^(?P<head>\s*(?:- )?[^\s:#][^:]*:\s+)(?P<value>\S.*?)\s*$")
_ENVIRONMENT = re.compile(r"\$\{(\w+)\}")
_FLOW_EXPRESSION = re.compile(r"(?P<key>[\w-]+):\s*(?P<value>\$[^\s,{}\"']*[\[(][^{}\"']*)")


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if "'" in value else f"'{value}'"


def advice(line: str, column: int) -> str | None:
    """What the author most likely meant at ``column`` (from 1) of ``line``, or None where no trap is recognised."""
    found = _ENTRY.match(line)
    head, value = (found["head"], found["value"]) if found else ("", line.strip())
    indent = line[: len(line) - len(line.lstrip(" \t"))]
    if "\t" in indent:
        return "a tab in the indentation; YAML takes spaces only"
    if "{{" in value and not value.startswith(('"', "'")) and _TEMPLATE.search(line):
        if value.startswith("{") and not value.startswith("{{"):
            template = _TEMPLATE.search(line)
            inner = template[1].strip() if template else ""
            return f"a template in {{ }} style needs quotes; write {_quoted(inner)}"
        return f"a template needs quotes; write: {head.lstrip()}{_quoted(value)}"
    if _ENVIRONMENT.search(value):
        named = _ENVIRONMENT.sub(r"$env.\1", value)
        return f"${{NAME}} is not replaced here; write: {head.lstrip()}{named}"
    if value.startswith("[*]") or re.match(r"\[\*\S*\]", value):
        return f"YAML reads * as an alias; a path starts with $ and may be quoted: {head.lstrip()}'$.items[*]'"
    if value.startswith("*"):
        return f"YAML reads * as an alias; quote the text: {head.lstrip()}{_quoted(value)}"
    if value.startswith(("{", "[")):
        flow = _FLOW_EXPRESSION.search(value)
        if flow:
            return (
                "in { } style YAML cuts an expression at , [ ] and { }; "
                f"quote it: {flow['key']}: {_quoted(flow['value'].rstrip(' ]}'))}"
            )
    if value.startswith(("@", "`", "%")):
        return f"YAML does not allow text to start with {value[0]}; quote it: {head.lstrip()}{_quoted(value)}"
    if value.startswith("!"):
        return f"YAML reads ! as a tag; quote the text: {head.lstrip()}{_quoted(value)}"
    if value.startswith("&"):
        return f"YAML reads & as an anchor; quote the text: {head.lstrip()}{_quoted(value)}"
    if found and ": " in value and not value.startswith(('"', "'", "{", "[")):
        return f"a second ': ' in one line; quote the value: {head.lstrip()}{_quoted(value)}"
    return None
