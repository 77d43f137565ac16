"""What the read API shows: which event is a call that was sent, which looks like it, how far back a list reaches."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.intilery.seen import Sight, events_of


@pytest.mark.parametrize(
    "body",
    [
        b'[{"eventId": "e-1", "messageId": "m-1"}, {"eventId": "e-2"}]',
        b'{"data": [{"eventId": "e-1", "messageId": "m-1"}]}',
        b'{"warnings": [], "data": [{"eventId": "e-1", "messageId": "m-1"}]}',
        b'{"next": null, "events": [{"eventId": "e-1", "message": {"id": "m-1"}}]}',
    ],
)
def test_an_event_is_found_by_its_marker_wherever_the_list_stands(body: bytes) -> None:
    seen = events_of(body)
    assert seen.readable
    assert seen.whole
    assert seen.holds("m-1")
    assert seen.event_id("m-1") == "e-1"
    assert not seen.holds("m-2")
    assert seen.event_id("m-2") is None


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b'"x"', b"{}", b'{"data": {}}', b"[1, 2]", b'{"a": [1]}'])
def test_an_answer_without_a_list_of_events_is_not_readable(body: bytes) -> None:
    seen = events_of(body)
    assert not seen.readable
    assert not seen.whole
    assert not seen.holds("m-1")


@pytest.mark.parametrize(("events", "whole"), [(0, True), (99, True), (100, False)])
def test_a_full_answer_may_go_on(events: int, whole: bool) -> None:
    assert events_of(b"[" + b",".join([b"{}"] * events) + b"]").whole is whole


def test_an_event_id_that_is_no_text_is_none() -> None:
    assert events_of(b'[{"eventId": 7, "messageId": "m-1"}]').event_id("m-1") is None


# Events that look like a call

CALL = b"""{"userId": "u", "event": "SEND_SMS", "assetId": "a", "messageId": "m-1", "number": 7,
    "order": {"total": 0.10, "lines": [1, 2]}}"""
EVENT = """{"event": "send_sms", "assetId": "a", "number": 7, "order": {"total": 0.10, "lines": [1, 2]}%s}"""
AT = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "at"),
    [
        (', "receivedAt": "2026-01-05T10:00:00.000Z"', AT),
        (', "receivedAt": "2026-01-05T11:00:00+01:00", "timestamp": "2020-01-01T00:00:00Z"', AT),
        (', "timestamp": "2026-01-05T10:00:00"', AT),
        (', "time": 1767607200', AT),
        (', "createdAt": 1767607200000', AT),
        (', "receivedAt": "yesterday", "sentAt": true', None),
        ("", None),
    ],
)
def test_an_event_that_shows_all_that_a_call_said_looks_like_it(more: str, at: datetime | None) -> None:
    seen = events_of(f"[{EVENT % more}]".encode())
    assert seen.like(CALL) == (Sight(at=at),)


def test_what_a_call_said_may_stand_one_level_down() -> None:
    event = b"""{"name": "send_sms", "eventId": "e-1", "properties": {"assetId": "a", "number": 7},
        "order": {"total": 0.1, "lines": [1, 2]}}"""
    assert events_of(b"[" + event + b"]").like(CALL) == (Sight(event_id="e-1"),)


@pytest.mark.parametrize(
    "event",
    [
        EVENT.replace("send_sms", "send_email") % "",
        EVENT.replace('"number": 7, ', "") % "",
        EVENT.replace("[1, 2]", "[2, 1]") % "",
        EVENT % ', "messageId": "m-2"',
        "{}",
    ],
)
def test_another_name_content_or_marker_is_another_call(event: str) -> None:
    assert events_of(f"[{event}]".encode()).like(CALL) == ()


def test_the_moment_that_a_call_brought_along_is_content_and_no_time_of_receipt() -> None:
    call = CALL.replace(b'"number"', b'"timestamp": "2026-01-05T10:00:00.000Z", "number"')
    event = EVENT % ', "timestamp": "2026-01-05T10:00:00Z"'
    assert events_of(f"[{event}]".encode()).like(call) == (Sight(at=None),)
    assert events_of(f"[{event.replace('10:00', '10:01')}]".encode()).like(call) == ()


def test_what_is_no_call_looks_like_nothing() -> None:
    assert events_of(f"[{EVENT % ''}]".encode()).like(b"[]") == ()


def test_a_full_answer_reaches_back_to_its_oldest_event() -> None:
    def full(*hours: int) -> bytes:
        times = [12] * (100 - len(hours)) + list(hours)
        return b"[" + b",".join(b'{"receivedAt": "2026-01-05T%02d:00:00Z"}' % hour for hour in times) + b"]"

    assert events_of(full(9)).reaches(AT)
    assert not events_of(full(10)).reaches(AT)
    assert not events_of(full(9, 10)).reaches(AT), "not in the order of time"
    assert not events_of(b"[" + b",".join([b"{}"] * 100) + b"]").reaches(AT)
    assert events_of(b"[]").reaches(AT)
