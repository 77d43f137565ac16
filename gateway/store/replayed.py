"""Replays as rows, and back: the same for both stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.store import Replay
from gateway.store.rows import Row, dumped, loaded, maybe_micros, maybe_moment, micros, moment

REPLAY_COLUMNS = "id, began_at, asked, total, done, cursor, counts, finished_at"


class ReplayNoted(msgspec.Struct, frozen=True, kw_only=True):
    """How far a replay has come, and where it is said to have been before."""

    replay: Replay
    after: str | None


def replay_row(replay: Replay) -> Row:
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


def replay_of(row: Sequence[Any]) -> Replay:
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
