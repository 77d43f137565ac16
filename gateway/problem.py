"""Errors over HTTP: ``application/problem+json`` (RFC 9457), one shape for the hooks and for the API."""

from __future__ import annotations

import msgspec

from gateway.errors import Rejected

PROBLEM_TYPE = "application/problem+json"


def problem_body(*, status: int, title: str, detail: str) -> bytes:
    """The JSON: ``{"title", "status", "detail"}``. No ``type``: by the RFC that means that the title says it all."""
    shown = detail.encode("utf-8", "replace").decode()
    return msgspec.json.encode({"title": title, "status": status, "detail": shown})


def problem_of(rejected: Rejected) -> bytes:
    """The JSON for a refusal; what the operator should know and the sender should not is left out."""
    return problem_body(status=rejected.status, title=rejected.title, detail=rejected.detail)
