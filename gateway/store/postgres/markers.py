"""Whether Intilery shows the ``messageId`` of what it accepted: what lookups have seen, by address and command."""

from __future__ import annotations

from gateway.store import Markers
from gateway.store.postgres.statements import Connection, fetch_one, run
from gateway.store.rows import Row, moment

_NOTE = """
INSERT INTO markers (address, command, shown, at) VALUES (%s, %s, %s, %s)
ON CONFLICT (address, command) DO UPDATE SET shown = excluded.shown, at = excluded.at
"""
_FIND = "SELECT shown, at FROM markers WHERE address = %s AND command = %s"


async def note(db: Connection, row: Row) -> None:
    """Remember ``(address, command, shown, microseconds)`` in place of what was seen before."""
    await run(db, _NOTE, row)


async def find(db: Connection, address: str, command: str) -> Markers | None:
    """What was seen last."""
    row = await fetch_one(db, _FIND, (address, command))
    return None if row is None else Markers(shown=row[0], at=moment(row[1]))
