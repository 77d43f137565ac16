"""The description of the API for machines: OpenAPI 3.1, at ``/api/openapi.json``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from gateway import __version__
from gateway.admin.filters import COMMAND_FILTERS, MAX_LIMIT, WEBHOOK_FILTERS
from gateway.inbound.trials import Cause
from gateway.model import CommandState, Outcome, WebhookState
from gateway.problem import PROBLEM_TYPE
from gateway.store import Act, DifferenceKind, PauseScope

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_WHOLE: Schema = {"type": "integer"}
_MOMENT: Schema = {"type": "string", "format": "date-time"}
_ANYTHING: Schema = {}
_COUNT: Schema = {"type": ["integer", "null"], "description": "null where the version has no such rule."}

_FORESEEN = (("go", "would go now"), ("expire", "would expire"), ("later", "wait on for another reason"))

_HELP = {
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
        "paths": {
            "/api/webhooks": {
                "get": _operation(
                    "List webhooks, newest first", _listed("WebhookRow"), parameters=[*_query(WEBHOOK_FILTERS), _GROUP]
                )
            },
            "/api/webhooks/{id}": {
                "get": _operation(
                    "One webhook: request, trace, commands and attempts",
                    _ref("Webhook"),
                    parameters=[_ID],
                    missing=True,
                )
            },
            "/api/commands": {
                "get": _operation(
                    "List commands, newest first", _listed("CommandRow"), parameters=[*_query(COMMAND_FILTERS), _GROUP]
                )
            },
            "/api/commands/{id}": {
                "get": _operation("One command with its attempts", _ref("Command"), parameters=[_ID], missing=True)
            },
            "/api/rules": {
                "get": _operation(
                    "The versions of the rules, the last served first, each with its rules' matches before and after",
                    _page("RulesVersionRow"),
                    parameters=_query(()),
                )
            },
            "/api/rules/{version}": {
                "get": _operation(
                    "One version of the rules with its files",
                    _ref("RulesVersion"),
                    parameters=[{**_ID, "name": "version"}],
                    missing=True,
                )
            },
            "/api/status": {"get": _operation("Sources, destinations, backlog, store", {"type": "object"})},
            "/api/try": {
                "post": _operation(
                    "What a payload would become; stores and sends nothing",
                    _ref("Tried"),
                    body=_object(
                        ("source",),
                        source=_TEXT,
                        body={"description": "The payload, any JSON."},
                        text={"type": "string", "description": "The payload as text, instead of body."},
                        headers={"type": "object", "additionalProperties": _TEXT},
                        query=_TEXT,
                        path={"type": "string", "description": "What stands behind /hooks/{source}/."},
                        fetched={"type": "object", "description": "Answers by fetch, in place of what would be asked."},
                    ),
                    missing=True,
                )
            },
            "/api/replay": _replay(),
            "/api/find": {
                "get": _operation(
                    "One story: what arrived with a text in it and what became of it, or that it never did",
                    _ref("Story"),
                    parameters=[
                        _parameter("text", "What is looked for, in small or capital letters.", required=True),
                        _parameter("since", _HELP["since"]),
                        _parameter("depth", "Webhooks to look through, the newest first; 100,000 unless given."),
                    ],
                )
            },
            "/api/forget": {
                "post": _operation(
                    "Erase one person from the store, and look again",
                    _ref("Forgotten"),
                    body=_object(
                        ("user",),
                        user={"type": "string", "description": "The customer's id."},
                        also={**_list(_TEXT), "description": "What else names the person in payloads."},
                        dry_run={"type": "boolean", "description": "Only count."},
                    ),
                )
            },
            "/api/shadow": {
                "get": _operation(
                    "What the shadow rules would have done otherwise: counts by rule, and the newest differences",
                    _ref("Shadow"),
                    parameters=[
                        _parameter("candidate", "Only under this version of the shadow rules."),
                        _parameter("source", _HELP["source"]),
                        _parameter("rule", _HELP["rule"]),
                        _parameter("kind", "appears, vanishes or changes."),
                        *_query(()),
                    ],
                )
            },
            "/api/diff": _diff(),
            "/api/replays": {"get": _operation("The newest replays of many webhooks", _page("Replay"))},
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
                    "post": _operation(
                        f"{verb.capitalize()} {what}", _ref(shape), parameters=named, body=_PAUSING[verb], missing=True
                    )
                }
                for what, path, named in _PAUSABLE
                for verb, shape in (("pause", "Pause"), ("resume", "Resumed"))
            },
            "/api/destinations/{name}/probe": {
                "post": _operation(
                    "Ask a destination whether its token is good; where it is, a pause for that reason ends",
                    _object(("name", "passed"), name=_TEXT, passed={"type": "boolean"}, status=_WHOLE, message=_TEXT),
                    parameters=[_NAME],
                    missing=True,
                )
            },
            "/api/quarantine/release": {
                "post": _operation(
                    "Verify requests in quarantine again, as of their receipt, and take in what passes",
                    _ref("ReleasedFromQuarantine"),
                    body=_object(
                        (),
                        ids=_list(_TEXT),
                        sources={**_list(_TEXT), "description": "All of these sources."},
                        all={"type": "boolean", "description": "Everything."},
                        dry_run={"type": "boolean", "description": "Only say what would become of them."},
                    ),
                    missing=True,
                )
            },
            "/api/openapi.json": {"get": _operation("This document", {"type": "object"})},
            "/metrics": {
                "get": {
                    "summary": "Prometheus metrics",
                    "responses": {"200": {"description": "Text format", "content": {"text/plain": {"schema": _TEXT}}}},
                }
            },
            "/healthz": {"get": _open("The process is alive")},
            "/readyz": {"get": _open("Webhooks can be taken in; 503 with the reasons where not", failing="503")},
        },
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "GATEWAY_ADMIN_TOKEN; to look only, GATEWAY_READ_TOKEN.",
                }
            },
            "schemas": _schemas(),
        },
    }


def _schemas() -> dict[str, Schema]:
    webhook_row = {
        "id": _TEXT,
        "source": _TEXT,
        "received_at": _MOMENT,
        "state": {"enum": list(WebhookState)},
        "reason": _TEXT,
        "errors": _list(_ref("MappingProblem")),
        "matched": _list(_TEXT),
        "dedup_key": {"type": ["string", "null"]},
        "event_type": {"type": ["string", "null"]},
        "event_time": {**_MOMENT, "description": "When it happened at the sender."},
        "parsed": {
            "type": "boolean",
            "description": "True: the body is the parsed value as JSON, not the sender's bytes.",
        },
        "batch": {"type": "string", "description": "The same for all elements of one request."},
        "rules_version": _TEXT,
        "repeats": _WHOLE,
        "cause": {"enum": list(Cause), "description": "In a list of what is in quarantine: the kind of failure."},
        "findings": {**_list(_TEXT), "description": "In such a list: what the diagnosis found."},
    }
    command_row = {
        "id": _TEXT,
        "webhook": _TEXT,
        "source": _TEXT,
        "rule": _TEXT,
        "element": _TEXT,
        "command": _TEXT,
        "action": {"enum": ["track", "identify"]},
        "destination": _TEXT,
        "user_id": _TEXT,
        "state": {"enum": list(CommandState)},
        "reason": _TEXT,
        "body": {"type": "object"},
        "created_at": _MOMENT,
        "not_before": _MOMENT,
        "expires_at": _MOMENT,
        "due_at": _MOMENT,
        "finished_at": _MOMENT,
        "after": {"type": "string", "description": "The id of the identify that must be accepted first."},
        "intilery_event_id": _TEXT,
        "attempt_count": _WHOLE,
    }
    version_row = {
        "version": _TEXT,
        "revision": {"type": ["string", "null"], "description": "Of git; +dirty where the files are not those of it."},
        "loaded_at": _MOMENT,
        "served": _list(_object(("since", "until"), since=_MOMENT, until={"type": ["string", "null"]})),
        "before": {"type": ["string", "null"], "description": "The version that was served before the last span."},
        "webhooks": {**_WHOLE, "description": "How many met it when they were received."},
        "rules": _list(
            _object(
                ("source", "rule", "matches", "webhooks"),
                source=_TEXT,
                rule=_TEXT,
                matches=_COUNT,
                webhooks={**_WHOLE, "description": "Of the source, under this version."},
                matches_before=_COUNT,
                webhooks_before=_WHOLE,
                change={"enum": ["new", "removed", "stopped"]},
            )
        ),
    }
    return {
        "RulesVersionRow": _object(("version", "served", "webhooks", "rules"), **version_row),
        "RulesVersion": _object(
            ("version", "served", "webhooks", "rules", "files"),
            **version_row,
            files={"type": "object", "additionalProperties": _TEXT, "description": "Texts by file name."},
        ),
        "MappingProblem": _object(
            ("rule", "message"), rule=_TEXT, field=_TEXT, path=_TEXT, message=_TEXT, element=_TEXT
        ),
        "TraceLine": _object(("rule", "matched", "why"), rule=_TEXT, matched={"type": "boolean"}, why=_TEXT),
        "Attempt": _object(
            ("at", "outcome"),
            at=_MOMENT,
            status=_WHOLE,
            outcome={"enum": list(Outcome)},
            message=_TEXT,
            duration_ms={"type": "number"},
        ),
        "WebhookRow": _object(("id", "source", "received_at", "state"), **webhook_row),
        "Webhook": _object(
            ("id", "source", "received_at", "state", "headers", "body", "trace", "commands"),
            **webhook_row,
            method=_TEXT,
            path=_TEXT,
            query=_TEXT,
            headers={"type": "array", "items": {"type": "array", "prefixItems": [_TEXT, _TEXT]}},
            body=_ANYTHING,
            body_encoding={"enum": ["json", "text", "base64"]},
            trace=_list(_ref("TraceLine")),
            trace_missing={"type": "string", "description": "Why there is no trace."},
            warnings=_list(_ref("MappingProblem")),
            commands=_list(_ref("Command")),
            fetches=_list(_ref("Fetched")),
            next_try={**_MOMENT, "description": "Of a webhook that is fetching."},
            quarantine=_object(
                ("cause", "findings"),
                **_DIAGNOSIS,
                lacking={**_TEXT, "description": "Why its body was not kept."},
                now={**_ref("Verdict"), "description": "What the rules and secrets of now say."},
            ),
        ),
        "Verdict": _object(
            ("verified",),
            verified={"type": "boolean"},
            words={**_TEXT, "description": "How it proved itself."},
            reason=_TEXT,
            **_DIAGNOSIS,
        ),
        "ReleasedFromQuarantine": _object(
            ("dry_run", "released", "stay"),
            dry_run={"type": "boolean"},
            released=_list(
                _object(
                    ("id", "source", "received_at", "status", "webhooks", "commands"),
                    id=_TEXT,
                    source=_TEXT,
                    received_at=_MOMENT,
                    status={"enum": ["accepted", "duplicate", "challenge"]},
                    webhooks={**_list(_TEXT), "description": "Ids: its own, of a repeat the first one's."},
                    state={"enum": list(WebhookState)},
                    commands={**_WHOLE, "description": "How many were made."},
                )
            ),
            stay=_list(
                _object(
                    ("id", "source", "received_at", "reason", "cause", "findings"),
                    id=_TEXT,
                    source=_TEXT,
                    received_at=_MOMENT,
                    reason=_TEXT,
                    **_DIAGNOSIS,
                )
            ),
        ),
        "Fetched": _object(
            ("name", "method", "url", "attempts"),
            name=_TEXT,
            method=_TEXT,
            url={"type": "string", "description": "Its secrets by name."},
            status=_WHOLE,
            at=_MOMENT,
            attempts=_WHOLE,
            missing={"type": "boolean", "description": "It is not there (404)."},
            message=_TEXT,
            answer=_ANYTHING,
        ),
        "CommandRow": _object(("id", "webhook", "command", "state"), **command_row),
        "Command": _object(
            ("id", "webhook", "command", "state", "attempts"), **command_row, attempts=_list(_ref("Attempt"))
        ),
        "Tried": _object(
            ("source", "state", "commands", "trace", "errors", "warnings"),
            source=_TEXT,
            state={"enum": list(WebhookState)},
            verification={**_ref("Verdict"), "description": "Whether the hook would take it for authentic."},
            missing=_list(_object(("path", "line"), path=_TEXT, line={"type": "integer"})),
            reason={**_TEXT, "description": "Of an ignored webhook: which condition held."},
            commands=_list(
                _object(
                    ("rule", "command", "destination", "action", "body"),
                    rule=_TEXT,
                    command=_TEXT,
                    destination=_TEXT,
                    action={"enum": ["track", "identify"]},
                    body={"type": "object"},
                    not_before=_MOMENT,
                    expires_at=_MOMENT,
                )
            ),
            trace=_list(_ref("TraceLine")),
            errors=_list(_ref("MappingProblem")),
            warnings=_list(_ref("MappingProblem")),
            fetches=_list(
                _object(
                    ("name", "method", "url", "given"),
                    name=_TEXT,
                    method=_TEXT,
                    url=_TEXT,
                    given={"type": "boolean"},
                    **{"with": _TEXT},
                )
            ),
        ),
        "Replayed": _object(
            ("id", "state", "created", "replaced", "withdrawn", "kept"),
            id=_TEXT,
            state={"enum": list(WebhookState)},
            reason=_TEXT,
            errors=_list(_ref("MappingProblem")),
            rules_version=_TEXT,
            webhooks={**_list(_TEXT), "description": "Of a batch that was kept whole: the elements' ids."},
            **{name: _list(_TEXT) for name in ("created", "replaced", "withdrawn", "kept")},
        ),
        "Story": _object(
            ("text", "searched", "found", "more", "quarantined", "sources"),
            text=_TEXT,
            searched=_object(
                ("texts", "webhooks", "back_to", "whole"),
                texts={**_list(_TEXT), "description": "The spellings that were looked for."},
                webhooks={**_WHOLE, "description": "How many were looked through."},
                back_to={"type": ["string", "null"], "description": "When the oldest of those was received."},
                whole={"type": "boolean", "description": "Whether nothing older is kept."},
            ),
            found={**_list(_ref("WebhookStory")), "description": "The newest twenty."},
            more={"type": "boolean"},
            quarantined=_list(_ref("WebhookRow")),
            sources=_list(
                _object(
                    ("name", "last_heard", "kept_for_days", "quarantined", "in_rules"),
                    name=_TEXT,
                    last_heard={"type": ["string", "null"]},
                    kept_for_days={"type": "number"},
                    quarantined=_WHOLE,
                    in_rules={"type": "boolean"},
                )
            ),
        ),
        "WebhookStory": _object(
            ("id", "source", "received_at", "state", "commands", "more_commands"),
            **webhook_row,
            commands=_list(_ref("Command")),
            more_commands={"type": "boolean"},
        ),
        "Forgotten": _object(
            ("user", "texts", "at", "dry_run", "webhooks", "commands", "left", "remaining"),
            user=_TEXT,
            texts={**_list(_TEXT), "description": "The spellings that were looked for."},
            at=_MOMENT,
            dry_run={"type": "boolean"},
            **dict.fromkeys(("webhooks", "commands", "attempts", "keys", "quarantined", "replays"), _WHOLE),
            left={**_list(_TEXT), "description": "Webhooks of which a command is on its way: ask again."},
            remaining={**_WHOLE, "description": "Webhooks that name the person when all was done."},
        ),
        "Shadow": _object(
            ("candidates", "items", "next"),
            candidates=_list(
                _object(
                    ("candidate", "webhooks", "last_at", "rules"),
                    candidate={"type": "string", "description": "The version of the shadow rules."},
                    webhooks={**_WHOLE, "description": "How many were compared."},
                    last_at=_MOMENT,
                    rules=_list(
                        _object(
                            ("source", "rule", *DifferenceKind, "last_at"),
                            source=_TEXT,
                            rule=_TEXT,
                            last_at=_MOMENT,
                            **_kinds(),
                        )
                    ),
                )
            ),
            items=_list(
                _object(
                    ("candidate", "served", "at", "webhook", "source", "rule", "command", "kind", "paths"),
                    candidate=_TEXT,
                    served={"type": "string", "description": "The version that made what there is."},
                    at=_MOMENT,
                    webhook=_TEXT,
                    source=_TEXT,
                    rule=_TEXT,
                    command=_TEXT,
                    kind={"enum": list(DifferenceKind)},
                    paths={**_list(_TEXT), "description": "What would change: body.order.total, not_before ..."},
                )
            ),
            next={"type": ["string", "null"]},
        ),
        "Diff": _object(
            ("candidate", "compared", "differing", "not_compared", "counts", "rules", "items", "next"),
            candidate={"type": "string", "description": "The version of the candidate rules."},
            compared={**_WHOLE, "description": "Webhooks."},
            differing={**_WHOLE, "description": "Webhooks that would become something else."},
            not_compared={**_WHOLE, "description": "Webhooks for which something would have to be fetched first."},
            counts=_object(tuple(DifferenceKind), **_kinds()),
            rules=_list(
                _object(
                    ("source", "rule", "command", *DifferenceKind), source=_TEXT, rule=_TEXT, command=_TEXT, **_kinds()
                )
            ),
            items=_list(_ref("DifferingWebhook")),
            back_to={"type": ["string", "null"], "description": "When the oldest of those was received."},
            next={"type": ["string", "null"]},
        ),
        "DifferingWebhook": _object(
            ("webhook", "source", "received_at", "state", "would_be", "differences"),
            webhook=_TEXT,
            source=_TEXT,
            received_at=_MOMENT,
            event_type=_TEXT,
            state={"enum": list(WebhookState)},
            would_be={"enum": list(WebhookState)},
            reason={"type": "string", "description": "Why it would be so; with values only."},
            errors={**_list(_ref("MappingProblem")), "description": "With values only."},
            differences=_list(
                _object(
                    ("kind", "rule", "command", "destination"),
                    kind={"enum": list(DifferenceKind)},
                    rule=_TEXT,
                    command=_TEXT,
                    destination=_TEXT,
                    element={"type": "string", "description": "With values only."},
                    user_id={"type": "string", "description": "With values only."},
                    state={"enum": list(CommandState), "description": "Of one that appears."},
                    body={"type": "object", "description": "Of one that appears; with values only."},
                    changes=_list(
                        _object(
                            ("path",),
                            path={"type": "string", "description": "body.order.total, destination, not_before ..."},
                            was={"description": "Any JSON, with values only; absent where there was nothing."},
                            now={"description": "Any JSON, with values only; absent where there would be nothing."},
                        )
                    ),
                )
            ),
        ),
        "Replay": _object(
            ("replay", "began_at", "asked", "total", "done", "finished", "counts"),
            replay={"type": "string", "description": "Its id, for resume."},
            began_at=_MOMENT,
            finished_at=_MOMENT,
            asked={"type": "object"},
            total={**_WHOLE, "description": "Webhooks that the filter found when it began."},
            done=_WHOLE,
            finished={"type": "boolean"},
            counts={
                "type": "object",
                "additionalProperties": _WHOLE,
                "description": "Webhooks, and commands created, replaced, withdrawn, kept, sent_again, not_done.",
            },
            problems=_list(_object(("id", "reason"), id=_TEXT, reason=_TEXT)),
            rules_version=_TEXT,
        ),
        "ReplayCount": _object(
            ("dry_run", "total", "older", "rate"),
            dry_run={"const": True},
            total=_WHOLE,
            older={**_WHOLE, "description": "Webhooks that are left out for their age."},
            rate={"type": "number", "description": "Commands a second."},
        ),
        "Cause": _object(
            ("state", "source", "rule", "cause", "count", "example", "newest"),
            state=_TEXT,
            source=_TEXT,
            rule=_TEXT,
            cause={"type": "string", "description": "The reason, with … for what differs from one to the next."},
            count=_WHOLE,
            example={"type": "string", "description": "The id of the newest."},
            newest=_MOMENT,
        ),
        "Acted": _object(
            ("act", "dry_run", "count", "commands", "refused"),
            act={"enum": list(Act)},
            dry_run={"type": "boolean"},
            count=_WHOLE,
            commands=_list(
                _object(
                    ("id", "state", "command", "destination", "user_id"),
                    id=_TEXT,
                    state={"enum": list(CommandState)},
                    command=_TEXT,
                    destination=_TEXT,
                    user_id=_TEXT,
                )
            ),
            refused=_list(_object(("id", "reason"), id=_TEXT, reason=_TEXT)),
        ),
        "Pause": _object(
            ("scope", "name", "since", "by"),
            scope={"enum": list(PauseScope)},
            name={"type": "string", "description": "Of a rule: source/rule id."},
            since=_MOMENT,
            by=_TEXT,
            reason=_TEXT,
            automatic={"type": "boolean", "description": "True: by the gateway, because the token is refused."},
        ),
        "Resumed": _object(
            ("scope", "name", "preview", "resumed"),
            scope={"enum": list(PauseScope)},
            name=_TEXT,
            preview={"type": "boolean"},
            resumed={"type": "boolean", "description": "False: it was not paused, or this is a preview."},
            paused={"type": "boolean", "description": "Of a preview: whether it is paused."},
            **{what: {**_WHOLE, "description": f"Of a preview: commands that {told}."} for what, told in _FORESEEN},
            seconds={**_WHOLE, "description": "Of a preview: how long those that go take at the destination's rate."},
            rules=_list(
                _object(
                    ("source", "rule", "command", "go", "expire", "later"),
                    source=_TEXT,
                    rule=_TEXT,
                    command=_TEXT,
                    **dict.fromkeys((what for what, _ in _FORESEEN), _WHOLE),
                )
            ),
        ),
        "Problem": _object(("title", "status", "detail"), title=_TEXT, status=_WHOLE, detail=_TEXT),
    }


_GROUP: Schema = {
    "name": "group",
    "in": "query",
    "description": "cause: how many are in one state for one reason, the most frequent first, instead of the rows.",
    "schema": {"enum": ["cause"]},
}
_ID: Schema = {"name": "id", "in": "path", "required": True, "schema": _TEXT}


_NAME: Schema = {**_ID, "name": "name"}
_PAUSABLE = (
    ("a destination: nothing is sent there", "/api/destinations/{name}", [_NAME]),
    ("a source: its webhooks are taken in, its commands wait", "/api/sources/{name}", [_NAME]),
    ("a rule: its commands wait", "/api/rules/{source}/{name}", [{**_ID, "name": "source"}, _NAME]),
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


def _operation(
    summary: str,
    answer: Schema,
    *,
    parameters: list[Schema] | None = None,
    body: Schema | None = None,
    missing: bool = False,
) -> Schema:
    failing = ["400", "401", *(["404"] if missing else []), "503"]
    operation: Schema = {
        "summary": summary,
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": answer}}},
            **{status: _problem() for status in failing},
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _parameter(name: str, description: str, *, required: bool = False) -> Schema:
    found: Schema = {"name": name, "in": "query", "description": description, "schema": _TEXT}
    return found | ({"required": True} if required else {})


def _diff() -> Schema:
    """Candidate rules beside what stored webhooks became."""
    body = _object(
        ("files",),
        files={
            "type": "object",
            "additionalProperties": _TEXT,
            "description": "The candidate rules: texts by file name. Without destinations.yaml the served one holds.",
        },
        ids={**_list(_TEXT), "description": "These webhooks."},
        filter={
            "type": "object",
            "description": "Instead of ids; without both, all webhooks, the newest first.",
            "properties": {name: {"type": "string", "description": _HELP[name]} for name in WEBHOOK_FILTERS},
            "additionalProperties": False,
        },
        limit={"type": "integer", "description": "Webhooks to compare, 1,000 at most."},
        samples={"type": "integer", "description": "Webhooks that are told one by one; 20 unless given."},
        cursor={"type": "string", "description": "The `next` of the page before."},
        values={"type": "boolean", "description": "Show values of payloads, too; needs the admin token."},
    )
    summary = "What candidate rules would make of stored webhooks: counts and samples without values; sends nothing"
    return {"post": _operation(summary, _ref("Diff"), body=body, missing=True)}


def _replay() -> Schema:
    """One webhook again, or many."""
    body = _object(
        (),
        id={"type": "string", "description": "One webhook."},
        fetch={"type": "boolean", "description": "With id: ask anew for what the webhook points to."},
        filter={
            "type": "object",
            "description": "Many webhooks.",
            "properties": {name: {"type": "string", "description": _HELP[name]} for name in WEBHOOK_FILTERS},
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
    answer = {"oneOf": [_ref("Replayed"), _ref("Replay"), _ref("ReplayCount")]}
    operation = _operation(
        "Run the rules of today over stored webhooks; what was delivered stays. Of many, a portion: ask again with "
        "resume until it is finished",
        answer,
        body=body,
        missing=True,
    )
    operation["responses"]["409"] = _problem()
    return {"post": operation}


def _acting(summary: str, **required: Schema) -> Schema:
    """One of the acts on commands: which ones, and what became of them."""
    body = _object(
        tuple(required),
        **required,
        ids={**_list(_TEXT), "description": "All of them, or none where one does not allow it (409)."},
        filter={
            "type": "object",
            "properties": {name: {"type": "string", "description": _HELP[name]} for name in COMMAND_FILTERS},
            "additionalProperties": False,
        },
        all={"type": "boolean", "description": "Instead of ids or a filter: all that it is possible for."},
        dry_run={"type": "boolean", "description": "Only say which commands these are."},
    )
    operation = _operation(summary, _ref("Acted"), body=body, missing=True)
    operation["responses"]["409"] = _problem()
    return {"post": operation}


def _open(summary: str, *, failing: str | None = None) -> Schema:
    answer = {"content": {"application/json": {"schema": {"type": "object"}}}}
    responses: Schema = {"200": {"description": summary, **answer}}
    if failing:
        responses[failing] = {"description": "Not now", **answer}
    return {"summary": summary, "security": [], "responses": responses}


def _problem() -> Schema:
    return {"description": "Refused", "content": {PROBLEM_TYPE: {"schema": _ref("Problem")}}}


def _query(names: Iterable[str]) -> list[Schema]:
    return [
        {"name": name, "in": "query", "description": _HELP[name], "schema": _TEXT}
        for name in (*names, "limit", "cursor")
    ]


def _page(row: str) -> Schema:
    return _object(("items", "next"), items=_list(_ref(row)), next={"type": ["string", "null"]})


def _kinds() -> Schema:
    return {kind.value: _WHOLE for kind in DifferenceKind}


def _listed(row: str) -> Schema:
    """Rows, or causes where those are asked for."""
    return {"oneOf": [_page(row), _page("Cause")]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _object(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


_DIAGNOSIS: Schema = {"cause": {"enum": list(Cause)}, "findings": _list(_TEXT)}
