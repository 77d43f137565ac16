"""A list's page: which rows, newest first, and where the next page begins.

A cursor is the place of the last item that was given, so pages stay whole while new items arrive before them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from gateway.store import Page
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

    def equal(self, column: str, value: Any) -> None:
        if value is not None:
            self.add(f"{column} = ?", value)

    def literal(self, column: str, word: str) -> None:
        """``word`` is one of ours. Written out, for a partial index serves only what the text itself says."""
        self.add(f"{column} = '{word}'")

    def received(self, since: datetime | None, until: datetime | None) -> None:
        if since is not None:
            self.add("received_at >= ?", micros(since))
        if until is not None:
            self.add("received_at < ?", micros(until))

    def __str__(self) -> str:
        return " AND ".join(self._terms) or "TRUE"


def read_cursor(cursor: str) -> int:
    """The seq that a cursor names.

    :raises ValueError: no list gave it.
    """
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise ValueError(f"cursor {cursor!r}: is not one that a list gave as next")
    return int(cursor)


def read_page(
    db: sqlite3.Connection,
    query: str,
    where: Conditions,
    item: Callable[[Sequence[Any]], T],
    *,
    limit: int,
    cursor: str | None,
) -> Page[T]:
    if cursor is not None:
        where.add("seq < ?", read_cursor(cursor))
    text = query.replace("{conditions}", str(where))
    rows = db.execute(text, [*where.parameters, limit + 1]).fetchall()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(items=tuple(item(row[1:]) for row in rows), next=str(rows[-1][0]) if more else None)
