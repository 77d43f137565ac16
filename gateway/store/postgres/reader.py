"""Reading: a pool of connections, so that a search through everything holds up no lookup."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import psycopg
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from gateway.errors import StoreUnavailable
from gateway.store.postgres.errors import is_lost, unavailable
from gateway.store.postgres.statements import Connection

P = ParamSpec("P")
R = TypeVar("R")

CONNECTIONS = 4
"""At most; those that were not needed for ten minutes are closed."""
PATIENCE = 5.0
"""Seconds that a question waits for a connection."""


class Reader:
    """Runs queries, a few at a time, each on a connection of its own."""

    def __init__(self, address: str, name: str) -> None:
        self._name = name
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._refused: Exception | None = None
        """Why the last connection could not be made."""
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            address,
            connection_class=_connecting(self._note),
            kwargs={"autocommit": True},
            min_size=1,
            max_size=CONNECTIONS,
            timeout=PATIENCE,
            reconnect_timeout=PATIENCE,
            open=False,
            name="gateway-read",
        )

    async def open(self) -> None:
        await self._pool.open()

    async def read(self, query: Callable[Concatenate[Connection, P], Awaitable[R]], *args: P.args, **kw: P.kwargs) -> R:
        """What ``query`` returns. One that an idle connection died under is asked again.

        :raises StoreUnavailable: it can't be read, or the store is closed.
        """
        if self._closed:
            raise StoreUnavailable(f"{self._name}: the store is closed")

        async def work() -> R:
            for _ in range(CONNECTIONS):
                try:
                    return await once()
                except psycopg.OperationalError as error:
                    if not is_lost(error) or isinstance(error, PoolTimeout | PoolClosed):
                        raise
            return await once()

        async def once() -> R:
            async with self._pool.connection() as db:
                return await query(db, *args, **kw)

        task = asyncio.create_task(work())
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            # Behind a shield, for psycopg may answer a cancellation with an error, or take it for none: a caller that
            # is cancelled would not get to know, and go on.
            return await asyncio.shield(task)
        except psycopg.Error as error:
            # The pool only says that it waited, which it does for a server that refuses at once, too.
            why = self._refused if isinstance(error, PoolTimeout) and self._refused is not None else error
            raise unavailable(self._name, why) from error
        except asyncio.CancelledError:
            task.cancel()
            if self._closed and not _cancelling():
                raise StoreUnavailable(f"{self._name}: the store is closed") from None
            raise

    def _note(self, error: Exception | None) -> None:
        self._refused = error

    async def close(self) -> None:
        """Break off what runs, then disconnect."""
        self._closed = True
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._pool.close()


def _connecting(note: Callable[[Exception | None], None]) -> type[Connection]:
    """A connection that notes why it could not be made, or that it was."""

    class Noting(Connection):
        @classmethod
        async def connect(cls, *args: Any, **kw: Any) -> Self:
            try:
                made = await super().connect(*args, **kw)
            except (psycopg.Error, OSError) as error:
                note(error)
                raise
            note(None)
            return made

    return Noting


def _cancelling() -> bool:
    """Whether it is the caller that was cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
