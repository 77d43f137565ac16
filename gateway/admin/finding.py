"""One story for an order number, an e-mail address, a phone number, a customer or an Intilery event id.

What arrived and what became of it; or that it never did, and when each source was last heard, what is in quarantine,
how long anything is kept, and how far was looked. Behind ``gateway find`` and ``GET /api/find``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import quote

import msgspec

from gateway.admin.filters import moment
from gateway.admin.views import View, attempt_row, command_row, webhook_row
from gateway.errors import UnreadableRequest
from gateway.intilery.contract import timestamp
from gateway.model import WebhookState
from gateway.store import CommandFilter, Store, WebhookFilter

DEPTH = 100_000
"""Webhooks that are looked through unless more are asked for."""
MOST_DEPTH = 10_000_000
MOST = 20
"""Webhooks whose story is told."""
SHORTEST = 3
"""Characters of what is looked for: less stands everywhere."""
_PHONE = re.compile(r"\+?[\d\s()./-]{7,}")
_COMMANDS = 50
"""Commands of one webhook that are told."""


class FindRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked for, and how far."""

    text: str
    since: datetime | None = None
    depth: int = DEPTH


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """How long webhooks are kept: those of the sources that say so themselves, and of all others."""

    default: timedelta
    by_source: Mapping[str, timedelta]
    sources: tuple[str, ...]
    """Those that the rules have."""


def find_request(asked: Mapping[str, str], *, now: datetime) -> FindRequest:
    """:raises UnreadableRequest: a name or a value that is not possible."""
    if unknown := asked.keys() - {"text", "since", "depth"}:
        raise UnreadableRequest(f"{min(unknown)} is not asked for here; allowed: text, since, depth")
    text = asked.get("text", "").strip()
    if not SHORTEST <= len(text) <= 200:
        extreme = "short" if len(text) < SHORTEST else "long"
        raise UnreadableRequest(f"text: {text[:80]!r} is too {extreme}; allowed: {SHORTEST} to 200 characters")
    depth = asked.get("depth", str(DEPTH))
    if not depth.isdecimal() or not 1 <= int(depth[:9]) <= MOST_DEPTH or len(depth) > 9:
        raise UnreadableRequest(f"depth: {depth[:80]!r} is not possible; allowed: 1 to {MOST_DEPTH:,}")
    try:
        since = moment(asked["since"], now=now) if asked.get("since") else None
    except ValueError as error:
        raise UnreadableRequest(f"since: {asked['since'][:80]!r} is not possible; allowed: {error}") from None
    return FindRequest(text=text, since=since, depth=int(depth))


def spellings(text: str) -> tuple[str, ...]:
    """How a text may stand in a payload: as it is, with JSON's escapes, as in a form; a phone number also as its digits
    without what leads into them (``+44 20 7946 0958``, ``0044 20...``: ``442079460958``; ``020 7946``: ``207946``)."""
    escaped = json.dumps(text)[1:-1]
    found = [text, escaped, escaped.replace("/", "\\/"), quote(text, safe=""), quote(text, safe="").replace("%20", "+")]
    if _PHONE.fullmatch(text) and not re.fullmatch(r"\d{4}-\d\d-\d\d", text):
        digits = re.sub(r"\D", "", text).lstrip("0")
        if len(digits) >= 7:
            found.append(digits)
    return tuple(dict.fromkeys(found))


async def find(store: Store, asked: FindRequest, keeping: Keeping) -> View:
    """``{"text", "searched": {"texts", "webhooks", "back_to", "whole"}, "found": [webhook with "commands", each with
    "attempts"], "more", "quarantined": [webhook], "sources": [{"name", "last_heard", "kept_for_days", "quarantined",
    "in_rules"}]}``

    ``searched.whole`` says whether nothing older is kept. ``found`` has no request and no bodies of webhooks:
    ``/api/webhooks/{id}`` has them.
    """
    texts = spellings(asked.text)
    found = await store.find(texts, limit=MOST + 1, depth=asked.depth, since=asked.since)
    heard = await store.last_heard()
    quarantined: dict[str, int] = {}
    for one in await store.quarantine_counts():
        quarantined[one.source] = quarantined.get(one.source, 0) + one.count
    names = sorted({*keeping.sources, *heard, *quarantined})
    return {
        "text": asked.text,
        "searched": {
            "texts": list(texts),
            "webhooks": found.looked_at,
            "back_to": None if found.back_to is None else timestamp(found.back_to),
            "whole": found.whole,
        },
        "found": [await _story(store, id) for id in found.webhooks[:MOST]],
        "more": len(found.webhooks) > MOST,
        "quarantined": await _quarantined(store, texts, since=asked.since),
        "sources": [
            {
                "name": name,
                "last_heard": timestamp(heard[name]) if name in heard else None,
                "kept_for_days": round(keeping.by_source.get(name, keeping.default) / timedelta(days=1), 3),
                "quarantined": quarantined.get(name, 0),
                "in_rules": name in keeping.sources,
            }
            for name in names
        ],
    }


async def _story(store: Store, id: str) -> View:
    webhook = await store.webhook(id)
    page = await store.commands(CommandFilter(webhook=id), limit=_COMMANDS)
    commands = []
    for command in reversed(page.items):
        row = command_row(command)
        row["attempts"] = [attempt_row(attempt) for attempt in await store.attempts(command.id)]
        commands.append(row)
    return webhook_row(webhook) | {"commands": commands, "more_commands": page.next is not None}


async def _quarantined(store: Store, texts: tuple[str, ...], *, since: datetime | None) -> list[View]:
    found: dict[str, View] = {}
    for text in texts:
        filter = WebhookFilter(state=WebhookState.QUARANTINED, text=text, since=since)
        for webhook in (await store.webhooks(filter, limit=MOST)).items:
            found[webhook.id] = webhook_row(webhook)
    return [found[id] for id in sorted(found, reverse=True)][:MOST]
