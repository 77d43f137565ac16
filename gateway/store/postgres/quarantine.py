"""Requests that failed authentication: kept within limits, listed, counted, released. They are no webhooks."""

from __future__ import annotations

import secrets
from datetime import timedelta

from gateway.errors import NotFound
from gateway.model import Webhook
from gateway.store import Page, QuarantineCount, Quarantined, Receipt, WebhookFilter
from gateway.store.conditions import on_quarantine
from gateway.store.postgres.conditions import Conditions, read_page
from gateway.store.postgres.reception import write_arrivals
from gateway.store.postgres.rows import is_text
from gateway.store.postgres.statements import Connection, fetch, fetch_one, run, sql, touched, write
from gateway.store.quarantines import Kept, Release, Stays, quarantined_of
from gateway.store.rows import micros, moment

# One gateway after the other, so that two together don't keep more than the limits.
_ONE_BY_ONE = "SELECT pg_advisory_xact_lock(hashtext('gateway quarantine'))"
_KEEP = sql("""
INSERT INTO quarantine ({quarantine}) SELECT {quarantine} FROM {v: {typed quarantine}} ON CONFLICT (id) DO NOTHING
""")
# By the index alone: no body is read.
_OVER = "DELETE FROM quarantine WHERE received_at < %s"
_OVER_SHARE = """
DELETE FROM quarantine WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, row_number() OVER newer AS place, sum(size) OVER newer AS bytes
        FROM quarantine WINDOW newer AS (PARTITION BY source ORDER BY seq DESC)) AS ranked
    WHERE place > %s OR bytes > %s)
"""
_OVER_ALL = """
DELETE FROM quarantine WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, row_number() OVER better AS place, sum(size) OVER better AS bytes
        FROM (
            SELECT seq, size, row_number() OVER (PARTITION BY source ORDER BY seq DESC) AS round
            FROM quarantine) AS rounds
        WINDOW better AS (ORDER BY round, seq DESC)) AS ranked
    WHERE place > %s OR bytes > %s)
"""
_FIND = sql("SELECT {quarantine} FROM quarantine WHERE id = %s")
_LIST = sql("SELECT seq, {quarantine} FROM quarantine WHERE {conditions} ORDER BY seq DESC LIMIT %s")
_COUNTS = """
SELECT source, cause, count(*), sum(size)::bigint, min(received_at) FROM quarantine
GROUP BY source, cause ORDER BY source, cause
"""
_STAYS = "UPDATE quarantine SET reason = %s, cause = %s, findings = %s, rules_version = %s WHERE id = %s"
_LEAVES = "DELETE FROM quarantine WHERE id = %s"
_SOURCES = "SELECT DISTINCT source FROM quarantine"
_OLD = "SELECT count(*) FROM quarantine WHERE source = %s AND received_at < %s"
_DROP_OLD = "DELETE FROM quarantine WHERE source = %s AND received_at < %s"
_MAKE_KEY = "INSERT INTO keys (name, key) VALUES (%s, %s) ON CONFLICT (name) DO NOTHING"
_KEY = "SELECT key FROM keys WHERE name = %s"


async def keep(db: Connection, kept: Kept) -> int:
    """Write them, then take out what is over the limits; how many that was."""
    await run(db, _ONE_BY_ONE)
    await write(db, _KEEP, kept.rows)
    limits = kept.limits
    out = await touched(db, _OVER, (micros(limits.since),))
    out += await touched(db, _OVER_SHARE, (limits.source_count, limits.source_bytes))
    return out + await touched(db, _OVER_ALL, (limits.count, limits.bytes))


async def find(db: Connection, id: str) -> Quarantined:
    row = await fetch_one(db, _FIND, (id,)) if is_text(id) else None
    if row is None:
        raise NotFound(f"webhook {id}: is not in quarantine")
    return quarantined_of(row)


async def find_webhook(db: Connection, id: str) -> Webhook | None:
    row = await fetch_one(db, _FIND, (id,))
    return None if row is None else quarantined_of(row).webhook


async def list_webhooks(db: Connection, filter: WebhookFilter, *, limit: int, cursor: str | None) -> Page[Webhook]:
    return await read_page(
        db, _LIST, conditions(filter), lambda row: quarantined_of(row).webhook, limit=limit, cursor=cursor
    )


def conditions(filter: WebhookFilter) -> Conditions:
    """Which of the table's rows a filter lets through."""
    return on_quarantine(Conditions(), filter)


async def counts(db: Connection) -> list[QuarantineCount]:
    return [
        QuarantineCount(source=source, cause=cause, count=count, bytes=size, oldest=moment(oldest))
        for source, cause, count, size, oldest in await fetch(db, _COUNTS)
    ]


async def stay(db: Connection, stays: Stays) -> bool:
    return await touched(db, _STAYS, stays.row) > 0


async def release(db: Connection, one: Release, *, gap: timedelta, slot: int) -> Receipt | NotFound | None:
    """Take it out, and write what became of it."""
    if not await touched(db, _LEAVES, (one.id,)):
        return NotFound(f"webhook {one.id}: is not in quarantine any more")
    if one.arrival is None:
        return None
    (receipt,) = await write_arrivals(db, [one.arrival], gap=gap, slot=slot)
    return receipt


async def sources(db: Connection) -> list[str]:
    """Those that anything of is in quarantine."""
    return [source for (source,) in await fetch(db, _SOURCES)]


async def count_old(db: Connection, source: str, before: int) -> int:
    row = await fetch_one(db, _OLD, (source, before))
    return 0 if row is None else row[0]


async def drop_old(db: Connection, old: tuple[str, int]) -> int:
    """Take out those of a source that were received before a moment; how many that was."""
    return await touched(db, _DROP_OLD, old)


async def key(db: Connection, name: str) -> bytes:
    """The key of this name, made now where there was none."""
    await run(db, _MAKE_KEY, (name, secrets.token_bytes(32)))
    found = await fetch_one(db, _KEY, (name,))
    assert found is not None
    return bytes(found[0])
