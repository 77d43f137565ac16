"""A burst of one shop does not delay another, all the way to Intilery."""

from __future__ import annotations

from pathlib import Path

from gateway.model import CommandState
from tests.delivery.stage import staged


async def test_a_shop_with_few_commands_does_not_wait_for_one_with_many(tmp_path: Path):
    async with staged(tmp_path, rate=100, burst=20) as stage:
        stage.destinations["default"] = stage.destination(rate=100.0, burst=20)
        many = await stage.add(*(f"a{n}" for n in range(80)), source="black-friday")
        await stage.start()
        await stage.accepted(5)
        few = await stage.add(*(f"b{n}" for n in range(5)), source="small-shop")
        before = len(stage.arrived())
        assert set(await stage.settled(*few)) == {CommandState.DELIVERED}
        # One each in turn, and some that were claimed before: far fewer than the dozens that came first.
        ids = {one.id for one in few}
        last = max(number for number, id in enumerate(stage.arrived()) if id in ids)
        assert last - before < 30
        assert set(await stage.settled(*many)) == {CommandState.DELIVERED}
        assert not stage.sandbox.counts["throttled"]
