"""The sandbox over HTTP: the tracking API's addresses under ``/track``, and its own controls under ``/_sandbox``.

The controls have no token: run the sandbox where only you can reach it.

========================== =======================================================================
``GET /_sandbox/calls``    accepted calls, newest first, and counts; ``?size=&userId=&messageId=``
``GET /_sandbox/faults``   the faults that are on
``POST /_sandbox/faults``  the faults that are on from now (:class:`Faults` as JSON; ``{}`` for none)
``POST /_sandbox/reset``   forget everything
========================== =======================================================================
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gateway.intilery.contract import MAX_BODY
from gateway.intilery.sandbox.calls import Account, Call
from gateway.intilery.sandbox.faults import Faults
from gateway.intilery.sandbox.state import Answer, Sandbox, system_clock

_encode = msgspec.json.Encoder(decimal_format="number").encode
_CODES = {400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found", 429: "limit_exceeded"}
_DRAINED = 8_000_000
"""Bytes of a body over the limit that are read and thrown away, so that the sender gets to read its 413."""


def create_sandbox(
    *,
    rate: float | None = 100.0,
    burst: int = 500,
    token: str = "sandbox",  # noqa: S107 - the sandbox's own, known to everybody
    accounts: Mapping[str, str] | None = None,
    identify_delay: float = 0.5,
    strict_identify: bool = False,
    shows_message_id: bool = True,
    shows_after: float = 0.0,
    faults: Faults | None = None,
    calls_kept: int = 10_000,
    clock: Callable[[], float] = system_clock,
    seed: int | None = None,
) -> Starlette:
    """A stand-in for Intilery as an ASGI application; ``app.state.sandbox`` is what it knows.

    ``rate`` (requests a second; None for no limit) and ``burst`` hold for each address. Every address in the right case
    is an account with ``token``, unless ``accounts`` maps ``client/account/BRAND`` to the token of each there is.
    ``identify_delay`` and ``shows_after`` are seconds; ``calls_kept`` bounds the log; ``seed`` makes faults repeatable.
    """
    sandbox = Sandbox(
        rate=rate,
        burst=burst,
        token=token,
        accounts=accounts,
        identify_delay=identify_delay,
        strict_identify=strict_identify,
        shows_message_id=shows_message_id,
        shows_after=shows_after,
        faults=faults or Faults(),
        calls_kept=calls_kept,
        clock=clock,
        seed=seed,
    )
    app = Starlette(
        routes=[
            Route("/track/{rest:path}", endpoint=Tracking(sandbox)),
            Route("/_sandbox/calls", endpoint=_calls, methods=["GET"]),
            Route("/_sandbox/faults", endpoint=_faults, methods=["GET", "POST"]),
            Route("/_sandbox/reset", endpoint=_reset, methods=["POST"]),
        ]
    )
    app.state.sandbox = sandbox
    return app


class Tracking:
    """Everything under ``/track``. Plain ASGI: benchmarks run against it, so it must not be the limit."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = scope["path"].split("/")
        if len(parts) < 7 or parts[5] != "v1":
            await _respond(send, Answer(404, b'{"success":false,"message":"no such address"}'))
            return
        account = Account(parts[2], parts[3], parts[4])
        rest = parts[6:]
        token, json = _headers(scope)
        if scope["method"] == "GET":
            answer = self._read(account, rest, token, Request(scope).query_params)
        elif scope["method"] != "POST":
            answer = Answer(405, b'{"success":false,"message":"calls are posted, events are got"}')
        else:
            try:
                body = await _body(receive)
            except ClientDisconnect:
                return
            if json:
                answer = self._sandbox.post(account, "/".join(rest), token, body)
            else:
                answer = Answer(400, b'{"success":false,"message":"content-type must be application/json"}')
        if (delay := self._sandbox.faults.delay) > 0:
            await asyncio.sleep(delay)
        if answer.dropped:
            await _drop(receive, send)
        else:
            await _respond(send, answer)

    def _read(self, account: Account, rest: list[str], token: str | None, query: Mapping[str, str]) -> Answer:
        """``events``, or ``profiles/{idType}:{id}/events``, whose id may hold slashes."""
        profile = "/".join(rest[1:-1]) if rest[0] == "profiles" and rest[-1] == "events" else None
        known = profile is not None or rest in (["events"], ["events", ""])
        if (refused := self._sandbox.admit(account, token, known=known)) is not None:
            return _error(*refused)
        try:
            size = int(query.get("size") or 100)
            span = _moment(query.get("start"), -math.inf), _moment(query.get("end"), math.inf)
        except ValueError:
            return _error(400, "size must be a number, start and end ISO-8601 times")
        if not 1 <= size <= 100:
            return _error(400, "size must be from 1 to 100")
        if profile is not None and profile.partition(":")[0] not in ("userId", "email", "id"):
            return _error(400, "a profile is userId:…, email:… or id:…")
        include = frozenset(filter(None, query.get("include", "").split(",")))
        found = self._sandbox.events(account, profile=profile, include=include, span=span, size=size)
        if found is None:
            return _error(404, "the profile was not found")
        return Answer(200, _encode({"data": found}))


def _headers(scope: Scope) -> tuple[str | None, bool]:
    """The token, and whether the content is JSON."""
    token, json = None, False
    for name, value in scope["headers"]:
        if name == b"auth-token":
            token = value.decode("latin-1")
        elif name == b"content-type":
            json = value.partition(b";")[0].strip().lower() == b"application/json"
    return token, json


async def _body(receive: Receive) -> bytes | None:
    """The request's body; None where it is over the limit."""
    parts: list[bytes] = []
    size = 0
    more = True
    while more and size <= _DRAINED:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size <= MAX_BODY:
            parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts) if size <= MAX_BODY else None


async def _respond(send: Send, answer: Answer) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer.body)).encode())]
    if answer.retry_after is not None:
        headers.append((b"retry-after", answer.retry_after.encode("latin-1")))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _drop(receive: Receive, send: Send) -> None:
    """Close the connection without an answer.

    ASGI has no word for that. uvicorn's ``receive`` is a method of the object that holds the socket's transport: close
    that and wait until uvicorn has noticed, else it would answer 500. Under another server the answer is broken off
    after its head, which is an unknown outcome as well.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    if isinstance(transport, asyncio.BaseTransport):
        transport.close()
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    headers = [(b"content-length", b"100"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})


def _moment(value: str | None, default: float) -> float:
    """Seconds since the epoch of an ISO 8601 time; UTC where it names no zone."""
    if not value:
        return default
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _error(status: int, message: str, wait: str | None = None) -> Answer:
    return Answer(status, _encode({"error": {"code": _CODES[status], "message": message}}), wait)


async def _calls(request: Request) -> Response:
    sandbox: Sandbox = request.app.state.sandbox
    wanted = {"user_id": request.query_params.get("userId"), "message_id": request.query_params.get("messageId")}
    try:
        size = int(request.query_params.get("size") or 100)
    except ValueError:
        return _json(_problem("size must be a number"), 400)
    found = (
        call
        for call in sandbox.newest()
        if all(value is None or getattr(call, name) == value for name, value in wanted.items())
    )
    return _json({"counts": dict(sandbox.counts), "calls": [_full(call) for call in islice(found, max(size, 0))]})


async def _faults(request: Request) -> Response:
    sandbox: Sandbox = request.app.state.sandbox
    if request.method == "POST":
        try:
            sandbox.faults = msgspec.json.decode(await request.body() or b"{}", type=Faults)
        except msgspec.DecodeError as error:
            return _json(_problem(str(error)), 400)
    return _json(sandbox.faults)


async def _reset(request: Request) -> Response:
    request.app.state.sandbox.reset()
    return Response(status_code=204)


def _full(call: Call) -> dict[str, Any]:
    """A call with everything that the sandbox knows of it."""
    return {
        "eventId": call.event_id,
        "receivedAt": datetime.fromtimestamp(call.received_at, UTC),
        "account": call.account,
        "action": call.action,
        "event": call.event,
        "userId": call.user_id,
        "messageId": call.message_id,
        "reached": call.reached,
        "why": call.why,
        "body": call.body,
    }


def _problem(message: str) -> dict[str, Any]:
    return {"error": {"code": "bad_request", "message": message}}


def _json(value: Any, status: int = 200) -> Response:
    return Response(_encode(value), status, media_type="application/json")
