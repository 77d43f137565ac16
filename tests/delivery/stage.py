"""What the tests of dispatch play on: a real SQLite store, the real client and the sandbox behind a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gateway.delivery import AttemptMade, DestinationPaused, DestinationResumed, LookedUp, Record, Stumbled
from gateway.delivery.dispatch import Dispatcher
from gateway.intilery.client import Client
from gateway.intilery.contract import Destination, encode
from gateway.intilery.sandbox import Sandbox, create_sandbox
from gateway.model import Command, CommandState, Webhook, WebhookState, command_id, new_webhook_id
from gateway.store import Reception, Store, open_store
from tests.servers import running

NEVER = 3600.0
"""Seconds: a poll or a probe that no test lives to see, so that what happens was called for."""


class Front:
    """Something before the sandbox that answers 403 to bodies that hold ``disliked``; it lets all else through.

    Reads of profiles are answered by ``reads``, a status and a body, as long as that is set, and counted.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self.disliked: bytes | None = None
        self.reads: tuple[int, bytes] | None = None
        self.profiles: list[bytes] = []
        """The raw paths of profiles that were asked for."""
        self.together = asyncio.Barrier(1)
        """Calls go on from here when so many have come."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("method") == "GET" and "/profiles/" in scope["path"]:
            self.profiles.append(scope["raw_path"])
            if self.reads is not None:
                await self._answer(send, *self.reads)
                return
        if scope.get("method") == "POST":
            await self.together.wait()
        if self.disliked is None or scope.get("method") != "POST":
            await self._app(scope, receive, send)
            return
        message = await receive()
        if self.disliked not in message["body"]:

            async def again() -> Any:
                return message

            await self._app(scope, again, send)
            return
        await self._answer(send, 403, b'{"success":false,"message":"blocked by the firewall"}')

    @staticmethod
    async def _answer(send: Any, status: int, answer: bytes) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


class Stage:
    """One store, one sandbox, one dispatcher at a time, and every record that it emitted."""

    def __init__(
        self, url: str, new_store: Callable[[], Store], client: Client, sandbox: Sandbox, front: Front
    ) -> None:
        self._new_store, self.store = new_store, new_store()
        self.client, self.sandbox, self.front = client, sandbox, front
        self.destinations = {"default": self.destination(url)}
        self.tokens: dict[str, str | None] = {"INTILERY_AUTH_TOKEN": "sandbox"}
        self.records: list[Record] = []
        self.dispatcher: Dispatcher | None = None
        self._url = url
        self._changed = asyncio.Event()
        self._numbers = itertools.count(1)

    def destination(self, url: str | None = None, **changes: Any) -> Destination:
        values: dict[str, Any] = {
            "name": "default",
            "client_id": "acme",
            "account_id": "acme",
            "brand_id": "ACME",
            "auth_token": "INTILERY_AUTH_TOKEN",
            "url": url or self._url,
            "rate": 20_000.0,
            "burst": 1000,
        }
        return Destination(**{**values, **changes})

    async def start(self, **options: Any) -> Dispatcher:
        values: dict[str, Any] = {
            "emit": self.emit,
            "lease": timedelta(seconds=self.client.longest + 6),
            "credential": self.tokens.get,
            "first_backoff": timedelta(milliseconds=10),
            "longest_backoff": timedelta(milliseconds=50),
            "poll": NEVER,
            "probe_every": 0.05,
            "probe_at_most": 0.1,
        }
        values.update(options)
        self.dispatcher = Dispatcher(
            self.store, self.client, lambda: self.destinations, values.pop("credential"), **values
        )
        await self.dispatcher.start()
        return self.dispatcher

    async def reopen(self) -> None:
        """Close the store and open it again, as a new process would."""
        await self.store.close()
        self.store = self._new_store()
        await self.store.open()

    def emit(self, record: Record) -> None:
        self.records.append(record)
        self._changed.set()

    def command(self, user: str = "u-1", **changes: Any) -> Command:
        """A plain event, so that it needs no identify; its ``messageId`` is its id."""
        webhook = changes.pop("webhook", None) or new_webhook_id()
        id = command_id(webhook, "rule", str(next(self._numbers)), "track")
        extra = changes.pop("extra", {})
        event = changes.pop("event", "Order Completed")
        values: dict[str, Any] = {
            "id": id,
            "webhook_id": webhook,
            "source": "shop",
            "rule": "rule",
            "command": "track",
            "action": "track",
            "destination": "default",
            "user_id": user,
            "body": encode({"userId": user, "event": event, "messageId": id, **extra}),
            "created_at": datetime.now(UTC),
        }
        return Command(**{**values, **changes})

    async def commit(self, *commands: Command, wake: bool = True) -> None:
        """One webhook with these commands, and the call that wakes the dispatcher."""
        webhook = Webhook(
            id=commands[0].webhook_id, source="shop", received_at=datetime.now(UTC), state=WebhookState.TRANSLATED
        )
        await self.store.receive(Reception(webhook=webhook, commands=commands))
        if wake and self.dispatcher is not None:
            self.dispatcher.wake({command.destination for command in commands})

    async def add(self, *users: str, wake: bool = True, **changes: Any) -> list[Command]:
        """One command for each of ``users``, in this order, of one webhook."""
        webhook = new_webhook_id()
        commands = [self.command(user, webhook=webhook, **changes) for user in users]
        await self.commit(*commands, wake=wake)
        return commands

    async def until(self, holds: Callable[[], bool], *, within: float = 10.0) -> None:
        """Wait for a record after which ``holds`` does."""
        try:
            async with asyncio.timeout(within):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"it did not come to that; the last records: {self.records[-5:]}") from None

    async def accepted(self, number: int) -> None:
        """Wait until the sandbox has accepted so many calls, answered or not."""
        async with asyncio.timeout(10):
            while True:
                if len(self.sandbox.calls) >= number:
                    return
                await asyncio.sleep(0.005)

    async def unauthorised(self, number: int) -> None:
        """Wait until the sandbox has refused so many tokens, of calls and of probes."""
        async with asyncio.timeout(10):
            while True:
                if self.sandbox.counts["unauthorised"] >= number:
                    return
                await asyncio.sleep(0.005)

    async def asked(self) -> None:
        """Wait until a profile was asked for."""
        async with asyncio.timeout(10):
            while True:
                if self.front.profiles:
                    return
                await asyncio.sleep(0.005)

    async def settled(self, *commands: Command) -> list[CommandState]:
        """Wait until each command is through, or held; their states."""
        ids = [command.id for command in commands]
        going = (None, CommandState.PENDING, CommandState.UNKNOWN)
        await self.until(lambda: all(self.last(id) not in going for id in ids))
        return [(await self.store.command(id)).state for id in ids]

    def made(self, id: str | None = None) -> list[AttemptMade]:
        return [r for r in self.records if isinstance(r, AttemptMade) and id in (None, r.command.id)]

    def lookups(self, id: str | None = None) -> list[LookedUp]:
        return [r for r in self.records if isinstance(r, LookedUp) and id in (None, r.command.id)]

    def last(self, id: str) -> CommandState | None:
        """The state that the last attempt or lookup left a command in."""
        made = [r for r in self.records if isinstance(r, (AttemptMade, LookedUp)) and r.command.id == id]
        return made[-1].verdict.state if made else None

    async def identify(self, *users: str) -> None:
        """Make customers known to the sandbox, and forget the calls that did."""
        for user in users:
            body = encode({"userId": user, "event": "identify"})
            await self.client.send(self.destination(), token="sandbox", action="identify", body=body)
        self.sandbox.forget_calls()

    def verdicts(self, id: str) -> list[CommandState]:
        return [record.verdict.state for record in self.made(id)]

    def pauses(self) -> list[DestinationPaused | DestinationResumed]:
        return [r for r in self.records if isinstance(r, (DestinationPaused, DestinationResumed))]

    def arrived(self) -> list[str | None]:
        """The ids of what the sandbox accepted, in order."""
        return [call.message_id for call in self.sandbox.calls]


@contextlib.asynccontextmanager
async def staged(
    folder: Path, *, read_timeout: float = 2.0, other_timeouts: float = 1.0, **sandbox: Any
) -> AsyncIterator[Stage]:
    """A stage without a limit at the sandbox, unless ``rate`` and ``burst`` say otherwise."""
    options: dict[str, Any] = {"rate": None, "identify_delay": 0.0, "seed": 1}
    app = create_sandbox(**{**options, **sandbox})
    front = Front(app)

    def new_store() -> Store:
        return open_store(f"sqlite:///{folder / 'gateway.db'}", identify_gap=timedelta(milliseconds=60))

    client = Client(
        connect_timeout=other_timeouts,
        write_timeout=other_timeouts,
        pool_timeout=other_timeouts,
        read_timeout=read_timeout,
    )
    async with running(front) as url, client:
        stage = Stage(url, new_store, client, app.state.sandbox, front)
        await stage.store.open()
        try:
            yield stage
        finally:
            if stage.dispatcher is not None:
                await stage.dispatcher.stop(grace=timedelta(0))
            await stage.store.close()
    assert not [record for record in stage.records if isinstance(record, Stumbled)]
