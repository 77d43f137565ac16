"""What is paused, as the store says: by persons, and by the gates of all processes that share it.

Claims honour the pauses of persons by themselves. Here they are known too, so that a paused destination is neither
asked for nor probed, and so that somebody is told. A gate that closes because a token is refused writes that down: a
gateway that starts then probes before it sends anything, and others that share the store do not find out by commands of
their own. A gate's pause that is gone from the store was ended by a person, or by the gate of another process.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec

from gateway.delivery import PauseBegun, PauseEnded, Record, StoreFailed
from gateway.errors import StoreError
from gateway.store import Pause, PauseScope, Store

GATEWAY = "gateway"
"""Who pauses a destination that refuses its token."""


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at the store found that was not known."""

    closed: tuple[str, ...] = ()
    """Destinations that the gate of another process, or of another life, has closed."""
    lifted: tuple[str, ...] = ()
    """Destinations whose own gate's pause was ended."""
    others: bool = False
    """Whether anything that a person paused has changed."""


class Pauses:
    """The pauses, as of the last look. ``emit`` is told what persons do to sources and rules: destinations have gates,
    which tell of themselves."""

    def __init__(self, store: Store, *, emit: Callable[[Record], None], clock: Callable[[], datetime]) -> None:
        self._store, self._emit, self._clock = store, emit, clock
        self._by_persons: dict[tuple[PauseScope, str], Pause] = {}
        self._own: dict[str, Pause] = {}
        """By destination, the gates' own."""
        self._unwritten: dict[str, Pause | None] = {}
        """What gates have begun (or, None, ended) and the store does not know yet."""
        self._writing: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        """Looking and writing: one after the other, so that neither takes the other's work for news."""

    def of(self, destination: str) -> Pause | None:
        """A person's pause of a destination."""
        return self._by_persons.get((PauseScope.DESTINATION, destination))

    def own(self, destination: str) -> Pause | None:
        """A gate's pause of a destination."""
        return self._own.get(destination)

    async def look(self) -> Changes:
        """See what the store says now.

        :raises StoreError: it can't be read.
        """
        async with self._turn:
            found = await self._store.pauses()
            by_persons = {(pause.scope, pause.name): pause for pause in found if not pause.automatic}
            own = {pause.name: pause for pause in found if pause.automatic}
            known, self._by_persons = self._by_persons, by_persons
            closed = own.keys() - self._own.keys() - self._unwritten.keys()
            lifted = self._own.keys() - own.keys() - self._unwritten.keys()
            self._own |= {name: own[name] for name in closed}
            for name in lifted:
                del self._own[name]
            self._write()
        for key in by_persons.keys() - known.keys():
            if key[0] is not PauseScope.DESTINATION:
                self._emit(PauseBegun(pause=by_persons[key]))
        for scope, name in known.keys() - by_persons.keys():
            if scope is not PauseScope.DESTINATION:
                self._emit(PauseEnded(scope=scope, name=name))
        return Changes(closed=tuple(closed), lifted=tuple(lifted), others=by_persons != known)

    def note(self, destination: str, reason: str | None) -> None:
        """A gate has closed, or (None) opened again: write it down, soon. Never blocks."""
        if reason is None:
            if destination not in self._own and destination not in self._unwritten:
                return
            self._unwritten[destination] = None
        else:
            known = self._unwritten.get(destination, self._own.get(destination))
            if known is not None and known.reason == reason:
                return
            self._unwritten[destination] = Pause(
                scope=PauseScope.DESTINATION,
                name=destination,
                since=self._clock(),
                by=GATEWAY,
                reason=reason,
                automatic=True,
            )
        self._write()

    async def ended(self) -> None:
        """Wait until what was noted is written, or could not be."""
        if self._writing is not None:
            await asyncio.wait({self._writing})

    def _write(self) -> None:
        if self._unwritten and (self._writing is None or self._writing.done()):
            self._writing = asyncio.create_task(self._write_all(), name="pauses")

    async def _write_all(self) -> None:
        async with self._turn:
            while self._unwritten:
                name, pause = next(iter(self._unwritten.items()))
                try:
                    if pause is None:
                        await self._store.resume(PauseScope.DESTINATION, name, automatic=True)
                    else:
                        await self._store.pause(pause)
                except StoreError as error:  # the next look tries again
                    self._emit(StoreFailed(verb="pause", message=str(error)))
                    return
                if pause is None:
                    self._own.pop(name, None)
                else:
                    self._own[name] = pause
                if self._unwritten.get(name) == pause:
                    del self._unwritten[name]
