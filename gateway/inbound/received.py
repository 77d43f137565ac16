"""How one request at a hook ended, in a record for logs and metrics."""

from __future__ import annotations

import re

import msgspec

from gateway.errors import Rejected
from gateway.model import Command, WebhookState
from gateway.store import Receipt, Reception

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """How one request at a hook ended; of a batch, one element of it."""

    source: str
    """A name from the rules, or ``""`` where the request named none: never text of the sender's choosing."""
    status: int
    """Of the answer; 499 where the sender went away before its request was whole, and nothing was kept."""
    answer: str
    """``accepted``, ``duplicate``, ``challenge``, ``disconnected``, or the refusal's error in words:
    ``authentication_failed``."""
    webhook_id: str = ""
    """Empty where nothing was stored; the first one's where this one repeats it; that which a request has in
    quarantine."""
    state: WebhookState | None = None
    """Of what was stored now; None for repeats and refusals."""
    event_type: str | None = None
    matched: tuple[str, ...] = ()
    commands: int = 0
    ended: tuple[Command, ...] = ()
    """Those of them that will never leave."""
    errors: int = 0
    reason: str | None = None
    """Why it was refused or can't be read, for the operator."""


def record_of(reception: Reception, receipt: Receipt) -> Received:
    """Of a webhook that is on disk."""
    webhook = reception.webhook
    if receipt.duplicate:
        return Received(source=webhook.source, status=200, answer="duplicate", webhook_id=receipt.webhook_id)
    return Received(
        source=webhook.source,
        status=200,
        answer="accepted",
        webhook_id=webhook.id,
        state=webhook.state,
        event_type=webhook.event_type,
        matched=webhook.matched,
        commands=len(reception.commands),
        ended=receipt.ended,
        errors=len(webhook.errors),
        reason=webhook.reason if webhook.state is WebhookState.UNPARSEABLE else None,
    )


def in_words(rejected: Rejected) -> str:
    """``AuthenticationFailed`` is ``authentication_failed``."""
    return _CAPITAL.sub("_", type(rejected).__name__).lower()
