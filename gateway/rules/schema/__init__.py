"""JSON Schemas of a rules file and of the destinations file, for editors: made of the tables that the loader reads.

Draft-07, which is what the YAML extension of VS Code (yaml-language-server) understands; ``markdownDescription``,
``defaultSnippets`` and ``patternErrorMessage`` are its additions. What a valid file may hold, the schema allows; that
it finds every mistake is not its task: ``gateway check`` does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from gateway.intilery.contract import CALLS
from gateway.rules.keys import DEFAULT_KEYS, RULE_KEYS, SOURCE_KEYS
from gateway.rules.reference.key_examples import RULES, SOURCES
from gateway.rules.schema import patterns
from gateway.rules.schema.body import BODY
from gateway.rules.schema.calls import call
from gateway.rules.schema.challenge import CHALLENGE
from gateway.rules.schema.conditions import conditions, test
from gateway.rules.schema.destinations import DRAFT, destinations_schema
from gateway.rules.schema.examples import example
from gateway.rules.schema.fetch import FETCH
from gateway.rules.schema.requests import REQUESTS
from gateway.rules.schema.rule import DESTINATION, LET, ZONE, rule
from gateway.rules.schema.rule import SHAPES as RULE_SHAPES
from gateway.rules.schema.shapes import ANY_TEXT, Schema, described, ref
from gateway.rules.schema.values import value
from gateway.rules.schema.verification import verification

__all__ = ["DESTINATIONS_FILE", "MODELINE", "RULES_FILE", "destinations_schema", "json_schema", "written"]

RULES_FILE: Final = ".schema.json"
"""The schema's file beside the rules files; each names it in its first line, :data:`MODELINE`."""
DESTINATIONS_FILE: Final = ".destinations.schema.json"
MODELINE: Final = f"# yaml-language-server: $schema={RULES_FILE}"

_SHAPES: Final[Mapping[str, Schema]] = {
    "source": patterns.of(patterns.SOURCE_NAME, "lower-case letters, digits, - and _, at most 64"),
    "title": ANY_TEXT,
    "path": patterns.of(patterns.ADDRESS, "text or {name} between slashes: {brand}/orders"),
    "destination": DESTINATION,
    "verify": ref("verify"),
    "public_url": {"type": "string", "examples": ["https://hooks.example.com/hooks/shop"]},
    "dedup_key": {"anyOf": [ref("expression"), {"type": "array", "items": ref("expression")}]},
    "event_type": ref("expression"),
    "event_time": ref("expression"),
    "ignore": ref("conditions"),
    "challenge": CHALLENGE,
    "body": BODY,
    "zone": ZONE,
    "let": LET,
    "tables": {
        "type": "object",
        "additionalProperties": {
            "anyOf": [{"type": "object", "minProperties": 1}, {"type": "string", "pattern": "\\.csv$"}]
        },
    },
    "fetch": FETCH,
    **REQUESTS,
    "rules": {"type": "array", "items": ref("rule")},
    "examples": {"type": "array", "items": ref("example")},
    "defaults": {
        "type": "object",
        "properties": {key: described(key, RULE_KEYS[key], RULES, RULE_SHAPES) for key in DEFAULT_KEYS},
        "additionalProperties": False,
    },
}
"""By source key; a key without one takes anything."""


def json_schema() -> Schema:
    """The schema of a rules file."""
    return {
        "$schema": DRAFT,
        "title": "A rules file of the gateway",
        "description": "One source: how its webhooks are verified, and the rules that make Intilery commands of them",
        "type": "object",
        "required": ["source", "verify"],
        "properties": {key: described(key, text, SOURCES, _SHAPES) for key, text in SOURCE_KEYS.items()},
        "additionalProperties": False,
        "definitions": {
            **patterns.definitions(),
            **value(),
            **{name: call(name) for name in CALLS},
            **verification(),
            "conditions": conditions(),
            "test": test(),
            "rule": rule(),
            "example": example(),
        },
    }


def written(schema: Schema) -> str:
    """A schema as the text of its file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
