"""How sources and destinations stand, as JSON: what ``/api/status`` and ``gateway status`` say of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from gateway.admin.pausing import pause_row
from gateway.inbound.hooks import hook_path, unset_credentials
from gateway.intilery.contract import Destination, timestamp
from gateway.rules import Ruleset
from gateway.store import Pause, PauseScope, Store

View = dict[str, Any]
Credential = Callable[[str], str | None]


def disabled(destination: Destination, credential: Credential) -> str | None:
    """Why nothing is sent to a destination, or None."""
    if destination.disabled is not None:
        return destination.disabled
    return None if credential(destination.auth_token) else f"{destination.auth_token} is not set"


async def sources(store: Store, ruleset: Ruleset, credential: Credential) -> list[View]:
    """``{"name", "title", "hook", "unset", "last_heard", "quarantined", "paused", "rules_paused"}`` of each source: the
    last four are when its last webhook was received, how many requests are in quarantine, its pause or null, and the
    pauses of its rules."""
    pauses = await store.pauses()
    heard = await store.last_heard()
    refused = Counter[str]()
    for one in await store.quarantine_counts():
        refused[one.source] += one.count
    return [
        {
            "name": source.name,
            "title": source.title,
            "hook": hook_path(source),
            "unset": list(unset_credentials(source, credential)),
            "last_heard": _moment(heard.get(source.name)),
            "quarantined": refused[source.name],
            "paused": next((pause_row(one) for one in _of(pauses, PauseScope.SOURCE, source.name)), None),
            "rules_paused": [
                {"rule": rule.id, **pause_row(one)}
                for rule in source.rules
                for one in _of(pauses, PauseScope.RULE, f"{source.name}/{rule.id}")
            ],
        }
        for source in ruleset.sources.values()
    ]


async def destinations(
    store: Store,
    named: Mapping[str, Destination],
    known: Mapping[str, Destination],
    credential: Credential | None,
    lanes: Mapping[str, Mapping[str, object]],
) -> list[View]:
    """Each destination that is ``named``, and the others that have something unfinished or are paused.

    ``{"name", "state": "open" | "paused" | "disabled", "disabled", "backlog": {state: count}, "oldest_due", "limits":
    {"rate", "burst"}, "pauses": [...]}``, with what its lane says where one runs (``paused`` why, ``paused_since``,
    ``in_flight``, ``tokens``, ``rate``) and ``removed`` where the rules name it no longer. ``known`` are those that
    were named once; ``credential`` is None where nobody here could know it.
    """
    backlog = await store.backlog()
    pauses = await store.pauses()
    paused = {one.name for one in pauses if one.scope is PauseScope.DESTINATION}
    rows: list[View] = []
    for name in sorted({*named, *backlog, *paused}):
        destination = known.get(name)
        own = list(_of(pauses, PauseScope.DESTINATION, name))
        lane = dict(lanes.get(name, {}))
        why_not = None if destination is None or credential is None else disabled(destination, credential)
        since = lane.pop("paused_since", None)
        if "paused" not in lane:
            lane["paused"] = _told(own[0]) if own else None
        if not isinstance(since, datetime):
            since = own[0].since if own else None
        state = "disabled" if why_not else "paused" if own or lane["paused"] else "open"
        rows.append(
            {
                "name": name,
                "state": state,
                "disabled": why_not,
                "backlog": {state.value: count for state, count in backlog.get(name, {}).items()},
                "oldest_due": _moment(await store.next_due(name, paused=True)),
                "limits": None if destination is None else {"rate": destination.rate, "burst": destination.burst},
                "pauses": [pause_row(one) for one in own],
                **lane,
                "paused_since": _moment(since if lane["paused"] else None),
                **({} if name in named else {"removed": True}),
            }
        )
    return rows


def _of(pauses: Iterable[Pause], scope: PauseScope, name: str) -> Iterable[Pause]:
    """Those of one thing, a person's first."""
    return sorted((one for one in pauses if one.scope is scope and one.name == name), key=lambda one: one.automatic)


def _told(pause: Pause) -> str:
    if pause.automatic:
        return pause.reason or "its token is refused"
    return f"paused by {pause.by}" + (f": {pause.reason}" if pause.reason else "")


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def shown_store(url: str) -> str:
    """A store's address without a secret in it: of PostgreSQL the hosts and the database."""
    if url.startswith("sqlite:"):
        return url
    try:
        from gateway.store.postgres.database import name_of
    except ImportError:  # without the driver nothing is open there
        return "postgresql://…"
    return name_of(url)
