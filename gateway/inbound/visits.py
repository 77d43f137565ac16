"""Visits: addresses that a sender asked to be opened (``visit``, Amazon SNS), opened after its request was answered.

Which addresses may be opened is decided before (:mod:`gateway.inbound.challenges`); the network under the client opens
public ones only. A visit is not in the store: where the gateway stops first, or all attempts fail, somebody asks the
sender for its confirmation again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from urllib.parse import urlsplit

import msgspec

from gateway.backoff import Backoff, jittered
from gateway.errors import FetchError, FetchUnavailable

MOST = 100
"""Visits that wait or are under way; what is over it is told to come again."""
AT_A_TIME = 4
ATTEMPTS = 6
_BACKOFF = Backoff(base=timedelta(seconds=4), cap=timedelta(minutes=2))


class VisitMade(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at a visit ended."""

    source: str
    host: str
    outcome: str
    """``answered``, ``again``, ``refused`` or ``given_up``."""
    message: str | None = None
    """Why it was not answered. The address itself holds a token and is not told."""


class Visits:
    """The visits of one gateway.

    ``open`` opens an address, or raises a :class:`~gateway.errors.FetchError`; ``emit`` gets a record per attempt;
    ``pause`` waits so many seconds.
    """

    def __init__(
        self,
        open: Callable[[str], Awaitable[None]],
        *,
        emit: Callable[[VisitMade], None],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._open, self._emit, self._pause, self._rng = open, emit, pause, rng
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Semaphore(AT_A_TIME)

    def __len__(self) -> int:
        """How many wait or are under way."""
        return len(self._tasks)

    def add(self, source: str, address: str) -> bool:
        """Open this address soon, once however often it is added meanwhile; False where too many wait."""
        if address in self._tasks:
            return True
        if len(self._tasks) >= MOST:
            return False
        task = self._tasks[address] = asyncio.create_task(self._visit(source, address), name="visit")
        task.add_done_callback(lambda _: self._tasks.pop(address))
        return True

    async def stop(self) -> None:
        """Break off what is under way. Idempotent."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _visit(self, source: str, address: str) -> None:
        host = urlsplit(address).hostname or ""
        for attempt in range(1, ATTEMPTS + 1):
            outcome, message = "answered", None
            try:
                async with self._turn:
                    await self._open(address)
            except FetchError as error:
                message = error.message
                outcome = "refused"
                if isinstance(error, FetchUnavailable):
                    outcome = "again" if attempt < ATTEMPTS else "given_up"
            self._emit(VisitMade(source=source, host=host, outcome=outcome, message=message))
            if outcome != "again":
                return
            await self._pause(jittered(attempt, self._rng, _BACKOFF).total_seconds())
