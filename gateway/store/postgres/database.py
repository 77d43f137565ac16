"""The server: how it is reached, and its schema."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateway.errors import SchemaTooNew, SettingsError, StoreMoved, StoreUnavailable
from gateway.store.postgres.errors import unavailable
from gateway.store.postgres.parts import LOCK
from gateway.store.postgres.statements import Connection, fetch_one

MIGRATIONS = Path(__file__).parent.parent / "migrations" / "postgres"

# What the address leaves open. A server that is gone without a word is given up after some ten seconds.
_DEFAULTS: dict[str, Any] = {
    "application_name": "intilery-webhook-gateway",
    "client_encoding": "UTF8",  # whatever PGCLIENTENCODING says
    "connect_timeout": 5,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
_HAS_SCHEMA = "SELECT to_regclass('gateway_schema') IS NOT NULL"
_VERSION = "SELECT version FROM gateway_schema"
_LOCK = "SELECT pg_advisory_xact_lock(%s)"


def address_of(url: str) -> str:
    """What libpq is to be given: the URL as it is, with what it leaves open.

    :raises SettingsError: libpq can't read it.
    """
    try:
        given = conninfo_to_dict(url)
    except Exception as error:
        said = " ".join(str(error).split())
        raise SettingsError(
            f"GATEWAY_STORE: {said}; allowed: postgresql://USER:PASSWORD@HOST[,HOST...]/DATABASE?OPTION=VALUE"
        ) from None
    return make_conninfo("", **(_DEFAULTS | given))


def name_of(url: str) -> str:
    """The address for messages: without user, password and options."""
    return re.sub(r"//[^/]*@", "//", url.split("?", 1)[0])


@contextlib.asynccontextmanager
async def connected(address: str, name: str) -> AsyncIterator[Connection]:
    """A connection for a while.

    :raises StoreUnavailable: the server can't be reached, or was lost.
    """
    try:
        db = await connect(address)
        async with db:
            yield db
    except (psycopg.Error, OSError) as error:
        raise unavailable(name, error) from error


async def connect(address: str) -> Connection:
    """A connection without transactions of its making."""
    return await AsyncConnection.connect(address, autocommit=True)


async def migrate(db: Connection, name: str) -> tuple[int, int]:
    """Apply the migrations that the database lacks, all in one transaction; gateways that start together take turns.

    :return: how many the database had, and has now.
    :raises SchemaTooNew: the database has more than this gateway knows.
    :raises SettingsError: the database can't hold all letters.
    """
    await _check_encoding(db, name)
    migrations = sorted(MIGRATIONS.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    known = len(migrations)
    if await _version(db) == known:
        return known, known
    async with db.transaction():
        await db.execute(_LOCK, [LOCK])
        found = await _version(db)
        if found > known:
            raise SchemaTooNew(
                f"{name}: its schema is {found}, written by a newer gateway; this one knows 1 to {known}: "
                "upgrade the gateway, or go back to the backup made before"
            )
        for number, migration in enumerate(migrations[found:], found + 1):
            try:
                await db.execute(migration.read_bytes())
                await db.execute("UPDATE gateway_schema SET version = %s", [number])
            except Exception as error:
                raise StoreUnavailable(f"{name}: {migration.name} can't be applied: {error}") from error
    return found, known


async def refuse_unmoved(db: Connection, name: str) -> None:
    """:raises StoreMoved: see :mod:`gateway.store.moving`."""
    if await fetch_one(db, "SELECT 1 FROM moving WHERE NOT done LIMIT 1"):
        raise StoreMoved(f"{name}: what is moved here has not all come; run gateway move again with the same addresses")


async def _check_encoding(db: Connection, name: str) -> None:
    found = await fetch_one(db, "SHOW server_encoding")
    if found != ("UTF8",):
        raise SettingsError(
            f"{name}: its encoding is {found[0] if found else 'unknown'}; allowed: UTF8 "
            "(CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8')"
        )


async def _version(db: Connection) -> int:
    has = await fetch_one(db, _HAS_SCHEMA)
    row = await fetch_one(db, _VERSION) if has is not None and has[0] else None
    return 0 if row is None else int(row[0])
