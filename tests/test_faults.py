"""Nothing that was answered 200 is lost, whatever breaks: kills, a platform that fails or is away, a full disk.

Real processes, a real store and the sandbox, under load. ``PROVE_KILLS`` says how often the process is killed:
a hundred times with ``make prove``.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.intilery.sandbox import Faults, Sandbox, create_sandbox
from gateway.model import Attempt, Command, CommandState, Outcome, Webhook
from gateway.store import Act, CommandFilter, WebhookFilter, open_store
from tests import shop
from tests.postgres import ON_BOTH
from tests.promises import Ending, ending_of, nobody_got_too_many, the_promises_hold
from tests.servers import reserved, running
from tests.serving import PATIENCE, Serving, eventually

KILLS = int(os.environ.get("PROVE_KILLS", "5"))
CONNECTIONS = 8
"""That post at once; each has customers of its own, so what it posts one after the other has a known order."""
CUSTOMERS = 4
"""Of each connection."""
IN_FLIGHT = 16
"""Commands on their way to the sandbox at a time."""
ANSWERS_AFTER = 0.02
"""Seconds from the sandbox's acceptance to its answer: a kill in between leaves an unknown outcome."""

RULES = """\
source: shop
verify:
  hmac: {header: X-Shop-Signature, encoding: base64, secret: $env.SHOP_SECRET}
dedup_key: $header.X-Shop-Event
defaults: {on_unknown_outcome: retry}
rules:
  - name: Confirmation
    send_email: {userId: $.customer, assetId: CONFIRMATION, number: $.number}
  - name: Confirmation by text message
    send_sms: {userId: $.customer, assetId: CONFIRMATION-SMS, number: $.number}
"""
KINDS = ("order", "order", "text", "booked", "unbooked", "nudge")
"""What happens to a customer; only some rules ask."""
MADE_OF_EACH = ("send_email", "send_sms")
DESTINATIONS = """\
destinations:
  default: {client_id: acme, auth_token: $env.INTILERY_AUTH_TOKEN, rate: 5000, burst: 5000}
"""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that the gateway has promised to keep."""

    id: str
    customer: str
    number: int
    duplicate: bool
    """An earlier try had been stored, and its answer had not come through."""
    refused: int
    """How often it was answered 503 before."""


class Shop:
    """Senders that behave as real ones do: what is not answered 200 is sent again, until it is."""

    def __init__(self, gateway: Serving) -> None:
        self._gateway = gateway
        self._closing = asyncio.Event()
        self.answered: list[Answered] = []
        """Each connection's in the order in which it posted them."""
        self.refusals: list[httpx.Response] = []

    @asynccontextmanager
    async def posting(self, *, pause: float = 0.01) -> AsyncIterator[None]:
        """Post while the block runs, about each ``pause`` seconds on each connection; then let all be answered."""
        self._closing.clear()
        async with asyncio.TaskGroup() as group:
            for connection in range(CONNECTIONS):
                group.create_task(self._post(connection, pause))
            try:
                yield
            finally:
                self._closing.set()

    async def _post(self, connection: int, pause: float) -> None:
        numbers = Counter[str](
            {one.customer: one.number for one in self.answered if one.customer.startswith(f"c{connection}-")}
        )
        async with self._gateway.client() as client:
            while not self._closing.is_set():
                customer = f"c{connection}-{random.randrange(CUSTOMERS)}"
                numbers[customer] += 1
                self.answered.append(await self._insist(client, customer, numbers[customer]))
                await asyncio.sleep(random.random() * 2 * pause)

    async def _insist(self, client: httpx.AsyncClient, customer: str, number: int) -> Answered:
        story = {"kind": random.choice(KINDS), "order": f"{customer}/{number // 3}"}
        body = json.dumps({"customer": customer, "number": number, **story}).encode()
        headers = shop.headers(body, event=f"{customer}/{number}")
        refused = 0
        async with asyncio.timeout(PATIENCE * 2):
            while True:
                await self._gateway.up.wait()
                try:
                    answer = await client.post(f"{self._gateway.address}/hooks/shop", content=body, headers=headers)
                except httpx.TransportError:  # the process is gone
                    await asyncio.sleep(0.01)
                    continue
                if answer.status_code == 200:
                    told = answer.json()
                    return Answered(
                        id=told["id"],
                        customer=customer,
                        number=number,
                        duplicate=told["status"] == "duplicate",
                        refused=refused,
                    )
                assert answer.status_code == 503, (answer.status_code, answer.text)
                self.refusals.append(answer)
                refused += 1
                await asyncio.sleep(0.05)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What the store holds at the end."""

    webhooks: dict[str, Webhook]
    commands: list[Command]
    """In the order of translation."""
    attempts: dict[str, list[Attempt]]

    def outcomes(self, outcome: Outcome) -> Counter[str]:
        """How many attempts of each command ended so."""
        return Counter(
            id for id, attempts in self.attempts.items() for attempt in attempts if attempt.outcome is outcome
        )


async def kept(folder: Path) -> Kept:
    """The store of a gateway that has stopped."""
    return await kept_in(f"sqlite:///{folder / 'gateway.db'}")


async def kept_in(url: str) -> Kept:
    """What this store holds."""
    store = open_store(url)
    await store.open(serving=False)
    try:
        webhooks = (await store.webhooks(WebhookFilter(), limit=1_000_000)).items
        commands = (await store.commands(CommandFilter(), limit=1_000_000)).items
        return Kept(
            webhooks={one.id: one for one in webhooks},
            commands=list(commands[::-1]),
            attempts={one.id: list(await store.attempts(one.id)) for one in commands},
        )
    finally:
        await store.close()


async def ending(folder: Path, sandbox: Sandbox) -> Ending:
    """The same, beside what the sandbox has seen."""
    store = open_store(f"sqlite:///{folder / 'gateway.db'}")
    await store.open(serving=False)
    try:
        return await ending_of(store, sandbox.calls)
    finally:
        await store.close()


def serving(folder: Path, intilery: str, *, rules: str = RULES, **more: str) -> Serving:
    """A gateway with these rules, not begun yet. ``more`` are settings."""
    shop.write_rules(folder / "rules", rules={"shop.yaml": rules, "destinations.yaml": DESTINATIONS})
    environ = shop.environ(folder, intilery=intilery, GATEWAY_CONNECTIONS=str(IN_FLIGHT), GATEWAY_GRACE="30s", **more)
    return Serving(folder, environ=environ)


def stand_in() -> tuple[object, Sandbox]:
    """A sandbox without a rate limit, that takes its time to answer and remembers everything."""
    app = create_sandbox(rate=None, identify_delay=0.0, faults=Faults(delay=ANSWERS_AFTER), calls_kept=10_000_000)
    return app, app.state.sandbox


async def quiet(gateway: Serving, *, held: bool = False, patience: float = PATIENCE) -> None:
    """Wait until every command has come to its end, or is ``held``."""
    async with gateway.client() as client:

        async def unfinished() -> str | None:
            answer = await client.get(f"{gateway.address}/api/status", headers=shop.bearer())
            (destination,) = answer.json()["destinations"]
            backlog = {state: count for state, count in destination["backlog"].items() if count}
            if held:
                backlog.pop("held", None)
            return f"unfinished: {backlog}" if backlog else None

        await eventually(unfinished, patience=patience)


def check_nothing_is_lost(answered: list[Answered], found: Kept, sandbox: Sandbox) -> None:
    """What holds whatever happened, given that every sender insisted until it was answered."""
    assert {one.id for one in answered} == set(found.webhooks), "lost after its 200, or one too many"
    assert len({one.id for one in answered}) == len(answered), "two webhooks were given one id"
    made = defaultdict(list)
    for command in found.commands:
        made[command.webhook_id].append(command.command)
    assert set(made) == set(found.webhooks)
    assert set(map(tuple, made.values())) == {MADE_OF_EACH}

    arrivals = Counter(call.message_id for call in sandbox.calls)
    assert set(arrivals) == {command.id for command in found.commands}, "lost on the way, or made up"
    sent = {command.id: command.body for command in found.commands}
    assert all(sent[str(call.message_id)] == call.raw for call in sandbox.calls)
    for command in found.commands:
        attempts = found.attempts[command.id]
        assert command.state is CommandState.DELIVERED
        assert [attempt.number for attempt in attempts] == list(range(1, command.attempts + 1))
        assert [attempt.outcome for attempt in attempts].count(Outcome.ACCEPTED) == 1
        assert attempts[-1].outcome is Outcome.ACCEPTED
        unknown = sum(attempt.outcome is Outcome.UNKNOWN for attempt in attempts)
        assert arrivals[command.id] <= 1 + unknown, "repeated without an attempt whose outcome was unknown"


def check_order(answered: list[Answered], found: Kept, sandbox: Sandbox) -> None:
    """Each customer's commands arrived first in the order of translation, which is that of the answers."""
    translated, arrived = defaultdict(list), defaultdict(list)
    for command in found.commands:
        translated[command.user_id].append(command.id)
    for call in sandbox.calls:
        arrived[call.user_id].append(call.message_id)
    promised = defaultdict(list)
    for one in answered:
        promised[one.customer].append(one.id)
    for customer, ids in promised.items():
        assert list(dict.fromkeys(arrived[customer])) == translated[customer]
        assert list(dict.fromkeys(id.partition("-")[0] for id in translated[customer])) == ids


async def kill_again_and_again(gateway: Serving, serves: Callable[[], int]) -> None:
    """KILLS lives, each ended at a random moment under load; one of five before it has even begun to serve.

    ``serves`` counts something that a life does.
    """
    for life in range(KILLS):
        await gateway.launch()
        if life % 5 == 3:
            await asyncio.sleep(random.random() * 0.6)
        else:
            await gateway.ready()
            await more(1, "things done", serves)
            await asyncio.sleep(random.random() * 0.6)
        await gateway.kill()
    await gateway.start()


@ON_BOTH
async def test_killed_again_and_again_it_loses_nothing(tmp_path: Path, database: str) -> None:
    app, sandbox = stand_in()
    # An idle connection is never closed by the sandbox: what is unknown here is so by a kill and nothing else.
    async with (
        running(app, timeout_keep_alive=600) as url,
        # PostgreSQL's leases, which are waited out, are a minute long then.
        serving(tmp_path, url, GATEWAY_STORE=database, GATEWAY_TIMEOUT="8s") as gateway,
    ):
        senders = Shop(gateway)
        async with senders.posting():
            await kill_again_and_again(gateway, lambda: sandbox.counts["accepted"])
            sandbox.faults = Faults(delay=5.0)  # and once more, with answers that surely come too late
            await more(1, "calls accepted", lambda: sandbox.counts["accepted"])
            await gateway.kill()
            sandbox.faults = Faults(delay=ANSWERS_AFTER)
            await gateway.start()
        # On PostgreSQL the leases of the killed are waited out: another gateway might hold them.
        await quiet(gateway, patience=3 * PATIENCE)
        assert await gateway.stop() == 0
    found = await kept_in(database)
    check_nothing_is_lost(senders.answered, found, sandbox)
    check_order(senders.answered, found, sandbox)

    unknown = found.outcomes(Outcome.UNKNOWN)
    repeated = len(sandbox.calls) - len(found.commands)
    kills = KILLS + 1
    print(
        f"\n{kills} kills, {len(found.commands)} commands, {unknown.total()} in flight at a kill, {repeated} repeated"
    )
    assert 1 <= repeated <= unknown.total() <= kills * IN_FLIGHT
    whys = {attempt.message for all in found.attempts.values() for attempt in all if attempt.message}
    assert whys <= {"the gateway stopped while it was sending", "no result was recorded while its lease was in force"}


WEATHER = (
    Faults(answer_status=503, probability=0.3, delay=ANSWERS_AFTER),
    Faults(answer_status=500, retry_after="0", probability=0.2, delay=ANSWERS_AFTER),
    Faults(answer_status=429, retry_after="0", probability=0.1, delay=ANSWERS_AFTER),
    Faults(accept_then_drop=True, probability=0.2, delay=ANSWERS_AFTER),
    Faults(drop=True, probability=0.2, delay=ANSWERS_AFTER),
)
MET = ("failed", "accepted_then_dropped", "dropped")
"""How the sandbox counts them."""


async def bad_weather(sandbox: Sandbox, all_faults: tuple[Faults, ...] = WEATHER) -> None:
    """Each fault in turn, and none, until cancelled."""
    while True:
        for faults in (*all_faults, Faults(delay=ANSWERS_AFTER)):
            sandbox.faults = faults
            await asyncio.sleep(0.1)


async def test_killed_while_the_platform_fails_it_loses_nothing(tmp_path: Path) -> None:
    app, sandbox = stand_in()
    async with running(app, timeout_keep_alive=600) as url, serving(tmp_path, url) as gateway:
        senders = Shop(gateway)
        async with senders.posting():
            weather = asyncio.create_task(bad_weather(sandbox))
            try:
                await kill_again_and_again(gateway, lambda: sandbox.counts["accepted"])
            finally:
                weather.cancel()
                await asyncio.wait([weather])
            for faults in WEATHER:  # once more, so that each was surely met
                sandbox.faults = msgspec.structs.replace(faults, probability=1.0, next=3)
                await more(1, "calls met", lambda: sum(sandbox.counts[fault] for fault in MET))
            sandbox.faults = Faults(delay=ANSWERS_AFTER)
        await quiet(gateway)
        assert await gateway.stop() == 0
    found = await kept(tmp_path)
    check_nothing_is_lost(senders.answered, found, sandbox)
    check_order(senders.answered, found, sandbox)

    by_kills = KILLS * IN_FLIGHT
    unknown = found.outcomes(Outcome.UNKNOWN).total()
    met = sandbox.counts["accepted_then_dropped"] + sandbox.counts["dropped"]
    repeated = len(sandbox.calls) - len(found.commands)
    print(f"\n{KILLS} kills, {len(found.commands)} commands, {unknown} unknown, {met} dropped, {repeated} repeated")
    assert sandbox.counts["accepted_then_dropped"] <= repeated <= sandbox.counts["accepted_then_dropped"] + by_kills
    assert unknown <= met + by_kills
    assert found.outcomes(Outcome.UNAVAILABLE)
    assert found.outcomes(Outcome.THROTTLED)


STORIES = """\
source: shop
verify:
  hmac: {header: X-Shop-Signature, encoding: base64, secret: $env.SHOP_SECRET}
dedup_key: $header.X-Shop-Event
defaults: {on_unknown_outcome: retry, identify_once: 3s}
rules:
  - name: Order
    when: {$.kind: order}
    once: $.order
    identify: {userId: $.customer, traits: {plan: "{{ $.order }}"}}
    send_email: {userId: $.customer, assetId: ORDER, number: $.number}
  - name: Text message
    when: {$.kind: text}
    expires: 10m
    send_sms: {userId: $.customer, assetId: TEXT, number: $.number}
  - name: Reminder
    when: {$.kind: booked}
    name_as: "reminder/{{ $.customer }}"
    delay: 1s
    send_push: {userId: $.customer, assetId: REMINDER, number: $.number}
  - name: No reminder
    when: {$.kind: unbooked}
    cancel: "reminder/{{ $.customer }}"
  - name: Nudge
    when: {$.kind: nudge}
    limit: {per: $.customer, at_most: 3, within: 1h}
    track: {userId: $.customer, event: Nudged, properties: {number: $.number}}
"""
STORM = (
    *WEATHER,
    Faults(answer_status=500, probability=0.5, delay=ANSWERS_AFTER),
    Faults(success_false=True, probability=0.2, delay=ANSWERS_AFTER),
    Faults(delay=1.0),
    Faults(unauthorised=True),
)


async def test_killed_amid_every_fault_the_promises_hold_for_every_kind_of_rule(tmp_path: Path) -> None:
    """Identify, delay, once, limit and names; 429s, 500s, refusals, connections cut after the request was written, slow
    answers, and a token that is refused for a while."""
    app = create_sandbox(rate=None, identify_delay=0.5, calls_kept=10_000_000)
    sandbox: Sandbox = app.state.sandbox
    async with running(app, timeout_keep_alive=600) as url, serving(tmp_path, url, rules=STORIES) as gateway:
        senders = Shop(gateway)
        async with senders.posting():
            weather = asyncio.create_task(bad_weather(sandbox, STORM))
            try:
                await kill_again_and_again(gateway, lambda: len(senders.answered))
            finally:
                weather.cancel()
                await asyncio.wait([weather])
            for faults in STORM:  # once more, so that each was surely met
                sandbox.faults = msgspec.structs.replace(faults, probability=1.0, next=3)
                await more(1, "calls answered, or not", sandbox.counts.total)
        await gateway.kill()
        sandbox.faults = Faults()
        await gateway.start()  # it probes a destination that was paused at once
        await quiet(gateway, held=True)
        async with gateway.client() as client:  # what waits for an identify that was refused is for a person
            for _ in range(10):
                sent = {"filter": {"state": "held"}}
                acted = await client.post(f"{gateway.address}/api/commands/cancel", json=sent, headers=shop.bearer())
                assert acted.status_code == 200, acted.text
        await quiet(gateway)
        assert await gateway.stop() == 0
    end = await ending(tmp_path, sandbox)
    cancelled = {one.id: (Act.CANCEL,) for one in end.commands if one.reason == "cancelled by a person"}
    the_promises_hold(end, [one.id for one in senders.answered], acted=cancelled)
    nobody_got_too_many(end)
    states, outcomes = (
        Counter(one.state.value for one in end.commands),
        Counter(attempt.outcome.value for attempts in end.attempts.values() for attempt in attempts),
    )
    print(f"\n{KILLS} kills, {len(end.webhooks)} webhooks, commands {dict(states)}, attempts {dict(outcomes)}")
    assert {"delivered", "failed", "suppressed", "cancelled"} <= states.keys()
    assert {"accepted", "refused", "throttled", "unavailable", "unknown", "unauthorised"} <= outcomes.keys()


async def test_while_the_platform_is_away_everything_waits(tmp_path: Path) -> None:
    app, sandbox = stand_in()
    async with AsyncExitStack() as back:
        listener = back.enter_context(reserved())
        port = listener.getsockname()[1]
        gateway = await back.enter_async_context(serving(tmp_path, f"http://127.0.0.1:{port}"))
        await gateway.start()
        senders = Shop(gateway)
        async with senders.posting(pause=0.05):
            async with running(app, listener=listener):
                await more(20, "calls accepted", lambda: sandbox.counts["accepted"])
            listener = back.enter_context(reserved(port))  # from here on every connection is refused
            before = sandbox.counts["accepted"]
            await more(50, "webhooks answered", lambda: len(senders.answered))
            await _refused_twice(gateway)
            assert sandbox.counts["accepted"] == before
            await back.enter_async_context(running(app, listener=listener))
            await more(1, "calls accepted", lambda: sandbox.counts["accepted"])
        await quiet(gateway)
        assert await gateway.stop() == 0
    found = await kept(tmp_path)
    check_nothing_is_lost(senders.answered, found, sandbox)
    check_order(senders.answered, found, sandbox)
    assert senders.refusals == [], "a platform that is away is no reason to refuse webhooks"
    assert found.outcomes(Outcome.NOT_SENT)
    # What was not sent is no repeat when it is sent; only what the going platform may have read can come twice.
    assert len(sandbox.calls) - len(found.commands) <= found.outcomes(Outcome.UNKNOWN).total() <= IN_FLIGHT


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux takes a running process's room away")
async def test_while_the_disk_is_full_webhooks_are_refused_and_what_was_promised_waits(tmp_path: Path) -> None:
    """The write-ahead log may grow no further, which the system says at the write as it does on a full disk."""
    app, sandbox = stand_in()
    async with running(app, timeout_keep_alive=600) as url, serving(tmp_path, url) as gateway:
        await gateway.start()
        pid = gateway.process.pid
        room = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        senders = Shop(gateway)
        async with gateway.client() as client, senders.posting():
            await more(20, "webhooks answered", lambda: len(senders.answered))
            full = (tmp_path / "gateway.db-wal").stat().st_size
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (full, room[1]))
            await more(50, "webhooks refused", lambda: len(senders.refusals))
            promised = len(senders.answered)
            unready = await client.get(f"{gateway.address}/readyz")
            assert (await client.get(f"{gateway.address}/healthz")).status_code == 200
            await more(50, "webhooks refused", lambda: len(senders.refusals))
            assert len(senders.answered) == promised, "a webhook was answered 200 and could not be written"
            resource.prlimit(pid, resource.RLIMIT_FSIZE, room)
            await more(100, "webhooks answered", lambda: len(senders.answered))
            assert (await client.get(f"{gateway.address}/readyz")).status_code == 200
        await quiet(gateway)
        assert await gateway.stop() == 0
    assert unready.status_code == 503
    assert unready.json()["reasons"][0].startswith("store: ")
    for answer in senders.refusals:
        assert answer.headers["retry-after"] == "10"
        assert answer.headers["content-type"] == "application/problem+json"
    assert [one for one in senders.answered if one.refused and one.duplicate] == [], "it was refused and stored"
    assert any(one.refused for one in senders.answered)
    found = await kept(tmp_path)
    check_nothing_is_lost(senders.answered, found, sandbox)
    check_order(senders.answered, found, sandbox)
    assert len(sandbox.calls) == len(found.commands), "a result that had to wait for the disk was forgotten"


async def more(by: int, what: str, count: Callable[[], int]) -> None:
    """Wait until a count has grown."""
    wanted = count() + by

    async def too_few() -> str | None:
        return None if count() >= wanted else f"{count()} {what}; expected {wanted} or more"

    await eventually(too_few)


async def _refused_twice(gateway: Serving) -> None:
    """Wait until a command has found the platform away a second time."""
    async with gateway.client() as client:

        async def once_at_most() -> str | None:
            page = await client.get(f"{gateway.address}/api/commands?limit=500", headers=shop.bearer())
            tried = max((one["attempt_count"] for one in page.json()["items"]), default=0)
            return None if tried >= 2 else "no command was tried twice"

        await eventually(once_at_most)
