"""Real servers for tests: an ASGI application under uvicorn, and a raw socket that plays a server's part by hand."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import uvicorn


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves Ctrl-C to pytest."""
        yield


@contextlib.asynccontextmanager
async def running(app: Any, *, listener: socket.socket | None = None, **options: Any) -> AsyncIterator[str]:
    """Serve ``app`` in the test's own loop on a free port of this machine; gives ``http://127.0.0.1:PORT``.

    The lifespan has begun when the block is entered and has ended when it is left; what still runs after a second is
    cut off. ``listener`` is a socket of :func:`reserved` to serve on, which is closed at the end. ``options`` go to
    :class:`uvicorn.Config`. Example::

        async with running(create_sandbox(rate=None)) as url, Client() as client: ...
    """
    listener = listener or reserved()
    port = listener.getsockname()[1]
    settings: dict[str, Any] = {"http": "httptools", "log_config": None, "access_log": False}
    settings["timeout_graceful_shutdown"] = 1
    server = _Server(uvicorn.Config(app, **{**settings, **options}))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:
            if task.done():
                task.result()
                raise RuntimeError("the server ended before it had started: its lifespan failed")
            await asyncio.sleep(0.002)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await asyncio.wait([task])
        listener.close()
    await task


def reserved(port: int = 0) -> socket.socket:
    """A port of this machine, free or given, where every connection is refused until somebody serves on the socket."""
    # Named as TCP: asyncio sets TCP_NODELAY only then, and without it many an answer waits 40 ms for a delayed ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # those that were closed here linger for a minute
    listener.bind(("127.0.0.1", port))
    return listener


Part = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def acting(part: Part, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Run ``part`` for each connection to a free port of this machine; gives the port.

    ``part`` reads and writes raw bytes. Its connection is closed when it returns, and all are when the block is left.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await part(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)  # the transports close a turn later


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One whole HTTP request with its body, as it came."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await reader.readexactly(length)
