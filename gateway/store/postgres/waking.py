"""Gateways wake one another: LISTEN and NOTIFY, so that nobody has to ask again and again what others wrote.

A notification says for which destination something was committed, and by whom. It goes after the commit, in a
transaction of its own that waits for no disk: PostgreSQL commits those that notify one after the other, so one that
went with the receptions would make all gateways commit in turn. What was lost on the way (a gateway that died between,
a pooler that swallows LISTEN) is found by the dispatchers' slow look-out.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable

import psycopg

from gateway.store.postgres.statements import Connection, fetch

CHANNEL = "gateway_due"
APART = 0.02
"""Seconds between two notifications of one gateway; what comes between goes together."""
PATIENCE = 5.0
"""Seconds until a connection is tried again, at most."""
LONGEST = 1_000
"""Characters of a destination's name that is told of: a notification takes 8,000 bytes."""
_TELL = """
SELECT set_config('synchronous_commit', 'off', true), pg_notify('gateway_due', %s || ' ' || name)
FROM unnest(%s::text[]) AS name
"""

Due = Callable[[frozenset[str]], None]
"""Is called with names of destinations; quick, and never raises."""


class Waker:
    """Tells other gateways what this one wrote, and hears what they wrote. Belongs to one event loop."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        self._connect = connect
        self._me = secrets.token_hex(4)
        self._untold: set[str] = set()
        self._work = asyncio.Event()
        self._tasks = [asyncio.create_task(self._speak(), name="gateway-tell")]

    def tell(self, destinations: Iterable[str]) -> None:
        """Commands for these destinations were committed. Never blocks."""
        self._untold.update(name for name in destinations if len(name) <= LONGEST)
        if self._untold:
            self._work.set()

    def hear(self, due: Due) -> None:
        """Call ``due`` with what others tell, from now on."""
        self._tasks.append(asyncio.create_task(self._hear(due), name="gateway-hear"))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _speak(self) -> None:
        async def speak(db: Connection) -> None:
            while True:
                await self._work.wait()
                self._work.clear()
                told, self._untold = self._untold, set()
                await fetch(db, _TELL, (self._me, sorted(told)))
                await asyncio.sleep(APART)

        await self._work.wait()
        await self._again_and_again(speak)

    async def _hear(self, due: Due) -> None:
        async def hear(db: Connection) -> None:
            await db.execute(f"LISTEN {CHANNEL}")
            async for notification in db.notifies():
                sender, _, destination = notification.payload.partition(" ")
                if sender != self._me:
                    due(frozenset({destination}))

        await self._again_and_again(hear)

    async def _again_and_again(self, work: Callable[[Connection], Awaitable[None]]) -> None:
        """Do it on a connection, and on a new one when that is lost."""
        pause = 0.1
        while True:
            try:
                db = await self._connect()
                async with db:
                    pause = 0.1
                    await work(db)
            except (psycopg.Error, OSError):
                await asyncio.sleep(pause)
                pause = min(pause * 2, PATIENCE)
