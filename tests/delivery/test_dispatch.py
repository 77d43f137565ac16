"""Commands leave: a real store, the real client, the sandbox over sockets. No poll helps, unless it is the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.delivery import AttemptMade, DestinationPaused, DestinationResumed
from gateway.delivery.dispatch import Dispatcher
from gateway.errors import SettingsError
from gateway.intilery.contract import encode
from gateway.intilery.sandbox import Faults
from gateway.model import CommandState, OnUnknown, Outcome, new_webhook_id
from tests.delivery.stage import NEVER, Stage, staged

DELIVERED, FAILED, HELD = CommandState.DELIVERED, CommandState.FAILED, CommandState.HELD
PENDING = CommandState.PENDING


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


async def test_a_command_is_delivered_and_its_event_id_kept(stage: Stage):
    await stage.start()
    [command] = await stage.add("u-1")
    assert await stage.settled(command) == [DELIVERED]
    [call] = stage.sandbox.calls
    assert (call.message_id, call.raw) == (command.id, command.body)
    stored = await stage.store.command(command.id)
    assert stored.intilery_event_id == call.event_id
    [attempt] = await stage.store.attempts(command.id)
    assert (attempt.number, attempt.outcome, attempt.status) == (1, Outcome.ACCEPTED, 200)
    assert attempt.intilery_event_id == call.event_id
    assert attempt.duration_ms > 0


async def test_an_idle_lane_sends_what_it_is_woken_for(stage: Stage):
    dispatcher = await stage.start(poll=NEVER)
    await stage.settled(*await stage.add("u-1"))
    [command] = await stage.add("u-2", wake=False)
    await asyncio.sleep(0.15)
    assert len(stage.arrived()) == 1
    dispatcher.wake({"default"})
    assert await stage.settled(command) == [DELIVERED]


async def test_the_poll_finds_what_another_process_wrote(stage: Stage):
    await stage.start(poll=0.05)
    await stage.settled(*await stage.add("u-1"))
    assert await stage.settled(*await stage.add("u-2", wake=False)) == [DELIVERED]


async def test_what_waits_at_the_start_is_delivered(stage: Stage):
    commands = await stage.add("u-1", "u-2", "u-1")
    await stage.start()
    assert await stage.settled(*commands) == [DELIVERED] * 3


async def test_a_delayed_command_leaves_when_its_time_has_come(stage: Stage):
    await stage.start()
    due = datetime.now(UTC) + timedelta(milliseconds=150)
    [command] = await stage.add("u-1", not_before=due, due_at=due, state=CommandState.WAITING)
    assert await stage.settled(command) == [DELIVERED]
    assert stage.sandbox.calls[0].received_at >= due.timestamp()


async def test_an_identify_comes_first_and_the_command_after_the_gap(stage: Stage):
    await stage.start()
    webhook = new_webhook_id()
    identify = stage.command(
        webhook=webhook, command="identify", action="identify", body=encode({"userId": "u-1", "event": "identify"})
    )
    sms = stage.command(
        webhook=webhook,
        command="send_sms",
        body=encode({"userId": "u-1", "event": "send_sms", "assetId": "a"}),
        state=CommandState.WAITING,
        after=identify.id,
    )
    await stage.commit(identify, sms)
    assert await stage.settled(identify, sms) == [DELIVERED, DELIVERED]
    first, second = stage.sandbox.calls
    assert (first.action, second.event) == ("identify", "send_sms")
    assert second.received_at - first.received_at >= 0.05
    assert second.reached


# -- order and retries -------------------------------------------------------------------------------------------------


async def test_a_customers_commands_arrive_in_order_through_failures(stage: Stage):
    stage.sandbox.faults = Faults(answer_status=503, next=4)
    await stage.start()
    commands = await stage.add("u-1", "u-2", "u-1", "u-1", "u-2")
    assert await stage.settled(*commands) == [DELIVERED] * 5
    for user in ("u-1", "u-2"):
        sent = [call.message_id for call in stage.sandbox.calls if call.user_id == user]
        assert sent == [command.id for command in commands if command.user_id == user]
    assert sum(record.attempt.outcome is Outcome.UNAVAILABLE for record in stage.made()) == 4


async def test_a_503_is_tried_again_not_before_retry_after(stage: Stage):
    stage.sandbox.faults = Faults(answer_status=503, retry_after="1", next=1)
    await stage.start()
    [command] = await stage.add("u-1")
    assert await stage.settled(command) == [DELIVERED]
    first, second = await stage.store.attempts(command.id)
    assert (first.outcome, first.status, second.outcome) == (Outcome.UNAVAILABLE, 503, Outcome.ACCEPTED)
    assert second.at - first.at >= timedelta(seconds=1)


async def test_trying_ends_at_the_limit(stage: Stage):
    stage.sandbox.faults = Faults(answer_status=503)
    await stage.start(give_up_after=timedelta(milliseconds=100))
    [command] = await stage.add("u-1")
    assert await stage.settled(command) == [FAILED]
    stored = await stage.store.command(command.id)
    assert stored.reason.startswith("given up after 0.1 s and ")
    assert stored.reason.endswith("Intilery answered 503: the sandbox was told to fail")
    assert len(await stage.store.attempts(command.id)) > 1


async def test_an_old_command_is_not_given_up_at_its_first_failure(stage: Stage):
    """It waited, behind a pause or a backlog: the limit counts from its first attempt."""
    stage.sandbox.faults = Faults(answer_status=503, next=2)
    await stage.start(give_up_after=timedelta(hours=24))
    [command] = await stage.add("u-1", created_at=datetime.now(UTC) - timedelta(days=9))
    assert await stage.settled(command) == [DELIVERED]


async def test_a_400_is_final_and_keeps_the_message(stage: Stage):
    stage.sandbox.faults = Faults(refuse_users=("u-1",))
    await stage.start()
    bad, good, next_ = await stage.add("u-1", "u-2", "u-1")
    assert await stage.settled(bad, good, next_) == [FAILED, DELIVERED, FAILED]
    assert "userId u-1 is refused" in (await stage.store.command(bad.id)).reason
    [attempt] = await stage.store.attempts(bad.id)
    assert (attempt.outcome, attempt.status) == (Outcome.REFUSED, 400)


async def test_success_false_is_final_and_releases_the_line(stage: Stage):
    stage.sandbox.faults = Faults(success_false=True, next=1)
    await stage.start()
    first, second = await stage.add("u-1", "u-1")
    assert await stage.settled(first, second) == [FAILED, DELIVERED]
    assert "the sandbox was told to refuse" in (await stage.store.command(first.id)).reason


async def test_what_expired_is_never_sent(stage: Stage):
    await stage.start()
    late = await stage.add("u-1", "u-1", expires_at=datetime.now(UTC) - timedelta(seconds=1), wake=False)
    [good] = await stage.add("u-1")
    assert await stage.settled(good) == [DELIVERED]
    assert [(await stage.store.command(command.id)).state for command in late] == [CommandState.EXPIRED] * 2
    assert stage.arrived() == [good.id]


# -- unknown outcomes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [{"accept_then_drop": True}, {"drop": True}])
async def test_a_lost_answer_is_unknown_and_the_rule_decides(stage: Stage, fault: dict[str, bool]):
    await stage.start()
    for policy, state in ((OnUnknown.RETRY, DELIVERED), (OnUnknown.HOLD, HELD), (OnUnknown.VERIFY, HELD)):
        stage.sandbox.faults = Faults(**fault, next=1)
        [command] = await stage.add("u-1", on_unknown=policy)
        assert await stage.settled(command) == [state]
        attempts = await stage.store.attempts(command.id)
        assert attempts[0].outcome is Outcome.UNKNOWN
        assert len(attempts) == (2 if policy is OnUnknown.RETRY else 1)
        if state is HELD:
            reason = (await stage.store.command(command.id)).reason
            assert reason.startswith("outcome unknown: ")
            assert reason.endswith("; settle it by hand")


async def test_an_answer_that_comes_too_late_is_unknown(tmp_path: Path):
    async with staged(tmp_path, read_timeout=0.1) as stage:
        stage.sandbox.faults = Faults(delay=0.5)
        await stage.start()
        [command] = await stage.add("u-1", on_unknown=OnUnknown.HOLD)
        assert await stage.settled(command) == [HELD]
        assert stage.arrived() == [command.id]


async def test_a_server_that_is_not_there_is_not_sent_and_safe_to_repeat(stage: Stage):
    stage.destinations["default"] = stage.destination("http://127.0.0.1:1")
    await stage.start()
    [command] = await stage.add("u-1", on_unknown=OnUnknown.HOLD)
    await stage.until(lambda: len(stage.made(command.id)) >= 2)
    stage.destinations["default"] = stage.destination()
    assert await stage.settled(command) == [DELIVERED]
    assert {r.attempt.outcome for r in stage.made(command.id)} == {Outcome.NOT_SENT, Outcome.ACCEPTED}


async def test_what_a_stopped_gateway_left_on_its_way_is_unknown(stage: Stage):
    retry, hold = await stage.add("u-1", on_unknown=OnUnknown.RETRY), await stage.add("u-2", on_unknown=OnUnknown.HOLD)
    claims = await stage.store.claim("default", limit=10, lease=timedelta(milliseconds=1), now=datetime.now(UTC))
    assert len(claims) == 2
    await asyncio.sleep(0.01)
    await stage.start()
    assert await stage.settled(*retry, *hold) == [DELIVERED, HELD]
    first, second = await stage.store.attempts(retry[0].id)
    assert (first.number, first.outcome) == (1, Outcome.UNKNOWN)
    assert first.message == "the gateway stopped while it was sending"
    assert (second.number, second.outcome) == (2, Outcome.ACCEPTED)
    assert not await stage.store.record(claims[0], None, stage.made()[0].verdict, now=datetime.now(UTC))


async def test_a_lease_must_outlast_a_send(stage: Stage):
    longest = stage.client.longest
    with pytest.raises(SettingsError, match=f"a send may take {longest:g} s"):
        Dispatcher(
            stage.store,
            stage.client,
            lambda: stage.destinations,
            stage.tokens.get,
            lease=timedelta(seconds=longest + 5),
        )


async def test_nothing_is_begun_under_a_lease_that_a_send_could_outlast(stage: Stage):
    """The machine slept between claim and send: the clock is past the lease when the send would begin."""
    ahead = [timedelta(0)] * 3 + [timedelta(seconds=3)] * 2

    def clock() -> datetime:
        return datetime.now(UTC) + (ahead.pop(0) if ahead else timedelta(0))

    [command] = await stage.add("u-1")
    await stage.start(clock=clock)
    assert await stage.settled(command) == [DELIVERED]
    assert len(await stage.store.attempts(command.id)) == 1
    assert not ahead


# -- pace --------------------------------------------------------------------------------------------------------------


async def test_by_itself_it_never_draws_a_429(tmp_path: Path):
    async with staged(tmp_path, rate=100.0, burst=30) as stage:
        stage.destinations["default"] = stage.destination(rate=100.0, burst=30)
        await stage.start()
        commands = await stage.add(*(f"u-{n}" for n in range(100)))
        assert await stage.settled(*commands) == [DELIVERED] * 100
        assert stage.sandbox.counts["throttled"] == 0


async def test_a_429_slows_it_down_and_loses_nothing(tmp_path: Path):
    async with staged(tmp_path, rate=50.0, burst=5) as stage:
        dispatcher = await stage.start(give_up_after=timedelta(0))
        commands = await stage.add(*(f"u-{n}" for n in range(12)))
        await stage.until(lambda: any(r.attempt.outcome is Outcome.THROTTLED for r in stage.made()))
        assert dispatcher.status()["default"]["rate"] < 10_000
        assert dispatcher.status()["default"]["tokens"] == 0
        assert await stage.settled(*commands) == [DELIVERED] * 12


# -- whether the destination takes the token ---------------------------------------------------------------------------


async def test_nothing_is_sent_while_a_token_is_unset(stage: Stage):
    stage.tokens.clear()
    dispatcher = await stage.start()
    [command] = await stage.add("u-1")
    await stage.until(lambda: bool(stage.pauses()))
    reason = "INTILERY_AUTH_TOKEN is not set; the commands for default wait"
    assert stage.pauses() == [DestinationPaused(name="default", reason=reason)]
    assert dispatcher.status()["default"]["paused"] == reason
    stored = await stage.store.command(command.id)
    assert (stored.state, stored.attempts) == (PENDING, 0)
    stage.tokens["INTILERY_AUTH_TOKEN"] = "sandbox"
    dispatcher.wake({"default"})
    assert await stage.settled(command) == [DELIVERED]
    assert dispatcher.status()["default"]["paused"] is None


async def test_commands_of_a_destination_that_the_rules_do_not_name_wait_for_it(stage: Stage):
    dispatcher = await stage.start()
    [command] = await stage.add("u-1", destination="uk")
    await stage.until(lambda: bool(stage.pauses()))
    assert "the rules name no destination uk" in dispatcher.status()["uk"]["paused"]
    stage.destinations["uk"] = stage.destination(name="uk")
    dispatcher.wake({"uk"})
    assert await stage.settled(command) == [DELIVERED]


async def test_a_401_pauses_and_a_probe_resumes_with_the_queue_intact(stage: Stage):
    stage.sandbox.faults = Faults(unauthorised=True)
    dispatcher = await stage.start()
    commands = await stage.add("u-1", "u-2", "u-1", "u-2", "u-3")
    await stage.until(lambda: bool(stage.pauses()))
    sent = len(stage.made())
    await asyncio.sleep(0.2)
    assert len(stage.made()) == max(sent, 3)  # three heads of lines; only probes since
    assert stage.sandbox.counts["unauthorised"] > len(stage.made())
    assert "401" in dispatcher.status()["default"]["paused"]
    assert {record.verdict.state for record in stage.made()} == {PENDING}
    stage.sandbox.faults = Faults()
    assert await stage.settled(*commands) == [DELIVERED] * 5
    assert isinstance(stage.pauses()[-1], DestinationResumed)
    for user in ("u-1", "u-2"):
        sent_ = [call.message_id for call in stage.sandbox.calls if call.user_id == user]
        assert sent_ == [command.id for command in commands if command.user_id == user]


async def test_a_new_token_is_probed_at_once(stage: Stage):
    stage.tokens["INTILERY_AUTH_TOKEN"] = "old"
    dispatcher = await stage.start(probe_every=NEVER, probe_at_most=NEVER)
    [command] = await stage.add("u-1")
    await stage.until(lambda: bool(stage.pauses()))
    stage.tokens["INTILERY_AUTH_TOKEN"] = "sandbox"
    dispatcher.wake({"default"})
    assert await stage.settled(command) == [DELIVERED]


async def test_one_disliked_payload_is_held_and_the_lane_goes_on(stage: Stage):
    stage.front.disliked = b"<script>"
    await stage.start()
    bad = await stage.add("u-1", extra={"note": "<script>"})
    good = await stage.add("u-2", "u-3", "u-1")
    assert await stage.settled(*bad, *good) == [HELD, DELIVERED, DELIVERED, DELIVERED]
    assert "blocked by the firewall" in (await stage.store.command(bad[0].id)).reason
    assert stage.pauses() == []


async def test_disliked_payloads_between_good_ones_never_pause(stage: Stage):
    stage.front.disliked = b"<script>"
    await stage.start()
    for _ in range(4):
        [bad] = await stage.add("u-1", extra={"note": "<script>"})
        [good] = await stage.add("u-1")
        assert await stage.settled(bad, good) == [HELD, DELIVERED]
    assert stage.pauses() == []


async def test_three_refused_in_a_row_pause_it_although_the_probe_passes(stage: Stage):
    stage.front.disliked = b"userId"
    await stage.start()
    commands = []
    for user in ("u-1", "u-2", "u-3"):
        commands += await stage.add(user)
        await stage.until(lambda: len(stage.made()) == len(commands))  # noqa: B023
    assert [stage.verdicts(command.id) for command in commands] == [[HELD], [HELD], [PENDING]]
    [pause] = stage.pauses()
    assert pause.reason.startswith("3 different commands in a row were refused: ")
    commands += await stage.add(*(f"v-{n}" for n in range(20)))
    await stage.until(lambda: len(stage.pauses()) >= 5)
    at = [index for index, record in enumerate(stage.records) if isinstance(record, DestinationResumed)]
    trials = stage.records[at[0] : at[1]]
    assert sum(isinstance(record, AttemptMade) for record in trials) == 1  # one command each time, not the queue
    stage.front.disliked = None
    assert await stage.settled(*commands[2:]) == [DELIVERED] * 21


# -- stopping ----------------------------------------------------------------------------------------------------------


async def test_stop_finishes_what_is_in_flight_and_begins_nothing(stage: Stage):
    stage.sandbox.faults = Faults(delay=0.2)
    dispatcher = await stage.start()
    sent = await stage.add("u-1", "u-2")
    waiting = await stage.add("u-1")
    await stage.accepted(2)
    await dispatcher.stop(grace=timedelta(seconds=5))
    states = [(await stage.store.command(command.id)).state for command in (*sent, *waiting)]
    assert states == [DELIVERED, DELIVERED, PENDING]
    assert len(stage.arrived()) == 2
    await dispatcher.stop()
    dispatcher.wake({"default"})
    assert dispatcher.status() == {}


async def test_stop_gives_back_what_was_claimed_and_not_begun(stage: Stage):
    [command] = await stage.add("u-1")
    dispatcher = await stage.start()
    await asyncio.sleep(0)  # the lane asks for a claim
    await dispatcher.stop()
    stored = await stage.store.command(command.id)
    assert (stored.state, stored.attempts) == (PENDING, 0)
    assert await stage.store.attempts(command.id) == []
    assert stage.arrived() == []
    await stage.start()
    assert await stage.settled(command) == [DELIVERED]


async def test_what_outlives_the_grace_is_cut_off_and_unknown(stage: Stage, tmp_path: Path):
    stage.sandbox.faults = Faults(delay=5.0)
    dispatcher = await stage.start()
    [command] = await stage.add("u-1", on_unknown=OnUnknown.HOLD)
    await stage.accepted(1)
    await dispatcher.stop(grace=timedelta(milliseconds=20))
    assert (await stage.store.command(command.id)).state is CommandState.DELIVERING
    await stage.reopen()
    stage.sandbox.faults = Faults()
    await stage.start()
    assert await stage.settled(command) == [HELD]
    assert stage.arrived() == [command.id]
