"""What Intilery's tracking API accepts: the calls, their fields, their limits, the address.

The facts are those of Intilery's public API documentation (tracking API: server-side calls, commands, identify).
Nothing here does I/O, and nothing here knows rules: it says what a valid call is, to those who make calls (rules),
send them (client) and stand in for the platform (sandbox).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

SEND_COMMANDS = ("send_email", "send_sms", "send_print", "send_push")
COMMANDS = (*SEND_COMMANDS, "start_journey")
"""The five commands: calls of action ``track`` that do something to a customer."""
CALLS = (*COMMANDS, "track", "identify")
"""Everything that a rule can make: the commands, a plain event, an identify."""

MAX_BODY = 1_000_000
"""Bytes. Documented as 1 MB in one place and 6 MB in another: the smaller one is checked before sending."""

MAX_BATCH_CALL = 32_000
"""Bytes of one call in a batch."""

RESERVED_TRAITS = frozenset(
    {
        "address", "age", "avatar", "birthday", "company", "createdAt", "description", "email", "firstName", "gender",
        "id", "lastName", "marketingPreferences", "name", "phone", "title", "username", "website",
    }
)  # fmt: skip
"""Traits that every account has; any other must be validated in the platform's schema before it is recorded."""

NOT_A_USER = frozenset({"", "0", "null", "none", "undefined", "[object object]"})
"""What a broken sender writes where a customer's id should stand (compared in lower case)."""


_ZERO = re.compile(r"-?0+(?:\.0+)?\Z")


class Fields(msgspec.Struct, frozen=True, kw_only=True):
    """The shape of one call's body."""

    required: tuple[str, ...]
    """Dotted paths that must hold something."""
    optional: tuple[str, ...] = ()
    own: frozenset[str] = frozenset()
    """Root keys that mean something to the platform: they come from their own key, never out of merged data."""
    free: bool = False
    """Whether any other root key is allowed (merge tags)."""
    objects: tuple[str, ...] = ()
    """Root keys that must be objects."""


_ENVELOPE = frozenset({"userId", "event", "timestamp", "messageId"})
_SEND = Fields(required=("userId", "assetId"), optional=("timestamp",), own=_ENVELOPE | {"assetId"}, free=True)

FIELDS: Mapping[str, Fields] = {
    **dict.fromkeys(SEND_COMMANDS, _SEND),
    "start_journey": Fields(
        required=("userId", "properties.journeyIdToTrigger"),
        optional=("properties.stepIdToTrigger", "timestamp"),
        own=_ENVELOPE | {"properties"},
        free=True,
        objects=("properties",),
    ),
    "track": Fields(
        required=("userId", "event"),
        optional=("anonymousId", "properties", "context", "timestamp"),
        own=_ENVELOPE | {"anonymousId", "properties", "context"},
        objects=("properties", "context"),
    ),
    "identify": Fields(
        required=("userId",),
        optional=("anonymousId", "traits", "context", "timestamp"),
        own=_ENVELOPE | {"anonymousId", "traits", "context"},
        objects=("traits", "context"),
    ),
}
"""By call. In ``identify`` and ``track``, ``anonymousId`` may stand for ``userId``."""


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """One account or brand at Intilery: where its calls go, how fast, and the codes that rules name."""

    name: str
    client_id: str
    account_id: str
    brand_id: str
    auth_token: str
    """The name of the credential that holds the token (``INTILERY_AUTH_TOKEN``), never the token."""
    url: str = "https://tracking.intilery.com"
    rate: float = 100.0
    """Requests a second."""
    burst: int = 500
    assets: Mapping[str, str] = msgspec.field(default_factory=dict)
    journeys: Mapping[str, str] = msgspec.field(default_factory=dict)
    test_user: str | None = None
    """A customer's id: every command goes to this one instead."""
    allow: frozenset[str] | None = None
    """Customers' ids: only these are sent to."""
    disabled: str | None = None
    """Why nothing can be sent there (no client id is set); its commands wait."""

    @property
    def tests(self) -> bool:
        """Whether only some customers may be reached there."""
        return self.test_user is not None or self.allow is not None

    def refuses(self, user_id: str) -> str | None:
        """Why a customer may not be reached there, or None. The words hold no id: they are logged."""
        if self.test_user is not None and user_id != self.test_user:
            return f"the destination '{self.name}' has a test_user, and this is for another customer"
        if self.allow is not None and user_id not in self.allow:
            return f"its customer is not in allow of the destination '{self.name}'"
        return None

    def endpoint(self, action: str) -> str:
        """The URL that calls of an action are posted to."""
        return f"{self.url.rstrip('/')}/track/{self.client_id}/{self.account_id}/{self.brand_id}/v1/{action}"


def action_of(call: str) -> str:
    """The last part of the URL for a call."""
    return "identify" if call == "identify" else "track"


def user_id(value: Any) -> str | None:
    """``value`` as the contract wants a customer's id, a string, or None where it is no id.

    Accepts text and whole or decimal numbers; refuses what a broken sender writes for nobody (:data:`NOT_A_USER`).
    """
    if type(value) is int:
        return str(value) if value else None
    if isinstance(value, str):
        text = value
    elif isinstance(value, Decimal):
        text = format(value, "f")
    else:
        return None
    bare = text.strip()
    if bare.lower() in NOT_A_USER or _ZERO.match(bare):
        return None
    return text if bare.isprintable() or any(map(str.isprintable, bare)) else None


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and ``Z``: ``2019-11-18T13:30:11.444Z``. ``moment`` is aware."""
    at = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(body: Mapping[str, Any]) -> bytes:
    """The JSON bytes of a call. Numbers are exact: a Decimal is written digit by digit, not through a float."""
    return _encoder.encode(body)


_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_SUBJECT = "userId or anonymousId must not be empty"
_PAGE = Fields(required=("userId",), objects=("properties", "context"))


def violations(action: str, body: Any) -> str | None:
    """What the platform objects to in a call, in the manner of its messages (``userId must not be empty``), or None.

    ``body`` is the decoded JSON that was posted to ``action``: ``track``, ``identify``, ``page``, ``screen`` or
    ``batch``. The first objection only, as the platform gives it. What the documentation leaves open is judged
    strictly (a ``userId`` that is a number, a time that is not ISO 8601 in UTC), so that a doubtful call is noticed.
    """
    if not isinstance(body, dict):
        return "body must be a JSON object"
    if action == "batch":
        return _batch_violation(body)
    return _call_violation(action, body)


def _call_violation(action: str, body: Mapping[str, Any]) -> str | None:
    command = False
    if action == "track":
        if (problem := _text_violation(body, "event")) is not None:
            return problem
        call = body["event"].lower()
        command = call in COMMANDS
        fields = FIELDS[call if command else "track"]
    elif action == "identify":
        if body.get("event", "identify") != "identify":
            return "event must be identify"
        fields = FIELDS["identify"]
    else:
        fields = _PAGE
    if command or body.get("userId") is not None:
        subject = _text_violation(body, "userId")
    elif body.get("anonymousId") is not None:
        subject = _text_violation(body, "anonymousId")
    else:
        subject = _SUBJECT
    if subject is not None:
        return subject
    for key in fields.objects:
        if not isinstance(body.get(key, {}), dict):
            return f"{key} must be an object"
    for path in fields.required:
        if path not in ("userId", "event") and (problem := _text_violation(body, path)) is not None:
            return problem
    if "messageId" in body and (problem := _text_violation(body, "messageId")) is not None:
        return problem
    if "timestamp" in body and not _is_timestamp(body["timestamp"]):
        return "timestamp must be ISO-8601 in UTC, like 2019-11-18T13:30:11.444Z"
    return None


def _batch_violation(body: Mapping[str, Any]) -> str | None:
    calls = body.get("batch")
    if not isinstance(calls, list) or not calls:
        return "batch must be a list of calls"
    for index, call in enumerate(calls):
        where = f"batch[{index}]"
        if not isinstance(call, dict):
            return f"{where} must be an object"
        if len(encode(call)) > MAX_BATCH_CALL:
            return f"{where} must not be over {MAX_BATCH_CALL} bytes"
        if (problem := _text_violation(call, "event")) is not None:
            return f"{where}.{problem}"
        event = call["event"]
        if event.lower() in COMMANDS:
            return f"{where}.event must not be a command: {event} goes to track, one request each"
        if (problem := _call_violation("identify" if event == "identify" else "track", call)) is not None:
            return f"{where}.{problem}"
    return None


def _text_violation(body: Mapping[str, Any], path: str) -> str | None:
    value: Any = body
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or value == "":
        return f"{path} must not be empty"
    if not isinstance(value, str):
        return f"{path} must be a string"
    return f"{path} must not be empty" if value.isspace() else None


def _is_timestamp(value: Any) -> bool:
    if not isinstance(value, str) or _TIMESTAMP.fullmatch(value) is None:
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
