"""What is remembered of a version of the rules besides its text, as rows and back: when it was served, what met it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from gateway.model import RulesVersion
from gateway.store import Span, VersionHistory
from gateway.store.rows import Row, maybe_moment, micros, moment

WEBHOOKS = ""
"""Stands for a rule where a row counts the webhooks of the source. No rule has an empty id."""

Met = tuple[str, str, tuple[str, ...]]
"""What one webhook counts for: its version, its source, the ids of the rules that matched."""


def count_rows(met: Sequence[Met]) -> list[Row]:
    """Rows of (version, source, rule, how many more), one for each version, source and rule, in their order."""
    counts: dict[tuple[str, str, str], int] = {}
    for version, source, matched in met:
        for rule in (WEBHOOKS, *matched):
            counts[version, source, rule] = counts.get((version, source, rule), 0) + 1
    return [(*key, count) for key, count in sorted(counts.items())]


def zero_rows(version: str, rules: Collection[tuple[str, str]]) -> list[Row]:
    """Rows that count nothing: what matches nothing is known too, and told from what is not in the rules.

    ``rules`` are source and id of each rule.
    """
    known = {(source, WEBHOOKS) for source, _ in rules} | set(rules)
    return [(version, source, rule, 0) for source, rule in sorted(known)]


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """A version that begins to be served."""

    version: RulesVersion
    rules: Collection[tuple[str, str]]
    """Source and id of each of its rules."""
    at: int


def version_row(version: RulesVersion) -> Row:
    """``(version, loaded_at, revision, files)``."""
    return version.version, micros(version.loaded_at), version.revision, msgspec.json.encode(version.files)


def history_of(
    version: RulesVersion,
    *,
    spans: Sequence[Sequence[Any]],
    before: str | None,
    counts: Sequence[Sequence[Any]],
) -> VersionHistory:
    """From rows of (seq, since, until) and of (source, rule, count)."""
    return VersionHistory(
        version=version,
        served=tuple(Span(since=moment(since), until=maybe_moment(until)) for _, since, until in spans),
        before=before,
        webhooks={source: count for source, rule, count in counts if rule == WEBHOOKS},
        matches={(source, rule): count for source, rule, count in counts if rule != WEBHOOKS},
    )
