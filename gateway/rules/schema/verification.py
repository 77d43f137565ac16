"""The JSON Schema of ``verify``: the presets by name, and the schemes as the structs of gateway.inbound.schemes say."""

from __future__ import annotations

from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from gateway.inbound.declared import KINDS
from gateway.inbound.declared_values import KEY_FILES
from gateway.inbound.presets import PRESETS, default_secret
from gateway.inbound.schemes import STRUCTS, TokenAlgorithm
from gateway.rules.reference.verify_examples import KIND_WORDS, words_for
from gateway.rules.schema import patterns

Schema = dict[str, Any]


def _any_of(one: Schema) -> Schema:
    return {"anyOf": [one, {"type": "array", "minItems": 1, "items": one}]}


_TEXT: Final[Schema] = {"type": "string", "minLength": 1}
_SECRET: Final[Schema] = {"$ref": "#/definitions/environment"}
_ENDS: Final = "|".join(end.removeprefix(".") for end in KEY_FILES)
_KEY: Final[Schema] = {
    "anyOf": [_SECRET, patterns.of(rf"^[^/$]+\.(?:{_ENDS})$", f"a file beside this one: {', '.join(KEY_FILES)}")]
}
_LENGTH: Final = patterns.of(r"^\s*[0-9]{1,6}\s*[smhd]\s*$|^none$", "5m, 300s or none")
_SHAPES: Final[dict[str, Schema]] = {
    "secret": _any_of(_SECRET),
    "password": _any_of(_SECRET),
    "public_key": _any_of(_KEY),
    "jwks": {"anyOf": [_KEY, patterns.of(r"^https?://", "an https:// address")]},
    "parse": {
        "type": "object",
        "required": ["signature"],
        "properties": {
            "signature": {"type": "string", "description": "the name of the entries that hold a signature"},
            "timestamp": {"type": "string", "description": "the name of the entry that holds the time"},
        },
        "additionalProperties": False,
    },
    "published": {
        "type": "object",
        "required": ["hosts"],
        "properties": {
            "header": {"type": "string", "description": "the header that holds the certificate's address"},
            "path": {"type": "string", "description": "the dotted path of the body that holds it"},
            "hosts": {**_any_of(_TEXT), "description": "the hosts that may be asked: api.paypal.com"},
        },
        "additionalProperties": False,
    },
    "tolerance": {"anyOf": [{"type": "integer", "minimum": 1}, _LENGTH]},
    "per": patterns.of(r"^\$path\.[A-Za-z_][A-Za-z0-9_]*$", "$path.NAME: a named part of the source's path"),
    "algorithms": _any_of({"enum": list(get_args(TokenAlgorithm))}),
    "claims": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string"}},
    "whole_body": {"type": "boolean"},
    **{key: _any_of(_TEXT) for key in ("issuer", "audience", "subject", "fingerprint")},
}
_REQUIRED: Final = {"client_certificate": ["header"], "jwt": ["algorithms"]}


def keys_of(kind: str) -> tuple[str, ...]:
    """The keys of a scheme, in the order of its struct; none where it takes a list."""
    if kind == "ip_allow":
        return ()
    names = tuple(field.name for field in msgspec.structs.fields(STRUCTS[kind]) if field.name != "preset")
    return (*names, "whole_body") if kind == "jwt" else names


def verification() -> Schema:
    """The definitions ``verify`` and ``scheme``."""
    named: Schema = {
        "enum": list(PRESETS),
        "markdownEnumDescriptions": [
            f"{preset.title}: `{preset.kind}`, with the secret in `{default_secret(name)}`"
            for name, preset in PRESETS.items()
        ],
    }
    none: Schema = {"enum": ["none"], "description": "no proof: everybody who knows the address can send"}
    mapping: Schema = {
        "type": "object",
        "minProperties": 1,
        "properties": {
            **{kind: {"description": KIND_WORDS.get(kind, kind), **_scheme(kind)} for kind in KINDS},
            **{
                name: {
                    "description": f"{preset.title}, with keys of your own",
                    "allOf": [{"$ref": f"#/definitions/preset_{preset.kind}"}],
                }
                for name, preset in PRESETS.items()
            },
        },
        "additionalProperties": False,
    }
    return {
        **{f"preset_{kind}": _preset(kind) for kind in sorted({preset.kind for preset in PRESETS.values()})},
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
    if kind == "ip_allow":
        return _any_of(patterns.of(r"^[0-9A-Fa-f.:]+(?:/[0-9]{1,3})?$", "192.0.2.0/24 or 2001:db8::/32"))
    fields = {field.name: field for field in msgspec.structs.fields(STRUCTS[kind])}
    required = _REQUIRED.get(kind) or [name for name, field in fields.items() if field.required]
    schema: Schema = {
        "type": "object",
        "properties": {name: _key(kind, name, fields[name].type if name in fields else bool) for name in keys_of(kind)},
        "required": required,
        "additionalProperties": False,
    }
    return schema


def _preset(kind: str) -> Schema:
    schema = {**_scheme(kind), "type": ["object", "null"]}
    del schema["required"]
    return schema


def _key(kind: str, name: str, annotation: Any) -> Schema:
    words = {"description": words_for(kind, name) or name}
    if name in _SHAPES:
        return {**words, **_SHAPES[name]}
    if get_origin(annotation) is Literal:
        return {**words, "enum": list(get_args(annotation))}
    return {**words, "type": "string"}
