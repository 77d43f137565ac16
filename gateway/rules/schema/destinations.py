"""The JSON Schema of ``destinations.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.rules.destinations import KEYS
from gateway.rules.schema import patterns
from gateway.rules.schema.shapes import ANY_TEXT, Schema

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""The version that yaml-language-server reads."""


def destinations_schema() -> Schema:
    """The schema of ``destinations.yaml``."""
    codes = {"type": ["object", "null"], "additionalProperties": {"type": ["string", "number"]}}
    shapes: Mapping[str, Schema] = {
        "auth_token": patterns.of(patterns.ENVIRONMENT, "a token never stands in a file: $env.NAME"),
        "rate": {"type": "number", "exclusiveMinimum": 0},
        "burst": {"type": "number", "exclusiveMinimum": 0},
        "assets": codes,
        "journeys": codes,
        "client_id": ANY_TEXT,
        "account_id": ANY_TEXT,
        "brand_id": ANY_TEXT,
        "url": {"type": "string"},
        "test_user": {"type": ["string", "number", "null"]},
        "allow": {"type": ["array", "null"], "items": {"type": ["string", "number"]}},
    }
    one: Schema = {
        "type": "object",
        "required": ["client_id", "auth_token"],
        "properties": {key: {"description": text, **shapes.get(key, {})} for key, text in KEYS.items()},
        "additionalProperties": False,
    }
    return {
        "$schema": DRAFT,
        "title": "The destinations file of the gateway",
        "type": "object",
        "required": ["destinations"],
        "properties": {
            "destinations": {
                "description": "the accounts and brands that commands go to, by the names that rules use",
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"},
                "additionalProperties": one,
            }
        },
        "additionalProperties": False,
    }
