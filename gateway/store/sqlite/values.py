"""Many rows in one statement: SQL over ``{values}``, a table of parameters.

Python's sqlite3 lets go of the interpreter's lock in every step of every statement, and getting it back from a busy
event loop takes up to its switch interval (5 ms). So what a batch has to say is said in a few statements of many rows,
and what it asks comes back as one row. The tables are padded with rows of NULL to a power of two, so that a handful of
texts serve every size of batch and stay in the connection's statement cache.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

import msgspec

from gateway.store.rows import Row

CHUNK = 64
"""Rows in one statement, at most. Twice as many gain 5 % and double what the statements keep in memory."""


@cache
def _text(template: str, rows: int, columns: int) -> str:
    row = f"({','.join('?' * columns)})"
    return template.replace("{values}", f"(VALUES {','.join([row] * rows)})")


def _chunks(template: str, rows: Sequence[Row]) -> Iterator[tuple[str, list[Any]]]:
    columns = len(rows[0])
    for start in range(0, len(rows), CHUNK):
        chunk = rows[start : start + CHUNK]
        size = 1 << (len(chunk) - 1).bit_length()
        parameters = list(chain.from_iterable(chunk))
        parameters.extend([None] * ((size - len(chunk)) * columns))
        yield _text(template, size, columns), parameters


def write(db: sqlite3.Connection, template: str, rows: Sequence[Row]) -> None:
    """Run ``template`` over ``rows``, all of one width. Its text must do nothing for a row of NULL."""
    for text, parameters in _chunks(template, rows):
        db.execute(text, parameters)


def ask(db: sqlite3.Connection, template: str, rows: Sequence[Row]) -> list[Any]:
    """The items that ``template`` finds for ``rows``; it must give one row of one ``json_group_array``."""
    found: list[Any] = []
    for text, parameters in _chunks(template, rows):
        (answer,) = db.execute(text, parameters).fetchone()
        if answer != "[]":
            found.extend(msgspec.json.decode(answer))
    return found
