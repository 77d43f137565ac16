"""Replays of many webhooks: what was asked, and how far each has come."""

from __future__ import annotations

import sqlite3

from gateway.errors import Conflict, NotFound
from gateway.store import Replay
from gateway.store.replayed import REPLAY_COLUMNS, ReplayNoted, replay_of, replay_row
from gateway.store.rows import dumped, maybe_micros

_BEGIN = f"INSERT INTO replays ({REPLAY_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - made of constants
_FIND = f"SELECT {REPLAY_COLUMNS} FROM replays WHERE id = ?"  # noqa: S608 - made of constants
_LIST = f"SELECT {REPLAY_COLUMNS} FROM replays ORDER BY id DESC LIMIT ?"  # noqa: S608 - made of constants
_NOTE = "UPDATE replays SET done = ?, cursor = ?, counts = ?, finished_at = ? WHERE id = ? AND cursor IS ?"


def begin(db: sqlite3.Connection, replay: Replay) -> None:
    db.execute(_BEGIN, replay_row(replay))


def find(db: sqlite3.Connection, id: str) -> Replay:
    row = db.execute(_FIND, (id,)).fetchone()
    if row is None:
        raise NotFound(f"replay {id}: no such replay")
    return replay_of(row)


def list_replays(db: sqlite3.Connection, *, limit: int) -> list[Replay]:
    return [replay_of(row) for row in db.execute(_LIST, (limit,)).fetchall()]


def note(db: sqlite3.Connection, noted: ReplayNoted) -> Conflict | NotFound | None:
    replay = noted.replay
    moving = (replay.done, replay.cursor, dumped(replay.counts), maybe_micros(replay.finished_at))
    if db.execute(_NOTE, (*moving, replay.id, noted.after)).rowcount:
        return None
    if db.execute(_FIND, (replay.id,)).fetchone() is None:
        return NotFound(f"replay {replay.id}: no such replay")
    return Conflict(f"replay {replay.id}: somebody else goes on with it, or has")
