"""What an open store holds: the writer, two readers, and the lock of the one that serves."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from pathlib import Path

import msgspec

from gateway.store.sqlite.commit import Writer
from gateway.store.sqlite.database import FileIdentity, ServingLock, connect, migrate, refuse_moved
from gateway.store.sqlite.reader import Reader


class Connections(msgspec.Struct, frozen=True, kw_only=True):
    """One thread writes; one reads what is asked by id and by the dispatcher, one reads lists."""

    serving: bool
    writer: Writer
    lookups: Reader
    lists: Reader
    lock: ServingLock | None
    lease: str
    """How every lease begins that this store gives."""

    async def close(self) -> None:
        await self.lookups.close()
        await self.lists.close()
        # The last to close is the one that may write: SQLite then moves the log into the file, so that after an orderly
        # stop the file alone is everything.
        await self.writer.close()
        if self.lock is not None:
            self.lock.release()


async def connected(path: Path, *, serving: bool) -> Connections:
    """Connect, and apply the migrations that are missing.

    :raises StoreInUse: another process serves from this file.
    :raises StoreUnavailable: it can't be used.
    """
    lock, identity, (db, lookups, listing) = await asyncio.to_thread(_connect, path, serving)
    name = str(path)
    return Connections(
        serving=serving,
        writer=Writer(db, name, identity),
        lookups=Reader(lookups, name),
        lists=Reader(listing, name),
        lock=lock,
        lease=secrets.token_hex(8),
    )


def _connect(path: Path, serving: bool) -> tuple[ServingLock | None, FileIdentity, list[sqlite3.Connection]]:
    lock = ServingLock(path) if serving else None
    connections: list[sqlite3.Connection] = []
    try:
        connections.append(connect(path))
        migrate(connections[0], path)
        if serving:
            refuse_moved(connections[0], path)
        connections += [connect(path), connect(path)]
        return lock, FileIdentity(path), connections
    except BaseException:
        for connection in connections:
            connection.close()
        if lock is not None:
            lock.release()
        raise
