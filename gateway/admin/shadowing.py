"""What shadow rules would have done otherwise, as JSON values: behind ``gateway shadow`` and ``GET /api/shadow``."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.admin.filters import Asked, page
from gateway.admin.views import View
from gateway.errors import UnreadableRequest
from gateway.intilery.contract import timestamp
from gateway.store import DifferenceKind, ShadowCount, ShadowDifference, ShadowFilter, ShadowLog

FILTERS = ("candidate", "source", "rule", "kind")


def shadow_filter(asked: Mapping[str, str]) -> tuple[ShadowFilter, Asked]:
    """:raises UnreadableRequest: a name or a value that is not possible."""
    values = {name: text for name, text in asked.items() if name in FILTERS}
    asked_page = page({name: text for name, text in asked.items() if name not in FILTERS})
    kind = values.pop("kind", None)
    try:
        return ShadowFilter(**values, kind=None if kind is None else DifferenceKind(kind.lower())), asked_page
    except ValueError:
        raise UnreadableRequest(
            f"kind: {str(kind)[:80]!r} is not possible; allowed: {', '.join(DifferenceKind)}"
        ) from None


async def shadow(store: ShadowLog, filter: ShadowFilter, asked: Asked) -> View:
    """``{"candidates": [{"candidate", "webhooks", "last_at", "rules": [{"source", "rule", "appears", "vanishes",
    "changes", "last_at"}]}], "items": [difference], "next": cursor or null}``, the candidate that was noted last first.
    """
    try:
        listed = await store.shadow_differences(filter, limit=asked.limit, cursor=asked.cursor)
    except ValueError as error:  # a cursor that no list gave
        raise UnreadableRequest(str(error)) from error
    candidates: dict[str, View] = {}
    for count in await store.shadow_counts(candidate=filter.candidate):
        _add(candidates.setdefault(count.candidate, _candidate(count)), count)
    return {
        "candidates": list(candidates.values()),
        "items": [difference_row(one) for one in listed.items],
        "next": listed.next,
    }


def _candidate(count: ShadowCount) -> View:
    return {"candidate": count.candidate, "webhooks": 0, "last_at": timestamp(count.last_at), "rules": []}


def _add(view: View, count: ShadowCount) -> None:
    at = timestamp(count.last_at)
    view["last_at"] = max(view["last_at"], at)
    if not count.rule:
        view["webhooks"] += count.webhooks
        return
    view["rules"].append(
        {
            "source": count.source,
            "rule": count.rule,
            "appears": count.appears,
            "vanishes": count.vanishes,
            "changes": count.changes,
            "last_at": at,
        }
    )


def difference_row(one: ShadowDifference) -> View:
    """One command that would have been made, not made, or made otherwise. It holds no value out of a payload."""
    return {
        "candidate": one.candidate,
        "served": one.served,
        "at": timestamp(one.at),
        "webhook": one.webhook_id,
        "source": one.source,
        "rule": one.rule,
        "command": one.command,
        "kind": one.kind.value,
        "paths": list(one.paths),
    }
