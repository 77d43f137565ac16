"""Random webhooks, faults and kills, and then quiet: what holds at the end, whatever happened.

The real receiver, store and dispatcher in this process, the real client, the sandbox over sockets, and a clock that the
test turns, so that a day passes in a second. A kill cuts off every task of the gateway where it stands: requests that
were under way are neither answered nor recorded. What the store had been given before, it still writes, as if the kill
had come a moment later; ``tests/test_faults.py`` kills real processes. ``PROVE_SEEDS`` says how many courses are run.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

import gateway
from gateway.delivery import Record, Stumbled
from gateway.delivery.dispatch import Dispatcher
from gateway.inbound.quarantine import Refused
from gateway.inbound.receive import Receiver
from gateway.intilery.client import Client
from gateway.intilery.sandbox import Faults, Sandbox, create_sandbox
from gateway.model import CommandState
from gateway.rules import Ruleset, load_files
from gateway.store import Act, Claimed, CommandFilter, Store, open_store
from tests.postgres import Databases
from tests.promises import Ending, ending_of, nobody_got_too_many, the_promises_hold
from tests.servers import running

SEEDS = int(os.environ.get("PROVE_SEEDS", "10"))
STEPS = 14
CUSTOMERS = 5
LEASE = timedelta(days=2)
HELD, DELIVERING, UNKNOWN = CommandState.HELD, CommandState.DELIVERING, CommandState.UNKNOWN

RULES = """\
source: inn
verify: none
dedup_key: $.event
defaults: {identify_once: 10m}
let: {user: $.user}
rules:
  - name: Order
    when: {$.kind: order}
    once: $.number
    identify: {userId: $let.user, traits: {email: $.email}}
    send_email: {userId: $let.user, assetId: ORDER, number: $.number}
  - name: Text
    when: {$.kind: text}
    expires: 2h
    send_sms: {userId: $let.user, assetId: TEXT, event_number: $.event}
  - name: Letter
    when: {$.kind: letter}
    on_unknown_outcome: hold
    send_print: {userId: $let.user, assetId: LETTER, event_number: $.event}
  - name: Reminder
    when: {$.kind: booked}
    name_as: "reminder/{{ $let.user }}"
    delay: 30m
    send_push: {userId: $let.user, assetId: REMINDER, event_number: $.event}
  - name: No reminder
    when: {$.kind: unbooked}
    cancel: "reminder/{{ $let.user }}"
  - name: Nudge
    when: {$.kind: nudge}
    limit: {per: $let.user, at_most: 2, within: 1h}
    track: {userId: $let.user, event: Nudged, properties: {number: $.event}}
"""
KINDS = ("order", "order", "text", "text", "letter", "booked", "unbooked", "nudge", "nudge", "ignored")
FAULTS = (
    Faults(),
    Faults(answer_status=503, retry_after="0", probability=0.5),
    Faults(answer_status=500, probability=0.5),
    Faults(answer_status=429, retry_after="0", probability=0.2),
    Faults(answer_status=403, probability=0.1),
    Faults(success_false=True, probability=0.2),
    Faults(drop=True, probability=0.4),
    Faults(accept_then_drop=True, probability=0.4),
    Faults(unauthorised=True),
    Faults(delay=0.02),
    Faults(delay=0.3, probability=1.0),  # longer than the client waits
)
TURNS = (0.6, 1.0, 30.0, 300.0, 1800.0, 3600.0)
"""Seconds by which the clock is turned."""


class Watched:
    """A store that says when no claim is under way, nor has just ended, so that what was claimed has begun."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._claiming = 0
        self.still = asyncio.Event()
        self.still.set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim(self, destination: str, **asked: Any) -> Claimed:
        self._claiming += 1
        self.still.clear()
        try:
            return await self._store.claim(destination, **asked)
        finally:
            asyncio.get_running_loop().call_later(0.002, self._ended, 50)

    def _ended(self, rounds: int) -> None:
        """After some rounds of the loop too: on a busy machine the time may be over before anybody had a turn."""
        if rounds:
            asyncio.get_running_loop().call_soon(self._ended, rounds - 1)
            return
        self._claiming -= 1
        if not self._claiming:
            self.still.set()


class World:
    """Senders, a gateway that lives several lives, and the sandbox."""

    def __init__(self, store_url: str, ruleset: Ruleset, sandbox: Sandbox, *, seed: int) -> None:
        self.dice = random.Random(seed)
        self.steady = seed % 2 == 0
        self.now = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
        self.answered: dict[int, str] = {}
        """By number of the event: the id in the answer."""
        self.acted: defaultdict[str, list[Act]] = defaultdict(list)
        """What a person did to a command."""
        self.records: list[Record] = []
        self.kills = 0
        self.sandbox = sandbox
        self._store_url, self._ruleset = store_url, ruleset
        self._events = count(1)
        self._up = asyncio.Event()
        self._requests: set[asyncio.Task[httpx.Response]] = set()
        self.store: Store
        self.dispatcher: Dispatcher
        self._client: Client
        self._hooks: httpx.AsyncClient

    # -- the gateway's lives -------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self.store = open_store(self._store_url)
        await self.store.open()
        self._watched = Watched(self.store)
        self._client = Client(connect_timeout=1.0, write_timeout=1.0, read_timeout=0.2, pool_timeout=1.0)
        tokens = {"INTILERY_AUTH_TOKEN": "sandbox"}
        self.dispatcher = Dispatcher(
            cast("Store", self._watched),
            self._client,
            lambda: self._ruleset.destinations,
            tokens.get,
            emit=self.records.append,
            lease=LEASE,
            look_up_after=timedelta(milliseconds=200),
            poll=0.02,
            probe_every=0.02,
            probe_at_most=0.05,
            clock=lambda: self.now,
            rng=self.dice.random,
        )
        receiver = Receiver(
            ruleset=lambda: self._ruleset,
            store=self.store,
            credential=tokens.get,
            wake=self.dispatcher.wake,
            emit=lambda record: None,
            quarantine=_none_is_refused,
            now=lambda: self.now,
        )
        await self.dispatcher.start()
        transport = httpx.ASGITransport(app=receiver)
        self._hooks = httpx.AsyncClient(transport=transport, base_url="http://gateway")
        self._up.set()

    async def kill(self) -> None:
        """Cut off all that the gateway does, requests of senders too."""
        self._up.clear()
        self.kills += 1
        doomed = {*self._requests, *(task for task in asyncio.all_tasks() if _is_the_gateways(task))}
        for task in doomed:
            task.cancel()
        if doomed:
            await asyncio.wait(doomed)
        await self._client.aclose()
        await self.store.close()

    async def turn(self, seconds: float) -> None:
        """Turn the clock on: at any moment, or if ``steady`` not between a claim and its sends."""
        if self.steady:
            while not self._watched.still.is_set():  # when the wait is over, another claim may have begun
                await self._watched.still.wait()
        self.now += timedelta(seconds=seconds)
        self.dispatcher.wake(self._ruleset.destinations)

    # -- the senders ---------------------------------------------------------------------------------------------------

    async def sends(self, user: str, kinds: list[str]) -> None:
        """A sender posts what happened to a customer, one after the other, each until it is answered."""
        for kind in kinds:
            event = next(self._events)
            number = self.dice.randrange(event)
            body = {"event": event, "kind": kind, "user": user, "number": number, "email": f"{event // 20}@example.com"}
            while event not in self.answered:
                await self._up.wait()
                request = asyncio.create_task(self._hooks.post("/hooks/inn", json=body))
                self._requests.add(request)
                await asyncio.wait({request})
                self._requests.discard(request)
                if not request.cancelled():
                    answer = request.result()
                    assert answer.status_code == 200, answer.text
                    self.answered[event] = answer.json()["id"]

    # -- the course ----------------------------------------------------------------------------------------------------

    async def course(self) -> None:
        """Steps of everything at once."""
        async with asyncio.TaskGroup() as senders:
            for _ in range(STEPS):
                self.sandbox.faults = self.dice.choice(FAULTS)
                for user in self.dice.sample(range(CUSTOMERS), self.dice.randrange(1, 4)):
                    kinds = self.dice.choices(KINDS, k=self.dice.randrange(1, 4))
                    senders.create_task(self.sends(f"u-{user}", kinds))
                await asyncio.sleep(self.dice.random() * 0.04)
                match self.dice.randrange(6):
                    case 0 | 1:
                        await self.kill()
                        await asyncio.sleep(0)
                        await self.start()
                    case 2:
                        await self.decide(every=False)
                    case _:
                        await self.turn(self.dice.choice(TURNS))
            self.sandbox.faults = Faults()

    async def decide(self, *, every: bool) -> None:
        """A person acts on what is held, or on some of it."""
        page = await self.store.commands(CommandFilter(state=HELD), limit=1000)
        chosen = [one for one in page.items if every or self.dice.random() < 0.5]
        for one in chosen:
            act = self.dice.choice((Act.RETRY, Act.CANCEL, Act.DELIVERED, Act.NOT_DELIVERED))
            done = await self.store.act(act, [one.id], now=self.now, skip=True)
            for changed in done.done:
                self.acted[changed.id].append(act)
        self.dispatcher.wake(self._ruleset.destinations)

    async def comes_to_rest(self) -> None:
        """Let all that is due happen, and turn the clock on to what is due next, until nothing is left."""
        async with asyncio.timeout(60):
            while True:
                await asyncio.sleep(0.01)
                backlog = (await self.store.backlog()).get("default", {})
                due = await self.store.next_due("default")
                in_flight = self.dispatcher.status()["default"]["in_flight"]
                if in_flight or (due is not None and due <= self.now):
                    continue
                if backlog.get(DELIVERING):  # nobody's any more: its lease has to end
                    await self.turn(LEASE.total_seconds())
                elif due is not None:
                    await self.turn((due - self.now).total_seconds())
                elif backlog.keys() == {HELD}:
                    await self.decide(every=True)
                elif backlog:
                    await self.turn(1.0)  # lookups are not among what is due
                elif await self.store.backlog() == {}:
                    return


async def _none_is_refused(refused: Refused) -> None:
    raise AssertionError("the source verifies nothing")


def _is_the_gateways(task: asyncio.Task[Any]) -> bool:
    """Whether it is one of the gateway's, but for those of its store, which writes what it was given before."""
    code = getattr(task.get_coro(), "cr_code", None)
    if code is None:
        return False
    file, house = Path(code.co_filename), Path(gateway.__file__).parent
    return file.is_relative_to(house) and not file.is_relative_to(house / "store")


@pytest.fixture
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of a kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'gateway.db'}"
        return
    made: Databases = request.getfixturevalue("databases")
    yield made.make()
    made.take_back()


@asynccontextmanager
async def lived(store_url: str, seed: int) -> AsyncIterator[tuple[World, Ending]]:
    """A whole course, come to rest."""
    worlds: list[World] = []
    app = create_sandbox(rate=None, identify_delay=0.5, clock=lambda: worlds[0].now.timestamp(), seed=seed)
    async with running(app) as url:
        environ = {
            "INTILERY_CLIENT_ID": "acme",
            "INTILERY_URL": url,
            "INTILERY_RATE": "20000",
            "INTILERY_BURST": "1000",
        }
        ruleset = load_files({"inn.yaml": RULES}, environ=environ | {"INTILERY_AUTH_TOKEN": "sandbox"})
        world = World(store_url, ruleset, app.state.sandbox, seed=seed)
        worlds.append(world)
        await world.start()
        try:
            await world.course()
            await world.comes_to_rest()
            yield world, await ending_of(world.store, world.sandbox.calls)
        finally:
            await world.kill()


COURSES = [("sqlite", seed) for seed in range(SEEDS)] + [("postgres", seed) for seed in range(0, SEEDS, 4)]


@pytest.mark.parametrize(("store_url", "seed"), COURSES, indirect=["store_url"])
async def test_whatever_happens_the_promises_hold(store_url: str, seed: int) -> None:
    async with lived(store_url, seed) as (world, end):
        assert not [record for record in world.records if isinstance(record, Stumbled)]
        the_promises_hold(end, world.answered.values(), acted=world.acted)
        made = {one.webhook_id for one in end.commands}
        assert made == {one.id for one in end.webhooks if one.matched and one.matched != ("No reminder",)}
        if world.steady:  # else what was counted at its claim may have been sent an hour later
            nobody_got_too_many(end)
