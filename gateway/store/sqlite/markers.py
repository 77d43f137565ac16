"""Whether Intilery shows the ``messageId`` of what it accepted: what lookups have seen, by address and command."""

from __future__ import annotations

import sqlite3

from gateway.store import Markers
from gateway.store.rows import Row, moment

_NOTE = "INSERT OR REPLACE INTO markers (address, command, shown, at) VALUES (?, ?, ?, ?)"
_FIND = "SELECT shown, at FROM markers WHERE address = ? AND command = ?"


def note(db: sqlite3.Connection, row: Row) -> None:
    """Remember ``(address, command, 1 or 0, microseconds)`` in place of what was seen before."""
    db.execute(_NOTE, row)


def find(db: sqlite3.Connection, address: str, command: str) -> Markers | None:
    """What was seen last."""
    row = db.execute(_FIND, (address, command)).fetchone()
    return None if row is None else Markers(shown=bool(row[0]), at=moment(row[1]))
