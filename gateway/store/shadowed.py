"""What shadow rules would have done otherwise as rows, and back: the same for both stores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.store import DifferenceKind, ShadowCount, ShadowDifference
from gateway.store.rows import Row, dumped, loaded, micros, moment

SHADOW_COLUMNS = "candidate, served, at, webhook_id, source, rule, command, kind, paths"


class ShadowNoted(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at some webhooks came to."""

    candidate: str
    compared: Mapping[str, int]
    differences: tuple[ShadowDifference, ...]
    now: datetime


def shadow_counts(noted: ShadowNoted) -> Iterable[Row]:
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


def shadow_count_of(row: Sequence[Any]) -> ShadowCount:
    candidate, source, rule, webhooks, appears, vanishes, changes, last_at = row
    return ShadowCount(
        candidate=candidate,
        source=source,
        rule=rule,
        webhooks=webhooks,
        appears=appears,
        vanishes=vanishes,
        changes=changes,
        last_at=moment(last_at),
    )


def shadow_row(one: ShadowDifference) -> Row:
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


def shadow_difference_of(row: Sequence[Any]) -> ShadowDifference:
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
