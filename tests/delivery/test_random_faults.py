"""Whatever goes wrong, each command ends once, each customer's in order, and repeats come of unknown outcomes only."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.intilery.sandbox import Faults
from gateway.model import CommandState, OnUnknown, Outcome
from tests.delivery.stage import staged

FAULTS = (
    Faults(answer_status=503, retry_after="0", probability=0.4),
    Faults(answer_status=500, probability=0.6),
    Faults(answer_status=429, retry_after="0", probability=0.2),
    Faults(answer_status=403, probability=0.1),
    Faults(success_false=True, probability=0.2),
    Faults(drop=True, probability=0.4),
    Faults(accept_then_drop=True, probability=0.4),
    Faults(unauthorised=True),
    Faults(delay=0.03),
    Faults(),
)


@pytest.mark.parametrize("seed", range(5))
async def test_every_command_ends_once_and_in_order(tmp_path: Path, seed: int):
    dice = random.Random(seed)
    async with staged(tmp_path, seed=seed) as stage:
        await stage.identify(*(f"u-{n}" for n in range(6)))
        quick = {"rng": dice.random, "look_up_after": timedelta(milliseconds=60)}
        dispatcher = await stage.start(**quick)
        commands = []
        for round_ in range(8):
            stage.sandbox.faults = dice.choice(FAULTS)
            users = [f"u-{dice.randrange(6)}" for _ in range(dice.randrange(1, 14))]
            commands += await stage.add(*users, on_unknown=dice.choice(list(OnUnknown)))
            await asyncio.sleep(dice.random() * 0.12)
            if round_ == 4:  # a new process goes on with it
                await dispatcher.stop()
                await stage.reopen()
                dispatcher = await stage.start(**quick)
        stage.sandbox.faults = Faults()
        states = dict(zip((c.id for c in commands), await stage.settled(*commands), strict=True))

        ends = {CommandState.DELIVERED, CommandState.FAILED, CommandState.HELD}
        arrived = stage.arrived()
        for command in commands:
            verdicts = stage.verdicts(command.id)
            assert set(verdicts[:-1]) <= {CommandState.PENDING, CommandState.UNKNOWN}
            assert states[command.id] in ends
            assert stage.last(command.id) is states[command.id]
            found = sum(lookup.finding == "found" for lookup in stage.lookups(command.id))
            assert found <= 1
            attempts = await stage.store.attempts(command.id)
            numbers = [attempt.number for attempt in attempts]
            assert numbers == [*range(1, len(verdicts) + 1), *([len(verdicts)] * found)]
            unknown = sum(attempt.outcome is Outcome.UNKNOWN for attempt in attempts)
            accepted = sum(attempt.outcome is Outcome.ACCEPTED for attempt in attempts)
            assert accepted == (states[command.id] is CommandState.DELIVERED)
            assert accepted <= arrived.count(command.id) <= accepted + unknown
        for user in {command.user_id for command in commands}:
            mine = [command.id for command in commands if command.user_id == user]
            sent = list(dict.fromkeys(call.message_id for call in stage.sandbox.calls if call.user_id == user))
            assert sent == [id for id in mine if id in set(sent)]
        status = dispatcher.status()["default"]
        assert (status["paused"], status["in_flight"]) == (None, 0)
