"""The door to Intilery: one call out, an acceptance back, or an error whose class is the attempt's outcome.

httpx is the interface, aiohttp carries the bytes (``httpx-aiohttp``). Requests go straight to the httpx transport:
``httpx.AsyncClient`` adds cookies, redirects, event hooks and a log line to each, and none of them serves here.

*Not sent* is told from *unknown* by the cause, never by httpx's class. httpx-aiohttp 0.2 calls a server that read the
request and hung up a ``ConnectTimeout``, and lets an answer that is no HTTP escape as aiohttp's own error. So the first
aiohttp error in the chain of causes decides, and only those that aiohttp raises before it has a connection (DNS,
connect, TLS handshake, no free connection in the pool) mean that nothing was written. All else is an unknown outcome.

A POST is never repeated here: aiohttp repeats only idempotent methods on a connection that turned out to be closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from datetime import UTC, datetime
from types import TracebackType
from typing import NamedTuple, Self, TypedDict
from urllib.parse import quote

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from gateway import __version__
from gateway.backoff import retry_after
from gateway.errors import DeliveryError, NotSent, Refused, Unauthorised, UnknownOutcome
from gateway.intilery.answers import Accepted, judge, message_of, trouble
from gateway.intilery.contract import MAX_BODY, Destination
from gateway.intilery.seen import Seen, events_of
from gateway.tls import trusted

__all__ = ["Accepted", "Client", "Seen"]

MAX_ANSWER = 65_536
"""Bytes that are read of an answer; Intilery's have some hundred."""

MAX_EVENTS = 8_000_000
"""Bytes that are read of a list of events: a hundred calls of the size that a batch takes are half of that."""

_PREPARED = 256
"""How many (address, token) pairs are kept ready: tokens rotate, so the number must not grow."""

_BEFORE_THE_FIRST_BYTE = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""aiohttp raises these (DNS, certificate and TLS errors are kinds of the first) only while it makes a connection."""

_BEFORE_THE_FIRST_BYTE_ELSEWHERE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""The same for a transport that is not aiohttp's, where no aiohttp error is among the causes."""


class _Address(NamedTuple):
    url: httpx.URL
    headers: httpx.Headers


class _Answer(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes | None
    """None where it broke off."""


CONNECT_TIMEOUT, WRITE_TIMEOUT, READ_TIMEOUT, POOL_TIMEOUT = 5.0, 10.0, 30.0, 5.0
"""Seconds, where nobody says otherwise."""


class Timeouts(TypedDict):
    """Arguments of :class:`Client`."""

    connect_timeout: float
    write_timeout: float
    read_timeout: float
    pool_timeout: float


def timeouts(answer: float) -> Timeouts:
    """The timeouts of a :class:`Client` that waits ``answer`` seconds for an answer; for all else no longer than that.

    Example: ``Client(**timeouts(30.0))``.
    """
    return {
        "connect_timeout": min(CONNECT_TIMEOUT, answer),
        "write_timeout": min(WRITE_TIMEOUT, answer),
        "read_timeout": answer,
        "pool_timeout": min(POOL_TIMEOUT, answer),
    }


class Client:
    """Sends calls to Intilery over a bounded pool of connections that are used again.

    Make it anywhere, use it in one event loop, close it there (``async with``, or :meth:`aclose`). All times are
    seconds. An idle connection is dropped after ``keepalive``: a little less than the 5 s of common servers, because a
    request that meets a connection just being closed has an unknown outcome. ``tls`` replaces the default context
    (certifi's roots, or ``SSL_CERT_FILE``); ``transport`` replaces the network, for tests.
    """

    def __init__(
        self,
        *,
        connect_timeout: float = CONNECT_TIMEOUT,
        write_timeout: float = WRITE_TIMEOUT,
        read_timeout: float = READ_TIMEOUT,
        pool_timeout: float = POOL_TIMEOUT,
        connections: int = 64,
        keepalive: float = 4.0,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.longest = connect_timeout + write_timeout + read_timeout + pool_timeout
        """Seconds. No send takes longer (it is cut off then, as unknown): a lease must be longer."""
        # aiohttp counts the wait for a connection and its making as one; it has no timeout for writing, which
        # ``longest`` therefore bounds.
        self._extensions = {
            "timeout": {
                "connect": connect_timeout,
                "pool": pool_timeout + connect_timeout,
                "read": read_timeout,
                "write": write_timeout,
            }
        }
        self._prepared: dict[tuple[str, str], _Address] = {}
        self._closed = False
        self._transport = transport or _network(connections=connections, keepalive=keepalive, tls=tls)

    async def send(self, destination: Destination, *, token: str, action: str, body: bytes) -> Accepted:
        """Post one call. ``body`` is its JSON, ``token`` the value of the destination's credential.

        Raises the :class:`~gateway.errors.DeliveryError` that is the outcome: ``Refused``, ``Unauthorised``,
        ``Throttled`` and ``Unavailable`` (with ``retry_after`` where given), ``NotSent``, ``UnknownOutcome``.
        """
        began = time.perf_counter()
        if len(body) > MAX_BODY:
            raise Refused(f"the call has {len(body):,} bytes; Intilery takes at most {MAX_BODY:,}")
        address = self._address(destination, destination.endpoint(action), token)
        answer = await self._exchange(destination, "POST", address, body)
        accepted = judge(answer.status, answer.body, wait=_wait(answer), secret=token)
        return Accepted(
            status=accepted.status,
            intilery_event_id=accepted.intilery_event_id,
            message=accepted.message,
            duration_ms=(time.perf_counter() - began) * 1000,
        )

    async def probe(self, destination: Destination, *, token: str) -> None:
        """Read one event of the account: returns where the address and the token are good, raises as :meth:`send`."""
        address = self._address(destination, f"{destination.endpoint('events')}?size=1", token)
        answer = await self._exchange(destination, "GET", address, b"")
        if not 200 <= answer.status < 300:
            raise trouble(answer.status, message_of(answer.body, secret=token), wait=_wait(answer))

    async def lookup(self, destination: Destination, *, token: str, user_id: str) -> Seen:
        """Read the newest events of a customer's profile, a hundred at most: paging is not documented.

        Raises as :meth:`send`; a customer whom Intilery does not know is ``Unauthorised`` with status 404.
        """
        endpoint = f"{destination.endpoint('profiles')}/userId:{quote(user_id, safe='')}/events?size={Seen.MOST}"
        address = self._address(destination, endpoint, token, again=False)
        answer = await self._exchange(destination, "GET", address, b"", most=MAX_EVENTS)
        if not 200 <= answer.status < 300:
            raise trouble(answer.status, message_of(answer.body, secret=token), wait=_wait(answer))
        if answer.body is None:
            raise UnknownOutcome(f"Intilery answered {answer.status}, and the list of events broke off")
        return events_of(answer.body)

    async def aclose(self) -> None:
        """Close every connection. A send after this is ``NotSent``."""
        self._closed = True
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _address(self, destination: Destination, endpoint: str, token: str, *, again: bool = True) -> _Address:
        """``again``: it will be asked for again, so it is kept."""
        found = self._prepared.get((endpoint, token))
        if found is not None:
            return found
        if not token or not token.isascii() or not token.isprintable():
            raise Unauthorised(
                f"destination {destination.name}: the token in {destination.auth_token} is empty or holds characters "
                "that a header can't carry (printable ASCII is allowed)"
            )
        try:
            url = httpx.URL(endpoint)
        except httpx.InvalidURL as error:
            raise Unauthorised(f"destination {destination.name}: {endpoint!r} is no URL: {error}") from error
        if url.scheme not in ("http", "https") or not url.host:
            raise Unauthorised(f"destination {destination.name}: {endpoint!r} is no http or https URL")
        headers = httpx.Headers(
            {
                "host": url.netloc.decode("ascii"),
                "content-type": "application/json",
                "auth-token": token,
                "user-agent": f"intilery-webhook-gateway/{__version__}",
            }
        )
        headers.encoding = "ascii"  # said here, it is not found out anew for each request
        found = _Address(url, headers)
        if again:
            if len(self._prepared) >= _PREPARED:
                self._prepared.clear()
            self._prepared[endpoint, token] = found
        return found

    async def _exchange(
        self, destination: Destination, method: str, address: _Address, body: bytes, *, most: int = MAX_ANSWER
    ) -> _Answer:
        if self._closed:
            raise NotSent(f"destination {destination.name}: the client is closed")
        # Given as a stream, httpx leaves the headers alone; read, the transport finds the bytes. All requests to an
        # address have the same headers, which nobody changes. See bench/transports for what all that saves.
        request = httpx.Request(method, address.url, stream=httpx.ByteStream(body), extensions=self._extensions)
        request.headers = address.headers
        request.read()
        try:
            async with asyncio.timeout(self.longest):
                response = await self._transport.handle_async_request(request)
                return await _read(response, most)
        except Exception as error:  # whatever breaks here has an outcome
            failure = _failure(error, where=f"destination {destination.name} ({address.url.host})")
        # Raised out here, so that the cause does not travel along: aiohttp's errors hold the request's headers.
        raise failure


def _network(*, connections: int, keepalive: float, tls: ssl.SSLContext | None) -> AiohttpTransport:
    context = tls or trusted()

    def session() -> aiohttp.ClientSession:
        """Made at the first request: aiohttp wants the running loop."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, keepalive_timeout=keepalive, ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding"),
        )

    return AiohttpTransport(verify=context, client=session)


async def _read(response: httpx.Response, most: int) -> _Answer:
    """The answer, its body bounded. The status counts even where the body breaks off.

    The stream is read directly: no encoding was offered, so there is seldom one to undo.
    """
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    response.headers.encoding = "iso-8859-1"  # which decodes anything: httpx would try others first, each time
    body: bytes | None = b""
    try:
        parts: list[bytes] = []
        size = 0
        async for part in response.aiter_bytes() if "content-encoding" in response.headers else stream:
            parts.append(part)
            size += len(part)
            if size > most:
                break
        body = b"".join(parts)
    except Exception:
        body = None
    finally:
        # The answer is here already; a connection that can't be given back is aiohttp's to drop.
        with contextlib.suppress(Exception):
            await stream.aclose()
    return _Answer(response.status_code, response.headers, body)


def _wait(answer: _Answer) -> float | None:
    if answer.status < 300:
        return None
    value = answer.headers.get("retry-after")
    return retry_after(value, date=answer.headers.get("date"), now=datetime.now(UTC))


def _failure(error: Exception, *, where: str) -> DeliveryError:
    """The outcome of an exchange that gave no answer, by its cause."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, aiohttp.ClientError):
        cause = cause.__cause__
    if isinstance(cause, _BEFORE_THE_FIRST_BYTE):
        return NotSent(f"{where}: no connection: {_reason(cause)}")
    if cause is None and isinstance(error, _BEFORE_THE_FIRST_BYTE_ELSEWHERE):
        return NotSent(f"{where}: no connection: {_reason(error)}")
    late = isinstance(cause, aiohttp.ServerTimeoutError) or (
        cause is None and isinstance(error, (TimeoutError, httpx.TimeoutException))
    )
    if late:
        return UnknownOutcome(f"{where}: the call was written, and no answer came in time")
    return UnknownOutcome(f"{where}: the call was written, and no readable answer came: {_reason(cause or error)}")


def _reason(error: BaseException) -> str:
    """The error's kind, and what the system said of it. Never aiohttp's response errors in full: they hold headers."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{type(error.os_error).__name__}: {error.os_error.strerror or error.os_error}"
    return type(error).__name__
