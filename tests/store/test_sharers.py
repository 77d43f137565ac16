"""Who delivers from one store, and shares the places in flight: every process says so again and again."""

from __future__ import annotations

from datetime import timedelta

from gateway.store import Store

WITHIN = timedelta(seconds=10)


async def test_who_delivers_alone_shares_with_nobody(store: Store) -> None:
    for _ in range(3):
        assert await store.sharers("a", within=WITHIN) == 1
    await store.sign_off("a")
    await store.sign_off("nobody")
    assert await store.sharers("a", within=WITHIN) == 1
