"""Who delivers from one store, and shares the rates: every process says so again and again."""

from __future__ import annotations

from datetime import timedelta

from gateway.store import Store
from tests.store.making import after

WITHIN = timedelta(seconds=10)


async def test_who_delivers_alone_shares_with_nobody(store: Store) -> None:
    for at in (0, 1, 100):
        assert await store.sharers("a", now=after(at), within=WITHIN) == 1
    await store.sign_off("a")
    await store.sign_off("nobody")
    assert await store.sharers("a", now=after(101), within=WITHIN) == 1
