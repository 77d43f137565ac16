"""Filters as people write them: the API's query parameters and the command line's options, by the same names."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from gateway.errors import UnreadableRequest
from gateway.model import CommandState, WebhookState
from gateway.quantities import length
from gateway.store import CommandFilter, WebhookFilter

MAX_LIMIT = 500

F = TypeVar("F", WebhookFilter, CommandFilter)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Which page of a list: at most ``limit`` rows behind ``cursor``."""

    limit: int = 50
    cursor: str | None = None


def moment(text: str, *, now: datetime) -> datetime:
    """``2026-01-05T10:00:00Z``, ``2026-01-05`` (UTC) or a length of time ago: ``2h``, ``7d``.

    :raises ValueError: the message says what is allowed.
    """
    try:
        return now - length(text)
    except ValueError:
        pass
    except OverflowError as error:
        raise ValueError("a length that ends after the year 1") from error
    try:
        # A plus sign that nobody encoded arrives as a space.
        found = datetime.fromisoformat(text.strip().replace(" ", "+") if "T" in text else text.strip())
    except ValueError as error:
        raise ValueError("a moment such as 2026-01-05T10:00:00Z, a day, or a length of time ago: 2h, 7d") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false", "1", "0"):
        raise ValueError("true, false")
    return text.lower() in ("true", "1")


def _state_of(states: type[WebhookState] | type[CommandState]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            return states(text.lower())
        except ValueError:
            raise ValueError(", ".join(states)) from None

    return read


# name as it is asked: (field of the filter, how it is read)
WEBHOOK_FILTERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "state": ("state", _state_of(WebhookState)),
    "errors": ("errors", _flag),
    "source": ("source", str),
    "type": ("event_type", str),
    "rule": ("rule", str),
    "rules_version": ("rules_version", str),
    "user": ("user", str),
    "since": ("since", str),
    "until": ("until", str),
    "text": ("text", str),
    "command_state": ("command_state", _state_of(CommandState)),
}
COMMAND_FILTERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "state": ("state", _state_of(CommandState)),
    "source": ("source", str),
    "destination": ("destination", str),
    "command": ("command", str),
    "rule": ("rule", str),
    "user": ("user", str),
    "webhook": ("webhook", str),
    "type": ("event_type", str),
    "rules_version": ("rules_version", str),
    "since": ("since", str),
    "until": ("until", str),
    "text": ("text", str),
}


def by_cause(asked: dict[str, str]) -> bool:
    """Whether ``group=cause`` was asked for; it is taken out of ``asked``.

    :raises UnreadableRequest: another grouping.
    """
    group = asked.pop("group", None)
    if group not in (None, "cause"):
        raise UnreadableRequest(f"group: {group[:80]!r} is not possible; allowed: cause")
    return group is not None


def webhook_filter(asked: Mapping[str, str], *, now: datetime) -> tuple[WebhookFilter, Asked]:
    """:raises UnreadableRequest: a name or a value that is not possible."""
    return _filter(WebhookFilter, WEBHOOK_FILTERS, asked, now=now)


def command_filter(asked: Mapping[str, str], *, now: datetime) -> tuple[CommandFilter, Asked]:
    """:raises UnreadableRequest: a name or a value that is not possible."""
    return _filter(CommandFilter, COMMAND_FILTERS, asked, now=now)


def page(asked: Mapping[str, str]) -> Asked:
    """Of a list that has no filters.

    :raises UnreadableRequest: a name or a value that is not possible.
    """
    if unknown := asked.keys() - {"limit", "cursor"}:
        raise UnreadableRequest(f"{min(unknown)} is no filter{_near(min(unknown), ())}")
    try:
        return Asked(limit=_limit(asked.get("limit", str(Asked().limit))), cursor=asked.get("cursor") or None)
    except ValueError as error:
        raise UnreadableRequest(f"limit: {asked['limit'][:80]!r} is not possible; allowed: {error}") from None


def _filter(
    kind: type[F],
    table: Mapping[str, tuple[str, Callable[[str], Any]]],
    asked: Mapping[str, str],
    *,
    now: datetime,
) -> tuple[F, Asked]:
    values: dict[str, Any] = {}
    limit = Asked().limit
    for name, text in asked.items():
        if name == "cursor":
            continue
        try:
            if name == "limit":
                limit = _limit(text)
            elif name in ("since", "until"):
                values[name] = moment(text, now=now)
            elif name in table:
                field, read = table[name]
                values[field] = read(text)
            else:
                raise UnreadableRequest(f"{name} is no filter{_near(name, table)}")
        except ValueError as error:
            raise UnreadableRequest(f"{name}: {text[:80]!r} is not possible; allowed: {error}") from None
    return kind(**values), Asked(limit=limit, cursor=asked.get("cursor") or None)


def _limit(text: str) -> int:
    if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= MAX_LIMIT:
        raise ValueError(f"1 to {MAX_LIMIT}")
    return int(text)


def _near(name: str, allowed: Iterable[str]) -> str:
    names = [*allowed, "limit", "cursor"]
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else f"; allowed: {', '.join(names)}"
