"""The JSON Schema of a value: text, a number, a list, an object, or an object of operator keys."""

from __future__ import annotations

from typing import Any, Final

from gateway.rules.mapping import OPERATORS
from gateway.rules.reference.value_examples import OPERATOR_SUMMARIES
from gateway.rules.schema import patterns

_VALUE: Final = {"$ref": "#/definitions/value"}
_SHAPES: Final[dict[str, dict[str, Any]]] = {
    "$literal": {},
    "$pick": {"type": "array", "items": {"type": ["string", "number"]}},
    "$omit": {"type": "array", "items": {"type": ["string", "number"]}},
}


def operators(names: tuple[str, ...] = OPERATORS) -> dict[str, Any]:
    """The operator keys with their words, as properties of an object."""
    return {
        name: {"description": OPERATOR_SUMMARIES.get(name, name), **_SHAPES.get(name, {"allOf": [_VALUE]})}
        for name in names
    }


def value() -> dict[str, Any]:
    """The definition that all other parts refer to. One schema for every type: each keyword judges its own."""
    return {
        "value": {
            "allOf": [{"$ref": "#/definitions/text"}],
            "defaultSnippets": patterns.snippets(),
            "items": _VALUE,
            **written({}),
        },
    }


def written(properties: dict[str, Any]) -> dict[str, Any]:
    """The keywords of an object that is written out: these keys, any others, or operator keys."""
    known = "|".join(name.removeprefix("$") for name in OPERATORS)
    return {
        "properties": {**operators(), **properties},
        # A key that begins with $ is an operator; a misspelt one is marked where it stands.
        "patternProperties": {rf"^\$(?!(?:{known})$)": False},
        "additionalProperties": _VALUE,
        "dependencies": {
            "$each": {"required": ["$as"], "maxProperties": 2},
            "$as": {"required": ["$each"]},
            "$literal": {"maxProperties": 1},
            "$pick": {"required": ["$from"], "maxProperties": 2},
            "$omit": {"required": ["$from"], "maxProperties": 2},
            "$from": {"anyOf": [{"required": ["$pick"]}, {"required": ["$omit"]}]},
        },
    }
