"""The versions of the rules as plain JSON values: when each was served, and what its rules matched before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.admin.filters import Asked
from gateway.errors import UnreadableRequest
from gateway.intilery.contract import timestamp
from gateway.store import VersionHistory, Versions

View = dict[str, Any]

EXPECTED = 3.0
"""A rule has stopped where it matched nothing and, going by the version before, should have matched this often: by
chance that happens once in twenty times (a Poisson distribution of mean 3)."""


async def versions(store: Versions, asked: Asked) -> View:
    """``{"items": [version without its files], "next": cursor or null}``, the last served first."""
    if not (asked.cursor or "0").isdecimal():
        raise UnreadableRequest(f"cursor: {str(asked.cursor)[:80]!r} is not one that a list gave as next")
    skip = int(asked.cursor or 0)
    # One more than is shown: whether there is a next page, and mostly what the last one is compared to.
    found = await store.rules_histories(limit=asked.limit + 1, skip=skip)
    shown = found[: asked.limit]
    before = await _before(store, shown, {history.version.version: history for history in found})
    return {
        "items": [version_row(history, before.get(history.before or "")) for history in shown],
        "next": str(skip + asked.limit) if len(found) > asked.limit else None,
    }


async def version(store: Versions, version: str) -> View:
    """One version with its texts, by file name.

    :raises NotFound: no such version.
    """
    history = await store.rules_history(version)
    before = await _before(store, [history], {})
    kept = await store.rules_version(version)
    return {**version_row(history, before.get(history.before or "")), "files": dict(sorted(kept.files.items()))}


async def _before(
    store: Versions, shown: Sequence[VersionHistory], known: dict[str, VersionHistory]
) -> dict[str, VersionHistory]:
    for history in shown:
        if history.before is not None and history.before not in known:
            known[history.before] = await store.rules_history(history.before)
    return known


def version_row(history: VersionHistory, before: VersionHistory | None) -> View:
    """A version as it stands in a list. ``before`` is the one that it is compared to, where there is one."""
    names = dict.fromkeys((*history.matches, *(before.matches if before is not None else ())))
    return {
        "version": history.version.version,
        "revision": history.version.revision,
        "loaded_at": timestamp(history.version.loaded_at),
        "served": [
            {"since": timestamp(span.since), "until": None if span.until is None else timestamp(span.until)}
            for span in history.served
        ],
        "before": history.before,
        "webhooks": sum(history.webhooks.values()),
        "rules": [_rule_row(source, rule, history, before) for source, rule in sorted(names)],
    }


def _rule_row(source: str, rule: str, history: VersionHistory, before: VersionHistory | None) -> View:
    """Matches of so many webhooks of the source, and the same of the version before; None where it has no such rule."""
    now = history.matches.get((source, rule))
    row: View = {
        "source": source,
        "rule": rule,
        "matches": now,
        "webhooks": history.webhooks.get(source, 0),
    }
    if before is None:
        return row
    then = before.matches.get((source, rule))
    row["matches_before"] = then
    row["webhooks_before"] = before.webhooks.get(source, 0)
    if now is None:
        row["change"] = "removed"
    elif then is None:
        row["change"] = "new"
    elif now == 0 and then and then / row["webhooks_before"] * row["webhooks"] >= EXPECTED:
        row["change"] = "stopped"
    return row
