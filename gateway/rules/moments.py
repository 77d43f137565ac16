"""Moments: what senders write for a point in time, read to an aware datetime, or refused with the reason.

Read are ISO 8601 (with ``T`` or a space, any fraction, any offset), Unix times in seconds or milliseconds (numbers, or
text of digits), the dates of mail (RFC 5322, formerly 2822), and any other form by an explicit format. A time without a
zone is read only where the caller knows the zone; ``05/06/2024`` only where it knows the format.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec
from babel import Locale

from gateway.rules.spans import duration as duration
from gateway.rules.time_formats import MAX_INPUT, ZONE_NAMES, TimeFormat, offset_zone, read_time
from gateway.rules.values import Unreadable, as_number, as_text, describe

ENGLISH: Final = Locale.parse("en")
FORMS: Final = (
    "allowed: ISO 8601 such as 2026-01-05T10:00:00Z, Unix seconds or milliseconds, "
    "a mail date such as Mon, 05 Jan 2026 10:00:00 +0000, or another form with date(from: '%d/%m/%Y')"
)

_PLAIN_LENGTH = 32
_FIRST = 946_684_800  # 2000-01-01T00:00:00Z
_LAST = 4_102_444_800  # 2100-01-01T00:00:00Z
_DIGITS = re.compile(r"-?[0-9]+(?:\.[0-9]+)?\Z")
_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:(?:[Tt]|[ ]{1,2})([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"(?:[ ]?([Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)(?:\[[A-Za-z0-9_+/=-]{1,64}\])?)?)?\Z"
)
# The commonest form by far, which fromisoformat reads as quickly as it can be read.
_PLAIN = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})\Z"
)
_ISO_BASIC = re.compile(
    r"([0-9]{4})([0-9]{2})([0-9]{2})T([0-9]{2})([0-9]{2})(?:([0-9]{2})(?:[.,]([0-9]+))?)?"
    r"([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?\Z"
)
_MAIL = re.compile(
    r"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s+)?([0-9]{1,2})[ -]([A-Za-z]{3})[ -]([0-9]{4})\s+"
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\s*([+-][0-9]{4}|[A-Z]{1,4}))?(?:\s*\([^()]*\))?\Z",
    re.IGNORECASE,
)
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}


class Reading(msgspec.Struct, frozen=True):
    """A time as it was written."""

    at: datetime
    """Aware, with the offset that was written; naive where none was."""
    whole_day: bool = False
    """Whether it is a date without a time of day (``at`` is its midnight)."""


def moment(
    value: Any, *, zone: ZoneInfo | None = None, form: TimeFormat | None = None, locale: Locale = ENGLISH
) -> datetime:
    """A point in time, as an aware datetime in UTC.

    ``zone`` is for times that name none: a date is its midnight there; of an hour that comes twice in autumn the first
    is meant, an hour that is skipped in spring is read as by the clock before. ``form`` is for other forms.

    :raises Unreadable: it is no time, or has no zone; the message says what was found and what is allowed.
    """
    if form is None and type(value) is str and len(value) <= _PLAIN_LENGTH and _PLAIN.match(value):
        try:
            return datetime.fromisoformat(value).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # 24:00, a leap second, an offset of 90 minutes: read below, or refused in words
    return placed(read_moment(value, form=form, locale=locale), value, zone=zone).astimezone(UTC)


def placed(reading: Reading, value: Any, *, zone: ZoneInfo | None) -> datetime:
    """The reading as an aware datetime, in ``zone`` where it names none.

    :raises Unreadable: neither names a zone, or the moment is outside of the years 1 to 9999 in UTC.
    """
    at = reading.at
    if at.tzinfo is None:
        if zone is None:
            raise Unreadable(
                f"{describe(value)} is a {'date' if reading.whole_day else 'time'} without a zone; "
                "say zone: Europe/London for the source, or date(zone: 'Europe/London')"
            )
        at = at.replace(tzinfo=zone)
    try:
        at.astimezone(UTC)
    except OverflowError:
        raise Unreadable(f"{describe(value)} is outside of the years 1 to 9999") from None
    return at


def read_moment(value: Any, *, form: TimeFormat | None = None, locale: Locale = ENGLISH) -> Reading:
    """Read a time as it is written, without asking for a zone.

    :raises Unreadable: see :func:`moment`.
    """
    if isinstance(value, datetime):
        return Reading(value)
    if form is not None:
        text = as_text(value)
        if text is None or isinstance(value, bool):
            raise Unreadable(f"{describe(value)} is no time; it takes text of the form '{form.text}'")
        return Reading(*read_time(text, form, locale))
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _unix(value, value)
    if not isinstance(value, str):
        raise Unreadable(f"{describe(value)} is no time; {FORMS}")
    text = value.strip()
    if not text or len(text) > MAX_INPUT:
        raise Unreadable(f"{describe(value)} is no time; {FORMS}")
    if _DIGITS.match(text):
        return _unix(Decimal(text), value)
    try:
        if found := _ISO.match(text) or _ISO_BASIC.match(text):
            return _iso(*found.groups())
        if found := _MAIL.match(text):
            return _mail(*found.groups())
    except (ValueError, OverflowError):
        raise Unreadable(f"{describe(value)} names a day, a time or an offset that does not exist") from None
    raise Unreadable(f"{describe(value)} is no time that can be read; {FORMS}")


def iso(at: datetime) -> str:
    """ISO 8601 in UTC with milliseconds and ``Z``: ``2019-11-18T13:30:11.444Z``. ``at`` is aware."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _unix(number: int | Decimal, value: Any) -> Reading:
    bounded = as_number(number)
    for per_second in (1, 1000):
        if bounded is not None and _FIRST * per_second <= bounded < _LAST * per_second:
            whole, rest = divmod(bounded * (1_000_000 // per_second), 1_000_000)
            return Reading(datetime.fromtimestamp(int(whole), UTC).replace(microsecond=int(rest)))
    raise Unreadable(
        f"{describe(value)} is no Unix time of 2000 to 2100, neither in seconds nor in milliseconds; {FORMS}"
    )


def _iso(
    year: str, month: str, day: str, hour: str | None, minute: str | None, second: str | None,
    fraction: str | None, offset: str | None,
) -> Reading:  # fmt: skip
    if hour is None or minute is None:
        return Reading(datetime(int(year), int(month), int(day)), True)  # noqa: DTZ001 - no zone was written
    zone = None if offset is None else UTC if offset in ("UTC", "GMT") else offset_zone(offset)
    microsecond = int((fraction or "0")[:6].ljust(6, "0"))
    # 24:00 is the day's end (ISO 8601), and :60 a leap second, which no clock here knows.
    later = timedelta()
    if (hour, minute) == ("24", "00") and int(second or 0) == 0 and not int(fraction or 0):
        hour, later = "00", timedelta(days=1)
    if second == "60":
        second, microsecond, later = "59", 0, timedelta(seconds=1)
    at = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), microsecond, tzinfo=zone)
    return Reading(at + later)


def _mail(
    day: str, month: str, year: str, hour: str, minute: str, second: str | None, zone: str | None
) -> Reading:  # fmt: skip
    number = _MONTHS.get(month.lower())
    if number is None:
        raise ValueError(month)
    tz: timezone | None = None
    if zone is not None and zone[0] in "+-":
        tz = offset_zone(zone)
    elif zone is not None:
        tz = timezone(timedelta(hours=ZONE_NAMES[zone.upper()])) if zone.upper() in ZONE_NAMES else None
        if tz is None:
            raise ValueError(zone)
    at = datetime(int(year), number, int(day), int(hour), int(minute), int(second or 0), tzinfo=tz)
    return Reading(at)
