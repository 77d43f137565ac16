"""Bytes that no well-meaning sender writes, over raw sockets to the real service: each has an answer, and none does
anything to its neighbours."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from gateway.cli.protocol import MAX_HEADERS, MAX_IN_ADVANCE, GuardedProtocol
from gateway.store import WebhookFilter
from tests import shop
from tests.servers import running

RULES = """\
source: open
verify: none
event_type: $header.X-Shop-Topic
"""
HEAD = b"POST /hooks/open HTTP/1.1\r\nHost: x\r\n"
BODY = b'{"user":"u1"}'
CHUNKS = b"d\r\n" + BODY + b"\r\n0\r\n\r\n"
LENGTH = b"Content-Length: 13"
CHUNKED = b"Transfer-Encoding: chunked"
PLAIN = HEAD + LENGTH + b"\r\n\r\n" + BODY


def at(target: bytes, version: bytes = b"HTTP/1.1") -> bytes:
    return b"POST " + target + b" " + version + b"\r\nHost: x\r\n" + LENGTH + b"\r\n\r\n" + BODY


def headers(*lines: bytes, body: bytes = BODY) -> bytes:
    return HEAD + b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def in_chunks(body: bytes = CHUNKS) -> bytes:
    return headers(CHUNKED, body=body)


def byte_by_byte(body: bytes) -> bytes:
    return in_chunks(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")


REFUSED: dict[str, tuple[bytes, int]] = {
    "a length and chunks": (headers(LENGTH, CHUNKED, body=CHUNKS), 400),
    "chunks and a length": (headers(CHUNKED, LENGTH, body=CHUNKS), 400),
    "two equal lengths": (headers(LENGTH, LENGTH), 400),
    "two lengths": (headers(LENGTH, b"Content-Length: 14"), 400),
    "a list of lengths": (headers(b"Content-Length: 13, 13"), 400),
    "a length with a sign": (headers(b"Content-Length: +13"), 400),
    "a length below nothing": (headers(b"Content-Length: -13"), 400),
    "a length in hex": (headers(b"Content-Length: 0xd"), 400),
    "a space before the colon": (headers(b"Content-Length : 13"), 400),
    "no length in the length": (headers(b"Content-Length:"), 400),
    "a length beyond 64 bits": (headers(b"Content-Length: 99999999999999999999999999"), 400),
    "a length of 8 EB": (headers(b"Content-Length: 9223372036854775807"), 413),
    "a folded header": (headers(b"X-A: b\r\n c", LENGTH), 400),
    "bare line feeds": (PLAIN.replace(b"\r\n", b"\n"), 400),
    "a bare carriage return": (headers(b"X: a\rContent-Length: 0", LENGTH), 400),
    "a NUL in a value": (headers(b"X: a\0b", LENGTH), 400),
    "a NUL in a name": (headers(b"X\0Y: b", LENGTH), 400),
    "a name of high bytes": (headers(b"X\xff: b", LENGTH), 400),
    "chunks without line ends": (in_chunks(CHUNKS.replace(b"\r\n", b"\n")), 400),
    "a chunk beyond 64 bits": (in_chunks(b"1ffffffffffffffff\r\n" + BODY), 400),
    "a chunk that is never whole": (in_chunks(b"ffffffffffffffff\r\n" + BODY), 408),
    "a chunk below nothing": (in_chunks(b"-1\r\n" + BODY), 400),
    "a chunk in C's hex": (in_chunks(b"0x" + CHUNKS), 400),
    "a chunk longer than it says": (in_chunks(b"c\r\n" + BODY + b"\r\n"), 400),
    "another coding": (headers(b"Transfer-Encoding: gzip, chunked", body=CHUNKS), 400),
    "a coding that ends in chunked": (headers(b"Transfer-Encoding: xchunked", body=CHUNKS), 400),
    "chunked twice": (headers(CHUNKED, CHUNKED, body=CHUNKS), 400),
    "no coding": (headers(b"Transfer-Encoding: identity"), 400),
    "another host's name and port": (at(b"evil.example:80"), 400),
    "a tunnel": (b"CONNECT evil.example:80 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "an offer in a tunnel": (b"CONNECT x:80 HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n", 400),
    "all targets": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "an encoded slash before the name": (at(b"/hooks%2Fopen"), 404),
    "an encoded slash behind the name": (at(b"/hooks/open%2Fx"), 404),
    "an encoded way up": (at(b"/hooks/%2e%2e/open"), 404),
    "a way up": (at(b"/hooks/../hooks/open"), 404),
    "the hooks behind others": (at(b"/%68ooks/hooks/open"), 404),
    "two slashes": (at(b"//hooks/open"), 404),
    "a NUL in the name": (at(b"/hooks/open%00"), 404),
    "no UTF-8 in the name": (at(b"/hooks/op%ffen"), 404),
    "high bytes in the target": (at(b"/hooks/op\xffen"), 400),
    "a space in the target": (at(b"/hooks/op en"), 400),
    "a version that is none": (at(b"/hooks/open", b"HTTP/1.2"), 400),
    "HTTP/2's first bytes": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a method that is none": (PLAIN.replace(b"POST", b"FOO"), 400),
    "a method in lower case": (PLAIN.replace(b"POST", b"post"), 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "a body where none is": (PLAIN.replace(b"POST", b"GET"), 405),
    "more headers than are read": (headers(*[b"X: a"] * (MAX_HEADERS - 1), LENGTH), 400),
    "a header of 70 kB": (headers(b"X: " + b"a" * 70_000, LENGTH), 400),
    "an address of 70 kB": (at(b"/hooks/open?" + b"a" * 70_000), 400),
}

TAKEN: dict[str, bytes] = {
    "plainly": PLAIN,
    "in chunks": headers(b"Transfer-Encoding: CHUNKED", body=CHUNKS),
    "with a chunk's extension": in_chunks(CHUNKS.replace(b"d\r", b"d;a=b\r", 1)),
    "byte by byte": byte_by_byte(BODY),
    "behind empty lines": b"\r\n\r\n" + PLAIN,
    "by another's address": at(b"http://evil.example/hooks/open"),
    "by an encoded name": at(b"/hooks/%6fpen"),
    "with high bytes in a header": headers(b"X: \xff\xfe", LENGTH),
    "by HTTP/1.0": at(b"/hooks/open", b"HTTP/1.0"),
    "with an offer of HTTP/2": headers(
        b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAA", LENGTH
    ),
    "with an offer and chunks": headers(
        b"Upgrade: websocket", b"Connection: keep-alive, Upgrade", CHUNKED, body=CHUNKS
    ),
    "as many headers as are read": headers(*[b"X: a"] * (MAX_HEADERS - 2), LENGTH),
}


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    shop.write_rules(tmp_path / "rules", rules={"open.yaml": RULES, "destinations.yaml": shop.DESTINATIONS})
    return shop.shop_app(tmp_path, GATEWAY_ROLE="receive", GATEWAY_BODY_TIMEOUT="300ms")


@pytest.fixture
async def port(app: Starlette) -> AsyncIterator[int]:
    async with running(app, http=GuardedProtocol, timeout_keep_alive=100) as url:
        yield int(url.rpartition(":")[2])


class Answer:
    def __init__(self, head: bytes, body: bytes) -> None:
        line, *rest = head.decode("latin-1").split("\r\n")
        self.status = int(line.split()[1])
        self.headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in rest) if name}
        self.body = body

    def json(self) -> Any:
        return json.loads(self.body)


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return Answer(head, await reader.readexactly(length))


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def asked(port: int, *pieces: bytes, answers: int = 1) -> tuple[list[Answer], bool]:
    """The answers to what one connection sends, and whether the connection was closed after them."""
    async with connected(port) as (reader, writer):
        async with asyncio.timeout(10):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            found = [await read_answer(reader) for _ in range(answers)]
        try:
            return found, await asyncio.wait_for(reader.read(1), 0.05) == b""
        except TimeoutError:
            return found, False


async def bodies(app: Starlette) -> list[bytes]:
    store = shop.gateway_of(app).store
    page = await store.webhooks(WebhookFilter())
    return [(await store.webhook(item.id)).body for item in page.items]


async def test_what_is_not_http_as_it_should_be_is_refused_and_stores_nothing(app: Starlette, port: int) -> None:
    wrong: list[str] = []
    for name, (sent, status) in REFUSED.items():
        [answer], closed = await asked(port, sent)
        if answer.status != status:
            wrong.append(f"{name}: {answer.status}")
        elif answer.headers["content-type"] != "application/problem+json" or answer.json()["status"] != status:
            wrong.append(f"{name}: {answer.headers} {answer.body!r}")
        elif status in (400, 408) and not closed:
            wrong.append(f"{name}: goes on")
    assert wrong == []
    assert await bodies(app) == []
    [answer], _ = await asked(port, PLAIN)
    assert answer.status == 200


@pytest.mark.parametrize("size", [1, 7, 1_000_000])
async def test_what_is_odd_and_right_is_taken_in_however_it_is_cut(app: Starlette, port: int, size: int) -> None:
    for number, (name, sent) in enumerate(TAKEN.items()):
        body = b'{"user":"%02d"}' % number
        whole = sent.replace(BODY, body)
        if name == "byte by byte":
            whole = byte_by_byte(body)
        [answer], _ = await asked(port, *[whole[at : at + size] for at in range(0, len(whole), size)])
        assert (answer.status, answer.json()["status"]) == (200, "accepted"), name
        assert (await bodies(app))[0] == body, name


async def test_a_trailer_is_no_header(app: Starlette, port: int) -> None:
    sent = in_chunks(CHUNKS[:-2] + b"X-Shop-Topic: forged\r\n\r\n")
    [answer], _ = await asked(port, sent)
    webhook = await shop.gateway_of(app).store.webhook(answer.json()["id"])
    assert webhook.event_type is None
    assert "x-shop-topic" not in dict(webhook.headers)


@pytest.mark.parametrize(
    "endless", [b"d;" + b"a" * 1_000_000, CHUNKS[:-2] + b"X: " + b"a" * 1_000_000, CHUNKS[:-2] + b"X: a\r\n" * 200_000]
)
async def test_framing_without_end_is_refused(app: Starlette, port: int, endless: bytes) -> None:
    async with connected(port) as (reader, writer):
        try:
            writer.write(in_chunks(endless))
            answer = await asyncio.wait_for(read_answer(reader), 10)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # closed while it was still being sent
        else:
            assert (answer.status, answer.json()["title"]) == (400, "Unreadable request")
    assert await bodies(app) == []


@pytest.mark.parametrize("head", [b"Content-Length: 9000000\r\n\r\n", CHUNKED + b"\r\n\r\n0\r\nX: "])
async def test_a_body_that_nobody_wants_has_an_end_too(app: Starlette, port: int, head: bytes) -> None:
    async with connected(port) as (reader, writer):
        writer.write(b"POST /healthz HTTP/1.1\r\nHost: x\r\n" + head)
        assert (await read_answer(reader)).status == 405
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while not reader.at_eof():
                    writer.write(b"a" * 65_536)
                    await writer.drain()
                    await asyncio.sleep(0)


async def test_a_large_body_before_a_small_one_is_no_framing(app: Starlette, port: int) -> None:
    large = b'"' + b"a" * 250_000 + b'"'
    first = HEAD + b"Content-Length: %d\r\n\r\n" % len(large) + large
    found, _ = await asked(port, first + PLAIN[:-3], PLAIN[-3:], answers=2)
    assert [answer.status for answer in found] == [200, 200]
    assert sorted(map(len, await bodies(app))) == [len(BODY), len(large)]


async def test_the_second_request_of_a_connection_is_nobody_elses(app: Starlette, port: int) -> None:
    inner = at(b"/hooks/open")
    outer = HEAD + b"Content-Length: %d\r\n\r\n" % len(inner) + inner
    found, closed = await asked(port, outer + PLAIN, answers=2)
    assert [answer.status for answer in found] == [200, 200]
    assert not closed
    assert sorted(await bodies(app)) == sorted([inner, BODY])


async def test_what_comes_behind_the_last_request_of_a_connection_is_not_read(app: Starlette, port: int) -> None:
    for number, close in enumerate([(b"Connection: close",), (b"Connection: close, Upgrade", b"Upgrade: h2c")]):
        body = b'{"user":"%02d"}' % number
        last = headers(*close, LENGTH, body=body)
        [answer], closed = await asked(port, last + at(b"/hooks/open").replace(BODY, b'{"user":"xx"}'))
        assert (answer.status, closed) == (200, True)
        assert (await bodies(app))[0] == body


async def test_requests_in_advance_are_few(app: Starlette, port: int) -> None:
    found, closed = await asked(port, PLAIN * (MAX_IN_ADVANCE + 1), answers=MAX_IN_ADVANCE + 1)
    assert {answer.status for answer in found} == {200}
    assert not closed
    async with connected(port) as (reader, writer):
        writer.write(PLAIN * (MAX_IN_ADVANCE + 3))
        answer = await asyncio.wait_for(read_answer(reader), 10)
        assert answer.status == 400
        assert "in advance" in answer.json()["detail"]


async def test_an_expectation_is_met(app: Starlette, port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(headers(b"Expect: 100-continue", LENGTH, body=b""))
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        assert (await read_answer(reader)).status == 200


async def test_a_neighbour_is_served_while_others_write_nonsense(app: Starlette, port: int) -> None:
    async def nonsense(sent: bytes) -> int:
        [answer], _ = await asked(port, sent)
        return answer.status

    async def honest(number: int) -> int:
        [answer], _ = await asked(port, PLAIN.replace(BODY, b'{"user":"%02d"}' % number))
        return answer.status

    others = [nonsense(sent) for sent, _ in REFUSED.values()]
    found = await asyncio.gather(*others, *(honest(number) for number in range(30)))
    assert found[-30:] == [200] * 30
    assert max(found) < 500
    assert len(await bodies(app)) == 30


async def test_of_too_many_connections_the_one_that_waits_longest_is_closed(app: Starlette) -> None:
    class Few(GuardedProtocol):
        most = 4

    async with running(app, http=Few, timeout_keep_alive=100) as url:
        port = int(url.rpartition(":")[2])
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        used = await asyncio.open_connection("127.0.0.1", port)
        used[1].write(PLAIN)
        assert (await read_answer(used[0])).status == 200
        busy, begun = opened.pop(0)
        begun.write(PLAIN[:-1])  # a request is under way on the oldest
        await asyncio.sleep(0.05)
        for number in range(3):
            [answer], _ = await asked(port, PLAIN.replace(BODY, b'{"user":"%02d"}' % number))
            assert answer.status == 200
        # Each newcomer closed the oldest that waited; this one is closed as it comes.
        assert [await asyncio.wait_for(reader.read(), 10) for reader, _ in opened] == [b"", b""]
        begun.write(PLAIN[-1:])
        assert (await read_answer(busy)).status == 200
        for _, writer in (*opened, used, (busy, begun)):
            writer.close()
