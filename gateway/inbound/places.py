"""Places: how many requests, and how much of their bodies, a gateway holds at a time, so that its memory has an end.

Each request of a known source takes a place until it is answered. Where none is free, whoever has been sending its body
for longest gives its place up: a webhook's body is there within moments, and what dribbles is not the one to keep. No
source gets the last tenth of the places, so that a flood at one leaves room for its neighbours.

Small bodies always fit; what is larger shares a number of bytes in the same way.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

from gateway.errors import Overloaded

SMALL: Final = 65_536
"""Bytes of a body that a place holds without asking; uvicorn itself holds as many of each connection."""
PATIENCE: Final = 1.0
"""Seconds for which an upload is not asked to give way."""
RETRY_AFTER: Final = 2
"""Seconds, told to those for whom there is no room."""


class Place:
    """One request's place, and how much of its body it holds."""

    __slots__ = ("began", "ended_by", "held", "left", "source", "task")

    def __init__(self, source: str) -> None:
        self.source = source
        self.held = 0
        self.left = False
        self.began = 0.0
        self.task: asyncio.Task[Any] | None = None
        """Of the upload, while it waits for its sender."""
        self.ended_by: str | None = None
        """``time`` or ``others``, where its upload was ended so."""

    def end(self, why: str) -> None:
        """End the upload: its task wakes up and finds the reason here."""
        if self.task is not None and self.ended_by is None:
            self.ended_by = why
            self.task.cancel()


class Places:
    """The places of one gateway. ``requests`` and ``memory`` (bytes) bound them; ``clock`` gives seconds."""

    def __init__(self, *, requests: int, memory: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._requests = requests
        self._share = max(1, requests - max(1, requests // 10))
        self._memory = memory
        self._clock = clock
        self._taken = 0
        self._held = 0
        self._by_source: dict[str, int] = {}
        self._uploads: dict[Place, None] = {}
        """Those that wait for their senders, the oldest first."""

    def __len__(self) -> int:
        """How many are taken."""
        return self._taken

    @property
    def held(self) -> int:
        """Bytes of bodies that are more than small."""
        return self._held

    def take(self, source: str) -> Place:
        """A place for a request of this source.

        :raises Overloaded: there is none.
        """
        if self._by_source.get(source, 0) >= self._share and not self._made_room(
            lambda upload: upload.source == source
        ):
            raise Overloaded(
                f"{self._share:,} requests of this source are under way; allowed: as many", retry_after=RETRY_AFTER
            )
        if self._taken >= self._requests and not self._made_room(lambda one: True):
            raise Overloaded(
                f"{self._taken:,} requests are under way; allowed: {self._requests:,}", retry_after=RETRY_AFTER
            )
        self._taken += 1
        self._by_source[source] = self._by_source.get(source, 0) + 1
        return Place(source)

    def leave(self, place: Place) -> None:
        """Give a place back, with the bytes that it holds. One that gave way has done so already."""
        if place.left:
            return
        place.left = True
        self._taken -= 1
        self._held -= place.held
        place.held = 0
        count = self._by_source[place.source] - 1
        if count:
            self._by_source[place.source] = count
        else:
            del self._by_source[place.source]

    def wait(self, place: Place, task: asyncio.Task[Any]) -> None:
        """This place's upload begins."""
        place.task, place.began = task, self._clock()
        self._uploads[place] = None

    def came(self, place: Place) -> None:
        """Its upload is over, however it ended."""
        place.task = None
        self._uploads.pop(place, None)

    def hold(self, place: Place, size: int) -> None:
        """This place holds a body of ``size`` bytes now.

        :raises Overloaded: that is more than there is room for.
        """
        if size <= SMALL or place.left:
            return
        self._held += size - place.held
        place.held = size
        while self._held > self._memory:
            if not self._made_room(lambda one: one.held > 0 and one is not place):
                raise Overloaded(
                    f"bodies of {self._held:,} bytes are under way; allowed: {self._memory:,}", retry_after=RETRY_AFTER
                )

    def _made_room(self, fits: Callable[[Place], bool]) -> bool:
        """End the oldest upload that fits and had its time; whether there was one."""
        latest = self._clock() - PATIENCE
        for upload in self._uploads:
            if upload.began > latest:
                return False
            if fits(upload):
                self._uploads.pop(upload)
                self.leave(upload)
                upload.end("others")
                return True
        return False
