"""``limits: {rate: 50/s}``: how many requests a second a source takes. One token bucket a source, in this process."""

from __future__ import annotations

import time
from collections.abc import Callable

BURST_SECONDS = 2.0
"""What a source that was quiet may send at once: as much as in so many seconds."""


class Rates:
    """The buckets, filled by the clock. ``clock`` gives seconds that never go back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        """By source: how many tokens there were, and when."""

    def lack(self, source: str, rate: float) -> float:
        """As :meth:`wait`, but take nothing: what is not proved yet may be a stranger's."""
        return self._lack(self._tokens(source, rate, self._clock()), rate)

    def wait(self, source: str, rate: float) -> float:
        """Take a token of a source that has ``rate`` of them a second; 0, or the seconds until there is one.

        The rate may change from call to call, as rules are loaded again.
        """
        now = self._clock()
        tokens = self._tokens(source, rate, now)
        lack = self._lack(tokens, rate)
        self._buckets[source] = (tokens if lack else tokens - 1.0, now)
        return lack

    def _tokens(self, source: str, rate: float, now: float) -> float:
        burst = max(1.0, rate * BURST_SECONDS)
        tokens, at = self._buckets.get(source, (burst, now))
        return min(burst, tokens + (now - at) * rate)

    @staticmethod
    def _lack(tokens: float, rate: float) -> float:
        return (1.0 - tokens) / rate if tokens < 1.0 else 0.0
