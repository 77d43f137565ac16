"""The serving process prunes by itself: a slow timer, and the retention of the rules that are served at the moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from gateway.errors import StoreError
from gateway.rules import Ruleset
from gateway.store import Pruned, Retention

FIRST = 60.0
"""Seconds after the start, when what waited for the gateway has been taken in."""
EVERY = 600.0
"""Seconds from one run to the next."""
_log = logging.getLogger(__name__)


class PruneMade(msgspec.Struct, frozen=True, kw_only=True):
    """One run ended."""

    pruned: Pruned
    error: StoreError | None = None
    """Why it could not be done; what was taken out before that is not counted."""


def retentions(ruleset: Ruleset) -> Mapping[str, timedelta]:
    """What the rules files say, by source."""
    return {name: source.retention for name, source in ruleset.sources.items() if source.retention is not None}


class Pruner:
    """Prunes a store until told to stop. ``ruleset`` gives the rules that are served at the moment of the call,
    ``default`` is the retention of sources that say nothing, ``quarantined`` how long requests stay in quarantine;
    ``emit`` gets a record of each run."""

    def __init__(
        self,
        store: Retention,
        *,
        ruleset: Callable[[], Ruleset],
        default: timedelta,
        quarantined: timedelta,
        emit: Callable[[PruneMade], None],
        now: Callable[[], datetime],
        first: float = FIRST,
        every: float = EVERY,
    ) -> None:
        self._store, self._ruleset = store, ruleset
        self._default, self._quarantined = default, quarantined
        self._emit, self._now = emit, now
        self._first, self._every = first, every
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._loop = asyncio.create_task(self._run(), name="pruning")

    async def stop(self) -> None:
        """Break off; what is left goes the next time. Idempotent."""
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)

    async def _run(self) -> None:
        pause = self._first
        while True:
            await asyncio.sleep(pause)
            pause = self._every
            try:
                await self.prune()
            except Exception:
                # A defect: one run less is better than none from now on.
                _log.exception("pruning: this run ended early; the next is in %g s", self._every)

    async def prune(self) -> None:
        """One run."""
        pruned, error = Pruned(), None
        try:
            pruned = await self._store.prune(
                now=self._now(),
                default=self._default,
                by_source=retentions(self._ruleset()),
                quarantined=self._quarantined,
            )
        except StoreError as failed:  # a full disk, say: deleting needs room too
            error = failed
        self._emit(PruneMade(pruned=pruned, error=error))
