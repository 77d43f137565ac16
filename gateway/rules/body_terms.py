"""The ``body`` of a rules file: how the bytes of a body become a value, where the content type does not say it well.

body: ndjson
body: {form_field: payload, as: json}
body: {as: xml, lists: [item]}
"""

from __future__ import annotations

import re

from gateway.inbound.payloads import KINDS, BodyType
from gateway.rules.keys import BODY_KEYS, check_keys
from gateway.rules.nodes import Node
from gateway.rules.problems import did_you_mean
from gateway.rules.readings import Entries, Reader

_ELEMENT = re.compile(r"[^\W\d][\w.-]*\Z")


def compile_body(keys: Entries, reader: Reader) -> BodyType | None:
    """What ``body`` says; None where it stands not there, or can't be read."""
    if "body" not in keys:
        return None
    node = keys["body"][1]
    if node.kind != "map":
        kind = _kind(node, reader, "body", more="{form_field: NAME, as: json} and {as: xml, lists: [NAME]}")
        return BodyType(kind=kind) if kind else None
    found = check_keys(node, BODY_KEYS, "body", reader.report)
    if not found:
        if not node.entries:
            reader.report(node, "body is empty; it takes a kind such as ndjson, or form_field, as, lists")
        return None
    field = reader.text(found, "form_field")
    lists = _lists(found, reader)
    kind = _kind(found["as"][1], reader, "as") if "as" in found else "xml" if lists else "json"
    if kind is None:
        return None
    if lists and kind != "xml":
        reader.report(found["lists"][0], f"lists names XML elements, and this is read as {kind}; allowed: as: xml")
    if field and kind == "multipart":
        reader.report(found["as"][1], f"a field holds no multipart; allowed: {', '.join(_within())}")
    if "form_field" not in found and "as" not in found and not lists:
        return None
    return BodyType(kind=kind, form_field=field, lists=lists)


def _kind(node: Node, reader: Reader, key: str, *, more: str = "") -> str | None:
    if node.kind == "scalar" and node.text in KINDS:
        return node.text
    near = did_you_mean(node.text, KINDS) if node.kind == "scalar" else ""
    allowed = f"; or a mapping: {more}" if more and not near else ""
    takes = f"{', '.join(KINDS[:-1])} or {KINDS[-1]}"
    reader.report(node, f"{key} takes {takes}; found {node.describe()}{near}{allowed}")
    return None


def _lists(found: Entries, reader: Reader) -> tuple[str, ...]:
    if "lists" not in found:
        return ()
    node = found["lists"][1]
    if node.kind != "list" or not node.items:
        reader.report(node, f"lists takes names of XML elements, such as [item]; found {node.describe()}")
        return ()
    names: list[str] = []
    for item in node.items:
        if item.kind != "scalar" or not _ELEMENT.match(item.text):
            hint = "; the prefix of a namespace is left out" if item.kind == "scalar" and ":" in item.text else ""
            reader.report(item, f"{item.describe()} is not the name of an XML element{hint}")
        else:
            names.append(item.text)
    return tuple(names)


def _within() -> tuple[str, ...]:
    return tuple(kind for kind in KINDS if kind != "multipart")
