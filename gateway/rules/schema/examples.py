"""The JSON Schema of the examples section."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.intilery.contract import CALLS
from gateway.rules.examples import ERROR_KEYS, EXAMPLE_KEYS, FACTS, REQUEST_KEYS
from gateway.rules.schema.shapes import ANY_TEXT, Schema

EXAMPLE_WORDS: Final = {
    "name": "what the example shows, as a sentence",
    "now": "when the webhook is received: 2026-01-05T10:00:00Z; this moment where nothing is said, so that rules with "
    "quiet hours, delays or ages need it",
    "request": "the webhook, without its signature",
    "expect": "the commands that it becomes, all of them and in order; [] for none. Listed fields must match, "
    "others are free; {$exact: {…}} forbids others in that one object",
    "expect_error": "the mapping error: rule, field, path, a part of the message, element",
    "expect_state": "the webhook's state: translated, unmatched, ignored, untranslatable, unparseable",
    "method": "POST unless given",
    "path": "what stands behind /hooks/{source}/",
    "query": "the query of the address, by name",
    "headers": "the headers, by name",
    "fetched": "what fetch got, by name: {order: {email: ada@example.com}}",
    "body": "the body as YAML, or {file: samples/order.json}, looked for in the rules folder",
}


def example() -> Schema:
    objects = {"query", "headers", "request", "expect_error"}
    request = {
        key: {"description": EXAMPLE_WORDS.get(key, key), **({"type": "object"} if key in objects else {})}
        for key in REQUEST_KEYS
    }
    shapes: Mapping[str, Schema] = {
        "name": ANY_TEXT,
        "request": {"type": "object", "properties": request, "additionalProperties": False},
        "expect": {"type": "array", "items": _expected()},
        "expect_error": {
            "type": "object",
            "properties": {key: {"description": f"the error's {key}"} for key in ERROR_KEYS},
            "additionalProperties": False,
        },
    }
    return {
        "type": "object",
        "required": ["request"],
        "properties": {
            key: {"description": EXAMPLE_WORDS.get(key, key), **shapes.get(key, {})} for key in EXAMPLE_KEYS
        },
        "additionalProperties": False,
        "anyOf": [{"required": [key]} for key in EXAMPLE_KEYS if key.startswith("expect")],
    }


def _expected() -> Schema:
    return {
        "type": "object",
        "properties": {
            **{name: {"description": f"the fields of {name} that must be so", "type": "object"} for name in CALLS},
            **{fact: {"description": f"the command's {fact}"} for fact in FACTS},
        },
        "patternProperties": {f"^{name.upper()}$": {"type": "object"} for name in CALLS},
        "additionalProperties": False,
    }
