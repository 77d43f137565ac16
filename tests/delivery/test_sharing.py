"""Several processes deliver from one PostgreSQL database: they share what an address allows, and what is paused."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.delivery import AttemptMade, DestinationPaused, DestinationResumed
from gateway.delivery.dispatch import Dispatcher
from gateway.intilery.client import Client
from gateway.intilery.sandbox import Faults, create_sandbox
from gateway.model import CommandState, Outcome
from gateway.store import Claimed, Pause, PauseScope, Store, open_store
from tests.delivery.stage import NEVER, Front, Stage
from tests.postgres import Databases, ask
from tests.servers import running

POLL = 0.2
ROOT = Path(__file__).parent.parent.parent


class Pair:
    """Two dispatchers, each with a store of its own on one database; a third store for a person."""

    def __init__(
        self, address: str, stage: Stage, first: Dispatcher, second: Dispatcher, person: Store, told: list[Any]
    ) -> None:
        self.address = address
        self.stage, self.first, self.second, self.person = stage, first, second, person
        self.told = told
        """Which of the two emitted what."""

    def kinds(self, kind: type) -> Counter[str]:
        return Counter(name for name, record in self.told if isinstance(record, kind))

    def wake(self) -> None:
        for dispatcher in (self.first, self.second):
            dispatcher.wake({"default"})

    def rates(self) -> list[Any]:
        """Requests a second, as each of them knows it."""
        return [dispatcher.status()["default"]["rate"] for dispatcher in (self.first, self.second)]

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

        found = Pair(address, stage, dispatcher("first", stage.store), dispatcher("second", second), person, told)
        await found.first.start()
        yield found


class Another:
    """A dispatcher in a process of its own (:mod:`tests.delivery.delivering`)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.told: list[bytes] = []
        """The outcomes of its attempts."""

    async def line(self) -> None:
        """Wait for the next one."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line.strip() == b"accepted", line
        self.told.append(line)

    def send_signal(self, how: signal.Signals) -> None:
        self._process.send_signal(how)


@contextlib.asynccontextmanager
async def another(both: Pair) -> AsyncIterator[Another]:
    destination = msgspec.json.encode(both.stage.destination(rate=20.0, burst=16)).decode()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.delivery.delivering", both.address, destination),
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    try:
        yield Another(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def test_two_processes_draw_no_429_and_both_deliver(databases: Databases) -> None:
    async with pair(databases) as both:
        await asyncio.sleep(0.5)  # the first has saved up tokens by now
        await both.second.start()
        commands = await both.stage.add(*(f"u{n}" for n in range(250)))
        both.wake()
        async with asyncio.timeout(60):
            await both.stage.until(lambda: len(both.stage.made()) >= len(commands), within=60)
            assert set(await both.stage.settled(*commands)) == {CommandState.DELIVERED}
        assert not both.stage.sandbox.counts["throttled"]
        made = Counter(name for name, record in both.told if type(record).__name__ == "AttemptMade")
        assert min(made["first"], made["second"]) > 25, made
        assert both.rates() == [99.5, 99.5], "of one bucket"


async def test_one_429_slows_both_down(databases: Databases) -> None:
    async with pair(databases) as both:
        await both.second.start()
        both.stage.sandbox.faults = Faults(answer_status=429, retry_after="3", next=1)
        [refused] = await both.stage.add("u-1", wake=False)
        both.first.wake({"default"})
        await both.stage.until(lambda: bool(both.stage.made(refused.id)))
        at = both.stage.made(refused.id)[0].attempt.at
        commands = await both.stage.add(*(f"v{n}" for n in range(40)))
        both.wake()
        assert set(await both.stage.settled(refused, *commands)) == {CommandState.DELIVERED}
        sent = [record.attempt.at for record in both.stage.made() if record.attempt.outcome is Outcome.ACCEPTED]
        assert min(sent) - at > timedelta(seconds=2.9)
        assert len({name for name, record in both.told if isinstance(record, AttemptMade)}) == 2
        assert max(both.rates()) < 60
        assert not both.stage.sandbox.counts["throttled"]


@pytest.mark.skipif(sys.platform == "win32", reason="stops a process in the middle")
@pytest.mark.parametrize("how", [signal.SIGSTOP, signal.SIGKILL])
async def test_one_that_stalls_or_dies_leaves_the_whole_rate_to_the_other(
    databases: Databases, how: signal.Signals
) -> None:
    rate, burst, number = 20.0, 16, 60
    async with pair(databases, rate=rate, burst=burst) as both, another(both) as process:
        both.stage.destinations["default"] = both.stage.destination(rate=rate, burst=burst)
        async with asyncio.timeout(120):
            await both.stage.add(*(f"u{n}" for n in range(1000)), wake=False)
            both.first.wake({"default"})
            while not (process.told and both.stage.made()):
                await process.line()
            process.send_signal(how)

            # Where it held the bucket, the server takes that from it after some seconds: test_postgres_stalled.py.
            def more(than: int) -> bool:
                return len(both.stage.made()) > than

            await both.stage.until(partial(more, len(both.stage.made()) + burst), within=40)
            await both.stage.until(partial(more, len(both.stage.made()) + number), within=40)
            # As its last claim left the bucket: with a part of the rate only, the rest would be there.
            [(tokens,)] = ask(both.address, "SELECT tokens FROM buckets")
            assert tokens < 1
            if how is signal.SIGSTOP:
                process.send_signal(signal.SIGCONT)
                told = len(process.told)
                while len(process.told) < told + 10:
                    await process.line()
        assert not both.stage.sandbox.counts["throttled"]


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
