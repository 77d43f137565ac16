"""What all parts of the schema are made of: references, plain types, and a key with its words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from gateway.rules.reference.shown import Shown

Schema = dict[str, Any]

BOOLEAN: Final[Schema] = {"type": "boolean"}
ANY_TEXT: Final[Schema] = {"type": ["string", "number"]}
SCALAR: Final[Schema] = {"type": ["string", "number", "boolean", "null"]}


def ref(name: str) -> Schema:
    """What is defined under this name."""
    return {"$ref": f"#/definitions/{name}"}


def described(key: str, text: str, examples: Mapping[str, Shown], shapes: Mapping[str, Schema]) -> Schema:
    """A key's shape with its words; a key that no table here knows takes anything."""
    shown = examples.get(key)
    more = f"\n\n{shown.says}\n\n```yaml\n{shown.rules.rstrip()}\n```" if shown is not None else ""
    shape = shapes.get(key, {})
    if "$ref" in shape:
        # Beside $ref draft-07 hears nothing else.
        shape = {"allOf": [shape]}
    return {"description": text, "markdownDescription": text + more, **shape}
