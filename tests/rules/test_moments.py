"""What senders write for a moment, read or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from babel import Locale
from babel.localedata import locale_identifiers
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.moments import ENGLISH, iso, moment, read_moment
from gateway.rules.time_formats import read_time, reading_format, write_time, writing_format
from gateway.rules.values import Unreadable

LONDON = ZoneInfo("Europe/London")

# Hypothesis takes naive bounds.
EARLIEST = datetime(2, 1, 1)  # noqa: DTZ001 - see above
LATEST = datetime(9998, 12, 31)  # noqa: DTZ001 - see above
YEAR_1000 = datetime(1000, 1, 1)  # noqa: DTZ001 - see above
YEAR_1970 = datetime(1970, 1, 1)  # noqa: DTZ001 - see above
YEAR_2068 = datetime(2068, 12, 31)  # noqa: DTZ001 - see above


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-07-05T10:00:00Z", "2026-07-05T10:00:00.000Z"),
        ("2026-07-05t10:00:00z", "2026-07-05T10:00:00.000Z"),
        ("2026-07-05 10:00:00 UTC", "2026-07-05T10:00:00.000Z"),
        ("2026-07-05T10:00:00+0100", "2026-07-05T09:00:00.000Z"),
        ("2026-07-05T10:00:00 -05:30", "2026-07-05T15:30:00.000Z"),
        ("2026-07-05T10:00+01", "2026-07-05T09:00:00.000Z"),
        ("2026-07-05T10:00:00.5Z", "2026-07-05T10:00:00.500Z"),
        ("2026-07-05T10:00:00,123456789Z", "2026-07-05T10:00:00.123Z"),
        ("2026-07-05T10:00:00+01:00[Europe/London]", "2026-07-05T09:00:00.000Z"),
        ("20260705T100000Z", "2026-07-05T10:00:00.000Z"),
        ("2026-12-31T24:00:00Z", "2027-01-01T00:00:00.000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("  2026-07-05T10:00:00Z\n", "2026-07-05T10:00:00.000Z"),
        ("Sun, 05 Jul 2026 10:00:00 +0100", "2026-07-05T09:00:00.000Z"),
        ("5 Jul 2026 10:00 GMT", "2026-07-05T10:00:00.000Z"),
        ("Sun, 05 Jul 2026 10:00:00 -0700 (PDT)", "2026-07-05T17:00:00.000Z"),
        (1783245600, "2026-07-05T10:00:00.000Z"),
        ("1783245600", "2026-07-05T10:00:00.000Z"),
        (1783245600123, "2026-07-05T10:00:00.123Z"),
        ("1783245600123", "2026-07-05T10:00:00.123Z"),
        (Decimal("1783245600.25"), "2026-07-05T10:00:00.250Z"),
        (946684800, "2000-01-01T00:00:00.000Z"),
        (4102444799999, "2099-12-31T23:59:59.999Z"),
    ],
)
def test_read(written: Any, utc: str) -> None:
    at = moment(written)
    assert at.tzinfo is UTC
    assert iso(at) == utc


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("05/06/2024", "date\\(from: '%d/%m/%Y'\\)"),
        ("tomorrow", "ISO 8601"),
        ("", "nothing"),
        ("2026-02-30T10:00:00Z", "does not exist"),
        ("2026-07-05T25:00:00Z", "does not exist"),
        ("2026-07-05T24:01:00Z", "does not exist"),
        ("2026-07-05T10:00:00+24:00", "does not exist"),
        ("5 Jul 2026 10:00 BST", "does not exist"),
        ("5 Abc 2026 10:00 GMT", "does not exist"),
        ("0001-01-01T00:00:00+10:00", "years 1 to 9999"),
        (0, "2000 to 2100"),
        (946684799, "2000 to 2100"),
        (4102444800, "2000 to 2100"),
        (-1783245600, "2000 to 2100"),
        ("20260705", "2000 to 2100"),
        (1783245600123456, "2000 to 2100"),
        (Decimal("1e1000000"), "2000 to 2100"),
        (10**4000, "2000 to 2100"),
        ("1" * 10_000, "no time"),
        (True, "found|true is no time"),
        (None, "null"),
        ({"a": 1}, "an object with a"),
        ("2026-07-05T10:00:00", "time without a zone"),
        ("2026-07-05", "date without a zone"),
        ("5 Jul 2026 10:00", "without a zone"),
    ],
)
def test_refused(written: Any, words: str) -> None:
    with pytest.raises(Unreadable, match=words):
        moment(written)


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2026-07-05T10:00:00", "2026-07-05T09:00:00.000Z"),
        ("2026-07-05", "2026-07-04T23:00:00.000Z"),
        ("2026-07-05T10:00:00+03:00", "2026-07-05T07:00:00.000Z"),
        # Twice in autumn: the first. Skipped in spring: by the clock before.
        ("2026-10-25T01:30:00", "2026-10-25T00:30:00.000Z"),
        ("2026-03-29T01:30:00", "2026-03-29T01:30:00.000Z"),
    ],
)
def test_a_zone_places_what_names_none(written: str, utc: str) -> None:
    assert iso(moment(written, zone=LONDON)) == utc


@given(st.datetimes(min_value=EARLIEST, max_value=LATEST), st.integers(-1439, 1439))
def test_iso_round_trip(naive: datetime, minutes: int) -> None:
    sign, ahead = ("-" if minutes < 0 else "+"), abs(minutes)
    written = f"{naive.isoformat()}{sign}{ahead // 60:02}:{ahead % 60:02}"
    at = moment(written)
    assert at == datetime.fromisoformat(written)
    assert moment(iso(at)) == at.replace(microsecond=at.microsecond // 1000 * 1000)


@given(st.text() | st.from_regex(r"[0-9T:Z .+-]{0,40}", fullmatch=True) | st.integers() | st.decimals())
def test_anything_is_a_moment_or_unreadable(written: Any) -> None:
    try:
        assert moment(written, zone=LONDON).tzinfo is UTC
    except Unreadable as refused:
        assert "allowed" in str(refused) or "exist" in str(refused) or "years" in str(refused)  # noqa: PT017 - either is right


@pytest.mark.parametrize(
    ("written", "form", "locale", "at"),
    [
        ("05/06/2024", "%d/%m/%Y", "en", "2024-06-05T00:00:00"),
        ("5/6/24 3:07 pm", "%d/%m/%y %I:%M %p", "en", "2024-06-05T15:07:00"),
        ("12:00 am 1/1/2024", "%l:%M %P %d/%m/%Y", "en", "2024-01-01T00:00:00"),
        ("20240605", "%Y%m%d", "en", "2024-06-05T00:00:00"),
        ("6 mai 2024", "%e %B %Y", "fr", "2024-05-06T00:00:00"),
        ("6 May 2024", "%e %B %Y", "fr", "2024-05-06T00:00:00"),
        ("Montag, 6. Mai 2024", "%A, %d. %B %Y", "de", "2024-05-06T00:00:00"),
        ("20:12:59 Jan 13, 2009 PST", "%T %b %d, %Y %Z", "en", "2009-01-13T20:12:59-08:00"),
        ("2024-06-05 10:00:00.25 +0200", "%F %T.%L %z", "en", "2024-06-05T10:00:00.250000+02:00"),
        ("2024-157", "%Y-%j", "en", "2024-06-05T00:00:00"),
        ("@1717581600", "@%s", "en", "2024-06-05T10:00:00+00:00"),
        ("100% 2024-06-05", "100%% %F", "en", "2024-06-05T00:00:00"),
    ],
)
def test_reading_by_a_format(written: str, form: str, locale: str, at: str) -> None:
    assert read_time(written, reading_format(form), Locale.parse(locale))[0].isoformat() == at


def test_numbers_are_read_by_a_format_too() -> None:
    assert read_moment(20240605, form=reading_format("%Y%m%d")).at.date().isoformat() == "2024-06-05"


@pytest.mark.parametrize(
    "written", ["5-6-2024", "31/02/2024", "05/06/2024 x", "", None, ["05/06/2024"], True, "5" * 5000]
)
def test_what_a_format_does_not_read(written: Any) -> None:
    with pytest.raises(Unreadable, match="%d/%m/%Y"):
        moment(written, zone=LONDON, form=reading_format("%d/%m/%Y"))


@pytest.mark.parametrize(
    "form", ["%d/%m", "%H:%M", "%Y", "abc", "%d/%m/%Y %d", "%Y-%m-%d %I:%M", "%Y-%m-%d %q", "%", "%d/%m/%y%"]
)
def test_a_reading_format_is_checked_at_load(form: str) -> None:
    with pytest.raises(ValueError, match=r"allowed|twice|12-hour"):
        reading_format(form)


@pytest.mark.parametrize("form", ["", "abc", "%q", "%", "long ", "%5d", "x" * 300])
def test_a_writing_format_is_checked_at_load(form: str) -> None:
    with pytest.raises(ValueError, match=r"allowed|at most"):
        writing_format(form)


@given(st.datetimes(min_value=YEAR_1000))
def test_letters_write_as_strftime_does(naive: datetime) -> None:
    at = naive.replace(tzinfo=UTC)
    for letter in "YCymdejHkIlMSfuwUWVGBbAapzZ%":
        assert write_time(at, writing_format(f"%{letter} %Y"), ENGLISH) == at.strftime(f"%{letter} %Y"), letter


@given(st.datetimes(min_value=YEAR_1970, max_value=YEAR_2068))
def test_what_is_written_is_read_again(naive: datetime) -> None:
    at = naive.replace(microsecond=0, tzinfo=UTC)
    for form in ("%d/%m/%y %I:%M:%S %p %z", "%A, %e %B %Y %T %:z", "%s", "%Y%j %H%M%S %Z"):
        text = write_time(at, writing_format(form), ENGLISH)
        assert read_time(text, reading_format(form), ENGLISH)[0] == at, text


@pytest.mark.parametrize(
    ("form", "locale", "text"),
    [
        ("%-d %B %Y", "en", "3 July 2026"),
        ("%A %d %B", "fr", "vendredi 03 juillet"),
        ("long", "de", "3. Juli 2026"),
        ("short", "en-GB", "03/07/2026"),
        ("%^a %_d %l:%M%P", "en", "FRI  3  6:05pm"),
        ("%H:%M %:z %Z", "en", "18:05 +01:00 BST"),
        ("%L %f", "en", "007 007000"),
        ("100%% %F", "en", "100% 2026-07-03"),
    ],
)
def test_writing(form: str, locale: str, text: str) -> None:
    at = datetime(2026, 7, 3, 18, 5, 0, 7000, tzinfo=LONDON)
    assert write_time(at, writing_format(form), Locale.parse(locale, sep="-")) == text


def test_every_locale_reads_what_it_writes() -> None:
    at = datetime(2026, 7, 3, 18, 5, tzinfo=UTC)
    form = "%A %d %B %Y %I:%M %p"
    for name in sorted(locale_identifiers())[::7]:
        locale = Locale.parse(name)
        written = write_time(at, writing_format(form), locale)
        assert read_time(written, reading_format(form), locale)[0].replace(tzinfo=UTC) == at, (name, written)


def test_a_moment_is_the_same_for_any_zone_when_it_names_its_own() -> None:
    for zone in (None, LONDON, ZoneInfo("Pacific/Kiritimati")):
        assert moment("2026-07-05T10:00:00Z", zone=zone) == datetime(2026, 7, 5, 10, tzinfo=UTC)
    assert read_moment("2026-07-05T10:00:00+02:00").at.utcoffset() == timedelta(hours=2)
