"""A list's page: which rows, newest first, and where the next page begins.

A cursor is the place of the last item that was given, so pages stay whole while new items arrive before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from gateway.store import Page
from gateway.store.postgres.rows import KEPT, day_of, is_text
from gateway.store.postgres.statements import Connection, fetch
from gateway.store.rows import micros

T = TypeVar("T")


class Conditions:
    """A WHERE clause and its parameters."""

    def __init__(self) -> None:
        self._terms: list[str] = []
        self.parameters: list[Any] = []

    def add(self, term: str, *parameters: Any) -> None:
        self._terms.append(term)
        self.parameters.extend(parameters)

    def equal(self, column: str, value: str | bytes | None) -> None:
        if isinstance(value, str) and not is_text(value):
            self.add("FALSE")
        elif value is not None:
            self.add(f"{column} = %s", value)

    def literal(self, column: str, word: str) -> None:
        """``word`` is one of ours. Written out, for a partial index serves only what the text itself says."""
        self.add(f"{column} = '{word}'")

    def received(self, since: datetime | None, until: datetime | None, *, parted: bool = False) -> None:
        """``parted``: of a table with parts, so that those of other days are not looked at."""
        if since is not None:
            self.add("received_at >= %s", micros(since))
            if parted:
                self.add("(part >= %s OR part = %s)", day_of(micros(since)), KEPT)
        if until is not None:
            self.add("received_at < %s", micros(until))
            if parted:
                self.add("part <= %s", day_of(micros(until)))

    def __str__(self) -> str:
        return " AND ".join(self._terms) or "TRUE"


def read_cursor(cursor: str) -> int:
    """The seq that a cursor names.

    :raises ValueError: no list gave it.
    """
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise ValueError(f"cursor {cursor!r}: is not one that a list gave as next")
    return int(cursor)


async def read_page(
    db: Connection,
    query: str,
    where: Conditions,
    item: Callable[[Sequence[Any]], T],
    *,
    limit: int,
    cursor: str | None,
) -> Page[T]:
    if cursor is not None:
        where.add("seq < %s", read_cursor(cursor))
    rows = await fetch(db, query.replace("{conditions}", str(where)), [*where.parameters, limit + 1])
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(items=tuple(item(row[1:]) for row in rows), next=str(rows[-1][0]) if more else None)
