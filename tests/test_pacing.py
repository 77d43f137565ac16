"""The bucket: exact arithmetic, no 429 by itself, and a rate that falls and climbs."""

from __future__ import annotations

import heapq

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway import pacing
from tests.effort import tries


def bucket(*, rate: float = 100.0, burst: int = 500, in_flight: int = 64, now: float = 0.0) -> pacing.Bucket:
    return pacing.opened(rate=rate, burst=burst, in_flight=in_flight, now=now)


def test_a_new_bucket_is_empty_and_slightly_slower_than_the_server():
    fresh = bucket()
    assert pacing.available(fresh, 0.0) == 0
    assert fresh.rate == 99.5
    assert fresh.burst == 436


def test_it_fills_up_to_its_burst():
    assert pacing.available(bucket(), 1.0) == 99
    assert pacing.available(bucket(), 3600.0) == 436


def test_take_spends_and_refuses_what_is_not_there():
    spent = pacing.take(bucket(), 90, 1.0)
    assert pacing.available(spent, 1.0) == 9
    with pytest.raises(ValueError, match=r"10 tokens from a bucket that holds 9\.500"):
        pacing.take(spent, 10, 1.0)


def test_a_clock_that_goes_back_gives_nothing():
    spent = pacing.take(bucket(), 99, 1.0)
    assert pacing.available(spent, 0.5) == 0


@pytest.mark.parametrize(("rate", "burst"), [(0, 5), (-1, 5), (float("inf"), 5), (float("nan"), 5), (5, 0)])
def test_a_bucket_needs_a_rate_and_a_burst(rate: float, burst: int):
    with pytest.raises(ValueError, match="allowed"):
        bucket(rate=rate, burst=burst)


@pytest.mark.parametrize(
    ("burst", "at_most", "expected"), [(500, 64, 64), (10, 64, 5), (2, 64, 1), (1, 64, 1), (500, 1, 1)]
)
def test_a_small_burst_allows_few_requests_in_flight(burst: int, at_most: int, expected: int):
    assert pacing.concurrency(burst, at_most) == expected


@given(
    rate=st.floats(0.1, 5000),
    burst=st.integers(1, 1000),
    passed=st.lists(st.floats(0, 5), max_size=8),
    slowed=st.lists(st.none() | st.floats(0, 3), max_size=4),
)
def test_after_the_wait_there_is_a_token_and_not_long_before(rate, burst, passed, slowed):
    now = 0.0
    state = bucket(rate=rate, burst=burst, in_flight=pacing.concurrency(burst, 64))
    for step in passed:
        now += step
        state = pacing.take(state, pacing.available(state, now), now)
    for retry_after in slowed:
        state = pacing.slow(state, now, retry_after)
    wait = pacing.wait(state, now)
    assert pacing.available(state, now + wait + 1e-6) >= 1
    if wait > 1e-3:
        assert pacing.available(state, now + wait * 0.999 - 1e-6) == 0


# -- by itself it never draws a 429 ------------------------------------------------------------------------------------


class Server:
    """A token bucket as Intilery documents it, full at first."""

    def __init__(self, rate: float, burst: int) -> None:
        self.rate, self.burst, self.tokens, self.at = rate, burst, float(burst), 0.0

    def accepts(self, now: float) -> bool:
        self.tokens = min(self.burst, self.tokens + self.rate * (now - self.at))
        self.at = now
        self.tokens -= 1
        return self.tokens >= -1e-6


@settings(max_examples=tries(150), deadline=None)
@given(
    rate=st.sampled_from([2.0, 10.0, 100.0, 1000.0]),
    burst=st.sampled_from([2, 3, 10, 60, 500]),
    speed=st.floats(0.9985, 1.0015),
    idle=st.floats(0, 20),
    delays=st.lists(st.tuples(st.floats(0, 3), st.floats(0, 0.3)), min_size=1, max_size=12),
    restarts=st.lists(st.floats(0, 20), max_size=3),
)
def test_it_never_draws_a_429_from_a_server_with_the_documented_numbers(rate, burst, speed, idle, delays, restarts):
    """Whatever the way to the server costs, whatever the clock's speed, however often the process starts again."""
    server = Server(rate, burst)
    most = pacing.concurrency(burst, 64)
    state = bucket(rate=rate, burst=burst, in_flight=most)
    now, sent, in_flight = idle, 0, 0
    events: list[tuple[float, str]] = [(moment, "restart") for moment in restarts]
    heapq.heapify(events)
    while sent < 800:
        n = min(pacing.available(state, now * speed), most - in_flight)
        if n > 0:
            state = pacing.take(state, n, now * speed)
            for _ in range(n):
                there, back = delays[sent % len(delays)]
                heapq.heappush(events, (now + there, "arrives"))
                heapq.heappush(events, (now + there + back, "answered"))
                sent += 1
            in_flight += n
        token = now + pacing.wait(state, now * speed) / speed + 1e-9
        if in_flight == most or (events and events[0][0] <= token):
            moment, what = heapq.heappop(events)
            now = max(now, moment)
            if what == "arrives":
                assert server.accepts(now), f"429 at {now} after {sent} requests"
            elif what == "answered":
                in_flight -= 1
            else:
                state = bucket(rate=rate, burst=burst, in_flight=most, now=now * speed)
        else:
            now = token


def test_the_simulated_server_does_refuse_a_bucket_of_its_own_size():
    """The test above can fail: without the headroom, requests that arrive together are too many."""
    server = Server(100.0, 500)
    state = pacing.opened(rate=100.0 / 0.99, burst=500, in_flight=0, now=-100.0)
    arrivals = [0.5] * pacing.available(state, 0.0)
    state = pacing.take(state, len(arrivals), 0.0)
    arrivals += [0.5] * pacing.available(state, 0.5)
    assert not all(server.accepts(moment) for moment in arrivals)


# -- told to slow down -------------------------------------------------------------------------------------------------


def test_a_429_empties_it_until_retry_after_has_passed():
    slowed = pacing.slow(bucket(), 10.0, 3.0)
    assert pacing.available(slowed, 12.999) == 0
    assert pacing.wait(slowed, 10.0) == pytest.approx(3.0 + 1 / 49.75, rel=1e-3)
    assert pacing.available(slowed, 13.1) == 4


def test_without_retry_after_it_pauses_a_second():
    assert pacing.available(pacing.slow(bucket(), 10.0, None), 11.0) == 0
    assert pacing.slow(bucket(), 10.0, None).not_before == 11.0


@pytest.mark.parametrize(("given_", "kept"), [(0.0, 0.1), (-5.0, 0.1), (1e12, 3600.0)])
def test_retry_after_is_bounded(given_: float, kept: float):
    assert pacing.slow(bucket(), 0.0, given_).not_before == kept


def test_the_rate_halves_once_for_what_was_in_flight_together():
    slowed = pacing.slow(bucket(), 10.0, 2.0)
    again = pacing.slow(slowed, 10.5, 5.0)
    assert slowed.pace == again.pace == 49.75
    assert again.not_before == 15.5
    assert pacing.slow(again, 11.0, 0.5).not_before == 15.5


def test_the_rate_halves_again_after_the_pause_down_to_a_floor():
    state, now, paces = bucket(), 0.0, []
    for _ in range(8):
        state = pacing.slow(state, now, 0.1)
        paces.append(state.pace)
        now = state.not_before
    assert paces[:3] == pytest.approx([49.75, 24.875, 12.4375])
    assert paces[-1] == pytest.approx(99.5 / 32)


def test_the_rate_climbs_back_in_a_straight_line():
    slowed = pacing.slow(bucket(), 0.0, 1.0)
    assert pacing.refilled(slowed, 1.0).pace == 49.75
    assert pacing.refilled(slowed, 16.0).pace == pytest.approx(74.625)
    assert pacing.refilled(slowed, 31.0).pace == pytest.approx(99.5)
    assert pacing.refilled(slowed, 500.0).pace == pytest.approx(99.5)


@given(steps=st.lists(st.floats(0.001, 20), min_size=1, max_size=20))
def test_looking_often_gives_the_same_as_looking_once(steps):
    slowed = pacing.slow(bucket(burst=1_000_000, rate=1000.0), 0.0, 2.0)
    often, now = slowed, 0.0
    for step in steps:
        now += step
        often = pacing.refilled(often, now)
    once = pacing.refilled(slowed, now)
    assert often.tokens == pytest.approx(once.tokens, rel=1e-6, abs=1e-6)
    assert often.pace == pytest.approx(once.pace)


def test_other_limits_keep_what_there_is_room_for_and_the_part_that_429s_have_left():
    full = bucket()
    assert pacing.changed(full, rate=100.0, burst=500, in_flight=64, now=9.0) is full
    slowed = pacing.slow(full, 3600.0, retry_after=1.0)
    faster = pacing.changed(slowed, rate=200.0, burst=500, in_flight=64, now=3600.0)
    assert (faster.rate, faster.pace, faster.not_before) == (199.0, 99.5, 3601.0)
    smaller = pacing.changed(full, rate=100.0, burst=100, in_flight=64, now=3600.0)
    assert (smaller.burst, smaller.tokens) == (36, 36.0)
    assert pacing.changed(smaller, rate=100.0, burst=500, in_flight=64, now=3600.0).tokens == 36.0


def test_by_another_clock_it_is_the_same_bucket():
    spent = pacing.slow(bucket(), 10.0, retry_after=5.0)
    for now in (10.0, 14.0, 16.0, 60.0):
        assert pacing.wait(pacing.moved(spent, -10.0), now - 10.0) == pytest.approx(pacing.wait(spent, now))
