"""A page of a list, read from PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from gateway.store import Page, conditions
from gateway.store.conditions import page_of
from gateway.store.postgres.rows import KEPT, day_of, is_text
from gateway.store.postgres.statements import Connection, fetch
from gateway.store.rows import micros

T = TypeVar("T")


class Conditions(conditions.Conditions):
    """As psycopg takes them."""

    mark = "%s"
    within = "position(%s::bytea in {column}) > 0"

    def equal(self, column: str, value: str | bytes | None) -> None:
        if isinstance(value, str) and not is_text(value):
            self.add("FALSE")
        else:
            super().equal(column, value)

    def days(self, since: datetime | None, until: datetime | None) -> None:
        """Of a table with parts: those of other days are not looked at."""
        if since is not None:
            self.add("(part >= %s OR part = %s)", day_of(micros(since)), KEPT)
        if until is not None:
            self.add("part <= %s", day_of(micros(until)))


async def read_page(
    db: Connection,
    query: str,
    where: Conditions,
    item: Callable[[Sequence[Any]], T],
    *,
    limit: int,
    cursor: str | None,
) -> Page[T]:
    where.behind(cursor)
    rows = await fetch(db, query.replace("{conditions}", str(where)), [*where.parameters, limit + 1])
    return page_of(rows, item, limit=limit)
