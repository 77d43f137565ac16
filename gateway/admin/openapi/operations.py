"""How an operation of the API is written: what it takes, what it answers, and how it is refused."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.admin.filters import MAX_LIMIT
from gateway.admin.openapi.shapes import TEXT, Schema, list_of, object_of, ref
from gateway.problem import PROBLEM_TYPE

HELP = {
    "state": "Only those in this state.",
    "errors": "true: only those with mapping errors; false: only those without.",
    "source": "Only those of this source.",
    "type": "Only those of this event type.",
    "rule": "Only those of this rule (its id).",
    "rules_version": "Only those that met this version of the rules.",
    "user": "Only those of this customer (userId).",
    "since": "From this moment on: 2026-01-05T10:00:00Z, or a length of time ago: 2h.",
    "until": "Before this moment.",
    "text": "Only those that hold this text.",
    "command_state": "Only those that have a command in this state.",
    "destination": "Only those for this destination.",
    "command": "send_email, send_sms, send_print, send_push, start_journey, identify or track.",
    "webhook": "Only those of this webhook (its id).",
    "limit": f"Rows of a page, 1 to {MAX_LIMIT}; 50 if not given.",
    "cursor": "The `next` of the page before.",
}
GROUP: Schema = {
    "name": "group",
    "in": "query",
    "description": "cause: how many are in one state for one reason, the most frequent first, instead of the rows.",
    "schema": {"enum": ["cause"]},
}
ID: Schema = {"name": "id", "in": "path", "required": True, "schema": TEXT}
NAME: Schema = {**ID, "name": "name"}


def operation(
    summary: str,
    answer: Schema,
    *,
    parameters: list[Schema] | None = None,
    body: Schema | None = None,
    missing: bool = False,
) -> Schema:
    """``missing``: what it is asked about may not be there (404)."""
    failing = ["400", "401", *(["404"] if missing else []), "503"]
    described: Schema = {
        "summary": summary,
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": answer}}},
            **{status: problem() for status in failing},
        },
    }
    if parameters:
        described["parameters"] = parameters
    if body is not None:
        described["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return described


def open_operation(summary: str, *, failing: str | None = None) -> Schema:
    """One that is asked without a token."""
    answer = {"content": {"application/json": {"schema": {"type": "object"}}}}
    responses: Schema = {"200": {"description": summary, **answer}}
    if failing:
        responses[failing] = {"description": "Not now", **answer}
    return {"summary": summary, "security": [], "responses": responses}


def problem() -> Schema:
    return {"description": "Refused", "content": {PROBLEM_TYPE: {"schema": ref("Problem")}}}


def parameter(name: str, description: str, *, required: bool = False) -> Schema:
    found: Schema = {"name": name, "in": "query", "description": description, "schema": TEXT}
    return found | ({"required": True} if required else {})


def query(names: Iterable[str]) -> list[Schema]:
    return [
        {"name": name, "in": "query", "description": HELP[name], "schema": TEXT} for name in (*names, "limit", "cursor")
    ]


def page_of(row: str) -> Schema:
    return object_of(("items", "next"), items=list_of(ref(row)), next={"type": ["string", "null"]})


def listed(row: str) -> Schema:
    """Rows, or causes where those are asked for."""
    return {"oneOf": [page_of(row), page_of("Cause")]}
