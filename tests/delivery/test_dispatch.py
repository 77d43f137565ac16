"""Commands leave: a real store, the real client, the sandbox over sockets. No poll helps, unless it is the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.delivery import ClockSetBack, CommandEnded, ResultLost, StoreFailed, Stumbled
from gateway.delivery.dispatch import Dispatcher
from gateway.errors import SettingsError
from gateway.intilery.contract import encode
from gateway.intilery.sandbox import Faults
from gateway.model import CommandState, OnUnknown, Outcome, new_webhook_id
from gateway.store import Act
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
    await stage.start(poll=NEVER)
    await stage.settled(*await stage.add("u-1"))
    await asyncio.sleep(0.1)  # it has looked once more, and sleeps for an hour
    assert await stage.settled(*await stage.add("u-2")) == [DELIVERED]


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


async def test_whoever_is_tried_again_or_looked_up_holds_up_nobody_else(stage: Stage):
    slow = timedelta(hours=1)
    await stage.start(first_backoff=slow, longest_backoff=slow, look_up_after=slow, rng=lambda: 0.5)
    for user, fault, policy in (
        ("u-1", Faults(answer_status=503, next=1), OnUnknown.RETRY),
        ("u-2", Faults(drop=True, next=1), OnUnknown.VERIFY),
    ):
        stage.sandbox.faults = fault
        [first] = await stage.add(user, on_unknown=policy)
        await stage.until(lambda id=first.id: len(stage.made(id)) == 1)  # type: ignore[misc]
    behind = await stage.add("u-1", "u-2", wake=False)
    others = await stage.add("u-3", "u-4")
    assert await stage.settled(*others) == [DELIVERED, DELIVERED]
    assert [(await stage.store.command(one.id)).state for one in behind] == [PENDING, PENDING]
    assert set(stage.arrived()) == {one.id for one in others}


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


async def test_what_a_person_sends_again_has_the_whole_time_to_give_up_anew(stage: Stage):
    stage.sandbox.faults = Faults(answer_status=503)
    late = timedelta(0)
    dispatcher = await stage.start(give_up_after=timedelta(hours=1), clock=lambda: datetime.now(UTC) + late)
    [command] = await stage.add("u-1")
    await stage.until(lambda: len(stage.made()) >= 1)
    late = timedelta(hours=2)
    assert await stage.settled(command) == [FAILED]
    before = len(stage.made())
    await stage.store.act(Act.RETRY, [command.id], now=datetime.now(UTC) + late)
    dispatcher.wake({"default"})
    await stage.until(lambda: len(stage.made()) > before)
    assert stage.last(command.id) is PENDING
    stage.sandbox.faults = Faults()
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
    told = [record.command for record in stage.records if isinstance(record, CommandEnded)]
    assert told == [await stage.store.command(command.id) for command in late]
    assert stage.arrived() == [good.id]


# -- unknown outcomes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [{"accept_then_drop": True}, {"drop": True}])
async def test_a_lost_answer_is_unknown_and_the_rule_decides(stage: Stage, fault: dict[str, bool]):
    await stage.start()
    for policy, state in ((OnUnknown.RETRY, DELIVERED), (OnUnknown.HOLD, HELD)):
        stage.sandbox.faults = Faults(**fault, next=1)
        [command] = await stage.add("u-1", on_unknown=policy)
        assert await stage.settled(command) == [state]
        attempts = await stage.store.attempts(command.id)
        assert attempts[0].outcome is Outcome.UNKNOWN
        assert len(attempts) == (2 if policy is OnUnknown.RETRY else 1)
        if state is HELD:
            reason = (await stage.store.command(command.id)).reason
            assert reason.startswith("outcome unknown: ")
            assert f"; if it arrived: gateway settle {command.id} --delivered; " in reason


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
    claims = (
        await stage.store.claim("default", limit=10, lease=timedelta(milliseconds=1), now=datetime.now(UTC))
    ).claims
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


async def test_nothing_is_begun_under_a_lease_that_a_send_could_outlast(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    """The machine sleeps between a claim and its send."""
    slept, found = timedelta(0), []
    claim = stage.store.claim

    async def slow(*arguments, **options):
        nonlocal slept
        slept = timedelta(0)
        claimed = await claim(*arguments, **options)
        if claimed.claims:  # a new bucket is empty
            found.append(claimed)
            slept = timedelta(seconds=3 if len(found) == 1 else 0)
        return claimed

    monkeypatch.setattr(stage.store, "claim", slow)
    [command] = await stage.add("u-1")
    await stage.start(clock=lambda: datetime.now(UTC) + slept)
    assert await stage.settled(command) == [DELIVERED]
    assert [[one.command.attempts for one in claimed.claims] for claimed in found[:2]] == [[1], [1]]
    assert len(await stage.store.attempts(command.id)) == 1


async def test_what_expires_between_its_claim_and_its_send_is_not_sent(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    """The disk takes its time with the claim, or the machine sleeps."""
    slept = timedelta(0)
    claim = stage.store.claim

    async def slow(*arguments, **options):
        nonlocal slept
        found = await claim(*arguments, **options)
        if found.claims:
            slept = timedelta(seconds=61)
        return found

    monkeypatch.setattr(stage.store, "claim", slow)
    [command] = await stage.add("u-1", expires_at=datetime.now(UTC) + timedelta(seconds=60))
    await stage.start(clock=lambda: datetime.now(UTC) + slept, lease=timedelta(hours=1))
    await stage.until(lambda: any(isinstance(record, CommandEnded) for record in stage.records))
    stored = await stage.store.command(command.id)
    assert (stored.state, stored.attempts) == (CommandState.EXPIRED, 0)
    assert stage.arrived() == []


@pytest.mark.parametrize("running", [True, False])
async def test_a_clock_that_is_set_back_keeps_nobody_waiting(stage: Stage, running: bool):
    ahead = timedelta(hours=1)

    def clock() -> datetime:
        return datetime.now(UTC) + ahead

    options = {"clock": clock, "look_up_after": timedelta(milliseconds=80)}
    stage.sandbox.faults = Faults(answer_status=503, next=1)
    if running:
        await stage.start(**options, first_backoff=timedelta(milliseconds=500), longest_backoff=timedelta(seconds=1))
    first, second = await stage.add("u-1", "u-2", created_at=clock())
    if running:
        await stage.until(lambda: len(stage.made()) >= 2)
    ahead = timedelta(0)
    if not running:
        await stage.start(**options)
    assert await stage.settled(first, second) == [DELIVERED, DELIVERED]
    [told] = [record for record in stage.records if isinstance(record, ClockSetBack)]
    assert timedelta(minutes=59) < told.by < timedelta(minutes=61)


async def test_what_loses_its_lease_meanwhile_is_found_within_a_lease(tmp_path: Path):
    async with staged(tmp_path, other_timeouts=0.02, read_timeout=0.1) as stage:
        [command] = await stage.add("u-1")
        now = datetime.now(UTC)
        assert (await stage.store.claim("default", limit=1, lease=timedelta(seconds=0.5), now=now)).claims
        await stage.start(lease=timedelta(seconds=0.3), margin=0.05)
        assert await stage.settled(command) == [DELIVERED]
        first, second = await stage.store.attempts(command.id)
        assert first.message == "no result was recorded while its lease was in force"
        assert second.outcome is Outcome.ACCEPTED


async def test_a_result_waits_for_the_store(stage: Stage):
    stage.sandbox.faults = Faults(delay=0.1)
    await stage.start()
    [command] = await stage.add("u-1")
    await stage.accepted(1)
    await stage.store.close()
    await stage.until(lambda: any(isinstance(r, StoreFailed) and r.verb == "record" for r in stage.records))
    await stage.store.open()
    assert await stage.settled(command) == [DELIVERED]
    [next_] = await stage.add("u-1")
    assert await stage.settled(next_) == [DELIVERED]
    assert stage.arrived() == [command.id, next_.id]


async def test_a_result_that_outlives_its_lease_is_lost_and_so_unknown(stage: Stage):
    late = timedelta(0)
    stage.sandbox.faults = Faults(delay=0.1)
    dispatcher = await stage.start(clock=lambda: datetime.now(UTC) + late)
    [command] = await stage.add("u-1", on_unknown=OnUnknown.HOLD)
    await stage.accepted(1)
    await stage.store.close()
    late = timedelta(hours=1)
    await stage.until(lambda: any(isinstance(r, ResultLost) for r in stage.records))
    await stage.store.open()
    await dispatcher.stop()
    await stage.start()
    assert await stage.settled(command) == [HELD]
    assert stage.arrived() == [command.id]


async def test_a_store_that_can_not_be_claimed_from_is_asked_again(stage: Stage):
    dispatcher = await stage.start()
    await stage.store.close()
    dispatcher.wake({"default"})
    await stage.until(lambda: any(isinstance(r, StoreFailed) and r.verb == "claim" for r in stage.records))
    await stage.store.open()
    assert await stage.settled(*await stage.add("u-1", wake=False)) == [DELIVERED]


async def test_a_defect_is_told_and_survived(stage: Stage):
    broken = True

    def credential(name: str) -> str:
        if broken:
            raise RuntimeError("the vault is on fire")
        return "sandbox"

    await stage.start(credential=credential)
    [command] = await stage.add("u-1")
    await stage.until(lambda: any(isinstance(record, Stumbled) for record in stage.records))
    broken = False
    assert await stage.settled(command) == [DELIVERED]
    [*stumbled] = [record for record in stage.records if isinstance(record, Stumbled)]
    assert {(record.where, str(record.error)) for record in stumbled} == {
        ("destination default", "the vault is on fire")
    }
    stage.records.clear()


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


async def test_stop_gives_back_what_was_claimed_and_not_begun(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    dispatcher = await stage.start()
    stops: list[asyncio.Task[None]] = []
    claim = stage.store.claim

    async def interrupted(*arguments, **options):
        found = await claim(*arguments, **options)
        if found.claims:
            stops.append(asyncio.create_task(dispatcher.stop()))
            await asyncio.sleep(0)
        return found

    monkeypatch.setattr(stage.store, "claim", interrupted)
    [command] = await stage.add("u-1")
    async with asyncio.timeout(10):
        while True:
            if stops:
                break
            await asyncio.sleep(0.005)
    await stops[0]
    monkeypatch.undo()
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
