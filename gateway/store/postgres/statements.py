"""SQL as it is sent: statements over many rows, and the types of what they are given.

A statement says once for a whole group what it has to say. ``{v: seq bigint, lease text}`` in a text stands for a table
``v`` of parameters, one array for each column; arrays go to the server in binary, which for bytes is twenty times
cheaper than text.

Such a table meets one of the database's by ``c.seq = ANY(ARRAY[v.seq])``, which only an index on ``seq`` can answer,
row by row. By ``c.seq = v.seq`` the database's might be read as a whole and looked for in the parameters, and where the
planner takes it to be empty, it is. A partial index can be read as a whole too: there ``CROSS JOIN LATERAL (SELECT …
LIMIT 1)`` says who is looked for where. tests/store/test_postgres_plans.py asks an empty database for its plans.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection, AsyncCursor, AsyncPipeline

from gateway.store.postgres.rows import likely_day
from gateway.store.quarantines import QUARANTINE_COLUMNS
from gateway.store.replayed import REPLAY_COLUMNS
from gateway.store.rows import ATTEMPT_COLUMNS, COMMAND_COLUMNS, VERSION_COLUMNS, WEBHOOK_COLUMNS, Row
from gateway.store.shadowed import SHADOW_COLUMNS


class Connection(AsyncConnection[Any]):
    """A connection that knows the pipeline it is in."""

    _inside: AsyncPipeline | None = None

    @contextlib.asynccontextmanager
    async def pipeline(self) -> AsyncIterator[AsyncPipeline]:
        """As psycopg's, for :meth:`answered` to find."""
        async with super().pipeline() as pipeline:
            self._inside = pipeline
            try:
                yield pipeline
            finally:
                self._inside = None

    async def answered(self) -> None:
        """Wait for the answers to all that was sent; outside of a pipeline they are there.

        In one this is a Sync. A server that is only asked to flush waits for the rest of the pipeline for as long as it
        takes, with all that it has locked: to ``idle_in_transaction_session_timeout`` it is busy.
        """
        if self._inside is not None:
            await self._inside.sync()


_TYPES = {
    "text": (
        "id source method state rules_version batch_id webhook_id rule command action destination after_id on_unknown "
        "outcome cause client candidate served kind cursor"
    ),
    "bytea": (
        "path query headers errors reason matched dedup_key event_type body element user_id intilery_event_id terms "
        "message findings lacking paths"
    ),
    "integer": "repeats priority attempts number status",
    "smallint": "parsed proxied",
    "double precision": "duration_ms",
}
_TYPE_OF = {column: type_ for type_, columns in _TYPES.items() for column in columns.split()}


def typed(columns: str) -> str:
    """``id, received_at`` as ``id text, received_at bigint``, for the columns of the model."""
    return ", ".join(f"{column} {_TYPE_OF.get(column, 'bigint')}" for column in columns.split(", "))


_WORDS = {
    "quarantine": QUARANTINE_COLUMNS,
    "typed quarantine": typed(QUARANTINE_COLUMNS),
    "shadow": SHADOW_COLUMNS,
    "typed shadow": typed(SHADOW_COLUMNS),
    "replay": REPLAY_COLUMNS,
    "webhook": WEBHOOK_COLUMNS,
    "typed webhook": typed(WEBHOOK_COLUMNS),
    "command": COMMAND_COLUMNS,
    "typed command": typed(COMMAND_COLUMNS),
    "attempt": ATTEMPT_COLUMNS,
    "typed attempt": typed(ATTEMPT_COLUMNS),
    "version": VERSION_COLUMNS,
}


def sql(text: str) -> str:
    """``text`` with its tables of parameters and lists of columns (``{command}``) written out."""
    for word, columns in _WORDS.items():
        text = text.replace(f"{{{word}}}", columns)
    return re.sub(r"\{v: ([^}]*)\}", _values, text)


def _values(found: re.Match[str]) -> str:
    columns = [column.split(" ", 1) for column in found[1].split(", ")]
    arrays = ", ".join(f"%b::{type_}[]" for _, type_ in columns)
    return f"unnest({arrays}) AS v ({', '.join(name for name, _ in columns)})"


Parameters = Sequence[Any] | Mapping[str, Any]


async def fetch(db: Connection, query: str, parameters: Parameters = ()) -> list[Row]:
    """The rows of a query."""
    [rows] = await fetch_each(db, [(query, parameters)])
    return rows


async def fetch_one(db: Connection, query: str, parameters: Parameters = ()) -> Row | None:
    """The first row of a query."""
    rows = await fetch(db, query, parameters)
    return rows[0] if rows else None


async def fetch_by_id(db: Connection, query: str, id: str) -> Row | None:
    """The row with an id, looked for in the part where it is likely to be, and then in all. ``{here}`` in the query
    stands for the part."""
    here = await fetch_one(db, query.replace("{here}", "AND part = %s"), (id, likely_day(id)))
    return here or await fetch_one(db, query.replace("{here}", ""), (id,))


async def fetch_each(db: Connection, queries: Sequence[tuple[str, Parameters]]) -> list[list[Row]]:
    """The rows of several queries; in a pipeline they are on their way together."""
    cursors = [await _execute(db, query, parameters) for query, parameters in queries]
    await db.answered()
    return [await cursor.fetchall() for cursor in cursors]


async def _execute(db: Connection, statement: str, parameters: Parameters) -> AsyncCursor[Any]:
    cursor = db.cursor(binary=True)
    await cursor.execute(statement, parameters)
    if db.pgconn.pipeline_status:
        await _all_sent(db)
    return cursor


async def _all_sent(db: Connection) -> None:
    """Send what libpq still holds. psycopg (3.3) sends as much as the socket takes, and may then wait for an answer to
    what the server has not had."""
    loop = asyncio.get_running_loop()
    while db.pgconn.flush():
        writable = asyncio.Event()
        loop.add_writer(db.fileno(), writable.set)
        try:
            await writable.wait()
        finally:
            loop.remove_writer(db.fileno())


async def ask(db: Connection, query: str, rows: Sequence[Row]) -> list[Row]:
    """The rows of a query over a table of parameters."""
    return await fetch(db, query, columns_of(rows)) if rows else []


async def run(db: Connection, statement: str, parameters: Parameters = ()) -> None:
    """Execute a statement. In a pipeline it goes with what comes after it, and an error of it comes there."""
    await _execute(db, statement, parameters)


async def touched(db: Connection, statement: str, parameters: Parameters = ()) -> int:
    """Execute a statement; how many rows it touched."""
    cursor = await _execute(db, statement, parameters)
    await db.answered()
    return cursor.rowcount


async def write(db: Connection, statement: str, rows: Sequence[Row]) -> None:
    """Execute a statement over a table of parameters."""
    if rows:
        await run(db, statement, columns_of(rows))


def columns_of(rows: Sequence[Row]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
