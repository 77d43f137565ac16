"""A process that is killed: it stores, claims and records as fast as it can, and prints what it was promised.

``python -m tests.store.killed URL``; one line for each promise: ``received ID``, ``claimed ID``, ``delivered ID``.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count

from gateway.model import CommandState, new_webhook_id
from gateway.store import Reception, Store, Verdict, open_store
from tests.store.making import LEASE, NOW, claimed, command, ended, webhook

NUMBERS = count()


def promised(what: str, id: str) -> None:
    print(what, id, flush=True)


async def receive(store: Store) -> None:
    while True:
        hook = webhook(body=b"x" * 1300, dedup_key=new_webhook_id())
        made = tuple(command(hook, element=str(n), user_id=f"{next(NUMBERS) % 50}") for n in range(2))
        receipt = await store.receive(Reception(webhook=hook, commands=made))
        promised("received", receipt.webhook_id)


async def deliver(store: Store) -> None:
    while True:
        for claim in await claimed(store, limit=10):
            promised("claimed", claim.command.id)
            if await ended(store, claim):
                promised("delivered", claim.command.id)
        await asyncio.sleep(0)


async def main(url: str) -> None:
    store = open_store(url)
    await store.open()
    for claim in await store.recover(now=NOW, lease=LEASE):
        await store.record(claim, None, Verdict(state=CommandState.PENDING, due_at=NOW), now=NOW)
    await asyncio.gather(*(receive(store) for _ in range(16)), deliver(store))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
