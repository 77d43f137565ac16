"""The system's notices that a rules folder, or the destinations file beside it, was written to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from watchfiles import Change, awatch

from gateway.rules import FILE_ENDS

STEP_MS = 100
"""Milliseconds between looks of the thread that waits for notices."""

_log = logging.getLogger(__name__)


class Watch:
    """Calls ``notice`` on the event loop after each change to a file that rules may be made of.

    ``destinations`` is the destinations file where it stands elsewhere. A folder that is replaced by another of its
    name, as a deployment does that moves a link, is watched anew within ``poll`` seconds. A system that gives no
    notices, or no more of them, is logged once: somebody else has to look then.
    """

    def __init__(self, folder: Path, destinations: Path | None, *, notice: Callable[[], None], poll: float) -> None:
        self._folders = list(dict.fromkeys((folder, *([] if destinations is None else [destinations.parent]))))
        self._destinations = None if destinations is None else destinations.name
        self._notice, self._poll = notice, poll
        self._replaced = asyncio.Event()
        """Ends the watch over folders that are no longer those of their names."""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to watch."""
        self._tasks.append(asyncio.create_task(self._run(), name="watch"))

    async def stop(self) -> None:
        """Watch no more. Idempotent."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        self._replaced.set()  # the watching thread asks for nothing else
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self) -> None:
        told = False
        while True:
            self._replaced.clear()
            watched = await asyncio.to_thread(self._identities)
            comparing = asyncio.create_task(self._compare(watched))
            try:
                if None in watched:
                    raise FileNotFoundError(f"there is no folder {self._folders[watched.index(None)]}")
                async for _ in awatch(
                    *self._folders,
                    watch_filter=self._concerns,
                    debounce=STEP_MS,
                    step=STEP_MS,
                    stop_event=self._replaced,
                    recursive=False,
                ):
                    self._notice()
            except (OSError, RuntimeError) as error:
                if not told:
                    _log.warning("changes to the rules are found by looking every %g s: %s", self._poll, error)
                told = True
                await asyncio.sleep(self._poll)
            finally:
                comparing.cancel()

    async def _compare(self, watched: list[object]) -> None:
        """End the watch once a folder is another one."""
        now = watched
        while now == watched:
            await asyncio.sleep(self._poll)
            now = await asyncio.to_thread(self._identities)
        self._replaced.set()

    def _identities(self) -> list[object]:
        return [_identity(folder) for folder in self._folders]

    def _concerns(self, change: Change, path: str) -> bool:
        name = Path(path).name
        if name == self._destinations:
            return True
        # A mounted ConfigMap changes by one rename, of the link ..data.
        return name.startswith("..") or (name.endswith(FILE_ENDS) and not name.startswith("."))


def _identity(folder: Path) -> object:
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
