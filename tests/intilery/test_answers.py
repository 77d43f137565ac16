"""What an answer means: the table of the documentation, and the decisions where it is silent."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.backoff import LONGEST_WAIT, retry_after
from gateway.errors import DeliveryError, Refused, Throttled, Unauthorised, Unavailable, UnknownOutcome
from gateway.intilery.answers import LONGEST_MESSAGE, judge, message_of

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
MUTE = "with a body that does not say whether it succeeded"
REFUSAL = b'{"success": false, "message": "userId must not be empty"}'


def test_accepted_keeps_the_event_id() -> None:
    accepted = judge(200, b'{"success": true, "eventId": "7f7211bf-0000"}')
    assert (accepted.status, accepted.intilery_event_id, accepted.message) == (200, "7f7211bf-0000", None)


def test_accepted_without_an_event_id_is_accepted() -> None:
    assert judge(202, b'{"success": true, "eventId": 5}').intilery_event_id is None


@pytest.mark.parametrize(
    ("status", "body", "expected", "message"),
    [
        (200, REFUSAL, Refused, "userId must not be empty"),
        (200, b'{"success": false}', Refused, "Intilery answered 200 with success: false and no message"),
        (400, REFUSAL, Refused, "userId must not be empty"),
        (400, b"<html>", Refused, "Intilery answered 400 without a message"),
        (413, b"", Refused, "Intilery answered 413 without a message"),
        (422, None, Refused, "Intilery answered 422 without a message"),
        (401, REFUSAL, Unauthorised, "Intilery answered 401: userId must not be empty"),
        (403, b"", Unauthorised, "Intilery answered 403"),
        (404, b'{"error": {"code": "not_found", "message": "no"}}', Unauthorised, "Intilery answered 404: no"),
        (405, b"", Unauthorised, "Intilery answered 405"),
        (410, b"", Unauthorised, "Intilery answered 410"),
        (302, b"", Unauthorised, "Intilery answered 302, a redirect: the address is wrong"),
        (429, b"", Throttled, "Intilery answered 429"),
        (408, b"", Unavailable, "Intilery answered 408"),
        (500, b'{"error": "boom"}', Unavailable, "Intilery answered 500: boom"),
        (502, b"\xff\xfe", Unavailable, "Intilery answered 502"),
        (503, None, Unavailable, "Intilery answered 503"),
        (504, b"", Unavailable, "Intilery answered 504"),
        (599, b"", Unavailable, "Intilery answered 599"),
        (200, None, UnknownOutcome, "Intilery answered 200 with an answer that broke off"),
        (200, b"", UnknownOutcome, f"Intilery answered 200 {MUTE}"),
        (200, b"ok", UnknownOutcome, f"Intilery answered 200 {MUTE}"),
        (200, b"[" * 5000, UnknownOutcome, f"Intilery answered 200 {MUTE}"),
        (204, b'{"success": 1}', UnknownOutcome, f"Intilery answered 204 {MUTE}"),
    ],
)  # fmt: skip
def test_every_other_answer_is_an_error_of_its_class(
    status: int, body: bytes | None, expected: type[DeliveryError], message: str
) -> None:
    with pytest.raises(DeliveryError) as caught:
        judge(status, body)
    assert type(caught.value) is expected
    assert caught.value.message == message
    assert caught.value.status == status


@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_is_carried(status: int) -> None:
    with pytest.raises(DeliveryError) as caught:
        judge(status, b"", wait=7.0)
    assert caught.value.retry_after == 7.0


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", None, 120.0),
        (" 0 ", None, 0.0),
        ("1.5", None, 1.5),
        ("999999999", None, LONGEST_WAIT),
        ("Sun, 01 Mar 2026 12:00:30 GMT", None, 30.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", None, 0.0),
        ("Sun, 01 Mar 2036 11:00:00 GMT", None, LONGEST_WAIT),
        ("Sun, 01 Mar 2026 13:00:30 GMT", "Sun, 01 Mar 2026 13:00:00 GMT", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", "yesterday", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", None, 30.0),
        ("-5", None, None),
        ("soon", None, None),
        ("1e9", None, None),
        ("Sun, 99 Mar 2026 12:00:30 GMT", None, None),
        (None, None, None),
    ],
)
def test_retry_after(value: str | None, date: str | None, seconds: float | None) -> None:
    assert retry_after(value, date=date, now=NOW) == seconds


def test_a_message_is_made_printable_and_short_and_never_holds_the_token() -> None:
    body = b'{"message": "bad\\u0000\\ntoken s3cret-token ' + b"x" * 2000 + b'"}'
    message = message_of(body, secret="s3cret-token")
    assert message is not None
    assert message.startswith("bad token [token] xxx")
    assert len(message) == LONGEST_MESSAGE


@pytest.mark.parametrize("body", [b'{"message": 5}', b'{"message": ""}', b"[]", b'{"error": {}}', None])
def test_no_message_is_none(body: bytes | None) -> None:
    assert message_of(body) is None
