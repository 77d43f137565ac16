"""What the writer runs for the verbs that write, in the form in which it takes it: many items at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from gateway.errors import StoreError
from gateway.store import Claim
from gateway.store.leases import Due
from gateway.store.sqlite import (
    claims,
    clock,
    fetched,
    forgetting,
    markers,
    pauses,
    pruning,
    quarantine,
    replays,
    shadows,
    versions,
)
from gateway.store.sqlite.commit import Run

Item = TypeVar("Item")
Result = TypeVar("Result")

# The ballast asks for pages that a full disk, or a file at its limit, does not have.
_BALLAST = "INSERT OR REPLACE INTO pulse (id, at, ballast) VALUES (1, ?, zeroblob(65536))"
_PULSE = "INSERT OR REPLACE INTO pulse (id, at) VALUES (1, ?)"


def one_by_one(run: Callable[[sqlite3.Connection, Item], Result | StoreError]) -> Run[Item, Result]:
    """``run`` for one item, as what :meth:`Writer.submit` takes."""

    def each(db: sqlite3.Connection, items: Sequence[Item]) -> list[Result | StoreError]:
        return [run(db, item) for item in items]

    return each


def _recover(db: sqlite3.Connection, asked: tuple[Due, str, bool]) -> list[Claim]:
    due, mine, serving = asked
    return claims.recover(db, due, mine=mine, serving=serving)


def pulse(db: sqlite3.Connection, checks: Sequence[None]) -> list[None]:
    now = db.execute("SELECT unixepoch() * 1000000").fetchone()
    db.execute(_BALLAST, now)
    db.execute(_PULSE, now)
    return list(checks)


set_back = one_by_one(clock.set_back)
note_markers = one_by_one(markers.note)
prune = one_by_one(pruning.delete)
drop_expired = one_by_one(pruning.drop_expired)
drop_version = one_by_one(pruning.drop_version)
keep_quarantined = one_by_one(quarantine.keep)
still_quarantined = one_by_one(quarantine.stay)
drop_quarantined = one_by_one(quarantine.drop_old)
key = one_by_one(quarantine.key)
note_fetching = one_by_one(fetched.note)
erase = one_by_one(forgetting.erase)
erase_rest = one_by_one(forgetting.erase_rest)
begin_replay = one_by_one(replays.begin)
note_replay = one_by_one(replays.note)
note_shadow = one_by_one(shadows.note)
pause = one_by_one(pauses.pause)
resume = one_by_one(pauses.resume)
recover = one_by_one(_recover)
remember_rules = one_by_one(versions.remember)
serve_rules = one_by_one(versions.serve)
