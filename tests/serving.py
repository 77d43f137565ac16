"""A real ``gateway serve`` for tests: a process, to be stopped, killed and begun again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

PATIENCE = 120.0
"""Seconds until a wait has failed: no measure of speed, only an end to waiting on a machine that is busy."""


class Serving:
    """``gateway serve`` on one store, over any number of processes, each on a free port of its own.

    ``environ`` is laid over this process's environment. What the processes write to stderr is in :attr:`log`. Nothing
    is left running when the block ends, whatever happened in it; an error that ends it is told with the log's end.
    Example::

        async with Serving(tmp_path, environ=shop.environ(tmp_path)) as gateway:
            await gateway.start()
            httpx.post(f"{gateway.address}/hooks/shop", ...)
            await gateway.kill()
    """

    def __init__(self, folder: Path, *, environ: Mapping[str, str], words: tuple[str, ...] = ()) -> None:
        self._environ = {**os.environ, **environ}
        self._words = words
        self._log = folder / "stderr.log"
        self._process: asyncio.subprocess.Process | None = None
        self.up = asyncio.Event()
        """Set while a process serves at :attr:`address`."""
        self.address = ""
        self.banner: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            await self.kill()
        if error is not None:
            error.add_note(self.told)

    @property
    def process(self) -> asyncio.subprocess.Process:
        """The process that runs."""
        assert self._process is not None, "no gateway runs"
        return self._process

    @property
    def log(self) -> str:
        """What all processes wrote to stderr until now."""
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""

    @property
    def told(self) -> str:
        """The end of the log, for messages of failed tests."""
        return "the gateway's stderr ended with:\n" + "\n".join(self.log.splitlines()[-40:])

    async def launch(self) -> None:
        """Begin a process and don't wait for it."""
        assert self._process is None, "a gateway runs already"
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "serve", "--port", "0", "--json", *self._words),
                env=self._environ,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )

    async def ready(self) -> None:
        """Wait until the process serves."""
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                line = await self.process.stdout.readline()
        except TimeoutError:
            raise AssertionError(f"gateway serve did not start in {PATIENCE:g} s") from None
        assert line, "gateway serve ended before it served"
        self.banner = json.loads(line)
        self.address = self.banner["address"]
        self.up.set()

    async def start(self) -> None:
        """Begin a process; return when it serves."""
        await self.launch()
        await self.ready()

    async def kill(self) -> None:
        """SIGKILL: it gets no chance to end anything."""
        self.up.clear()
        self._signal(signal.SIGKILL)
        await self._ended()

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.up.clear()
        self._signal(signal.SIGTERM)
        return await self._ended()

    def _signal(self, number: signal.Signals) -> None:
        """Not by asyncio's own ``send_signal``: it looks whether the process has ended, and loses its exit status."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, number)

    async def _ended(self) -> int:
        process, self._process = self.process, None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(PATIENCE):
                await process.stdout.read()
                return await process.wait()
        except TimeoutError:
            process.kill()
            await process.communicate()
            raise AssertionError(f"gateway serve did not end in {PATIENCE:g} s") from None

    def client(self) -> httpx.AsyncClient:
        """A client without a base address, since that changes; proxies of this machine stay out of it."""
        return httpx.AsyncClient(timeout=PATIENCE, trust_env=False)


async def eventually(holds: Callable[[], Awaitable[str | None]], *, patience: float = PATIENCE) -> None:
    """Return once ``holds()`` gives None; else it gives what is still missing, which is the message of the failure."""
    missing: str | None = "never looked"
    pause = 0.02
    try:
        async with asyncio.timeout(patience):
            while True:
                if (missing := await holds()) is None:
                    return
                await asyncio.sleep(pause)
                pause = min(
                    pause * 1.2, 0.25
                )  # a lease is waited for longer, and looking is work for the one looked at
    except TimeoutError:
        raise AssertionError(f"after {patience:g} s: {missing}") from None
