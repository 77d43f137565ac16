"""One call to Intilery as a rule writes it: a recipe that builds its body from a webhook.

What stands under a command is the JSON that is sent. The contract's own fields (userId, assetId, event, timestamp, the
journey's ids) are compiled one by one, so that they come only from their own keys and each error names its field; the
rest is a mapping like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.errors import MappingError
from gateway.rules.mapping import LONG, WORD
from gateway.rules.scope import Evaluate, EvaluationFailed, FromBody, Scope
from gateway.rules.values import MISSING, describe, is_nothing

JOURNEY_IDS = ("journeyIdToTrigger", "stepIdToTrigger")


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One of the contract's own fields."""

    name: str
    """Dotted: ``properties.journeyIdToTrigger``."""
    evaluate: Evaluate
    path: str
    """As written."""
    base: Evaluate | None
    """The path before the filters: what the payload has there."""
    read: Callable[[Any], Any]
    """The value as the contract wants it, or None; a ValueError says why it can't be."""
    required: bool
    constant: str | None = None
    """The value, read beforehand, of a field that is written out."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A call's recipe."""

    command: str
    user: Field
    fields: tuple[Field, ...]
    rest: Evaluate
    """Everything else at the root of the body."""

    def build(self, scope: Scope, message_id: str) -> tuple[str, dict[str, Any]]:
        """The customer's id and the body.

        :raises MappingError: a field is nothing, or not what the contract takes; ``rule`` is not set.
        """
        customer: str = _value(self.user, scope)
        body: dict[str, Any] = {self.user.name: customer}
        if self.command != "track":
            body["event"] = self.command
        for field in self.fields:
            value = field.constant if field.constant is not None else _value(field, scope)
            if value is not None:
                body[field.name] = value
        body["messageId"] = message_id
        try:
            rest = self.rest(scope)
        except EvaluationFailed as failed:
            raise MappingError(str(failed), field=failed.field, path=failed.path) from None
        if rest is not MISSING:
            # The contract's own keys are compiled one by one, so the rest has none of them but a journey's properties.
            body.update(rest)
        if self.command == "start_journey":
            _nest(body, rest)
        return customer, body


def _nest(body: dict[str, Any], rest: Any) -> None:
    """Move a journey's ids to where they belong: into ``properties``, and only from their own keys."""
    properties = rest.get("properties") if type(rest) is dict else None
    nested = {} if type(properties) is not dict else {k: v for k, v in properties.items() if k not in JOURNEY_IDS}
    for name in JOURNEY_IDS:
        value = body.pop(f"properties.{name}", None)
        if value is not None:
            nested[name] = value
    body["properties"] = nested


def _value(field: Field, scope: Scope) -> Any:
    evaluate = field.evaluate
    try:
        value = evaluate.get(scope.body) if type(evaluate) is FromBody else evaluate(scope)
    except EvaluationFailed as failed:
        failed.under(field.name)
        raise MappingError(f"{failed.field}: {failed}", field=failed.field, path=failed.path) from None
    kind = type(value)
    if (kind is not str or len(value) >= LONG) and (kind is not int or not -WORD < value < WORD):
        scope.budget.spend_on(value)
    if not value and is_nothing(value):
        if field.required:
            raise MappingError(_nothing(field, value, scope), field=field.name, path=field.path)
        return None
    try:
        return field.read(value)
    except ValueError as error:
        raise MappingError(f"{field.name}: {error}", field=field.name, path=field.path) from None


def _nothing(field: Field, value: Any, scope: Scope) -> str:
    if field.path.startswith(("$asset.", "$journey.")) and scope.codes is not None:
        kind, name = field.path[1:].split(".", 1)
        known = ", ".join(getattr(scope.codes, kind)) or "none"
        return f"{field.name}: the destination '{scope.codes.name}' lists no {kind} '{name}'; it lists: {known}"
    there = field.base(scope) if field.base is not None else value
    if is_nothing(there):
        return f"{field.name} is nothing: {field.path} is {describe(there)}"
    return f"{field.name} is nothing: {field.path} is {describe(value)} (its path has {describe(there)})"
