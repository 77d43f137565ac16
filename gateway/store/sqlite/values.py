"""Many rows in one statement: SQL over ``{values}``, a table of parameters.

Python's sqlite3 lets go of the interpreter's lock in every step of every statement, and getting it back from a busy
event loop takes up to its switch interval (5 ms). So what a batch has to say is said in a few statements of many rows,
and what it asks comes back as one row. The tables are padded with rows of NULL to one of :data:`SIZES`, so that a
handful of texts serve every size of batch and stay in the connection's statement cache.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, TypeVar

import msgspec

from gateway.store.rows import Row

Value = TypeVar("Value")

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
"""How many rows a statement may have."""
CHUNK = SIZES[-1]
"""Rows in one statement, at most. Twice as many gain 5 % and double what the statements keep in memory."""


def _as_it_is(value: Value) -> Value:
    return value


# For every parameter but numbers and texts sqlite3 looks for an adapter, then for two protocols, and raises and catches
# errors on the way: half a microsecond for each None, which is more than all the rest of binding it.
sqlite3.register_adapter(bytes, _as_it_is)
sqlite3.register_adapter(type(None), _as_it_is)


@cache
def _text(template: str, rows: int, columns: int, empty: int) -> str:
    row = f"({','.join(['?'] * columns + ['NULL'] * empty)})"
    return template.replace("{values}", f"(VALUES {','.join([row] * rows)})")


def _chunks(template: str, rows: Sequence[Row], filled: int | None) -> Iterator[tuple[str, list[Any]]]:
    width = len(rows[0])
    columns = width if filled is None else filled
    nothing = (None,) * (width - columns)
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        size = next(size for size in SIZES if size >= len(chunk))
        if nothing and all(row[columns:] == nothing for row in chunk):
            parameters = [value for row in chunk for value in row[:columns]]
            empty = len(nothing)
        else:
            parameters = list(chain.from_iterable(chunk))
            empty = 0
        parameters.extend([None] * ((size - len(chunk)) * (width - empty)))
        yield _text(template, size, width - empty, empty), parameters


def write(db: sqlite3.Connection, template: str, rows: Sequence[Row], *, filled: int | None = None) -> None:
    """Run ``template`` over ``rows``, all of one width. Its text must do nothing for a row of NULL.

    The columns from ``filled`` on are NULL in most rows. Where they are in all, nothing is bound for them.
    """
    for text, parameters in _chunks(template, rows, filled):
        db.execute(text, parameters)


def ask(db: sqlite3.Connection, template: str, rows: Sequence[Row]) -> list[Any]:
    """The items that ``template`` finds for ``rows``; it must give one row of one ``json_group_array``."""
    found: list[Any] = []
    for text, parameters in _chunks(template, rows, None):
        (answer,) = db.execute(text, parameters).fetchone()
        if answer != "[]":
            found.extend(msgspec.json.decode(answer))
    return found
