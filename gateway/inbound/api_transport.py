"""The network under :mod:`gateway.inbound.api_client`: public addresses, answers of bounded size, errors in words."""

from __future__ import annotations

import contextlib
import ssl

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

from gateway.errors import FetchError, FetchRefused, FetchUnavailable
from gateway.inbound.addresses import NotPublic, PublicResolver
from gateway.inbound.compression import CODINGS, BadCompression, TooLarge, decompressed
from gateway.tls import trusted


def network(*, connections: int, tls: ssl.SSLContext | None) -> AiohttpTransport:
    """The transport that asks public addresses only."""
    context = tls or trusted()

    def session() -> aiohttp.ClientSession:
        """Made at the first request: aiohttp wants the running loop."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections, keepalive_timeout=4.0, ssl=context, resolver=PublicResolver()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding"),
        )

    return AiohttpTransport(verify=context, client=session)


async def read_answer(response: httpx.Response, *, max_size: int) -> bytes:
    """The body, as it was before it was compressed; never more than ``max_size`` bytes are held of it.

    :raises FetchRefused: it is larger, or compressed in a way that was not offered.
    :raises FetchUnavailable: it is broken.
    """
    host = response.request.url.host
    refused = FetchRefused(
        f"{host} answered {response.status_code} with over {max_size:,} bytes; allowed by max_size: {max_size:,}",
        status=response.status_code,
    )
    stream = response.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    try:
        if response.status_code >= 300:
            return b""  # the status says it all; an error's text may repeat what was sent
        parts: list[bytes] = []
        size = 0
        async for part in stream:
            size += len(part)
            if size > max_size:
                raise refused
            parts.append(part)
    finally:
        # The answer is here already; a connection that can't be given back is aiohttp's to drop.
        with contextlib.suppress(Exception):
            await stream.aclose()
    body = b"".join(parts)
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return body
    if coding not in CODINGS:
        raise FetchRefused(
            f"{host} compressed its answer as {coding[:20]!a}; allowed: gzip", status=response.status_code
        )
    try:
        return decompressed(body, coding, most=max_size)
    except BadCompression:
        raise FetchUnavailable(f"{host} sent an answer that is not {coding}", status=response.status_code) from None
    except TooLarge:
        raise refused from None


def failure_of(error: Exception, *, host: str) -> FetchError:
    """What broke a request, in words that hold nothing of it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NotPublic):
            return FetchRefused(f"{cause}; a file that means it writes the address itself")
        if isinstance(cause, aiohttp.ClientConnectorError) and not isinstance(cause.os_error, NotPublic):
            reason = cause.os_error.strerror or str(cause.os_error) or type(cause.os_error).__name__
            return FetchUnavailable(f"{host}: no connection: {reason}")
        cause = cause.__cause__
    return FetchUnavailable(f"{host}: no readable answer: {type(error.__cause__ or error).__name__}")
