"""The model's nouns as rows, and back: the same for both stores.

Times are integers, microseconds since 1970 in UTC; text out of payloads is bytes (UTF-8, lone surrogates passed
through); lists are JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from gateway.model import (
    Attempt,
    Command,
    CommandState,
    MappingProblem,
    OnUnknown,
    Outcome,
    RulesVersion,
    Webhook,
    WebhookState,
)
from gateway.terms import Limit, Once, QuietHours, Same

Row = tuple[Any, ...]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
_encoder = msgspec.json.Encoder()


def micros(moment: datetime) -> int:
    """``moment``, which is aware, as microseconds since 1970."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def maybe_micros(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


def moment(micros: int) -> datetime:
    return EPOCH + timedelta(microseconds=micros)


def maybe_moment(micros: int | None) -> datetime | None:
    return None if micros is None else moment(micros)


def octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def maybe_octets(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogatepass")


def text(octets: bytes) -> str:
    return octets.decode("utf-8", "surrogatepass")


def maybe_text(octets: bytes | None) -> str | None:
    return None if octets is None else octets.decode("utf-8", "surrogatepass")


def dumped(value: Any) -> bytes:
    """JSON. Half an emoji, which msgspec refuses, is written as its escape."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), separators=(",", ":")).encode()


def loaded(octets: bytes) -> Any:
    try:
        return msgspec.json.decode(octets)
    except msgspec.DecodeError:
        return json.loads(octets)


WEBHOOK_COLUMNS = (
    "id, source, received_at, method, path, query, headers, state, matched, dedup_key, event_type, rules_version, "
    "repeats, parsed, body, errors, reason, event_time, batch_id"
)
WEBHOOK_FILLED = WEBHOOK_COLUMNS.split(", ").index("errors")
"""From here on most webhooks have NULL."""


def webhook_row(webhook: Webhook) -> Row:
    """In the order of :data:`WEBHOOK_COLUMNS`.

    Every webhook comes through here, so it is written out: an enum's ``value`` costs two calls in Python 3.11.
    """
    return (
        webhook.id,
        webhook.source,
        micros(webhook.received_at),
        webhook.method,
        octets(webhook.path),
        octets(webhook.query),
        dumped(webhook.headers),
        webhook.state._value_,
        dumped(webhook.matched),
        None if webhook.dedup_key is None else octets(webhook.dedup_key),
        None if webhook.event_type is None else octets(webhook.event_type),
        webhook.rules_version,
        webhook.repeats,
        int(webhook.parsed),
        webhook.body,
        dumped(webhook.errors) if webhook.errors else None,
        None if webhook.reason is None else octets(webhook.reason),
        None if webhook.event_time is None else micros(webhook.event_time),
        webhook.batch_id,
    )


def webhook(row: Sequence[Any]) -> Webhook:
    """From :data:`WEBHOOK_COLUMNS`."""
    (
        id, source, received_at, method, path, query, headers, state, matched, dedup_key, event_type, rules_version,
        repeats, parsed, body, errors, reason, event_time, batch_id,
    ) = row  # fmt: skip
    return Webhook(
        id=id,
        source=source,
        received_at=moment(received_at),
        method=method,
        path=text(path),
        query=text(query),
        headers=tuple((name, value) for name, value in loaded(headers)),
        body=body,
        parsed=bool(parsed),
        batch_id=batch_id,
        state=WebhookState(state),
        errors=() if errors is None else tuple(MappingProblem(**problem) for problem in loaded(errors)),
        reason=maybe_text(reason),
        matched=tuple(loaded(matched)),
        dedup_key=maybe_text(dedup_key),
        event_type=maybe_text(event_type),
        event_time=maybe_moment(event_time),
        rules_version=rules_version,
        repeats=repeats,
    )


COMMAND_COLUMNS = (
    "id, webhook_id, source, rule, element, command, action, destination, user_id, created_at, on_unknown, priority, "
    "state, attempts, due_at, not_before, expires_at, after_id, reason, intilery_event_id, finished_at, retried_at, "
    "terms"
)
COMMAND_FILLED = COMMAND_COLUMNS.split(", ").index("not_before")
"""From here on most new commands have NULL."""
DESTINATION, USER_ID, DUE_AT = map(COMMAND_COLUMNS.split(", ").index, ("destination", "user_id", "due_at"))


def command_row(command: Command, *, due_at: datetime | None) -> Row:
    """In the order of :data:`COMMAND_COLUMNS`, which leave out the body."""
    return (
        command.id,
        command.webhook_id,
        command.source,
        command.rule,
        octets(command.element),
        command.command,
        command.action,
        command.destination,
        octets(command.user_id),
        micros(command.created_at),
        command.on_unknown._value_,
        command.priority,
        command.state._value_,
        command.attempts,
        None if due_at is None else micros(due_at),
        None if command.not_before is None else micros(command.not_before),
        None if command.expires_at is None else micros(command.expires_at),
        command.after,
        None if command.reason is None else octets(command.reason),
        command.intilery_event_id,
        None if command.finished_at is None else micros(command.finished_at),
        None if command.retried_at is None else micros(command.retried_at),
        _terms_row(command),
    )


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What governs a command besides its body, in one column: few commands have any."""

    once: Once | None = None
    limit: Limit | None = None
    quiet: QuietHours | None = None
    name: str | None = None
    same: Same | None = None


_NO_TERMS = Terms()


def _terms_row(command: Command) -> bytes | None:
    governed_by = (command.once, command.limit, command.quiet, command.name, command.same)
    if governed_by == (None, None, None, None, None):
        return None
    return dumped(
        Terms(once=command.once, limit=command.limit, quiet=command.quiet, name=command.name, same=command.same)
    )


def _terms(octets: bytes | None) -> Terms:
    return _NO_TERMS if octets is None else msgspec.convert(loaded(octets), Terms)


def command(row: Sequence[Any]) -> Command:
    """From :data:`COMMAND_COLUMNS` and the body."""
    (
        id, webhook_id, source, rule, element, command, action, destination, user_id, created_at, on_unknown, priority,
        state, attempts, due_at, not_before, expires_at, after, reason, intilery_event_id, finished_at, retried_at,
        governed_by, body,
    ) = row  # fmt: skip
    terms = _terms(governed_by)
    return Command(
        id=id,
        webhook_id=webhook_id,
        source=source,
        rule=rule,
        element=text(element),
        command=command,
        action=action,
        destination=destination,
        user_id=text(user_id),
        body=body,
        state=CommandState(state),
        reason=maybe_text(reason),
        created_at=moment(created_at),
        not_before=maybe_moment(not_before),
        expires_at=maybe_moment(expires_at),
        after=after,
        on_unknown=OnUnknown(on_unknown),
        priority=priority,
        attempts=attempts,
        due_at=maybe_moment(due_at),
        intilery_event_id=intilery_event_id,
        finished_at=maybe_moment(finished_at),
        retried_at=maybe_moment(retried_at),
        once=terms.once,
        limit=terms.limit,
        quiet=terms.quiet,
        name=terms.name,
        same=terms.same,
    )


ATTEMPT_COLUMNS = "number, at, outcome, status, message, duration_ms, intilery_event_id"


def attempt_row(attempt: Attempt) -> Row:
    """In the order of :data:`ATTEMPT_COLUMNS`."""
    return (
        attempt.number,
        micros(attempt.at),
        attempt.outcome.value,
        attempt.status,
        maybe_octets(attempt.message),
        attempt.duration_ms,
        attempt.intilery_event_id,
    )


def attempt(row: Sequence[Any]) -> Attempt:
    """From :data:`ATTEMPT_COLUMNS`."""
    number, at, outcome, status, message, duration_ms, intilery_event_id = row
    return Attempt(
        number=number,
        at=moment(at),
        outcome=Outcome(outcome),
        status=status,
        message=maybe_text(message),
        duration_ms=duration_ms,
        intilery_event_id=intilery_event_id,
    )


VERSION_COLUMNS = "version, loaded_at, revision"


def rules_version(row: Sequence[Any], files: dict[str, str]) -> RulesVersion:
    """From :data:`VERSION_COLUMNS`."""
    version, loaded_at, revision = row
    return RulesVersion(version=version, files=files, loaded_at=moment(loaded_at), revision=revision)
