"""An accepted call, and how the platform's read API shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from gateway.intilery.contract import timestamp

decode = msgspec.json.Decoder(float_hook=Decimal).decode
"""JSON as it was sent, numbers exact."""


class Account(NamedTuple):
    """The three parts of an address."""

    client: str
    account: str
    brand: str

    def __str__(self) -> str:
        return "/".join(self)


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted call."""

    event_id: str
    account: str
    """``client/account/BRAND``."""
    action: str
    event: str
    """In lower case for a command, as it was sent for a plain event, else the action."""
    user_id: str
    """``userId``, or ``anonymousId`` where that stood for it."""
    message_id: str | None
    received_at: float
    """Seconds since the epoch, by the sandbox's clock."""
    raw: bytes
    reached: bool | None = None
    """Of a command: whether it reaches a customer. None for other calls."""
    why: str | None = None
    """Why it reaches nobody."""

    @property
    def body(self) -> dict[str, Any]:
        """The call's JSON, numbers exact."""
        decoded: dict[str, Any] = decode(self.raw)
        return decoded


def subject(call: Mapping[str, Any]) -> str:
    """The customer of a valid call."""
    return str(call.get("userId") or call["anonymousId"])


def shown(call: Call, *, message_id: bool) -> dict[str, Any]:
    """One event as a read shows it: ids, name, time of receipt, and the call's own fields; its messageId if wanted."""
    event = {
        **call.body,
        "eventId": call.event_id,
        "event": call.event,
        "receivedAt": timestamp(datetime.fromtimestamp(call.received_at, UTC)),
        "messageId": call.message_id or call.event_id,
    }
    if not message_id:
        del event["messageId"]
    return event
