"""The buckets of a process that is alone: in memory, by a clock that is never set."""

from __future__ import annotations

from gateway import pacing
from gateway.store import Limits
from gateway.store.sqlite.buckets import Buckets

LIMITS = Limits(address="https://api.example/acme", rate=100.0, burst=500, in_flight=66)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_was_taken_and_not_used_comes_back() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    assert buckets.take(LIMITS, 10) == 0
    clock.now += 3600
    assert buckets.take(LIMITS, 10) == 10
    buckets.give_back(LIMITS, 4)
    assert pacing.available(buckets.told(LIMITS), 0.0) == 500 - 66 - 6


def test_what_was_taken_before_a_429_does_not_come_back() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    buckets.take(LIMITS, 1)
    clock.now += 3600
    assert buckets.take(LIMITS, 10) == 10
    buckets.slow(LIMITS, 2.0)
    buckets.give_back(LIMITS, 10)
    assert buckets.take(LIMITS, 1) == 0
    clock.now += 2.0
    assert buckets.take(LIMITS, 10) == 0
    clock.now += 1.0
    assert buckets.take(LIMITS, 100) == 50
