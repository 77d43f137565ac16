"""The JSON Schema of one rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.intilery.contract import CALLS, COMMANDS
from gateway.model import OnUnknown
from gateway.rules.keys import LIMIT_KEYS, QUIET_KEYS, RULE_KEYS, SENDING_KEYS
from gateway.rules.reference.key_examples import RULES
from gateway.rules.schema import patterns
from gateway.rules.schema.shapes import ANY_TEXT, BOOLEAN, Schema, described, ref

DESTINATION: Final[Schema] = {
    "anyOf": [{"type": "string", "not": {"pattern": "^\\$"}, "minLength": 1}, ref("expression")]
}
LET: Final[Schema] = {
    "type": "object",
    "propertyNames": {"pattern": patterns.NAME},
    "additionalProperties": ref("value"),
}
ZONE: Final[Schema] = {"type": "string", "examples": ["Europe/London", "UTC"]}
_CLOCKS: Final = {
    "from": "when it begins, in quotes",
    "to": "when it ends, in quotes; the next day where it is earlier",
}
_CLOCK: Final = patterns.of(patterns.CLOCK, 'a time of day in quotes: "21:00"')
SHAPES: Final[Mapping[str, Schema]] = {
    "name": ANY_TEXT,
    "id": ANY_TEXT,
    "when": ref("conditions"),
    "let": LET,
    "for_each": {"anyOf": [ref("expression"), {"type": ["array", "object"]}]},
    "key": ref("value"),
    **{name: ref(name) for name in CALLS},
    "identify_once": ref("span"),
    "cancel": ref("dynamic"),
    "destination": DESTINATION,
    "once": ref("dynamic"),
    "within": ref("span"),
    "shared": ANY_TEXT,
    "delay": ref("span"),
    "at": ref("expression"),
    "if_past": {"enum": ["send", "skip"]},
    "name_as": ref("dynamic"),
    "limit": {
        "type": "object",
        "required": [key for key in LIMIT_KEYS if key != "shared"],
        "properties": {
            "per": {"description": "whose messages are counted", "allOf": [ref("dynamic")]},
            "at_most": {"description": "how many", "type": "integer", "minimum": 1, "maximum": 1_000_000},
            "within": {"description": "in how much time: 1d", "allOf": [ref("span")]},
            "shared": {"description": "a name, so that several rules share the cap", **ANY_TEXT},
        },
        "additionalProperties": False,
    },
    "quiet_hours": {
        "type": "object",
        "required": ["from", "to"],
        "properties": {
            **{key: {"description": _CLOCKS.get(key, key), **_CLOCK} for key in QUIET_KEYS},
            "zone": {"description": "whose clock; the source's zone where nothing is said", **ZONE},
        },
        "additionalProperties": False,
    },
    "expires": {"anyOf": [ref("span"), ref("expression")]},
    "priority": {"type": "integer", "minimum": -1000, "maximum": 1000},
    "on_unknown_outcome": {"enum": [str(one) for one in OnUnknown]},
    "stop": BOOLEAN,
    "enabled": BOOLEAN,
    "mode": {"enum": ["live", "dry_run", "shadow"]},
}


def rule() -> Schema:
    commands = (*SENDING_KEYS, "cancel")
    return {
        "type": "object",
        "required": ["name"],
        "properties": {key: described(key, text, RULES, SHAPES) for key, text in RULE_KEYS.items()},
        # Intilery's own pages write the commands in both cases.
        "patternProperties": {f"^{name.upper()}$": ref(name) for name in COMMANDS},
        "additionalProperties": False,
        "anyOf": [{"required": [name]} for name in (*commands, "identify", *(name.upper() for name in COMMANDS))],
        "dependencies": {
            "key": ["for_each"],
            "identify_once": ["identify"],
            "at": {"properties": {"delay": False}},
            # A rule makes one command; the second one is marked where it stands.
            **{
                name: {
                    "properties": {other: False for other in commands if commands.index(other) > commands.index(name)}
                }
                for name in commands[:-1]
            },
        },
    }
