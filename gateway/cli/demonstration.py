"""What ``gateway demo`` runs: sandbox and gateway side by side, and a sender that posts the library's samples."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import tempfile
import time
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import httpx
import msgspec

from gateway.admin import views
from gateway.app import create_app
from gateway.cli.output import print_line, printable, styled_state
from gateway.cli.packs import Pack, copy_pack, packs
from gateway.cli.samples import Sample, freshened, samples, signed
from gateway.cli.server import address_of, bind, serving, stop_signals
from gateway.errors import SettingsError
from gateway.folders import load_rules
from gateway.inbound.needs import pers_of
from gateway.intilery.sandbox import create_sandbox
from gateway.model import FINAL_STATES, CommandState
from gateway.running import Gateway
from gateway.settings import Settings
from gateway.store import CommandFilter, Store

PACE = 1.0
"""Seconds between the samples of the first round."""
SLOW_PACE = 5.0
"""Seconds between samples after that."""
PATIENCE = 30.0
"""Seconds that the commands of one webhook may take."""
_SETTLED = FINAL_STATES | {CommandState.HELD}


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one sample."""

    sample: Sample
    webhook: Mapping[str, Any]
    commands: Sequence[Mapping[str, Any]]

    @property
    def delivered(self) -> bool:
        """Whether every command arrived at Intilery's stand-in, and there is at least one or nothing was asked."""
        return all(command["state"] == "delivered" for command in self.commands)


async def demonstrate(*, once: bool, port: int, as_json: bool) -> int:
    """Run it; the exit status."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="gateway-demo-") as folder:
        sandbox_socket = bind("127.0.0.1", 0)
        gateway_socket = bind("127.0.0.1", port, search=50)
        taken = gateway_socket.getsockname()[1] != port
        sandbox_token, admin_token = secrets.token_hex(8), secrets.token_urlsafe(12)
        settings = demo_settings(Path(folder), sandbox=address_of(sandbox_socket), token=sandbox_token)
        app = create_app(settings, ruleset=load_rules(settings), admin_token=admin_token)
        gateway: Gateway = app.state.gateway
        address = address_of(gateway_socket)
        with stop_signals() as stopped:
            async with (
                serving(create_sandbox(token=sandbox_token), sandbox_socket, grace=timedelta(seconds=1)),
                app.router.lifespan_context(app),
                serving(app, gateway_socket, grace=timedelta(seconds=1)),
                httpx.AsyncClient(base_url=address, timeout=30, trust_env=False) as client,
            ):
                if not as_json:
                    if taken:
                        click.echo(f"port {port} is taken; the gateway is at the next free one")
                    if not once:  # they end with it
                        _addresses(address, address_of(sandbox_socket), admin_token)
                sender = Sender(gateway, client, settings.rules, as_json=as_json)
                status = await _until(stopped, sender.everything(began) if once else sender.keep_sending())
    if status is not None:
        return status
    if not as_json:
        click.echo("stopped; what the demo made is gone")
    return 1 if once else 0


async def _until(stopped: asyncio.Event, work: Coroutine[Any, Any, int]) -> int | None:
    """The result of ``work``, or None where it was stopped before it ended."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stopped.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if working.done():
        return working.result()
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    return None


class Sender:
    """Plays every sender of the library, and watches what becomes of what it sent."""

    def __init__(self, gateway: Gateway, client: httpx.AsyncClient, folder: Path, *, as_json: bool) -> None:
        self._gateway = gateway
        self._client = client
        self._samples = list(samples(gateway.ruleset, folder))
        self._as_json = as_json

    async def everything(self, began: float) -> int:
        """All samples at once; 0 where every command was delivered. ``began`` is of ``time.perf_counter``."""
        told = await asyncio.gather(*(self.send(sample) for sample in self._samples))
        commands = [command for one in told for command in one.commands]
        delivered = sum(command["state"] == "delivered" for command in commands)
        lost = len(commands) - delivered
        seconds = round(time.perf_counter() - began, 1)
        if self._as_json:
            print_line(
                {"webhooks": len(told), "commands": len(commands), "delivered": delivered, "not_delivered": lost}
                | {"seconds": seconds}
            )
        else:
            click.echo(
                f"{len(told)} webhooks became {len(commands)} commands: {delivered} delivered, "
                f"{lost} not delivered, in {seconds} s"
            )
        return 0 if delivered and not lost else 1

    async def keep_sending(self) -> int:
        """Each sample once at a human pace, then again and again, slower, each as a new occurrence."""
        if not self._samples:
            raise SettingsError("the library has no samples")
        for sample in self._samples:
            await self.send(sample)
            await asyncio.sleep(PACE)
        if not self._as_json:
            click.echo(f"those were all the samples; from here on one every {SLOW_PACE:g} s. Ctrl-C ends this.")
        while True:
            for sample in self._samples:
                await asyncio.sleep(SLOW_PACE)
                await self.send(freshened(sample))

    async def send(self, sample: Sample) -> Told:
        """Post one sample, wait for what becomes of it, print that."""
        sent = signed(sample, credential=self._gateway.credential, now=datetime.now(UTC))
        answer = await self._client.post(sent.address, content=sent.body, headers=sent.headers)
        if answer.status_code != 200:
            raise SettingsError(f"{sample.address}: answered {answer.status_code}: {answer.text}")
        id_ = answer.json()["id"]
        commands = await _settled(self._gateway.store, id_)
        webhook = views.webhook_row(await self._gateway.store.webhook(id_))
        told = Told(sample=sample, webhook=webhook, commands=commands)
        if self._as_json:
            print_line({"webhook": webhook, "commands": commands})
        else:
            click.echo(_line(told, repeated=answer.json()["status"] == "duplicate"))
        return told


async def _settled(store: Store, webhook_id: str) -> list[views.View]:
    """The commands of a webhook once nothing more happens to them, in the order in which they were made."""
    deadline = time.monotonic() + PATIENCE
    while True:
        page = await store.commands(CommandFilter(webhook=webhook_id), limit=500)
        if all(command.state in _SETTLED for command in page.items) or time.monotonic() > deadline:
            return [views.command_row(command) for command in reversed(page.items)]
        await asyncio.sleep(0.02)


def _line(told: Told, *, repeated: bool) -> str:
    """``10:15:02  shopify   orders/create   Order confirmation: identify, send_email delivered  eventId 7f72...``"""
    webhook = told.webhook
    at = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
    what = f"{at}  {webhook['source']:<12}  {printable(webhook['event_type'] or '-'):<20}  "
    if repeated:
        return f"{what}a repeat; nothing is sent twice"
    if not told.commands:
        reason = webhook.get("reason") or next((problem["message"] for problem in webhook["errors"]), "")
        return f"{what}{styled_state(webhook['state'])}" + (f": {printable(reason)}" if reason else "")
    rules = ", ".join(dict.fromkeys(command["rule"] for command in told.commands))
    calls = ", ".join(command["command"] for command in told.commands)
    states = ", ".join(styled_state(state) for state in dict.fromkeys(command["state"] for command in told.commands))
    last = told.commands[-1]
    event = f"  eventId {last['intilery_event_id']}" if "intilery_event_id" in last else ""
    return f"{what}{click.style(rules, bold=True)}: {calls} {states}{event}"


def _addresses(gateway: str, sandbox: str, token: str) -> None:
    click.echo(f"gateway   {click.style(gateway, bold=True)}")
    click.echo(f"          curl -H 'Authorization: Bearer {token}' {gateway}/api/webhooks")
    click.echo(f"sandbox   {sandbox}/_sandbox/calls  (stands in for Intilery: what it accepted)")


def demo_settings(folder: Path, *, sandbox: str, token: str) -> Settings:
    """A gateway of its own: rules and store in ``folder``, secrets made up, nothing from the environment."""
    rules = folder / "rules"
    rules.mkdir()
    found = packs()
    for pack in found:
        copy_pack(pack, rules)
    (rules / "destinations.yaml").write_text(_destinations(found), encoding="utf-8")
    environ = {
        "GATEWAY_RULES": str(rules),
        "GATEWAY_STORE": f"sqlite:///{folder / 'demo.db'}",
        "GATEWAY_GRACE": "1s",
        "INTILERY_URL": sandbox,
        "INTILERY_AUTH_TOKEN": token,
    }
    for pack in found:
        for name in pack.secrets:
            environ[name] = secrets.token_hex(16)
    settings = Settings.from_environ(environ)
    ruleset = load_rules(settings)
    for source in ruleset.sources.values():
        if pers_of(source.verify):
            for sample in samples(ruleset, rules):
                if sample.source.name == source.name:
                    for name in source.secrets:
                        environ[f"{name}_{sample.path.split('/')[0].upper()}"] = environ[name]
    return Settings.from_environ(environ)


def _destinations(found: Sequence[Pack]) -> str:
    """A destinations file with a code for every name that the packs use, for every destination that they name."""
    assets = {name: f"DEMO-{name.upper()}" for pack in found for name in pack.assets}
    journeys = {
        name: hashlib.blake2b(name.encode(), digest_size=12).hexdigest() for pack in found for name in pack.journeys
    }
    names = ["default", *dict.fromkeys(name for pack in found for name in pack.destinations)]
    destinations = {
        name: {
            "client_id": "demo",
            "account_id": "demo" if name == "default" else f"demo-{name}".lower(),
            "auth_token": "$env.INTILERY_AUTH_TOKEN",
            "assets": assets,
            "journeys": journeys,
        }
        for name in names
    }
    # JSON is YAML.
    return msgspec.json.format(msgspec.json.encode({"destinations": destinations}), indent=2).decode() + "\n"
