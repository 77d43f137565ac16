"""The SQLite file: its connections, its schema, and the lock that a serving process holds."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from gateway.errors import SchemaTooNew, StoreInUse, StoreMoved, StoreUnavailable

MIGRATIONS = Path(__file__).parent.parent / "migrations" / "sqlite"
LOCKED_FOR = 5.0
"""Seconds that a write waits for another process's write, a person's ``gateway cancel`` beside a serving gateway."""

SETTINGS = (
    "PRAGMA journal_mode = WAL",
    # A commit is on disk when COMMIT returns; WAL's usual NORMAL may lose the last ones with the power.
    "PRAGMA synchronous = FULL",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32768",  # KiB
    # A checkpoint copies each page once however often it changed: fewer of them copy less. 16 MiB of log.
    "PRAGMA wal_autocheckpoint = 4096",
    "PRAGMA journal_size_limit = 67108864",
)


def connect(path: Path, *, cached_statements: int = 128) -> sqlite3.Connection:
    """A connection that any one thread at a time may use, without transactions of its own making."""
    try:
        # Customers' data: for the owner only. SQLite gives the -wal and -shm files the same mode. A file that is there
        # must not be opened here: closing it would take the locks from this process's other connections (POSIX), and
        # the next process that closed the database would take itself for the last one, and delete the log.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(
            path,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=cached_statements,
            timeout=LOCKED_FOR,
        )
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"{path}: can't be opened: {error}") from error
    try:
        _settle(db)
    except sqlite3.Error as error:
        db.close()
        raise StoreUnavailable(f"{path}: can't be used: {error}") from error
    return db


def _settle(db: sqlite3.Connection) -> None:
    """Apply the settings. SQLite does not wait for others itself while a file changes over to WAL."""
    patience = time.monotonic() + LOCKED_FOR
    for setting in SETTINGS:
        while True:
            try:
                db.execute(setting).fetchall()
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > patience:
                    raise
                time.sleep(0.005)


def migrate(db: sqlite3.Connection, path: Path) -> tuple[int, int]:
    """Apply the migrations that the file lacks, each in one transaction with the number that says so.

    :return: how many the file had, and has now.
    :raises SchemaTooNew: the file has more than this gateway knows.
    """
    migrations = sorted(MIGRATIONS.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    known = len(migrations)
    before = _version(db)
    while (found := _version(db)) != known:
        if found > known:
            raise SchemaTooNew(
                f"{path}: its schema is {found}, written by a newer gateway; this one knows 1 to {known}: "
                "upgrade the gateway, or go back to the backup made before"
            )
        try:
            db.execute("BEGIN IMMEDIATE")
            if _version(db) == found:  # else another process was first
                for statement in _statements(migrations[found].read_text(encoding="utf-8")):
                    db.execute(statement)
                db.execute(f"PRAGMA user_version = {found + 1}")
            db.execute("COMMIT")
        except sqlite3.Error as error:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise StoreUnavailable(f"{path}: {migrations[found].name} can't be applied: {error}") from error
    return before, known


def refuse_moved(db: sqlite3.Connection, path: Path) -> None:
    """:raises StoreMoved: see :mod:`gateway.store.moving`."""
    if (moved := db.execute("SELECT target FROM moved").fetchone()) is not None:
        raise StoreMoved(
            f"{path}: was moved to {moved[0]}, or is on its way there; serve that one. If nothing was sent from there, "
            f"gateway move --from sqlite:///{path} --abandon lets this file serve again"
        )


def _version(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def _statements(script: str) -> Iterator[str]:
    """One by one, since ``executescript`` would commit what went before."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        raise ValueError(f"a migration ends in an open statement: {statement.strip()[:80]!r}")


class FileIdentity:
    """The files that a connection writes to, and whether they still stand where the next start will look for them.

    A file that was deleted or replaced takes commits without complaint, and they go with it.
    """

    def __init__(self, path: Path) -> None:
        self._paths = (str(path), f"{path}-wal")
        self._found = tuple(map(_inode, self._paths))

    def lost(self) -> str | None:
        """The file that is gone or another one, in words; None where all is well."""
        for path, found in zip(self._paths, self._found, strict=True):
            if _inode(path) != found:
                return f"{path} was deleted or replaced under the running gateway"
        return None


def _inode(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  (once per commit: Path.stat makes a detour)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class ServingLock:
    """An advisory lock beside the database, held while a gateway serves; the system lets go of it with the process."""

    def __init__(self, path: Path) -> None:
        """:raises StoreInUse: another process holds it."""
        lock = path.with_name(f"{path.name}-lock")
        try:
            self._descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreUnavailable(f"{lock}: can't be opened: {error}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(self._descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(self._descriptor)
            raise StoreInUse(
                f"{path}: another gateway (process {holder}) serves from it; SQLite is for one serving process: "
                "stop the other one, or name another file"
            ) from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        os.close(self._descriptor)
