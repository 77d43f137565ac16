"""What many reasons have in common: one cause, told without what differs from one webhook or command to the next."""

from __future__ import annotations

import re

VARIES = r"'[^']*'|[0-9][0-9A-Fa-f:.,TZ+-]{2,}[0-9A-Fa-fZ]"
"""Quoted values, and numbers, moments and ids of four characters or more; an HTTP status stays. Python's :mod:`re` and
PostgreSQL's ``regexp_replace`` read it alike."""
LEFT_OUT = "…"
LONGEST = 300
"""Characters of a cause that are kept."""

_varies = re.compile(VARIES)


def words(reason: str) -> str:
    """A reason, its first :data:`LONGEST` characters, with ``…`` for each value that varies."""
    return _varies.sub(LEFT_OUT, reason[:LONGEST])
