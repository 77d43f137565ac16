"""What rules that are not served would make of a stored webhook. Pure: nothing is written and nothing is sent."""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.errors import UnknownSource
from gateway.inbound.arrival import retranslated
from gateway.inbound.batches import taken_apart
from gateway.model import Command, Fetching, MappingProblem, Webhook, WebhookState
from gateway.rules import Ruleset
from gateway.store import Reception


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What candidate rules make of one webhook."""

    state: WebhookState
    commands: tuple[Command, ...] = ()
    reason: str | None = None
    errors: tuple[MappingProblem, ...] = ()
    fetch: str | None = None
    """What would have to be fetched first: it can't be told before."""


def outcome(candidate: Ruleset, webhook: Webhook, *, fetching: Fetching | None, now: datetime) -> Outcome:
    """What candidate rules make of a webhook at a moment: that at which it was translated."""
    try:
        if (apart := taken_apart(candidate, webhook, now=now)) is not None:
            elements = tuple(command for reception in apart for command in reception.commands)
            return Outcome(state=WebhookState.TRANSLATED, commands=elements)
        made = retranslated(candidate, webhook, now=now, fetching=fetching)
    except UnknownSource as error:
        return Outcome(state=WebhookState.UNMATCHED, reason=str(error))
    if not isinstance(made, Reception):
        return Outcome(state=WebhookState.FETCHING, fetch=made.fetch.name)
    became = made.webhook
    return Outcome(state=became.state, commands=made.commands, reason=became.reason, errors=became.errors)
