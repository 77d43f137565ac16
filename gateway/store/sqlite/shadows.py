"""What shadow rules would have done otherwise: counts, and the newest differences."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.store import (
    SHADOW_KEPT,
    SHADOW_VERSIONS,
    DifferenceKind,
    Page,
    ShadowCount,
    ShadowDifference,
    ShadowFilter,
)
from gateway.store.rows import Row, dumped, loaded, micros, moment
from gateway.store.sqlite.conditions import Conditions, read_page
from gateway.store.sqlite.values import write

_COUNT = """
INSERT INTO shadow_counts (candidate, source, rule, webhooks, appears, vanishes, changes, last_at)
SELECT * FROM {values} WHERE column1 IS NOT NULL
ON CONFLICT (candidate, source, rule) DO UPDATE SET webhooks = webhooks + excluded.webhooks,
    appears = appears + excluded.appears, vanishes = vanishes + excluded.vanishes,
    changes = changes + excluded.changes, last_at = max(last_at, excluded.last_at)
"""
_COLUMNS = "candidate, served, at, webhook_id, source, rule, command, kind, paths"
_KEEP = f"INSERT INTO shadow_differences ({_COLUMNS}) SELECT * FROM {{values}} WHERE column1 IS NOT NULL"  # noqa: S608
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
_LIST = f"SELECT seq, {_COLUMNS} FROM shadow_differences WHERE {{conditions}} ORDER BY seq DESC LIMIT ?"  # noqa: S608


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at some webhooks came to."""

    candidate: str
    compared: Mapping[str, int]
    differences: tuple[ShadowDifference, ...]
    now: datetime


def note(db: sqlite3.Connection, noted: Noted) -> None:
    write(db, _COUNT, list(_counts(noted)))
    if noted.differences:
        write(db, _KEEP, [_row(one) for one in noted.differences])
        db.execute(_DROP, (SHADOW_KEPT,))
    db.execute(_DROP_COUNTS, (SHADOW_VERSIONS,))


def _counts(noted: Noted) -> Iterable[Row]:
    at = micros(noted.now)
    for source, webhooks in noted.compared.items():
        yield noted.candidate, source, "", webhooks, 0, 0, 0, at
    by_rule: dict[tuple[str, str], dict[DifferenceKind, int]] = {}
    for one in noted.differences:
        kinds = by_rule.setdefault((one.source, one.rule), dict.fromkeys(DifferenceKind, 0))
        kinds[one.kind] += 1
    for (source, rule), kinds in by_rule.items():
        yield (
            noted.candidate,
            source,
            rule,
            0,
            kinds[DifferenceKind.APPEARS],
            kinds[DifferenceKind.VANISHES],
            kinds[DifferenceKind.CHANGES],
            at,
        )


def list_counts(db: sqlite3.Connection, *, candidate: str | None) -> list[ShadowCount]:
    return [
        ShadowCount(
            candidate=candidate,
            source=source,
            rule=rule,
            webhooks=webhooks,
            appears=appears,
            vanishes=vanishes,
            changes=changes,
            last_at=moment(last_at),
        )
        for candidate, source, rule, webhooks, appears, vanishes, changes, last_at in db.execute(
            _COUNTS, (candidate,)
        ).fetchall()
    ]


def list_differences(
    db: sqlite3.Connection, filter: ShadowFilter, *, limit: int, cursor: str | None
) -> Page[ShadowDifference]:
    where = Conditions()
    where.equal("candidate", filter.candidate)
    where.equal("source", filter.source)
    where.equal("rule", filter.rule)
    where.equal("kind", None if filter.kind is None else filter.kind.value)
    return read_page(db, _LIST, where, _difference, limit=limit, cursor=cursor)


def _row(one: ShadowDifference) -> Row:
    return (
        one.candidate,
        one.served,
        micros(one.at),
        one.webhook_id,
        one.source,
        one.rule,
        one.command,
        one.kind.value,
        dumped(one.paths),
    )


def _difference(row: Sequence[Any]) -> ShadowDifference:
    candidate, served, at, webhook_id, source, rule, command, kind, paths = row
    return ShadowDifference(
        candidate=candidate,
        served=served,
        at=moment(at),
        webhook_id=webhook_id,
        source=source,
        rule=rule,
        command=command,
        kind=DifferenceKind(kind),
        paths=tuple(loaded(paths)),
    )
