"""Erasing one person, and the proof: behind ``gateway forget`` and ``POST /api/forget``."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.admin.finding import spellings
from gateway.admin.views import View
from gateway.errors import UnreadableRequest
from gateway.intilery.contract import timestamp
from gateway.store import Forgotten, Retention

SHORTEST = 4
"""Characters of a text that is looked for in payloads: shorter ones stand in those of others, too."""


class ForgetRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of ``POST /api/forget``."""

    user: str
    """The customer's id: a ``userId`` of commands."""
    also: tuple[str, ...] = ()
    """What else names the person in payloads: e-mail addresses, phone numbers, ids of the sender."""
    dry_run: bool = False


async def forget(store: Retention, asked: ForgetRequest, *, now: datetime) -> View:
    """Erase the person, then look again.

    ``{"user", "texts", "at", "dry_run", "webhooks", "commands", "attempts", "keys", "quarantined", "replays", "left",
    "remaining"}``: ``left`` are ids of webhooks of which a command is on its way, ``remaining`` how many webhooks still
    name the person when all was done (those in ``left``, and what came meanwhile).

    :raises UnreadableRequest: no customer, or a text that is too short to be looked for.
    """
    if not asked.user.strip():
        raise UnreadableRequest("user: is empty; it names the customer")
    for text in asked.also:
        if len(text) < SHORTEST:
            raise UnreadableRequest(f"also: {text!r} has {len(text)} characters; allowed: {SHORTEST} or more")
    named = [text for text in (asked.user, *asked.also) if len(text) >= SHORTEST]
    texts = list(dict.fromkeys(spelling for text in named for spelling in spellings(text)))
    forgotten = await store.forget(asked.user, texts, now=now, dry_run=asked.dry_run)
    again = forgotten if asked.dry_run else await store.forget(asked.user, texts, now=now, dry_run=True)
    return {
        "user": asked.user,
        "texts": texts,
        "at": timestamp(now),
        "dry_run": asked.dry_run,
        **_row(forgotten),
        "remaining": again.webhooks,
    }


def _row(forgotten: Forgotten) -> View:
    row: View = msgspec.to_builtins(forgotten)
    return row
