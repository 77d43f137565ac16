"""A thin webhook before its rules run: what is to be fetched next, given what has been. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from gateway.errors import MappingError
from gateway.model import MappingProblem, WebhookState
from gateway.rules.budget import OverBudget
from gateway.rules.event_time import event_time
from gateway.rules.fetches import FetchRequest, request_of
from gateway.rules.model import Arrival, Source, Translation
from gateway.rules.scope import UNSET, EvaluationFailed
from gateway.rules.translate import recognised, translate
from gateway.rules.values import MISSING

Answer = Callable[[FetchRequest], Any]
"""What is known of a request: the JSON that came, ``MISSING`` where there is none, ``UNSET`` where nobody asked yet."""


def fetched_for(source: Source, arrival: Arrival, answer: Answer) -> tuple[dict[str, Any], FetchRequest | None]:
    """What ``$fetch`` reads, by name, and the first request that has no answer yet: without one the rules may run.

    A fetch whose conditions do not hold is passed over; whatever is fetched later can't change that.

    :raises MappingError: a request can't be made of this webhook, see :func:`~gateway.rules.fetches.request_of`.
    """
    name = ""
    fetched: dict[str, Any] = {}
    try:
        scope = recognised(source, arrival)[0]
        scope.fetched = fetched
        for fetch in source.fetches:
            name = fetch.name
            if not fetch.when.holds(scope):
                continue
            request = request_of(fetch, scope)
            value = answer(request)
            if value is UNSET:
                return fetched, request
            if value is not MISSING:
                fetched[name] = value
    except (OverBudget, EvaluationFailed) as error:
        raise MappingError(f"fetch {name}: {error}", field=f"fetch.{name}") from None
    return fetched, None


def unanswered(request: FetchRequest) -> Any:
    """Nothing was asked yet."""
    return UNSET


def canned(given: Mapping[str, Any], asked: list[FetchRequest]) -> Answer:
    """Answers that somebody wrote, by the fetch's name; null says that it is not there.

    ``asked`` gets each request, in order; one without an answer is missing.
    """

    def answer(request: FetchRequest) -> Any:
        asked.append(request)
        found = given.get(request.fetch.name)
        return MISSING if found is None else found

    return answer


def translate_canned(
    source: Source, arrival: Arrival, given: Mapping[str, Any], asked: list[FetchRequest], *, now: datetime
) -> Translation:
    """What a webhook becomes with :func:`canned` answers, and the trace."""
    try:
        fetched = fetched_for(source, arrival, canned(given, asked))[0] if source.fetches else None
    except MappingError as error:
        problem = MappingProblem(rule="", field=error.field, path=error.path, message=error.message)
        return Translation(state=WebhookState.UNTRANSLATABLE, reason=error.message, errors=(problem,))
    return translate(source, msgspec.structs.replace(arrival, fetched=fetched), now=now, trace=True)


def first_look(source: Source, arrival: Arrival) -> Translation | None:
    """What a webhook is that has just been received and points to something: ``fetching``, with its dedup key and its
    event type; ``untranslatable`` where the request can't be made. None where its rules can run at once."""
    if not source.fetches:
        return None
    try:
        scope, event_type, dedup_key = recognised(source, arrival)
        if source.ignore is not None and source.ignore.holds(scope):
            return None
    except (OverBudget, EvaluationFailed):
        return None  # the translation says so
    state, reason = WebhookState.FETCHING, None
    try:
        if fetched_for(source, arrival, unanswered)[1] is None:
            return None
    except MappingError as error:
        state, reason = WebhookState.UNTRANSLATABLE, error.message
    return Translation(
        state=state,
        reason=reason,
        dedup_key=dedup_key,
        event_type=event_type,
        event_time=event_time(source, scope),
    )
