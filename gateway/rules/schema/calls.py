"""The JSON Schema of what stands under a command: the fields that Intilery documents, made of the contract's table."""

from __future__ import annotations

from typing import Any, Final

from gateway.intilery.contract import FIELDS, RESERVED_TRAITS
from gateway.rules.schema.values import operators, written

Schema = dict[str, Any]

FIELD_WORDS: Final = {
    "userId": "who the customer is: the id in your own database, as text; the same in every source",
    "anonymousId": "an id of somebody who is not known by a userId; stands in its place",
    "assetId": "the code of the campaign asset: as Intilery shows it, or $asset.NAME from the destinations file",
    "event": "the event's name, a noun and a verb in the past tense: Order Completed",
    "timestamp": "when it happened; any readable time becomes ISO 8601 UTC. Intilery's clock where nothing is said",
    "properties": "data of the event or journey",
    "properties.journeyIdToTrigger": "the journey's id, 24 hex digits: as text, or $journey.NAME",
    "properties.stepIdToTrigger": "the step of the journey to begin at",
    "traits": "what is known of the customer; what is nothing is left out and erases nothing",
    "context": "data around the event",
}
"""The contract's fields, in words."""
_EXAMPLES: Final = {
    "userId": ["$.customer.id"],
    "assetId": ["$asset.order-confirmation"],
    "event": ["Order Completed"],
    "timestamp": ["$.created_at"],
    "properties.journeyIdToTrigger": ["$journey.welcome"],
}
_TEXT: Final[Schema] = {"allOf": [{"$ref": "#/definitions/text"}]}
_VALUE: Final[Schema] = {"$ref": "#/definitions/value"}


def call(name: str) -> Schema:
    """The definition of one command, of ``track`` or of ``identify``."""
    fields = FIELDS[name]
    named = [*fields.required, *fields.optional]
    properties: Schema = {field: _field(name, field) for field in named if "." not in field}
    properties |= {field: _object(name, field) for field in fields.objects}
    properties |= operators(("$merge",))
    if name != "track":
        properties["event"] = {"description": "may be left out: it is the command", "enum": [name, name.upper()]}
    schema: Schema = {
        "type": "object",
        "required": list(dict.fromkeys(field.partition(".")[0] for field in fields.required)),
        "properties": properties,
        # Other keys that begin with $ are operators, and those can't make a whole command.
        "patternProperties": {r"^\$(?!merge$)": False, "^messageId$": False},
        "additionalProperties": _VALUE if fields.free else False,
    }
    if "anonymousId" in fields.optional:
        schema["required"] = [field for field in schema["required"] if field != "userId"]
        schema["oneOf"] = [{"required": ["userId"]}, {"required": ["anonymousId"]}]
    return schema


def _field(name: str, field: str) -> Schema:
    text = FIELD_WORDS.get(field, field)
    needed = f" (needed by {name})" if field in FIELDS[name].required else ""
    examples = {"examples": _EXAMPLES[field]} if field in _EXAMPLES else {}
    return {"description": text + needed, **examples, "type": ["string", "number"], **_TEXT}


def _object(name: str, field: str) -> Schema:
    """A field that holds an object: written out, or an expression that gives one."""
    inner = [*FIELDS[name].required, *FIELDS[name].optional]
    under = [path for path in inner if path.startswith(f"{field}.")]
    properties: Schema = {path.partition(".")[2]: _field(name, path) for path in under}
    if field == "traits":
        properties |= {
            trait: {"description": "a trait that every account has", **_any()} for trait in sorted(RESERVED_TRAITS)
        }
    required = [path.partition(".")[2] for path in under if path in FIELDS[name].required]
    # Where the contract has fields under it, it is written out; else an expression may give the object.
    return {
        "description": FIELD_WORDS.get(field, field),
        "type": "object" if under else ["object", "string"],
        "allOf": [{"$ref": "#/definitions/given"}],
        **written(properties),
        **({"required": required} if required else {}),
    }


def _any() -> Schema:
    return {"allOf": [_VALUE]}
