"""Pauses: written down for all, honoured in every claim; what waits for them goes on in its customer's order."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import CommandState
from gateway.store import Act, Foreseen, Pause, PauseScope, Store
from tests.store.conftest import Opened
from tests.store.making import NOW, after, claimed, ended, one, received, state_of

DESTINATION, SOURCE, RULE = PauseScope.DESTINATION, PauseScope.SOURCE, PauseScope.RULE
PENDING, WAITING = CommandState.PENDING, CommandState.WAITING


def pause(scope: PauseScope, name: str, **fields: Any) -> Pause:
    return Pause(**({"scope": scope, "name": name, "since": NOW, "by": "anna"} | fields))


async def test_a_pause_is_there_until_it_is_resumed(opened: Opened) -> None:
    store = await opened()
    made = [pause(DESTINATION, "uk", reason="Ümlaut\ud800"), pause(RULE, "shop/Order: a/b"), pause(SOURCE, "shop")]
    for each in made:
        await store.pause(each)
    await store.close()
    store = await opened()
    assert list(await store.pauses()) == made
    assert await store.resume(RULE, "shop/Order: a/b")
    assert not await store.resume(RULE, "shop/Order: a/b")
    assert not await store.resume(SOURCE, "uk")
    assert list(await store.pauses()) == [made[0], made[2]]


async def test_pausing_again_keeps_since_when(store: Store) -> None:
    await store.pause(pause(SOURCE, "shop", reason="one"))
    await store.pause(pause(SOURCE, "shop", reason="two", by="bert", since=after(60)))
    assert list(await store.pauses()) == [pause(SOURCE, "shop", reason="two", by="bert")]


async def test_a_persons_pause_and_the_gateways_own_stand_side_by_side(store: Store) -> None:
    own = pause(DESTINATION, "default", by="gateway", automatic=True)
    for each in (own, pause(DESTINATION, "default")):
        await store.pause(each)
    assert await store.resume(DESTINATION, "default", automatic=True)
    assert list(await store.pauses()) == [pause(DESTINATION, "default")]
    await store.pause(own)
    assert await store.resume(DESTINATION, "default")
    assert list(await store.pauses()) == []


async def test_a_paused_destination_is_not_claimed_from(store: Store) -> None:
    made, there = await received(store, {}, {"destination": "uk"})
    await store.pause(pause(DESTINATION, "default"))
    assert await claimed(store) == []
    assert await store.next_due("default") is None
    assert await store.next_due("default", paused=True) == NOW
    assert await state_of(store, made) is PENDING
    assert (await claimed(store, destination="uk"))[0].command.id == there.id
    await store.resume(DESTINATION, "default")
    assert await store.next_due("default") == NOW
    assert (await one(store)).command.id == made.id


async def test_the_gateways_own_pause_leaves_claims_to_its_gate(store: Store) -> None:
    await received(store, {})
    await store.pause(pause(DESTINATION, "default", automatic=True))
    assert len(await claimed(store)) == 1


@pytest.mark.parametrize("paused", [pause(SOURCE, "shop"), pause(RULE, "shop/news")], ids=["source", "rule"])
async def test_what_is_paused_lets_others_of_its_customer_go(store: Store, paused: Pause) -> None:
    first, other, second = await received(
        store, {"rule": "news"}, {"source": "crm", "rule": "news"}, {"rule": "news", "element": "2"}
    )
    await store.pause(paused)
    claim = await one(store, at=1)
    assert claim.command.id == other.id
    assert await state_of(store, first) is WAITING
    assert (await store.command(first.id)).reason == f"the {paused.scope} {paused.name} is paused"
    await ended(store, claim, at=1)
    assert await claimed(store, at=2) == []
    assert await state_of(store, second) is WAITING
    assert await store.next_due("default") is None

    await store.resume(paused.scope, paused.name)
    assert (await store.next_due("default") or after(9)) <= after(2)
    claim = await one(store, at=3)
    assert claim.command.id == first.id
    assert claim.command.reason is None
    await ended(store, claim, at=3)
    assert (await one(store, at=4)).command.id == second.id


async def test_other_rules_of_the_source_go_on(store: Store) -> None:
    news, order = await received(store, {"rule": "news", "user_id": "a"}, {"rule": "order", "user_id": "b"})
    await store.pause(pause(RULE, "shop/news"))
    assert (await one(store)).command.id == order.id
    assert await state_of(store, news) is WAITING


async def test_what_arrives_during_a_pause_waits_and_goes_afterwards(store: Store) -> None:
    await store.pause(pause(SOURCE, "shop"))
    made = await received(store, {"user_id": "a"}, {"user_id": "b"}, {"user_id": "a"})
    for _ in range(2):  # those behind come to the head of their line first
        assert await claimed(store) == []
    assert (await store.backlog())["default"] == {WAITING: 3}
    await store.resume(SOURCE, "shop")
    assert [claim.command.id for claim in await claimed(store)] == [made[0].id, made[1].id]


async def test_under_two_pauses_it_waits_for_both(store: Store) -> None:
    (made,) = await received(store, {"rule": "news"})
    for each in (pause(SOURCE, "shop"), pause(RULE, "shop/news")):
        await store.pause(each)
    assert await claimed(store) == []
    await store.resume(SOURCE, "shop")
    assert await claimed(store, at=1) == []
    assert await state_of(store, made) is WAITING
    await store.resume(RULE, "shop/news")
    assert (await one(store, at=2)).command.id == made.id


async def test_what_is_past_its_time_when_a_pause_ends_expires(store: Store) -> None:
    (made,) = await received(store, {"expires_at": after(60)})
    await store.pause(pause(SOURCE, "shop"))
    assert await claimed(store) == []
    await store.resume(SOURCE, "shop")
    assert await claimed(store, at=61) == []
    assert await state_of(store, made) is CommandState.EXPIRED


async def test_what_waits_for_a_pause_can_be_cancelled(store: Store) -> None:
    (made,) = await received(store, {})
    await store.pause(pause(SOURCE, "shop"))
    assert await claimed(store) == []
    await store.act(Act.CANCEL, [made.id], now=after(1))
    await store.resume(SOURCE, "shop")
    assert await claimed(store, at=2) == []
    assert await state_of(store, made) is CommandState.CANCELLED


async def test_what_is_on_its_way_when_it_is_paused_ends(store: Store) -> None:
    await received(store, {})
    claim = await one(store)
    await store.pause(pause(SOURCE, "shop"))
    assert await ended(store, claim)


async def test_many_step_out_and_join_again_bit_by_bit(store: Store) -> None:
    await received(store, *({"user_id": str(n)} for n in range(460)))
    await store.pause(pause(SOURCE, "shop"))
    for _ in range(3):
        assert await claimed(store) == []
    assert await store.next_due("default") is None
    await store.resume(SOURCE, "shop")
    assert sum([len(await claimed(store, at=1, limit=10_000)) for _ in range(3)]) == 460


async def test_what_would_go_or_expire_is_foreseen(store: Store) -> None:
    await received(
        store,
        {"rule": "news", "user_id": "a"},
        {"rule": "news", "user_id": "a"},
        {"rule": "news", "user_id": "b", "expires_at": after(5)},
        {"rule": "order", "user_id": "c", "state": WAITING, "due_at": after(600)},
        {"rule": "order", "command": "send_sms", "user_id": "c", "state": CommandState.SUPPRESSED},
        {"rule": "news", "source": "crm", "user_id": "d", "destination": "uk"},
    )
    news = Foreseen(source="shop", rule="news", command="send_email", go=2, expire=1)
    order = Foreseen(source="shop", rule="order", command="send_email", later=1)
    crm = Foreseen(source="crm", rule="news", command="send_email", go=1)
    assert list(await store.foresee(DESTINATION, "default", now=after(10))) == [news, order]
    assert list(await store.foresee(DESTINATION, "uk", now=after(10))) == [crm]
    assert list(await store.foresee(SOURCE, "shop", now=after(10))) == [news, order]
    assert list(await store.foresee(RULE, "shop/order", now=after(10))) == [order]
    await store.pause(pause(SOURCE, "shop"))
    await claimed(store)
    assert list(await store.foresee(SOURCE, "shop", now=after(10))) == [news, order]
