"""The client against real sockets: every way in which a call can end, and that none is ever sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import gzip
import socket
import ssl
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from gateway.errors import DeliveryError, NotSent, Refused, Throttled, Unauthorised, Unavailable, UnknownOutcome
from gateway.intilery.client import MAX_ANSWER, Accepted, Client
from gateway.intilery.contract import MAX_BODY, Destination, encode
from tests.servers import Part, acting, read_request

TOKEN = "s3cret-token"
BODY = encode({"userId": "u", "event": "send_email", "assetId": "A"})
OK = b'{"success": true, "eventId": "7f7211bf"}'


def destination(port: int, *, scheme: str = "http", host: str = "127.0.0.1") -> Destination:
    return Destination(
        name="uk",
        client_id="acme",
        account_id="acmeuk",
        brand_id="ACMEUK",
        auth_token="INTILERY_UK_TOKEN",
        url=f"{scheme}://{host}:{port}",
    )


def quick(**options: Any) -> Client:
    defaults: dict[str, Any] = {"connect_timeout": 1.0, "write_timeout": 1.0, "read_timeout": 1.0, "pool_timeout": 1.0}
    return Client(**{**defaults, **options})


def answer(body: bytes, *, status: str = "200 OK", extra: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n{extra}\r\n".encode() + body


async def send(client: Client, port: int, **options: Any) -> Accepted:
    return await client.send(destination(port, **options), token=TOKEN, action="track", body=BODY)


async def outcome(part: Part, **options: Any) -> DeliveryError:
    """The error that one send to a server acting ``part`` ends with."""
    async with acting(part) as port, quick(**options) as client:
        with pytest.raises(DeliveryError) as caught:
            await send(client, port)
    return caught.value


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# What is written


async def test_a_call_is_one_post_with_the_token_and_the_exact_body() -> None:
    seen: list[bytes] = []

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await read_request(reader))
            writer.write(answer(OK))

    async with acting(part) as port, quick() as client:
        accepted = await send(client, port)
        await client.send(destination(port), token="other", action="identify", body=b'{"userId":"u"}')
    assert (accepted.status, accepted.intilery_event_id) == (200, "7f7211bf")
    assert accepted.duration_ms > 0
    head, _, body = seen[0].partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    assert head.startswith(b"POST /track/acme/acmeuk/ACMEUK/v1/track HTTP/1.1\r\n")
    assert sorted(line.partition(b":")[0] for line in lines[1:]) == [
        b"auth-token", b"content-length", b"content-type", b"host", b"user-agent",
    ]  # fmt: skip
    assert b"auth-token: s3cret-token" in lines
    assert b"content-type: application/json" in lines
    assert f"host: 127.0.0.1:{port}".encode() in lines
    assert body == BODY
    assert seen[1].startswith(b"POST /track/acme/acmeuk/ACMEUK/v1/identify ")
    assert b"auth-token: other\r\n" in seen[1].lower()


async def test_connections_are_used_again_and_bounded() -> None:
    connections = 0

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            await asyncio.sleep(0.001)
            writer.write(answer(OK))

    async with acting(part) as port, quick(connections=3, pool_timeout=5.0) as client:
        await asyncio.gather(*(send(client, port) for _ in range(30)))
    assert connections == 3


# Nothing was sent


async def test_a_refused_port_is_not_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refused
        async with quick() as client:
            with pytest.raises(NotSent, match=r"destination uk .*ConnectionRefusedError"):
                await send(client, taken.getsockname()[1])


async def test_a_name_that_does_not_exist_is_not_sent() -> None:
    async with quick(connect_timeout=10.0) as client:
        with pytest.raises(NotSent, match=r"tracking\.invalid"):
            await send(client, 80, host="tracking.invalid")


async def test_a_connection_that_is_never_made_is_not_sent() -> None:
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # fill the backlog: Linux then answers no further SYN
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        async with quick(connect_timeout=0.2) as client:
            with pytest.raises(NotSent, match="ConnectionTimeoutError"):
                await send(client, full.getsockname()[1])


async def test_garbage_in_the_tls_handshake_is_not_sent() -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with acting(part) as port, quick() as client:
        with pytest.raises(NotSent, match="SSLError"):
            await send(client, port, scheme="https")


async def test_a_hangup_in_the_tls_handshake_is_not_sent() -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with acting(part) as port, quick() as client:
        with pytest.raises(NotSent):
            await send(client, port, scheme="https")


async def test_silence_in_the_tls_handshake_is_not_sent() -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with acting(part) as port, quick(connect_timeout=0.2) as client:
        with pytest.raises(NotSent, match="ConnectionTimeoutError"):
            await send(client, port, scheme="https")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate that it signed itself, for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=sandbox", "-addext", "subjectAltName=IP:127.0.0.1"]
    try:
        subprocess.run(
            [*command, "-keyout", folder / "key", "-out", folder / "cert"], check=True, capture_output=True, timeout=30
        )
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no openssl program that makes a certificate")
    (folder / "both").write_bytes((folder / "key").read_bytes() + (folder / "cert").read_bytes())
    return folder / "both"


async def test_an_untrusted_certificate_is_not_sent_and_a_trusted_one_is(certificate: Path) -> None:
    seen: list[bytes] = []

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(answer(OK, extra="connection: close\r\n"))
        await writer.drain()

    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    async with acting(part, tls=server) as port:
        async with quick() as client:
            with pytest.raises(NotSent, match="SSLCertVerificationError"):
                await send(client, port, scheme="https")
        assert seen == []
        async with quick(tls=ssl.create_default_context(cafile=str(certificate))) as client:
            assert (await send(client, port, scheme="https")).intilery_event_id == "7f7211bf"
    assert len(seen) == 1


async def test_no_free_connection_is_not_sent() -> None:
    seen: list[bytes] = []
    busy, go = asyncio.Event(), asyncio.Event()

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        busy.set()
        await go.wait()
        writer.write(answer(OK))
        await writer.drain()

    async with acting(part) as port, quick(connections=1, pool_timeout=0.1, connect_timeout=0.1) as client:
        first = asyncio.create_task(send(client, port))
        await busy.wait()
        with pytest.raises(NotSent):
            await send(client, port)
        go.set()
        assert (await first).status == 200
    assert len(seen) == 1


async def test_a_closed_client_sends_nothing() -> None:
    client = quick()
    await client.aclose()
    with pytest.raises(NotSent, match="closed"):
        await send(client, 1)


# It was written, and what became of it is unknown


async def test_a_server_that_reads_the_request_and_hangs_up_is_unknown() -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)

    error = await outcome(part)
    assert type(error) is UnknownOutcome
    assert "ServerDisconnectedError" in error.message


async def test_a_server_that_reads_the_request_and_resets_is_unknown() -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        reset(writer)

    assert type(await outcome(part)) is UnknownOutcome


async def test_a_server_that_hangs_up_before_the_request_is_unknown() -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Accepted, closed: how much of the request it had is not to be known."""

    assert type(await outcome(part)) is UnknownOutcome


@pytest.mark.parametrize(
    "garbage",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"\x00\xff" * 500,
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
    ],
)
async def test_an_answer_that_is_no_http_is_unknown(garbage: bytes) -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(garbage)
        await writer.drain()

    assert type(await outcome(part)) is UnknownOutcome


@pytest.mark.parametrize("status", ["200 OK", "100 Continue"])
async def test_a_head_that_breaks_off_is_unknown(status: str) -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(f"HTTP/1.1 {status}\r\ncontent-le".encode())
        await writer.drain()

    assert type(await outcome(part)) is UnknownOutcome


@pytest.mark.parametrize(
    ("status", "expected"),
    [("200 OK", UnknownOutcome), ("400 Bad Request", Refused), ("401 Unauthorized", Unauthorised),
     ("429 Too Many Requests", Throttled), ("503 Service Unavailable", Unavailable)],
)  # fmt: skip
@pytest.mark.parametrize("ending", ["fin", "rst", "silence"])
async def test_of_an_answer_whose_body_breaks_off_the_status_counts(
    status: str, expected: type[DeliveryError], ending: str
) -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(OK, status=status).removesuffix(b'bf"}'))
        await writer.drain()
        if ending == "rst":
            await asyncio.sleep(0.02)
            reset(writer)
        elif ending == "silence":
            await reader.read(-1)

    error = await outcome(part, read_timeout=0.2)
    assert type(error) is expected
    assert error.status == int(status[:3])


async def test_no_answer_in_time_is_unknown() -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(-1)
        await asyncio.sleep(60)

    error = await outcome(part, read_timeout=0.2)
    assert type(error) is UnknownOutcome
    assert "no answer came in time" in error.message


async def test_an_answer_in_drops_ends_with_the_longest_time() -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        while True:
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with acting(part) as port, quick(
        connect_timeout=0.1, write_timeout=0.1, read_timeout=0.2, pool_timeout=0.1
    ) as client:  # fmt: skip
        assert client.longest == pytest.approx(0.5)
        async with asyncio.timeout(10):
            with pytest.raises(UnknownOutcome, match="in time"):
                await send(client, port)


async def test_a_request_on_a_connection_that_is_just_closed_is_sent_once() -> None:
    """aiohttp repeats idempotent requests on such a connection by itself. A POST must never be repeated."""
    requests: list[bytes] = []

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(answer(OK))
        requests.append(await read_request(reader))  # the kept connection is used again, and ends instead of answering

    async with acting(part) as port, quick() as client:
        assert (await send(client, port)).status == 200
        with pytest.raises(UnknownOutcome):
            await send(client, port)
        await asyncio.sleep(0.05)
    assert [request[:4] for request in requests] == [b"POST", b"POST"]


async def test_a_request_on_a_connection_that_is_reset_under_it_is_sent_once() -> None:
    requests: list[bytes] = []

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(answer(OK))
        requests.append(await reader.read(1))  # the first byte of the second request
        reset(writer)

    async with acting(part) as port, quick() as client:
        assert (await send(client, port)).status == 200
        with pytest.raises(UnknownOutcome):
            await send(client, port)
        await asyncio.sleep(0.05)
    assert len(requests) == 2


async def test_an_idle_connection_that_was_closed_is_not_used_again() -> None:
    requests: list[bytes] = []
    closed = asyncio.Event()

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(answer(OK))
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with acting(part) as port, quick() as client:
        await send(client, port)
        await closed.wait()
        await asyncio.sleep(0.05)
        assert (await send(client, port)).status == 200
    assert len(requests) == 2


async def test_an_idle_connection_is_dropped_after_keepalive() -> None:
    connections = 0

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            writer.write(answer(OK))

    async with acting(part) as port, quick(keepalive=0.05) as client:
        await send(client, port)
        await asyncio.sleep(0.15)
        await send(client, port)
    assert connections == 2


# An answer came


async def test_the_wait_is_read_from_the_answer() -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        date = "date: Sun, 01 Mar 2026 12:00:00 GMT\r\nretry-after: Sun, 01 Mar 2026 12:00:09 GMT\r\n"
        writer.write(answer(b"", status="429 Too Many Requests", extra=date))
        await writer.drain()

    error = await outcome(part)
    assert type(error) is Throttled
    assert error.retry_after == 9.0


async def test_a_redirect_is_not_followed() -> None:
    seen: list[bytes] = []

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(answer(b"", status="307 Temporary Redirect", extra="location: /elsewhere\r\n"))
        await writer.drain()

    assert type(await outcome(part)) is Unauthorised
    assert len(seen) == 1


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 1000000000000\r\n\r\n")
        while True:
            writer.write(b"x" * MAX_ANSWER)
            await writer.drain()

    assert type(await outcome(part)) is Refused


async def test_an_encoded_answer_is_read_although_none_was_offered() -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer(gzip.compress(OK), extra="content-encoding: gzip\r\n"))
        await writer.drain()

    async with acting(part) as port, quick() as client:
        assert (await send(client, port)).intilery_event_id == "7f7211bf"


async def test_a_cookie_is_not_sent_back() -> None:
    seen: list[bytes] = []

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen.append(await read_request(reader))
            writer.write(answer(OK, extra="set-cookie: a=b; path=/\r\n"))

    async with acting(part) as port, quick() as client:
        await send(client, port)
        await send(client, port)
    assert b"cookie" not in seen[1].lower()


async def test_the_probe_reads_one_event() -> None:
    seen: list[bytes] = []

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(answer(b"[]"))
        seen.append(await read_request(reader))
        writer.write(answer(b'{"error": {"code": "x", "message": "go away"}}', status="403 Forbidden"))
        await writer.drain()

    async with acting(part) as port, quick() as client:
        await client.probe(destination(port), token=TOKEN)
        with pytest.raises(Unauthorised, match="go away"):
            await client.probe(destination(port), token=TOKEN)
    assert seen[0].startswith(b"GET /track/acme/acmeuk/ACMEUK/v1/events?size=1 HTTP/1.1\r\n")
    assert b"auth-token: s3cret-token\r\n" in seen[0].lower()


async def test_a_lookup_reads_the_newest_events_of_a_customer() -> None:
    seen: list[bytes] = []
    long = b'{"data": [{"messageId": "m-1", "eventId": "e-1", "text": "' + b"x" * (2 * MAX_ANSWER) + b'"}]}'

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in (answer(long), answer(b'{"error": {"message": "who?"}}', status="404 Not Found")):
            seen.append(await read_request(reader))
            writer.write(reply)
        await writer.drain()

    async with acting(part) as port, quick() as client:
        events = await client.lookup(destination(port), token=TOKEN, user_id="a/b ?é")
        assert events.event_id("m-1") == "e-1"
        with pytest.raises(Unauthorised, match="who") as caught:
            await client.lookup(destination(port), token=TOKEN, user_id="u")
    assert caught.value.status == 404
    path = b"/track/acme/acmeuk/ACMEUK/v1/profiles/userId:a%2Fb%20%3F%C3%A9/events?size=100"
    assert seen[0].startswith(b"GET " + path + b" HTTP/1.1\r\n")
    assert b"auth-token: s3cret-token\r\n" in seen[0].lower()


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(b"{}", status="429 Slow", extra="retry-after: 7\r\n"), Throttled),
        (answer(b"{}", status="503 No"), Unavailable),
        (answer(b"{}", status="400 No"), Refused),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[", UnknownOutcome),
        (b"", UnknownOutcome),
    ],
)
async def test_a_lookup_fails_as_a_send_does(reply: bytes, error: type[DeliveryError]) -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(reply)
        await writer.drain()
        writer.close()

    async with acting(part) as port, quick() as client:
        with pytest.raises(DeliveryError) as caught:
            await client.lookup(destination(port), token=TOKEN, user_id="u")
    assert type(caught.value) is error


# What is refused before the network


async def test_a_call_over_the_limit_is_refused_unsent() -> None:
    async with quick() as client:
        with pytest.raises(Refused, match=r"1,000,001 bytes.*at most 1,000,000"):
            await client.send(destination(1), token=TOKEN, action="track", body=b"x" * (MAX_BODY + 1))


@pytest.mark.parametrize("token", ["", "line\nbreak", "tökén"])
async def test_a_token_that_no_header_can_carry_is_named_and_not_shown(token: str) -> None:
    async with quick() as client:
        with pytest.raises(Unauthorised, match="INTILERY_UK_TOKEN") as caught:
            await client.send(destination(1), token=token, action="track", body=BODY)
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("scheme", ["ftp", "", "http://[::1"])
async def test_an_address_that_is_no_url_is_the_destinations_fault(scheme: str) -> None:
    async with quick() as client:
        with pytest.raises(Unauthorised, match="destination uk"):
            await send(client, 1, scheme=scheme)


# The token stays inside


@pytest.mark.parametrize("reply", [b"garbage\r\n\r\n", b"", answer(b'{"message": "s3cret-token?"}', status="400 No")])
async def test_no_error_holds_the_token(reply: bytes) -> None:
    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(reply)
        await writer.drain()

    error: BaseException | None = await outcome(part)
    while error is not None:
        assert TOKEN not in f"{error} {error!r} {error.args!r} {vars(error)!r}"
        error = error.__cause__ or error.__context__


# Other transports


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx.ConnectError("x"), NotSent),
        (httpx.ConnectTimeout("x"), NotSent),
        (httpx.PoolTimeout("x"), NotSent),
        (httpx.WriteTimeout("x"), UnknownOutcome),
        (httpx.ReadTimeout("x"), UnknownOutcome),
        (httpx.ReadError("x"), UnknownOutcome),
        (httpx.RemoteProtocolError("x"), UnknownOutcome),
        (RuntimeError("x"), UnknownOutcome),
    ],
)
async def test_without_aiohttp_the_class_of_httpx_decides(raised: Exception, expected: type[DeliveryError]) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise raised

    async with quick(transport=httpx.MockTransport(handler)) as client:
        with pytest.raises(DeliveryError) as caught:
            await send(client, 1)
    assert type(caught.value) is expected


@pytest.mark.parametrize("mapped", [httpx.ConnectTimeout, httpx.ConnectError, httpx.PoolTimeout])
async def test_aiohttps_error_outweighs_the_class_of_httpx(mapped: type[httpx.TransportError]) -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        raise mapped("x") from aiohttp.ServerDisconnectedError()

    async with quick(transport=httpx.MockTransport(handler)) as client:
        with pytest.raises(UnknownOutcome):
            await send(client, 1)


async def test_a_mock_transport_answers() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, content=OK))
    async with quick(transport=transport) as client:
        assert (await send(client, 1)).intilery_event_id == "7f7211bf"


async def test_many_tokens_come_and_go() -> None:
    seen: set[str] = set()

    def handler(request: httpx.Request) -> httpx.Response:
        seen.add(request.headers["auth-token"])
        return httpx.Response(200, content=OK)

    tokens = [f"token-{number}" for number in range(600)]
    async with quick(transport=httpx.MockTransport(handler)) as client:
        for token in tokens:
            await client.send(destination(1), token=token, action="track", body=BODY)
        assert len(client._prepared) < len(tokens)
    assert seen == set(tokens)


async def test_a_cancelled_send_gives_its_connection_back() -> None:
    reached = asyncio.Event()

    async def part(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = not reached.is_set()
        await read_request(reader)
        reached.set()
        if first:
            await reader.read(-1)
        writer.write(answer(OK))
        await writer.drain()

    async with acting(part) as port, quick(connections=1) as client:
        task = asyncio.create_task(send(client, port))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await send(client, port)).status == 200


@pytest.fixture(autouse=True)
def no_session_is_left() -> Iterator[None]:
    """aiohttp warns of an unclosed session when it is collected; warnings are errors, so collect here."""
    yield
    gc.collect()
