"""What JSON Schemas are made of here: kinds of values, and how objects and lists are written."""

from __future__ import annotations

from typing import Any

from gateway.inbound.trials import Cause
from gateway.store import DifferenceKind

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
MOMENT: Schema = {"type": "string", "format": "date-time"}
ANYTHING: Schema = {}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def list_of(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def object_of(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


def kinds() -> Schema:
    return {kind.value: WHOLE for kind in DifferenceKind}


DIAGNOSIS: Schema = {"cause": {"enum": list(Cause)}, "findings": list_of(TEXT)}
