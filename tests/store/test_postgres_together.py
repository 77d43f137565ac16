"""Several gateways on one PostgreSQL, where their transactions meet: nobody is left behind, nothing goes twice."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.errors import StoreUnavailable
from gateway.model import FINAL_STATES, CommandState, Fetching, Webhook, WebhookState, new_webhook_id
from gateway.store import Act, Claim, CommandFilter, Receipt, Reception, Store, Verdict, WebhookFilter, open_store
from gateway.store.leases import Result
from gateway.store.postgres import PostgresStore, claims
from gateway.store.postgres.statements import Connection
from gateway.terms import Cancellation, Once
from tests.postgres import Databases
from tests.store.conftest import Opened
from tests.store.making import GAP, LEASE, NOW, after, attempt, claimed, command, ended, one, received, webhook

PATIENCE = 60
"""Seconds until a test is given up."""


async def meanwhile(store: Store, claim: Claim, work: Callable[[], Awaitable[Any]]) -> Any:
    """Record a delivery, and do ``work`` after all was written and before it is committed."""
    assert isinstance(store, PostgresStore)
    assert store._connections is not None
    written, commit = asyncio.Event(), asyncio.Event()
    result = Result(claim=claim, attempt=attempt(claim), verdict=Verdict(state=CommandState.DELIVERED), now=NOW)

    async def record(db: Connection, results: Sequence[Result]) -> list[bool]:
        recorded = await claims.record(db, results, gap=GAP)
        written.set()
        await commit.wait()
        return recorded

    recording = store._connections.delivery.submit(record, result)
    await written.wait()
    working = asyncio.ensure_future(work())
    await asyncio.wait({working}, timeout=0.2)  # it may have to wait for the commit
    commit.set()
    assert await recording
    return await working


async def test_what_a_person_sends_again_while_the_head_leaves_is_not_left_behind(opened: Opened) -> None:
    mine, others = await opened(), await opened()
    _, held = await received(mine, {}, {"state": CommandState.HELD})
    await meanwhile(mine, await one(mine), lambda: others.act(Act.RETRY, [held.id], now=NOW))
    assert (await one(others)).command.id == held.id


async def test_what_is_translated_again_while_the_head_leaves_is_not_left_behind(opened: Opened) -> None:
    store = await opened()
    await received(store, {})
    claim = await one(store)
    hook = webhook()
    made = command(hook, state=CommandState.HELD)
    await store.receive(Reception(webhook=hook, commands=(made,)))
    again = Reception(webhook=hook, commands=(command(hook),))
    await meanwhile(store, claim, lambda: store.retranslate(again, now=NOW))
    assert (await one(store)).command.id == made.id


class World:
    """Some gateways that do what gateways do, at random, and what must hold all the while."""

    def __init__(self, stores: Sequence[Store], seed: int) -> None:
        self.stores = stores
        self.chance = random.Random(seed)
        self.seconds = 0.0
        self.hooks: list[tuple[Webhook, Reception]] = []
        self.on_the_way: Counter[str] = Counter()
        self.receiving = len(stores)

    @property
    def now(self) -> datetime:
        return after(self.seconds)

    def reception(self) -> Reception:
        hook = webhook(received_at=self.now, dedup_key=self.chance.choice([None, str(self.chance.randrange(40))]))
        return Reception(webhook=hook, commands=tuple(self.commands(hook)), cancellations=self.cancellations())

    def cancellations(self) -> tuple[Cancellation, ...]:
        if self.chance.random() < 0.9:
            return ()
        return (Cancellation(source="shop", name=self.chance.choice("xyz"), rule="r"),)

    def commands(self, hook: Webhook) -> Any:
        customer = self.chance.choice("abcde")
        identify = None
        for number in range(self.chance.randrange(1, 4)):
            given: dict[str, Any] = {"element": str(number), "user_id": customer}
            match self.chance.randrange(8):
                case 0 if identify is None:
                    identify = command(hook, **given, command="identify", action="identify")
                    yield identify
                    continue
                case 1:
                    given["name"] = self.chance.choice("xyz")
                case 2:
                    given["once"] = Once(scope="s", key=str(self.chance.randrange(30)))
                case 3:
                    given |= {"state": CommandState.WAITING, "not_before": after(self.seconds + 5)}
                case 4:
                    given["state"] = CommandState.HELD
            if identify is not None and given.get("state") is not CommandState.HELD:
                given |= {"state": CommandState.WAITING, "after": identify.id}
            yield command(hook, **given)

    async def receive(self, store: Store, times: int) -> None:
        for _ in range(times):
            receptions = [self.reception() for _ in range(self.chance.randrange(1, 5))]
            receipts = await asyncio.gather(*map(store.receive, receptions))
            self.hooks += [
                (one.webhook, one) for one, got in zip(receptions, receipts, strict=True) if not got.duplicate
            ]
            self.seconds += 0.1
        self.receiving -= 1

    async def deliver(self, store: Store) -> None:
        while self.receiving:
            for claim in (await store.claim("default", limit=4, lease=LEASE, now=self.now)).claims:
                await self.send(store, claim)
            if self.chance.random() < 0.1:
                for claim in await store.recover(now=self.now, lease=LEASE):
                    await store.record(claim, None, self.verdict(), now=self.now)
            await asyncio.sleep(0)

    async def send(self, store: Store, claim: Claim) -> None:
        who = claim.command.user_id
        self.on_the_way[who] += 1
        assert self.on_the_way[who] == 1, f"two of {who} are on their way"
        await asyncio.sleep(self.chance.choice((0, 0.002)))
        self.on_the_way[who] -= 1
        if self.chance.random() < 0.05:
            await store.record(claim, None, Verdict(state=CommandState.PENDING), now=self.now)
        else:
            await store.record(claim, attempt(claim), self.verdict(), now=self.now)

    def verdict(self) -> Verdict:
        state = self.chance.choice(
            [CommandState.DELIVERED] * 6
            + [CommandState.PENDING, CommandState.UNKNOWN, CommandState.HELD, CommandState.FAILED]
        )
        return Verdict(state=state, due_at=self.now if state in (CommandState.PENDING, CommandState.UNKNOWN) else None)

    async def decide(self, store: Store) -> None:
        """As people do, and replays."""
        while self.receiving:
            await asyncio.sleep(0.003)
            if not self.hooks:
                continue
            hook, was = self.chance.choice(self.hooks)
            if self.chance.random() < 0.5:
                kept = [one for one in was.commands if self.chance.random() < 0.7]
                await store.retranslate(Reception(webhook=hook, commands=tuple(kept)), now=self.now)
            else:
                ids = [one.id for _, some in self.chance.sample(self.hooks, 1) for one in some.commands]
                act = self.chance.choice([Act.RETRY, Act.RETRY, Act.CANCEL, Act.NOT_DELIVERED])
                await store.act(act, ids, now=self.now, skip=True)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_gateways_do_at_once_nobody_is_left_behind_and_nothing_goes_twice(
    opened: Opened, seed: int
) -> None:
    stores = [await opened() for _ in range(3)]
    world = World(stores, seed)
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for store in stores:
            group.create_task(world.receive(store, 25))
            group.create_task(world.deliver(store))
            group.create_task(world.decide(store))
    # From here on all goes well: whatever is not held has to leave, each in its turn.
    at = world.seconds + 3600
    async with asyncio.timeout(PATIENCE):
        for _ in range(500):
            at += 3600
            for store in stores:
                for claim in await store.recover(now=after(at), lease=LEASE):
                    await store.record(claim, None, Verdict(state=CommandState.PENDING), now=after(at))
            found = await claimed(stores[0], at=at)
            if not found and await stores[0].next_due("default") is None:
                break
            lines = Counter(claim.command.user_id for claim in found)
            assert set(lines.values()) <= {1}, "two of one customer"
            for claim in found:
                assert await ended(stores[0], claim, at=at)
    commands = (await stores[0].commands(CommandFilter(), limit=2000)).items
    stuck = [one for one in commands if one.state not in FINAL_STATES | {CommandState.HELD}]
    assert stuck == []
    hooks = (await stores[0].webhooks(WebhookFilter(), limit=2000)).items
    assert {hook.id for hook in hooks} == {hook.id for hook, _ in world.hooks}, (
        "nothing is lost, nothing is there twice"
    )
    holders = Counter(hook.dedup_key for hook in hooks if hook.dedup_key is not None)
    assert set(holders.values()) <= {1}


async def test_days_are_dropped_while_others_write_into_them(databases: Databases) -> None:
    """Late receptions, replays, acts and fetches of days that are just then pruned: what is not over stays whole."""
    url = databases.bare()
    stores = [open_store(url, identify_gap=GAP) for _ in range(3)]
    await asyncio.gather(*(store.open() for store in stores))
    chance = random.Random(6)
    day, running = 86_400, 3
    kept: dict[str, tuple[Webhook, CommandState]] = {}
    free: list[str] = []
    fetching: set[str] = set()

    async def write(store: Store) -> None:
        nonlocal running
        for _ in range(8):
            received_at = after(chance.randrange(4) * day + chance.choice((0, 43_199.9)))
            hook = webhook(received_at=received_at, batch_id="b", batch=b"[]", dedup_key=str(chance.random()))
            state = chance.choice([CommandState.HELD, CommandState.DRY_RUN, CommandState.PENDING])
            if chance.random() < 0.2:
                hook = msgspec.structs.replace(hook, state=WebhookState.FETCHING)
                await store.receive(Reception(webhook=hook))
                await store.note_fetching(hook.id, Fetching(since=received_at))
                fetching.add(hook.id)
            else:
                made = command(hook, user_id=hook.id, state=state)
                await store.receive(Reception(webhook=hook, commands=(made,)))
                if state is not CommandState.DRY_RUN:
                    kept[made.id] = (hook, state)
                    free.append(made.id)
            await asyncio.sleep(chance.choice((0, 0.002)))
        running -= 1

    async def prune(store: Store) -> None:
        while running:
            await asyncio.sleep(0.1)
            with contextlib.suppress(StoreUnavailable):  # a lock that was waited for too long: at the next time
                await store.prune(now=after(10 * day), default=timedelta(days=1), by_source={})

    async def change_some(store: Store) -> None:
        while running:
            await asyncio.sleep(0.002)
            if free:
                id = free.pop(chance.randrange(len(free)))
                await change(store, id)
                free.append(id)

    async def change(store: Store, id: str) -> None:
        hook, state = kept[id]
        if chance.random() < 0.5:
            again = command(hook, user_id=hook.id, state=state)
            assert (await store.retranslate(Reception(webhook=hook, commands=(again,)), now=NOW)).replaced == (id,)
        elif state is CommandState.HELD:
            await store.act(Act.NOT_DELIVERED, [id], now=NOW)
            kept[id] = (hook, CommandState.PENDING)

    try:
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for store in stores:
                for work in (write, prune, change_some):
                    group.create_task(work(store))
        for id, (hook, _) in kept.items():
            assert (await stores[0].command(id)).state in (CommandState.HELD, CommandState.PENDING)
            assert (await stores[0].webhook(hook.id)).batch == b"[]"
            repeat = msgspec.structs.replace(hook, id=new_webhook_id())
            assert (await stores[0].receive(Reception(webhook=repeat))) == Receipt(hook.id, duplicate=True)
        assert {one.id for one in (await stores[0].unfetched()).items} == fetching
        await stores[0].prune(now=after(10 * day), default=timedelta(days=1), by_source={})
        there = (await stores[0].webhooks(WebhookFilter(), limit=1000)).items
        assert {hook.id for hook in there} == {hook.id for hook, _ in kept.values()} | fetching
    finally:
        await asyncio.gather(*(store.close() for store in stores))
