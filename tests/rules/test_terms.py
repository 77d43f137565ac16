"""once, limit, quiet hours, names, time: what a rule says beside its command, from YAML to the command's terms."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import RulesError
from gateway.model import CommandState, OnUnknown
from gateway.rules import Arrival, Translation, load_files, translate
from gateway.terms import Cancellation, Limit, Once, QuietHours

NOW = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
CLIENT = {"INTILERY_CLIENT_ID": "acme"}
HEAD = """
source: shop
verify: none
zone: Europe/London
rules:
  - name: Reminder
"""
SEND = """
    send_sms: {userId: $.user, assetId: REMINDER}
"""


def rules(*lines: str, send: str = SEND) -> str:
    return HEAD + "".join(f"    {line}\n" for line in lines) + send.lstrip("\n")


def run(text: str, body: Any, *, now: datetime = NOW, received_at: datetime = NOW) -> Translation:
    source = load_files({"shop.yaml": text}, environ=CLIENT).sources["shop"]
    arrival = Arrival(
        webhook_id="0" * 32, source="shop", body=body, headers={}, query={}, path={}, received_at=received_at
    )
    return translate(source, arrival, now=now)


def problems(text: str) -> list[str]:
    with pytest.raises(RulesError) as caught:
        load_files({"shop.yaml": text}, environ=CLIENT)
    return [problem.message for problem in caught.value.problems]


def test_once_names_its_rule_and_key() -> None:
    (command,) = run(rules("once: $.id"), {"user": "u", "id": 7}).commands
    assert command.once == Once(scope="shop/Reminder", key="7", until=None)


def test_once_holds_for_a_time_from_the_first_receipt_and_may_be_shared() -> None:
    text = rules("once: 'order-{{ $.id }}'", "within: 7d", "shared: orders")
    (command,) = run(text, {"user": "u", "id": 7}, now=NOW + timedelta(days=3)).commands
    assert command.once == Once(scope="shared/orders", key="order-7", until=NOW + timedelta(days=7))


def test_a_once_key_that_is_nothing_is_a_mapping_error() -> None:
    translation = run(rules("once: $.id"), {"user": "u"})
    assert translation.state == "untranslatable"
    assert translation.commands == ()
    (error,) = translation.errors
    assert (error.field, error.path) == ("once", "$.id")
    assert error.message == "once is missing; it takes text or a number: $.id"


def test_limit_counts_by_person() -> None:
    (command,) = run(rules("limit: {per: $.user, at_most: 3, within: 1d}"), {"user": "u"}).commands
    assert command.limit == Limit(scope="shop/Reminder", key="u", at_most=3, within=86_400)


def test_a_limit_under_defaults_counts_all_of_the_files_commands() -> None:
    text = rules().replace("rules:", "defaults:\n  limit: {per: $.user, at_most: 3, within: 1d}\nrules:")
    (command,) = run(text, {"user": "u"}).commands
    assert command.limit is not None
    assert command.limit.scope == "shop"


def test_a_limit_may_be_shared_between_files() -> None:
    text = rules("limit: {per: $.user, at_most: 3, within: 1d, shared: marketing}")
    (command,) = run(text, {"user": "u"}).commands
    assert command.limit is not None
    assert command.limit.scope == "shared/marketing"


def test_quiet_hours_move_a_command_to_the_morning() -> None:
    text = rules('quiet_hours: {from: "21:00", to: "08:00"}')
    late = datetime(2026, 1, 5, 22, 30, tzinfo=UTC)
    (command,) = run(text, {"user": "u"}, now=late, received_at=late).commands
    assert command.quiet == QuietHours(start=21 * 60, end=8 * 60, zone="Europe/London")
    assert command.state == CommandState.WAITING
    assert command.not_before == command.due_at == datetime(2026, 1, 6, 8, 0, tzinfo=UTC)
    (by_day,) = run(text, {"user": "u"}).commands
    assert by_day.state == CommandState.PENDING


def test_quiet_hours_come_after_delay_and_expires_comes_last() -> None:
    text = rules("delay: 12h", 'quiet_hours: {from: "21:00", to: "08:00"}', "expires: 14h")
    (command,) = run(text, {"user": "u"}).commands
    assert command.not_before == datetime(2026, 1, 6, 8, 0, tzinfo=UTC)
    assert command.state == CommandState.EXPIRED
    assert command.reason == "it expires at 2026-01-06T00:00:00.000Z and could leave at 2026-01-06T08:00:00.000Z"


@pytest.mark.parametrize(
    ("moment", "wakes"),
    [
        # The clocks go forward at 01:00 on 29 March 2026 in London, and back on 25 October.
        (datetime(2026, 3, 28, 22, 0, tzinfo=UTC), datetime(2026, 3, 29, 7, 0, tzinfo=UTC)),
        (datetime(2026, 10, 24, 22, 0, tzinfo=UTC), datetime(2026, 10, 25, 8, 0, tzinfo=UTC)),
        (datetime(2026, 1, 5, 7, 59, tzinfo=UTC), datetime(2026, 1, 5, 8, 0, tzinfo=UTC)),
        (datetime(2026, 1, 5, 8, 0, tzinfo=UTC), None),
        (datetime(2026, 1, 5, 21, 0, tzinfo=UTC), datetime(2026, 1, 6, 8, 0, tzinfo=UTC)),
    ],
)
def test_quiet_hours_go_by_the_wall_clock(moment: datetime, wakes: datetime | None) -> None:
    assert QuietHours(start=21 * 60, end=8 * 60, zone="Europe/London").ends_at(moment) == wakes


def test_quiet_hours_within_one_day() -> None:
    siesta = QuietHours(start=12 * 60, end=14 * 60, zone="UTC")
    assert siesta.ends_at(NOW.replace(hour=13)) == NOW.replace(hour=14)
    assert siesta.ends_at(NOW.replace(hour=14)) is None


def test_the_reminder_that_moves_with_its_booking() -> None:
    text = rules('name_as: "reminder/{{ $.id }}"', 'at: $.starts_at | date_add("-24h")')
    (command,) = run(text, {"user": "u", "id": 1, "starts_at": "2026-01-09T15:00:00Z"}).commands
    assert command.name == "reminder/1"
    assert command.not_before == datetime(2026, 1, 8, 15, 0, tzinfo=UTC)


def test_cancel_withdraws_by_name_and_makes_no_command() -> None:
    translation = run(rules('cancel: "reminder/{{ $.id }}"', send=""), {"id": 1})
    assert translation.commands == ()
    assert translation.cancellations == (Cancellation(source="shop", name="reminder/1", rule="Reminder"),)
    assert translation.state == "translated"
    assert run(rules('cancel: "reminder/{{ $.id }}"', send=""), {}).state == "untranslatable"


@pytest.mark.parametrize("mode", ["dry_run", "shadow"])
def test_a_rule_that_is_not_live_withdraws_nothing(mode: str) -> None:
    translation = run(rules(f"mode: {mode}", 'cancel: "reminder/{{ $.id }}"', send=""), {"id": 1})
    assert (translation.state, translation.cancellations) == ("translated", ())
    assert run(rules(f"mode: {mode}", 'cancel: "reminder/{{ $.id }}"', send=""), {}).state == "untranslatable"


def test_a_time_that_is_past_is_sent_or_skipped() -> None:
    body = {"user": "u", "at": "2026-01-04T00:00:00Z"}
    (sent,) = run(rules("at: $.at"), body).commands
    assert (sent.state, sent.not_before) == (CommandState.PENDING, None)
    (skipped,) = run(rules("at: $.at", "if_past: skip"), body).commands
    assert skipped.state == CommandState.SUPPRESSED
    assert skipped.reason == "its time, 2026-01-04T00:00:00.000Z, was past (if_past: skip)"
    assert skipped.finished_at == NOW


def test_lengths_count_from_the_first_receipt() -> None:
    (command,) = run(rules("expires: 2h"), {"user": "u"}, now=NOW + timedelta(hours=3)).commands
    assert command.state == CommandState.EXPIRED


def test_dry_run_and_shadow_record_only() -> None:
    for mode in ("dry_run", "shadow"):
        (command,) = run(rules(f"mode: {mode}", "once: $.user"), {"user": "u"}).commands
        assert (command.state, command.reason) == (CommandState.DRY_RUN, f"the rule's mode is {mode}")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["for_each: $.items[*]", "once: $.id"],
            "inside for_each, once must use $item: else all elements have one key",
        ),
        (["within: 7d"], "within belongs to once, and this rule has no once"),
        (["shared: x"], "shared belongs to once, and this rule has no once"),
        (
            ["once: order"],
            "once takes an expression such as $.id, or a template such as 'order/{{ $.id }}'; found 'order'",
        ),
        (["limit: 3"], "limit takes {per: $.customer.id, at_most: 3, within: 1d}; found the number 3"),
        (["limit: {per: $.id, at_most: 3}"], "limit needs per, at_most, within; within is missing"),
        (
            ["limit: {per: $.id, at_most: 0, within: 1d}"],
            "at_most takes a whole number from 1; found the number 0",
        ),
        (
            ["limit: {per: $.id, at_most: 1, within: 1mo}"],
            "the within of a limit takes weeks, days, hours or minutes, not months",
        ),
        (['quiet_hours: {from: "21:00"}'], "quiet_hours needs from, to and a zone; to is missing"),
        (
            ['quiet_hours: {from: "25:00", to: "08:00"}'],
            "takes a time of day in quotes such as \"21:00\"; found '25:00'",
        ),
        (
            ['quiet_hours: {from: "08:00", to: "08:00"}'],
            "from and to are one time; quiet hours are part of a day",
        ),
        (
            ['quiet_hours: {from: "21:00", to: "08:00", zone: Mars}'],
            "'Mars' is not a time zone; allowed: names such as Europe/London or UTC",
        ),
        (["cancel: $.id"], "a rule makes one command; this one has send_sms and cancel; write a second rule"),
    ],
)
def test_terms_that_make_no_sense_are_refused(lines: list[str], message: str) -> None:
    assert problems(rules(*lines)) == [message]


def test_a_loop_may_use_a_let_of_its_own_as_key() -> None:
    text = rules("for_each: $.items[*]", "let: {line: $item.id}", "once: $let.line")
    translation = run(text, {"user": "u", "items": [{"id": 1}, {"id": 2}]})
    assert [command.once and command.once.key for command in translation.commands] == ["1", "2"]


IDENTIFIED = """
    identify: {userId: $.user, timestamp: $.at, traits: {email: $.email}}
    send_sms: {userId: $.user, assetId: REMINDER}
"""


def said(text: str, **body: Any) -> Any:
    identify, _ = run(text, {"user": "u", "at": "2026-01-05T10:00:00Z", "email": "a@example.com", **body}).commands
    return identify.same


def test_identify_once_tells_what_an_identify_says_without_when() -> None:
    text = rules("identify_once: 10m", send=IDENTIFIED)
    same = said(text)
    assert same.within == 600
    assert said(text, at="2026-01-06T10:00:00Z") == same
    assert said(text, email="b@example.com").digest != same.digest
    assert said(text, user="v").digest != same.digest
    assert said(rules(send=IDENTIFIED)) is None


def test_identify_once_may_stand_under_defaults() -> None:
    text = rules(send=IDENTIFIED).replace("rules:", "defaults: {identify_once: 1d}\nrules:", 1)
    assert said(text).within == 86_400
    without = rules().replace("rules:", "defaults: {identify_once: 1d}\nrules:", 1)
    (command,) = run(without, {"user": "u"}).commands
    assert command.same is None


def test_identify_once_needs_an_identify_and_a_length() -> None:
    assert problems(rules("identify_once: 10m")) == ["identify_once speaks of an identify, and this rule has none"]
    assert problems(rules("identify_once: 2mo", send=IDENTIFIED)) == [
        "identify_once takes weeks, days, hours or minutes, not months"
    ]


BODIES = {
    "send_email": "{userId: $.user, assetId: A}",
    "send_sms": "{userId: $.user, assetId: A}",
    "send_print": "{userId: $.user, assetId: A}",
    "send_push": "{userId: $.user, assetId: A}",
    "start_journey": "{userId: $.user, properties: {journeyIdToTrigger: 6046429d73096e3b2dca973d}}",
    "track": "{userId: $.user, event: Order Completed}",
    "identify": "{userId: $.user}",
}


@pytest.mark.parametrize("call", BODIES)
def test_what_may_be_repeated_is_retried_and_messages_that_cost_are_looked_up(call: str) -> None:
    (command,) = run(rules(send=f"    {call}: {BODIES[call]}\n"), {"user": "u"}).commands
    assert command.on_unknown == (OnUnknown.VERIFY if call in ("send_sms", "send_print") else OnUnknown.RETRY)
    for policy in OnUnknown:
        text = rules(f"on_unknown_outcome: {policy}", send=f"    {call}: {BODIES[call]}\n")
        (command,) = run(text, {"user": "u"}).commands
        assert command.on_unknown == policy


@pytest.mark.parametrize("policy", OnUnknown)
def test_what_a_rule_says_of_unknown_outcomes_is_said_of_its_command(policy: OnUnknown) -> None:
    """An identify beside it may be repeated at no harm, and must not hold the command back for a person."""
    text = rules(f"on_unknown_outcome: {policy}", send=IDENTIFIED)
    body = {"user": "u", "at": "2026-01-05T10:00:00Z", "email": "a@example.com"}
    identify, command = run(text, body).commands
    assert (identify.on_unknown, command.on_unknown) == (OnUnknown.RETRY, policy)
