"""What PostgreSQL keeps otherwise than :mod:`gateway.store.rows` makes it: keys as digests, and what Intilery says as
bytes, since its text type refuses a NUL."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from gateway.model import Attempt, Command
from gateway.store import rows
from gateway.store.rows import ATTEMPT_COLUMNS, COMMAND_COLUMNS, Row, maybe_octets, maybe_text

DAY = 86_400_000_000
"""Microseconds."""
OPEN = -1
"""The part of the commands that are not finished."""
KEPT = 0
"""The part of what outlived its day."""
_EVENT = COMMAND_COLUMNS.split(", ").index("intilery_event_id")
_ATTEMPTS_EVENT = ATTEMPT_COLUMNS.split(", ").index("intilery_event_id")


def day_of(micros: int) -> int:
    """The part for what was received at a moment: days since 1970, in UTC."""
    return max(1, micros // DAY)


def likely_day(id: str) -> int:
    """The part that a webhook lies in, by the moment in its id (UUIDv7), or its command, whose id begins with that.

    Right for what was received when its id was made; else it is looked for in every part.
    """
    try:
        return day_of(int(id[:12], 16) * 1000)
    except ValueError:
        return KEPT


def digest(key: bytes) -> bytes:
    """A key as it is kept."""
    return hashlib.sha256(key).digest()


def is_text(value: str) -> bool:
    """Whether a text column could hold this; what it could not, nothing there is equal to."""
    return "\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value)


def command_row(row: Row) -> Row:
    """A command's row, as this store keeps it."""
    return _with(row, _EVENT, maybe_octets(row[_EVENT]))


def command(row: Sequence[Any]) -> Command:
    """From :data:`~gateway.store.rows.COMMAND_COLUMNS` and the body."""
    return rows.command(row if row[_EVENT] is None else _with(row, _EVENT, maybe_text(row[_EVENT])))


def attempt_row(attempt: Attempt) -> Row:
    row = rows.attempt_row(attempt)
    return _with(row, _ATTEMPTS_EVENT, maybe_octets(row[_ATTEMPTS_EVENT]))


def attempt(row: Sequence[Any]) -> Attempt:
    return rows.attempt(_with(row, _ATTEMPTS_EVENT, maybe_text(row[_ATTEMPTS_EVENT])))


def _with(row: Sequence[Any], index: int, value: Any) -> Row:
    return (*row[:index], value, *row[index + 1 :])
