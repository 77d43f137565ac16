"""The one writer: a thread that owns the writing connection and commits in groups.

Verbs hand their operations to :meth:`Writer.submit` on the event loop. What comes in the same turns of the loop goes to
the thread together; the thread takes all that is there, runs it in one transaction, and wakes the loop once. While the
disk works on one commit the next group gathers, so the cost of an fsync is shared by as many as it makes wait.

An operation that fails takes nobody with it: the group is rolled back and halved until the failing one stands alone.
What is not an operation's fault (a full disk, a lock) fails the group at once, as ``StoreUnavailable``. After an error
of the sync itself nothing is known about what the disk holds, so the writer stops for good: see "fsyncgate", 2018.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from gateway.errors import Conflict, StoreError, StoreUnavailable
from gateway.store.groups import GROUP_OPERATIONS, AnyOperation, Operation, next_group, overfull
from gateway.store.sqlite.database import FileIdentity

Item = TypeVar("Item")
Result = TypeVar("Result")
Run = Callable[[sqlite3.Connection, Sequence[Item]], Sequence[Result | StoreError]]
"""Does its items in the transaction that is open; gives one result each, or the error that one of them gets."""

PATIENCE = 0.002
"""Seconds that the first of a group may wait for others, where the group before had several: whatever a transaction
holds, it costs half a millisecond of the processor's time."""

_NOBODYS_FAULT = {
    sqlite3.SQLITE_BUSY: "another process writes to it",
    sqlite3.SQLITE_LOCKED: "it is locked",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_READONLY: "it can't be written",
    sqlite3.SQLITE_IOERR: "the disk fails",
    sqlite3.SQLITE_CORRUPT: "it is damaged",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "it can't be opened",
    sqlite3.SQLITE_NOTADB: "it is damaged",
}
_FATAL = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# Said before anything is synced, by a quota or a full disk: the transaction is rolled back and all is well.
_HARMLESS = frozenset({sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_NOMEM})


class Writer:
    """Commits operations in groups, on a thread of its own.

    All methods belong to the event loop that made it, except those with an underscore that say otherwise.
    """

    def __init__(self, db: sqlite3.Connection, name: str, identity: FileIdentity) -> None:
        self._db = db
        self._name = name
        self._identity = identity
        self._loop = asyncio.get_running_loop()
        self._gathered: list[AnyOperation] = []
        self._queue: queue.SimpleQueue[list[AnyOperation] | None] = queue.SimpleQueue()
        self._enough = 1
        """How many are handed over as soon as a turn of the loop brings no more."""
        self._looked_at = 0
        self._waiting: asyncio.TimerHandle | None = None
        self._operations = 0
        self._bytes = 0
        self._refusal: str | None = None
        self._ended = asyncio.Event()
        self._thread = threading.Thread(target=self._work, name="gateway-store", daemon=True)
        self._thread.start()

    def submit(
        self, run: Run[Item, Result], item: Item, *, size: int = 0, bounded: bool = False
    ) -> asyncio.Future[Result]:
        """Queue an operation; the future is done when it is on disk, or failed. Cancelling the future cancels nothing.

        Operations with the same ``run`` are given to it together. A ``bounded`` one is refused while too much waits.

        :raises StoreUnavailable: closed, broken, or over the bound.
        """
        if bounded:
            self.check()
        elif self._refusal is not None:
            raise StoreUnavailable(self._refusal)
        operation = Operation(run, item, size, self._loop.create_future())
        self._operations += 1
        self._bytes += size
        self._gathered.append(operation)
        count = len(self._gathered)
        if count == self._enough:
            self._looked_at = 0
            self._loop.call_soon(self._look)
        elif count == 1:
            self._waiting = self._loop.call_later(PATIENCE, self._hand_over)
        return operation.future

    def check(self) -> None:
        """:raises StoreUnavailable: a ``bounded`` operation would be refused."""
        if self._refusal is not None:
            raise StoreUnavailable(self._refusal)
        if (reason := overfull(self._operations, self._bytes, what="the disk")) is not None:
            raise StoreUnavailable(f"{self._name}: {reason}")

    async def close(self) -> None:
        """Commit what is queued, then close the connection."""
        if self._refusal is None:
            self._refusal = f"{self._name}: the store is closed"
        self._hand_over()
        self._queue.put(None)
        await self._ended.wait()

    def _look(self) -> None:
        """Hand over, unless the last turn of the loop has brought more: then the next one may, too."""
        if self._looked_at < len(self._gathered) < GROUP_OPERATIONS:
            self._looked_at = len(self._gathered)
            self._loop.call_soon(self._look)
        else:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        gathered, self._gathered = self._gathered, []
        if gathered:
            # Who was answered together often comes again together; of a crowd that has gone, none waits for long.
            self._enough = (len(gathered) + 1) // 2
            self._queue.put(gathered)

    def _settle(self, settled: Sequence[tuple[AnyOperation, Any]], broken: str | None) -> None:
        """Back on the loop: tell the callers."""
        if broken is not None:
            self._refusal = broken
        for operation, result in settled:
            self._operations -= 1
            self._bytes -= operation.size
            if operation.future.done():
                continue
            if isinstance(result, Exception):
                operation.future.set_exception(result)
            else:
                operation.future.set_result(result)

    # -- on the thread ---------------------------------------------------------------------------------------------

    def _work(self) -> None:
        waiting: deque[AnyOperation] = deque()
        open_ = True
        broken: str | None = None
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            while open_ or waiting:
                if not waiting:
                    open_ = self._take(waiting, self._queue.get())
                while not self._queue.empty():
                    open_ = self._take(waiting, self._queue.get()) and open_
                if group := next_group(waiting):
                    if broken is None:
                        settled, broken = self._commit(group)
                    else:
                        settled = [(operation, StoreUnavailable(broken)) for operation in group]
                    self._loop.call_soon_threadsafe(self._settle, settled, broken)
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._ended.set)

    @staticmethod
    def _take(waiting: deque[AnyOperation], gathered: list[AnyOperation] | None) -> bool:
        if gathered is None:
            return False
        waiting.extend(gathered)
        return True

    def _commit(self, group: Sequence[AnyOperation]) -> tuple[list[tuple[AnyOperation, Any]], str | None]:
        """Each operation with its result or its error, and why the writer can't go on, if so."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            settled = list(self._run(group))
            self._db.execute("COMMIT")
        except Exception as error:  # whatever it is, it belongs to the operation that brought it
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            code = getattr(error, "sqlite_errorcode", 0)
            if (primary := code & 0xFF) in _NOBODYS_FAULT:
                reason = f"{self._name}: {_NOBODYS_FAULT[primary]}: {error}"
                broken = f"{reason}; the store was closed" if primary in _FATAL and code not in _HARMLESS else None
                return [(operation, StoreUnavailable(reason)) for operation in group], broken
            if len(group) == 1:
                return [(group[0], self._worded(error))], None
            middle = len(group) // 2
            first, broken = self._commit(group[:middle])
            if broken is not None:
                return first + [(operation, StoreUnavailable(broken)) for operation in group[middle:]], broken
            second, broken = self._commit(group[middle:])
            return first + second, broken
        if (lost := self._identity.lost()) is not None:
            return [(operation, StoreUnavailable(lost)) for operation in group], f"{lost}; the store was closed"
        return settled, None

    def _run(self, group: Sequence[AnyOperation]) -> Iterator[tuple[AnyOperation, Any]]:
        by_run: dict[Run[Any, Any], list[AnyOperation]] = {}
        for operation in group:
            by_run.setdefault(operation.run, []).append(operation)
        for run, operations in by_run.items():
            results = run(self._db, [operation.item for operation in operations])
            yield from zip(operations, results, strict=True)

    def _worded(self, error: Exception) -> Exception:
        if isinstance(error, sqlite3.IntegrityError):
            return Conflict(f"{self._name}: {error}")
        if isinstance(error, sqlite3.Error):
            return StoreError(f"{self._name}: {error}")
        return error
