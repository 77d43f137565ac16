"""What every address still takes: a row for each, spent in the transaction that claims, by all gateways together.

Whoever spends locks the rows first, in the order of their addresses and before anything else, so that no two
transactions wait for one another over them. The server's clock counts: those of the gateways may differ.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway import pacing
from gateway.pacing import Bucket
from gateway.store import Limits
from gateway.store.postgres.statements import Connection, fetch_each, run, sql, write

_COLUMNS = "rate, burst, tokens, at, pace, not_before"
_TYPED = (
    "rate double precision, burst integer, tokens double precision, at double precision, pace double precision, "
    "not_before double precision"
)
# The clock is asked behind the lock: who had to wait for it is told the moment at which it got it.
_LOCK = f"""
SELECT address, {_COLUMNS} FROM buckets WHERE address = ANY(%s::text[]) ORDER BY address FOR NO KEY UPDATE
"""  # noqa: S608 - made of constants
_NOW = "SELECT extract(epoch FROM clock_timestamp())::double precision"
_OPEN = sql(f"""
INSERT INTO buckets (address, {_COLUMNS}) SELECT address, {_COLUMNS} FROM {{v: address text, {_TYPED}}}
ORDER BY address ON CONFLICT (address) DO NOTHING
""")  # noqa: S608 - made of constants
_WRITE = """
UPDATE buckets SET rate = %s, burst = %s, tokens = %s, at = %s, pace = %s, not_before = %s WHERE address = %s
"""


def in_flight(limits: Limits) -> int:
    """What all gateways together may have on its way there: three quarters of the burst.

    Each has its part of one half in flight (:mod:`gateway.delivery.allowance`). The rest is for one that comes in, or
    wakes up, and that the others do not count yet.
    """
    return max(limits.in_flight, limits.burst - limits.burst // 4)


class Buckets:
    """The buckets of some addresses, locked until the transaction ends, at one moment of the server's clock."""

    def __init__(self, found: dict[str, Bucket], now: float) -> None:
        self._found, self._now = found, now
        self._changed: set[str] = set()

    def _of(self, limits: Limits) -> Bucket:
        bucket = self._found[limits.address]
        if bucket.at > self._now:  # the clock was set back, or this is another server: lengths of time stay
            bucket = pacing.moved(bucket, self._now - bucket.at)
        return pacing.changed(bucket, rate=limits.rate, burst=limits.burst, in_flight=in_flight(limits), now=self._now)

    def _put(self, limits: Limits, bucket: Bucket) -> Bucket:
        if bucket is not self._found[limits.address]:
            self._found[limits.address] = bucket
            self._changed.add(limits.address)
        return pacing.moved(bucket, -self._now)

    def available(self, limits: Limits) -> int:
        """How many tokens there are."""
        return pacing.available(self._of(limits), self._now)

    def spend(self, limits: Limits, n: int) -> Bucket:
        """Take ``n`` of them; the bucket as it is then, now being 0."""
        bucket = self._of(limits)
        return self._put(limits, pacing.take(bucket, n, self._now) if n else bucket)

    def slow(self, limits: Limits, retry_after: float | None) -> Bucket:
        """There was a 429; the bucket as it is then, now being 0."""
        return self._put(limits, pacing.slow(self._of(limits), self._now, retry_after))

    async def write(self, db: Connection) -> None:
        """Write those that have changed."""
        for address in sorted(self._changed):
            await run(db, _WRITE, (*msgspec.structs.astuple(self._found[address]), address))


async def locked(db: Connection, asked: Iterable[Limits]) -> Buckets:
    """The buckets of these addresses, locked; new ones are empty."""
    limits = {one.address: one for one in asked}
    if not limits:
        return Buckets({}, 0.0)
    found, now = await _lock(db, list(limits))
    if missing := sorted(limits.keys() - found.keys()):
        await write(db, _OPEN, [(address, *_opened(limits[address], now)) for address in missing])
        found, now = await _lock(db, list(limits))
    return Buckets(found, now)


def _opened(limits: Limits, now: float) -> tuple[object, ...]:
    bucket = pacing.opened(rate=limits.rate, burst=limits.burst, in_flight=in_flight(limits), now=now)
    return msgspec.structs.astuple(bucket)


async def _lock(db: Connection, addresses: list[str]) -> tuple[dict[str, Bucket], float]:
    rows, [(now,)] = await fetch_each(db, [(_LOCK, (addresses,)), (_NOW, ())])
    found = {
        address: Bucket(rate=rate, burst=burst, tokens=tokens, at=at, pace=pace, not_before=not_before)
        for address, rate, burst, tokens, at, pace, not_before in rows
    }
    return found, now
