"""Receiving: the verb of the inbound side, as an ASGI application of its own.

Read the body under a cap, verify, parse, translate, write webhook and commands in one transaction, acknowledge. Every
request on its way in passes here, so this file works on the raw ASGI scope: no request object, no middleware, answers
made beforehand.

What is answered ``200`` is on disk. A webhook that is authentic and can't be read or translated is kept and answered
``200`` too: repeated errors make senders switch a hook off, and a corrected rule can be run over what was kept.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.types import Message, Receive, Scope, Send

from gateway.errors import (
    BodyTooLarge,
    BodyTooSlow,
    MethodNotAllowed,
    NotStored,
    Rejected,
    StoreError,
    UnknownSource,
    UnreadableRequest,
)
from gateway.inbound.arrival import named_parts, translated
from gateway.inbound.authentication import AllOf, AnyOf, Basic, Hmac, Scheme, secrets_of, verify
from gateway.inbound.request import Request
from gateway.inbound.schemes import env_name
from gateway.model import WebhookState, new_webhook_id
from gateway.problem import PROBLEM_TYPE, problem_of
from gateway.rules import Ruleset, Source
from gateway.store import Receipt, Store

RETRY_AFTER = 10
"""Seconds, in answers that ask the sender to come back."""
RETRY_AFTER_SETUP = 300
"""Seconds, where a person has to do something first."""
LINGER = 2.0
"""Seconds for which the rest of a refused body is read and dropped, so that the sender gets to read the answer."""

HOOKS = "/hooks/"
"""The beginning of every path that is answered here."""


def _answer_start(status: str) -> Message:
    """The head of a 200, made once: the body's length is the same for every id."""
    return {
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(_answer_body("0" * 32, status))).encode()),
        ],
    }


def _answer_body(webhook_id: str, status: str) -> bytes:
    return f'{{"id":"{webhook_id}","status":"{status}"}}'.encode()


_ACCEPTED = _answer_start("accepted")
_DUPLICATE = _answer_start("duplicate")
_log = logging.getLogger(__name__)


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """How one request at a hook ended."""

    source: str
    """A name from the rules, or ``""`` where the request named none: never text of the sender's choosing."""
    status: int
    """Of the answer; 499 where the sender went away before its request was whole, and nothing was kept."""
    answer: str
    """``accepted``, ``duplicate``, ``disconnected``, or the refusal's error in words: ``authentication_failed``."""
    webhook_id: str = ""
    """Empty where nothing was stored; the first one's where this one repeats it."""
    state: WebhookState | None = None
    """Of what was stored now; None for repeats and refusals."""
    event_type: str | None = None
    matched: tuple[str, ...] = ()
    commands: int = 0
    errors: int = 0
    reason: str | None = None
    """Why it was refused or can't be read, for the operator."""


class _Gone(Exception):
    """The sender went away before its request was whole."""


class Receiver:
    """The ASGI application behind ``/hooks/``.

    ``ruleset`` gives the rules that are served at the moment of the call; ``wake`` is told the destinations of
    commands that were just stored; ``emit`` gets one record per request, after the answer. ``max_body`` (bytes)
    bounds every source, whatever its own limit is.
    """

    def __init__(
        self,
        *,
        ruleset: Callable[[], Ruleset],
        store: Store,
        credential: Callable[[str], str | None],
        wake: Callable[[Collection[str]], None],
        emit: Callable[[Received], None],
        max_body: int = 10_000_000,
        body_timeout: timedelta = timedelta(seconds=10),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ruleset = ruleset
        self._store = store
        self._credential = credential
        self._wake = wake
        self._emit = emit
        self._max_body = max_body
        self._body_timeout = body_timeout.total_seconds()
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        progress = _Progress()
        try:
            receipt, record, destinations = await self._receive(scope, receive, progress)
        except Rejected as rejected:
            await _refuse(rejected, receive, send, unread=progress.unread)
            self._emit(
                Received(
                    source=progress.source, status=rejected.status, answer=_in_words(rejected), reason=str(rejected)
                )
            )
            return
        except _Gone:
            self._emit(Received(source=progress.source, status=499, answer="disconnected"))
            return
        except Exception:
            _log.exception("%s: a webhook could not be taken in", progress.source or "hooks")
            failure = NotStored("see the traceback", detail="The webhook was not stored.", retry_after=RETRY_AFTER)
            await _refuse(failure, receive, send, unread=progress.unread)
            self._emit(Received(source=progress.source, status=503, answer="not_stored", reason=str(failure)))
            return
        if destinations:
            self._wake(destinations)
        await _acknowledge(receipt, send)
        self._emit(record)

    async def _receive(
        self, scope: Scope, receive: Receive, progress: _Progress
    ) -> tuple[Receipt, Received, Collection[str]]:
        """The receipt, the record to emit, and where the commands go that were stored with it."""
        ruleset = self._ruleset()
        headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in scope["headers"]]
        declared = _declared_length(headers)
        progress.unread = declared != 0
        source, path, parts = _find(ruleset, scope)
        progress.source = source.name
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"{scope['method']} is not answered here; allowed: POST")
        if unset := unset_secrets(source.verify, self._credential):
            raise NotStored(
                f"source {source.name} is disabled: {', '.join(unset)} is not set",
                detail="This source is not set up yet.",
                retry_after=RETRY_AFTER_SETUP,
            )
        cap = min(source.max_body, self._max_body)
        body = await self._body(receive, declared, cap=cap) if declared != 0 else b""
        progress.unread = False
        now = self._now()
        request = Request(
            source=source.name,
            method="POST",
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=tuple(headers),
            body=body,
            received_at=now,
            url=source.public_url,
        )
        verified = verify(source.verify, request, credential=self._credential, now=now, parts=parts)
        reception = translated(
            ruleset,
            source,
            verified,
            id=new_webhook_id(),
            parts=parts,
            cap=cap,
            now=now,
        )
        try:
            receipt = await self._store.receive(reception)
        except StoreError as error:
            raise NotStored(str(error), detail="The webhook can't be stored now.", retry_after=RETRY_AFTER) from error
        if receipt.duplicate:
            repeat = Received(source=source.name, status=200, answer="duplicate", webhook_id=receipt.webhook_id)
            return receipt, repeat, ()
        webhook = reception.webhook
        record = Received(
            source=source.name,
            status=200,
            answer="accepted",
            webhook_id=webhook.id,
            state=webhook.state,
            event_type=webhook.event_type,
            matched=webhook.matched,
            commands=len(reception.commands),
            errors=len(webhook.errors),
            reason=webhook.reason if webhook.state is WebhookState.UNPARSEABLE else None,
        )
        return receipt, record, {command.destination for command in reception.commands}

    async def _body(self, receive: Receive, declared: int | None, *, cap: int) -> bytes:
        if declared is not None and declared > cap:
            raise BodyTooLarge(f"the body has {declared:,} bytes; allowed: {cap:,}")
        task = asyncio.current_task()
        assert task is not None  # ASGI servers run each request as a task
        reading = _Reading()
        # By hand what asyncio.timeout does, for a fifth of its cost: this is on the way of every webhook.
        timer = asyncio.get_running_loop().call_later(self._body_timeout, reading.expire, task)
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Gone
                part = message.get("body", b"")
                reading.size += len(part)
                if reading.size > cap:
                    raise BodyTooLarge(f"the body has over {cap:,} bytes; allowed: {cap:,}")
                if not message.get("more_body", False):
                    return b"".join((*reading.parts, part)) if reading.parts else part
                reading.parts.append(part)
        except asyncio.CancelledError:
            if not reading.expired or task.uncancel() > 0:
                raise
            raise BodyTooSlow(
                f"{reading.size:,} bytes of the body came in {self._body_timeout:g} s; allowed: all of it in that time"
            ) from None
        finally:
            timer.cancel()


class _Reading:
    """A body on its way in."""

    __slots__ = ("expired", "parts", "size")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0
        self.expired = False

    def expire(self, task: asyncio.Task[Any]) -> None:
        self.expired = True
        task.cancel()


class _Progress:
    """How far a request came: what its refusal needs to know."""

    __slots__ = ("source", "unread")

    def __init__(self) -> None:
        self.source = ""
        self.unread = False


def unset_secrets(scheme: Scheme, credential: Callable[[str], str | None]) -> tuple[str, ...]:
    """The credentials for want of which nothing could be verified; a source is disabled while there are any.

    Of several secrets for one thing (rotation) one is enough. With ``per``, which secrets there are is only known when
    a request names its path part.
    """
    match scheme:
        case AllOf():
            unset = [name for part in scheme.schemes for name in unset_secrets(part, credential)]
            return tuple(dict.fromkeys(unset))
        case AnyOf():
            each = [unset_secrets(part, credential) for part in scheme.schemes]
            return () if () in each else tuple(dict.fromkeys(name for unset in each for name in unset))
        case Hmac(per=str()):
            return ()
        case Basic():
            user = env_name(scheme.user)
            lacking = (user,) if user is not None and not credential(user) else ()
            return lacking + (() if any(map(credential, scheme.password)) else scheme.password)
        case _:
            names = secrets_of(scheme)
            return () if not names or any(map(credential, names)) else names


def _find(ruleset: Ruleset, scope: Scope) -> tuple[Source, str, dict[str, str]]:
    """The source that a path names, what stands behind its name, still encoded, and the named parts of that."""
    raw: bytes | None = scope.get("raw_path")
    path = raw.decode("latin-1") if raw is not None else scope["path"]
    name, _, rest = path.partition(HOOKS)[2].partition("/")
    source = ruleset.sources.get(unquote(name))
    if source is None:
        raise UnknownSource(f"no rules file has source: {name[:60]!a}", detail="There is no such source here.")
    parts = named_parts(source.path, rest)
    if parts is None:
        wanted = hook_path(source)
        raise UnknownSource(
            f"source {source.name} takes no path {rest[:60]!a}; allowed: {wanted}",
            detail=f"This source is at {wanted}.",
        )
    return source, rest, parts


def hook_path(source: Source) -> str:
    """Where a source posts to, its named parts in braces: ``/hooks/shopify/{brand}``."""
    return f"{HOOKS}{source.name}/{source.path}" if source.path else f"{HOOKS}{source.name}"


def _declared_length(headers: Iterable[tuple[str, str]]) -> int | None:
    """The body's length: 0 where there is none, None where it comes in chunks."""
    length: int | None = 0
    for name, value in headers:
        if name == "content-length":
            if not value.isascii() or not value.isdecimal():
                raise UnreadableRequest(f"Content-Length is {value[:40]!a}; allowed: a number of bytes")
            # As a number it may have any count of digits; as a length it is too large long before.
            length = int(value[:18])
        elif name == "transfer-encoding":
            return None
    return length


async def _acknowledge(receipt: Receipt, send: Send) -> None:
    await send(_DUPLICATE if receipt.duplicate else _ACCEPTED)
    status = "duplicate" if receipt.duplicate else "accepted"
    await send({"type": "http.response.body", "body": _answer_body(receipt.webhook_id, status)})


async def _refuse(rejected: Rejected, receive: Receive, send: Send, *, unread: bool) -> None:
    body = problem_of(rejected)
    headers = [(b"content-type", PROBLEM_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    if isinstance(rejected, MethodNotAllowed):
        headers.append((b"allow", b"POST"))
    if rejected.retry_after is not None:
        headers.append((b"retry-after", str(rejected.retry_after).encode()))
    if unread:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": rejected.status, "headers": headers})
    if not unread or isinstance(rejected, BodyTooSlow):
        await send({"type": "http.response.body", "body": body})
        return
    # Closing a socket with unread bytes resets it, and the sender may never see the answer: read on for a moment.
    await send({"type": "http.response.body", "body": body, "more_body": True})
    try:
        async with asyncio.timeout(LINGER):
            while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
                pass
    except TimeoutError:
        pass
    await send({"type": "http.response.body", "body": b""})


_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def _in_words(rejected: Rejected) -> str:
    """``AuthenticationFailed`` is ``authentication_failed``."""
    return _CAPITAL.sub("_", type(rejected).__name__).lower()
