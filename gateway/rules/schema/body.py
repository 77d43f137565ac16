"""The JSON Schema of ``body``: a kind, or a mapping with the field of a form or the lists of an XML document."""

from __future__ import annotations

from typing import Final

from gateway.inbound.payloads import KINDS
from gateway.rules.keys import BODY_KEYS
from gateway.rules.schema.shapes import Schema

_SHAPES: Final[dict[str, Schema]] = {
    "form_field": {"type": ["string", "number"]},
    "as": {"enum": list(KINDS)},
    "lists": {"type": "array", "minItems": 1, "items": {"type": "string"}},
}

BODY: Final[Schema] = {
    "anyOf": [
        {"enum": list(KINDS)},
        {
            "type": "object",
            "minProperties": 1,
            "properties": {key: {"description": text, **_SHAPES[key]} for key, text in BODY_KEYS.items()},
            "additionalProperties": False,
        },
    ]
}
