"""Several processes deliver from one PostgreSQL database: together they stay within what an address allows."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

from gateway.delivery.dispatch import Dispatcher
from gateway.intilery.client import Client
from gateway.intilery.sandbox import create_sandbox
from gateway.model import CommandState
from gateway.store import Store, open_store
from tests.delivery.stage import Front, Stage
from tests.postgres import Databases
from tests.servers import running

POLL = 0.2


async def test_two_processes_draw_no_429_and_both_deliver(databases: Databases) -> None:
    address = databases.make()
    sandbox = create_sandbox(rate=100, burst=40, identify_delay=0.0)

    def new_store() -> Store:
        return open_store(address, identify_gap=timedelta(milliseconds=60))

    client = Client(connect_timeout=1, write_timeout=1, pool_timeout=1, read_timeout=5)
    made_by: Counter[str] = Counter()
    async with running(sandbox) as url, client:
        stage = Stage(url, new_store, client, sandbox.state.sandbox, Front(sandbox))
        stage.destinations["default"] = stage.destination(rate=100.0, burst=40)
        await stage.store.open()
        second = new_store()
        await second.open()

        def told(name: str) -> Any:
            def emit(record: Any) -> None:
                made_by[name] += type(record).__name__ == "AttemptMade"
                stage.emit(record)

            return emit

        first = await stage.start(poll=POLL, emit=told("first"))
        await asyncio.sleep(0.5)  # it has saved up tokens by now
        other = Dispatcher(
            second,
            client,
            lambda: stage.destinations,
            stage.tokens.get,
            emit=told("second"),
            lease=timedelta(seconds=20),
            poll=POLL,
        )
        try:
            await other.start()
            commands = await stage.add(*(f"u{n}" for n in range(250)), wake=False)
            for dispatcher in (first, other):
                dispatcher.wake({"default"})
            async with asyncio.timeout(60):
                assert set(await stage.settled(*commands)) == {CommandState.DELIVERED}
            assert not stage.sandbox.counts["throttled"]
            assert min(made_by["first"], made_by["second"]) > 25, made_by
            assert 45 < first.status()["default"]["rate"] < 50  # type: ignore[operator]

            await other.stop()
            async with asyncio.timeout(10):
                while True:
                    if first.status()["default"]["rate"] > 90:  # type: ignore[operator]
                        break
                    await asyncio.sleep(0.02)
        finally:
            for dispatcher in (first, other):
                await dispatcher.stop(grace=timedelta(0))
            for store in (stage.store, second):
                await store.close()
