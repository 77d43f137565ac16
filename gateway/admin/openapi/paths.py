"""The routes of the API, one by one: what each does, what it takes, and what it answers."""

from __future__ import annotations

from gateway.admin.filters import COMMAND_FILTERS, WEBHOOK_FILTERS
from gateway.admin.openapi.operations import (
    GROUP,
    HELP,
    ID,
    NAME,
    listed,
    open_operation,
    operation,
    page_of,
    parameter,
    problem,
    query,
)
from gateway.admin.openapi.shapes import TEXT, WHOLE, Schema, list_of, object_of, ref

_PAUSABLE = (
    ("a destination: nothing is sent there", "/api/destinations/{name}", [NAME]),
    ("a source: its webhooks are taken in, its commands wait", "/api/sources/{name}", [NAME]),
    ("a rule: its commands wait", "/api/rules/{source}/{name}", [{**ID, "name": "source"}, NAME]),
)
_PAUSING: dict[str, Schema] = {
    "pause": {
        "type": "object",
        "properties": {"by": {"type": "string", "description": "Who."}, "reason": {"type": "string"}},
    },
    "resume": {
        "type": "object",
        "properties": {"preview": {"type": "boolean", "description": "Only say what would go or expire."}},
    },
}


def paths() -> Schema:
    """By path and method."""
    return {
        "/api/webhooks": {
            "get": operation(
                "List webhooks, newest first", listed("WebhookRow"), parameters=[*query(WEBHOOK_FILTERS), GROUP]
            )
        },
        "/api/webhooks/{id}": {
            "get": operation(
                "One webhook: request, trace, commands and attempts",
                ref("Webhook"),
                parameters=[ID],
                missing=True,
            )
        },
        "/api/commands": {
            "get": operation(
                "List commands, newest first", listed("CommandRow"), parameters=[*query(COMMAND_FILTERS), GROUP]
            )
        },
        "/api/commands/{id}": {
            "get": operation("One command with its attempts", ref("Command"), parameters=[ID], missing=True)
        },
        "/api/rules": {
            "get": operation(
                "The versions of the rules, the last served first, each with its rules' matches before and after",
                page_of("RulesVersionRow"),
                parameters=query(()),
            )
        },
        "/api/rules/{version}": {
            "get": operation(
                "One version of the rules with its files",
                ref("RulesVersion"),
                parameters=[{**ID, "name": "version"}],
                missing=True,
            )
        },
        "/api/status": {"get": operation("Sources, destinations, backlog, store", {"type": "object"})},
        "/api/try": {
            "post": operation(
                "What a payload would become; stores and sends nothing",
                ref("Tried"),
                body=object_of(
                    ("source",),
                    source=TEXT,
                    body={"description": "The payload, any JSON."},
                    text={"type": "string", "description": "The payload as text, instead of body."},
                    headers={"type": "object", "additionalProperties": TEXT},
                    query=TEXT,
                    path={"type": "string", "description": "What stands behind /hooks/{source}/."},
                    fetched={"type": "object", "description": "Answers by fetch, in place of what would be asked."},
                ),
                missing=True,
            )
        },
        "/api/replay": _replay(),
        "/api/find": {
            "get": operation(
                "One story: what arrived with a text in it and what became of it, or that it never did",
                ref("Story"),
                parameters=[
                    parameter("text", "What is looked for, in small or capital letters.", required=True),
                    parameter("since", HELP["since"]),
                    parameter("depth", "Webhooks to look through, the newest first; 100,000 unless given."),
                ],
            )
        },
        "/api/forget": {
            "post": operation(
                "Erase one person from the store, and look again",
                ref("Forgotten"),
                body=object_of(
                    ("user",),
                    user={"type": "string", "description": "The customer's id."},
                    also={**list_of(TEXT), "description": "What else names the person in payloads."},
                    dry_run={"type": "boolean", "description": "Only count."},
                ),
            )
        },
        "/api/shadow": {
            "get": operation(
                "What the shadow rules would have done otherwise: counts by rule, and the newest differences",
                ref("Shadow"),
                parameters=[
                    parameter("candidate", "Only under this version of the shadow rules."),
                    parameter("source", HELP["source"]),
                    parameter("rule", HELP["rule"]),
                    parameter("kind", "appears, vanishes or changes."),
                    *query(()),
                ],
            )
        },
        "/api/diff": _diff(),
        "/api/replays": {"get": operation("The newest replays of many webhooks", page_of("Replay"))},
        "/api/commands/retry": _acting("Send commands again that are held, have failed or are unknown"),
        "/api/commands/cancel": _acting("Drop commands that have not left, are held, have failed or are unknown"),
        "/api/commands/settle": _acting(
            "Say what became of commands that are held or unknown",
            delivered={
                "type": "boolean",
                "description": "true: they arrived; false: they did not, and are sent again.",
            },
        ),
        **{
            f"{path}/{verb}": {
                "post": operation(
                    f"{verb.capitalize()} {what}", ref(shape), parameters=named, body=_PAUSING[verb], missing=True
                )
            }
            for what, path, named in _PAUSABLE
            for verb, shape in (("pause", "Pause"), ("resume", "Resumed"))
        },
        "/api/destinations/{name}/probe": {
            "post": operation(
                "Ask a destination whether its token is good; where it is, a pause for that reason ends",
                object_of(("name", "passed"), name=TEXT, passed={"type": "boolean"}, status=WHOLE, message=TEXT),
                parameters=[NAME],
                missing=True,
            )
        },
        "/api/quarantine/release": {
            "post": operation(
                "Verify requests in quarantine again, as of their receipt, and take in what passes",
                ref("ReleasedFromQuarantine"),
                body=object_of(
                    (),
                    ids=list_of(TEXT),
                    sources={**list_of(TEXT), "description": "All of these sources."},
                    all={"type": "boolean", "description": "Everything."},
                    dry_run={"type": "boolean", "description": "Only say what would become of them."},
                ),
                missing=True,
            )
        },
        "/api/openapi.json": {"get": operation("This document", {"type": "object"})},
        "/metrics": {
            "get": {
                "summary": "Prometheus metrics",
                "responses": {"200": {"description": "Text format", "content": {"text/plain": {"schema": TEXT}}}},
            }
        },
        "/healthz": {"get": open_operation("The process is alive")},
        "/readyz": {"get": open_operation("Webhooks can be taken in; 503 with the reasons where not", failing="503")},
    }


def _diff() -> Schema:
    """Candidate rules beside what stored webhooks became."""
    body = object_of(
        ("files",),
        files={
            "type": "object",
            "additionalProperties": TEXT,
            "description": "The candidate rules: texts by file name. Without destinations.yaml the served one holds.",
        },
        ids={**list_of(TEXT), "description": "These webhooks."},
        filter={
            "type": "object",
            "description": "Instead of ids; without both, all webhooks, the newest first.",
            "properties": {name: {"type": "string", "description": HELP[name]} for name in WEBHOOK_FILTERS},
            "additionalProperties": False,
        },
        limit={"type": "integer", "description": "Webhooks to compare, 1,000 at most."},
        samples={"type": "integer", "description": "Webhooks that are told one by one; 20 unless given."},
        cursor={"type": "string", "description": "The `next` of the page before."},
        values={"type": "boolean", "description": "Show values of payloads, too; needs the admin token."},
    )
    summary = "What candidate rules would make of stored webhooks: counts and samples without values; sends nothing"
    return {"post": operation(summary, ref("Diff"), body=body, missing=True)}


def _replay() -> Schema:
    """One webhook again, or many."""
    body = object_of(
        (),
        id={"type": "string", "description": "One webhook."},
        fetch={"type": "boolean", "description": "With id: ask anew for what the webhook points to."},
        filter={
            "type": "object",
            "description": "Many webhooks.",
            "properties": {name: {"type": "string", "description": HELP[name]} for name in WEBHOOK_FILTERS},
            "additionalProperties": False,
        },
        all={"type": "boolean", "description": "Instead of a filter: every webhook."},
        do={
            "enum": ["retranslate", "retry"],
            "description": "Run the rules of today (unless given), or send failed commands again as they are.",
        },
        max_age={"type": "string", "description": "Older webhooks are left out: 7d, unless this or since is given."},
        rate={"type": "number", "description": "Commands a second at most; half of the slowest destination's rate."},
        dry_run={"type": "boolean", "description": "Only count."},
        resume={"type": "string", "description": "Go on with the replay of this id."},
        seconds={"type": "number", "description": "How long to work before answering; 2 unless given, 20 at most."},
    )
    answer = {"oneOf": [ref("Replayed"), ref("Replay"), ref("ReplayCount")]}
    described = operation(
        "Run the rules of today over stored webhooks; what was delivered stays. Of many, a portion: ask again with "
        "resume until it is finished",
        answer,
        body=body,
        missing=True,
    )
    described["responses"]["409"] = problem()
    return {"post": described}


def _acting(summary: str, **required: Schema) -> Schema:
    """One of the acts on commands: which ones, and what became of them."""
    body = object_of(
        tuple(required),
        **required,
        ids={**list_of(TEXT), "description": "All of them, or none where one does not allow it (409)."},
        filter={
            "type": "object",
            "properties": {name: {"type": "string", "description": HELP[name]} for name in COMMAND_FILTERS},
            "additionalProperties": False,
        },
        all={"type": "boolean", "description": "Instead of ids or a filter: all that it is possible for."},
        dry_run={"type": "boolean", "description": "Only say which commands these are."},
    )
    described = operation(summary, ref("Acted"), body=body, missing=True)
    described["responses"]["409"] = problem()
    return {"post": described}
