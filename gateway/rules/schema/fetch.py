"""The JSON Schema of ``fetch``: what is got from the sender's API before the rules run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.rules.keys import FETCH_KEYS, LOGIN_KEYS, OAUTH_KEYS
from gateway.rules.schema import patterns
from gateway.rules.schema.shapes import Schema, ref

_TEXTS: Final[Schema] = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_ADDRESS: Final = patterns.of(r"^https?://[^{}/$]+(?:/|\?|$)", "an address with its host written out: https://…")


def _secrets(keys: Mapping[str, str], *needed: str) -> Schema:
    return {
        "type": "object",
        "required": list(needed),
        "properties": {key: {"description": text} for key, text in keys.items()},
        "additionalProperties": False,
    }


_SHAPES: Final[Mapping[str, Schema]] = {
    "get": _ADDRESS,
    "post": _ADDRESS,
    "headers": _TEXTS,
    "query": _TEXTS,
    "when": {"allOf": [ref("conditions")]},
    "bearer": {"allOf": [ref("environment")]},
    "basic": _secrets(LOGIN_KEYS, "user", "password"),
    "oauth": _secrets(OAUTH_KEYS, "token_url", "client_id", "client_secret"),
}

FETCH: Final[Schema] = {
    "type": "object",
    "propertyNames": {"pattern": patterns.NAME},
    "additionalProperties": {
        "type": "object",
        "properties": {key: {"description": text, **_SHAPES.get(key, {})} for key, text in FETCH_KEYS.items()},
        "additionalProperties": False,
        "oneOf": [{"required": ["get"]}, {"required": ["post"]}],
    },
}
"""The things to get, by name."""
