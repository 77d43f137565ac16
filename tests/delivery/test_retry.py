"""Every class of result, every policy, and the three ways in which trying ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backoff import Backoff
from gateway.delivery.retry import decide, disliked, outcome_of, trying_since
from gateway.errors import (
    DeliveryError,
    NotSent,
    Refused,
    Throttled,
    Unauthorised,
    Unavailable,
    UnknownOutcome,
)
from gateway.model import Attempt, Command, CommandState, OnUnknown, Outcome

NOW = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Accepted(msgspec.Struct, frozen=True):
    status: int = 200
    intilery_event_id: str | None = "e-1"


def command(**changes) -> Command:
    values = {
        "id": "w-1",
        "webhook_id": "w",
        "source": "shop",
        "rule": "r",
        "command": "send_sms",
        "action": "track",
        "destination": "default",
        "user_id": "u",
        "body": b"{}",
        "state": CommandState.DELIVERING,
        "created_at": NOW,
        "attempts": 1,
    }
    return Command(**{**values, **changes})


def always(value: float):
    return lambda: value


def test_accepted_is_delivered():
    verdict = decide(Accepted(), command=command(), now=NOW, rng=always(0.5))
    assert verdict.state is CommandState.DELIVERED
    assert verdict.due_at is None


def test_refused_is_failed_with_the_message_as_it_came():
    verdict = decide(Refused("userId must not be empty", status=400), command=command(), now=NOW, rng=always(0.5))
    assert verdict.state is CommandState.FAILED
    assert verdict.reason == "userId must not be empty"


@pytest.mark.parametrize("error", [Unavailable("503", status=503), NotSent("refused"), Throttled("429", status=429)])
def test_trouble_is_retried_with_full_jitter(error: DeliveryError):
    waits = [
        (decide(error, command=command(attempts=n), now=NOW, rng=always(0.5)).due_at - NOW).total_seconds()
        for n in (1, 2, 3, 10, 11, 1000)
    ]
    assert waits == [0.5, 1, 2, 256, 300, 300]


@given(attempts=st.integers(0, 10_000), drawn=st.floats(0, 0.999999))
def test_the_wait_lies_between_nothing_and_the_cap(attempts: int, drawn: float):
    verdict = decide(Throttled("429"), command=command(attempts=attempts), now=NOW, rng=always(drawn))
    assert timedelta(0) <= verdict.due_at - NOW <= timedelta(minutes=10)


def test_retry_after_is_a_lower_bound_with_the_jitter_on_top():
    error = Unavailable("503", status=503, retry_after=30.0)
    assert decide(error, command=command(), now=NOW, rng=always(0.0)).due_at == NOW + timedelta(seconds=30)
    assert decide(error, command=command(), now=NOW, rng=always(0.5)).due_at == NOW + timedelta(seconds=30.5)


@pytest.mark.parametrize(("given_", "kept"), [(-7.0, 0.0), (86_400.0, 3600.0)])
def test_retry_after_is_bounded(given_: float, kept: float):
    verdict = decide(Throttled("429", retry_after=given_), command=command(), now=NOW, rng=always(0.0))
    assert (verdict.due_at - NOW).total_seconds() == kept


# -- giving up ---------------------------------------------------------------------------------------------------------


def test_the_last_attempt_is_at_the_limit_and_then_it_has_failed():
    late = command(created_at=NOW - 24 * HOUR + timedelta(seconds=2), attempts=20)
    error = Unavailable("503 Service Unavailable", status=503)
    verdict = decide(error, command=late, now=NOW, rng=always(0.9))
    assert verdict.state is CommandState.PENDING
    assert verdict.due_at == NOW + timedelta(seconds=2)
    verdict = decide(error, command=late, now=verdict.due_at, rng=always(0.9))
    assert verdict.state is CommandState.FAILED
    assert verdict.reason == "given up after 24 h and 20 attempts: 503 Service Unavailable"


def test_an_unknown_outcome_that_is_given_up_says_that_it_may_have_been_sent():
    old = command(created_at=NOW - 2 * HOUR)
    verdict = decide(
        UnknownOutcome("no answer"),
        command=old,
        now=NOW,
        rng=always(0.0),
        backoff=Backoff(give_up_after=timedelta(minutes=90)),
    )
    assert verdict.state is CommandState.FAILED
    assert verdict.reason == "given up after 1.5 h and 1 attempt; it may have been sent: no answer"


def test_the_limit_counts_from_when_a_delayed_command_could_leave():
    delayed = command(created_at=NOW - 1000 * HOUR, not_before=NOW - HOUR)
    assert decide(NotSent("no"), command=delayed, now=NOW, rng=always(0.0)).state is CommandState.PENDING


def test_the_limit_counts_from_since_where_it_is_given():
    old = command(created_at=NOW - 1000 * HOUR)
    assert decide(NotSent("no"), command=old, now=NOW, rng=always(0.0)).state is CommandState.FAILED
    kept = decide(NotSent("no"), command=old, now=NOW, rng=always(0.0), since=NOW - HOUR)
    assert kept.state is CommandState.PENDING


@pytest.mark.parametrize("error", [Throttled("429"), Unauthorised("401")])
def test_what_says_nothing_of_the_command_never_uses_up_its_time(error: DeliveryError):
    old = command(created_at=NOW - 1000 * HOUR, attempts=500)
    assert decide(error, command=old, now=NOW, rng=always(0.0)).state is CommandState.PENDING


def attempt(hours: float, outcome: Outcome) -> Attempt:
    return Attempt(number=1, at=NOW + hours * HOUR, outcome=outcome)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([], 99),
        ([Outcome.UNAVAILABLE, Outcome.NOT_SENT], 0),
        ([Outcome.THROTTLED, Outcome.UNKNOWN], 1),
        ([Outcome.UNAVAILABLE, Outcome.UNAUTHORISED, Outcome.NOT_SENT], 2),
        ([Outcome.UNAVAILABLE, Outcome.UNAUTHORISED], 99),
    ],
)
def test_trying_since_skips_what_was_not_the_commands_fault(outcomes: list[Outcome], expected: int):
    attempts = [attempt(hour, outcome) for hour, outcome in enumerate(outcomes)]
    assert trying_since(attempts, otherwise=NOW + 99 * HOUR) == NOW + expected * HOUR


# -- the destination's fault -------------------------------------------------------------------------------------------


def test_unauthorised_is_due_at_once_for_the_destination_waits():
    verdict = decide(Unauthorised("401: no rights", status=401), command=command(), now=NOW, rng=always(0.9))
    assert verdict.state is CommandState.PENDING
    assert verdict.due_at == NOW
    assert verdict.reason == "401: no rights"


def test_refused_again_it_lets_others_be_the_next_trial():
    error = Unauthorised("401: no rights", status=401)
    again = decide(error, command=command(attempts=3), now=NOW, rng=always(0.5))
    assert again.due_at == NOW + timedelta(seconds=1)
    often = decide(error, command=command(attempts=40), now=NOW, rng=always(0.99))
    assert often.due_at == NOW + timedelta(minutes=1)


def test_a_disliked_command_is_held_with_what_was_said():
    verdict = disliked(Unauthorised("403: blocked.", status=403), command())
    assert verdict.state is CommandState.HELD
    assert "403: blocked; something in front" in verdict.reason
    assert verdict.reason.endswith("; gateway retry w-1 sends it again, gateway cancel w-1 drops it")


# -- unknown outcomes --------------------------------------------------------------------------------------------------


def test_an_unknown_outcome_is_retried_where_the_rule_says_so():
    verdict = decide(
        UnknownOutcome("no answer in 30 s"),
        command=command(on_unknown=OnUnknown.RETRY, attempts=3),
        now=NOW,
        rng=always(0.5),
    )
    assert verdict.state is CommandState.PENDING
    assert verdict.due_at == NOW + timedelta(seconds=2)


@pytest.mark.parametrize("expires_at", [None, NOW - HOUR])
def test_an_unknown_outcome_is_looked_up_later_where_the_rule_says_so(expires_at: datetime | None):
    verdict = decide(
        UnknownOutcome("no answer in 30 s."),
        command=command(on_unknown=OnUnknown.VERIFY, expires_at=expires_at),
        now=NOW,
        rng=always(0.5),
        look_up_after=timedelta(seconds=61),
    )
    assert verdict.state is CommandState.UNKNOWN
    assert verdict.due_at == NOW + timedelta(seconds=61)
    assert verdict.reason == "outcome unknown: no answer in 30 s; it will be looked up"


@pytest.mark.parametrize("expires_at", [None, NOW - HOUR])
def test_an_unknown_outcome_is_held_for_a_person_where_the_rule_says_so(expires_at: datetime | None):
    verdict = decide(
        UnknownOutcome("no answer in 30 s."),
        command=command(on_unknown=OnUnknown.HOLD, expires_at=expires_at),
        now=NOW,
        rng=always(0.5),
    )
    assert verdict.state is CommandState.HELD
    assert verdict.due_at is None
    assert verdict.reason == (
        "outcome unknown: no answer in 30 s; if it arrived: gateway settle w-1 --delivered; "
        "if not: gateway settle w-1 --not-delivered, which sends it again"
    )


def test_an_error_of_no_known_class_is_an_unknown_outcome():
    assert outcome_of(DeliveryError("what?")) is Outcome.UNKNOWN


# -- expiry ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [Unavailable("503"), NotSent("no"), Throttled("429"), Unauthorised("401"), UnknownOutcome("lost")]
)
def test_what_expired_is_not_tried_again(error: DeliveryError):
    verdict = decide(error, command=command(expires_at=NOW), now=NOW, rng=always(0.0))
    assert verdict.state is CommandState.EXPIRED
    assert error.message in verdict.reason


def test_a_retry_that_would_come_too_late_expires_now_and_frees_the_line():
    late = command(expires_at=NOW + timedelta(seconds=10))
    verdict = decide(Unavailable("503", retry_after=10.0), command=late, now=NOW, rng=always(0.0))
    assert verdict.state is CommandState.EXPIRED
    soon = decide(Unavailable("503", retry_after=9.0), command=late, now=NOW, rng=always(0.0))
    assert soon.state is CommandState.PENDING


def test_a_refusal_stays_a_refusal_after_the_expiry():
    verdict = decide(Refused("no such asset"), command=command(expires_at=NOW - HOUR), now=NOW, rng=always(0.0))
    assert verdict.state is CommandState.FAILED
