"""The store's rows as plain JSON values, in the shapes of the API. The API and the command line both come here.

Moments are ISO 8601 in UTC with milliseconds. What is None is left out, but for the keys that the API promises.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import msgspec

from gateway.admin.filters import Asked
from gateway.admin.versions import Versions
from gateway.errors import UnknownSource, Unparseable, UnreadableRequest
from gateway.inbound.arrival import retraced
from gateway.intilery.contract import timestamp
from gateway.model import Attempt, Command, CommandState, Fetched, Fetching, MappingProblem, Webhook, WebhookState
from gateway.rules import Translation
from gateway.rules.fetches import FetchRequest
from gateway.store import Cause, CommandFilter, Store, WebhookFilter

View = dict[str, Any]
"""A JSON object, its numbers exact."""

_NEVER_LEFT = frozenset({CommandState.SUPPRESSED, CommandState.EXPIRED, CommandState.CANCELLED})

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
encode = msgspec.json.Encoder(decimal_format="number").encode
"""The JSON bytes of a view."""


async def webhooks(store: Store, filter: WebhookFilter, asked: Asked) -> View:
    """``{"items": [webhook without headers and body], "next": cursor or null}``."""
    try:
        page = await store.webhooks(filter, limit=asked.limit, cursor=asked.cursor)
    except ValueError as error:  # a cursor that no list gave
        raise UnreadableRequest(str(error)) from error
    return {"items": [webhook_row(webhook) for webhook in page.items], "next": page.next}


async def commands(store: Store, filter: CommandFilter, asked: Asked) -> View:
    """``{"items": [command without attempts], "next": cursor or null}``."""
    try:
        page = await store.commands(filter, limit=asked.limit, cursor=asked.cursor)
    except ValueError as error:  # a cursor that no list gave
        raise UnreadableRequest(str(error)) from error
    return {"items": [command_row(command) for command in page.items], "next": page.next}


async def causes(store: Store, filter: WebhookFilter | CommandFilter, asked: Asked) -> View:
    """``{"items": [state, source, rule, cause, count, example, newest], "next": null}``, the most frequent first."""
    found = await store.causes(filter, limit=asked.limit)
    return {"items": [cause_row(cause) for cause in found], "next": None}


async def webhook(store: Store, versions: Versions, id: str) -> View:
    """One webhook with its request, its commands with their attempts, and the trace, computed now.

    The trace is that of the rules version that the webhook met; where that version can't be loaded any more,
    ``trace`` is empty and ``trace_missing`` says why.

    :raises NotFound: no such webhook.
    """
    found = await store.webhook(id)
    view = webhook_row(found)
    view["method"], view["path"], view["query"] = found.method, found.path, found.query
    view["headers"] = [list(header) for header in found.headers]
    view["body"], view["body_encoding"] = _body(found.body)
    fetching = await store.fetching(id)
    if fetching is not None:
        view["fetches"] = [fetched_row(one) for one in fetching.fetches]
        if found.state is WebhookState.FETCHING:
            view["next_try"] = timestamp(fetching.due_at or fetching.since)
    made: list[View] = []
    asked = Asked(limit=500)
    while True:
        page = await store.commands(CommandFilter(webhook=id), limit=asked.limit, cursor=asked.cursor)
        made += [await _command_with_attempts(store, command) for command in page.items]
        if page.next is None:
            break
        asked = Asked(limit=500, cursor=page.next)
    view |= await _trace(versions, found, fetching, {row["id"]: row for row in made})
    view["commands"] = made[::-1]
    return view


async def command(store: Store, id: str) -> View:
    """One command with its attempts.

    :raises NotFound: no such command.
    """
    return await _command_with_attempts(store, await store.command(id))


def tried(source: str, translation: Translation | Unparseable, fetches: Sequence[View] = ()) -> View:
    """What a payload would become: the shape of ``gateway try --json``. ``fetches`` is what would be asked first."""
    view = _tried(source, translation)
    return view | ({"fetches": list(fetches)} if fetches else {})


def wanted_row(request: FetchRequest, *, given: bool) -> View:
    """What would be fetched, and whether an answer was given in its place."""
    return present(
        {
            "name": request.fetch.name,
            "method": request.fetch.method,
            "url": request.shown,
            "with": request.credentials or None,
            "given": given,
        }
    )


def _tried(source: str, translation: Translation | Unparseable) -> View:
    if isinstance(translation, Unparseable):
        unreadable = MappingProblem(rule="", field="body", message=str(translation))
        return {
            "source": source,
            "state": "unparseable",
            "commands": [],
            "trace": [],
            "errors": [problem_row(unreadable)],
            "warnings": [],
        }
    return {
        "source": source,
        "state": translation.state.value,
        **({"reason": translation.reason} if translation.state is WebhookState.IGNORED else {}),
        "commands": [_tried_command(command) for command in translation.commands],
        "trace": trace_rows(translation),
        "errors": [problem_row(problem) for problem in translation.errors],
        "warnings": [problem_row(problem) for problem in translation.warnings],
    }


def webhook_row(webhook: Webhook) -> View:
    """A webhook as it stands in a list."""
    view = {
        "id": webhook.id,
        "source": webhook.source,
        "received_at": timestamp(webhook.received_at),
        "state": webhook.state.value,
        "reason": webhook.reason,
        "errors": [problem_row(problem) for problem in webhook.errors],
        "matched": list(webhook.matched),
        "dedup_key": webhook.dedup_key,
        "event_type": webhook.event_type,
        "event_time": _moment(webhook.event_time),
        "parsed": webhook.parsed or None,
        "batch": webhook.batch_id,
        "rules_version": webhook.rules_version,
        "repeats": webhook.repeats,
    }
    return present(view, always=("dedup_key", "event_type"))


def command_row(command: Command) -> View:
    """A command as it stands in a list."""
    return present(
        {
            "id": command.id,
            "webhook": command.webhook_id,
            "source": command.source,
            "rule": command.rule,
            "element": command.element or None,
            "command": command.command,
            "action": command.action,
            "destination": command.destination,
            "user_id": command.user_id,
            "state": command.state.value,
            "reason": command.reason,
            "body": _decode(command.body),
            "created_at": timestamp(command.created_at),
            "not_before": _moment(command.not_before),
            "expires_at": _moment(command.expires_at),
            "due_at": _moment(command.due_at),
            "finished_at": _moment(command.finished_at),
            "after": command.after,
            "intilery_event_id": command.intilery_event_id,
            "attempt_count": command.attempts,
        }
    )


def cause_row(cause: Cause) -> View:
    """Webhooks or commands that are in one state for one reason."""
    return {
        "state": cause.state,
        "source": cause.source,
        "rule": cause.rule,
        "cause": cause.cause,
        "count": cause.count,
        "example": cause.example,
        "newest": timestamp(cause.newest),
    }


def attempt_row(attempt: Attempt) -> View:
    """One try at delivering a command."""
    return present(
        {
            "at": timestamp(attempt.at),
            "status": attempt.status,
            "outcome": attempt.outcome.value,
            "message": attempt.message,
            "duration_ms": round(attempt.duration_ms, 1),
        }
    )


def fetched_row(fetched: Fetched) -> View:
    """One thing that was fetched: what was asked, how often, and what came."""
    view = {
        "name": fetched.name,
        "method": fetched.method,
        "url": fetched.url,
        "status": fetched.status,
        "at": _moment(fetched.at),
        "attempts": fetched.attempts,
        "missing": fetched.missing or None,
        "message": fetched.message,
    }
    return present(view) | ({} if fetched.answer is None else {"answer": _decode(fetched.answer)})


def problem_row(problem: MappingProblem) -> View:
    """Why a rule, or one element of it, made no command."""
    view = {"rule": problem.rule, "field": problem.field, "path": problem.path, "message": problem.message}
    return view | ({"element": problem.element} if problem.element else {})


def trace_rows(translation: Translation, became: Mapping[str, View] = MappingProxyType({})) -> list[View]:
    """What each rule did, in the order of the file; and which of its commands never left, by what they ``became``."""
    told = {command.id: command.reason for command in translation.commands}
    rows: list[View] = []
    for line in translation.trace:
        why = line.why
        for row in (became[id] for id in line.commands if id in became):
            if row["state"] in _NEVER_LEFT and row.get("reason") != told.get(row["id"]):
                why += f"; {row['command']} to '{row['user_id']}' was {row['state']}: {row.get('reason')}"
        rows.append({"rule": line.rule, "matched": line.matched, "why": why})
    return rows


async def _command_with_attempts(store: Store, command: Command) -> View:
    view = command_row(command)
    view["attempts"] = [attempt_row(attempt) for attempt in await store.attempts(command.id)]
    return view


async def _trace(versions: Versions, webhook: Webhook, fetching: Fetching | None, became: Mapping[str, View]) -> View:
    """``{"trace": [...], "trace_missing"?: why there is none, "warnings"?: [what filters could not read]}``."""
    if webhook.state is WebhookState.QUARANTINED:
        return _untraced("it failed authentication: no rule sees it before it is released")
    if webhook.state is WebhookState.FETCHING:
        return _untraced("what it points to is being fetched; its rules run when that is there")
    ruleset = await versions.ruleset(webhook.rules_version)
    if ruleset is None:
        return _untraced(f"rules version {webhook.rules_version or '(none)'} is not kept, or no longer loads")
    try:
        translation = retraced(ruleset, webhook, fetching=fetching)
    except UnknownSource as error:
        return _untraced(str(error))
    if translation is None:
        lacking = webhook.state is WebhookState.UNTRANSLATABLE and fetching is not None
        return _untraced("what it points to was not fetched") if lacking else {"trace": []}
    warnings = [problem_row(problem) for problem in translation.warnings]
    return {"trace": trace_rows(translation, became)} | ({"warnings": warnings} if warnings else {})


def _untraced(why: str) -> View:
    return {"trace": [], "trace_missing": why}


def _tried_command(command: Command) -> View:
    return present(
        {
            "rule": command.rule,
            "command": command.command,
            "destination": command.destination,
            "action": command.action,
            "body": _decode(command.body),
            "not_before": _moment(command.not_before),
            "expires_at": _moment(command.expires_at),
        }
    )


def _body(body: bytes) -> tuple[Any, str]:
    """A stored body as JSON can carry it, and how: ``json``, ``text`` or ``base64``."""
    try:
        return _decode(body), "json"
    except (ValueError, ArithmeticError, RecursionError):
        pass
    try:
        return body.decode(), "text"
    except UnicodeDecodeError:
        return base64.b64encode(body).decode(), "base64"


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)


def present(view: View, *, always: tuple[str, ...] = ()) -> View:
    return {key: value for key, value in view.items() if value is not None or key in always}
