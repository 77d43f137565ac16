"""What a gateway needs of a server, said at the start in words, and not found out later by what goes wrong."""

from __future__ import annotations

import psycopg

from gateway.errors import SettingsError
from gateway.store.postgres.parts import PARTED
from gateway.store.postgres.statements import Connection, fetch, fetch_one

OLDEST = 15
"""The oldest major version of PostgreSQL that the stores' tests have passed on."""
ROUNDS = 3
"""How often two connections try whether their statements are their own."""

_SCHEMA = "SELECT current_user::text, current_schema()::text, has_schema_privilege(current_schema(), 'CREATE')"
_STRANGERS = """
SELECT c.relname::text, pg_get_userbyid(c.relowner)::text FROM pg_class AS c
WHERE NOT pg_has_role(c.relowner, 'USAGE') AND (c.oid = ANY(%s::text[]::regclass[]) OR c.oid IN (
    SELECT inhrelid FROM pg_inherits WHERE inhparent = ANY(%s::text[]::regclass[])))
ORDER BY c.relname LIMIT 1
"""
_NOT_ITS_OWN = ("26000", "42P05", "08P01")
"""A prepared statement that is not there or there already, one with other parameters, a transaction that is refused."""


async def check_server(db: Connection, name: str) -> None:
    """:raises SettingsError: its version is too old, or the database can't hold all letters."""
    major = db.info.server_version // 10_000
    if major < OLDEST:
        raise SettingsError(f"{name}: its server is PostgreSQL {major}; allowed: {OLDEST} or newer")
    found = await fetch_one(db, "SHOW server_encoding")
    if found != ("UTF8",):
        raise SettingsError(
            f"{name}: its encoding is {found[0] if found else 'unknown'}; allowed: UTF8 "
            "(CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8')"
        )


async def check_schema(db: Connection, name: str) -> None:
    """:raises SettingsError: the user may not make tables."""
    user, schema, may = (await fetch(db, _SCHEMA))[0]
    if schema is None:
        raise SettingsError(
            f"{name}: no schema of its search_path is there for {user!r}; allowed: one that was made before"
        )
    if not may:
        raise SettingsError(
            f"{name}: user {user!r} may not make tables in schema {schema!r}; "
            "allowed: the owner of the database or of the schema"
        )


async def check_rights(db: Connection, name: str) -> None:
    """Each day has tables of its own, which are made, attached and dropped.

    :raises SettingsError: the user may not do that.
    """
    await check_schema(db, name)
    for table, owner in await fetch(db, _STRANGERS, [list(PARTED)] * 2):
        raise SettingsError(
            f"{name}: table {table!r} belongs to user {owner!r}, and only its owner may make and drop the tables of a "
            "day; allowed: one user for all gateways, who owns all tables (REASSIGN OWNED)"
        )


async def check_sessions(db: Connection, other: Connection, name: str) -> None:
    """Whether each connection has its statements to itself. Behind a pooler that lends a server's session to one client
    after the other and does not follow prepared statements, they would run one another's.

    :raises SettingsError: they do not.
    """
    try:
        for _ in range(ROUNDS):
            mine = await _prepared(db, "SELECT 1")
            others = await _prepared(other, "SELECT 2, 3")
            async with other.transaction():
                others += await _prepared(other, "SELECT 2, 3")
                mine += await _prepared(db, "SELECT 1")
            if mine != [(1,)] * 2 or others != [(2, 3)] * 2:
                raise _mixed(name, "one connection ran another's statement")
    except psycopg.Error as error:
        if error.sqlstate not in _NOT_ITS_OWN:
            raise
        raise _mixed(name, error.diag.message_primary or str(error)) from error


async def _prepared(db: Connection, query: str) -> list[tuple[int, ...]]:
    return await (await db.execute(query, prepare=True)).fetchall()


def _mixed(name: str, found: str) -> SettingsError:
    return SettingsError(
        f"{name}: a pooler shares sessions out by transaction or statement, and statements get mixed up ({found}); "
        "allowed: the server's own address, PgBouncer with pool_mode = session, or with transaction from version 1.21 "
        "on and max_prepared_statements above 0"
    )
