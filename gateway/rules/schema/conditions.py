"""The JSON Schema of conditions: an expression and its test, and the groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.rules.conditions import GROUPS
from gateway.rules.operators import OPERATORS
from gateway.rules.reference.value_examples import CONDITION_EXAMPLES, GROUP_SUMMARIES
from gateway.rules.schema import patterns
from gateway.rules.schema.shapes import BOOLEAN, SCALAR, Schema, ref


def conditions() -> Schema:
    several = {"type": "array", "minItems": 1, "items": ref("conditions")}
    groups = {name: {"description": GROUP_SUMMARIES.get(name, name), **several} for name in GROUPS if name != "not"}
    return {
        "type": "object",
        "properties": {**groups, "not": {"description": GROUP_SUMMARIES["not"], "allOf": [ref("conditions")]}},
        "patternProperties": {patterns.EXPRESSION: ref("test")},
        "additionalProperties": False,
    }


_LIST: Final[Schema] = {"type": "array", "minItems": 1, "items": SCALAR}
_OPERANDS: Final[Mapping[str, Schema]] = {
    "in": _LIST,
    "not_in": _LIST,
    "exists": BOOLEAN,
    "is_null": BOOLEAN,
    "matches": {"type": ["string", "number", "boolean"]},
}


def _operand(name: str) -> Schema:
    if name in _OPERANDS:
        return _OPERANDS[name]
    types = ["string", "number", "boolean", *(["null"] if name in ("eq", "ne") else [])]
    return {"type": types, "allOf": [ref("text")]}


def test() -> Schema:
    operators = {
        name: {
            "description": text,
            "markdownDescription": f"{text}\n\n```yaml\n$.value: {CONDITION_EXAMPLES[name].written}\n```"
            if name in CONDITION_EXAMPLES
            else text,
            **_operand(name),
        }
        for name, text in OPERATORS.items()
    }
    # One value, a list of which one must be equal, or operators. Each keyword judges its own type.
    return {
        "allOf": [ref("text")],
        "minItems": 1,
        "items": SCALAR,
        "minProperties": 1,
        "properties": operators,
        "additionalProperties": False,
    }
