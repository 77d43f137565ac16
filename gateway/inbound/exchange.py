"""One HTTP exchange on raw ASGI: a body comes in under a cap and a deadline, an answer made beforehand goes out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.types import Message, Receive, Send

from gateway.errors import BodyTooLarge, BodyTooSlow, MethodNotAllowed, Overloaded, Rejected, UnreadableRequest
from gateway.inbound.places import RETRY_AFTER, Place, Places
from gateway.problem import PROBLEM_TYPE, problem_of
from gateway.rules.respond import Answer
from gateway.store import Receipt

LINGER = 2.0
"""Seconds for which the rest of a refused body is read and dropped, so that the sender gets to read the answer."""


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


class Gone(Exception):
    """The sender went away before its request was whole."""


def declared_length(headers: Iterable[tuple[str, str]]) -> int | None:
    """The body's length: 0 where there is none, None where it comes in chunks."""
    length: int | None = 0
    for name, value in headers:
        if name == "content-length":
            if not value.isascii() or not value.isdecimal():
                raise UnreadableRequest(f"Content-Length is {value[:40]!a}; allowed: a number of bytes")
            # As a number it may have any count of digits; as a length it is too large long before. Zeros count for
            # nothing (RFC 9110, 8.6 allows them), however many there are.
            length = int(value.lstrip("0")[:18] or "0")
        elif name == "transfer-encoding":
            if value.strip().lower() != "chunked":
                raise UnreadableRequest(f"Transfer-Encoding is {value[:40]!a}; allowed: chunked")
            return None
    return length


async def receive_body(
    receive: Receive, declared: int | None, *, cap: int, seconds: float, places: Places, place: Place
) -> bytes:
    """The whole body, at most ``cap`` bytes of it, within ``seconds``. ``declared`` is its declared length.

    :raises BodyTooLarge: before reading on, where that is known.
    :raises BodyTooSlow: it was not whole in time.
    :raises Overloaded: there is no room for it, or others needed its place while it was on its way.
    :raises Gone: the sender went away.
    """
    if declared is not None and declared > cap:
        raise BodyTooLarge(f"the body has {declared:,} bytes; allowed: {cap:,}")
    parts: list[bytes] = []
    if _is_there(receive):
        return await _read(receive, parts, cap=cap, places=places, place=place)
    task = asyncio.current_task()
    assert task is not None  # ASGI servers run each request as a task
    timer = asyncio.get_running_loop().call_later(seconds, place.end, "time")
    places.wait(place, task)
    try:
        return await _read(receive, parts, cap=cap, places=places, place=place)
    except asyncio.CancelledError:
        if place.ended_by is None or task.uncancel() > 0:
            raise
        came = f"{sum(map(len, parts)):,} bytes of the body came"
        if place.ended_by == "time":
            raise BodyTooSlow(f"{came} in {seconds:g} s; allowed: all of it in that time") from None
        raise Overloaded(f"{came}, and its place was needed for others", retry_after=RETRY_AFTER) from None
    finally:
        timer.cancel()
        places.came(place)


def _is_there(receive: Receive) -> bool:
    """Whether all of the body has come with the head, as most webhooks do: then nothing is waited for. Only uvicorn
    says so, and only to those who look; under another server it is waited for, for no time."""
    return getattr(getattr(receive, "__self__", None), "more_body", True) is False


async def _read(receive: Receive, parts: list[bytes], *, cap: int, places: Places, place: Place) -> bytes:
    """The whole body; ``parts`` is what of it has come."""
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > cap:
            raise BodyTooLarge(f"the body has over {cap:,} bytes; allowed: {cap:,}")
        places.hold(place, size)
        if not message.get("more_body", False):
            return b"".join(parts) if len(parts) > 1 else part


async def acknowledge(
    receipt: Receipt, send: Send, *, webhooks: int | None = None, answer: Answer | None = None
) -> None:
    """Answer 2xx: what the receipt speaks of is on disk.

    ``webhooks`` is how many there were in a batch; ``answer`` is what the source wants to be sent instead.
    """
    status = "duplicate" if receipt.duplicate else "accepted"
    if answer is None and webhooks is None:
        await send(_DUPLICATE if receipt.duplicate else _ACCEPTED)
        await send({"type": "http.response.body", "body": _answer_body(receipt.webhook_id, status)})
        return
    body = None if answer is None else answer.body
    headers = [] if answer is None else [(name.encode(), text.encode("latin-1")) for name, text in answer.headers]
    if body is None:
        body = _answer_body(receipt.webhook_id, status)
        if webhooks is not None:
            body = body[:-1] + b',"webhooks":%d}' % webhooks
        headers = [header for header in headers if header[0] != b"content-type"]
        headers.append((b"content-type", b"application/json"))
    if answer is not None and answer.status in (204, 205):
        body, headers = b"", [header for header in headers if header[0] != b"content-type"]
    if answer is None or answer.status != 204:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200 if answer is None else answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def reply(status: int, headers: Iterable[tuple[bytes, bytes]], body: bytes, send: Send) -> None:
    """Answer a challenge: nothing was stored."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def refuse(
    rejected: Rejected, receive: Receive, send: Send, *, unread: bool, linger: bool, bare: bool = False
) -> None:
    """Answer a refusal. ``unread``: a body is on its way that nobody reads; the connection is closed after it, with
    ``linger`` only when more of it was awaited. ``bare``: the sender wants no body."""
    body = b"" if bare else problem_of(rejected)
    headers = [] if bare else [(b"content-type", PROBLEM_TYPE.encode())]
    headers.append((b"content-length", str(len(body)).encode()))
    if isinstance(rejected, MethodNotAllowed):
        headers.append((b"allow", ", ".join(rejected.allowed).encode()))
    if rejected.retry_after is not None:
        headers.append((b"retry-after", str(rejected.retry_after).encode()))
    if unread:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": rejected.status, "headers": headers})
    if not linger:
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
