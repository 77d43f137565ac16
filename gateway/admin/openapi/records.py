"""What is remembered, as the API shows it: webhooks, commands, attempts, versions of the rules."""

from __future__ import annotations

from gateway.admin.openapi.shapes import ANYTHING, DIAGNOSIS, MOMENT, TEXT, WHOLE, Schema, list_of, object_of, ref
from gateway.inbound.trials import Cause
from gateway.model import CommandState, Outcome, WebhookState

_COUNT: Schema = {"type": ["integer", "null"], "description": "null where the version has no such rule."}

_WEBHOOK_ROW: Schema = {
    "id": TEXT,
    "source": TEXT,
    "received_at": MOMENT,
    "state": {"enum": list(WebhookState)},
    "reason": TEXT,
    "errors": list_of(ref("MappingProblem")),
    "matched": list_of(TEXT),
    "dedup_key": {"type": ["string", "null"]},
    "event_type": {"type": ["string", "null"]},
    "event_time": {**MOMENT, "description": "When it happened at the sender."},
    "parsed": {
        "type": "boolean",
        "description": "True: the body is the parsed value as JSON, not the sender's bytes.",
    },
    "batch": {"type": "string", "description": "The same for all elements of one request."},
    "rules_version": TEXT,
    "repeats": WHOLE,
    "cause": {"enum": list(Cause), "description": "In a list of what is in quarantine: the kind of failure."},
    "findings": {**list_of(TEXT), "description": "In such a list: what the diagnosis found."},
}
_COMMAND_ROW: Schema = {
    "id": TEXT,
    "webhook": TEXT,
    "source": TEXT,
    "rule": TEXT,
    "element": TEXT,
    "command": TEXT,
    "action": {"enum": ["track", "identify"]},
    "destination": TEXT,
    "user_id": TEXT,
    "state": {"enum": list(CommandState)},
    "reason": TEXT,
    "body": {"type": "object"},
    "created_at": MOMENT,
    "not_before": MOMENT,
    "expires_at": MOMENT,
    "due_at": MOMENT,
    "finished_at": MOMENT,
    "after": {"type": "string", "description": "The id of the identify that must be accepted first."},
    "intilery_event_id": TEXT,
    "attempt_count": WHOLE,
}
_VERSION_ROW: Schema = {
    "version": TEXT,
    "revision": {"type": ["string", "null"], "description": "Of git; +dirty where the files are not those of it."},
    "loaded_at": MOMENT,
    "served": list_of(object_of(("since", "until"), since=MOMENT, until={"type": ["string", "null"]})),
    "before": {"type": ["string", "null"], "description": "The version that was served before the last span."},
    "webhooks": {**WHOLE, "description": "How many met it when they were received."},
    "rules": list_of(
        object_of(
            ("source", "rule", "matches", "webhooks"),
            source=TEXT,
            rule=TEXT,
            matches=_COUNT,
            webhooks={**WHOLE, "description": "Of the source, under this version."},
            matches_before=_COUNT,
            webhooks_before=WHOLE,
            change={"enum": ["new", "removed", "stopped"]},
        )
    ),
}

RECORDS: dict[str, Schema] = {
    "RulesVersionRow": object_of(("version", "served", "webhooks", "rules"), **_VERSION_ROW),
    "RulesVersion": object_of(
        ("version", "served", "webhooks", "rules", "files"),
        **_VERSION_ROW,
        files={"type": "object", "additionalProperties": TEXT, "description": "Texts by file name."},
    ),
    "MappingProblem": object_of(("rule", "message"), rule=TEXT, field=TEXT, path=TEXT, message=TEXT, element=TEXT),
    "TraceLine": object_of(("rule", "matched", "why"), rule=TEXT, matched={"type": "boolean"}, why=TEXT),
    "Attempt": object_of(
        ("at", "outcome"),
        at=MOMENT,
        status=WHOLE,
        outcome={"enum": list(Outcome)},
        message=TEXT,
        duration_ms={"type": "number"},
    ),
    "WebhookRow": object_of(("id", "source", "received_at", "state"), **_WEBHOOK_ROW),
    "Webhook": object_of(
        ("id", "source", "received_at", "state", "headers", "body", "trace", "commands"),
        **_WEBHOOK_ROW,
        method=TEXT,
        path=TEXT,
        query=TEXT,
        headers={"type": "array", "items": {"type": "array", "prefixItems": [TEXT, TEXT]}},
        body=ANYTHING,
        body_encoding={"enum": ["json", "text", "base64"]},
        trace=list_of(ref("TraceLine")),
        trace_missing={"type": "string", "description": "Why there is no trace."},
        warnings=list_of(ref("MappingProblem")),
        commands=list_of(ref("Command")),
        fetches=list_of(ref("Fetched")),
        next_try={**MOMENT, "description": "Of a webhook that is fetching."},
        quarantine=object_of(
            ("cause", "findings"),
            **DIAGNOSIS,
            lacking={**TEXT, "description": "Why its body was not kept."},
            now={**ref("Verdict"), "description": "What the rules and secrets of now say."},
        ),
    ),
    "Verdict": object_of(
        ("verified",),
        verified={"type": "boolean"},
        words={**TEXT, "description": "How it proved itself."},
        reason=TEXT,
        **DIAGNOSIS,
    ),
    "Fetched": object_of(
        ("name", "method", "url", "attempts"),
        name=TEXT,
        method=TEXT,
        url={"type": "string", "description": "Its secrets by name."},
        status=WHOLE,
        at=MOMENT,
        attempts=WHOLE,
        missing={"type": "boolean", "description": "It is not there (404)."},
        message=TEXT,
        answer=ANYTHING,
    ),
    "CommandRow": object_of(("id", "webhook", "command", "state"), **_COMMAND_ROW),
    "Command": object_of(
        ("id", "webhook", "command", "state", "attempts"), **_COMMAND_ROW, attempts=list_of(ref("Attempt"))
    ),
    "Cause": object_of(
        ("state", "source", "rule", "cause", "count", "example", "newest"),
        state=TEXT,
        source=TEXT,
        rule=TEXT,
        cause={"type": "string", "description": "The reason, with … for what differs from one to the next."},
        count=WHOLE,
        example={"type": "string", "description": "The id of the newest."},
        newest=MOMENT,
    ),
    "Story": object_of(
        ("text", "searched", "found", "more", "quarantined", "sources"),
        text=TEXT,
        searched=object_of(
            ("texts", "webhooks", "back_to", "whole"),
            texts={**list_of(TEXT), "description": "The spellings that were looked for."},
            webhooks={**WHOLE, "description": "How many were looked through."},
            back_to={"type": ["string", "null"], "description": "When the oldest of those was received."},
            whole={"type": "boolean", "description": "Whether nothing older is kept."},
        ),
        found={**list_of(ref("WebhookStory")), "description": "The newest twenty."},
        more={"type": "boolean"},
        quarantined=list_of(ref("WebhookRow")),
        sources=list_of(
            object_of(
                ("name", "last_heard", "kept_for_days", "quarantined", "in_rules"),
                name=TEXT,
                last_heard={"type": ["string", "null"]},
                kept_for_days={"type": "number"},
                quarantined=WHOLE,
                in_rules={"type": "boolean"},
            )
        ),
    ),
    "WebhookStory": object_of(
        ("id", "source", "received_at", "state", "commands", "more_commands"),
        **_WEBHOOK_ROW,
        commands=list_of(ref("Command")),
        more_commands={"type": "boolean"},
    ),
}
"""By name."""
