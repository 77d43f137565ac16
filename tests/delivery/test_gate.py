"""Whether a destination may be sent to: unset and refused tokens, probes, payloads that something in front dislikes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.delivery import AttemptMade, DestinationPaused, DestinationResumed
from gateway.delivery.gate import Gate, Where
from gateway.errors import Unauthorised
from gateway.intilery.contract import Destination
from gateway.intilery.sandbox import Faults
from gateway.model import CommandState
from tests.delivery.stage import NEVER, Stage, staged
from tests.servers import acting

DELIVERED, HELD, PENDING = CommandState.DELIVERED, CommandState.HELD, CommandState.PENDING


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


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
    stage.front.together = asyncio.Barrier(3)  # the first refusal finds all three heads of lines on their way
    dispatcher = await stage.start()
    commands = await stage.add("u-1", "u-2", "u-1", "u-2", "u-3")
    await stage.until(lambda: len(stage.made()) == 3 and bool(stage.pauses()))
    stage.front.together = asyncio.Barrier(1)
    await stage.unauthorised(3 + 4)
    assert len(stage.made()) == 3  # only probes since
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


async def test_a_refusal_of_a_token_that_has_changed_meanwhile_pauses_nothing(stage: Stage):
    stage.tokens["INTILERY_AUTH_TOKEN"] = "old"
    stage.sandbox.faults = Faults(delay=0.2)
    dispatcher = await stage.start()
    [command] = await stage.add("u-1")
    await stage.unauthorised(1)
    stage.sandbox.faults = Faults()
    stage.tokens["INTILERY_AUTH_TOKEN"] = "sandbox"
    dispatcher.wake({"default"})
    assert await stage.settled(command) == [DELIVERED]
    assert stage.verdicts(command.id) == [PENDING, DELIVERED]
    assert stage.pauses() == []


async def test_a_paused_destination_does_not_stop_another(stage: Stage):
    stage.destinations["uk"] = stage.destination(name="uk", auth_token="UK_TOKEN")
    stage.tokens["UK_TOKEN"] = "wrong"
    dispatcher = await stage.start()
    [bad] = await stage.add("u-1", destination="uk")
    await stage.until(lambda: bool(stage.pauses()))
    assert await stage.settled(*await stage.add("u-1")) == [DELIVERED]
    assert dispatcher.status()["default"]["paused"] is None
    assert dispatcher.status()["uk"]["paused"]
    stage.tokens["UK_TOKEN"] = "sandbox"
    assert await stage.settled(bad) == [DELIVERED]


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


async def test_of_three_that_are_refused_together_none_is_held(stage: Stage):
    stage.front.disliked = b"userId"
    stage.front.together = asyncio.Barrier(3)
    await stage.start(probe_every=NEVER, probe_at_most=NEVER)
    commands = await stage.add("u-1", "u-2", "u-3")
    await stage.until(lambda: len(stage.made()) == 3)
    assert [stage.verdicts(command.id) for command in commands] == [[PENDING]] * 3
    assert len(stage.pauses()) == 1


def open_gate(stage: Stage, destination: Destination) -> tuple[Gate, Where]:
    """A gate by itself, and where what is claimed now is sent."""

    async def free(destination: Destination) -> None:
        return

    gate = Gate(
        "default",
        client=stage.client,
        find=lambda: destination,
        credential=stage.tokens.get,
        spend=free,
        held=lambda: None,
        note=lambda reason: None,
        changed=lambda: None,
        emit=stage.emit,
        every=NEVER,
        at_most=NEVER,
        clock=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
    )
    assert gate.look(0.0) is None
    assert gate.open
    assert gate.where is not None
    return gate, gate.where


async def test_what_was_sent_before_the_gate_opened_again_neither_closes_it_nor_is_held(stage: Stage):
    gate, before = open_gate(stage, stage.destination())
    gate.lift()
    # The token is good by now, so a probe would say that it is the command's fault.
    for id in ("c-1", "c-2", "c-3"):
        assert await gate.unauthorised(id, Unauthorised("401"), before, patience=5.0) is False
    assert gate.open
    assert stage.sandbox.counts["unauthorised"] == 0
    assert gate.where is not None
    assert await gate.unauthorised("c-4", Unauthorised("401"), gate.where, patience=5.0) is True
    gate.stop()


async def test_a_probe_that_takes_too_long_closes_the_gate(stage: Stage):
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with acting(silent) as port:
        gate, where = open_gate(stage, stage.destination(f"http://127.0.0.1:{port}"))
        asked = asyncio.create_task(gate.unauthorised("c-1", Unauthorised("401"), where, patience=0.05))
        await asyncio.sleep(0)
        assert not gate.open  # while it asks, nothing is begun
        assert await asked is False
        assert stage.pauses() == [DestinationPaused(name="default", reason="401; a probe had no answer in time")]
        assert await gate.unauthorised("c-2", Unauthorised("401"), where, patience=0.05) is False  # closed already
        gate.stop()
