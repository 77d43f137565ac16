"""A thin webhook before its rules run: what is to be fetched next, given what has been. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors import MappingError
from gateway.model import WebhookState
from gateway.rules.budget import OverBudget
from gateway.rules.fetches import FetchRequest, request_of
from gateway.rules.model import Arrival, Source, Translation
from gateway.rules.scope import EvaluationFailed
from gateway.rules.translate import recognised
from gateway.rules.values import MISSING


def fetched_of(answers: Mapping[str, Any]) -> dict[str, Any]:
    """What ``$fetch`` reads: without what was not found."""
    return {name: answer for name, answer in answers.items() if answer is not MISSING}


def next_fetch(source: Source, arrival: Arrival, answers: Mapping[str, Any]) -> FetchRequest | None:
    """The first fetch that applies and has no answer yet, or None where the rules may run.

    ``answers`` are those so far, by name; ``MISSING`` stands for what was not found (404).

    :raises MappingError: the request can't be made of this webhook, see
        :func:`~gateway.rules.fetches.request_of`.
    """
    name = ""
    try:
        scope = recognised(source, arrival)[0]
        for fetch in source.fetches:
            name = fetch.name
            if name in answers:
                continue
            # An earlier one that does not apply stays missing: whatever comes later can't change that.
            scope.fetched = fetched_of(answers)
            if fetch.when.holds(scope):
                return request_of(fetch, scope)
    except (OverBudget, EvaluationFailed) as error:
        raise MappingError(f"fetch {name}: {error}", field=f"fetch.{name}") from None
    return None


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
        if next_fetch(source, arrival, {}) is None:
            return None
    except MappingError as error:
        state, reason = WebhookState.UNTRANSLATABLE, error.message
    return Translation(state=state, reason=reason, dedup_key=dedup_key, event_type=event_type)
