"""What the API answers when something is done, or asked of the rules: acts, pauses, replays, comparisons."""

from __future__ import annotations

from gateway.admin.openapi.shapes import DIAGNOSIS, MOMENT, TEXT, WHOLE, Schema, kinds, list_of, object_of, ref
from gateway.model import CommandState, WebhookState
from gateway.store import Act, DifferenceKind, PauseScope

_FORESEEN = (("go", "would go now"), ("expire", "would expire"), ("later", "wait on for another reason"))

ANSWERS: dict[str, Schema] = {
    "ReleasedFromQuarantine": object_of(
        ("dry_run", "released", "stay"),
        dry_run={"type": "boolean"},
        released=list_of(
            object_of(
                ("id", "source", "received_at", "status", "webhooks", "commands"),
                id=TEXT,
                source=TEXT,
                received_at=MOMENT,
                status={"enum": ["accepted", "duplicate", "challenge"]},
                webhooks={**list_of(TEXT), "description": "Ids: its own, of a repeat the first one's."},
                state={"enum": list(WebhookState)},
                commands={**WHOLE, "description": "How many were made."},
            )
        ),
        stay=list_of(
            object_of(
                ("id", "source", "received_at", "reason", "cause", "findings"),
                id=TEXT,
                source=TEXT,
                received_at=MOMENT,
                reason=TEXT,
                **DIAGNOSIS,
            )
        ),
    ),
    "Tried": object_of(
        ("source", "state", "commands", "trace", "errors", "warnings"),
        source=TEXT,
        state={"enum": list(WebhookState)},
        verification={**ref("Verdict"), "description": "Whether the hook would take it for authentic."},
        missing=list_of(object_of(("path", "line"), path=TEXT, line={"type": "integer"})),
        reason={**TEXT, "description": "Of an ignored webhook: which condition held."},
        commands=list_of(
            object_of(
                ("rule", "command", "destination", "action", "body"),
                rule=TEXT,
                command=TEXT,
                destination=TEXT,
                action={"enum": ["track", "identify"]},
                body={"type": "object"},
                not_before=MOMENT,
                expires_at=MOMENT,
            )
        ),
        trace=list_of(ref("TraceLine")),
        errors=list_of(ref("MappingProblem")),
        warnings=list_of(ref("MappingProblem")),
        fetches=list_of(
            object_of(
                ("name", "method", "url", "given"),
                name=TEXT,
                method=TEXT,
                url=TEXT,
                given={"type": "boolean"},
                **{"with": TEXT},
            )
        ),
    ),
    "Replayed": object_of(
        ("id", "state", "created", "replaced", "withdrawn", "kept"),
        id=TEXT,
        state={"enum": list(WebhookState)},
        reason=TEXT,
        errors=list_of(ref("MappingProblem")),
        rules_version=TEXT,
        webhooks={**list_of(TEXT), "description": "Of a batch that was kept whole: the elements' ids."},
        **{name: list_of(TEXT) for name in ("created", "replaced", "withdrawn", "kept")},
    ),
    "Forgotten": object_of(
        ("user", "texts", "at", "dry_run", "webhooks", "commands", "left", "remaining"),
        user=TEXT,
        texts={**list_of(TEXT), "description": "The spellings that were looked for."},
        at=MOMENT,
        dry_run={"type": "boolean"},
        **dict.fromkeys(("webhooks", "commands", "attempts", "keys", "quarantined", "replays"), WHOLE),
        left={**list_of(TEXT), "description": "Webhooks of which a command is on its way: ask again."},
        remaining={**WHOLE, "description": "Webhooks that name the person when all was done."},
    ),
    "Shadow": object_of(
        ("candidates", "items", "next"),
        candidates=list_of(
            object_of(
                ("candidate", "webhooks", "last_at", "rules"),
                candidate={"type": "string", "description": "The version of the shadow rules."},
                webhooks={**WHOLE, "description": "How many were compared."},
                last_at=MOMENT,
                rules=list_of(
                    object_of(
                        ("source", "rule", *DifferenceKind, "last_at"),
                        source=TEXT,
                        rule=TEXT,
                        last_at=MOMENT,
                        **kinds(),
                    )
                ),
            )
        ),
        items=list_of(
            object_of(
                ("candidate", "served", "at", "webhook", "source", "rule", "command", "kind", "paths"),
                candidate=TEXT,
                served={"type": "string", "description": "The version that made what there is."},
                at=MOMENT,
                webhook=TEXT,
                source=TEXT,
                rule=TEXT,
                command=TEXT,
                kind={"enum": list(DifferenceKind)},
                paths={**list_of(TEXT), "description": "What would change: body.order.total, not_before ..."},
            )
        ),
        next={"type": ["string", "null"]},
    ),
    "Diff": object_of(
        ("candidate", "compared", "differing", "not_compared", "counts", "rules", "items", "next"),
        candidate={"type": "string", "description": "The version of the candidate rules."},
        compared={**WHOLE, "description": "Webhooks."},
        differing={**WHOLE, "description": "Webhooks that would become something else."},
        not_compared={**WHOLE, "description": "Webhooks for which something would have to be fetched first."},
        counts=object_of(tuple(DifferenceKind), **kinds()),
        rules=list_of(
            object_of(("source", "rule", "command", *DifferenceKind), source=TEXT, rule=TEXT, command=TEXT, **kinds())
        ),
        items=list_of(ref("DifferingWebhook")),
        back_to={"type": ["string", "null"], "description": "When the oldest of those was received."},
        next={"type": ["string", "null"]},
    ),
    "DifferingWebhook": object_of(
        ("webhook", "source", "received_at", "state", "would_be", "differences"),
        webhook=TEXT,
        source=TEXT,
        received_at=MOMENT,
        event_type=TEXT,
        state={"enum": list(WebhookState)},
        would_be={"enum": list(WebhookState)},
        reason={"type": "string", "description": "Why it would be so; with values only."},
        errors={**list_of(ref("MappingProblem")), "description": "With values only."},
        differences=list_of(
            object_of(
                ("kind", "rule", "command", "destination"),
                kind={"enum": list(DifferenceKind)},
                rule=TEXT,
                command=TEXT,
                destination=TEXT,
                element={"type": "string", "description": "With values only."},
                user_id={"type": "string", "description": "With values only."},
                state={"enum": list(CommandState), "description": "Of one that appears."},
                body={"type": "object", "description": "Of one that appears; with values only."},
                changes=list_of(
                    object_of(
                        ("path",),
                        path={"type": "string", "description": "body.order.total, destination, not_before ..."},
                        was={"description": "Any JSON, with values only; absent where there was nothing."},
                        now={"description": "Any JSON, with values only; absent where there would be nothing."},
                    )
                ),
            )
        ),
    ),
    "Replay": object_of(
        ("replay", "began_at", "asked", "total", "done", "finished", "counts"),
        replay={"type": "string", "description": "Its id, for resume."},
        began_at=MOMENT,
        finished_at=MOMENT,
        asked={"type": "object"},
        total={**WHOLE, "description": "Webhooks that the filter found when it began."},
        done=WHOLE,
        finished={"type": "boolean"},
        counts={
            "type": "object",
            "additionalProperties": WHOLE,
            "description": "Webhooks, and commands created, replaced, withdrawn, kept, sent_again, not_done.",
        },
        problems=list_of(object_of(("id", "reason"), id=TEXT, reason=TEXT)),
        rules_version=TEXT,
    ),
    "ReplayCount": object_of(
        ("dry_run", "total", "older", "rate"),
        dry_run={"const": True},
        total=WHOLE,
        older={**WHOLE, "description": "Webhooks that are left out for their age."},
        rate={"type": "number", "description": "Commands a second."},
    ),
    "Acted": object_of(
        ("act", "dry_run", "count", "commands", "refused"),
        act={"enum": list(Act)},
        dry_run={"type": "boolean"},
        count=WHOLE,
        commands=list_of(
            object_of(
                ("id", "state", "command", "destination", "user_id"),
                id=TEXT,
                state={"enum": list(CommandState)},
                command=TEXT,
                destination=TEXT,
                user_id=TEXT,
            )
        ),
        refused=list_of(object_of(("id", "reason"), id=TEXT, reason=TEXT)),
    ),
    "Pause": object_of(
        ("scope", "name", "since", "by"),
        scope={"enum": list(PauseScope)},
        name={"type": "string", "description": "Of a rule: source/rule id."},
        since=MOMENT,
        by=TEXT,
        reason=TEXT,
        automatic={"type": "boolean", "description": "True: by the gateway, because the token is refused."},
    ),
    "Resumed": object_of(
        ("scope", "name", "preview", "resumed"),
        scope={"enum": list(PauseScope)},
        name=TEXT,
        preview={"type": "boolean"},
        resumed={"type": "boolean", "description": "False: it was not paused, or this is a preview."},
        paused={"type": "boolean", "description": "Of a preview: whether it is paused."},
        **{what: {**WHOLE, "description": f"Of a preview: commands that {told}."} for what, told in _FORESEEN},
        seconds={**WHOLE, "description": "Of a preview: how long those that go take at the destination's rate."},
        rules=list_of(
            object_of(
                ("source", "rule", "command", "go", "expire", "later"),
                source=TEXT,
                rule=TEXT,
                command=TEXT,
                **dict.fromkeys((what for what, _ in _FORESEEN), WHOLE),
            )
        ),
    ),
}
"""By name."""
