"""What is sent to one address, by one destination or by two that name it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.delivery.allowance import Allowance, Allowances
from gateway.errors import Throttled
from gateway.intilery.contract import Destination
from gateway.model import CommandState
from tests.delivery.stage import staged


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def destination(name: str = "uk", *, rate: float = 100, burst: int = 500, account: str = "acme") -> Destination:
    return Destination(
        name=name, client_id="acme", account_id=account, brand_id="ACME", auth_token="T", rate=rate, burst=burst
    )


def filled(*destinations: Destination, at_most: int = 64) -> tuple[Allowance, Clock]:
    clock = Clock()
    allowances = Allowances(at_most=at_most, monotonic=clock)
    for one in destinations:
        allowance = allowances.of(one)
    clock.now += 3600
    return allowance, clock


def test_what_was_taken_and_not_used_comes_back():
    allowance, _ = filled(destination())
    before = allowance.tokens
    taken = allowance.take(10)
    assert (taken.n, allowance.tokens) == (10, before - 10)
    allowance.give_back(taken, 4)
    assert allowance.tokens == before - 6
    allowance.done(6)
    assert allowance.take(1000).n == 64


def test_two_destinations_of_one_address_share_and_the_strictest_limits_count():
    fast, slow = destination("fast"), destination("slow", rate=10, burst=50)
    clock = Clock()
    allowances = Allowances(at_most=64, monotonic=clock)
    assert allowances.of(fast) is allowances.of(slow)
    assert allowances.of(destination("other", account="acmeuk")) is not allowances.of(fast)
    shared = allowances.of(fast)
    assert shared.rate < 10
    clock.now += 3600
    # Less than the burst by all that may be on its way: 25 commands, a probe and a lookup of each.
    assert shared.tokens == 50 - 25 - 4


def test_a_destination_that_moves_leaves_its_limits_behind():
    clock = Clock()
    allowances = Allowances(at_most=64, monotonic=clock)
    shared = allowances.of(destination("fast"))
    allowances.of(destination("slow", rate=10))
    assert shared.rate < 10
    allowances.of(destination("slow", rate=10, account="moved"))
    assert 99 < shared.rate < 100


def test_no_more_in_flight_than_places_and_who_waits_is_called_once():
    allowance, _ = filled(destination(), at_most=2)
    called: list[int] = []
    assert not allowance.full(lambda: called.append(0))
    assert allowance.take(10).n == 2
    assert allowance.full(lambda: called.append(1))
    allowance.done()
    allowance.done()
    assert called == [1]
    assert not allowance.full(lambda: called.append(2))


def test_a_429_voids_what_was_taken():
    allowance, clock = filled(destination())
    taken = allowance.take(10)
    assert allowance.holds(taken)
    allowance.throttled(Throttled("429", status=429, retry_after=2.0))
    assert not allowance.holds(taken)
    allowance.give_back(taken, 10)
    assert allowance.tokens == 0
    assert allowance.wait() >= 2.0
    clock.now += 2.5
    assert allowance.rate < 55


async def test_two_destinations_of_one_address_draw_no_429_and_neither_starves(tmp_path: Path):
    async with staged(tmp_path, rate=200, burst=20) as stage:
        for name in ("default", "second"):
            stage.destinations[name] = stage.destination(name=name, rate=200.0, burst=20)
        await stage.start()
        first = await stage.add(*(f"a{n}" for n in range(60)), wake=False)
        second = await stage.add(*(f"b{n}" for n in range(60)), destination="second", wake=False)
        assert stage.dispatcher is not None
        stage.dispatcher.wake({"default", "second"})
        half = {one.id for one in second}
        async with asyncio.timeout(10):
            assert set(await stage.settled(*first, *second)) == {CommandState.DELIVERED}
        assert not stage.sandbox.counts["throttled"]
        # By the time that one is through, the other is nearly through too.
        arrived = [id in half for id in stage.arrived()]
        assert 15 <= sum(arrived[:60]) <= 45


def test_processes_that_share_an_address_have_a_part_each():
    clock = Clock()
    allowances = Allowances(at_most=64, monotonic=clock)
    before = allowances.of(destination())
    clock.now += 3600
    allowances.share(2)
    assert before.tokens == 0
    allowances.of(destination("other", account="acmeuk"))
    clock.now += 3600
    assert 49 < before.rate < 50
    # Of the half of the burst, less what may be in flight.
    assert before.tokens == allowances.of(destination("other", account="acmeuk")).tokens == 250 - 64 - 2
    allowances.share(2)
    assert before.tokens == 250 - 64 - 2
    allowances.share(1)
    assert before.tokens == 0
    assert 99 < before.rate < 100


def test_who_comes_in_sends_nothing_until_the_others_know():
    clock = Clock()
    allowances = Allowances(at_most=64, monotonic=clock)
    allowances.share(3, after=2.0)
    allowance = allowances.of(destination())
    assert allowance.wait() > 2.0
    clock.now += 2.0
    assert allowance.tokens == 0
    clock.now += 1.0
    assert allowance.tokens == 33
