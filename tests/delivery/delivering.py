"""A process that delivers from a store until it is stopped or killed, and prints the outcome of each attempt.

``python -m tests.delivery.delivering STORE DESTINATION``, the destination as JSON.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import msgspec

from gateway.delivery import AttemptMade, Record
from gateway.delivery.dispatch import Dispatcher
from gateway.intilery.client import Client
from gateway.intilery.contract import Destination
from gateway.store import open_store


def tell(record: Record) -> None:
    if isinstance(record, AttemptMade):
        print(record.attempt.outcome, flush=True)


async def main(url: str, destination: Destination) -> None:
    store = open_store(url)
    await store.open()
    client = Client(connect_timeout=1, write_timeout=1, pool_timeout=1, read_timeout=5)
    dispatcher = Dispatcher(
        store,
        client,
        lambda: {destination.name: destination},
        lambda name: "sandbox",
        emit=tell,
        lease=timedelta(seconds=20),
        poll=0.2,
    )
    await dispatcher.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], msgspec.json.decode(sys.argv[2], type=Destination)))
