"""The JSON Schema of ``challenge``: a sender's name, a kind with its keys, or a list of these."""

from __future__ import annotations

from typing import Final

from gateway.inbound.challenge_presets import CHALLENGES
from gateway.rules.keys import CHALLENGE_KEYS
from gateway.rules.schema.shapes import Schema, ref

_TEXT: Final[Schema] = {"type": ["string", "number"]}
_TEXTS: Final[Schema] = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
_SHAPES: Final[dict[str, Schema]] = {
    "as": {"enum": ["text", "json"]},
    "method": {"enum": ["GET", "POST"]},
    "algorithm": {"enum": ["sha1", "sha256", "sha512"]},
    "encoding": {"enum": ["hex", "base64"]},
    "where": _TEXTS,
    "answer": _TEXTS,
    "signed": {"type": "boolean"},
    "secret": {"anyOf": [ref("environment"), {"type": "array", "minItems": 1, "items": ref("environment")}]},
    "methods": {"anyOf": [{"enum": ["GET", "HEAD"]}, {"type": "array", "items": {"enum": ["GET", "HEAD"]}}]},
    "origins": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]},
    "hosts": {"anyOf": [{"type": "string"}, {"type": "array", "minItems": 1, "items": {"type": "string"}}]},
    "rate": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
}
_NAMES: Final[Schema] = {
    "enum": sorted(CHALLENGES),
    "markdownEnumDescriptions": [f"`{CHALLENGES[name][0]}` as {name} does it" for name in sorted(CHALLENGES)],
}


_WORDS: Final = {
    "echo_query": "send a parameter of the query back",
    "echo_field": "send a text of the JSON body back",
    "echo_header": "send a header back, as a header",
    "hmac": "answer a token with its keyed hash",
    "probe": "answer 200 to a look",
    "form_ping": "answer 200 to an unsigned form of one number",
    "empty_list": "answer an empty 200 to a signed body about nothing",
    "visit": "open an address that a signed body names",
    "allow_origin": "CloudEvents: say by OPTIONS who may send",
}


def _kind(kind: str, words: str) -> Schema:
    return {
        "description": words,
        "type": ["object", "null"],
        "properties": {
            key: {"description": text, **_SHAPES.get(key, _TEXT)} for key, text in CHALLENGE_KEYS[kind].items()
        },
        "additionalProperties": False,
    }


_MAPPING: Final[Schema] = {
    "type": "object",
    "minProperties": 1,
    "properties": {
        **{
            name: _kind(CHALLENGES[name][0], f"the challenge of {name}, with keys of your own")
            for name in sorted(CHALLENGES)
        },
        **{kind: _kind(kind, _WORDS[kind]) for kind in CHALLENGE_KEYS},
    },
    "additionalProperties": False,
}

CHALLENGE: Final[Schema] = {
    "anyOf": [_NAMES, _MAPPING, {"type": "array", "minItems": 1, "items": {"anyOf": [_NAMES, _MAPPING]}}]
}
