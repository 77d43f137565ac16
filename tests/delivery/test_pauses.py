"""Pauses, by persons and by gates: what is sent meanwhile (nothing), who knows of them, and what ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.delivery import DestinationPaused, DestinationResumed, PauseBegun, PauseEnded
from gateway.errors import NotSent, SettingsError, Unauthorised
from gateway.intilery.sandbox import Faults
from gateway.model import CommandState
from gateway.store import Pause, PauseScope
from tests.delivery.stage import NEVER, Stage, staged

DELIVERED, PENDING, WAITING = CommandState.DELIVERED, CommandState.PENDING, CommandState.WAITING
DESTINATION, SOURCE = PauseScope.DESTINATION, PauseScope.SOURCE


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with staged(tmp_path) as stage:
        yield stage


def pause(scope: PauseScope = DESTINATION, name: str = "default", **fields: Any) -> Pause:
    return Pause(**({"scope": scope, "name": name, "since": datetime.now(UTC), "by": "anna"} | fields))


async def noted(stage: Stage, number: int) -> None:
    """Wait until the store holds so many pauses."""
    async with asyncio.timeout(10):
        while True:
            if len(await stage.store.pauses()) == number:
                return
            await asyncio.sleep(0.005)


async def test_a_person_pauses_a_destination_and_resumes_it(stage: Stage):
    dispatcher = await stage.start()
    await stage.store.pause(pause(reason="moving house"))
    await dispatcher.look_at_pauses()
    [command] = await stage.add("u-1")
    await stage.until(lambda: bool(stage.pauses()))
    assert stage.pauses() == [DestinationPaused(name="default", reason="paused by anna: moving house")]
    status = dispatcher.status()["default"]
    assert status["paused"] == "paused by anna: moving house"
    assert isinstance(status["paused_since"], datetime)
    assert (await stage.store.command(command.id)).state is PENDING
    await stage.store.resume(DESTINATION, "default")
    await dispatcher.look_at_pauses()
    assert await stage.settled(command) == [DELIVERED]
    assert stage.pauses()[-1] == DestinationResumed(name="default")
    assert dispatcher.status()["default"]["paused"] is None


async def test_what_another_process_pauses_is_seen_soon(stage: Stage):
    await stage.start(poll=0.02)
    await stage.store.pause(pause(SOURCE, "shop"))
    await stage.until(lambda: any(isinstance(record, PauseBegun) for record in stage.records))
    [command] = await stage.add("u-1")
    await stage.store.resume(SOURCE, "shop")
    await stage.until(lambda: PauseEnded(scope=SOURCE, name="shop") in stage.records)
    assert await stage.settled(command) == [DELIVERED]


async def test_what_a_paused_source_sent_waits_for_its_end(stage: Stage):
    dispatcher = await stage.start()
    await stage.store.pause(pause(SOURCE, "shop"))
    await dispatcher.look_at_pauses()
    waiting, _ = await stage.add("u-1", "u-2")
    [other] = await stage.add("u-1", source="crm")
    assert await stage.settled(other) == [DELIVERED]
    assert stage.arrived() == [other.id]
    assert (await stage.store.command(waiting.id)).state is WAITING
    await stage.store.resume(SOURCE, "shop")
    await dispatcher.look_at_pauses()
    assert await stage.settled(waiting) == [DELIVERED]


async def test_a_restart_during_a_persons_pause_sends_nothing(stage: Stage):
    await stage.store.pause(pause())
    commands = await stage.add("u-1", "u-2")
    await stage.reopen()
    dispatcher = await stage.start()
    await stage.until(lambda: bool(stage.pauses()))
    assert (await stage.store.command(commands[0].id)).attempts == 0
    await stage.store.resume(DESTINATION, "default")
    await dispatcher.look_at_pauses()
    assert await stage.settled(*commands) == [DELIVERED] * 2


async def test_a_refused_token_is_written_down_until_a_probe_passes(stage: Stage):
    stage.sandbox.faults = Faults(unauthorised=True)
    await stage.start()
    [command] = await stage.add("u-1")
    await noted(stage, 1)
    [found] = await stage.store.pauses()
    assert (found.scope, found.name, found.by, found.automatic) == (DESTINATION, "default", "gateway", True)
    assert "401" in (found.reason or "")
    stage.sandbox.faults = Faults()
    assert await stage.settled(command) == [DELIVERED]
    await noted(stage, 0)


async def test_after_a_restart_a_refused_token_is_probed_before_anything_is_sent(stage: Stage):
    stage.sandbox.faults = Faults(unauthorised=True)
    dispatcher = await stage.start(probe_every=NEVER, probe_at_most=NEVER)
    [command] = await stage.add("u-1")
    await stage.until(lambda: bool(stage.made()))
    await dispatcher.stop()
    refused = stage.sandbox.counts["unauthorised"]
    stage.records.clear()

    await stage.reopen()
    await stage.start(probe_every=NEVER, probe_at_most=NEVER)
    async with asyncio.timeout(10):
        while True:
            if stage.sandbox.counts["unauthorised"] > refused:
                break
            await asyncio.sleep(0.005)
    await stage.until(lambda: bool(stage.pauses()))
    assert not stage.made()
    assert (await stage.store.command(command.id)).attempts == 1
    stage.sandbox.faults = Faults()
    assert stage.dispatcher is not None
    assert await stage.dispatcher.probe("default") is None
    assert await stage.settled(command) == [DELIVERED]


async def test_what_another_gate_found_closes_this_one_and_a_probe_opens_it(stage: Stage):
    stage.sandbox.faults = Faults(unauthorised=True)
    dispatcher = await stage.start(probe_every=NEVER, probe_at_most=NEVER)
    await stage.store.pause(pause(by="gateway", reason="401: no", automatic=True))
    await dispatcher.look_at_pauses()
    [command] = await stage.add("u-1")
    await stage.until(lambda: bool(stage.pauses()))
    assert not stage.made()
    stage.sandbox.faults = Faults()
    assert await dispatcher.probe("default") is None
    assert await stage.settled(command) == [DELIVERED]
    await noted(stage, 0)


async def test_a_person_ends_the_gateways_own_pause_and_one_command_tries(stage: Stage):
    stage.sandbox.faults = Faults(unauthorised=True)
    dispatcher = await stage.start(probe_every=NEVER, probe_at_most=NEVER)
    commands = await stage.add("u-1", "u-2", "u-3")
    await noted(stage, 1)
    stage.sandbox.faults = Faults()
    await stage.store.resume(DESTINATION, "default")
    await dispatcher.look_at_pauses()
    assert await stage.settled(*commands) == [DELIVERED] * 3
    assert isinstance(stage.pauses()[-1], DestinationResumed)
    await noted(stage, 0)


async def test_a_persons_pause_outlives_the_gateways_own(stage: Stage):
    stage.sandbox.faults = Faults(unauthorised=True)
    dispatcher = await stage.start()
    [command] = await stage.add("u-1")
    await noted(stage, 1)
    await stage.store.pause(pause())
    await dispatcher.look_at_pauses()
    stage.sandbox.faults = Faults()
    assert await dispatcher.probe("default") is None
    await noted(stage, 1)
    assert dispatcher.status()["default"]["paused"] == "paused by anna"
    assert (await stage.store.command(command.id)).state is PENDING
    await stage.store.resume(DESTINATION, "default")
    await dispatcher.look_at_pauses()
    assert await stage.settled(command) == [DELIVERED]


async def test_a_probe_by_hand(stage: Stage):
    dispatcher = await stage.start(probe_every=NEVER, probe_at_most=NEVER)
    assert await dispatcher.probe("default") is None
    stage.sandbox.faults = Faults(unauthorised=True)
    assert isinstance(await dispatcher.probe("default"), Unauthorised)
    await stage.until(lambda: bool(stage.pauses()))
    stage.sandbox.faults = Faults()
    assert await dispatcher.probe("default") is None
    await stage.until(lambda: isinstance(stage.pauses()[-1], DestinationResumed))
    stage.destinations["default"] = stage.destination("http://127.0.0.1:9")
    assert isinstance(await dispatcher.probe("default"), NotSent)
    with pytest.raises(SettingsError, match="no such destination"):
        await dispatcher.probe("nowhere")


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"auth_token": "OTHER_TOKEN"}, 401), ({"brand_id": "OTHERS"}, 403), ({"brand_id": "NOBODYS"}, 404)],
)
async def test_a_wrong_address_and_a_wrong_token_pause_only_the_destination_that_has_them(
    tmp_path: Path, changes: dict[str, str], status: int
):
    async with staged(tmp_path, accounts={"acme/acme/ACME": "sandbox", "acme/acme/OTHERS": "theirs"}) as stage:
        stage.tokens["OTHER_TOKEN"] = "not this one"
        stage.destinations["wrong"] = stage.destination(name="wrong", **changes)
        await stage.start(probe_every=NEVER, probe_at_most=NEVER)
        [waiting] = await stage.add("u-1", destination="wrong")
        await stage.until(lambda: bool(stage.pauses()))
        [sent] = await stage.add("u-1")
        assert await stage.settled(sent) == [DELIVERED]
        await stage.until(lambda: bool(stage.made(waiting.id)))
        assert str(status) in ((await stage.store.command(waiting.id)).reason or "")
        [found] = stage.pauses()
        assert found.name == "wrong"
        # Mended, it goes on: another address, or another token, is probed at once.
        stage.destinations["wrong"] = stage.destination(name="wrong")
        assert stage.dispatcher is not None
        stage.dispatcher.wake({"wrong"})
        assert await stage.settled(waiting) == [DELIVERED]
