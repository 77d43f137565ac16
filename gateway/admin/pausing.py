"""Pausing and resuming a destination, a source or a rule: the API and the command line both come here."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec

from gateway.admin.versions import Versions
from gateway.errors import NotFound
from gateway.intilery.contract import Destination, timestamp
from gateway.rules import Ruleset
from gateway.store import Foreseen, Pause, PauseScope, Store

View = dict[str, Any]


class PauseRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who pauses, and why: for those who wonder later."""

    by: str = "somebody with the admin token"
    reason: str | None = None


class ResumeRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Resume, or only say what that would do."""

    preview: bool = False


async def pause(store: Store, scope: PauseScope, name: str, asked: PauseRequest, *, now: datetime) -> View:
    """Pause it: ``{"scope", "name", "since", "by", "reason"}``."""
    made = Pause(scope=scope, name=name, since=now, by=asked.by, reason=asked.reason)
    await store.pause(made)
    there = next((one for one in await store.pauses() if _same(one, made)), made)
    return pause_row(there)


async def resume(
    store: Store,
    scope: PauseScope,
    name: str,
    asked: ResumeRequest,
    *,
    destination: Destination | None,
    now: datetime,
) -> View:
    """End its pauses: ``{"scope", "name", "preview", "resumed": whether it was paused}``.

    With ``preview`` nothing is done; beside them stand ``{"go", "expire", "later", "seconds"?, "rules": [{"source",
    "rule", "command", "go", "expire", "later"}]}``: how many commands would go now, would expire, would wait on for
    another reason. ``seconds`` is how long those that go take at the destination's rate, where one is given.
    """
    view: View = {"scope": scope.value, "name": name, "preview": asked.preview}
    if not asked.preview:
        return view | {"resumed": await store.resume(scope, name)}
    paused = any(one.scope is scope and one.name == name for one in await store.pauses())
    found = await store.foresee(scope, name, now=now)
    totals = {what: sum(getattr(one, what) for one in found) for what in ("go", "expire", "later")}
    if destination is not None:
        totals["seconds"] = round(max(0, totals["go"] - destination.burst) / destination.rate)
    return view | {"resumed": False, "paused": paused} | totals | {"rules": [_foreseen_row(one) for one in found]}


def pause_row(one: Pause) -> View:
    """A pause as JSON: who, since when, why."""
    view = {"scope": one.scope.value, "name": one.name, "since": timestamp(one.since), "by": one.by}
    return view | ({"reason": one.reason} if one.reason else {}) | ({"automatic": True} if one.automatic else {})


def _foreseen_row(one: Foreseen) -> View:
    row: View = msgspec.to_builtins(one)
    return row


def _same(one: Pause, other: Pause) -> bool:
    return (one.scope, one.name, one.automatic) == (other.scope, other.name, other.automatic)


async def refuse_unknown(
    store: Store, ruleset: Ruleset, scope: PauseScope, name: str, *, destinations: Collection[str] = ()
) -> None:
    """Whether there is such a thing: in the rules, among those ``destinations``, or among what is paused, for what the
    rules had once must be resumed too.

    :raises NotFound: there is not; the message lists what there is.
    """
    sources = ruleset.sources
    names = {
        PauseScope.DESTINATION: {*ruleset.destinations, *destinations},
        PauseScope.SOURCE: set(sources),
        PauseScope.RULE: {f"{source.name}/{rule.id}" for source in sources.values() for rule in source.rules},
    }[scope]
    if name not in names and not any((one.scope, one.name) == (scope, name) for one in await store.pauses()):
        shown = ", ".join(sorted(names)) or "none"
        raise NotFound(f"{scope} '{name}': there is none of this name; there are: {shown}")


async def served(store: Store, versions: Versions) -> Ruleset | None:
    """The rules that a gateway served last from this store; None where none did, or where they load no more."""
    for history in await store.rules_histories(limit=1):
        if history.served:
            return await versions.ruleset(history.version.version)
    return None
