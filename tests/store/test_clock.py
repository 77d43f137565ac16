"""A clock that is set back: lengths of time go on, moments stay."""

from __future__ import annotations

from datetime import timedelta

from gateway.model import CommandState
from gateway.store import Store
from gateway.terms import QuietHours
from tests.store.making import NOW, after, claimed, ended, received

HOUR = timedelta(hours=1)
LATER = {"state": CommandState.WAITING, "not_before": after(7200)}


async def test_what_was_made_in_the_future_is_due_and_what_waits_for_a_moment_waits(store: Store) -> None:
    _, reminder = await received(store, {}, LATER)
    assert await claimed(store, at=-3600) == []
    assert await store.set_back(None, now=after(-3600)) == HOUR
    (claim,) = await claimed(store, at=-3600)
    await ended(store, claim, at=-3600)
    assert await claimed(store, at=7199) == []
    assert [claim.command.id for claim in await claimed(store, at=7200)] == [reminder.id]


async def test_a_retry_waits_as_long_as_it_was_to(store: Store) -> None:
    (made,) = await received(store, {})
    (claim,) = await claimed(store)
    await ended(store, claim, CommandState.PENDING, due_at=after(60))
    assert await store.set_back(HOUR, now=after(-3600)) == HOUR
    assert await claimed(store, at=-3541) == []
    assert [claim.command.id for claim in await claimed(store, at=-3540)] == [made.id]


async def test_those_behind_it_in_the_line_are_due_when_it_has_left(store: Store) -> None:
    first, second = await received(store, {}, {})
    await store.set_back(HOUR, now=after(-3600))
    for one in (first, second):
        (claim,) = await claimed(store, at=-3600)
        assert claim.command.id == one.id
        await ended(store, claim, at=-3600)


async def test_the_morning_and_a_lookup_stay_where_they_are(store: Store) -> None:
    minute = NOW.hour * 60 + NOW.minute
    night = QuietHours(start=minute, end=(minute + 60) % 1440, zone="UTC")
    asleep, unknown = await received(store, {"quiet": night}, {"user_id": "v"})
    (claim,) = await claimed(store)
    assert claim.command.id == unknown.id
    await ended(store, claim, CommandState.UNKNOWN, due_at=after(60))
    morning = (await store.command(asleep.id)).due_at
    await store.set_back(HOUR, now=after(-3600))
    assert [(await store.command(one.id)).due_at for one in (asleep, unknown)] == [morning, after(60)]


async def test_what_is_little_or_nothing_changes_nothing(store: Store) -> None:
    assert await store.set_back(None, now=NOW) == timedelta()
    (made,) = await received(store, {"due_at": after(1)})
    assert await store.set_back(None, now=after(-0.9)) == timedelta()
    assert await store.set_back(timedelta(seconds=0.9), now=NOW) == timedelta()
    assert (await store.command(made.id)).due_at == after(1)
