"""Many webhooks run again, one after the other, and how far that has come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Many webhooks that are run again one after the other, and how far that has come."""

    id: str
    """Ordered by time among the ids of webhooks: those with a greater one arrived after it began."""
    began_at: datetime
    asked: bytes
    """JSON: which webhooks, and what is to be done with them."""
    total: int
    """How many there were when it began."""
    done: int = 0
    cursor: str | None = None
    """Of :meth:`Store.walk`: the last webhook that is done. None: none is."""
    counts: Mapping[str, int] = {}
    """What was done, in words of the replay: created, replaced, failed ..."""
    finished_at: datetime | None = None


class Replays(Protocol):
    """Remembers replays, so that one that broke off goes on."""

    async def begin_replay(self, replay: Replay) -> None:
        """Keep a new one."""

    async def replay(self, id: str) -> Replay:
        """:raises NotFound: no such replay."""

    async def replays(self, *, limit: int = 20) -> Sequence[Replay]:
        """The newest first."""

    async def note_replay(self, replay: Replay, *, after: str | None) -> None:
        """Write how far a replay has come: ``done``, ``cursor``, ``counts`` and ``finished_at``.

        :raises Conflict: the cursor that is kept is not ``after``: somebody else goes on with it, or has.
        :raises NotFound: no such replay.
        """
