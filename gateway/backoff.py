"""When to try again: exponential backoff with full jitter, and what ``Retry-After`` asks for. Pure.

*Full jitter* is the term and the reason of the AWS Architecture Blog ("Exponential Backoff And Jitter", 2015): the
wait is drawn evenly between nothing and ``base * 2 ** (attempt - 1)``, at most ``cap``, so that what failed together
does not come back together.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import msgspec

LONGEST_WAIT = 86_400.0
"""Seconds. A longer ``Retry-After`` is read as this: nothing is retried for longer than a day."""

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]+)?")


class Backoff(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait between the attempts, and when to stop."""

    base: timedelta = timedelta(seconds=1)
    cap: timedelta = timedelta(minutes=10)
    give_up_after: timedelta = timedelta(hours=24)
    """Counted from the first attempt that failed for the other side's or the network's sake."""


def jittered(attempts: int, rng: Callable[[], float], backoff: Backoff) -> timedelta:
    """The wait after so many attempts that failed. ``rng`` gives numbers from 0 to below 1."""
    exponent = min(max(attempts, 1) - 1, 32)
    return min(backoff.cap, backoff.base * (1 << exponent)) * rng()


def retry_after(value: str | None, *, date: str | None, now: datetime) -> float | None:
    """Seconds to wait by a ``Retry-After`` header: seconds or an HTTP date (RFC 9110, 10.2.3). None where unreadable.

    A date is measured from the answer's own ``Date`` where it has one, so that the two clocks need not agree.
    """
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), LONGEST_WAIT)
    until = _http_date(value)
    if until is None:
        return None
    since = (_http_date(date) if date else None) or now
    return min(max((until - since).total_seconds(), 0.0), LONGEST_WAIT)


def _http_date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
