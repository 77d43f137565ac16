"""What is sent to one address, by one destination or by two that name it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway import pacing
from gateway.delivery.allowance import Allowances
from gateway.errors import Throttled
from gateway.intilery.contract import Destination
from gateway.model import CommandState
from gateway.pacing import Bucket
from gateway.store import Limits, Store, open_store
from tests.delivery.stage import staged


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def destination(name: str = "uk", *, rate: float = 100, burst: int = 500, account: str = "acme") -> Destination:
    return Destination(
        name=name, client_id="acme", account_id=account, brand_id="ACME", auth_token="T", rate=rate, burst=burst
    )


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}")
    await store.open()
    yield store
    await store.close()


def full(limits: Limits) -> Bucket:
    """What a store tells after an hour in which nothing was sent; now is 0."""
    return pacing.opened(rate=limits.rate, burst=limits.burst, in_flight=limits.in_flight, now=-3600.0)


def test_two_destinations_of_one_address_share_and_the_strictest_limits_count(store: Store):
    fast, slow = destination("fast"), destination("slow", rate=10, burst=50)
    allowances = Allowances(store=store, at_most=64, monotonic=Clock())
    assert allowances.of(fast) is allowances.of(slow)
    other = allowances.of(destination("other", account="acmeuk"))
    shared = allowances.of(fast)
    assert other is not shared
    assert other.limits.address != shared.limits.address
    # All that may be on its way: 25 commands, a probe and a lookup of each.
    assert shared.limits == Limits(address=shared.limits.address, rate=10, burst=50, in_flight=25 + 4)
    assert shared.rate < 10


def test_a_destination_that_moves_leaves_its_limits_behind(store: Store):
    allowances = Allowances(store=store, at_most=64, monotonic=Clock())
    shared = allowances.of(destination("fast"))
    allowances.of(destination("slow", rate=10))
    assert shared.limits.rate == 10
    allowances.of(destination("slow", rate=10, account="moved"))
    assert shared.limits.rate == 100


def test_no_more_in_flight_than_places_and_who_waits_is_called_once(store: Store):
    allowance = Allowances(store=store, at_most=2, monotonic=Clock()).of(destination())
    called: list[int] = []
    assert not allowance.full(lambda: called.append(0))
    assert allowance.take(10).n == 2
    assert allowance.full(lambda: called.append(1))
    allowance.done()
    allowance.done()
    assert called == [1]
    assert not allowance.full(lambda: called.append(2))


def test_what_the_store_told_counts_from_that_moment_on(store: Store):
    clock = Clock()
    allowance = Allowances(store=store, at_most=64, monotonic=clock).of(destination())
    assert allowance.wait() == 0.0, "nothing is known yet: a claim finds out"
    taken = allowance.take(10)
    allowance.tell(pacing.opened(rate=100, burst=500, in_flight=66, now=0.0, not_before=2.0), taken)
    assert 2.0 < allowance.wait() < 2.1
    clock.now += 3
    assert (allowance.wait(), allowance.tokens) == (0.0, 99)


async def test_a_429_voids_what_was_claimed_and_is_told_to_the_store(store: Store):
    clock = Clock()
    allowance = Allowances(store=store, at_most=64, monotonic=clock).of(destination())
    taken = allowance.take(10)
    assert allowance.holds(taken)
    await allowance.throttled(Throttled("429", status=429, retry_after=60.0))
    assert not allowance.holds(taken)
    allowance.tell(full(allowance.limits), taken)
    assert allowance.tokens == 0, "that was before it"
    assert allowance.wait() > 59.0
    assert await store.spend(allowance.limits) > 59.0
    clock.now += 61
    assert allowance.rate < 55


async def test_what_is_no_command_waits_for_a_token_of_the_store(store: Store):
    allowance = Allowances(store=store, at_most=64, monotonic=Clock()).of(destination(rate=50))
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(3):
        await allowance.spend()
    assert loop.time() - began > 2.5 / 50


def test_processes_that_deliver_have_a_part_of_the_places_each(store: Store):
    allowances = Allowances(store=store, at_most=64, monotonic=Clock())
    allowance = allowances.of(destination())
    for sharers, most in ((1, 64), (3, 64), (5, 50), (1000, 1), (1, 64)):
        allowances.share(sharers)
        assert allowance.take(1000).n == most
        allowance.done(most)
    allowances.share(2)
    # Half of the burst is for what is in flight.
    assert allowances.of(destination("other", burst=40, account="acmeuk")).take(1000).n == 10


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
