"""The tables of each day: made the day before, or before its first webhook is written; dropped when it is over for all.

They are made beside and attached, which holds nobody up: ATTACH PARTITION takes a lock that receptions don't notice.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from psycopg import sql

from gateway.store.postgres.statements import Connection, fetch

PARTED = ("webhooks", "commands", "attempts")
LOCK = 0x6761_7465_7761_7901
"""Of pg_advisory_xact_lock: migrations and the making of days, one at a time. (The next number: dropping them.)"""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_PARTS = """
SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = 'webhooks'::regclass AND NOT i.inhdetachpending
"""
_LOCK = "SELECT pg_advisory_xact_lock(%s)"


def table_of(table: str, part: int) -> str:
    """``webhooks_2026_03_01``."""
    return f"{table}_{_EPOCH + timedelta(days=part):%Y_%m_%d}"


async def existing(db: Connection) -> set[int]:
    """The days that have tables."""
    prefix = len("webhooks_")
    names = [name[prefix:] for (name,) in await fetch(db, _PARTS)]
    return {(datetime.strptime(name, "%Y_%m_%d").replace(tzinfo=UTC) - _EPOCH).days for name in names if name != "kept"}


async def make(db: Connection, parts: Iterable[int]) -> None:
    """Make the tables of these days, where they are missing."""
    async with db.transaction():
        await db.execute(_LOCK, [LOCK])
        for part in sorted(set(parts) - await existing(db)):
            for parent in PARTED:
                table = sql.Identifier(table_of(parent, part))
                await db.execute(
                    sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(table, sql.Identifier(f"{parent}_kept"))
                )
                await db.execute(
                    sql.SQL("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES IN ({})").format(
                        sql.Identifier(parent), table, sql.Literal(part)
                    )
                )
