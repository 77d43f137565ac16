"""Filters of times: reading them in any form, moving them, writing them for people."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale

from gateway.rules.filters.filter import Example, Param, bounded_text, register
from gateway.rules.moments import ENGLISH, iso, placed, read_moment
from gateway.rules.spans import Span
from gateway.rules.time_formats import TimeFormat, write_time
from gateway.rules.values import Unreadable, describe

_TIME = "a time: ISO 8601, Unix seconds or milliseconds, a mail date, or what 'from' says"


@register(
    "date",
    summary="A time, written as 'format' says, or as ISO 8601 in UTC without one. Without a zone it is written on the "
    "clock that the sender wrote; a date stays that date.",
    takes=_TIME,
    gives="text",
    params=(
        Param(
            name="format",
            kind="format",
            required=False,
            summary="how to write it: letters such as '%d %B %Y at %H:%M', or short, medium, long, full",
        ),
        Param(
            name="zone",
            kind="zone",
            required=False,
            summary="whose clock to write, and to read times without a zone by; the source's unless said",
        ),
        Param(
            name="locale",
            kind="locale",
            required=False,
            default=ENGLISH,
            summary="for names of months and days, 'en' unless said",
        ),
        Param(name="from", kind="reading", required=False, summary="how the input is written, such as '%d/%m/%Y'"),
        Param(
            name="from_zone",
            kind="zone",
            required=False,
            summary="whose clock the input was written by, where it says none; the source's, or 'zone', unless said",
        ),
    ),
    examples=(
        Example(
            expression="$.starts_at | date('%A %-d %B, %H:%M', 'Europe/London')",
            body={"starts_at": "2026-07-03T17:30:00Z"},
            result="Friday 3 July, 18:30",
        ),
        Example(
            expression="$.starts_at | date('long', locale: 'de')",
            body={"starts_at": 1767607200},
            result="5. Januar 2026",
        ),
        Example(
            expression="$.born | date(from: '%d/%m/%Y', format: '%Y-%m-%d')",
            body={"born": "05/06/1990"},
            result="1990-06-05",
        ),
        Example(
            expression="$.at | date(from: '%d/%m/%Y %H:%M', zone: 'Europe/London')",
            body={"at": "05/06/2026 18:30"},
            result="2026-06-05T17:30:00.000Z",
        ),
        Example(
            expression="$.at | date('%H:%M', 'America/New_York')",
            body={"at": "2026-06-05 18:30"},
            zone="Europe/London",
            result="13:30",
        ),
        Example(expression="$.at | date('%H:%M')", body={"at": "2026-06-05T18:30:00+02:00"}, result="18:30"),
        Example(expression="$.at | date('%H:%M')", body={"at": "2026-06-05T18:30:00"}, warns=True),
        Example(expression="$.at | date('%d %B')", body={"at": "05/06/2026"}, warns=True),
        Example(expression="$.at | date('%d %B')", body={"at": None}, warns=True),
    ),
)
def date(
    value: Any,
    form: TimeFormat | None,
    zone: ZoneInfo | None,
    locale: Locale,
    source_form: TimeFormat | None,
    source_zone: ZoneInfo | None,
) -> str:
    reading = read_moment(value, form=source_form, locale=locale)
    if reading.whole_day and form is not None and not form.needs_clock:
        return bounded_text(write_time(reading.at, form, locale))
    at = placed(reading, value, zone=source_zone or zone)
    if form is None:
        return iso(at)
    try:
        return bounded_text(write_time(at.astimezone(zone) if zone is not None else at, form, locale))
    except OverflowError:
        raise Unreadable(f"{describe(value)} is outside of the years 1 to 9999") from None


@register(
    "date_add",
    summary="A time moved by a length: s, m and h are elapsed time; d, w, mo and y move the calendar and keep the "
    "clock of the zone over a change of summer time (the 31st becomes a shorter month's last day).",
    takes="a time: ISO 8601, Unix seconds or milliseconds, a mail date",
    gives="text: ISO 8601 in UTC",
    params=(
        Param(name="length", kind="duration", summary="such as '-24h', '3d', '1w', '1h30m', '2mo'"),
        Param(
            name="zone",
            kind="zone",
            required=False,
            summary="whose calendar and clock; the source's unless said, else that of the time's own offset",
        ),
    ),
    examples=(
        Example(
            expression="$.starts_at | date_add('-24h')",
            body={"starts_at": "2026-01-05T10:00:00Z"},
            result="2026-01-04T10:00:00.000Z",
        ),
        Example(
            expression="$.starts_at | date_add('1d', 'Europe/London')",
            body={"starts_at": "2026-03-28T10:00:00Z"},
            result="2026-03-29T09:00:00.000Z",
        ),
        Example(
            expression="$.renewed | date_add('1mo')",
            body={"renewed": "2026-01-31T12:00:00Z"},
            result="2026-02-28T12:00:00.000Z",
        ),
        Example(expression="$.starts_at | date_add('3d')", body={"starts_at": "2026-01-05T10:00:00"}, warns=True),
    ),
)
def date_add(value: Any, length: Span, zone: ZoneInfo | None) -> str:
    return iso(length.after(placed(read_moment(value), value, zone=zone), zone))
