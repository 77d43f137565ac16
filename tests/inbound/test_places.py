"""How many requests and how much of their bodies are held at a time: the decision alone, the real service over sockets,
and a real process under a thousand slow and a thousand huge uploads."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import resource
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway.errors import Overloaded
from gateway.inbound.places import PATIENCE, RETRY_AFTER, SMALL, Place, Places
from tests import shop
from tests.servers import running
from tests.serving import Serving

OPEN = "source: {name}\nverify: none\nlimits: {{body: 10000000}}\n"

# -- the decision --------------------------------------------------------------------------------------------------


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Upload:
    """Stands for the task of an upload, and remembers that it was ended."""

    ended = False

    def cancel(self) -> None:
        self.ended = True


def waiting(places: Places, source: str) -> tuple[Place, Upload]:
    place, upload = places.take(source), Upload()
    places.wait(place, upload)  # type: ignore[arg-type]
    return place, upload


def test_a_place_is_free_again_when_it_is_given_back() -> None:
    places = Places(requests=4, memory=1_000_000)
    held = [places.take(source) for source in "abcd"]
    assert len(places) == 4
    with pytest.raises(Overloaded, match="4 requests are under way; allowed: 4") as refused:
        places.take("e")
    assert (refused.value.status, refused.value.retry_after) == (503, RETRY_AFTER)
    places.leave(held.pop())
    places.take("e")
    for place in held:
        places.leave(place)
    assert len(places) == 1


@pytest.mark.parametrize(("requests", "share"), [(1, 1), (2, 1), (4, 3), (10, 9), (1000, 900)])
def test_no_source_gets_the_last_tenth_of_them(requests: int, share: int) -> None:
    places = Places(requests=requests, memory=1_000_000)
    held = [places.take("flood") for _ in range(share)]
    with pytest.raises(Overloaded, match=f"{share} requests of this source are under way; allowed: as many"):
        places.take("flood")
    others = [places.take("neighbour") for _ in range(requests - share)]
    with pytest.raises(Overloaded):
        places.take("neighbour")
    places.leave(held.pop())
    places.take("flood")
    assert len(places) == share + len(others)


def test_the_oldest_upload_gives_way_after_its_time() -> None:
    clock = Clock()
    places = Places(requests=4, memory=1_000_000, clock=clock)
    first, second = waiting(places, "a"), waiting(places, "b")
    whole = places.take("c")
    places.take("d")
    clock.now += PATIENCE - 0.1
    with pytest.raises(Overloaded):
        places.take("e")
    clock.now += 0.1
    places.take("e")
    assert (first[0].ended_by, first[1].ended) == ("others", True)
    assert (second[0].ended_by, second[1].ended, whole.ended_by) == (None, False, None)
    places.came(first[0])
    places.leave(first[0])
    places.leave(second[0])
    places.came(second[0])  # in whatever order
    assert len(places) == 3


def test_a_source_over_its_share_ends_its_own_uploads() -> None:
    clock = Clock()
    places = Places(requests=4, memory=1_000_000, clock=clock)
    neighbour, flood = waiting(places, "neighbour"), waiting(places, "flood")
    places.take("flood")
    places.take("flood")
    clock.now += PATIENCE
    places.take("flood")
    assert (neighbour[1].ended, flood[1].ended) == (False, True)


def test_small_bodies_always_fit_and_large_ones_share() -> None:
    clock = Clock()
    places = Places(requests=100, memory=1_000_000, clock=clock)
    for number in range(40):
        places.hold(places.take(str(number)), SMALL)
    assert places.held == 0
    old, old_upload = waiting(places, "a")
    places.hold(old, 700_000)
    new, new_upload = waiting(places, "b")
    places.hold(new, 100_000)
    places.hold(new, 300_000)
    assert places.held == 1_000_000
    with pytest.raises(Overloaded, match="bodies of 1,000,001 bytes are under way; allowed: 1,000,000"):
        places.hold(new, 300_001)
    places.leave(new)
    assert places.held == 700_000
    newer, _ = waiting(places, "c")
    clock.now += PATIENCE
    places.hold(newer, 800_000)
    assert (old_upload.ended, old.held, places.held, new_upload.ended) == (True, 0, 800_000, False)
    places.leave(old)
    places.leave(newer)
    assert places.held == 0


def test_an_upload_is_ended_for_one_reason() -> None:
    clock = Clock()
    places = Places(requests=2, memory=1_000_000, clock=clock)
    place, upload = waiting(places, "a")
    place.end("time")
    upload.ended = False
    place.end("others")
    assert (place.ended_by, upload.ended) == ("time", False)
    places.came(place)
    other, _ = waiting(places, "b")
    places.came(other)
    other.end("time")  # the timer that was a moment late
    assert other.ended_by is None


# -- over sockets --------------------------------------------------------------------------------------------------


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    rules = {f"{name}.yaml": OPEN.format(name=name) for name in ("open", "other")}
    shop.write_rules(tmp_path / "rules", rules={**rules, "destinations.yaml": shop.DESTINATIONS})
    return shop.shop_app(
        tmp_path,
        GATEWAY_ROLE="receive",
        GATEWAY_MAX_REQUESTS="6",
        GATEWAY_MAX_BODY="1MB",
        GATEWAY_BODY_MEMORY="1MB",
        GATEWAY_BODY_TIMEOUT="30s",
    )


@pytest.fixture
async def hooks(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, httpx.AsyncClient(base_url=url + "/hooks", timeout=20) as client:
        yield client


class Dribble:
    """An upload that was begun and waits for more; ``answer`` is there once it was given one."""

    def __init__(self, hooks: httpx.AsyncClient, path: str, begun: bytes = b"a") -> None:
        self.more = asyncio.Event()
        self.sent = asyncio.Event()
        self._begun = begun
        self.answer = asyncio.create_task(hooks.post(path, content=self._body()))

    async def _body(self) -> AsyncIterator[bytes]:
        yield self._begun
        self.sent.set()
        await self.more.wait()
        yield b"b"


@contextlib.asynccontextmanager
async def dribbling(hooks: httpx.AsyncClient, *paths: str, begun: bytes = b"a") -> AsyncIterator[list[Dribble]]:
    found = [Dribble(hooks, path, begun) for path in paths]
    try:
        for one in found:
            await one.sent.wait()
        yield found
    finally:
        for one in found:
            one.answer.cancel()
        await asyncio.gather(*(one.answer for one in found), return_exceptions=True)


def assert_busy(answer: httpx.Response) -> None:
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == str(RETRY_AFTER)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"title": "Too busy", "status": 503, "detail": "Too many requests are under way."}


async def arrived(app: Starlette, hooks: httpx.AsyncClient, holds: Callable[[int], bool]) -> None:
    """Wait until the gateway has seen so many uploads: what was sent may still be on its way."""
    [receiver] = [app._receiver]  # type: ignore[attr-defined]

    async def seen() -> bool:
        return holds(len(receiver.places))

    await shop.until(seen)


async def test_one_source_leaves_room_for_its_neighbours(app: Starlette, hooks: httpx.AsyncClient) -> None:
    async with dribbling(hooks, *["/open"] * 5) as uploads:
        await arrived(app, hooks, lambda count: count == 5)
        assert_busy(await hooks.post("/open", content=b"{}"))
        assert (await hooks.post("/other", content=b"{}")).status_code == 200
        uploads[0].more.set()
        assert (await uploads[0].answer).status_code == 200
        assert (await hooks.post("/open", content=b"{}")).json()["status"] == "accepted"
    labels = {"source": "open", "answer": "overloaded"}
    registry = shop.gateway_of(app).telemetry.metrics.registry
    assert registry.get_sample_value("gateway_webhooks_received_total", labels) == 1


async def test_what_dribbles_gives_its_place_to_what_comes(
    app: Starlette, hooks: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.inbound.places.PATIENCE", 0.0)
    connections = []
    for number, source in enumerate(["open", *["other"] * 5], start=1):
        reader, writer = await asyncio.open_connection(hooks.base_url.host, hooks.base_url.port)
        writer.write(f"POST /hooks/{source} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n[".encode())
        await arrived(app, hooks, lambda count, number=number: count == number)  # type: ignore[misc]
        connections.append((reader, writer))
    for number in range(4):
        assert (await hooks.post("/other", content=b"%d" % number)).status_code == 200
    # The oldest of that source went, and one was enough.
    reader, writer = connections.pop(1)
    answer = (await asyncio.wait_for(reader.read(), 10)).decode()
    assert answer.startswith("HTTP/1.1 503 ")
    assert f"\r\nretry-after: {RETRY_AFTER}\r\n" in answer
    writer.close()
    for reader, writer in connections:
        writer.write(b"1]")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()


async def test_large_bodies_share_and_small_ones_fit(app: Starlette, hooks: httpx.AsyncClient) -> None:
    async with dribbling(hooks, "/open", "/open", begun=b'"' + b"a" * 450_000):

        async def held() -> bool:
            return app._receiver.places.held == 900_002  # type: ignore[attr-defined, no-any-return]

        await shop.until(held)
        assert_busy(await hooks.post("/other", content=b'"' + b"b" * 200_000 + b'"'))
        assert (await hooks.post("/other", content=b'"' + b"b" * 60_000 + b'"')).status_code == 200
    await arrived(app, hooks, lambda count: count == 0)
    assert (await hooks.post("/other", content=b'"' + b"b" * 900_000 + b'"')).status_code == 200


async def test_what_is_small_only_while_compressed_is_counted_too(app: Starlette, hooks: httpx.AsyncClient) -> None:
    bomb = gzip.compress(b'"' + b"a" * 990_000 + b'"')
    async with dribbling(hooks, "/open", begun=b'"' + b"a" * 450_000):

        async def held() -> bool:
            return app._receiver.places.held == 450_001  # type: ignore[attr-defined, no-any-return]

        await shop.until(held)
        assert_busy(await hooks.post("/other", content=bomb, headers={"content-encoding": "gzip"}))
    await arrived(app, hooks, lambda count: count == 0)
    assert (await hooks.post("/other", content=bomb, headers={"content-encoding": "gzip"})).status_code == 200


# -- a process -----------------------------------------------------------------------------------------------------

MANY = 1_000
HUGE = 5_000_000
"""Bytes: five gigabytes in all."""


@pytest.fixture
def files() -> Iterator[None]:
    """Room for a thousand sockets, here and in the process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not Path("/proc/self/status").exists() or (hard != resource.RLIM_INFINITY and hard < 3 * MANY):
        pytest.skip("no /proc to measure in, or too few files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 3 * MANY), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def peak(pid: int) -> int:
    """The largest resident size of a process until now, in MB."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) // 1000


async def upload(port: int, *, size: int, sends: int) -> str:
    """Begin an upload, send so much of it, and say how it was answered."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return "refused"
    writer.write(b"POST /hooks/open HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)

    async def send() -> None:
        left, piece = sends, b"a" * 65_536
        with contextlib.suppress(ConnectionError):
            while left > 0:
                writer.write(piece[:left])
                left -= len(piece)
                await writer.drain()

    sending = asyncio.create_task(send())
    try:
        return (await reader.readline()).decode()[9:12] or "reset"
    except ConnectionError:
        return "reset"
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()


async def test_a_thousand_slow_and_a_thousand_huge_uploads_find_an_end(tmp_path: Path, files: None) -> None:
    rules = {"open.yaml": OPEN.format(name="open"), "shop.yaml": shop.RULES, "destinations.yaml": shop.DESTINATIONS}
    shop.write_rules(tmp_path / "rules", rules=rules)
    environ = shop.environ(tmp_path, GATEWAY_ROLE="receive", GATEWAY_BODY_TIMEOUT="2s")
    async with Serving(tmp_path, environ=environ) as gateway, gateway.client() as client:
        await gateway.start()
        port, pid = int(gateway.address.rpartition(":")[2]), gateway.process.pid
        before = peak(pid)

        async def honest(name: str) -> Any:
            body = shop.order(number=name)
            return await client.post(
                f"{gateway.address}/hooks/shop", content=body, headers=shop.headers(body, event=name)
            )

        slow = [asyncio.create_task(upload(port, size=900_000, sends=1)) for _ in range(MANY)]
        assert [(await honest(f"slow-{number}")).status_code for number in range(10)] == [200] * 10
        answers = Counter(await asyncio.gather(*slow))
        assert set(answers) <= {"408", "503"}
        assert answers["408"] == MANY * 9 // 10
        assert peak(pid) - before < 100

        huge = [asyncio.create_task(upload(port, size=HUGE, sends=HUGE)) for _ in range(MANY)]
        assert [(await honest(f"huge-{number}")).status_code for number in range(10)] == [200] * 10
        answers = Counter(await asyncio.gather(*huge))
        assert set(answers) <= {"200", "408", "503", "reset"}
        # What is held of bodies, and what uvicorn has read of each connection; all together would be 5,000 MB.
        assert peak(pid) - before < 600
        assert (await honest("after")).json()["status"] == "accepted"
