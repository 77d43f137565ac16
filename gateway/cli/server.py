"""uvicorn, from a program: sockets bound beforehand, a protocol with bounds, an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import timedelta
from typing import Any

import uvicorn
import uvloop
from starlette.types import ASGIApp

from gateway.cli.protocol import GuardedProtocol
from gateway.errors import SettingsError

MOST_FILES = 65_536
RESERVED = 128
"""Of them for what is no connection of a sender: the store, Intilery, senders' APIs."""


class Server(uvicorn.Server):
    """A server that leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Several servers run side by side here: one place listens, see :func:`run`."""
        yield


def bind(host: str, port: int, *, search: int = 0) -> socket.socket:
    """A bound socket; where the port is taken, one of the next ``search``.

    :raises SettingsError: no such address, or the ports are taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reason = ""
    for candidate in range(port, port + search + 1):
        found = socket.socket(family)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, candidate))
            # Listening makes it ours: with SO_REUSEADDR two processes may bind one port, and only one may listen.
            found.listen(2048)
        except (OSError, OverflowError) as error:
            found.close()
            reason = getattr(error, "strerror", None) or str(error)
        else:
            return found
    raise SettingsError(f"--host {host} --port {port}: {reason}")


def address_of(bound: socket.socket) -> str:
    """``http://127.0.0.1:8080``; all addresses are shown as this machine's own."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104 - a display
    return f"http://{host}:{port}"


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, bound: socket.socket, *, grace: timedelta) -> AsyncIterator[Server]:
    """Serve ``app`` on a bound socket while the block runs; its lifespan is the caller's affair."""

    class Protocol(GuardedProtocol):
        most = max(open_files() - RESERVED, RESERVED)

    config = uvicorn.Config(
        app,
        http=Protocol,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_keep_alive=15,
        timeout_graceful_shutdown=max(1, round(grace.total_seconds())),
    )
    server = Server(config)
    task = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        while not server.started:
            if task.done():
                break
            await asyncio.sleep(0.002)
        settle_memory()
        yield server
    finally:
        server.should_exit = True
        await task
        bound.close()


def open_files() -> int:
    """How many files this process may have open, once it has asked for as many as it may: many systems begin with
    1,024, of which every connection is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_FILES if soft == resource.RLIM_INFINITY else soft
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def settle_memory() -> None:
    """Take what is loaded by now (modules, compiled rules) out of the garbage collector's sight, and let it run less.

    A webhook leaves no cycles behind, and Python's default of a collection every 700 objects costs a serving gateway
    5 % of its time (bench/throughput).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@contextlib.contextmanager
def stop_signals() -> Iterator[asyncio.Event]:
    """An event that SIGINT (Ctrl-C) or SIGTERM sets. A second signal then ends the process at once.

    Enter it first: a stop that is asked for while everything starts is an orderly one too.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        stopped.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, stop)
    try:
        yield stopped
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


@contextlib.contextmanager
def reload_signal(ask: Callable[[], None], *, closed: Callable[[], None]) -> Iterator[None]:
    """Call ``ask`` at each SIGHUP; ``closed`` where it says that the terminal that this was started from is gone."""
    loop = asyncio.get_running_loop()
    at_terminal = _at_terminal()

    def hung_up() -> None:
        if at_terminal and not _at_terminal():
            closed()
        else:
            ask()

    loop.add_signal_handler(signal.SIGHUP, hung_up)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def _at_terminal() -> bool:
    try:
        return os.isatty(0)
    except OSError:
        return False


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine on uvloop; its result is the exit status."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
