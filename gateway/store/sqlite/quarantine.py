"""Requests that failed authentication: kept within limits, listed, counted, released. They are no webhooks."""

from __future__ import annotations

import secrets
import sqlite3
from datetime import timedelta

from gateway.errors import NotFound
from gateway.model import Webhook
from gateway.store import Page, QuarantineCount, Quarantined, Receipt, WebhookFilter
from gateway.store.conditions import on_quarantine
from gateway.store.quarantines import QUARANTINE_COLUMNS, Kept, Release, Stays, quarantined_of
from gateway.store.rows import micros, moment
from gateway.store.sqlite.conditions import Conditions, read_page
from gateway.store.sqlite.reception import write_arrivals
from gateway.store.sqlite.values import write

_KEEP = f"""
INSERT INTO quarantine ({QUARANTINE_COLUMNS})
SELECT * FROM {{values}} WHERE column1 IS NOT NULL ON CONFLICT (id) DO NOTHING
"""  # noqa: S608 - made of constants
# By the index alone: no body is read.
_OVER = """
DELETE FROM quarantine WHERE seq IN (
    SELECT seq FROM quarantine INDEXED BY quarantine_by_source WHERE received_at < ?)
"""
_OVER_SHARE = """
DELETE FROM quarantine WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, row_number() OVER newer AS place, sum(size) OVER newer AS bytes
        FROM quarantine INDEXED BY quarantine_by_source WINDOW newer AS (PARTITION BY source ORDER BY seq DESC))
    WHERE place > ? OR bytes > ?)
"""
_OVER_ALL = """
DELETE FROM quarantine WHERE seq IN (
    SELECT seq FROM (
        SELECT seq, row_number() OVER better AS place, sum(size) OVER better AS bytes
        FROM (
            SELECT seq, size, row_number() OVER (PARTITION BY source ORDER BY seq DESC) AS round
            FROM quarantine INDEXED BY quarantine_by_source)
        WINDOW better AS (ORDER BY round, seq DESC))
    WHERE place > ? OR bytes > ?)
"""
_FIND = f"SELECT {QUARANTINE_COLUMNS} FROM quarantine WHERE id = ?"  # noqa: S608 - made of constants
_LIST = f"SELECT seq, {QUARANTINE_COLUMNS} FROM quarantine WHERE {{conditions}} ORDER BY seq DESC LIMIT ?"  # noqa: S608 - as above
_COUNTS = """
SELECT source, cause, count(*), sum(size), min(received_at) FROM quarantine INDEXED BY quarantine_by_source
GROUP BY source, cause ORDER BY source, cause
"""
_STAYS = "UPDATE quarantine SET reason = ?, cause = ?, findings = ?, rules_version = ? WHERE id = ?"
_LEAVES = "DELETE FROM quarantine WHERE id = ?"
_SOURCES = "SELECT DISTINCT source FROM quarantine INDEXED BY quarantine_by_source"
_OLD = "SELECT count(*) FROM quarantine INDEXED BY quarantine_by_source WHERE source = ? AND received_at < ?"
_DROP_OLD = "DELETE FROM quarantine WHERE source = ? AND received_at < ?"
_MAKE_KEY = "INSERT INTO keys (name, key) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
_KEY = "SELECT key FROM keys WHERE name = ?"


def keep(db: sqlite3.Connection, kept: Kept) -> int:
    """Write them, then take out what is over the limits; how many that was."""
    if kept.rows:
        write(db, _KEEP, kept.rows)
    limits = kept.limits
    out = db.execute(_OVER, (micros(limits.since),)).rowcount
    out += db.execute(_OVER_SHARE, (limits.source_count, limits.source_bytes)).rowcount
    return out + db.execute(_OVER_ALL, (limits.count, limits.bytes)).rowcount


def find(db: sqlite3.Connection, id: str) -> Quarantined:
    row = db.execute(_FIND, (id,)).fetchone()
    if row is None:
        raise NotFound(f"webhook {id}: is not in quarantine")
    return quarantined_of(row)


def find_webhook(db: sqlite3.Connection, id: str) -> Webhook | None:
    row = db.execute(_FIND, (id,)).fetchone()
    return None if row is None else quarantined_of(row).webhook


def list_webhooks(db: sqlite3.Connection, filter: WebhookFilter, *, limit: int, cursor: str | None) -> Page[Webhook]:
    return read_page(db, _LIST, conditions(filter), lambda row: quarantined_of(row).webhook, limit=limit, cursor=cursor)


def conditions(filter: WebhookFilter) -> Conditions:
    """Which of the table's rows a filter lets through."""
    return on_quarantine(Conditions(), filter)


def counts(db: sqlite3.Connection) -> list[QuarantineCount]:
    return [
        QuarantineCount(source=source, cause=cause, count=count, bytes=size, oldest=moment(oldest))
        for source, cause, count, size, oldest in db.execute(_COUNTS).fetchall()
    ]


def stay(db: sqlite3.Connection, stays: Stays) -> bool:
    return db.execute(_STAYS, stays.row).rowcount > 0


def release(db: sqlite3.Connection, one: Release, *, gap: timedelta) -> Receipt | NotFound | None:
    """Take it out, and write what became of it."""
    if not db.execute(_LEAVES, (one.id,)).rowcount:
        return NotFound(f"webhook {one.id}: is not in quarantine any more")
    if one.arrival is None:
        return None
    (receipt,) = write_arrivals(db, [one.arrival], gap=gap)
    return receipt


def sources(db: sqlite3.Connection) -> list[str]:
    """Those that anything of is in quarantine."""
    return [source for (source,) in db.execute(_SOURCES).fetchall()]


def count_old(db: sqlite3.Connection, source: str, before: int) -> int:
    (count,) = db.execute(_OLD, (source, before)).fetchone()
    return int(count)


def drop_old(db: sqlite3.Connection, old: tuple[str, int]) -> int:
    """Take out those of a source that were received before a moment; how many that was."""
    return db.execute(_DROP_OLD, old).rowcount


def key(db: sqlite3.Connection, name: str) -> bytes:
    """The key of this name, made now where there was none."""
    db.execute(_MAKE_KEY, (name, secrets.token_bytes(32)))
    (found,) = db.execute(_KEY, (name,)).fetchone()
    return bytes(found)
