"""What the YAML parser refuses, told in words of a rules file's author."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from gateway.rules import traps
from gateway.rules.traps import Trap, quoted, written

_FORBIDDEN = "@`%|>&*!"
_CLOSES = {"{": "}", "[": "]"}


def refused(error: MarkedYAMLError, lines: Sequence[str]) -> Trap:
    """What is wrong where the parser stopped."""
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    begun = error.context_mark
    first = (begun.line + 1, begun.column + 1) if begun is not None else (line, column)
    if line > len(lines):
        line, column = len(lines), len(lines[-1]) + 1
    found = _spaces(lines, line, column) or _known(str(error.problem), str(error.context), lines, (line, column), first)
    return found or Trap(
        message="this can't be read here; check the quotes, the brackets and the indentation of this line "
        "and the one above",
        line=line,
        column=column,
    )


def unreadable(error: ReaderError, text: str) -> Trap:
    """A character that no YAML file may hold."""
    before = text[: error.position]
    line = before.count("\n") + 1
    return Trap(
        message=f"a control character (U+{error.character:04X}) that can't be seen; delete it",
        line=line,
        column=error.position - (before.rfind("\n") + 1) + 1,
    )


def _spaces(lines: Sequence[str], line: int, column: int) -> Trap | None:
    text = lines[line - 1]
    indent = text[: len(text) - len(text.lstrip(" \t"))]
    if "\t" in indent:
        what = "a tab in the indentation; only spaces are allowed there"
        return Trap(message=what, line=line, column=indent.index("\t") + 1)
    for number in (line, line - 1):
        if number > 0 and (at := traps.odd_space(lines[number - 1])) is not None:
            return traps.odd_space_trap(lines, number, at)
    if text[column - 1 : column] == "\t":
        fixed = text[: column - 1] + " " + text[column:].lstrip("\t")
        return Trap(message="a tab; only spaces are allowed here", line=line, column=column, corrected=fixed)
    return None


def _known(
    problem: str, context: str, lines: Sequence[str], place: tuple[int, int], first: tuple[int, int]
) -> Trap | None:
    line, column = place
    text = lines[line - 1]
    if problem.startswith("nested deeper"):
        return Trap(message=problem, line=line, column=column)
    if "quoted scalar" in context and "unexpected" in problem:
        return _open_quote(lines, first)
    if "escape" in problem:
        return _escape(lines, place, first)
    if "flow" in context:
        return _flow(problem, lines, place, first)
    if "cannot start any token" in problem or "alias" in context or "anchor" in context or "tag" in context:
        return _sign(lines, first if "while scanning a" in context and "token" not in context else place)
    if "block scalar" in context:
        return _sign(lines, first)
    if "mapping values" in problem:
        return _second_value(lines, line, column)
    if "could not find expected ':'" in problem:
        return _no_colon(lines, first)
    if "sequence entries" in problem:
        return Trap(
            message="a list begins in a line of its own below its key, each element after '- '; or write [a, b]",
            line=line,
            column=column,
        )
    if "mapping keys" in problem:
        return _sign(lines, place)
    if "YAML document" in problem or "directive" in problem or "directive" in context:
        return Trap(message="a line that begins with % is an instruction to YAML; delete it", line=line, column=column)
    if "<block end>" in problem or "<document start>" in problem or "node" in context:
        return _misplaced(problem, lines, place)
    return Trap(message="this is not allowed here", line=line, column=column) if text else None


def _open_quote(lines: Sequence[str], first: tuple[int, int]) -> Trap:
    line, column = first
    quote = lines[line - 1][column - 1 : column]
    return Trap(message=f"the quote {quote} is not closed", line=line, column=column)


def _escape(lines: Sequence[str], place: tuple[int, int], first: tuple[int, int]) -> Trap:
    line, column = place
    text = lines[line - 1]
    at = text.rfind("\\", 0, column)
    start = first[1] - 1 if first[0] == line else -1
    end = text.find('"', column)
    found = text[at : at + 2]
    what = f"'{found}' means nothing in double quotes; in single quotes a backslash is itself"
    if start < 0 or end < 0 or "'" in text[start:end]:
        return Trap(message=what, line=line, column=at + 1)
    fixed = text[:start] + f"'{text[start + 1 : end]}'" + text[end + 1 :]
    return Trap(message=f"{what}; {written(fixed)}", line=line, column=at + 1, corrected=fixed)


def _flow(problem: str, lines: Sequence[str], place: tuple[int, int], first: tuple[int, int]) -> Trap:
    line, column = place
    for number in dict.fromkeys((line, first[0])):
        trap = traps.flow_expression(lines, number, inside=number > first[0])
        if trap is not None:
            return trap
    text = lines[line - 1]
    opening = lines[first[0] - 1][first[1] - 1 : first[1]]
    found = re.search(r"(?:got|found) '(.*)'", problem)
    if text[column - 1 : column] in ("'", '"') or (found and found[1] == "<scalar>"):
        trap = _early_quote(text, line, column)
        if trap is not None:
            return trap
    if "node content" in problem:
        return Trap(message=f"a value is missing before '{text[column - 1 : column]}'", line=line, column=column)
    if opening in _CLOSES and (line > first[0] or column > len(text.rstrip())):
        return Trap(message=f"'{opening}' is not closed by '{_CLOSES[opening]}'", line=first[0], column=first[1])
    if found and found[1] in ("}", "]"):
        return Trap(message=f"'{found[1]}' closes nothing that is open here", line=line, column=column)
    rest = text[column - 1 :].strip()[:20]
    return Trap(
        message=f"a ',' is missing before '{rest}', or a value that holds , [ ] {{ }} or ': ' stands without quotes",
        line=line,
        column=column,
    )


def _sign(lines: Sequence[str], place: tuple[int, int]) -> Trap | None:
    line, column = place
    text = lines[line - 1]
    sign = text[column - 1 : column]
    flow = bool(traps.open_flow(text[: column - 1]))
    if sign == "%" and column == 1:
        return Trap(message="a line that begins with % is an instruction to YAML; delete it", line=line, column=column)
    names = {
        "*": "YAML reads * as an alias; quote the text",
        "&": "YAML reads & as an anchor; quote the text",
        "!": "YAML reads ! as a tag; quote the text",
        "|": "YAML reads | as the beginning of a block of text; quote the text",
        ">": "YAML reads > as the beginning of a block of text; quote the text",
        "?": "YAML reads '? ' as the beginning of a key; quote the text",
    }
    if sign in names or sign in _FORBIDDEN:
        return traps.mark(
            lines, line, column, sign, names.get(sign, f"text can't start with {sign} unless it is quoted"), flow=flow
        )
    return None


def _second_value(lines: Sequence[str], line: int, column: int) -> Trap:
    trap = traps.second_colon(lines, line)
    if trap is not None and trap.column == column:
        return trap
    above = _above(lines, line)
    if above:
        slip = traps.missing_space(lines, above)
        if slip is not None:
            return slip
        return Trap(
            message=f"this line is indented deeper than line {above}, which holds a value already; "
            "keys that belong together begin in one column",
            line=line,
            column=_begin(lines[line - 1]) + 1,
        )
    return trap or Trap(message="a second ': ' in one line; quote the value", line=line, column=column)


def _above(lines: Sequence[str], line: int) -> int:
    """The line above that says something, or 0."""
    number = line - 1
    while number > 0 and not lines[number - 1].split("#", 1)[0].strip():
        number -= 1
    return number


def _begin(text: str) -> int:
    return len(text) - len(text.lstrip())


def _no_colon(lines: Sequence[str], first: tuple[int, int]) -> Trap:
    line, column = first
    slip = traps.missing_space(lines, line)
    if slip is not None:
        return slip
    text = lines[line - 1].strip()
    return Trap(
        message=f"'{text[:40]}' is no key with a value; a line is 'key: value', or '- ' and an element",
        line=line,
        column=column,
    )


def _misplaced(problem: str, lines: Sequence[str], place: tuple[int, int]) -> Trap:
    line, column = place
    text = lines[line - 1]
    found = re.search(r"found '(.*)'", problem)
    token = found[1] if found else ""
    if token in ("}", "]"):
        return Trap(message=f"'{token}' closes nothing that is open here", line=line, column=column)
    if text[: column - 1].strip(" -"):
        trap = _early_quote(text, line, column) or traps.second_colon(lines, line)
        if trap is not None:
            return trap
        rest = text[column - 1 :].strip()[:20]
        return Trap(
            message=f"'{rest}' stands behind a value that is complete; quote the whole value",
            line=line,
            column=column,
        )
    above = _above(lines, line)
    if above:
        slip = traps.missing_space(lines, above)
        if slip is not None:
            return slip
    there = re.match(r"\s*(?:- +)*", lines[above - 1]) if above else None
    return Trap(
        message=f"the indentation fits nothing above: this line begins in column {column}"
        + (f", line {above} in column {there.end() + 1}" if there else "")
        + "; keys that belong together begin in one column",
        line=line,
        column=column,
    )


def _early_quote(text: str, line: int, column: int) -> Trap | None:
    """A quote of the same kind inside of quoted text: 'it's'."""
    for quote in "'\"":
        before = text[: column - 1].rstrip()
        if not before.endswith(quote) and text[column - 1 : column] != quote:
            continue
        begin = re.search(rf"(?:^|[\s\[{{,]){quote}", before)
        end = text.rfind(quote)
        if begin is None or end < column - 1:
            continue
        start = begin.end() - 1
        inner = text[start + 1 : end].replace(quote * 2, quote) if quote == "'" else text[start + 1 : end]
        fixed = text[:start] + quoted(inner) + text[end + 1 :]
        return Trap(
            message=f"the quote {quote} ends the text before it is complete; {written(fixed)}",
            line=line,
            column=column,
            corrected=fixed,
        )
    return None
