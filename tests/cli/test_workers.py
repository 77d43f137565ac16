"""``gateway serve --workers``: several whole gateways behind one port, on one PostgreSQL database."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import shop
from tests.postgres import Databases, ask, url_to
from tests.servers import running
from tests.serving import eventually
from tests.test_faults import Shop, check_nothing_is_lost, check_order, kept_in, more, quiet, serving, stand_in

WORKERS = 2
ACCEPTED = 'gateway_webhooks_received_total{answer="accepted",source="shop"}'


@pytest.fixture
def store(databases: Databases) -> str:
    return databases.make()


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds the workers by Linux's /proc")
async def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost(tmp_path: Path, store: str) -> None:
    app, sandbox = stand_in()
    # A dead worker's commands are another's when its lease is over: 18 s here.
    environ = {"GATEWAY_STORE": store, "GATEWAY_WORKERS": str(WORKERS), "GATEWAY_TIMEOUT": "1s"}
    async with running(app, timeout_keep_alive=600) as url, serving(tmp_path, url, **environ) as gateway:
        await gateway.start()
        assert gateway.banner["workers"] == WORKERS
        senders = Shop(gateway)
        async with senders.posting():
            await more(50, "webhooks answered", lambda: len(senders.answered))
            before = children(gateway.process.pid)
            assert len(before) == WORKERS
            os.kill(before[0], signal.SIGKILL)

            async def replaced() -> str | None:
                now = children(gateway.process.pid)
                return None if len(now) == WORKERS and before[0] not in now else f"workers: {now}, before {before}"

            await eventually(replaced)
            await more(50, "webhooks answered", lambda: len(senders.answered))
        await quiet(gateway)
        assert await gateway.stop() == 0
    found = await kept_in(store)
    check_nothing_is_lost(senders.answered, found, sandbox)
    check_order(senders.answered, found, sandbox)


async def test_what_all_workers_counted_is_told_by_each(tmp_path: Path, store: str) -> None:
    app, _ = stand_in()
    environ = {"GATEWAY_STORE": store, "GATEWAY_WORKERS": str(WORKERS)}
    async with running(app) as url, serving(tmp_path, url, **environ) as gateway:
        await gateway.start()
        senders = Shop(gateway)
        async with senders.posting():
            await more(50, "webhooks answered", lambda: len(senders.answered))
        await quiet(gateway)
        for _ in range(6):  # each a connection of its own, so that both are asked
            async with gateway.client() as client:
                metrics = (await client.get(f"{gateway.address}/metrics", headers=shop.bearer())).text
            told = re.search(
                r'^gateway_webhooks_received_total\{answer="accepted",source="shop"\} (\d+)', metrics, re.MULTILINE
            )
            assert told is not None, metrics
            assert int(told[1]) == len(senders.answered)
            assert re.search(r"^gateway_rules_info\{.*\} 1\.0$", metrics, re.MULTILINE)
            assert "pid=" not in metrics, "a number of each process says nothing of all"
            assert not re.search(r"^gateway_backlog\{.*\} [^0]", metrics, re.MULTILINE)


async def test_workers_end_with_the_process_that_started_them(tmp_path: Path, store: str) -> None:
    environ = {"GATEWAY_STORE": store, "GATEWAY_WORKERS": str(WORKERS)}
    async with serving(tmp_path, "http://127.0.0.1:1", **environ) as gateway:
        await gateway.start()
        workers = children(gateway.process.pid)
        await gateway.kill()

        async def gone() -> str | None:
            left = [pid for pid in workers if alive(pid)]
            return f"still there: {left}" if left else None

        await eventually(gone)


@pytest.fixture
def latin(store: str) -> Iterator[str]:
    """A database that can't hold all letters, which only a worker finds out."""
    name = f"gateway_latin_{os.getpid()}"
    ask(store, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    yield url_to(store, name)
    ask(store, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("status", [1, 2])
async def test_a_worker_that_can_not_start_ends_all_as_it_would_have_ended_alone(
    tmp_path: Path, latin: str, status: int
) -> None:
    address = latin if status == 2 else "postgresql://postgres@127.0.0.1:1/none"
    environ = {"GATEWAY_STORE": address, "GATEWAY_WORKERS": str(WORKERS)}
    async with serving(tmp_path, "http://127.0.0.1:1", **environ) as gateway:
        await gateway.launch()
        assert await asyncio.wait_for(gateway.process.wait(), 60) == status
    assert "a worker did not start" in gateway.log
