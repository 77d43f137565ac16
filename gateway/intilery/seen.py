"""What the read API shows of a customer's events, and which of them is or looks like a call that was sent. Pure.

The documentation names the route and not the shape of its answer. So a list is taken where it is found, an event is
recognised by values wherever they stand, and where nothing is certain nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import chain, pairwise
from typing import Any, ClassVar

import msgspec

from gateway.intilery.answers import decoded

_TIMES = ("receivedAt", "timestamp", "createdAt", "sentAt", "time", "date")
"""Where an event may say when it was received, the best first. The documentation gives calls a ``timestamp`` that is
the server's clock where it is left out, and names no other."""
_UNCOMPARED = frozenset({"userId", "anonymousId", "event", "timestamp", "messageId", "context"})
"""Root keys of a call whose values may well be shown in another form, or are looked at in another way."""


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """An event that looks like a call."""

    at: datetime | None = None
    """When Intilery received it, where that can be read."""
    event_id: str | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the read API shows of a customer's newest events.

    The list is the answer itself, or its members that are lists. An event has the marker of a command where one of its
    values is it, and looks like a call where it shows the call's name and all that the call said.
    """

    MOST: ClassVar[int] = 100
    """Events in one answer."""

    events: tuple[dict[str, Any], ...] | None
    """None: the answer holds no list of events."""

    @property
    def readable(self) -> bool:
        """Whether the answer holds a list of events."""
        return self.events is not None

    @property
    def whole(self) -> bool:
        """Whether there are no older events than those shown."""
        return self.events is not None and len(self.events) < self.MOST

    def holds(self, marker: str) -> bool:
        """Whether an event was sent with this ``messageId``."""
        return self._find(marker) is not None

    def event_id(self, marker: str) -> str | None:
        """Intilery's own id of the event that was sent with this ``messageId``, where it shows one."""
        return _event_id(self._find(marker) or {})

    def like(self, body: bytes) -> tuple[Sight, ...]:
        """The events that look like a call, the newest first.

        One that shows another ``messageId`` than the call's is another call, and so is one that shows another
        ``timestamp`` than the call's own.
        """
        call = decoded(body)
        if not isinstance(call, dict):
            return ()
        return tuple(
            Sight(at=_received(event, call), event_id=_event_id(event))
            for event in self.events or ()
            if _looks_like(event, call)
        )

    def reaches(self, moment: datetime) -> bool:
        """Whether every event since ``moment`` is among those shown, as far as these are in the order of their time."""
        if self.whole:
            return True
        times = [_received(event, {}) for event in self.events or ()]
        known = [at for at in times if at is not None]
        if not known or len(known) < len(times) or any(later < earlier for later, earlier in pairwise(known)):
            return False
        return known[-1] < moment

    def _find(self, marker: str) -> dict[str, Any] | None:
        return next((event for event in self.events or () if _holds(event, marker)), None)


def events_of(body: bytes) -> Seen:
    """The events that an answer of the read API lists."""
    data = decoded(body)
    lists = [data] if isinstance(data, list) else list(data.values()) if isinstance(data, dict) else []
    found = [one for one in lists if isinstance(one, list) and all(isinstance(event, dict) for event in one)]
    return Seen(events=tuple(chain.from_iterable(found)) if found else None)


def _holds(event: dict[str, Any], marker: str) -> bool:
    if marker in event.values():
        return True
    return any(isinstance(value, dict) and marker in value.values() for value in event.values())


def _looks_like(event: Mapping[str, Any], call: Mapping[str, Any]) -> bool:
    marker, shown = call.get("messageId"), event.get("messageId")
    if marker is not None and shown is not None and shown != marker:
        return False
    happened, said = _moment(call.get("timestamp")), _moment(event.get("timestamp"))
    if happened is not None and said is not None and happened != said:
        return False
    name = str(call.get("event")).lower()
    if not any(isinstance(value, str) and value.lower() == name for value in event.values()):
        return False
    places = [event, *(value for value in event.values() if isinstance(value, dict))]
    return all(
        any(key in place and place[key] == value for place in places)
        for key, value in call.items()
        if key not in _UNCOMPARED
    )


def _received(event: Mapping[str, Any], call: Mapping[str, Any]) -> datetime | None:
    """When an event was received. A time that the call brought along says when something happened, not that."""
    times = (_moment(event.get(key)) for key in _TIMES if key not in call)
    return next((at for at in times if at is not None), None)


def _moment(value: Any) -> datetime | None:
    """ISO 8601 (UTC where it names no zone), or Unix time in seconds or milliseconds."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000 if value >= 100_000_000_000 else value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def _event_id(event: Mapping[str, Any]) -> str | None:
    found = event.get("eventId")
    return found if isinstance(found, str) and found else None
