"""A copy of the database as it is at one moment, made while others write to it, by SQLite's own backup interface."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from gateway.errors import SettingsError, StoreError, StoreUnavailable

PAGES = 1_000
"""Pages that are copied in one step, between which others may write."""


def back_up(source: Path, target: Path, *, progress: Callable[[int, int], None]) -> int:
    """Copy ``source`` to ``target``, which must not be there, and check the copy; its size in bytes.

    ``progress`` is told how many pages are copied, and how many there are. A copy that is not whole is taken away.

    :raises SettingsError: no such database, or there is a file at ``target``.
    :raises StoreError: it can't be read or written, or the copy is damaged.
    """
    if not source.exists():
        raise SettingsError(f"{source}: there is no such file")
    try:
        # For the owner only, as the database itself. O_EXCL: never over another file.
        os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError as error:
        raise SettingsError(f"{target}: there is such a file already; a backup is written over none") from error
    except OSError as error:
        raise SettingsError(f"{target}: can't be written: {error.strerror}") from error
    try:
        with (
            contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as db,
            contextlib.closing(sqlite3.connect(target)) as copy,
        ):
            # One moment for all steps. Without it SQLite begins anew whenever somebody writes.
            db.execute("BEGIN")
            db.execute("SELECT 1 FROM sqlite_schema").fetchone()
            db.backup(copy, pages=PAGES, progress=lambda status, left, total: progress(total - left, total))
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
            [(found,), *_] = copy.execute("PRAGMA integrity_check(1)").fetchall()
        if found != "ok":
            raise StoreError(f"{target}: the copy is damaged, and so may be {source}: {found}")
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise StoreUnavailable(f"{source}: can't be copied: {error}") from error
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    _sync(target)
    return target.stat().st_size


def _sync(path: Path) -> None:
    for name, flags in ((path, os.O_RDONLY), (path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)):
        descriptor = os.open(name, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
