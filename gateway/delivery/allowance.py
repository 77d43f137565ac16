"""How much may be sent to one address now: tokens of its bucket and places in flight, shared by whoever sends there.

Intilery counts requests by address (client, account, brand), and two destinations may name one address, with other
codes or another token. Their lanes draw on one allowance, whose limits are the strictest that any of them names, so
together they stay below what the address takes. Sends, probes and lookups all cost a token.

A lane takes what it needs before it claims, and gives back what it did not use: so two lanes never claim for the same
token, and whoever asked first is first.

Where several processes deliver from one store, each has its part of every allowance. A process that comes in waits
until the others have seen it and use less; each that sees a new number begins with nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import msgspec

from gateway.delivery import pacing
from gateway.errors import Throttled
from gateway.intilery.contract import Destination

BESIDES = 2
"""Requests beyond the places in flight, for each lane: a probe and a lookup."""


class Taken(msgspec.Struct, frozen=True):
    """Tokens and places that were taken, until they are used or given back."""

    n: int
    era: int
    """A 429 begins a new one: what was taken before it is void."""


class Allowance:
    """The allowance of one address. ``at_most`` bounds what is in flight, ``monotonic`` gives seconds."""

    def __init__(
        self, *, at_most: int, monotonic: Callable[[], float], sharers: int = 1, not_before: float = -math.inf
    ) -> None:
        self._at_most, self._monotonic = at_most, monotonic
        self._sharers, self._not_before = sharers, not_before
        self._limits: dict[str, tuple[float, int]] = {}
        """By destination: rate and burst, as it names them."""
        self._bucket = pacing.opened(rate=1.0, burst=1, in_flight=0, now=monotonic())
        self._most = 1
        self._in_flight = 0
        self._era = 0
        self._waiting: list[Callable[[], None]] = []

    def join(self, destination: Destination) -> None:
        """``destination`` is sent to from here, within the limits that it names. A changed limit empties the bucket."""
        limits = (destination.rate, destination.burst)
        if self._limits.get(destination.name) != limits:
            self._limits[destination.name] = limits
            self._open()

    def leave(self, name: str) -> None:
        """The destination has another address now."""
        if self._limits.pop(name, None) is not None and self._limits:
            self._open()

    def share(self, sharers: int, *, not_before: float) -> None:
        """So many processes share the address from now on; nothing leaves before this moment."""
        self._sharers, self._not_before = sharers, not_before
        if self._limits:
            self._open()

    def _open(self) -> None:
        rate = min(rate for rate, _ in self._limits.values()) / self._sharers
        burst = max(1, min(burst for _, burst in self._limits.values()) // self._sharers)
        self._most = pacing.concurrency(burst, self._at_most)
        self._era += 1
        self._bucket = pacing.opened(
            rate=rate,
            burst=burst,
            in_flight=self._most + BESIDES * len(self._limits),
            now=self._monotonic(),
            not_before=self._not_before,
        )

    @property
    def tokens(self) -> int:
        """How many tokens there are now."""
        return pacing.available(self._bucket, self._monotonic())

    @property
    def rate(self) -> float:
        """Tokens a second now."""
        return pacing.refilled(self._bucket, self._monotonic()).pace

    def full(self, wake: Callable[[], None]) -> bool:
        """Whether no place in flight is free; ``wake`` is then called once when one is."""
        if self._in_flight < self._most:
            return False
        self._waiting.append(wake)
        return True

    def wait(self) -> float:
        """Seconds until a token can be taken; 0 where one can be taken now."""
        return pacing.wait(self._bucket, self._monotonic())

    def take(self, at_most: int) -> Taken:
        """As many tokens and places as there are, at most so many; maybe none."""
        now = self._monotonic()
        n = max(0, min(at_most, self._most - self._in_flight, pacing.available(self._bucket, now)))
        if n:
            self._bucket = pacing.take(self._bucket, n, now)
            self._in_flight += n
        return Taken(n, self._era)

    def holds(self, taken: Taken) -> bool:
        """Whether what was taken may still be used."""
        return taken.era == self._era

    def give_back(self, taken: Taken, n: int) -> None:
        """``n`` of what was taken are not needed."""
        if n and self.holds(taken):
            self._bucket = pacing.give_back(self._bucket, n, self._monotonic())
        self.done(n)

    def done(self, n: int = 1) -> None:
        """``n`` requests have ended."""
        self._in_flight -= n
        if n and self._waiting:
            waiting, self._waiting = self._waiting, []
            for wake in waiting:
                wake()

    async def spend(self) -> None:
        """Wait for a token and take it: what a probe costs, or a lookup. They have places of their own."""
        while True:
            now = self._monotonic()
            if pacing.available(self._bucket, now):
                self._bucket = pacing.take(self._bucket, 1, now)
                return
            await asyncio.sleep(pacing.wait(self._bucket, now))

    def throttled(self, error: Throttled) -> None:
        """Intilery answered 429: slow down."""
        self._era += 1
        self._bucket = pacing.slow(self._bucket, self._monotonic(), error.retry_after)


class Allowances:
    """The allowances of all addresses."""

    def __init__(self, *, at_most: int, monotonic: Callable[[], float]) -> None:
        self._at_most, self._monotonic = at_most, monotonic
        self._by_address: dict[str, Allowance] = {}
        self._addresses: dict[str, str] = {}
        """By destination: where it was last sent to."""
        self.sharers = 1
        """How many processes share them."""
        self._not_before = -math.inf

    def share(self, sharers: int, *, after: float = 0.0) -> None:
        """So many processes deliver from now on. ``after`` is for how many seconds nothing may leave yet."""
        if sharers == self.sharers and not after:
            return
        self.sharers, self._not_before = sharers, self._monotonic() + after
        for allowance in self._by_address.values():
            allowance.share(sharers, not_before=self._not_before)

    def of(self, destination: Destination) -> Allowance:
        """The allowance of a destination's address, within the limits that the destination names now."""
        address = destination.endpoint("")
        before = self._addresses.get(destination.name)
        if before is not None and before != address:
            self._by_address[before].leave(destination.name)
        self._addresses[destination.name] = address
        allowance = self._by_address.get(address)
        if allowance is None:
            allowance = self._by_address[address] = Allowance(
                at_most=self._at_most,
                monotonic=self._monotonic,
                sharers=self.sharers,
                not_before=self._not_before,
            )
        allowance.join(destination)
        return allowance
