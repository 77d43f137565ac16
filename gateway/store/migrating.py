"""Bringing a store's schema up to this gateway's, without opening the store. Migrations only go forward."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path

from gateway.store import open_store

_SQLITE = "sqlite:///"


async def bring_up(url: str) -> tuple[int, int]:
    """Apply what is missing.

    :return: how many migrations the store had, and has now.
    :raises SettingsError: a URL that names no store.
    :raises SchemaTooNew: the store was written by a newer gateway.
    :raises StoreUnavailable: it can't be reached or written.
    """
    open_store(url)  # says what is wrong with the address
    if url.startswith(_SQLITE):
        return await asyncio.to_thread(_sqlite, Path(url.removeprefix(_SQLITE)))
    from gateway.store.postgres.database import address_of, connected, migrate, name_of

    async with connected(address_of(url), name_of(url)) as db:
        return await migrate(db, name_of(url))


def _sqlite(path: Path) -> tuple[int, int]:
    from gateway.store.sqlite.database import connect, migrate

    with closing(connect(path)) as db:
        return migrate(db, path)
