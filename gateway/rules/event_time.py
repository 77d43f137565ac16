"""``event_time``: when it happened at the sender, for lists and for those who ask why mail came late."""

from __future__ import annotations

from datetime import datetime

from gateway.rules.budget import OverBudget
from gateway.rules.model import Source
from gateway.rules.moments import moment
from gateway.rules.scope import EvaluationFailed, Scope
from gateway.rules.values import Unreadable, is_nothing


def event_time(source: Source, scope: Scope) -> datetime | None:
    """The moment that the source's ``event_time`` gives, in UTC.

    None where there is none. One that can't be read is a warning: nothing is kept from being sent for it.
    """
    expression = source.event_time
    if expression is None:
        return None
    try:
        value = expression.evaluate(scope)
        return None if is_nothing(value) else moment(value, zone=source.zone)
    except (Unreadable, EvaluationFailed, OverBudget) as error:
        scope.warn(f"event_time: {expression.text}", str(error))
        return None
