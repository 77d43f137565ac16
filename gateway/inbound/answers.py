"""What a source's ``respond`` says to one request, evaluated when the webhook is on disk."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from gateway.inbound.arrival import arrival_of
from gateway.inbound.body import Taken
from gateway.rules import Source
from gateway.rules.respond import Answer, answer
from gateway.rules.scope import webhook_facts
from gateway.rules.translate import scope_of
from gateway.rules.values import MISSING
from gateway.store import Receipt


def answer_to(
    source: Source, taken: Taken, receipt: Receipt, *, parts: Mapping[str, str], event_type: str | None
) -> Answer | None:
    """The answer to a request, or None where it is the usual one. ``$webhook.id`` is the id that the receipt gives:
    of a repeat the first one's. Where the body can't be read, ``$`` is missing; of a batch it is, and ``$batch`` is the
    body."""
    if source.respond is None:
        return None
    arrival = arrival_of(taken.webhook, body=taken.body, path=parts)
    if source.events is not None:
        arrival = msgspec.structs.replace(arrival, body=MISSING, batch=taken.body)
    scope = scope_of(source, arrival)
    scope.webhook = webhook_facts(
        id=receipt.webhook_id, source=source.name, received_at=arrival.received_at, event_type=event_type
    )
    return answer(source.respond, scope)
