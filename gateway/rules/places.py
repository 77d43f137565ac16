"""Where a position inside a scalar's text stands in its file: behind quotes, escapes and folded lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_HEX = {"x": 2, "u": 4, "U": 8}
_BLANK_ESCAPES = frozenset("tnvfr NLP_\t")
"""What follows a backslash in double quotes and gives white space."""


def place_of(lines: Sequence[str], text: str, at: int, *, line: int, column: int, style: str | None) -> tuple[int, int]:
    """Line and column (from 1) of ``text[at]``, where a scalar of a ``style`` (``'``, ``"``, ``|``, ``>`` or None)
    begins at ``line`` and ``column``.

    YAML changes white space only (it folds lines and takes indentation away), so the characters between are counted.
    """
    block = style in ("|", ">")
    row, start = (line, 0) if block else (line - 1, column - 1 + len(style or ""))
    wanted = min(max(at, 0), max(len(text) - 1, 0))
    while wanted > 0 and text[wanted].isspace():
        wanted -= 1
    if not text[: wanted + 1].strip():
        return (line, column) if block else (line, start + 1)
    number = sum(not character.isspace() for character in text[:wanted])
    for place_row, place_column in _characters(lines, row, start, style):
        if number == 0:
            return place_row + 1, place_column + 1 + max(at - wanted, 0)
        number -= 1
    return line, column


def _characters(lines: Sequence[str], row: int, start: int, style: str | None) -> Iterator[tuple[int, int]]:
    """Where each character that is not white space stands, as (row, column) from 0."""
    for current in range(row, len(lines)):
        text = lines[current]
        position = start if current == row else 0
        while position < len(text):
            here = position
            character = text[position]
            position += 1
            if character == "\\" and style == '"':
                escape = text[position : position + 1]
                position += 1 + _HEX.get(escape, 0)
                if escape and escape not in _BLANK_ESCAPES:
                    yield current, here
            elif not character.isspace():
                if character == "'" and style == "'":
                    position += 1
                yield current, here
