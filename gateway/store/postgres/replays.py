"""Replays of many webhooks: what was asked, and how far each has come."""

from __future__ import annotations

from gateway.errors import Conflict, NotFound
from gateway.store import Replay
from gateway.store.postgres.rows import is_text
from gateway.store.postgres.statements import Connection, fetch, fetch_one, run, sql, touched
from gateway.store.replayed import ReplayNoted, replay_of, replay_row
from gateway.store.rows import dumped, maybe_micros

_BEGIN = sql("INSERT INTO replays ({replay}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)")
_FIND = sql("SELECT {replay} FROM replays WHERE id = %s")
_LIST = sql("SELECT {replay} FROM replays ORDER BY id DESC LIMIT %s")
_NOTE = """
UPDATE replays SET done = %s, cursor = %s, counts = %s, finished_at = %s
WHERE id = %s AND cursor IS NOT DISTINCT FROM %s
"""


async def begin(db: Connection, replay: Replay) -> None:
    await run(db, _BEGIN, replay_row(replay))


async def find(db: Connection, id: str) -> Replay:
    row = await fetch_one(db, _FIND, (id,)) if is_text(id) else None
    if row is None:
        raise NotFound(f"replay {id}: no such replay")
    return replay_of(row)


async def list_replays(db: Connection, *, limit: int) -> list[Replay]:
    return [replay_of(row) for row in await fetch(db, _LIST, (limit,))]


async def note(db: Connection, noted: ReplayNoted) -> Conflict | NotFound | None:
    replay = noted.replay
    moving = (replay.done, replay.cursor, dumped(replay.counts), maybe_micros(replay.finished_at))
    if await touched(db, _NOTE, (*moving, replay.id, noted.after)):
        return None
    if await fetch_one(db, _FIND, (replay.id,)) is None:
        return NotFound(f"replay {replay.id}: no such replay")
    return Conflict(f"replay {replay.id}: somebody else goes on with it, or has")
