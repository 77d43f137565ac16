"""Several processes deliver from one PostgreSQL database: they share what an address allows, and what is paused."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.delivery import DestinationPaused, DestinationResumed
from gateway.delivery.dispatch import Dispatcher
from gateway.intilery.client import Client
from gateway.intilery.sandbox import Faults, create_sandbox
from gateway.model import CommandState
from gateway.store import Claimed, Pause, PauseScope, Store, open_store
from tests.delivery.stage import NEVER, Front, Stage
from tests.postgres import Databases
from tests.servers import running

POLL = 0.2


class Pair:
    """Two dispatchers, each with a store of its own on one database; a third store for a person."""

    def __init__(self, stage: Stage, first: Dispatcher, second: Dispatcher, person: Store, told: list[Any]) -> None:
        self.stage, self.first, self.second, self.person = stage, first, second, person
        self.told = told
        """Which of the two emitted what."""

    def kinds(self, kind: type) -> Counter[str]:
        return Counter(name for name, record in self.told if isinstance(record, kind))

    async def both(self, kind: type) -> None:
        """Wait until both have said so."""
        await self.stage.until(lambda: len(self.kinds(kind)) == 2)


@contextlib.asynccontextmanager
async def pair(databases: Databases, **options: Any) -> AsyncIterator[Pair]:
    address = databases.make()
    sandbox = create_sandbox(**({"rate": 100, "burst": 40, "identify_delay": 0.0} | options))

    def new_store() -> Store:
        return open_store(address, identify_gap=timedelta(milliseconds=60))

    client = Client(connect_timeout=1, write_timeout=1, pool_timeout=1, read_timeout=5)
    async with running(sandbox) as url, client, contextlib.AsyncExitStack() as ending:
        stage = Stage(url, new_store, client, sandbox.state.sandbox, Front(sandbox))
        stage.destinations["default"] = stage.destination(rate=100.0, burst=40)
        second, person = new_store(), new_store()
        for store in (stage.store, second, person):
            await store.open()
            ending.push_async_callback(store.close)
        told: list[Any] = []

        def dispatcher(name: str, store: Store) -> Dispatcher:
            def emit(record: Any) -> None:
                told.append((name, record))
                stage.emit(record)

            made = Dispatcher(
                store,
                client,
                lambda: stage.destinations,
                stage.tokens.get,
                emit=emit,
                lease=timedelta(seconds=20),
                poll=POLL,
                probe_every=NEVER,
                probe_at_most=NEVER,
            )
            ending.push_async_callback(made.stop, grace=timedelta(0))
            return made

        found = Pair(stage, dispatcher("first", stage.store), dispatcher("second", second), person, told)
        await found.first.start()
        yield found


async def test_two_processes_draw_no_429_and_both_deliver(databases: Databases) -> None:
    async with pair(databases) as both:
        await asyncio.sleep(0.5)  # the first has saved up tokens by now
        await both.second.start()
        commands = await both.stage.add(*(f"u{n}" for n in range(250)))
        for dispatcher in (both.first, both.second):
            dispatcher.wake({"default"})
        async with asyncio.timeout(60):
            await both.stage.until(lambda: len(both.stage.made()) >= len(commands), within=60)
            assert set(await both.stage.settled(*commands)) == {CommandState.DELIVERED}
        assert not both.stage.sandbox.counts["throttled"]
        made = Counter(name for name, record in both.told if type(record).__name__ == "AttemptMade")
        assert min(made["first"], made["second"]) > 25, made
        assert 45 < both.first.status()["default"]["rate"] < 50  # type: ignore[operator]

        await both.second.stop()
        async with asyncio.timeout(10):
            while True:
                if both.first.status()["default"]["rate"] > 90:  # type: ignore[operator]
                    break
                await asyncio.sleep(0.02)


async def test_what_a_person_pauses_is_paused_for_both(databases: Databases) -> None:
    async with pair(databases, rate=None) as both:
        await both.second.start()
        await both.person.pause(Pause(scope=PauseScope.DESTINATION, name="default", since=datetime.now(UTC), by="anna"))
        await both.both(DestinationPaused)
        commands = await both.stage.add("u-1", "u-2")
        both.first.wake({"default"})
        both.second.wake({"default"})
        claimed = await both.person.claim("default", limit=1, lease=timedelta(seconds=9), now=datetime.now(UTC))
        assert claimed == Claimed()
        assert not both.stage.sandbox.calls
        await both.person.resume(PauseScope.DESTINATION, "default")
        await both.both(DestinationResumed)
        assert await both.stage.settled(*commands) == [CommandState.DELIVERED] * 2


async def test_a_token_that_one_finds_refused_is_refused_for_both(databases: Databases) -> None:
    async with pair(databases, rate=None) as both:
        await both.second.start()
        both.stage.sandbox.faults = Faults(unauthorised=True)
        [command] = await both.stage.add("u-1")
        both.first.wake({"default"})
        await both.both(DestinationPaused)
        # One has sent it; the other has heard of that, or has tried it once too before it did.
        assert len(both.stage.made()) <= 2
        both.stage.sandbox.faults = Faults()
        assert await both.second.probe("default") is None
        await both.both(DestinationResumed)
        both.first.wake({"default"})
        assert await both.stage.settled(command) == [CommandState.DELIVERED]
