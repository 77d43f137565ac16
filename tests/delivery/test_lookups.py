"""Unknown outcomes are looked up: a real store, the real client, the sandbox's read API behind a socket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.intilery.sandbox import Faults
from gateway.model import Command, CommandState, OnUnknown, Outcome
from gateway.store import Act, Pause, PauseScope
from tests.delivery.stage import Stage, staged

DELIVERED, HELD, UNKNOWN, PENDING = (
    CommandState.DELIVERED,
    CommandState.HELD,
    CommandState.UNKNOWN,
    CommandState.PENDING,
)
AFTER = timedelta(milliseconds=100)
DROPPED = Faults(drop=True, next=1)
"""Not accepted, no answer."""
LOST = Faults(accept_then_drop=True, next=1)
"""Accepted, no answer."""
VERIFY = {"on_unknown": OnUnknown.VERIFY}


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        await stage.identify("u-1", "u-2")
        yield stage


async def start(stage: Stage, **options) -> None:
    await stage.start(**{"look_up_after": AFTER, **options})


async def proven(stage: Stage, user: str = "u-2") -> Command:
    """A command that was delivered, long enough ago to be a control."""
    [command] = await stage.add(user)
    assert await stage.settled(command) == [DELIVERED]
    await asyncio.sleep(AFTER.total_seconds() * 1.5)
    return command


async def held_reason(stage: Stage, command: Command) -> str:
    assert await stage.settled(command) == [HELD]
    return (await stage.store.command(command.id)).reason or ""


async def test_what_is_found_is_delivered_with_its_event_id(stage: Stage):
    await start(stage)
    stage.sandbox.faults = LOST
    [command] = await stage.add("u-1", **VERIFY)
    assert await stage.settled(command) == [DELIVERED]
    [call] = stage.sandbox.calls
    stored = await stage.store.command(command.id)
    assert (stored.intilery_event_id, stored.reason, stored.attempts) == (call.event_id, None, 1)
    unknown, found = await stage.store.attempts(command.id)
    assert (unknown.outcome, found.outcome, found.intilery_event_id) == (
        Outcome.UNKNOWN,
        Outcome.ACCEPTED,
        call.event_id,
    )
    assert found.at - unknown.at >= AFTER
    assert [lookup.finding for lookup in stage.lookups()] == ["found"]
    assert len(stage.front.profiles) == 1


async def test_what_is_absent_is_sent_again_once_markers_were_seen(stage: Stage):
    await start(stage)
    await proven(stage)
    stage.sandbox.faults = DROPPED
    [command] = await stage.add("u-1", **VERIFY)
    assert await stage.settled(command) == [DELIVERED]
    assert [lookup.finding for lookup in stage.lookups()] == ["absent"]
    assert stage.arrived().count(command.id) == 1
    assert [attempt.outcome for attempt in await stage.store.attempts(command.id)] == [
        Outcome.UNKNOWN,
        Outcome.ACCEPTED,
    ]


async def test_that_markers_are_shown_is_asked_once_and_remembered_over_a_restart(stage: Stage):
    await start(stage)
    await proven(stage)
    for _ in range(2):
        stage.sandbox.faults = DROPPED
        [command] = await stage.add("u-1", **VERIFY)
        assert await stage.settled(command) == [DELIVERED]
        assert stage.dispatcher is not None
        await stage.dispatcher.stop()
        await stage.reopen()
        await start(stage)
    asked = [path.decode().split("/")[-2] for path in stage.front.profiles]
    assert asked == ["userId:u-1", "userId:u-2", "userId:u-1"]


async def test_absent_proves_nothing_before_a_marker_was_seen(stage: Stage):
    await start(stage)
    stage.sandbox.faults = DROPPED
    [command] = await stage.add("u-1", **VERIFY)
    reason = await held_reason(stage, command)
    assert "no delivered track of this destination could be looked up" in reason
    assert f"gateway settle {command.id} --not-delivered" in reason
    assert stage.arrived() == []


async def test_a_control_of_another_kind_proves_nothing(stage: Stage):
    """That plain events are shown does not say that text messages are."""
    await start(stage)
    await proven(stage)
    stage.sandbox.faults = DROPPED
    [command] = await stage.add("u-1", command="send_sms", event="send_sms", extra={"assetId": "a"}, **VERIFY)
    assert "no delivered send_sms" in await held_reason(stage, command)


async def test_what_a_person_settled_is_no_control(stage: Stage):
    await start(stage)
    stage.sandbox.faults = DROPPED
    [settled] = await stage.add("u-2", on_unknown=OnUnknown.HOLD)
    assert await stage.settled(settled) == [HELD]
    await stage.store.act(Act.DELIVERED, [settled.id], now=datetime.now(UTC))
    await asyncio.sleep(AFTER.total_seconds() * 1.5)
    stage.sandbox.faults = DROPPED
    [command] = await stage.add("u-1", **VERIFY)
    assert "nobody knows" in await held_reason(stage, command)


async def test_a_destination_that_never_shows_markers_holds(tmp_path: Path):
    async with staged(tmp_path, shows_message_id=False) as stage:
        await stage.identify("u-1", "u-2")
        await start(stage)
        await proven(stage)
        stage.sandbox.faults = DROPPED
        [command] = await stage.add("u-1", **VERIFY)
        assert "does not show the messageId of a delivered track" in await held_reason(stage, command)


async def test_without_markers_it_is_found_by_its_content_and_time(tmp_path: Path):
    async with staged(tmp_path, shows_message_id=False) as stage:
        await stage.identify("u-1")
        await start(stage)
        stage.sandbox.faults = LOST
        [command] = await stage.add("u-1", extra={"properties": {"number": "#1"}}, **VERIFY)
        assert await stage.settled(command) == [DELIVERED]
        [call] = stage.sandbox.calls
        assert (await stage.store.command(command.id)).intilery_event_id == call.event_id
        _, found = await stage.store.attempts(command.id)
        assert found.message == "found by its content and time among the customer's events"


async def test_other_content_is_another_event(tmp_path: Path):
    async with staged(tmp_path, shows_message_id=False) as stage:
        await stage.identify("u-1")
        await start(stage)
        [other] = await stage.add("u-1", extra={"properties": {"number": "#1"}})
        assert await stage.settled(other) == [DELIVERED]
        stage.sandbox.faults = DROPPED
        [command] = await stage.add("u-1", extra={"properties": {"number": "#2"}}, **VERIFY)
        assert "does not show the messageId" in await held_reason(stage, command)


async def test_twins_can_not_be_told_apart_without_markers(tmp_path: Path):
    async with staged(tmp_path, shows_message_id=False) as stage:
        await stage.identify("u-1")
        await start(stage)
        [twin] = await stage.add("u-1")
        assert await stage.settled(twin) == [DELIVERED]
        stage.sandbox.faults = DROPPED
        [command] = await stage.add("u-1", **VERIFY)
        assert "1 event with its content may be that of 2 commands" in await held_reason(stage, command)
        assert stage.arrived() == [twin.id]


async def test_a_twin_that_shows_its_own_marker_is_no_evidence(stage: Stage):
    await start(stage)
    await proven(stage, "u-1")
    stage.sandbox.faults = DROPPED
    [command] = await stage.add("u-1", **VERIFY)
    assert await stage.settled(command) == [DELIVERED]
    assert [lookup.finding for lookup in stage.lookups()] == ["absent"]
    assert stage.arrived().count(command.id) == 1


async def test_a_full_page_that_reaches_back_to_the_attempt_is_enough(tmp_path: Path):
    ago = 3600.0
    async with staged(tmp_path, clock=lambda: time.time() - ago) as stage:
        await stage.identify("u-1", "u-2")
        for _ in range(100):  # a customer with a history
            body = stage.command("u-1").body
            await stage.client.send(stage.destination(), token="sandbox", action="track", body=body)
        ago = 0.0
        await start(stage)
        await proven(stage)
        stage.sandbox.faults = DROPPED
        [command] = await stage.add("u-1", **VERIFY)
        assert await stage.settled(command) == [DELIVERED]
        assert [lookup.finding for lookup in stage.lookups()] == ["absent"]
        assert stage.arrived().count(command.id) == 1


async def test_what_is_shown_late_is_found_when_the_wait_is_long_enough(tmp_path: Path):
    async with staged(tmp_path, shows_after=0.05) as stage:
        await stage.identify("u-1")
        await start(stage)
        stage.sandbox.faults = LOST
        [command] = await stage.add("u-1", **VERIFY)
        assert await stage.settled(command) == [DELIVERED]
        assert stage.arrived() == [command.id]


async def test_a_customer_whom_intilery_does_not_know_is_inconclusive(stage: Stage):
    await start(stage)
    await proven(stage)
    stage.sandbox.faults = DROPPED
    [command] = await stage.add("u-9", **VERIFY)
    assert "Intilery does not know the customer (404)" in await held_reason(stage, command)


async def test_a_full_page_without_it_is_inconclusive(stage: Stage):
    await start(stage)
    await proven(stage)
    stage.sandbox.faults = DROPPED
    stage.front.reads = (200, b"[" + b",".join([b"{}"] * 100) + b"]")
    [command] = await stage.add("u-1", **VERIFY)
    assert "more events than one answer shows" in await held_reason(stage, command)


async def test_an_answer_that_is_no_list_is_inconclusive(stage: Stage):
    await start(stage)
    stage.sandbox.faults = DROPPED
    stage.front.reads = (200, b"<html>")
    [command] = await stage.add("u-1", **VERIFY)
    assert "holds no list of events" in await held_reason(stage, command)


async def test_a_lookup_that_fails_is_made_again(stage: Stage):
    await start(stage)
    stage.sandbox.faults = LOST
    stage.front.reads = (503, b"{}")
    [command] = await stage.add("u-1", **VERIFY)
    await stage.until(lambda: len(stage.lookups()) >= 2)
    assert (await stage.store.command(command.id)).state is UNKNOWN
    stage.front.reads = None
    assert await stage.settled(command) == [DELIVERED]
    assert {lookup.finding for lookup in stage.lookups()[:-1]} == {"failed"}
    assert len(await stage.store.attempts(command.id)) == 2  # lookups are no attempts


async def test_lookups_that_go_on_failing_are_given_up_and_held(stage: Stage):
    await start(stage, give_up_after=timedelta(milliseconds=400))
    stage.sandbox.faults = LOST
    stage.front.reads = (500, b'{"error": {"code": "x", "message": "on fire"}}')
    [command] = await stage.add("u-1", **VERIFY)
    assert "it could not be looked up: Intilery answered 500: on fire" in await held_reason(stage, command)
    assert len(stage.lookups()) >= 2


async def test_a_token_that_may_not_read_profiles_holds_and_pauses_nothing(stage: Stage):
    await start(stage)
    stage.front.reads = (403, b"{}")
    for user in ("u-1", "u-2", "u-1", "u-2"):
        stage.sandbox.faults = LOST
        [command] = await stage.add(user, **VERIFY)
        assert "the token may not read profiles: Intilery answered 403" in await held_reason(stage, command)
    assert stage.pauses() == []


async def test_a_token_that_is_refused_altogether_is_no_finding(stage: Stage):
    await start(stage)
    stage.sandbox.faults = LOST
    [command] = await stage.add("u-1", **VERIFY)
    await stage.until(lambda: stage.last(command.id) is UNKNOWN)
    stage.sandbox.faults = Faults(unauthorised=True)
    await stage.until(lambda: [lookup.finding for lookup in stage.lookups()] == ["failed"])
    stage.sandbox.faults = Faults()
    assert await stage.settled(command) == [DELIVERED]


async def test_the_line_waits_for_the_lookup_and_keeps_its_order(stage: Stage):
    await start(stage, look_up_after=timedelta(milliseconds=300))
    await proven(stage)
    await asyncio.sleep(0.3)
    stage.sandbox.faults = DROPPED
    first, second, other = await stage.add("u-1", "u-1", "u-2", **VERIFY)
    assert await stage.settled(first, second, other) == [DELIVERED] * 3
    mine = [call.message_id for call in stage.sandbox.calls if call.user_id == "u-1"]
    assert mine == [first.id, second.id]
    assert stage.arrived().index(other.id) < stage.arrived().index(first.id)


async def test_a_restart_between_the_outcome_and_the_lookup_loses_neither(stage: Stage):
    await start(stage)
    stage.sandbox.faults = LOST
    first, second = await stage.add("u-1", "u-1", **VERIFY)
    await stage.until(lambda: stage.last(first.id) is UNKNOWN)
    assert stage.dispatcher is not None
    await stage.dispatcher.stop()
    await stage.reopen()
    await start(stage)
    assert await stage.settled(first, second) == [DELIVERED] * 2
    assert stage.arrived() == [first.id, second.id]


async def test_a_lookup_that_was_cut_off_is_made_by_the_next_process(stage: Stage):
    await start(stage)
    stage.sandbox.faults = LOST
    [command] = await stage.add("u-1", **VERIFY)
    await stage.until(lambda: stage.last(command.id) is UNKNOWN)
    stage.sandbox.faults = Faults(delay=1.0)
    await stage.asked()
    assert stage.dispatcher is not None
    await stage.dispatcher.stop(grace=timedelta(0))
    stage.sandbox.faults = Faults()
    await stage.reopen()
    await start(stage)
    assert await stage.settled(command) == [DELIVERED]


async def test_what_lost_its_lease_is_looked_up_too(stage: Stage):
    [command] = await stage.add("u-1", **VERIFY)
    now = datetime.now(UTC)
    [claim] = (await stage.store.claim("default", limit=1, lease=timedelta(milliseconds=1), now=now)).claims
    await stage.client.send(stage.destination(), token="sandbox", action="track", body=claim.command.body)
    await asyncio.sleep(0.01)
    await start(stage)
    assert await stage.settled(command) == [DELIVERED]
    assert stage.arrived() == [command.id]
    assert [lookup.finding for lookup in stage.lookups()] == ["found"]


async def test_a_customers_id_is_encoded_in_the_path(stage: Stage):
    await stage.identify("a/b c?d%2F:é")
    await start(stage)
    stage.sandbox.faults = LOST
    [command] = await stage.add("a/b c?d%2F:é", **VERIFY)
    assert await stage.settled(command) == [DELIVERED]
    [path] = stage.front.profiles
    assert path.endswith(b"/v1/profiles/userId:a%2Fb%20c%3Fd%252F:%C3%A9/events")


async def test_lookups_keep_to_the_rate(tmp_path: Path):
    async with staged(tmp_path, rate=100.0, burst=30) as stage:
        stage.destinations["default"] = stage.destination(rate=100.0, burst=30)
        users = [f"u-{n}" for n in range(12)]
        await stage.identify(*users)
        await start(stage)
        stage.sandbox.faults = Faults(accept_then_drop=True, next=12)
        commands = await stage.add(*users, **VERIFY)
        assert await stage.settled(*commands) == [DELIVERED] * 12
        assert stage.sandbox.counts["throttled"] == 0


async def test_while_a_person_has_paused_the_destination_nothing_is_looked_up(stage: Stage):
    dispatcher = await stage.start(look_up_after=timedelta(seconds=1))
    stage.sandbox.faults = LOST
    [command] = await stage.add("u-1", **VERIFY)
    await stage.until(lambda: bool(stage.made()))
    await stage.store.pause(
        Pause(scope=PauseScope.DESTINATION, name="default", since=datetime.now(UTC), by="anna", reason="no reads")
    )
    await dispatcher.look_at_pauses()
    await stage.until(lambda: bool(stage.pauses()))
    await asyncio.sleep(1.5)
    assert not stage.front.profiles
    await stage.store.resume(PauseScope.DESTINATION, "default")
    await dispatcher.look_at_pauses()
    assert await stage.settled(command) == [DELIVERED]
    assert stage.front.profiles
