"""The JSON Schema of what a source says about its requests as such: events, redact, respond, limits, retention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.rules.keys import LIMITS_KEYS, RESPOND_KEYS
from gateway.rules.schema import patterns
from gateway.rules.schema.shapes import Schema, ref

_PLACE: Final = patterns.of(r"^\$[^|]+$", "a path without filters: $.card.number, $.items[*].note, $header.X-Person")
_RESPOND: Final[Mapping[str, Schema]] = {
    "status": {"type": "integer", "minimum": 200, "maximum": 299},
    "headers": {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}},
    "body": {"type": ["string", "object"]},
}
_LIMITS: Final[Mapping[str, Schema]] = {
    "body": {"type": "integer", "minimum": 1, "maximum": 100_000_000},
    "rate": {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0},
            patterns.of(r"^[0-9]+(?:\.[0-9]+)?\s*(?:/\s*[smh])?$", "requests a second: 50, 50/s; or 600/m"),
        ]
    },
}


def _mapping(keys: Mapping[str, str], shapes: Mapping[str, Schema]) -> Schema:
    return {
        "type": "object",
        "properties": {key: {"description": text, **shapes[key]} for key, text in keys.items()},
        "additionalProperties": False,
    }


REQUESTS: Final[Mapping[str, Schema]] = {
    "events": patterns.of(r"^\$[^|]*$", "the path to a list: $[*], $.events[*]"),
    "redact": {"anyOf": [_PLACE, {"type": "array", "items": _PLACE}]},
    "respond": _mapping(RESPOND_KEYS, _RESPOND),
    "dedup_within": {"allOf": [ref("span")]},
    "retention": {"allOf": [ref("span")]},
    "limits": _mapping(LIMITS_KEYS, _LIMITS),
}
"""By source key."""
