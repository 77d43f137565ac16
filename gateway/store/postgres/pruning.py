"""Pruning: a day that is over for all its sources goes as a whole, by dropping its tables; what is not finished is
moved out of it before. Where a source keeps its webhooks for a shorter time than others, they are deleted in portions.

What is over goes by the day (UTC): up to 24 hours after its time, so that nothing is deleted one by one that goes with
its day soon after. Dropping needs a lock that waits for lists that are being read, and that others wait behind; it is
given up after a second and tried again the next time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from psycopg import sql as identifiers

from gateway.store import Pruned
from gateway.store.postgres.parts import LOCK, PARTED, existing, table_of
from gateway.store.postgres.rows import DAY, KEPT, day_of
from gateway.store.postgres.statements import Connection, fetch, fetch_each, fetch_one, run, touched
from gateway.store.rows import micros

PAGE = 500
"""Webhooks that are looked at in one read."""
KEYS = 2_000
"""Expired keys that one transaction deletes."""

_OVER = """w.state <> 'fetching' AND NOT EXISTS (SELECT FROM commands_open AS c WHERE c.webhook_id = w.id)"""
_SOURCES = """
WITH RECURSIVE s (source) AS (
    (SELECT source FROM webhooks WHERE part = %(part)s ORDER BY source LIMIT 1)
    UNION ALL
    SELECT (SELECT w.source FROM webhooks AS w WHERE w.part = %(part)s AND w.source > s.source
            ORDER BY w.source LIMIT 1)
    FROM s WHERE s.source IS NOT NULL)
SELECT source FROM s WHERE source IS NOT NULL
"""

# -- a whole day -------------------------------------------------------------------------------------------------------

_UNFINISHED = """
SELECT id FROM webhooks WHERE part = %(part)s AND state = 'fetching'
UNION SELECT webhook_id FROM commands_open WHERE day = %(part)s LIMIT %(limit)s
"""
_MOVE_OUT = (
    "SELECT 1 FROM webhooks WHERE part = %(part)s AND id = ANY(%(ids)s) FOR UPDATE",
    """
    UPDATE attempts AS a SET part = 0 FROM (
        SELECT seq, day FROM commands WHERE webhook_id = ANY(%(ids)s) AND (part = %(part)s OR part = -1)) AS c
    WHERE a.part = %(part)s AND a.command_seq = c.seq AND c.day = %(part)s
    """,
    "UPDATE commands SET part = 0, day = 0 WHERE part = %(part)s AND webhook_id = ANY(%(ids)s)",
    "UPDATE commands_open SET day = 0 WHERE day = %(part)s AND webhook_id = ANY(%(ids)s)",
    "UPDATE dedup SET part = 0 WHERE part = %(part)s AND webhook_id = ANY(%(ids)s)",
    "UPDATE webhooks SET part = 0 WHERE part = %(part)s AND id = ANY(%(ids)s)",
)
_ONE_DROPS = "SELECT pg_try_advisory_xact_lock(%s)"
_COUNT_DAY = """
SELECT (SELECT count(*) FROM webhooks AS w WHERE w.part = %(part)s AND {over}),
    (SELECT count(*) FROM commands AS f WHERE f.part = %(part)s AND NOT EXISTS (
        SELECT FROM webhooks AS w WHERE w.part = %(part)s AND w.id = f.webhook_id AND NOT ({over}))),
    (SELECT count(*) FROM attempts AS a WHERE a.part = %(part)s AND NOT EXISTS (
        SELECT FROM commands AS f JOIN webhooks AS w ON w.part = %(part)s AND w.id = f.webhook_id
        WHERE f.day = %(part)s AND f.seq = a.command_seq AND NOT ({over})))
""".replace("{over}", _OVER)
_WITH_DAY = (
    "DELETE FROM fetched WHERE webhook_id IN (SELECT id FROM webhooks WHERE part = %(part)s)",
    "DELETE FROM shadow_differences WHERE webhook_id IN (SELECT id FROM webhooks WHERE part = %(part)s)",
    # A key without an end answers repeats for as long as its webhook is kept.
    "DELETE FROM dedup WHERE part = %(part)s AND expires_at IS NULL",
    "DELETE FROM names WHERE command_id IN (SELECT id FROM commands WHERE part = %(part)s AND terms IS NOT NULL)",
    """
    DELETE FROM batches AS b
    WHERE id IN (SELECT batch_id FROM webhooks WHERE part = %(part)s AND batch_id IS NOT NULL)
      AND NOT EXISTS (SELECT FROM webhooks AS w WHERE w.batch_id = b.id AND w.part <> %(part)s)
    """,
)

# -- in portions -------------------------------------------------------------------------------------------------------

_LOOKED_AT = f"""
SELECT w.seq, w.id FROM webhooks AS w
WHERE w.part = %s AND w.source = %s AND w.seq > %s AND w.received_at < %s AND {_OVER} ORDER BY w.seq LIMIT %s
"""  # noqa: S608 - made of constants
_MEASURE = """
SELECT count(*), (SELECT count(*) FROM attempts AS a WHERE a.part = %(part)s AND a.command_seq = ANY(
    SELECT seq FROM commands WHERE part = %(part)s AND webhook_id = ANY(%(ids)s)))
FROM commands WHERE part = %(part)s AND webhook_id = ANY(%(ids)s)
"""
_STILL_OVER = f"""
SELECT w.id FROM webhooks AS w WHERE w.part = %(part)s AND w.id = ANY(%(ids)s) AND {_OVER} FOR UPDATE
"""  # noqa: S608 - as above
_DELETE_WITH = (
    "DELETE FROM fetched WHERE webhook_id = ANY(%(ids)s)",
    "DELETE FROM shadow_differences WHERE webhook_id = ANY(%(ids)s)",
    "DELETE FROM dedup WHERE part = %(part)s AND expires_at IS NULL AND webhook_id = ANY(%(ids)s)",
    """
    DELETE FROM names WHERE command_id IN (
        SELECT id FROM commands WHERE part = %(part)s AND webhook_id = ANY(%(ids)s) AND terms IS NOT NULL)
    """,
    """
    DELETE FROM batches AS b
    WHERE id IN (SELECT batch_id FROM webhooks WHERE part = %(part)s AND id = ANY(%(ids)s) AND batch_id IS NOT NULL)
      AND NOT EXISTS (
        SELECT FROM webhooks AS w WHERE w.batch_id = b.id AND NOT (w.part = %(part)s AND w.id = ANY(%(ids)s)))
    """,
    """
    DELETE FROM attempts WHERE part = %(part)s AND command_seq IN (
        SELECT seq FROM commands WHERE part = %(part)s AND webhook_id = ANY(%(ids)s))
    """,
    "DELETE FROM commands WHERE part = %(part)s AND webhook_id = ANY(%(ids)s)",
    "DELETE FROM webhooks WHERE part = %(part)s AND id = ANY(%(ids)s)",
)

# -- keys and versions -------------------------------------------------------------------------------------------------

_EXPIRED_KEYS = "SELECT count(*) FROM dedup WHERE expires_at <= %s"
_EXPIRED_CLAIMS = "SELECT count(*) FROM once WHERE until <= %s"
_DROP_KEYS = """
DELETE FROM dedup WHERE (source, key) IN (
    SELECT source, key FROM dedup WHERE expires_at <= %s LIMIT %s FOR UPDATE SKIP LOCKED)
"""
_DROP_CLAIMS = """
DELETE FROM once WHERE (scope, key) IN (
    SELECT scope, key FROM once WHERE until <= %s LIMIT %s FOR UPDATE SKIP LOCKED)
"""
_DROP_USES = """
DELETE FROM uses WHERE (scope, key, command_id) IN (
    SELECT scope, key, command_id FROM uses WHERE until <= %s LIMIT %s FOR UPDATE SKIP LOCKED)
"""
_EXPIRED_IDENTIFIED = "SELECT count(*) FROM identified WHERE until <= %s"
_DROP_IDENTIFIED = """
DELETE FROM identified WHERE (destination, customer) IN (
    SELECT destination, customer FROM identified WHERE until <= %s LIMIT %s FOR UPDATE SKIP LOCKED)
"""
_OLD_VERSIONS = f"""
SELECT v.version FROM rules_versions AS v
WHERE v.loaded_at < %(before)s
  AND NOT EXISTS (
    SELECT FROM rules_served AS s WHERE s.version = v.version AND (s.until IS NULL OR s.until >= %(before)s))
  AND v.version NOT IN (
    SELECT w.rules_version FROM webhooks AS w
    WHERE (w.part = 0 OR w.part <= %(day)s) AND (w.part = %(day)s OR NOT ({_OVER})))
"""  # noqa: S608 - as above
_STILL_OLD = """
SELECT 1 FROM rules_versions AS v WHERE v.version = %s
AND NOT EXISTS (SELECT FROM rules_served AS s WHERE s.version = v.version AND s.until IS NULL)
"""
_OF_VERSION = (
    "DELETE FROM rules_versions WHERE version = %s",
    "DELETE FROM rules_served WHERE version = %s",
    "DELETE FROM rule_counts WHERE version = %s",
)


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A part, and what in it is over."""

    part: int
    sources: Mapping[str, int]
    """Of which sources, and what of them was received before which moment."""
    whole: bool
    """No other source has anything there."""


class Doomed(msgspec.Struct, frozen=True, kw_only=True):
    """Webhooks of one part that are deleted in one transaction."""

    part: int
    ids: tuple[str, ...]


async def past(db: Connection, *, now: datetime, default: timedelta, by_source: Mapping[str, timedelta]) -> list[Past]:
    """The parts that hold something whose time is over."""
    found: list[Past] = []
    longest = micros(now - max((default, *by_source.values())))
    for part in sorted({KEPT, *await existing(db)}):
        before = {
            source: micros(now - by_source.get(source, default))
            for (source,) in await fetch(db, _SOURCES, {"part": part})
        }
        over = {source: at for source, at in before.items() if part == KEPT or (part + 1) * DAY <= at}
        if over:
            found.append(Past(part=part, sources=over, whole=part != KEPT and len(over) == len(before)))
        elif not before and part != KEPT and (part + 1) * DAY <= longest:
            found.append(Past(part=part, sources={}, whole=True))
    return found


async def unfinished(db: Connection, part: int) -> tuple[str, ...]:
    """Some of the webhooks of a day that are not over."""
    return tuple(id for (id,) in await fetch(db, _UNFINISHED, {"part": part, "limit": PAGE}))


async def move_out(db: Connection, kept: Doomed) -> None:
    """Move webhooks that are not over, with all that belongs to them, to where they outlive their day."""
    asked = {"part": kept.part, "ids": list(kept.ids)}
    for statement in _MOVE_OUT:
        await run(db, statement, asked)


async def count_day(db: Connection, part: int) -> Pruned:
    """What dropping a day would take out."""
    row = await fetch_one(db, _COUNT_DAY, {"part": part})
    assert row is not None
    return Pruned(webhooks=row[0], commands=row[1], attempts=row[2])


async def drop_day(db: Connection, part: int) -> Pruned | None:
    """Drop the tables of a day; None where something in it is not over after all. Nothing is taken out where another
    gateway is dropping days, or has dropped this one."""
    if await fetch_one(db, _ONE_DROPS, (LOCK + 1,)) != (True,) or part not in await existing(db):
        return Pruned()
    await db.execute("SET LOCAL lock_timeout = '1s'")
    tables = [identifiers.Identifier(table_of(parent, part)) for parent in PARTED]
    names = identifiers.SQL(", ").join(tables)
    # Nobody sends anything of this day again from here on; others are not disturbed.
    await db.execute(identifiers.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(names))
    if await unfinished(db, part):
        return None
    gone = await count_day(db, part)
    for statement in _WITH_DAY:
        await run(db, statement, {"part": part})
    await db.execute(identifiers.SQL("DROP TABLE {}").format(names))
    return gone


async def look(db: Connection, one: Past, source: str, place: int) -> Sequence[tuple[int, str]]:
    """A page of a source's webhooks in a part that are over: seq and id."""
    rows = await fetch(db, _LOOKED_AT, (one.part, source, place, one.sources[source], PAGE))
    return [(seq, id) for seq, id in rows]


async def measure(db: Connection, doomed: Doomed) -> Pruned:
    """What deleting these would take out."""
    row = await fetch_one(db, _MEASURE, {"part": doomed.part, "ids": list(doomed.ids)})
    assert row is not None
    return Pruned(webhooks=len(doomed.ids), commands=row[0], attempts=row[1])


async def delete(db: Connection, doomed: Doomed) -> Pruned:
    """Delete those webhooks that are still over, with all that belongs to them."""
    asked: dict[str, Any] = {"part": doomed.part, "ids": list(doomed.ids)}
    asked["ids"] = [id for (id,) in await fetch(db, _STILL_OVER, asked)]
    gone = await measure(db, Doomed(part=doomed.part, ids=tuple(asked["ids"])))
    for statement in _DELETE_WITH:
        await run(db, statement, asked)
    return gone


def portions(found: Sequence[tuple[int, str]], part: int, *, size: int = 100) -> Iterator[Doomed]:
    """What was found, in the portions that are deleted together."""
    for start in range(0, len(found), size):
        yield Doomed(part=part, ids=tuple(id for _, id in found[start : start + size]))


async def count_expired(db: Connection, now: int) -> Pruned:
    """Keys that are in force no more."""
    asked = (_EXPIRED_KEYS, _EXPIRED_CLAIMS, _EXPIRED_IDENTIFIED)
    keys, claims, identified = (rows[0][0] for rows in await fetch_each(db, [(query, (now,)) for query in asked]))
    return Pruned(dedup_keys=keys, once_claims=claims + identified)


async def drop_expired(db: Connection, now: int) -> tuple[Pruned, bool]:
    """Delete some keys that are in force no more; and whether there may be more."""
    keys = await touched(db, _DROP_KEYS, (now, KEYS))
    claims = await touched(db, _DROP_CLAIMS, (now, KEYS))
    uses = await touched(db, _DROP_USES, (now, KEYS))
    identified = await touched(db, _DROP_IDENTIFIED, (now, KEYS))
    return Pruned(dedup_keys=keys, once_claims=claims + identified), KEYS in (keys, claims, uses, identified)


async def old_versions(db: Connection, before: int) -> list[str]:
    """The versions of the rules that were last served before a moment, and that no webhook names which stays.

    ``before`` is the longest retention ago; a webhook may name a version a day after it was last served.
    """
    return [version for (version,) in await fetch(db, _OLD_VERSIONS, {"before": before - DAY, "day": day_of(before)})]


async def drop_version(db: Connection, version: str) -> Pruned:
    """Delete a version of the rules, its spans and its counts, unless it is served again."""
    if await fetch_one(db, _STILL_OLD, (version,)) is None:
        return Pruned()
    for statement in _OF_VERSION:
        await run(db, statement, (version,))
    return Pruned(rules_versions=1)
