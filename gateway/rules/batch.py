"""``events``: one request that holds many webhooks is taken apart, and each element lives for itself.

``$`` is then one element and ``$batch`` the whole body, in rules and everywhere else in the file. What is redacted is
taken out first, of the body and of its elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from gateway.model import WebhookState
from gateway.rules.budget import Budget, OverBudget
from gateway.rules.mapping import elements_of
from gateway.rules.model import Arrival, Source, TraceLine, Translation
from gateway.rules.translate import translate
from gateway.rules.values import MISSING, describe

MAX_ELEMENTS = 10_000
"""Elements of one request. A body of more is kept whole."""


class NotTakenApart(Exception):
    """The body has no elements, or too many: it is kept whole, in ``state`` and with the message as its reason."""

    def __init__(self, message: str, state: WebhookState) -> None:
        super().__init__(message)
        self.state = state


def elements(source: Source, body: Any) -> list[Any]:
    """What ``events`` names in a body, in order: at least one element.

    A list gives its elements; one object (or text, or number) counts as a list of one, which XML needs.

    :raises NotTakenApart: an empty list (``ignored``: there is nothing in it), nothing at all, or too many
        (``untranslatable``: it is not what the rules file says).
    """
    events = source.events
    assert events is not None
    try:
        found = elements_of(events.read(body, Budget()))
    except OverBudget as error:
        raise NotTakenApart(f"events: {error}", WebhookState.UNTRANSLATABLE) from None
    if found is MISSING:
        raise NotTakenApart(
            f"events: {events.text} finds nothing; the body is {describe(body)}", WebhookState.UNTRANSLATABLE
        )
    if not found:
        raise NotTakenApart(f"events: the list at {events.text} is empty", WebhookState.IGNORED)
    if len(found) > MAX_ELEMENTS:
        raise NotTakenApart(
            f"events: {events.text} has {len(found):,} elements; allowed: {MAX_ELEMENTS:,}",
            WebhookState.UNTRANSLATABLE,
        )
    return found  # type: ignore[no-any-return]


def erase(source: Source, body: Any, *, batch: bool = False) -> bool:
    """Take out of a parsed value, in place, what ``redact`` names; whether there was anything.

    ``batch`` says that the value is the body around the elements: then the paths from ``$batch`` count, else those
    from ``$``.
    """
    found = [redaction.erase(body) for redaction in source.redact if redaction.batch is batch]
    return any(found)


def element_arrivals(source: Source, arrival: Arrival) -> Iterator[Arrival]:
    """Each element of a request as rules see it, redacted.

    :raises NotTakenApart: see :func:`elements`.
    """
    erase(source, arrival.body, batch=True)
    found = elements(source, arrival.body)
    for element in found:
        erase(source, element)
    for number, element in enumerate(found):
        yield msgspec.structs.replace(arrival, body=element, batch=arrival.body, index=number)


def translate_request(
    source: Source, arrival: Arrival, *, now: datetime, run: Callable[[Arrival], Translation] | None = None,
    trace: bool = False,
) -> Translation:  # fmt: skip
    """What a whole request becomes, for those who try or test: of a batch, all that its elements become, in order.

    ``run`` translates one arrival, where that is not all that happens to it. What is redacted is gone from the
    arrival's body afterwards.
    """
    run = run or (lambda one: translate(source, one, now=now, trace=trace))
    if source.events is None:
        erase(source, arrival.body)
        return run(arrival)
    try:
        return _together([run(one) for one in element_arrivals(source, arrival)])
    except NotTakenApart as found:
        return Translation(state=found.state, reason=str(found))


def _together(each: list[Translation]) -> Translation:
    if len(each) == 1:
        return each[0]
    states = [one.state for one in each]
    state = WebhookState.TRANSLATED
    if state not in states:
        # What went wrong says more than what was of no interest.
        state = next((one for one in states if one is not WebhookState.IGNORED), WebhookState.IGNORED)
    types = {one.event_type for one in each}
    return Translation(
        state=state,
        reason=next((one.reason for one in each if one.state is state), None),
        commands=tuple(command for one in each for command in one.commands),
        cancellations=tuple(cancellation for one in each for cancellation in one.cancellations),
        errors=tuple(error for one in each for error in one.errors),
        warnings=tuple(warning for one in each for warning in one.warnings),
        matched=tuple(dict.fromkeys(rule for one in each for rule in one.matched)),
        trace=tuple(
            TraceLine(rule=line.rule, matched=line.matched, why=f"element {number}: {line.why}")
            for number, one in enumerate(each)
            for line in one.trace
        ),
        event_type=types.pop() if len(types) == 1 else None,
    )
