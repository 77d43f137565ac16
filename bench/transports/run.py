"""What a request to Intilery costs by each way to make it. One command: ``python bench/transports/run.py``.

The client is alone on core 0, a server that does nothing on core 1. Each way posts the same call (about 300 bytes) over
8 and over 64 connections; the ways take turns, and the table shows the median of the rounds. The processor time of a
request counts: it is what the gateway has to spend, and a loaded machine bends it less than the clock.

* **httpx, its own pool**: ``httpx.AsyncClient`` over httpcore;
* **httpx over aiohttp**: ``httpx.AsyncClient`` over the transport of ``httpx-aiohttp``;
* **the gateway's client**: httpx's ``Request`` straight to that transport, with the outcome told from the answer;
* **aiohttp alone**: ``aiohttp.ClientSession``, the lower bound that Python offers.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.metadata import version
from pathlib import Path

import aiohttp
import httpx
import uvloop
from httpx_aiohttp import AiohttpTransport

from gateway.intilery.client import Client
from gateway.intilery.contract import Destination

HERE = Path(__file__).parent
BODY = (
    b'{"userId":"7120045331827","event":"send_email","assetId":"202601-ORDER","messageId":"01a207fe2e6072a58b5db2d646b86362-8093",'
    b'"timestamp":"2026-11-23T10:40:28.256Z","order":{"number":"#1001","total":49.90,"items":[{"sku":"A-1","quantity":2}]},'
    b'"currency":"EUR","firstName":"Ada"}'
)
HEADERS = {"content-type": "application/json", "auth-token": "sandbox"}

Post = Callable[[], Awaitable[object]]


@contextlib.asynccontextmanager
async def httpx_own(url: str, connections: int) -> AsyncIterator[Post]:
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        yield lambda: client.post(url, content=BODY, headers=HEADERS)


@contextlib.asynccontextmanager
async def httpx_aiohttp(url: str, connections: int) -> AsyncIterator[Post]:
    transport = AiohttpTransport(limits=httpx.Limits(max_connections=connections))
    async with httpx.AsyncClient(transport=transport, timeout=60) as client:
        yield lambda: client.post(url, content=BODY, headers=HEADERS)


@contextlib.asynccontextmanager
async def the_gateways(url: str, connections: int) -> AsyncIterator[Post]:
    base = url.partition("/track/")[0]
    destination = Destination(
        name="bench", client_id="acme", account_id="acme", brand_id="ACME", auth_token="T", url=base
    )
    async with Client(connections=connections) as client:
        yield lambda: client.send(destination, token="sandbox", action="track", body=BODY)


@contextlib.asynccontextmanager
async def aiohttp_alone(url: str, connections: int) -> AsyncIterator[Post]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections)) as session:

        async def post() -> bytes:
            async with session.post(url, data=BODY, headers=HEADERS) as answer:
                return await answer.read()

        yield post


WAYS = {
    "httpx, its own pool": httpx_own,
    "httpx over aiohttp": httpx_aiohttp,
    "the gateway's client": the_gateways,
    "aiohttp alone": aiohttp_alone,
}


async def measure(way: str, url: str, *, connections: int, seconds: float) -> tuple[float, float]:
    """Requests a second, and microseconds of processor time for each."""
    async with WAYS[way](url, connections) as post:
        ends = 0.0
        count = 0

        async def again() -> None:
            nonlocal count
            while time.perf_counter() < ends:
                await post()
                count += 1

        for span in (seconds / 5, seconds):  # the first one warms up
            count = 0
            begun, spent = time.perf_counter(), time.process_time()
            ends = begun + span
            await asyncio.gather(*(again() for _ in range(connections)))
            took, used = time.perf_counter() - begun, time.process_time() - spent
        return count / took, used / count * 1e6


@contextlib.contextmanager
def serving() -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    process = subprocess.Popen(["taskset", "-c", "1", sys.executable, str(HERE / "server.py"), str(port)])
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/track/acme/acme/ACME/v1/track"
    finally:
        process.terminate()
        process.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement (3)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the median counts (3)")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed: one for the client, one for the server")
    os.sched_setaffinity(0, {0})
    names = ("httpx", "httpcore", "httpx-aiohttp", "aiohttp", "uvloop")
    print(f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in names))
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with serving() as url:
        for _ in range(options.repeat):
            for connections in (8, 64):
                for way in WAYS:
                    result = uvloop.run(measure(way, url, connections=connections, seconds=options.seconds))
                    found.setdefault((way, connections), []).append(result)
    print("\n| way | µs of processor time, 8 connections | 64 | requests a second, 8 | 64 |\n|---|---:|---:|---:|---:|")
    for way in WAYS:
        medians = {n: [statistics.median(column) for column in zip(*found[way, n], strict=True)] for n in (8, 64)}
        print(
            f"| {way} | {medians[8][1]:,.0f} | {medians[64][1]:,.0f} | {medians[8][0]:,.0f} | {medians[64][0]:,.0f} |"
        )


if __name__ == "__main__":
    main()
