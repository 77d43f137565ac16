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
from gateway.rules.scope import Evaluate, EvaluationFailed, Scope
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
        customer = _value(self.user, scope)
        body: dict[str, Any] = {self.user.name: customer}
        if self.command != "track":
            body["event"] = self.command
        nested: dict[str, Any] = {}
        for field in self.fields:
            value = _value(field, scope)
            if value is None:
                continue
            if field.name.startswith("properties."):
                nested[field.name.removeprefix("properties.")] = value
            else:
                body[field.name] = value
        body["messageId"] = message_id
        try:
            rest = self.rest(scope)
        except EvaluationFailed as failed:
            raise MappingError(str(failed), path=failed.path) from None
        if rest is not MISSING:
            if nested:
                properties = rest.get("properties")
                if type(properties) is dict:
                    nested = {**{key: one for key, one in properties.items() if key not in JOURNEY_IDS}, **nested}
            body.update({key: one for key, one in rest.items() if key not in body})
        if nested:
            body["properties"] = nested
        return customer, body


def _value(field: Field, scope: Scope) -> Any:
    try:
        value = field.evaluate(scope)
    except EvaluationFailed as failed:
        raise MappingError(f"{field.name}: {failed}", field=field.name, path=failed.path) from None
    if is_nothing(value):
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
