"""What shadow rules would have done otherwise: counts, and the newest differences."""

from __future__ import annotations

import sqlite3

from gateway.store import SHADOW_KEPT, SHADOW_VERSIONS, Page, ShadowCount, ShadowDifference, ShadowFilter
from gateway.store.shadowed import (
    SHADOW_COLUMNS,
    ShadowNoted,
    shadow_count_of,
    shadow_counts,
    shadow_difference_of,
    shadow_row,
)
from gateway.store.sqlite.conditions import Conditions, read_page
from gateway.store.sqlite.values import write

_COUNT = """
INSERT INTO shadow_counts (candidate, source, rule, webhooks, appears, vanishes, changes, last_at)
SELECT * FROM {values} WHERE column1 IS NOT NULL
ON CONFLICT (candidate, source, rule) DO UPDATE SET webhooks = webhooks + excluded.webhooks,
    appears = appears + excluded.appears, vanishes = vanishes + excluded.vanishes,
    changes = changes + excluded.changes, last_at = max(last_at, excluded.last_at)
"""
_KEEP = f"INSERT INTO shadow_differences ({SHADOW_COLUMNS}) SELECT * FROM {{values}} WHERE column1 IS NOT NULL"  # noqa: S608
_DROP = """
DELETE FROM shadow_differences WHERE seq <= (SELECT max(seq) FROM shadow_differences) - ?
"""
_DROP_COUNTS = """
DELETE FROM shadow_counts WHERE candidate NOT IN (
    SELECT candidate FROM shadow_counts GROUP BY candidate ORDER BY max(last_at) DESC LIMIT ?)
"""
_COUNTS = """
SELECT c.candidate, c.source, c.rule, c.webhooks, c.appears, c.vanishes, c.changes, c.last_at FROM shadow_counts AS c
WHERE coalesce(c.candidate = ?, TRUE)
ORDER BY (SELECT max(last_at) FROM shadow_counts AS l WHERE l.candidate = c.candidate) DESC,
    c.candidate, c.source, c.rule
"""
_LIST = f"SELECT seq, {SHADOW_COLUMNS} FROM shadow_differences WHERE {{conditions}} ORDER BY seq DESC LIMIT ?"  # noqa: S608


def note(db: sqlite3.Connection, noted: ShadowNoted) -> None:
    write(db, _COUNT, list(shadow_counts(noted)))
    if noted.differences:
        write(db, _KEEP, [shadow_row(one) for one in noted.differences])
        db.execute(_DROP, (SHADOW_KEPT,))
    db.execute(_DROP_COUNTS, (SHADOW_VERSIONS,))


def list_counts(db: sqlite3.Connection, *, candidate: str | None) -> list[ShadowCount]:
    return [shadow_count_of(row) for row in db.execute(_COUNTS, (candidate,)).fetchall()]


def list_differences(
    db: sqlite3.Connection, filter: ShadowFilter, *, limit: int, cursor: str | None
) -> Page[ShadowDifference]:
    where = Conditions()
    where.equal("candidate", filter.candidate)
    where.equal("source", filter.source)
    where.equal("rule", filter.rule)
    where.equal("kind", None if filter.kind is None else filter.kind.value)
    return read_page(db, _LIST, where, shadow_difference_of, limit=limit, cursor=cursor)
