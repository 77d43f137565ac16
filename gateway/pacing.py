"""How fast a destination may be sent to: a token bucket that slows down when it is told to, as pure functions.

Intilery documents a token bucket of 100 requests a second with a burst of 500. A bucket here mirrors the server's, and
is a little smaller, so that by itself it never draws a 429. In any stretch of T seconds the server sees at most what
was in flight when it began, plus what was taken in it: ``in_flight + burst + rate * T``. So:

* the burst is smaller than the server's by what may be in flight (:func:`concurrency`): a connection that takes its
  time, an answer that is late or a pause of this process delays requests, and never adds to them;
* the rate is 0.5 % below the server's. Two clocks that NTP disciplines differ in speed by at most 0.1 % (it slews by
  500 ppm), the rest is for a server that counts coarsely;
* a new bucket is empty: what the process before this one sent is not known. Nor does it matter how often it restarts.

All this holds from a documented burst of 2; with a burst of 1 the server may still see two requests too close together.
Where others spend from the same allowance (a gateway with another store, a script with the same token), a 429 comes all
the same. Then additive increase, multiplicative decrease, as TCP does it: the rate halves, nothing leaves before
``Retry-After`` has passed, and the rate climbs back to what is configured in a straight line.

Times are seconds of a clock that whoever keeps the bucket chooses, passed as ``now``; lengths are seconds.
"""

from __future__ import annotations

import math

import msgspec

MARGIN = 0.005
"""The part of the documented rate that is left unused."""
RECOVERY = 60.0
"""Seconds that the rate would take from 0 back to what is configured; from half of it, half as long."""
FLOOR = 1 / 32
"""The part of the configured rate that no number of 429s goes below."""
PAUSE = 1.0
"""How long nothing leaves after a 429 that names no ``Retry-After``."""
SHORTEST_PAUSE = 0.1
"""And after one that names less than this. Answers to what was in flight together count as one 429."""
LONGEST_PAUSE = 3600.0
"""And at most, whatever ``Retry-After`` says."""

_DUST = 1e-9


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A token bucket at a moment."""

    rate: float
    """Tokens a second when all is well."""
    burst: int
    """Most tokens that it holds."""
    tokens: float
    at: float
    """The moment that ``tokens`` and ``pace`` are of."""
    pace: float
    """Tokens a second now: ``rate``, or less for a while after a 429."""
    not_before: float = -math.inf
    """No token comes before this moment."""


def concurrency(burst: int, at_most: int) -> int:
    """How many requests may be in flight to a server with this documented burst: ``at_most``, or half the burst."""
    return max(1, min(at_most, burst // 2))


def opened(*, rate: float, burst: int, in_flight: int, now: float, not_before: float = -math.inf) -> Bucket:
    """A new, empty bucket for a server with this documented ``rate`` and ``burst``.

    ``in_flight`` is how many requests may be on their way at once; take it from :func:`concurrency`. No token comes
    ``not_before``.

    :raises ValueError: a rate that is not a positive number, or a burst below 1.
    """
    if not (0 < rate < math.inf):
        raise ValueError(f"rate: {rate} requests a second; allowed: a positive number")
    if burst < 1:
        raise ValueError(f"burst: {burst} requests; allowed: 1 or more")
    own = rate * (1 - MARGIN)
    return Bucket(rate=own, burst=max(1, burst - in_flight), tokens=0.0, at=now, pace=own, not_before=not_before)


def changed(bucket: Bucket, *, rate: float, burst: int, in_flight: int, now: float) -> Bucket:
    """The bucket under other limits than those it was :func:`opened` with; the same one where they are the same.

    It keeps what it holds, as far as there is room, and the part of its rate that 429s have left it.
    """
    new = opened(rate=rate, burst=burst, in_flight=in_flight, now=now)
    if (bucket.rate, bucket.burst) == (new.rate, new.burst):
        return bucket
    full = refilled(bucket, now)
    return msgspec.structs.replace(
        full,
        rate=new.rate,
        burst=new.burst,
        tokens=min(float(new.burst), full.tokens),
        pace=new.rate * min(1.0, full.pace / full.rate),
    )


def moved(bucket: Bucket, by: float) -> Bucket:
    """The same bucket by a clock that shows so many seconds more."""
    return msgspec.structs.replace(bucket, at=bucket.at + by, not_before=bucket.not_before + by)


def refilled(bucket: Bucket, now: float) -> Bucket:
    """The bucket as it stands at ``now``."""
    elapsed = now - max(bucket.at, bucket.not_before)
    if elapsed <= 0:
        return bucket
    growth = bucket.rate / RECOVERY
    climb = min(elapsed, (bucket.rate - bucket.pace) / growth)
    gained = bucket.pace * climb + growth * climb * climb / 2 + bucket.rate * (elapsed - climb)
    return msgspec.structs.replace(
        bucket,
        tokens=min(float(bucket.burst), bucket.tokens + gained),
        at=now,
        pace=min(bucket.rate, bucket.pace + growth * climb),
    )


def available(bucket: Bucket, now: float) -> int:
    """How many tokens can be taken now."""
    return int(refilled(bucket, now).tokens + _DUST)


def take(bucket: Bucket, n: int, now: float) -> Bucket:
    """The bucket after ``n`` tokens were taken.

    :raises ValueError: more than :func:`available`.
    """
    full = refilled(bucket, now)
    if n > int(full.tokens + _DUST):
        raise ValueError(f"{n} tokens from a bucket that holds {full.tokens:.3f}")
    return msgspec.structs.replace(full, tokens=max(0.0, full.tokens - n))


def give_back(bucket: Bucket, n: int, now: float) -> Bucket:
    """The bucket after ``n`` tokens that were taken and not used came back."""
    full = refilled(bucket, now)
    return msgspec.structs.replace(full, tokens=min(float(full.burst), full.tokens + n))


def wait(bucket: Bucket, now: float) -> float:
    """Seconds until a token can be taken; 0 where one can be taken now."""
    full = refilled(bucket, now)
    needed = 1.0 - full.tokens
    if needed <= _DUST:
        return 0.0
    blocked = max(0.0, full.not_before - now)
    growth = full.rate / RECOVERY
    climb = (full.rate - full.pace) / growth
    climbed = full.pace * climb + growth * climb * climb / 2
    if climbed >= needed:
        # pace * t + growth * t² / 2 = needed, in the form that stays exact when growth * needed is small
        return blocked + 2 * needed / (full.pace + math.sqrt(full.pace**2 + 2 * growth * needed))
    return blocked + climb + (needed - climbed) / full.rate


def slow(bucket: Bucket, now: float, retry_after: float | None) -> Bucket:
    """The bucket after a 429: empty, at half the pace, closed for ``retry_after`` seconds (None: :data:`PAUSE`).

    While it is closed a further 429 answers what left before it was closed: it may close it for longer, and does not
    halve the pace again.
    """
    pause = PAUSE if retry_after is None else min(max(retry_after, SHORTEST_PAUSE), LONGEST_PAUSE)
    full = refilled(bucket, now)
    pace = full.pace if now < full.not_before else max(full.rate * FLOOR, full.pace / 2)
    return msgspec.structs.replace(
        full, tokens=0.0, at=max(now, full.at), pace=pace, not_before=max(full.not_before, now + pause)
    )
