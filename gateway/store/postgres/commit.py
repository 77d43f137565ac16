"""Writing in groups: what arrives while one transaction is on its way to the disk goes into the next one together.

Verbs hand their operations to :meth:`Writer.submit`; a task with a connection of its own takes all that is there and
runs it in one transaction. So the cost of a commit, and of the way to the server and back, is shared by as many as it
makes wait.

An operation that fails takes nobody with it: the group is rolled back and halved until the failing one stands alone.
Where two transactions met, of two gateways say, the group is run again. Where the connection was lost before the
commit was asked for, nothing has happened, and it is run again on a new one; where it was lost while the commit was on
its way, nobody knows, and the callers are told :class:`~gateway.errors.StoreUnavailable`. The next group connects
again by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import psycopg

from gateway.errors import StoreError, StoreUnavailable
from gateway.store.groups import AnyOperation, Operation, next_group, overfull
from gateway.store.postgres.errors import (
    has_met,
    is_lost,
    is_nobodys_fault,
    lacks_part,
    unavailable,
    worded,
)
from gateway.store.postgres.statements import Connection

Item = TypeVar("Item")
Result = TypeVar("Result")
Run = Callable[[Connection, Sequence[Item]], Awaitable[Sequence[Result | StoreError]]]
"""Does its items in the transaction that is open; gives one result each, or the error that one of them gets."""

AGAIN = 20
"""How often a transaction is run again that met another one."""

# A server whose default is laxer must not break what a 200 says; one that waits for its standby's replay may do so.
# And nobody waits for ever for a lock, nor does a gateway that was stopped in the middle keep what it holds: who waits
# for that waits longer, and gets it.
_SETTLE = """
SELECT set_config('synchronous_commit',
        CASE current_setting('synchronous_commit') WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),
    set_config('lock_timeout', '10s', true), set_config('idle_in_transaction_session_timeout', '5s', true)
"""
# Work that comes all day finds its rows through an index, each by itself. The planner knows the tables as they were
# when they were last analyzed: what is not finished was nothing after a quiet night, and so it would read all of it (or
# sort it, for the first of it) for every group of the morning, until it is analyzed again. (The other half of this is
# in how the statements are written: :mod:`gateway.store.postgres.statements`.) And such work is short. A gateway that
# was stopped with statements on their way and no Sync behind them is busy, as far as the server can see; from version
# 17 on it knows a time for that too.
_ALL_DAY = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
    set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true),
    set_config('enable_bitmapscan', 'off', true), set_config('enable_sort', 'off', true),
    CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
        THEN set_config('transaction_timeout', '20s', true) END
"""


Settled = list[tuple[AnyOperation, Any]]
"""Each operation with its result or its error."""


class Writer:
    """Commits operations in groups, on a connection of its own. All belongs to one event loop."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        name: str,
        *,
        prepare: Callable[[Connection, Sequence[Any]], Awaitable[None]] | None = None,
        forget: Callable[[], None] | None = None,
        first: Run[Any, Any] | None = None,
        all_day: bool = False,
    ) -> None:
        """``prepare`` gets the items of a group before its transaction begins; ``forget`` is called where what it
        prepared is gone. Operations whose ``run`` is ``first`` go before the others of their group. ``all_day`` is for
        what is asked again and again, and short: see ``_ALL_DAY``."""
        self._connect = connect
        self._name = name
        self._prepare = prepare
        self._forget = forget
        self._first = first
        self._settings = (_SETTLE, _ALL_DAY) if all_day else (_SETTLE,)
        self._db: Connection | None = None
        self._waiting: deque[AnyOperation] = deque()
        self._operations = 0
        self._bytes = 0
        self._closing = False
        self._woken = asyncio.Event()
        self._task = asyncio.create_task(self._work(), name="gateway-store")

    def submit(
        self, run: Run[Item, Result], item: Item, *, size: int = 0, bounded: bool = False
    ) -> asyncio.Future[Result]:
        """Queue an operation; the future is done when it is on disk, or failed. Cancelling the future cancels nothing.

        Operations with the same ``run`` are given to it together. A ``bounded`` one is refused while too much waits.

        :raises StoreUnavailable: closed, or over the bound.
        """
        if bounded:
            self.check()
        elif self._closing:
            raise StoreUnavailable(f"{self._name}: the store is closed")
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._operations += 1
        self._bytes += size
        self._waiting.append(Operation(run, item, size, future))
        self._woken.set()
        return future

    def check(self) -> None:
        """:raises StoreUnavailable: a ``bounded`` operation would be refused."""
        if self._closing:
            raise StoreUnavailable(f"{self._name}: the store is closed")
        if (reason := overfull(self._operations, self._bytes, what="the server")) is not None:
            raise StoreUnavailable(f"{self._name}: {reason}")

    async def close(self) -> None:
        """Commit what is queued, then disconnect. Idempotent."""
        self._closing = True
        self._woken.set()
        await asyncio.wait({self._task})

    async def _work(self) -> None:
        try:
            while True:
                await self._woken.wait()
                await asyncio.sleep(0)  # what this turn of the loop brings comes together
                if not self._waiting:
                    if self._closing:
                        return
                    self._woken.clear()
                    continue
                self._settle(await self._commit(next_group(self._waiting)))
        finally:
            await self._disconnect()

    def _settle(self, settled: Settled) -> None:
        for operation, result in settled:
            self._operations -= 1
            self._bytes -= operation.size
            if operation.future.done():
                continue
            if isinstance(result, BaseException):
                operation.future.set_exception(result)
            else:
                operation.future.set_result(result)

    async def _commit(self, group: list[AnyOperation]) -> Settled:
        for _ in range(AGAIN):
            committing = False
            try:
                db = await self._connected()
                if self._prepare is not None:
                    await self._prepare(db, [operation.item for operation in group])
                async with db.pipeline():
                    await db.execute("BEGIN")
                    for settings in self._settings:
                        await db.execute(settings)
                    settled = await self._run(db, group)
                    await db.answered()  # whatever fails has failed before the commit is asked for
                    committing = True
                    await db.execute("COMMIT")
            except Exception as error:  # whatever it is, it belongs to the operation that brought it
                if isinstance(error, StoreUnavailable) and self._db is None:
                    # Nobody is to wait for a server that is away: those behind are told with this group.
                    group, self._waiting = [*group, *self._waiting], deque()
                    return self._all(group, error)
                if is_lost(error) or (self._db is not None and self._db.broken):
                    await self._disconnect()
                    if self._had and not committing:
                        continue
                    return self._all(group, unavailable(self._name, error))
                await self._roll_back()
                if lacks_part(error) and self._forget is not None:
                    self._forget()
                    continue
                if has_met(error):
                    await asyncio.sleep(0)
                    continue
                if is_nobodys_fault(error):
                    return self._all(group, unavailable(self._name, error))
                if len(group) == 1:
                    return self._all(group, worded(self._name, error))
                middle = len(group) // 2
                return await self._commit(group[:middle]) + await self._commit(group[middle:])
            else:
                return settled
        return self._all(group, StoreUnavailable(f"{self._name}: others wrote the same again and again; try later"))

    async def _run(self, db: Connection, group: Sequence[AnyOperation]) -> Settled:
        by_run: dict[Run[Any, Any], list[AnyOperation]] = {}
        for operation in group:
            by_run.setdefault(operation.run, []).append(operation)
        settled: Settled = []
        for run, operations in sorted(by_run.items(), key=lambda one: one[0] is not self._first):
            results = await run(db, [operation.item for operation in operations])
            settled += zip(operations, results, strict=True)
        return settled

    _had = False
    """Whether the connection had done something before: one that was idle may have died unnoticed."""

    async def _connected(self) -> Connection:
        if self._db is None or self._db.closed:
            self._had = False
            try:
                self._db = await self._connect()
            except (psycopg.Error, OSError) as error:
                raise unavailable(self._name, error) from error
        else:
            self._had = True
        return self._db

    async def _roll_back(self) -> None:
        if self._db is not None:
            try:
                await self._db.rollback()  # and forgets statements that the broken pipeline did not prepare
            except psycopg.Error:
                await self._disconnect()

    async def _disconnect(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with contextlib.suppress(psycopg.Error):
                await db.close()

    @staticmethod
    def _all(group: Sequence[AnyOperation], error: Exception) -> Settled:
        return [(operation, error) for operation in group]
