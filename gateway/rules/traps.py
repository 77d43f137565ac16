"""YAML's known traps, recognised where the file is read, each answered with the corrected line.

A rules file is YAML that holds expressions, and YAML gives some of their characters a meaning of its own. What the
YAML parser then says (or silently does) would puzzle its author; these sentences name the cause instead. Where the
author's meaning is plain, the corrected line is also read in place of the wrong one, so that one slip does not hide
the problems below it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

_EXPRESSION = re.compile(r"(?:^|[\s,:\[{(-])(\$(?=[A-Za-z_.\[{])|\{\{)")
_ENTRY = re.compile(r"^(?P<head>\s*(?:- +)*[^\s:#\"'][^:#]*: +)(?P<value>\S.*?)\s*$")
_NO_SPACE = re.compile(r"^(\s*(?:- +)*(?:[A-Za-z_][\w-]*|\$(?:[^\s:|\[\]]|\[[^\]]*\])*)):(?=[^\s:/])")
"""A key, or the path of a condition, with a colon and no space behind it."""
_COMMENT = re.compile(r":\s+(#\S.*)")
CURLY_QUOTES = "\u2018\u2019\u201c\u201d"
_IN_A_LINE = 20
"""Expressions of one line that are mended together."""
_PAIRS = {"(": ")", "[": "]", "{": "}"}


class Trap(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong at a place of a file, and the line as it was meant (where that is plain)."""

    message: str
    line: int
    """From 1, as is ``column``."""
    column: int
    corrected: str | None = None


def quoted(value: str) -> str:
    """``value`` in YAML quotes: single ones, unless it holds such."""
    if "'" not in value:
        return f"'{value}'"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def extent(line: str, start: int, *, flow: bool) -> int:
    """Where the expression that begins at ``start`` ends by its own quotes and brackets, not by YAML's."""
    open_brackets: list[str] = []
    quote = ""
    position = start
    while position < len(line):
        character = line[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "'\"" and (open_brackets or line[start] != "$"):
            quote = character
        elif character in _PAIRS:
            open_brackets.append(_PAIRS[character])
        elif open_brackets and character == open_brackets[-1]:
            open_brackets.pop()
        elif not open_brackets and (
            (flow and character in ",]}")
            or (character == ":" and line[position + 1 : position + 2] in (" ", ""))
            or (character == "#" and line[position - 1] in " \t")
        ):
            return len(line[:position].rstrip())
        position += 1
    if quote or open_brackets:  # It ends nowhere; what closes the YAML around it is not a part of it.
        return len(line.rstrip().rstrip("]}" if flow else "").rstrip())
    return len(line.rstrip())


def with_quotes(line: str, start: int, *, flow: bool) -> str:
    """The line with quotes around the expression that begins at ``start``."""
    end = extent(line, start, flow=flow)
    return line[:start] + quoted(line[start:end]) + line[end:]


def written(line: str) -> str:
    """A corrected line as a part of a message."""
    return f"write: {line.strip()}"


# -- what YAML reads without complaint, and nobody means -----------------------------------------------------------


def cut(lines: Sequence[str], line: int, start: int, end: int, *, flow: bool) -> Trap | None:
    """Why YAML ended a plain expression at ``end`` before its brackets and quotes were closed, or None."""
    text = lines[line - 1]
    rest = text[end:]
    following = rest.lstrip()[:1]
    if following == "#" and rest[:1] in " \t":
        fixed = with_quotes(text, start, flow=flow)
        what = "' #' begins a comment, so the rest of the line is lost; quote the value"
        return Trap(message=f"{what}; {written(fixed)}", line=line, column=end + 2, corrected=fixed)
    if flow and following and following in ",[]{}":
        return _flow(text, line, start, end + len(rest) - len(rest.lstrip()))
    return None


def _flow(text: str, line: int, start: int, at: int) -> Trap:
    fixed = with_quotes(text, start, flow=True)
    # The others of the line, so that the author mends it once.
    for _ in range(_IN_A_LINE):
        more = [one for one, flow in bare_expressions(fixed) if flow and _is_cut(fixed, one)]
        if not more:
            break
        fixed = with_quotes(fixed, more[0], flow=True)
    what = f"in {{ }} style YAML ends a value at '{text[at]}'; quote the expression"
    return Trap(message=f"{what}; {written(fixed)}", line=line, column=at + 1, corrected=fixed)


def template(lines: Sequence[str], line: int, column: int) -> Trap | None:
    """The trap of ``{{ x }}`` without quotes, where ``{{`` stands at or before a place of a line."""
    text = lines[line - 1]
    start = text.rfind("{{", 0, column + 1)
    if start < 0 or "}}" not in text[start:]:
        return None
    fixed = quote_value(text, start)
    return Trap(message=f"a template stands in quotes; {written(fixed)}", line=line, column=start + 1, corrected=fixed)


def quote_value(text: str, start: int) -> str:
    """The line with quotes around the value that holds a template at ``start``."""
    entry = _ENTRY.match(text)
    if entry and not (entry["value"].startswith(("{", "[")) and not entry["value"].startswith("{{")):
        return entry["head"] + quoted(entry["value"])
    item = re.match(r"\s*(?:- +)+", text)
    if item and not text[item.end() :].startswith("[") and (text[item.end() :].startswith("{{") or not entry):
        return item[0] + quoted(text[item.end() :].rstrip())
    begin = max(text.rfind(mark, 0, start) + len(mark) for mark in (": ", ", ", "[", "{ "))
    begin = max(begin, 0)
    while begin < start and text[begin] == " ":
        begin += 1
    end = text.find("}}", start) + 2
    more = re.match(r"[^,\]}{]*", text[end:])
    end += len(more[0].rstrip()) if more else 0
    while text.startswith("{{", more_start := end + len(text[end:]) - len(text[end:].lstrip())) and "}}" in text[end:]:
        end = text.find("}}", more_start) + 2
    return text[:begin] + quoted(text[begin:end]) + text[end:]


def mark(lines: Sequence[str], line: int, column: int, sign: str, what: str, *, flow: bool) -> Trap:
    """The trap of a value that begins with a character that YAML keeps for itself."""
    text = lines[line - 1]
    start = column - 1
    if sign == "*" and text[:start].endswith("[") and text[start + 1 : start + 2] == "]":
        path = re.search(r"\$[^\s{},:]*\Z", text[: start - 1])
        if path:  # In a key, as in {$.items[*].sku: A1}; of a value, YAML says so before it meets the star.
            return _flow(text, line, path.start(), start - 1)
        fixed = text[: start - 1] + "'$.items[*]'" + text[start + 2 :]
        why = "YAML reads * as an alias; a path begins with $"
        return Trap(message=f"{why}; {written(fixed)}", line=line, column=column, corrected=fixed)
    fixed = with_quotes(text, start, flow=flow)
    return Trap(message=f"{what}; {written(fixed)}", line=line, column=column, corrected=fixed)


def environment(lines: Sequence[str], line: int, column: int, name: str) -> Trap:
    """The trap of ``${NAME}``."""
    text = lines[line - 1]
    fixed = text[: column - 1] + text[column - 1 :].replace(f"${{{name}}}", f"$env.{name}", 1)
    what = (
        f"'${{{name}}}' is not filled in; a secret is $env.{name}, and stands only where credentials do (verify, fetch)"
    )
    hint = f"; {written(fixed)}" if re.search("secret|password|token|user", text[: column - 1]) else ""
    return Trap(message=what + hint, line=line, column=column, corrected=fixed)


def odd_space(text: str) -> int | None:
    """Where a blank stands that looks like a space and is none to YAML, or None."""
    found = re.search("[\u00a0\u2000-\u200b\u202f\u205f\u2060\u3000]", text)
    return found.start() if found else None


def odd_space_trap(lines: Sequence[str], line: int, at: int) -> Trap:
    """The trap of a blank that came along when text was pasted."""
    text = lines[line - 1]
    fixed = re.sub("[\u00a0\u2000-\u200a\u202f\u205f\u3000]", " ", re.sub("[\u200b\u2060]", "", text))
    return Trap(
        message=f"the blank here is no space (U+{ord(text[at]):04X}, as web pages and word processors write it); "
        "type a space instead",
        line=line,
        column=at + 1,
        corrected=fixed,
    )


# -- finding what an author meant in a line that YAML refuses ------------------------------------------------------


def bare_expressions(line: str) -> list[tuple[int, bool]]:
    """Where expressions and templates begin that stand in no quotes, and whether in ``{ }`` or ``[ ]`` style."""
    found: list[tuple[int, bool]] = []
    position = 0
    while candidate := _EXPRESSION.search(line, position):
        start = candidate.start(1)
        quote, depth = _open(line[:start])
        if quote:
            position = start + 1
            continue
        flow = depth > 0
        found.append((start, flow))
        position = max(extent(line, start, flow=flow), start + 1)
    return found


def _open(before: str) -> tuple[str, int]:
    """At the end of this beginning of a line: the YAML quote that is open, and how many ``{`` and ``[`` of YAML's."""
    quote = ""
    brackets: list[bool] = []
    for position, character in enumerate(before):
        previous = before[position - 1] if position else " "
        if quote:
            if character == quote and (quote == "'" or previous != "\\"):
                quote = ""
        elif character in "'\"" and previous in " \t[{,(":
            quote = character
        elif character in "{[(":
            brackets.append(character != "(" and previous in " \t[{,")
        elif character in ")]}" and brackets:
            brackets.pop()
    return quote, sum(brackets)


def open_flow(before: str) -> int:
    """How many ``{`` and ``[`` are open that YAML reads as such."""
    return _open(before)[1]


def _is_cut(text: str, start: int) -> re.Match[str] | None:
    """Where the expression that begins at ``start`` holds what ends a value in ``{ }`` style."""
    return re.compile(r"[\[\]{},]").search(text, start, extent(text, start, flow=True))


def flow_expression(lines: Sequence[str], line: int, *, inside: bool = False) -> Trap | None:
    """The first expression of a line that YAML cuts because it stands in ``{ }`` style without quotes.

    ``inside`` says that the line as a whole stands in brackets that an earlier one opened.
    """
    text = lines[line - 1]
    for start, flow in bare_expressions(text):
        if not flow and not inside:
            continue
        if text.startswith("{{", start):
            return template(lines, line, start + 1)
        variable = re.match(r"\$\{([A-Za-z_]\w*)\}", text[start:])
        if variable:
            return environment(lines, line, start + 1, variable[1])
        special = _is_cut(text, start)
        if special:
            return _flow(text, line, start, special.start())
    return None


def second_colon(lines: Sequence[str], line: int) -> Trap | None:
    """The trap of a value that holds ``: ``."""
    text = lines[line - 1]
    entry = _ENTRY.match(text)
    if entry is None or entry["value"].startswith(("'", '"', "{", "[")):
        return None
    at = entry["value"].find(": ")
    if at < 0:
        return None
    fixed = entry["head"] + quoted(entry["value"])
    return Trap(
        message=f"a second ': ' in one line; quote the value; {written(fixed)}",
        line=line,
        column=entry.start("value") + at + 1,
        corrected=fixed,
    )


def comment(lines: Sequence[str], line: int, column: int) -> Trap | None:
    """The trap of ``key: #1``, where the key ends behind a place of a line: all of the value is a comment."""
    text = lines[line - 1]
    found = _COMMENT.match(text, column - 1)
    if found is None:
        return None
    fixed = text[: found.start(1)] + quoted(found[1].rstrip())
    return Trap(
        message=f"text that starts with # is a comment; quote it; {written(fixed)}",
        line=line,
        column=found.start(1) + 1,
        corrected=fixed,
    )


def curly(text: str) -> str | None:
    """What is wrong with text in the quotes of a word processor, or None."""
    if not text or text[0] not in CURLY_QUOTES:
        return None
    return f"the quotes {text[0]} {text[-1]} are those of a word processor; write {quoted(text.strip(CURLY_QUOTES))}"


def missing_space(lines: Sequence[str], line: int) -> Trap | None:
    """The trap of ``key:value``."""
    text = lines[line - 1]
    found = _NO_SPACE.match(text)
    if found is None:
        return None
    fixed = f"{found[1]}: {text[found.end() :]}"
    return Trap(
        message=f"a space is missing behind the colon; {written(fixed)}",
        line=line,
        column=found.end() + 1,
        corrected=fixed,
    )
