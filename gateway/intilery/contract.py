"""What Intilery's tracking API accepts: the calls, their fields, their limits, the address.

The facts are those of Intilery's public API documentation (tracking API: server-side calls, commands, identify).
Nothing here does I/O, and nothing here knows rules: it says what a valid call is, to those who make calls (rules),
send them (client) and stand in for the platform (sandbox).
"""

from __future__ import annotations

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

RESERVED_TRAITS = frozenset(
    {
        "address", "age", "avatar", "birthday", "company", "createdAt", "description", "email", "firstName", "gender",
        "id", "lastName", "marketingPreferences", "name", "phone", "title", "username", "website",
    }
)  # fmt: skip
"""Traits that every account has; any other must be validated in the platform's schema before it is recorded."""

NOT_A_USER = frozenset({"", "0", "null", "none", "undefined", "[object object]"})
"""What a broken sender writes where a customer's id should stand (compared in lower case)."""


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
_SEND = Fields(
    required=("userId", "assetId"), optional=("timestamp",), own=_ENVELOPE | {"assetId"}, free=True
)

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
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, int) and not isinstance(value, bool):
        text = str(value)
    elif isinstance(value, Decimal):
        text = format(value, "f")
    else:
        return None
    return None if text.lower() in NOT_A_USER else text


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and ``Z``: ``2019-11-18T13:30:11.444Z``. ``moment`` is aware."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


_encoder = msgspec.json.Encoder(decimal_format="number")


def encode(body: Mapping[str, Any]) -> bytes:
    """The JSON bytes of a call. Numbers are exact: a Decimal is written digit by digit, not through a float."""
    return _encoder.encode(body)
