"""A reading connection on a thread of its own: it sees what is committed and never waits for the writer."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from gateway.errors import StoreUnavailable

P = ParamSpec("P")
R = TypeVar("R")


class Reader:
    """Runs one query at a time."""

    def __init__(self, db: sqlite3.Connection, name: str) -> None:
        self._db = db
        self._name = name
        self._closed = False
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gateway-read")

    async def read(
        self, query: Callable[Concatenate[sqlite3.Connection, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """What ``query`` returns, run on the reading connection.

        :raises StoreUnavailable: it can't be read, or the store is closed.
        """

        def work() -> R:
            if self._closed:
                raise StoreUnavailable(f"{self._name}: the store is closed")
            try:
                return query(self._db, *args, **kwargs)
            except sqlite3.Error as error:
                raise StoreUnavailable(f"{self._name}: can't be read: {error}") from error

        try:
            submitted = self._thread.submit(work)
        except RuntimeError as error:  # shut down
            raise StoreUnavailable(f"{self._name}: the store is closed") from error
        return await asyncio.wrap_future(submitted)

    async def close(self) -> None:
        """Break off the query that runs, refuse those behind it, then disconnect."""
        self._closed = True
        self._thread.shutdown(wait=False)
        self._db.interrupt()
        await asyncio.to_thread(self._thread.shutdown)
        self._db.close()
