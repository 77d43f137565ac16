"""What each finding of a lookup means for its command."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.backoff import Backoff
from gateway.delivery.verify import (
    Absent,
    Failed,
    Finding,
    Found,
    Inconclusive,
    conclude,
    customer_of,
    missing,
    resembling,
    sent_since,
    twins,
)
from gateway.errors import NotSent, Throttled, Unavailable
from gateway.intilery.seen import Sight
from gateway.model import Attempt, Command, CommandState, OnUnknown, Outcome
from gateway.store import Verdict

NOW = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """Events without the marker."""

    readable: bool = True
    whole: bool = True

    def holds(self, marker: str) -> bool:
        return False

    def event_id(self, marker: str) -> str | None:
        return None

    def like(self, body: bytes) -> tuple[Sight, ...]:
        return ()

    def reaches(self, moment: datetime) -> bool:
        return self.whole


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
        "body": b'{"userId": "u"}',
        "state": CommandState.UNKNOWN,
        "created_at": NOW - MINUTE,
        "attempts": 1,
        "on_unknown": OnUnknown.VERIFY,
    }
    return Command(**{**values, **changes})


def concluded(finding: Finding, *, asked: datetime = NOW - MINUTE, rng: float = 0.0, **changes) -> Verdict:
    return conclude(
        finding,
        command=command(**changes),
        asked=asked,
        now=NOW,
        rng=lambda: rng,
        backoff=Backoff(),
        first=MINUTE,
        since=NOW - MINUTE,
    )


def test_found_is_delivered():
    assert concluded(Found(intilery_event_id="e")) == Verdict(state=CommandState.DELIVERED)


def test_absent_goes_again_with_backoff():
    verdict = concluded(Absent(), attempts=3, rng=0.5)
    assert (verdict.state, verdict.due_at) == (CommandState.PENDING, NOW + timedelta(seconds=2))
    assert "not among the customer's events" in verdict.reason


def test_absent_and_too_late_expires():
    assert concluded(Absent(), expires_at=NOW).state is CommandState.EXPIRED


def test_inconclusive_is_held_and_says_what_to_do():
    verdict = concluded(Inconclusive("nobody knows"))
    assert verdict.state is CommandState.HELD
    assert verdict.reason == (
        "outcome unknown; the lookup is inconclusive: nobody knows; if it arrived: gateway settle w-1 --delivered; "
        "if not: gateway settle w-1 --not-delivered, which sends it again"
    )


@pytest.mark.parametrize(
    ("passed", "wait"),
    [(MINUTE, timedelta(seconds=30)), (10 * MINUTE, 5 * MINUTE), (60 * MINUTE, 10 * MINUTE)],
)
def test_a_lookup_that_failed_is_made_again_after_half_of_what_has_passed(passed: timedelta, wait: timedelta):
    waits = [concluded(Failed(Unavailable("503")), asked=NOW - passed, rng=rng).due_at - NOW for rng in (0.0, 1.0)]
    assert waits == [wait / 2, wait]


def test_a_failed_lookup_waits_for_retry_after():
    verdict = concluded(Failed(Throttled("429", retry_after=300.0)))
    assert (verdict.state, verdict.due_at) == (CommandState.UNKNOWN, NOW + 5 * MINUTE)


def test_lookups_that_fail_end_at_the_limit_and_are_held():
    day = timedelta(hours=24)
    almost = concluded(Failed(NotSent("no DNS.")), asked=NOW - day + MINUTE)
    assert (almost.state, almost.due_at) == (CommandState.UNKNOWN, NOW + MINUTE)
    over = concluded(Failed(NotSent("no DNS.")), asked=NOW - day)
    assert over.state is CommandState.HELD
    assert over.reason.startswith("outcome unknown; it could not be looked up: no DNS; if it arrived: ")


@pytest.mark.parametrize(
    ("events", "shown", "why"),
    [
        (Shown(readable=False, whole=False), True, "no list of events"),
        (Shown(whole=False), True, "more events than one answer shows"),
        (Shown(), None, "nobody knows whether Intilery shows them"),
        (Shown(), False, "does not show the messageId of a delivered send_sms"),
    ],
)
def test_what_is_missing_proves_nothing_where_it_might_not_be_shown(events: Shown, shown: bool | None, why: str):
    finding = missing(events, command=command(), since=NOW, shown=shown)
    assert isinstance(finding, Inconclusive)
    assert why in finding.why


def test_what_is_missing_and_would_be_shown_is_absent():
    assert missing(Shown(), command=command(), since=NOW, shown=True) == Absent()


def test_only_a_user_id_can_be_looked_up():
    assert customer_of(command()) == "u"
    assert customer_of(command(body=b'{"anonymousId": "a"}')) is None


# -- content and time --------------------------------------------------------------------------------------------------


def looked(*sights: Sight, twins: int = 0) -> Found | Inconclusive | None:
    return resembling(sights, since=NOW - MINUTE, now=NOW, twins=twins)


def test_one_event_with_its_content_in_its_time_is_it():
    assert looked(Sight(at=NOW, event_id="e")) == Found(intilery_event_id="e", by="content and time")


@pytest.mark.parametrize("at", [NOW - MINUTE - MINUTE, NOW + MINUTE])
def test_clocks_may_differ_by_a_minute(at: datetime):
    assert isinstance(looked(Sight(at=at)), Found)


@pytest.mark.parametrize("at", [NOW - 2 * MINUTE - timedelta(seconds=1), NOW + MINUTE + timedelta(seconds=1)])
def test_an_event_of_another_time_is_not_it(at: datetime):
    assert looked(Sight(at=at)) is None
    assert isinstance(looked(Sight(at=at), Sight(at=NOW)), Found)


@pytest.mark.parametrize(
    ("sights", "others", "why"),
    [
        ((Sight(),), 0, "no time that says whether it is this one"),
        ((Sight(at=NOW), Sight()), 0, "no time that says whether it is this one"),
        ((Sight(at=NOW), Sight(at=NOW)), 0, "2 events with its content may be that of this command"),
        ((Sight(at=NOW),), 1, "1 event with its content may be that of 2 commands"),
    ],
)
def test_what_may_be_another_proves_nothing(sights: tuple[Sight, ...], others: int, why: str):
    found = looked(*sights, twins=others)
    assert isinstance(found, Inconclusive)
    assert why in found.why


def test_twins_say_the_same_and_may_have_been_accepted_in_its_time():
    body = b'{"userId": "u", "assetId": "a", "messageId": "%s", "timestamp": "2026-01-0%sT00:00:00Z"}'
    mine = command(body=body % (b"w-1", b"1"))
    assert twins(mine, [mine], since=NOW) == 0
    before, later = {"finished_at": NOW - 2 * MINUTE}, {"finished_at": NOW}
    for changes, expected in (
        ({}, 1),
        (later, 1),
        (before, 0),
        ({"attempts": 0}, 0),
        ({"destination": "uk"}, 0),
        ({"body": b'{"userId": "u", "assetId": "b"}'}, 0),
    ):
        other = command(**{"id": "w-2", "body": body % (b"w-2", b"2"), **changes})
        assert twins(mine, [mine, other], since=NOW) == expected, changes


def test_it_may_have_been_sent_since_it_was_made_or_last_known_not_to_be():
    unknown = Attempt(number=2, at=NOW, outcome=Outcome.UNKNOWN)
    refused = Attempt(number=1, at=NOW - timedelta(seconds=30), outcome=Outcome.UNAVAILABLE)
    assert sent_since(command(), [unknown]) == NOW - MINUTE
    assert sent_since(command(not_before=NOW - timedelta(seconds=40)), [unknown]) == NOW - timedelta(seconds=40)
    assert sent_since(command(), [refused, unknown]) == refused.at
