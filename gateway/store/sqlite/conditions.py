"""A page of a list, read from SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gateway.store import Page, conditions
from gateway.store.conditions import page_of

T = TypeVar("T")


class Conditions(conditions.Conditions):
    """As SQLite takes them."""

    mark = "?"
    within = "instr({column}, ?) > 0"


def read_page(
    db: sqlite3.Connection,
    query: str,
    where: Conditions,
    item: Callable[[Sequence[Any]], T],
    *,
    limit: int,
    cursor: str | None,
) -> Page[T]:
    where.behind(cursor)
    text = query.replace("{conditions}", str(where))
    return page_of(db.execute(text, [*where.parameters, limit + 1]).fetchall(), item, limit=limit)
