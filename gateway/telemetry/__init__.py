"""Telemetry, at the edge: the core emits one frozen record per outcome; here records become log lines and metrics.

Never a payload and never a secret: names, ids, states and counts only.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from gateway.delivery import Record
from gateway.inbound import fetch, quarantine
from gateway.inbound.received import Received
from gateway.inbound.visits import VisitMade
from gateway.pruning import PruneMade
from gateway.reload import ReloadRecord
from gateway.shadow import ShadowRecord
from gateway.telemetry.formats import configure_logging
from gateway.telemetry.lines import Lines
from gateway.telemetry.metrics import Metrics

__all__ = ["Metrics", "Telemetry", "configure_logging"]


class Telemetry:
    """Takes what the gateway emits, a method for each kind of record; ``metrics`` count it and ``lines`` tell of it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.metrics = Metrics()
        self.lines = Lines(clock)

    def received(self, record: Received) -> None:
        """One request at a hook was answered."""
        self.metrics.received(record)
        self.lines.received(record)

    def delivery(self, record: Record) -> None:
        """Something happened on the way to Intilery."""
        self.metrics.delivery(record)
        self.lines.delivery(record)

    def fetching(self, record: fetch.Record) -> None:
        """Something happened to a webhook that waits for data."""
        self.metrics.fetching(record)
        self.lines.fetching(record)

    def visited(self, record: VisitMade) -> None:
        """An address that a sender asked to be opened was, or was not."""
        self.metrics.visited(record)
        self.lines.visited(record)

    def pruned(self, record: PruneMade) -> None:
        """What was old and over was taken out of the store."""
        self.metrics.pruned(record)
        self.lines.pruned(record)

    def quarantine(self, record: quarantine.Record) -> None:
        """A request that failed authentication was looked into; or some of them were written, or could not be."""
        self.metrics.quarantine(record)
        self.lines.quarantine(record)

    def reloaded(self, record: ReloadRecord) -> None:
        """The rules folder was looked at: it holds what is served, or what can't be served."""
        self.metrics.reloaded(record)
        self.lines.reloaded(record)

    def shadow(self, record: ShadowRecord) -> None:
        """Webhooks were compared with the shadow rules, or left out."""
        self.metrics.shadow(record)

    def shadow_reloaded(self, record: ReloadRecord) -> None:
        """The folder of shadow rules was looked at."""
        self.metrics.shadow_reloaded(record)
        self.lines.shadow_reloaded(record)
