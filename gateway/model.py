"""The nouns that travel: a webhook, the commands made of it, and the attempts at delivering them.

All are frozen; a change makes a new one (``msgspec.structs.replace``). Moments are aware datetimes in UTC.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
import uuid_utils

from gateway.terms import Limit, Once, QuietHours, Same


class WebhookState(StrEnum):
    """What became of a webhook when it was translated."""

    FETCHING = "fetching"
    """It waits for data that it points to."""
    TRANSLATED = "translated"
    """At least one command was made; ``errors`` counts the rules (or elements) that failed beside it."""
    UNMATCHED = "unmatched"
    """No rule matched."""
    UNPARSEABLE = "unparseable"
    """It is authentic, and its body can't be read."""
    UNTRANSLATABLE = "untranslatable"
    """Rules matched, and none could make a command of it."""
    IGNORED = "ignored"
    """The source says that such webhooks are of no interest."""
    QUARANTINED = "quarantined"
    """It failed authentication."""


class CommandState(StrEnum):
    """Where a command stands on its way."""

    WAITING = "waiting"
    """For its time, or for the identify before it."""
    PENDING = "pending"
    """In its customer's line."""
    DELIVERING = "delivering"
    """Leased by a dispatcher; durable before the first byte leaves."""
    DELIVERED = "delivered"
    """Accepted by Intilery."""
    FAILED = "failed"
    """Refused for good, or given up after the retry limit."""
    HELD = "held"
    """A person decides."""
    UNKNOWN = "unknown"
    """It was written and no answer came; being looked up."""
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"
    DRY_RUN = "dry_run"
    CANCELLED = "cancelled"


FINAL_STATES = frozenset(
    {
        CommandState.DELIVERED,
        CommandState.FAILED,
        CommandState.EXPIRED,
        CommandState.SUPPRESSED,
        CommandState.DRY_RUN,
        CommandState.CANCELLED,
    }
)
"""Nothing more happens to a command in one of these by itself."""


class Outcome(StrEnum):
    """How one attempt ended. The classes are those of intilery.md."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNAUTHORISED = "unauthorised"
    THROTTLED = "throttled"
    UNAVAILABLE = "unavailable"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"


class OnUnknown(StrEnum):
    """What a rule says of a command that was written and not answered."""

    RETRY = "retry"
    """Send it again: the customer may get it twice."""
    HOLD = "hold"
    """Keep it for a person to settle."""
    VERIFY = "verify"
    """Look it up in the customer's profile before deciding."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """What a source sent, as it was received, and what became of it."""

    id: str
    """32 hex digits (UUIDv7), so ids sort by the time of receipt."""
    source: str
    received_at: datetime
    method: str = "POST"
    path: str = ""
    """Behind ``/hooks/{source}``, without the leading slash."""
    query: str = ""
    """The raw query string."""
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case, in the order of arrival; credentials are taken out."""
    body: bytes = b""
    """The raw body, decompressed."""
    parsed: bool = False
    """The body is the parsed value as exact JSON, not the sender's bytes: something in it was redacted, or it is one
    element of a batch. It is read as JSON whatever the content type says."""
    batch_id: str | None = None
    """Where it is one element of a batch: the same for all that came in one request."""
    batch: bytes | None = None
    """The whole body of that request as JSON, where rules read ``$batch``. Lists leave it out."""
    state: WebhookState = WebhookState.UNMATCHED
    errors: tuple[MappingProblem, ...] = ()
    reason: str | None = None
    """Why it is unparseable, ignored or quarantined, in words."""
    matched: tuple[str, ...] = ()
    """The ids of the rules that matched, in the order of the file."""
    dedup_key: str | None = None
    event_type: str | None = None
    event_time: datetime | None = None
    """When it happened at the sender."""
    rules_version: str = ""
    repeats: int = 0
    """How often the sender has repeated it."""


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a thin webhook points to: what was asked, and what came."""

    name: str
    """Read by rules as ``$fetch.NAME``."""
    url: str
    """Its secrets by name, never by value: ``https://api.example.com/orders/7?key=$env.KEY``."""
    method: str = "GET"
    digest: str = ""
    """Of the whole request: a replay uses the answer where it would ask the same."""
    status: int | None = None
    """Of the last attempt, where an answer came."""
    at: datetime | None = None
    """The last attempt, or the moment at which an answer that was kept for others served this one too."""
    attempts: int = 0
    """How many were made; 0 where a kept answer served."""
    message: str | None = None
    """Why there is no answer (yet)."""
    missing: bool = False
    """It is not there (404): final, and missing for the rules."""
    answer: bytes | None = None
    """The JSON that came."""


class Fetching(msgspec.Struct, frozen=True, kw_only=True):
    """How far the fetching of what a webhook points to has come."""

    since: datetime
    """When it began: the receipt, or a replay. The time to give up counts from here."""
    due_at: datetime | None = None
    """With a webhook that is ``fetching``: the next try; None: now."""
    fetches: tuple[Fetched, ...] = ()
    """In the order in which they were begun."""


class MappingProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One reason why a rule (or one element of it) made no command."""

    rule: str
    field: str = ""
    path: str = ""
    message: str
    element: str = ""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One call to Intilery, its body encoded once when it was translated."""

    id: str
    """Also sent as ``messageId``; see :func:`command_id`."""
    webhook_id: str
    source: str
    rule: str
    """The rule's id."""
    element: str = ""
    """The identity of the ``for_each`` element, or empty."""
    command: str
    """``send_email``, ``send_sms``, ``send_print``, ``send_push``, ``start_journey``, ``identify`` or ``track``."""
    action: str
    """The last part of the URL: ``track`` or ``identify``."""
    destination: str
    user_id: str
    """The customer whose line it joins: ``userId``, or ``anonymousId`` where that stands for it."""
    body: bytes
    """The JSON that is sent."""
    state: CommandState = CommandState.PENDING
    reason: str | None = None
    """Why it is held, failed, suppressed, expired or cancelled, in words."""
    created_at: datetime
    not_before: datetime | None = None
    expires_at: datetime | None = None
    after: str | None = None
    """The id of the identify that must be accepted first; ``gap`` then passes before this one is due."""
    on_unknown: OnUnknown = OnUnknown.RETRY
    priority: int = 0
    """Higher leaves first among what is due; 0 is normal."""
    attempts: int = 0
    """How many attempts have begun."""
    due_at: datetime | None = None
    """When it may be claimed next: its time, or the next retry."""
    intilery_event_id: str | None = None
    finished_at: datetime | None = None
    retried_at: datetime | None = None
    """When a person last had it sent again: the time to give it up counts anew."""
    once: Once | None = None
    limit: Limit | None = None
    quiet: QuietHours | None = None
    name: str | None = None
    """A later command of this name, from the same source, replaces it while it waits."""
    same: Same | None = None
    """Of an identify: it is suppressed where the last one of its customer said the same."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try at delivering a command."""

    number: int
    """1 for the first."""
    at: datetime
    outcome: Outcome
    status: int | None = None
    """HTTP status, where an answer came."""
    message: str | None = None
    duration_ms: float = 0.0
    intilery_event_id: str | None = None


def new_webhook_id() -> str:
    """A fresh id: 32 hex digits of a UUIDv7 (RFC 9562), ordered by time."""
    return uuid_utils.uuid7().hex


def command_id(webhook_id: str, rule: str, element: str, command: str) -> str:
    """The id of a command, derived from its identity, so that translating a webhook again names the same command.

    The webhook's id, a dash and 12 hex digits of a digest over rule, element and command.
    """
    identity = f"{rule}\x00{element}\x00{command}".encode("utf-8", "surrogatepass")
    return f"{webhook_id}-{hashlib.blake2b(identity, digest_size=6).hexdigest()}"


class RulesVersion(msgspec.Struct, frozen=True, kw_only=True):
    """One loaded set of rules: its text is kept, so that a trace can be computed long after."""

    version: str
    """12 hex digits over all the texts."""
    files: dict[str, str]
    """Relative path to text, of every file that the set was made of (rules, tables, destinations)."""
    loaded_at: datetime
    revision: str | None = None
    """The git revision of the folder, where there is one."""


JSON = Any
"""A plain JSON value: None, bool, int, Decimal, str, list or dict with str keys. Never float: see payloads."""
