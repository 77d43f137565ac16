"""What every address still takes, as the one process that serves a file knows it: in memory, by a clock that is never
set."""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway import pacing
from gateway.pacing import Bucket
from gateway.store import Limits


class Buckets:
    """The bucket of each address; a new one is empty."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._by_address: dict[str, Bucket] = {}

    def _of(self, limits: Limits, now: float) -> Bucket:
        rate, burst, in_flight = limits.rate, limits.burst, limits.in_flight
        bucket = self._by_address.get(limits.address)
        if bucket is None:
            bucket = pacing.opened(rate=rate, burst=burst, in_flight=in_flight, now=now)
        bucket = pacing.changed(bucket, rate=rate, burst=burst, in_flight=in_flight, now=now)
        self._by_address[limits.address] = bucket
        return bucket

    def take(self, limits: Limits, at_most: int) -> int:
        """As many tokens as there are, at most so many; maybe none."""
        now = self._monotonic()
        bucket = self._of(limits, now)
        n = max(0, min(at_most, pacing.available(bucket, now)))
        self._by_address[limits.address] = pacing.take(bucket, n, now)
        return n

    def give_back(self, limits: Limits, n: int) -> None:
        """``n`` that were taken are not needed. After a 429 since then there is no way back."""
        now = self._monotonic()
        bucket = self._of(limits, now)
        if n and now >= bucket.not_before:
            self._by_address[limits.address] = pacing.give_back(bucket, n, now)

    def slow(self, limits: Limits, retry_after: float | None) -> None:
        """There was a 429."""
        now = self._monotonic()
        self._by_address[limits.address] = pacing.slow(self._of(limits, now), now, retry_after)

    def told(self, limits: Limits) -> Bucket:
        """The bucket as it is, now being 0."""
        now = self._monotonic()
        return pacing.moved(self._of(limits, now), -now)
