"""The server: how it is reached, and its schema."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateway.errors import SchemaTooNew, SettingsError, StoreMoved, StoreUnavailable
from gateway.store.postgres.demands import check_schema, check_server
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
_UNREADABLE = "postgresql://…"
_ALLOWED = (
    "allowed: postgresql://USER:PASSWORD@HOST[:PORT][,HOST...]/DATABASE?OPTION=VALUE; of a password, what is no letter "
    "or digit is written as %40 (an @), %2F (a /) and so on"
)
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
        # What libpq quotes may be the end of a password; the name of an option stands before its value.
        said = re.sub(r'"([^"]*)"', lambda found: found[0] if f"{found[1]}=" in url else "…", str(error))
        raise SettingsError(f"GATEWAY_STORE: {' '.join(said.split())}; {_ALLOWED}") from None
    if _broken(given):
        raise SettingsError(f"GATEWAY_STORE: its password ends at an @ or a / in it; {_ALLOWED}")
    return make_conninfo("", **(_DEFAULTS | given))


def name_of(url: str) -> str:
    """The address for messages and lists: hosts, ports and database, as libpq finds them, and nothing else of it.

    A password may stand in more places than one, and one with an @ or a / in it ends elsewhere than it seems to.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        return _UNREADABLE
    if _broken(given):
        return _UNREADABLE
    hosts, ports = (str(given.get(of, "")).split(",") for of in ("host", "port"))
    ports *= len(hosts) if len(ports) == 1 else 1  # one port is that of all hosts
    places = [_place(*one) for one in zip_longest(hosts, ports, fillvalue="")]
    database = quote(str(given.get("dbname", "")), safe="")
    return f"postgresql://{','.join(places)}" + (f"/{database}" if database else "")


def _place(host: str, port: str) -> str:
    host = f"[{host}]" if ":" in host else quote(host, safe="")  # of IPv6; or a folder with a socket in it
    return f"{host}:{port}" if port else host


def _broken(given: Mapping[str, Any]) -> bool:
    """Whether parts of a password were taken for the address."""
    ports = str(given.get("port", "")).split(",")
    return any("@" in str(given.get(of, "")) for of in ("host", "dbname")) or any(
        port and not port.isdecimal() for port in ports
    )


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
    return await Connection.connect(address, autocommit=True)


async def migrate(db: Connection, name: str) -> tuple[int, int]:
    """Apply the migrations that the database lacks, all in one transaction; gateways that start together take turns.

    :return: how many the database had, and has now.
    :raises SchemaTooNew: the database has more than this gateway knows.
    :raises SettingsError: the server can't be used, see :mod:`gateway.store.postgres.demands`.
    """
    await check_server(db, name)
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
        if found < known:
            await check_schema(db, name)
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


async def _version(db: Connection) -> int:
    has = await fetch_one(db, _HAS_SCHEMA)
    row = await fetch_one(db, _VERSION) if has is not None and has[0] else None
    return 0 if row is None else int(row[0])
