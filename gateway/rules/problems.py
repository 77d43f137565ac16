"""What is wrong with a rules file, and where."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

import msgspec

_WIDTH = 100
"""Columns of a terminal that an excerpt's line may take."""
_BEFORE = 60
"""How many of them stand before the caret where a line is longer."""
_SHORT_LIST = 8
"""As many allowed names are listed even where one of them is near to what was found."""


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to mend in one file. As text: ``file:line:column: what is wrong; what is allowed``."""

    file: str
    """The way to it from where the folder was named; of texts without a folder, its name. Empty where what is wrong
    stands in no file."""
    line: int
    """From 1."""
    column: int
    """From 1, in characters."""
    message: str
    source: str = ""
    """The line of the file, as it stands."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}" if self.file else self.message

    @property
    def excerpt(self) -> str:
        """The line with a caret under the place, or nothing where the line is not known.

        Two lines of text for a terminal: a tab takes one column, a wide character (CJK, emoji) two, a combining one
        none, and of a long line only what is near the caret is shown.
        """
        if not self.source:
            return ""
        shown = [_visible(character) for character in self.source]
        at = min(self.column - 1, len(shown))
        before, after = shown[:at], shown[at:]
        if _columns(shown) > _WIDTH:
            before = _fitting(before[::-1], _BEFORE)[::-1]
            after = _fitting(after, _WIDTH - _columns(before))
        head = "… " if len(before) < at else ""
        tail = " …" if at + len(after) < len(shown) else ""
        return (
            f"  {self.line:>4} | {head}{''.join(before)}{''.join(after)}{tail}\n"
            f"       | {' ' * (len(head) + _columns(before))}^"
        )


def _visible(character: str) -> str:
    return character if character.isprintable() or unicodedata.category(character) in ("Mn", "Me") else " "


def _columns(text: Iterable[str]) -> int:
    """How many columns of a terminal the characters take."""
    return sum(
        0
        if unicodedata.category(character) in ("Mn", "Me")
        else 2
        if unicodedata.east_asian_width(character) in ("W", "F")
        else 1
        for character in text
    )


def _fitting(characters: list[str], width: int) -> list[str]:
    """As many of the first characters as fit."""
    for count in range(len(characters)):
        width -= _columns(characters[count])
        if width < 0:
            return characters[:count]
    return characters


def nearest(found: str, allowed: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The one of ``allowed`` that somebody who wrote ``found`` may have meant, or None where none is near.

    ``cutoff`` is difflib's: 0.6 is near enough to ask, 0.75 to be sure.
    """
    by_lower = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(found.lower()[:100], by_lower, n=1, cutoff=cutoff)
    return by_lower[near[0]] if near else None


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest of ``allowed``, or nothing where none is near."""
    near = nearest(found, allowed)
    return f"; did you mean '{near}'?" if near else ""


def choices(found: str, allowed: Iterable[str], *, what: str = "allowed") -> str:
    """What is allowed, and which of it was meant: ``"; allowed: a, b; did you mean 'a'?"``.

    A long list is left out where one of it is near: its reader wants that one.
    """
    names = tuple(allowed)
    near = did_you_mean(found, names)
    if near and len(names) > _SHORT_LIST:
        return near
    return f"; {what}: {', '.join(names) or 'none'}{near}"
