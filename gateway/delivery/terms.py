"""What all lanes of a dispatcher have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from gateway.backoff import Backoff
from gateway.delivery import Record


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Lengths of time, those in seconds floats and longer ones timedeltas; the clocks; who is told what happens."""

    lease: timedelta
    margin: float
    """By how much a lease must outlast a send: time to record its result, and for clocks to differ."""
    backoff: Backoff
    look_up_after: timedelta
    """Between an unknown outcome and its lookup."""
    poll: float
    probe_every: float
    probe_at_most: float
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    rng: Callable[[], float]
    emit: Callable[[Record], None]
