"""The description of the API for machines: OpenAPI 3.1, at ``/api/openapi.json``."""

from __future__ import annotations

from gateway import __version__
from gateway.admin.openapi.answers import ANSWERS
from gateway.admin.openapi.paths import paths
from gateway.admin.openapi.records import RECORDS
from gateway.admin.openapi.shapes import TEXT, WHOLE, Schema, object_of

_PROBLEM = object_of(("title", "status", "detail"), title=TEXT, status=WHOLE, detail=TEXT)


def openapi() -> Schema:
    """The document. A test holds it to the routes that are served."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Intilery webhook gateway",
            "version": __version__,
            "description": "What came in, what became of it, and where it stands on its way to Intilery.",
        },
        "security": [{"token": []}],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "GATEWAY_ADMIN_TOKEN; to look only, GATEWAY_READ_TOKEN.",
                }
            },
            "schemas": {**RECORDS, **ANSWERS, "Problem": _PROBLEM},
        },
    }
