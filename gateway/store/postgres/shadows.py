"""What shadow rules would have done otherwise: counts, and the newest differences."""

from __future__ import annotations

from gateway.store import SHADOW_KEPT, SHADOW_VERSIONS, Page, ShadowCount, ShadowDifference, ShadowFilter
from gateway.store.postgres.conditions import Conditions, read_page
from gateway.store.postgres.statements import Connection, fetch, run, sql, write
from gateway.store.shadowed import (
    ShadowNoted,
    shadow_count_of,
    shadow_counts,
    shadow_difference_of,
    shadow_row,
)

_COUNT = sql("""
INSERT INTO shadow_counts AS c (candidate, source, rule, webhooks, appears, vanishes, changes, last_at)
SELECT * FROM {v: candidate text, source text, rule text, webhooks bigint, appears bigint, vanishes bigint, changes bigint, last_at bigint}
ORDER BY 1, 2, 3
ON CONFLICT (candidate, source, rule) DO UPDATE SET webhooks = c.webhooks + excluded.webhooks,
    appears = c.appears + excluded.appears, vanishes = c.vanishes + excluded.vanishes,
    changes = c.changes + excluded.changes, last_at = greatest(c.last_at, excluded.last_at)
""")  # noqa: E501 - a table's columns stand in one line
_KEEP = sql("INSERT INTO shadow_differences ({shadow}) SELECT {shadow} FROM {v: {typed shadow}}")
_DROP = "DELETE FROM shadow_differences WHERE seq <= (SELECT max(seq) FROM shadow_differences) - %s"
_DROP_COUNTS = """
DELETE FROM shadow_counts WHERE candidate NOT IN (
    SELECT candidate FROM shadow_counts GROUP BY candidate ORDER BY max(last_at) DESC LIMIT %s)
"""
_COUNTS = """
SELECT c.candidate, c.source, c.rule, c.webhooks, c.appears, c.vanishes, c.changes, c.last_at FROM shadow_counts AS c
WHERE coalesce(c.candidate = %s::text, TRUE)
ORDER BY (SELECT max(last_at) FROM shadow_counts AS l WHERE l.candidate = c.candidate) DESC,
    c.candidate, c.source, c.rule
"""
_LIST = sql("SELECT seq, {shadow} FROM shadow_differences WHERE {conditions} ORDER BY seq DESC LIMIT %s")


async def note(db: Connection, noted: ShadowNoted) -> None:
    await write(db, _COUNT, list(shadow_counts(noted)))
    if noted.differences:
        await write(db, _KEEP, [shadow_row(one) for one in noted.differences])
        await run(db, _DROP, (SHADOW_KEPT,))
    await run(db, _DROP_COUNTS, (SHADOW_VERSIONS,))


async def list_counts(db: Connection, *, candidate: str | None) -> list[ShadowCount]:
    return [shadow_count_of(row) for row in await fetch(db, _COUNTS, (candidate,))]


async def list_differences(
    db: Connection, filter: ShadowFilter, *, limit: int, cursor: str | None
) -> Page[ShadowDifference]:
    where = Conditions()
    where.equal("candidate", filter.candidate)
    where.equal("source", filter.source)
    where.equal("rule", filter.rule)
    where.equal("kind", None if filter.kind is None else filter.kind.value)
    return await read_page(db, _LIST, where, shadow_difference_of, limit=limit, cursor=cursor)
