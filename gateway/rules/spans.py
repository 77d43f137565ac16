"""Lengths of time as rules write them: ``30m``, ``2h``, ``7d``, ``-24h``, ``1h30m``, ``2mo``."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from gateway.rules.values import Unreadable

_UNITS = {"y": "year", "mo": "month", "w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_PART = re.compile(r"([0-9]{1,9})\s*(mo|[ywdhms])\s*")
_ALLOWED = "allowed: numbers with s, m, h, d or w, such as '90s', '30m', '1h30m', '7d', '-24h'"
MAX_DAYS = 36_600
"""A hundred years: what is longer is a mistake."""


class Span(msgspec.Struct, frozen=True):
    """A length of time in three measures that don't convert: months vary, and a day has 23 or 25 hours twice a year."""

    months: int = 0
    days: int = 0
    seconds: int = 0

    def after(self, moment: datetime, zone: ZoneInfo | None = None) -> datetime:
        """``moment`` moved by this span, as an aware datetime in UTC.

        Months and days move the calendar and keep the wall clock of ``zone`` (without one: of the moment's own
        offset); the 31st becomes the last day of a shorter month. Hours, minutes and seconds are elapsed time.

        :raises Unreadable: the result is outside the years 1 to 9999.
        """
        try:
            if self.months or self.days:
                local = moment.astimezone(zone) if zone is not None else moment
                month = local.year * 12 + local.month - 1 + self.months
                year, month = month // 12, month % 12 + 1
                if not 1 <= year <= 9999:
                    raise OverflowError
                day = min(local.day, calendar.monthrange(year, month)[1])
                moment = local.replace(year=year, month=month, day=day) + timedelta(days=self.days)
            return moment.astimezone(UTC) + timedelta(seconds=self.seconds)
        except (OverflowError, ValueError):
            raise Unreadable("the time moved outside of the years 1 to 9999") from None


def span(text: str) -> Span:
    """Read a length of time, months (``mo``) and years (``y``) included.

    :raises Unreadable: it is not one, or is over a hundred years.
    """
    stripped = text.strip()
    sign = -1 if stripped.startswith("-") else 1
    rest = stripped.lstrip("+-") if stripped[1:2] not in ("+", "-") else stripped
    amounts: dict[str, int] = {}
    position = 0
    while position < len(rest) and (found := _PART.match(rest, position)):
        if found[2] in amounts:
            raise Unreadable(f"'{text[:40]}' says {_UNITS[found[2]]}s twice; {_ALLOWED}")
        amounts[found[2]] = int(found[1])
        position = found.end()
    if not amounts or position < len(rest):
        raise Unreadable(f"'{text[:40]}' is no length of time; {_ALLOWED}")
    months = amounts.get("y", 0) * 12 + amounts.get("mo", 0)
    days = amounts.get("w", 0) * 7 + amounts.get("d", 0)
    seconds = sum(amounts.get(unit, 0) * length for unit, length in _SECONDS.items())
    if months > 1200 or days > MAX_DAYS or seconds > MAX_DAYS * 86_400:
        raise Unreadable(f"'{text[:40]}' is over a hundred years")
    return Span(sign * months, sign * days, sign * seconds)


def duration(text: str) -> timedelta:
    """Read a length of elapsed time; here a day is 24 hours and a week seven days.

    :raises Unreadable: it is not one, or it says months or years, which have no fixed length.
    """
    read = span(text)
    if read.months:
        raise Unreadable(f"'{text[:40]}' says months or years, which have no fixed length; {_ALLOWED}")
    return timedelta(days=read.days, seconds=read.seconds)
