"""Replays of many webhooks: what was asked, and how far each has come."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.errors import Conflict, NotFound
from gateway.store import Replay
from gateway.store.rows import dumped, loaded, maybe_micros, maybe_moment, micros, moment

_COLUMNS = "id, began_at, asked, total, done, cursor, counts, finished_at"
_BEGIN = f"INSERT INTO replays ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - made of constants
_FIND = f"SELECT {_COLUMNS} FROM replays WHERE id = ?"  # noqa: S608 - made of constants
_LIST = f"SELECT {_COLUMNS} FROM replays ORDER BY id DESC LIMIT ?"  # noqa: S608 - made of constants
_NOTE = "UPDATE replays SET done = ?, cursor = ?, counts = ?, finished_at = ? WHERE id = ? AND cursor IS ?"


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """How far a replay has come, and where it is said to have been before."""

    replay: Replay
    after: str | None


def begin(db: sqlite3.Connection, replay: Replay) -> None:
    db.execute(_BEGIN, _row(replay))


def find(db: sqlite3.Connection, id: str) -> Replay:
    row = db.execute(_FIND, (id,)).fetchone()
    if row is None:
        raise NotFound(f"replay {id}: no such replay")
    return _replay(row)


def list_replays(db: sqlite3.Connection, *, limit: int) -> list[Replay]:
    return [_replay(row) for row in db.execute(_LIST, (limit,)).fetchall()]


def note(db: sqlite3.Connection, noted: Noted) -> Conflict | NotFound | None:
    replay = noted.replay
    moving = (replay.done, replay.cursor, dumped(replay.counts), maybe_micros(replay.finished_at))
    if db.execute(_NOTE, (*moving, replay.id, noted.after)).rowcount:
        return None
    if db.execute(_FIND, (replay.id,)).fetchone() is None:
        return NotFound(f"replay {replay.id}: no such replay")
    return Conflict(f"replay {replay.id}: somebody else goes on with it, or has")


def _row(replay: Replay) -> tuple[Any, ...]:
    return (
        replay.id,
        micros(replay.began_at),
        replay.asked,
        replay.total,
        replay.done,
        replay.cursor,
        dumped(replay.counts),
        maybe_micros(replay.finished_at),
    )


def _replay(row: Sequence[Any]) -> Replay:
    id, began_at, asked, total, done, cursor, counts, finished_at = row
    return Replay(
        id=id,
        began_at=moment(began_at),
        asked=asked,
        total=total,
        done=done,
        cursor=cursor,
        counts=loaded(counts),
        finished_at=maybe_moment(finished_at),
    )
