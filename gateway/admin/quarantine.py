"""Quarantine for operators: what is in it, why, and releasing it. The API and the command line both come here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from gateway.credentials import Credentials
from gateway.errors import NotFound, UnreadableRequest
from gateway.inbound.diagnosis import GENEROUS
from gateway.inbound.quarantine import KEY
from gateway.inbound.release import Bench, Passed, Released, StillRefused, look_again, release
from gateway.inbound.schemes import Published
from gateway.inbound.trials import Diagnosis
from gateway.intilery.contract import timestamp
from gateway.model import WebhookState
from gateway.rules import Ruleset
from gateway.store import QuarantineCount, Quarantined, Store, WebhookFilter

View = dict[str, Any]

_PAGE = 200


class ReleaseRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which requests to release: those named, or those of sources, or (``all``) everything."""

    ids: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    all: bool = False
    dry_run: bool = False
    """Only say what would become of them."""


async def bench(store: Store, ruleset: Ruleset, credential: Credentials, published: Published | None = None) -> Bench:
    """What requests are looked at with: the rules, the secrets and the published keys of now."""
    return Bench(
        ruleset=ruleset,
        credential=credential,
        names=credential.names,
        key=await store.key(KEY),
        published=published,
    )


async def release_all(store: Store, asked: ReleaseRequest, tools: Bench, *, now: datetime) -> View:
    """Release them, the oldest first, each by itself.

    ``{"dry_run", "released": [{"id", "source", "status", "webhooks", "state"?, "commands"}], "stay": [{"id", "source",
    "cause", "reason", "findings"}]}``. Status is ``accepted``, ``duplicate`` or ``challenge``; what stays has the new
    reason in the store too.

    :raises NotFound: an id that is not in quarantine.
    :raises UnreadableRequest: neither ids nor sources nor all, or a source that the rules don't have.
    """
    if not asked.ids and not asked.sources and not asked.all:
        raise UnreadableRequest("which requests? Give ids, or sources, or all")
    for source in asked.sources:
        if source not in tools.ruleset.sources:
            raise UnreadableRequest(f"no rules file has source: {source[:60]!a}")
    found = [await store.quarantined(id) for id in dict.fromkeys(asked.ids)]
    named = [one.webhook.id for one in found]
    scopes: tuple[str | None, ...] = (None,) if asked.all else asked.sources
    for scope in scopes:
        named += await _ids(store, scope)
    released: list[View] = []
    stay: list[View] = []
    for id in sorted(set(named)):  # ids sort by the time of receipt
        try:
            one = await store.quarantined(id)
            done = await release(store, one, tools, now=now, dry_run=asked.dry_run)
        except NotFound:  # released or taken out meanwhile
            continue
        if isinstance(done, Released):
            released.append(_released_row(one, done))
        else:
            stay.append(_stay_row(one, done))
    return {"dry_run": asked.dry_run, "released": released, "stay": stay}


async def _ids(store: Store, source: str | None) -> list[str]:
    """All of a source, or of all of them. Before any is released, so that the pages stay whole."""
    ids: list[str] = []
    cursor: str | None = None
    filter = WebhookFilter(state=WebhookState.QUARANTINED, source=source)
    while True:
        page = await store.webhooks(filter, limit=_PAGE, cursor=cursor)
        ids += [webhook.id for webhook in page.items]
        if page.next is None:
            return ids
        cursor = page.next


async def listed(store: Store, page: View) -> View:
    """A page of the list of what is in quarantine, each row with ``cause`` and ``findings``."""
    rows = []
    for row in page["items"]:
        try:
            one = await store.quarantined(row["id"])
        except NotFound:  # it left since the page was read
            continue
        rows.append(row | {"cause": one.cause, "findings": list(one.findings)})
    return page | {"items": rows}


async def details(store: Store, id: str, tools: Bench | None) -> View:
    """What the view of one request in quarantine has besides: ``{"cause", "findings", "lacking"?, "now"?}``.

    ``now`` is what the rules and secrets of now say, where they are known: ``{"verified": bool, "words"?, "cause"?,
    "reason"?, "findings"?}``.

    :raises NotFound: it is not in quarantine.
    """
    one = await store.quarantined(id)
    view: View = {"cause": one.cause, "findings": list(one.findings)}
    if one.lacking is not None:
        view["lacking"] = one.lacking
    if tools is not None:
        view["now"] = verdict_row(await look_again(one, tools, budget=GENEROUS))
    return view


def verdict_row(looked: Passed | StillRefused) -> View:
    """Whether a request verifies, and how, or why not."""
    if isinstance(looked, Passed):
        return {"verified": True, "words": looked.verified.scheme}
    return {"verified": False, "reason": looked.reason, **diagnosis_row(looked.diagnosis)}


def diagnosis_row(diagnosis: Diagnosis) -> View:
    return {"cause": diagnosis.cause.value, "findings": list(diagnosis.findings)}


def count_rows(counts: Iterable[QuarantineCount]) -> list[View]:
    """What is in quarantine, by source and cause."""
    return [
        {
            "source": one.source,
            "cause": one.cause,
            "count": one.count,
            "bytes": one.bytes,
            "oldest": timestamp(one.oldest),
        }
        for one in counts
    ]


def _released_row(one: Quarantined, done: Released) -> View:
    view = {
        "id": one.webhook.id,
        "source": one.webhook.source,
        "received_at": timestamp(one.webhook.received_at),
        "status": done.status,
        "webhooks": list(done.webhooks),
        "commands": done.commands,
    }
    return view | ({} if done.state is None else {"state": done.state.value})


def _stay_row(one: Quarantined, refused: StillRefused) -> View:
    return {
        "id": one.webhook.id,
        "source": one.webhook.source,
        "received_at": timestamp(one.webhook.received_at),
        "reason": refused.reason,
        **diagnosis_row(refused.diagnosis),
    }
