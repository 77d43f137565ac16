"""Lengths of time, read and added."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.moments import duration
from gateway.rules.spans import Span, span
from gateway.rules.values import Unreadable

LONDON = ZoneInfo("Europe/London")

# Hypothesis takes naive bounds.
EARLIEST = datetime(1, 1, 2)  # noqa: DTZ001 - see above
LATEST = datetime(9999, 12, 30)  # noqa: DTZ001 - see above


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
        ("1w", timedelta(weeks=1)),
        ("-24h", timedelta(hours=-24)),
        ("+5m", timedelta(minutes=5)),
        ("1h30m", timedelta(hours=1, minutes=30)),
        ("-1d 12h", timedelta(days=-1, hours=-12)),
        (" 0s ", timedelta()),
    ],
)
def test_duration(text: str, length: timedelta) -> None:
    assert duration(text) == length


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90",
        "h",
        "1x",
        "1.5h",
        "1h 1h",
        "--1h",
        "1h-2m",
        "1 h x",
        "ten days",
        "1H",
        "-",
        "9" * 20 + "d",
        "99999999h",
        "PT1H",
    ],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(Unreadable, match=r"allowed|twice|hundred years"):
        duration(text)


def test_months_have_no_fixed_length() -> None:
    with pytest.raises(Unreadable, match="no fixed length"):
        duration("2mo")
    assert span("1y2mo3d") == Span(14, 3, 0)


@pytest.mark.parametrize(
    ("start", "length", "zone", "end"),
    [
        ("2026-03-28T10:00+00:00", "1d", LONDON, "2026-03-29T09:00+00:00"),
        ("2026-03-28T10:00+00:00", "24h", LONDON, "2026-03-29T10:00+00:00"),
        ("2026-03-28T10:00+00:00", "1d", None, "2026-03-29T10:00+00:00"),
        ("2026-10-25T10:00+00:00", "-1w", LONDON, "2026-10-18T09:00+00:00"),
        ("2026-01-31T12:00+00:00", "1mo", None, "2026-02-28T12:00+00:00"),
        ("2024-02-29T12:00+00:00", "1y", None, "2025-02-28T12:00+00:00"),
        ("2026-01-15T12:00+00:00", "-2mo", None, "2025-11-15T12:00+00:00"),
        # 01:30 does not exist on that day: it is read by the clock before.
        ("2026-03-28T01:30+00:00", "1d", LONDON, "2026-03-29T01:30+00:00"),
        ("2026-03-28T10:00+00:00", "1d2h", LONDON, "2026-03-29T11:00+00:00"),
    ],
)
def test_after(start: str, length: str, zone: ZoneInfo | None, end: str) -> None:
    assert span(length).after(datetime.fromisoformat(start), zone) == datetime.fromisoformat(end)


@given(
    st.datetimes(min_value=EARLIEST, max_value=LATEST),
    st.integers(-1200, 1200),
    st.integers(-36600, 36600),
)
def test_any_sum_is_a_moment_or_unreadable(naive: datetime, months: int, days: int) -> None:
    try:
        made = Span(months, days, 0).after(naive.replace(tzinfo=UTC), LONDON)
    except Unreadable:
        assert naive.year < 204 or naive.year > 9796
    else:
        assert made.utcoffset() == timedelta()
