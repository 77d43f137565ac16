"""Versions of the rules: their texts, when each was served, and what met them.

The counts are written in the transaction that writes the webhooks, once per commit for all that it holds: they are
exact, and nobody ever walks the webhooks to have them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.errors import NotFound
from gateway.model import RulesVersion
from gateway.store import VersionHistory
from gateway.store.rows import VERSION_COLUMNS, rules_version
from gateway.store.served import Met, Serving, count_rows, history_of, version_row, zero_rows
from gateway.store.sqlite.values import write

_REMEMBER = "INSERT INTO rules_versions (version, loaded_at, revision, files) VALUES (?, ?, ?, ?)"
_KNOWN = " ON CONFLICT (version) DO NOTHING"
# A text that was served before it was committed gets the revision that it was committed in.
_SERVED_AGAIN = """
 ON CONFLICT (version) DO UPDATE SET revision = coalesce(excluded.revision, revision)
"""
_COUNT = """
INSERT INTO rule_counts (version, source, rule, count) SELECT * FROM {values} WHERE column1 IS NOT NULL
ON CONFLICT (version, source, rule) DO UPDATE SET count = count + excluded.count
"""
_NOW = "SELECT version FROM rules_served WHERE until IS NULL"
# A clock that was set back makes no span of negative length.
_END = "UPDATE rules_served SET until = max(since, ?) WHERE until IS NULL"
_BEGIN = """
INSERT INTO rules_served (version, since)
VALUES (?, max(?, coalesce((SELECT until FROM rules_served ORDER BY seq DESC LIMIT 1), 0)))
"""
_VERSION = "SELECT {columns}, files FROM rules_versions WHERE version = ?".replace("{columns}", VERSION_COLUMNS)
_VERSIONS = """
SELECT {columns} FROM rules_versions AS v
ORDER BY (SELECT max(seq) FROM rules_served AS s WHERE s.version = v.version) DESC NULLS LAST, loaded_at DESC, version
LIMIT ? OFFSET ?
""".replace("{columns}", VERSION_COLUMNS)
_SPANS = "SELECT seq, since, until FROM rules_served WHERE version = ? ORDER BY seq"
_SPAN_BEFORE = "SELECT version FROM rules_served WHERE seq < ? ORDER BY seq DESC LIMIT 1"
_COUNTS = "SELECT source, rule, count FROM rule_counts WHERE version = ? ORDER BY source, rule"


def count(db: sqlite3.Connection, met: Sequence[Met]) -> None:
    """Count webhooks for their versions and rules."""
    write(db, _COUNT, count_rows(met))


def remember(db: sqlite3.Connection, version: RulesVersion) -> None:
    """Keep a version's text, once."""
    db.execute(_REMEMBER + _KNOWN, version_row(version))


def serve(db: sqlite3.Connection, serving: Serving) -> None:
    """Keep a version's text, and begin its span where it is not the one that is served."""
    version = serving.version.version
    db.execute(_REMEMBER + _SERVED_AGAIN, version_row(serving.version))
    if known := zero_rows(version, serving.rules):
        write(db, _COUNT, known)
    if db.execute(_NOW).fetchone() == (version,):
        return
    db.execute(_END, (serving.at,))
    db.execute(_BEGIN, (version, serving.at))


def find_version(db: sqlite3.Connection, version: str) -> RulesVersion:
    *row, files = _found(db, version)
    return rules_version(row, msgspec.json.decode(files))


def find_history(db: sqlite3.Connection, version: str) -> VersionHistory:
    *row, _ = _found(db, version)
    return _history(db, row)


def list_histories(db: sqlite3.Connection, *, limit: int, skip: int) -> list[VersionHistory]:
    """The last served first."""
    return [_history(db, row) for row in db.execute(_VERSIONS, (limit, skip)).fetchall()]


def _history(db: sqlite3.Connection, row: Sequence[Any]) -> VersionHistory:
    version = rules_version(row, {})
    spans = db.execute(_SPANS, (version.version,)).fetchall()
    before = db.execute(_SPAN_BEFORE, (spans[-1][0],)).fetchone() if spans else None
    counts = db.execute(_COUNTS, (version.version,)).fetchall()
    return history_of(version, spans=spans, before=None if before is None else before[0], counts=counts)


def _found(db: sqlite3.Connection, version: str) -> Sequence[Any]:
    row: Sequence[Any] | None = db.execute(_VERSION, (version,)).fetchone()
    if row is None:
        raise NotFound(f"rules version {version}: no such version")
    return row
