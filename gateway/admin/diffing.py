"""What candidate rules would make of stored webhooks, and what they became: ``replay --diff`` and ``POST /api/diff``.

Nothing is written and nothing is sent. Without ``values`` the answer holds no value out of a payload: names of rules,
ids of webhooks, paths and counts only.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from gateway.admin.filters import WEBHOOK_FILTERS, webhook_filter
from gateway.admin.views import View, present, problem_row
from gateway.candidate import Outcome, outcome
from gateway.differences import NOTHING, Change, Difference, differences
from gateway.errors import RulesError, UnreadableRequest
from gateway.intilery.contract import timestamp
from gateway.model import Command, Webhook, WebhookState
from gateway.rules import Ruleset, load_files
from gateway.store import CommandFilter, DifferenceKind, Store

MOST = 1_000
"""Webhooks that one answer compares."""
SAMPLES = 20
"""Webhooks that differ and are told one by one, unless more are asked for."""
DESTINATIONS = "destinations.yaml"
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_UNCOMPARED = "what is in quarantine became nothing that could be compared"
_SLICE = 20
"""Webhooks between which others get their turn."""
_KEPT = 4
"""Compiled candidates that are kept: an answer has many pages."""


class DiffRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /api/diff``."""

    files: dict[str, str]
    """The candidate rules: texts by file name. Without ``destinations.yaml`` the served one holds."""
    ids: tuple[str, ...] = ()
    """These webhooks."""
    filter: dict[str, str] = {}
    """Instead of ids: by the names of the list's query parameters. Without both, all."""
    limit: int = MOST
    """Webhooks to compare, the newest first."""
    samples: int = SAMPLES
    cursor: str | None = None
    values: bool = False
    """Show the values that differ, too. For the admin token only."""


class Candidates:
    """Compiles candidate rules out of their texts; the last few stay compiled."""

    def __init__(self, *, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._compiled: OrderedDict[tuple[tuple[str, str], ...], Ruleset] = OrderedDict()

    async def ruleset(self, files: Mapping[str, str], *, served: Ruleset) -> Ruleset:
        """:raises UnreadableRequest: the rules have problems; the message has them all."""
        texts = dict(files)
        if DESTINATIONS not in texts and DESTINATIONS in served.version.files:
            texts[DESTINATIONS] = served.version.files[DESTINATIONS]
        key = tuple(sorted(texts.items()))
        if key not in self._compiled:
            try:
                self._compiled[key] = await asyncio.to_thread(load_files, texts, environ=self._environ)
            except RulesError as error:
                raise UnreadableRequest(f"the rules have problems:\n{error}") from error
        self._compiled.move_to_end(key)
        if len(self._compiled) > _KEPT:
            self._compiled.popitem(last=False)
        return self._compiled[key]


async def diff(store: Store, candidate: Ruleset, asked: DiffRequest, *, now: datetime) -> View:
    """One page of the comparison.

    ``{"candidate", "compared", "differing", "not_compared", "counts": {"appears", "vanishes", "changes"}, "rules":
    [{"source", "rule", "command", and these counts}], "items": [see :func:`_item`], "back_to", "next"}``

    :raises NotFound: an id that there is not.
    :raises UnreadableRequest: a filter, a limit or a cursor that is not possible.
    """
    if unknown := asked.filter.keys() - WEBHOOK_FILTERS.keys():
        raise UnreadableRequest(f"{min(unknown)} is no filter; allowed: {', '.join(WEBHOOK_FILTERS)}")
    if not 1 <= asked.limit <= MOST:
        raise UnreadableRequest(f"limit: {asked.limit} is not possible; allowed: 1 to {MOST:,}")
    filter, _ = webhook_filter(asked.filter, now=now)
    if filter.state is WebhookState.QUARANTINED:
        raise UnreadableRequest(f"state: {_UNCOMPARED}")
    comparison = _Comparison(asked)
    if asked.ids:
        if asked.filter or len(asked.ids) > MOST:
            raise UnreadableRequest(f"which webhooks? Give at most {MOST:,} ids, or a filter")
        for id in asked.ids:
            webhook = await store.webhook(id)
            if webhook.state is WebhookState.QUARANTINED:
                raise UnreadableRequest(f"{id}: {_UNCOMPARED}")
            comparison.add(webhook, *await compared(store, candidate, webhook))
        return {"candidate": candidate.version.version, **comparison.view(), "next": None}
    cursor, left = asked.cursor, asked.limit
    while left:
        try:
            page = await store.webhooks(filter, limit=min(left, _SLICE), cursor=cursor)
        except ValueError as error:  # a cursor that no list gave
            raise UnreadableRequest(str(error)) from error
        for webhook in page.items:
            comparison.add(webhook, *await compared(store, candidate, webhook))
        left -= len(page.items)
        cursor = page.next
        if cursor is None:
            break
        await asyncio.sleep(0)
    return {"candidate": candidate.version.version, **comparison.view(), "next": cursor}


async def compared(store: Store, candidate: Ruleset, webhook: Webhook) -> tuple[Outcome | None, list[Difference]]:
    """What candidate rules make of a stored webhook, and how that differs from what it became; None where it still is
    being fetched."""
    if webhook.state is WebhookState.FETCHING:
        return None, []
    if webhook.batch_id is not None:
        webhook = await store.webhook(webhook.id)  # with the body around it
    before = await _commands(store, webhook.id)
    source = candidate.sources.get(webhook.source)
    fetching = await store.fetching(webhook.id) if source is not None and source.fetches else None
    made = outcome(candidate, webhook, fetching=fetching, now=before[0].created_at if before else webhook.received_at)
    return made, [] if made.fetch is not None else differences(before, made.commands)


async def _commands(store: Store, webhook: str) -> list[Command]:
    """Those of a webhook, in the order of translation."""
    found, cursor = list[Command](), None
    while True:
        page = await store.commands(CommandFilter(webhook=webhook), limit=500, cursor=cursor)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found[::-1]


class _Comparison:
    """What a page has come to."""

    def __init__(self, asked: DiffRequest) -> None:
        self._asked = asked
        self._compared = self._differing = self._not_compared = 0
        self._rules: dict[tuple[str, str, str], dict[str, int]] = {}
        self._items: list[View] = []
        self._back_to: datetime | None = None

    def add(self, webhook: Webhook, made: Outcome | None, found: Sequence[Difference]) -> None:
        self._back_to = webhook.received_at
        if made is None or made.fetch is not None:
            self._not_compared += 1
            return
        self._compared += 1
        if not found:
            return
        self._differing += 1
        for one in found:
            key = webhook.source, one.command.rule, one.command.command
            self._rules.setdefault(key, dict.fromkeys(DifferenceKind, 0))[one.kind] += 1
        if len(self._items) < self._asked.samples:
            self._items.append(_item(webhook, made, found, values=self._asked.values))

    def view(self) -> View:
        rules = [
            {"source": source, "rule": rule, "command": command, **_named(counts)}
            for (source, rule, command), counts in sorted(self._rules.items())
        ]
        return {
            "compared": self._compared,
            "differing": self._differing,
            "not_compared": self._not_compared,
            "counts": {kind.value: sum(row[kind.value] for row in rules) for kind in DifferenceKind},
            "rules": rules,
            "items": self._items,
            "back_to": None if self._back_to is None else timestamp(self._back_to),
        }


def _named(counts: Mapping[str, int]) -> dict[str, Any]:
    return {DifferenceKind(kind).value: count for kind, count in counts.items()}


def _item(webhook: Webhook, made: Outcome, found: Sequence[Difference], *, values: bool) -> View:
    """``{"webhook", "source", "received_at", "event_type"?, "state", "would_be", "reason"?, "errors"?, "differences":
    [{"kind", "rule", "element"?, "command", "destination", "user_id"?, "changes"?: [{"path", "was"?, "now"?}],
    "body"?}]}``. What may quote a payload is there with ``values`` only."""
    return present(
        {
            "webhook": webhook.id,
            "source": webhook.source,
            "received_at": timestamp(webhook.received_at),
            "event_type": webhook.event_type,
            "state": webhook.state.value,
            "would_be": made.state.value,
            "reason": made.reason if values else None,
            "errors": [problem_row(problem) for problem in made.errors] or None if values else None,
            "differences": [_difference(one, values=values) for one in found],
        }
    )


def _difference(found: Difference, *, values: bool) -> View:
    command = found.command
    appears = found.kind is DifferenceKind.APPEARS
    return present(
        {
            "kind": found.kind.value,
            "rule": command.rule,
            "element": command.element or None if values else None,
            "command": command.command,
            "destination": command.destination,
            "state": command.state.value if appears else None,
            "user_id": command.user_id if values else None,
            "changes": [_change(change, values=values) for change in found.changes] or None,
            "body": _decode(command.body) if values and appears else None,
        }
    )


def _change(change: Change, *, values: bool) -> View:
    if not values:
        return {"path": change.path}
    sides = {"was": change.was, "now": change.now}
    return {"path": change.path} | {name: value for name, value in sides.items() if value is not NOTHING}
