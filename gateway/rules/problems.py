"""What is wrong with a rules file, and where."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to mend in one file. As text: ``file:line:column: what is wrong; what is allowed``."""

    file: str
    """Relative to the rules folder."""
    line: int
    """From 1."""
    column: int
    """From 1, in characters."""
    message: str
    source: str = ""
    """The line of the file, as it stands."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"

    @property
    def excerpt(self) -> str:
        """The line with a caret under the place, or nothing where the line is not known."""
        if not self.source:
            return ""
        line = self.source.replace("\t", " ")
        start = max(0, self.column - 1 - 60)
        shown = line[start : start + 100]
        return f"  {self.line:>4} | {shown}\n       | {' ' * (self.column - 1 - start)}^"


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the nearest of ``allowed``, or nothing where none is near."""
    by_lower = {name.lower(): name for name in allowed}
    near = difflib.get_close_matches(found.lower(), by_lower, n=1, cutoff=0.6)
    return f"; did you mean '{by_lower[near[0]]}'?" if near else ""
