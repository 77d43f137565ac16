"""The JSON Schema of ``verify``: the presets by name, and the schemes as the structs of gateway.inbound.schemes say."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from gateway.inbound.declared import KINDS
from gateway.inbound.presets import PRESETS, default_secret
from gateway.inbound.schemes import Scheme
from gateway.rules.reference.verify_examples import KEY_WORDS, KIND_WORDS
from gateway.rules.schema import patterns

Schema = dict[str, Any]

STRUCTS: Final[dict[str, type[Any]]] = {
    struct.__name__.lower(): struct for struct in get_args(Scheme) if struct.__name__.lower() in KINDS
}
"""The scheme's own struct, by the word for it in a rules file."""
_SECRET: Final[Schema] = {"$ref": "#/definitions/environment"}
_SECRETS: Final[Schema] = {"anyOf": [_SECRET, {"type": "array", "minItems": 1, "items": _SECRET}]}
_LENGTH: Final = patterns.of(r"^\s*[0-9]{1,6}\s*[smhd]\s*$|^none$", "5m, 300s or none")
_SHAPES: Final[dict[str, Schema]] = {
    "secret": _SECRETS,
    "password": _SECRETS,
    "parse": {
        "type": "object",
        "required": ["signature"],
        "properties": {
            "signature": {"type": "string", "description": "the name of the entries that hold a signature"},
            "timestamp": {"type": "string", "description": "the name of the entry that holds the time"},
        },
        "additionalProperties": False,
    },
    "tolerance": {"anyOf": [{"type": "integer", "minimum": 1}, _LENGTH]},
    "per": patterns.of(r"^\$path\.[A-Za-z_][A-Za-z0-9_]*$", "$path.NAME: a named part of the source's path"),
}


def keys_of(kind: str) -> tuple[str, ...]:
    """The keys of a scheme, in the order of its struct."""
    return tuple(field.name for field in msgspec.structs.fields(STRUCTS[kind]) if field.name != "preset")


def verification() -> Schema:
    """The definitions ``verify`` and ``scheme``."""
    presets = sorted(PRESETS)
    named: Schema = {
        "enum": presets,
        "markdownEnumDescriptions": [
            f"`{PRESETS[name]['header']}`, with the secret in `{default_secret(name)}`" for name in presets
        ],
    }
    preset = {"allOf": [{"$ref": "#/definitions/preset"}]}
    none: Schema = {"enum": ["none"], "description": "no proof: everybody who knows the address can send"}
    mapping: Schema = {
        "type": "object",
        "minProperties": 1,
        "properties": {
            **{kind: {"description": KIND_WORDS.get(kind, kind), **_scheme(kind)} for kind in KINDS},
            **{name: {"description": f"the preset {name}, with keys of your own", **preset} for name in presets},
        },
        "additionalProperties": False,
    }
    return {
        "preset": _preset(),
        "schemes": mapping,
        "scheme": {"anyOf": [named, {"$ref": "#/definitions/schemes"}]},
        "verify": {
            "anyOf": [
                named,
                none,
                {"$ref": "#/definitions/schemes"},
                {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/scheme"}},
            ]
        },
    }


def _scheme(kind: str) -> Schema:
    if kind not in STRUCTS:
        return {"type": "object"}
    fields = msgspec.structs.fields(STRUCTS[kind])
    schema: Schema = {
        "type": "object",
        "properties": {field.name: _key(field) for field in fields if field.name != "preset"},
        "required": [field.name for field in fields if field.required],
        "additionalProperties": False,
    }
    return schema


def _preset() -> Schema:
    schema = {**_scheme("hmac"), "type": ["object", "null"]}
    del schema["required"]
    return schema


def _key(field: msgspec.structs.FieldInfo) -> Schema:
    words = {"description": KEY_WORDS.get(field.name, field.name)}
    if field.name in _SHAPES:
        return {**words, **_SHAPES[field.name]}
    if get_origin(field.type) is Literal:
        return {**words, "enum": list(get_args(field.type))}
    return {**words, "type": "string"}
