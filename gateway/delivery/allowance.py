"""How much may be sent to one address now: tokens of its bucket, places in flight.

Intilery counts requests by address (client, account, brand), and two destinations may name one address, with other
codes or another token. Their lanes draw on one allowance, whose limits are the strictest that any of them names, so
together they stay below what the address takes. Sends, probes and lookups all cost a token.

The bucket lies in the store, and is one for all processes that deliver from it: a claim spends what it claims. Here
stands what the store told of it last, by which a lane knows when to claim again.

Places are this process's own, taken before a claim and given back where they were not needed. Where several processes
deliver from one store, each has its part of them, so that together they stay below the burst.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from gateway import pacing
from gateway.errors import StoreError, Throttled
from gateway.intilery.contract import Destination
from gateway.pacing import Bucket
from gateway.store import Limits, Outbox

BESIDES = 2
"""Requests beyond the places in flight, for each lane: a probe and a lookup."""
_AGAIN = 1.0
"""Seconds between tries of a verb that the store could not do."""


class Taken(msgspec.Struct, frozen=True):
    """Places that were taken, until they are given back."""

    n: int
    era: int
    """A 429 begins a new one: nothing that was claimed before it leaves after it."""


class Allowance:
    """The allowance of one address. ``at_most`` bounds what is in flight, ``monotonic`` gives seconds, ``sharers`` is
    how many processes deliver."""

    def __init__(
        self, address: str, *, store: Outbox, at_most: int, monotonic: Callable[[], float], sharers: int = 1
    ) -> None:
        self._address, self._store = address, store
        self._at_most, self._monotonic, self._sharers = at_most, monotonic, sharers
        self._limits: dict[str, tuple[float, int]] = {}
        """By destination: rate and burst, as it names them."""
        self._told: Bucket | None = None
        """As the store told it last, by the clock of this process."""
        self._most = 1
        self._in_flight = 0
        self._era = 0
        self._waiting: list[Callable[[], None]] = []

    def join(self, destination: Destination) -> None:
        """``destination`` is sent to from here, within the limits that it names."""
        limits = (destination.rate, destination.burst)
        if self._limits.get(destination.name) != limits:
            self._limits[destination.name] = limits
            self._limit()

    def leave(self, name: str) -> None:
        """The destination has another address now."""
        if self._limits.pop(name, None) is not None and self._limits:
            self._limit()

    def share(self, sharers: int) -> None:
        """So many processes deliver from now on."""
        self._sharers = sharers
        if self._limits:
            self._limit()

    def _limit(self) -> None:
        self._most = max(1, pacing.concurrency(self.limits.burst, self._at_most * self._sharers) // self._sharers)
        self._told = None  # of other limits

    @property
    def limits(self) -> Limits:
        """The strictest that any destination names."""
        return Limits(
            address=self._address,
            rate=min(rate for rate, _ in self._limits.values()),
            burst=min(burst for _, burst in self._limits.values()),
            in_flight=self._most + BESIDES * len(self._limits),
        )

    def _bucket(self) -> Bucket:
        """What the store is likely to hold now."""
        now, limits = self._monotonic(), self.limits
        if self._told is not None:
            return pacing.refilled(self._told, now)
        return pacing.opened(rate=limits.rate, burst=limits.burst, in_flight=limits.in_flight, now=now)

    @property
    def tokens(self) -> int:
        """How many tokens there are now, unless another process has taken some."""
        return pacing.available(self._bucket(), self._monotonic())

    @property
    def rate(self) -> float:
        """Tokens a second now."""
        return self._bucket().pace

    def full(self, wake: Callable[[], None]) -> bool:
        """Whether no place in flight is free; ``wake`` is then called once when one is."""
        if self._in_flight < self._most:
            return False
        self._waiting.append(wake)
        return True

    def wait(self) -> float:
        """Seconds until there may be a token; 0 where there may be one now."""
        return 0.0 if self._told is None else pacing.wait(self._told, self._monotonic())

    def take(self, at_most: int) -> Taken:
        """As many places as there are, at most so many."""
        n = max(0, min(at_most, self._most - self._in_flight))
        self._in_flight += n
        return Taken(n, self._era)

    def holds(self, taken: Taken) -> bool:
        """Whether what was claimed for these places may still leave."""
        return taken.era == self._era

    def tell(self, bucket: Bucket | None, taken: Taken) -> None:
        """What a claim for these places told of the bucket."""
        if bucket is not None and self.holds(taken):
            self._told = pacing.moved(bucket, self._monotonic())

    def done(self, n: int = 1) -> None:
        """``n`` requests have ended, or were not made."""
        self._in_flight -= n
        if n and self._waiting:
            waiting, self._waiting = self._waiting, []
            for wake in waiting:
                wake()

    async def spend(self) -> None:
        """Wait for a token and take it: what a probe costs, or a lookup. They have places of their own."""
        while True:
            try:
                wait = await self._store.spend(self.limits)
            except StoreError:  # who wants it has nowhere to go without the store either
                wait = _AGAIN
            if not wait:
                return
            await asyncio.sleep(wait)

    async def throttled(self, error: Throttled) -> None:
        """Intilery answered 429: slow down, all processes together.

        :raises StoreError: the others have not been told; what this process claims waits all the same.
        """
        self._era += 1
        taken = Taken(0, self._era)
        self._told = pacing.slow(self._bucket(), self._monotonic(), error.retry_after)
        self.tell(await self._store.slow(self.limits, retry_after=error.retry_after), taken)


class Allowances:
    """The allowances of all addresses."""

    def __init__(self, *, store: Outbox, at_most: int, monotonic: Callable[[], float]) -> None:
        self._store, self._at_most, self._monotonic = store, at_most, monotonic
        self._by_address: dict[str, Allowance] = {}
        self._addresses: dict[str, str] = {}
        """By destination: where it was last sent to."""
        self._sharers = 1

    def share(self, sharers: int) -> None:
        """So many processes deliver from now on."""
        if sharers == self._sharers:
            return
        self._sharers = sharers
        for allowance in self._by_address.values():
            allowance.share(sharers)

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
                address, store=self._store, at_most=self._at_most, monotonic=self._monotonic, sharers=self._sharers
            )
        allowance.join(destination)
        return allowance
