"""Pruning: what is old and over is taken out, a little at a time, so that nobody waits for it.

What may go is looked for on a reading connection, walking each source from its oldest webhook on; the writer only
deletes, in transactions of a few milliseconds, and looks again whether each is over: a replay may have come between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from gateway.model import FINAL_STATES
from gateway.store import Pruned
from gateway.store.rows import loaded, octets

PAGE = 500
"""Webhooks that are looked at in one read."""
WEIGHT = 200
"""Webhooks and commands that one transaction deletes; a single webhook with more goes in one all the same."""
KEYS = 200
"""Expired keys that one transaction deletes."""
MARGIN = 86_400_000_000
"""Microseconds: a webhook may name a version so long after the version was last served."""

_FINAL = ", ".join(f"'{state.value}'" for state in sorted(FINAL_STATES))
_OVER = f"""w.state <> 'fetching' AND NOT EXISTS (
    SELECT 1 FROM commands AS c WHERE c.webhook_id = w.id AND c.state NOT IN ({_FINAL}))"""  # noqa: S608 - made of constants

# From one source to the next in the index, without a look at what is between.
_SOURCES = """
WITH RECURSIVE s (source) AS (
    SELECT min(source) FROM webhooks
    UNION ALL SELECT (SELECT min(source) FROM webhooks WHERE source > s.source) FROM s WHERE s.source IS NOT NULL)
SELECT source FROM s WHERE source IS NOT NULL
"""
_LOOKED_AT = f"""
SELECT w.received_at, w.seq, {_OVER}, (SELECT count(*) FROM commands AS c WHERE c.webhook_id = w.id)
FROM webhooks AS w INDEXED BY webhooks_by_source
WHERE w.source = ? AND (w.received_at, w.seq) > (?, ?) AND w.received_at < ?
ORDER BY w.received_at, w.seq LIMIT ?
"""  # noqa: S608 - made of constants
_ATTEMPTS = """
SELECT count(*) FROM attempts WHERE command_seq IN (
    SELECT c.seq FROM commands AS c JOIN webhooks AS w ON w.id = c.webhook_id
    WHERE w.seq IN (SELECT value FROM json_each(?)))
"""
_STILL_OVER = f"""
SELECT w.id, w.source, w.dedup_key, w.batch_id FROM webhooks AS w
WHERE w.seq IN (SELECT value FROM json_each(?)) AND {_OVER}
"""  # noqa: S608 - made of constants
_COMMANDS = "SELECT seq, id, source, terms FROM commands WHERE webhook_id IN (SELECT value FROM json_each(?))"
_UNNAME = "DELETE FROM names WHERE source = ? AND name = ? AND command_id = ?"
_UNUSE = "DELETE FROM uses WHERE command_id = ? AND at <= ?"
# A key without an end answers repeats for as long as its webhook is kept.
_FORGET_KEY = "DELETE FROM dedup WHERE source = ? AND key = ? AND webhook_id = ? AND expires_at IS NULL"
_OF_COMMANDS = (
    "DELETE FROM attempts WHERE command_seq IN (SELECT value FROM json_each(?))",
    "DELETE FROM bodies WHERE command_seq IN (SELECT value FROM json_each(?))",
    "DELETE FROM commands WHERE seq IN (SELECT value FROM json_each(?))",
)
_OF_WEBHOOKS = (
    "DELETE FROM fetched WHERE webhook_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM shadow_differences WHERE webhook_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM webhooks WHERE id IN (SELECT value FROM json_each(?))",
)
_BATCHES = """
DELETE FROM batches WHERE id IN (SELECT value FROM json_each(?))
AND NOT EXISTS (SELECT 1 FROM webhooks INDEXED BY webhooks_by_batch WHERE batch_id = batches.id)
"""

_EXPIRED_KEYS = "SELECT count(*) FROM dedup INDEXED BY dedup_until WHERE expires_at IS NOT NULL AND expires_at <= ?"
_EXPIRED_CLAIMS = "SELECT count(*) FROM once INDEXED BY once_until WHERE until IS NOT NULL AND until <= ?"
_DROP_KEYS = """
DELETE FROM dedup WHERE (source, key) IN (
    SELECT source, key FROM dedup INDEXED BY dedup_until WHERE expires_at IS NOT NULL AND expires_at <= ? LIMIT ?)
"""
_EXPIRED_IDENTIFIED = "SELECT count(*) FROM identified INDEXED BY identified_until WHERE until <= ?"
_DROP_IDENTIFIED = """
DELETE FROM identified WHERE (destination, user_id) IN (
    SELECT destination, user_id FROM identified INDEXED BY identified_until WHERE until <= ? LIMIT ?)
"""
_DROP_CLAIMS = """
DELETE FROM once WHERE (scope, key) IN (
    SELECT scope, key FROM once INDEXED BY once_until WHERE until IS NOT NULL AND until <= ? LIMIT ?)
"""

_OLD_VERSIONS = """
SELECT v.version FROM rules_versions AS v
WHERE v.loaded_at < :before AND NOT EXISTS (
    SELECT 1 FROM rules_served AS s WHERE s.version = v.version AND (s.until IS NULL OR s.until >= :before))
"""
_NAMED = f"""
SELECT DISTINCT w.rules_version FROM webhooks AS w INDEXED BY webhooks_by_source
WHERE w.source = ? AND w.received_at < ? AND NOT ({_OVER})
"""  # noqa: S608 - made of constants
_STILL_OLD = """
SELECT 1 FROM rules_versions AS v WHERE v.version = ?
AND NOT EXISTS (SELECT 1 FROM rules_served AS s WHERE s.version = v.version AND s.until IS NULL)
"""
_OF_VERSION = (
    "DELETE FROM rules_versions WHERE version = ?",
    "DELETE FROM rules_served WHERE version = ?",
    "DELETE FROM rule_counts WHERE version = ?",
)

Place = tuple[int, int]
"""Where a walk stands: moment of receipt and seq of the last webhook that was looked at."""
START: Place = (-(2**62), 0)


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a walk through a source."""

    over: tuple[tuple[int, int], ...]
    """The webhooks that may go: seq and how many commands each has."""
    next: Place | None
    """Where to go on; None: it was the last page."""


class Doomed(msgspec.Struct, frozen=True, kw_only=True):
    """Webhooks to be deleted in one transaction, by seq."""

    seqs: tuple[int, ...]
    now: int


def sources(db: sqlite3.Connection) -> list[str]:
    """Those that anything is kept of."""
    return [source for (source,) in db.execute(_SOURCES).fetchall()]


def look(db: sqlite3.Connection, source: str, before: int, place: Place) -> Found:
    """Look at a page of a source's webhooks that were received before a moment."""
    rows = db.execute(_LOOKED_AT, (source, *place, before, PAGE)).fetchall()
    return Found(
        over=tuple((seq, commands) for _, seq, over, commands in rows if over),
        next=(rows[-1][0], rows[-1][1]) if len(rows) == PAGE else None,
    )


def portions(found: Found) -> Iterator[tuple[int, ...]]:
    """What was found, in the portions that are deleted together."""
    portion: list[int] = []
    weight = 0
    for seq, commands in found.over:
        if portion and weight + 1 + commands > WEIGHT:
            yield tuple(portion)
            portion, weight = [], 0
        portion.append(seq)
        weight += 1 + commands
    if portion:
        yield tuple(portion)


def measure(db: sqlite3.Connection, found: Found) -> Pruned:
    """What deleting these would take out."""
    (attempts,) = db.execute(_ATTEMPTS, (_json([seq for seq, _ in found.over]),)).fetchone()
    return Pruned(webhooks=len(found.over), commands=sum(count for _, count in found.over), attempts=attempts)


def delete(db: sqlite3.Connection, doomed: Doomed) -> Pruned:
    """Delete those webhooks that are still over, with all that belongs to them."""
    webhooks = db.execute(_STILL_OVER, (_json(doomed.seqs),)).fetchall()
    ids = _json([id for id, _, _, _ in webhooks])
    commands = db.execute(_COMMANDS, (ids,)).fetchall()
    for _, id, source, terms in commands:
        if terms is not None:
            _forget_terms(db, id, source, loaded(terms), doomed.now)
    attempts = take_out(db, [id for id, _, _, _ in webhooks], [seq for seq, _, _, _ in commands])
    for id, source, key, _ in webhooks:
        if key is not None:
            db.execute(_FORGET_KEY, (source, key, id))
    if batches := sorted({batch for _, _, _, batch in webhooks if batch is not None}):
        db.execute(_BATCHES, (_json(batches),))
    return Pruned(webhooks=len(webhooks), commands=len(commands), attempts=attempts)


def take_out(db: sqlite3.Connection, webhooks: Sequence[str], commands: Sequence[int]) -> int:
    """Delete webhooks by id and commands by seq, with what is kept beside them; how many attempts that were."""
    seqs, ids = _json(commands), _json(webhooks)
    attempts, _, _ = [db.execute(statement, (seqs,)).rowcount for statement in _OF_COMMANDS]
    for statement in _OF_WEBHOOKS:
        db.execute(statement, (ids,))
    return attempts


def _forget_terms(db: sqlite3.Connection, id: str, source: str, terms: Any, now: int) -> None:
    """Names, and uses of limits whose time is over. What is claimed for once stays: that is what it is for."""
    if terms.get("name") is not None:
        db.execute(_UNNAME, (source, octets(terms["name"]), id))
    if terms.get("limit") is not None:
        db.execute(_UNUSE, (id, now - terms["limit"]["within"] * 1_000_000))


def count_expired(db: sqlite3.Connection, now: int) -> Pruned:
    """Keys that are in force no more."""
    (keys,) = db.execute(_EXPIRED_KEYS, (now,)).fetchone()
    (claims,) = db.execute(_EXPIRED_CLAIMS, (now,)).fetchone()
    (identified,) = db.execute(_EXPIRED_IDENTIFIED, (now,)).fetchone()
    return Pruned(dedup_keys=keys, once_claims=claims + identified)


def drop_expired(db: sqlite3.Connection, now: int) -> Pruned:
    """Delete some keys that are in force no more: fewer than :data:`KEYS` of each kind means that none are left."""
    return Pruned(
        dedup_keys=db.execute(_DROP_KEYS, (now, KEYS)).rowcount,
        once_claims=db.execute(_DROP_CLAIMS, (now, KEYS)).rowcount + db.execute(_DROP_IDENTIFIED, (now, KEYS)).rowcount,
    )


def old_versions(db: sqlite3.Connection, before: int) -> list[str]:
    """The versions of the rules that were last served before a moment, and that no webhook names which stays.

    ``before`` is the longest retention ago.
    """
    old = [version for (version,) in db.execute(_OLD_VERSIONS, {"before": before - MARGIN}).fetchall()]
    if not old:
        return []
    named = {version for source in sources(db) for (version,) in db.execute(_NAMED, (source, before)).fetchall()}
    return [version for version in old if version not in named]


def drop_version(db: sqlite3.Connection, version: str) -> Pruned:
    """Delete a version of the rules, its spans and its counts, unless it is served again."""
    if db.execute(_STILL_OLD, (version,)).fetchone() is None:
        return Pruned()
    for statement in _OF_VERSION:
        db.execute(statement, (version,))
    return Pruned(rules_versions=1)


def _json(values: Sequence[Any]) -> str:
    return msgspec.json.encode(values).decode()
