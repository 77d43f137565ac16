"""Versions of the rules: their texts, when each was served, and what met them.

The counts are written in the transaction that writes the webhooks, once per commit for all that it holds. Each gateway
has rows of its own, by ``slot``: one row for all would make every commit wait for the one before it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.errors import NotFound
from gateway.model import RulesVersion
from gateway.store import VersionHistory
from gateway.store.postgres.errors import Met as Meeting
from gateway.store.postgres.rows import is_text
from gateway.store.postgres.statements import Connection, fetch, fetch_one, run, sql, touched, write
from gateway.store.rows import Row, rules_version
from gateway.store.served import Met, Serving, count_rows, history_of, version_row, zero_rows

SLOTS = 64

_REMEMBER = "INSERT INTO rules_versions (version, loaded_at, revision, files) VALUES (%s, %s, %s, %s)"
_KNOWN = " ON CONFLICT (version) DO NOTHING"
# A text that was served before it was committed gets the revision that it was committed in.
_SERVED_AGAIN = """
 ON CONFLICT (version) DO UPDATE SET revision = coalesce(excluded.revision, rules_versions.revision)
"""
_COUNT = sql("""
INSERT INTO rule_counts (version, source, rule, count, slot)
SELECT v.version, v.source, v.rule, v.count, v.slot
FROM {v: version text, source text, rule text, count bigint, slot smallint}
ON CONFLICT (version, source, rule, slot) DO UPDATE SET count = rule_counts.count + excluded.count
""")
_NOW = "SELECT version FROM rules_served WHERE until IS NULL FOR UPDATE"
# A clock that was set back makes no span of negative length.
_END = "UPDATE rules_served SET until = greatest(since, %s) WHERE until IS NULL"
_BEGIN = """
INSERT INTO rules_served (version, since)
VALUES (%s, greatest(%s, coalesce((SELECT until FROM rules_served ORDER BY seq DESC LIMIT 1), 0)))
ON CONFLICT ((until IS NULL)) WHERE until IS NULL DO NOTHING
"""
_VERSION = sql("SELECT {version}, files FROM rules_versions WHERE version = %s")
_VERSIONS = sql("""
SELECT {version} FROM rules_versions AS v
ORDER BY (SELECT max(seq) FROM rules_served AS s WHERE s.version = v.version) DESC NULLS LAST, loaded_at DESC, version
LIMIT %s OFFSET %s
""")
_SPANS = "SELECT seq, since, until FROM rules_served WHERE version = %s ORDER BY seq"
_SPAN_BEFORE = "SELECT version FROM rules_served WHERE seq < %s ORDER BY seq DESC LIMIT 1"
_COUNTS = """
SELECT source, rule, sum(count)::bigint FROM rule_counts WHERE version = %s GROUP BY source, rule ORDER BY source, rule
"""


async def count(db: Connection, met: Sequence[Met], *, slot: int) -> None:
    """Count webhooks for their versions and rules."""
    await write(db, _COUNT, [(*row, slot) for row in count_rows(met)])


async def remember(db: Connection, version: RulesVersion) -> None:
    """Keep a version's text, once."""
    await run(db, _REMEMBER + _KNOWN, version_row(version))


async def serve(db: Connection, serving: Serving, *, slot: int) -> None:
    """Keep a version's text, and begin its span where it is not the one that is served."""
    version = serving.version.version
    await run(db, _REMEMBER + _SERVED_AGAIN, version_row(serving.version))
    await write(db, _COUNT, [(*row, slot) for row in zero_rows(version, serving.rules)])
    if await fetch_one(db, _NOW) == (version,):
        return
    await run(db, _END, (serving.at,))
    if not await touched(db, _BEGIN, (version, serving.at)):
        raise Meeting


async def find_version(db: Connection, version: str) -> RulesVersion:
    *row, files = await _found(db, version)
    return rules_version(row, msgspec.json.decode(files))


async def find_history(db: Connection, version: str) -> VersionHistory:
    *row, _ = await _found(db, version)
    return await _history(db, row)


async def list_histories(db: Connection, *, limit: int, skip: int) -> list[VersionHistory]:
    """The last served first."""
    return [await _history(db, row) for row in await fetch(db, _VERSIONS, (limit, skip))]


async def _history(db: Connection, row: Sequence[object]) -> VersionHistory:
    version = rules_version(row, {})
    spans = await fetch(db, _SPANS, (version.version,))
    before = await fetch_one(db, _SPAN_BEFORE, (spans[-1][0],)) if spans else None
    counts = await fetch(db, _COUNTS, (version.version,))
    return history_of(version, spans=spans, before=None if before is None else before[0], counts=counts)


async def _found(db: Connection, version: str) -> Row:
    row = await fetch_one(db, _VERSION, (version,)) if is_text(version) else None
    if row is None:
        raise NotFound(f"rules version {version}: no such version")
    return row
