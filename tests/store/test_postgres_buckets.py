"""The bucket of an address when several gateways spend from it."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from gateway import pacing
from gateway.store import Store
from tests.store.conftest import Opened
from tests.store.making import received
from tests.store.test_buckets import claim, filled, limits


async def test_together_they_take_no_more_than_it_holds(opened: Opened) -> None:
    gateways = await opened(), await opened()
    await received(gateways[0], *({"user_id": f"u{n}"} for n in range(40)))
    asked = await filled(gateways[0])
    claimed = await asyncio.gather(*(claim(gateways[n % 2], asked, 3) for n in range(20)))
    assert sum(len(one.claims) for one in claimed) == 10
    assert not (await claim(gateways[1], asked)).claims


async def test_what_one_learns_of_a_429_holds_for_the_other(opened: Opened) -> None:
    one, other = await opened(), await opened()
    await received(one, {"user_id": "a"})
    await filled(one)
    await one.slow(limits(), retry_after=60.0)
    told = await claim(other, limits())
    assert not told.claims
    assert told.bucket is not None
    assert pacing.wait(told.bucket, 0.0) > 58


async def test_two_that_spend_of_several_at_once_do_not_wait_for_one_another(opened: Opened, store_url: str) -> None:
    gateways = await opened(), await opened()
    there = [limits(f"https://api.example/{n}") for n in range(8)]
    back = there[::-1]
    for _ in range(10):
        await asyncio.gather(*(gateways[n].spend(one) for n, asked in enumerate((there, back)) for one in asked))
    async with await psycopg.AsyncConnection.connect(store_url) as db:
        await db.execute("SELECT pg_stat_force_next_flush()")
        found = await db.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        assert await found.fetchone() == (0,)


@pytest.mark.parametrize("by", [3600, -3600])
async def test_a_servers_clock_that_is_set_closes_no_bucket(store: Store, store_url: str, by: int) -> None:
    asked = await filled(store)
    assert await store.spend(asked) == 0.0  # and what it holds is written
    await store.slow(limits("https://api.example/other"), retry_after=60.0)
    async with await psycopg.AsyncConnection.connect(store_url) as db:
        await db.execute("UPDATE buckets SET at = at + %s, not_before = not_before + %s", (by, by))
    assert await store.spend(asked) == 0.0
    other = await store.spend(limits("https://api.example/other"))
    assert other < 61
    if by > 0:  # set back: the pause is as long as it was
        assert other > 55
