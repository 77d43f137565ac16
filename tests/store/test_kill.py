"""What was promised survives SIGKILL: a real process, killed under load, again and again on one database."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import defaultdict
from pathlib import Path

from gateway.model import CommandState
from gateway.store import CommandFilter, WebhookFilter
from tests.store.conftest import Opened
from tests.store.making import LEASE, NOW

ROUNDS = 5
PROMISES = 150
ROOT = Path(__file__).parent.parent.parent


async def killed_under_load(url: str) -> dict[str, set[str]]:
    """Run a process until it has promised a lot, kill it, and return all that it has promised, by kind."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.store.killed", url, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    lines = [await process.stdout.readline() for _ in range(PROMISES)]
    process.send_signal(signal.SIGKILL)
    lines += (await process.stdout.read()).splitlines(keepends=True)
    assert await process.wait() == -signal.SIGKILL
    promises: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        if line.endswith(b"\n"):  # else it was killed in the middle of it
            what, id = line.decode().split()
            promises[what].add(id)
    return promises


async def test_every_promise_is_kept(store_url: str, opened: Opened) -> None:
    promised: dict[str, set[str]] = defaultdict(set)
    for _ in range(ROUNDS):
        for what, ids in (await killed_under_load(store_url)).items():
            promised[what] |= ids
    assert len(promised["received"]) > ROUNDS
    assert len(promised["delivered"]) > ROUNDS

    store = await opened()
    there = {hook.id for hook in (await store.webhooks(WebhookFilter(), limit=1_000_000)).items}
    assert promised["received"] <= there
    commands = {item.id: item for item in (await store.commands(CommandFilter(), limit=1_000_000)).items}
    by_webhook: dict[str, int] = defaultdict(int)
    for item in commands.values():
        by_webhook[item.webhook_id] += 1
    assert set(by_webhook) == there, "a webhook without its commands, or the other way round"
    assert set(by_webhook.values()) == {2}
    for id in promised["delivered"]:
        assert commands[id].state is CommandState.DELIVERED
        assert len(await store.attempts(id)) == 1
    for id in promised["claimed"] - promised["delivered"]:
        assert commands[id].state in (CommandState.DELIVERING, CommandState.DELIVERED)

    left = {item.id for item in commands.values() if item.state is CommandState.DELIVERING}
    taken = await store.recover(now=NOW + LEASE, lease=LEASE)
    assert {claim.command.id for claim in taken} == left
    lines = [(claim.command.destination, claim.command.user_id) for claim in taken]
    assert len(lines) == len(set(lines))


async def test_a_killed_process_holds_no_lock(store_url: str, opened: Opened) -> None:
    await killed_under_load(store_url)
    store = await opened()
    await store.check()
