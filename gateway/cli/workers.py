"""``gateway serve --workers N``: one process for each core, on one port and one PostgreSQL database.

The first process binds the port, starts the workers and holds nothing else: each worker is a whole gateway, and what
one of them takes in any of them may deliver. A worker that ends by itself is started again. A stop of the first one is
a stop of all, even where it is killed, for each worker's standard input is a pipe that closes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import signal
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from prometheus_client.multiprocess import mark_process_dead

from gateway.cli.group import FOUND, WRONG_USAGE
from gateway.cli.server import reload_signal, stop_signals

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Seconds before a worker that ended is started again, doubling."""
_STEADY = 60.0
"""Seconds after which a worker counts as one that works: the pause begins anew."""
_PATIENCE = timedelta(seconds=10)
"""What a worker may take to end beyond its grace period before it is killed."""
_BANNER = 10_000_000
"""Bytes that a banner may have: it names every source."""

_log = logging.getLogger("gateway")


class Workers:
    """The processes that serve one bound socket.

    ``environ`` is what they are started with: the settings, the admin token among them. ``ready`` is told the banner
    of one worker when all serve.
    """

    def __init__(
        self,
        count: int,
        *,
        bound: socket.socket,
        environ: Mapping[str, str],
        grace: timedelta,
        ready: Callable[[dict[str, Any]], None],
    ) -> None:
        self._count, self._bound, self._ready = count, bound, ready
        self._environ = dict(environ)
        self._ends_within = (grace + _PATIENCE).total_seconds()
        self._running: set[Process] = set()

    async def run(self) -> int:
        """Serve until a signal asks for the end; the exit status."""
        with (
            stop_signals() as stopped,
            reload_signal(lambda: self._signal(signal.SIGHUP), closed=stopped.set),
            # Where workers count, so that each of them can say what all did: docs of prometheus_client, multiprocess.
            tempfile.TemporaryDirectory(prefix="gateway-metrics-") as folder,
        ):
            self._environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            ending: asyncio.Task[Any] = asyncio.create_task(stopped.wait())
            serving = asyncio.create_task(self._serve())
            try:
                await asyncio.wait({ending, serving}, return_when=asyncio.FIRST_COMPLETED)
                if serving.done():
                    return serving.result()
                _log.info("stopping %d workers", len(self._running))
            finally:
                ending.cancel()
                serving.cancel()
                await asyncio.wait({ending, serving})
                await self._stop()
        _log.info("stopped")
        return 0

    async def _serve(self) -> int:
        """Start all and keep them running. Returns only where one did not start."""
        workers = [await self._start() for _ in range(self._count)]
        banners = await asyncio.gather(*map(_banner, workers))
        if None in banners:
            _log.critical("a worker did not start: its own message stands above")
            ended = [await worker.wait() for worker, banner in zip(workers, banners, strict=True) if banner is None]
            return WRONG_USAGE if WRONG_USAGE in ended else FOUND
        self._ready(next(filter(None, banners)))
        async with asyncio.TaskGroup() as group:
            for worker in workers:
                group.create_task(self._keep(worker))
        raise AssertionError("keepers never end by themselves")

    async def _start(self) -> Process:
        listening = self._bound.fileno()
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", "serve", "--json", "--listening", str(listening)),
            env=self._environ,
            pass_fds=(listening,),
            stdin=PIPE,
            stdout=PIPE,
            limit=_BANNER,
            start_new_session=True,  # Ctrl-C is for the first process: a second signal would end a worker at once
        )
        self._running.add(worker)
        return worker

    async def _keep(self, worker: Process) -> None:
        """Whenever the worker ends, start another in its place."""
        loop = asyncio.get_running_loop()
        pause, began = _FIRST_PAUSE, loop.time()
        while True:
            status = await worker.wait()
            self._running.discard(worker)
            # What it counted stays; what it showed of its present goes.
            mark_process_dead(worker.pid, self._environ["PROMETHEUS_MULTIPROC_DIR"])  # type: ignore[no-untyped-call]
            if loop.time() - began > _STEADY:
                pause = _FIRST_PAUSE
            _log.error("worker %d ended with status %d; another starts in %g s", worker.pid, status, pause)
            await asyncio.sleep(pause)
            pause, began = min(pause * 2, _LONGEST_PAUSE), loop.time()
            worker = await self._start()
            if await _banner(worker) is not None:
                _log.warning("worker %d serves", worker.pid)

    def _signal(self, number: signal.Signals) -> None:
        for worker in self._running:
            with contextlib.suppress(ProcessLookupError):
                worker.send_signal(number)

    async def _stop(self) -> None:
        """Let all end what they have begun; kill what does not end."""
        self._signal(signal.SIGTERM)
        ending = {asyncio.create_task(worker.wait()) for worker in self._running}
        if not ending:
            return
        _, late = await asyncio.wait(ending, timeout=self._ends_within)
        if late:
            _log.error("%d workers did not end within %g s and are killed", len(late), self._ends_within)
            self._signal(signal.SIGKILL)
            await asyncio.wait(late)


async def _banner(worker: Process) -> dict[str, Any] | None:
    """What a worker prints when it serves; None where it ended instead."""
    assert worker.stdout is not None
    line = await worker.stdout.readline()
    banner: dict[str, Any] | None = json.loads(line) if line else None
    return banner
