"""The primary of a PostgreSQL pair is killed under load, its standby promoted: nothing that was answered 200 is lost.

Real processes throughout: the pair, a gateway, and the sandbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.intilery.sandbox import Faults
from tests.replication import Pair, replicated
from tests.servers import running
from tests.test_faults import Shop, check_nothing_is_lost, check_order, kept_in, more, quiet, serving, stand_in


@pytest.fixture
def pair() -> Iterator[Pair]:
    with replicated() as made:
        yield made


async def test_the_standby_takes_over_and_nothing_is_lost(tmp_path: Path, pair: Pair) -> None:
    app, sandbox = stand_in()
    async with running(app, timeout_keep_alive=600) as url, serving(tmp_path, url, GATEWAY_STORE=pair.url) as gateway:
        await gateway.start()
        senders = Shop(gateway)
        async with gateway.client() as client, senders.posting():
            await more(50, "webhooks answered", lambda: len(senders.answered))
            await asyncio.to_thread(pair.primary.kill)
            await more(20, "webhooks refused", lambda: len(senders.refusals))
            promised = len(senders.answered)
            unready = await client.get(f"{gateway.address}/readyz")
            assert (await client.get(f"{gateway.address}/healthz")).status_code == 200
            await more(20, "webhooks refused", lambda: len(senders.refusals))
            assert len(senders.answered) == promised, "a webhook was answered 200 while there was no database"
            await asyncio.to_thread(pair.standby.promote)
            # Nobody tells the gateway: it finds the new primary by itself.
            await more(50, "webhooks answered", lambda: len(senders.answered))
            assert (await client.get(f"{gateway.address}/readyz")).status_code == 200
        sandbox.faults = Faults()
        await quiet(gateway)
        assert await gateway.stop() == 0
    assert unready.status_code == 503
    assert unready.json()["reasons"][0].startswith("store: ")
    assert {answer.headers["retry-after"] for answer in senders.refusals} == {"10"}
    found = await kept_in(pair.url)
    check_nothing_is_lost(senders.answered, found, sandbox)
    check_order(senders.answered, found, sandbox)
