"""What the writers run for the verbs that write, in the form in which they take it: many items at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from gateway.errors import StoreError
from gateway.store.postgres import (
    claims,
    clock,
    forgetting,
    markers,
    pauses,
    pruning,
    quarantine,
    replays,
    shadows,
    sharers,
    versions,
)
from gateway.store.postgres.commit import Run
from gateway.store.postgres.statements import Connection, run

Item = TypeVar("Item")
Result = TypeVar("Result")

_PULSE = """
INSERT INTO pulse (id, at) VALUES (1, extract(epoch FROM now()) * 1000000)
ON CONFLICT (id) DO UPDATE SET at = excluded.at
"""


def one_by_one(run: Callable[[Connection, Item], Awaitable[Result | StoreError]]) -> Run[Item, Result]:
    """``run`` for one item, as what :meth:`Writer.submit` takes."""

    async def each(db: Connection, items: Sequence[Item]) -> list[Result | StoreError]:
        return [await run(db, item) for item in items]

    return each


async def pulse(db: Connection, checks: Sequence[None]) -> Sequence[None]:
    await run(db, _PULSE)
    return checks


set_back = one_by_one(clock.set_back)
note_markers = one_by_one(markers.note)
prune = one_by_one(pruning.delete)
move_out = one_by_one(pruning.move_out)
drop_day = one_by_one(pruning.drop_day)
drop_expired = one_by_one(pruning.drop_expired)
drop_version = one_by_one(pruning.drop_version)
keep_quarantined = one_by_one(quarantine.keep)
still_quarantined = one_by_one(quarantine.stay)
drop_quarantined = one_by_one(quarantine.drop_old)
key = one_by_one(quarantine.key)
erase = one_by_one(forgetting.erase)
erase_rest = one_by_one(forgetting.erase_rest)
begin_replay = one_by_one(replays.begin)
note_replay = one_by_one(replays.note)
note_shadow = one_by_one(shadows.note)
say = one_by_one(sharers.say)
sign_off = one_by_one(sharers.sign_off)
pause = one_by_one(pauses.pause)
resume = one_by_one(pauses.resume)
recover = one_by_one(claims.recover)
remember_rules = one_by_one(versions.remember)
