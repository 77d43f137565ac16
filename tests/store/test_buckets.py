"""What an address takes: one bucket, spent by claims and by what is no command, slowed down by a 429.

The clock of a bucket is the store's own and can't be set: rates are so high, or so low, that its pace does not matter.
"""

from __future__ import annotations

import asyncio
from typing import Any

from gateway import pacing
from gateway.store import Claimed, Limits, Store
from tests.store.making import LEASE, NOW, claimed, received

SLOW = 1e-6
"""Tokens a second: none in a test's life."""


def limits(address: str = "https://api.example/acme", **changes: Any) -> Limits:
    given: dict[str, Any] = {"address": address, "rate": 1000.0, "burst": 40, "in_flight": 30}
    return Limits(**(given | changes))


async def filled(store: Store, asked: Limits | None = None) -> Limits:
    """Limits whose bucket is full, and gets no new tokens: ten."""
    asked = asked or limits()
    await store.spend(asked)
    await asyncio.sleep(0.05)
    return limits(asked.address, rate=SLOW)


async def claim(store: Store, asked: Limits, limit: int = 100) -> Claimed:
    return await store.claim("default", limit=limit, lease=LEASE, now=NOW, limits=asked)


async def test_a_new_bucket_is_empty_and_tells_when_to_come_again(store: Store) -> None:
    await received(store, {"user_id": "a"})
    new = await claim(store, limits(rate=2.0))
    assert not new.claims
    assert new.bucket is not None
    assert 0.4 < pacing.wait(new.bucket, 0.0) < 0.6
    assert 0.4 < await store.spend(limits(rate=2.0)) < 0.6
    assert len(await claimed(store)) == 1, "without limits nothing is counted"


async def test_a_claim_takes_no_more_than_the_bucket_holds_and_pays_for_what_it_takes(store: Store) -> None:
    await received(store, *({"user_id": f"u{n}"} for n in range(14)))
    asked = await filled(store)
    first = await claim(store, asked, 4)
    assert len(first.claims) == 4
    assert first.bucket is not None
    assert pacing.available(first.bucket, 0.0) == 6
    assert len((await claim(store, asked)).claims) == 6
    last = await claim(store, asked)
    assert not last.claims
    assert last.bucket is not None
    assert pacing.wait(last.bucket, 0.0) > 3600


async def test_a_claim_that_finds_less_pays_for_less(store: Store) -> None:
    await received(store, {"user_id": "a"}, {"user_id": "b"})
    asked = await filled(store)
    found = await claim(store, asked)
    assert len(found.claims) == 2
    assert found.bucket is not None
    assert pacing.available(found.bucket, 0.0) == 8
    again = await claim(store, asked)
    assert again.bucket is not None
    assert pacing.available(again.bucket, 0.0) == 8


async def test_what_is_no_command_costs_a_token_of_the_same_bucket(store: Store) -> None:
    await received(store, *({"user_id": f"u{n}"} for n in range(14)))
    asked = await filled(store)
    for _ in range(3):
        assert await store.spend(asked) == 0.0
    assert len((await claim(store, asked)).claims) == 7
    assert await store.spend(asked) > 3600


async def test_each_address_has_its_own(store: Store) -> None:
    first = await filled(store)
    second = await filled(store, limits("https://api.example/other"))
    for asked in (first, second):
        assert [await store.spend(asked) == 0.0 for _ in range(11)] == [True] * 10 + [False]


async def test_a_429_empties_it_closes_it_and_halves_its_pace(store: Store) -> None:
    await received(store, {"user_id": "a"})
    asked = limits()
    await filled(store)
    slowed = await store.slow(asked, retry_after=60.0)
    assert 59 < pacing.wait(slowed, 0.0) < 61
    assert slowed.pace == slowed.rate / 2
    # What was in flight with it is answered the same, and changes nothing.
    assert (await store.slow(asked, retry_after=1.0)).pace == slowed.pace
    assert 58 < await store.spend(asked) < 61
    told = await claim(store, asked)
    assert not told.claims
    assert told.bucket is not None
    assert 58 < pacing.wait(told.bucket, 0.0) < 61


async def test_other_limits_hold_from_the_next_claim_on(store: Store) -> None:
    await filled(store)
    wider = await claim(store, limits(rate=SLOW, burst=400, in_flight=300))
    assert wider.bucket is not None
    assert (wider.bucket.burst, pacing.available(wider.bucket, 0.0)) == (100, 10)
    narrower = await claim(store, limits(rate=SLOW, burst=4, in_flight=2))
    assert narrower.bucket is not None
    assert narrower.bucket.burst <= 2
    assert pacing.available(narrower.bucket, 0.0) <= 2
