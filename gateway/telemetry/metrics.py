"""Records become metrics, for Prometheus.

Their labels are names and states: never a payload, a secret, or an id.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.delivery import (
    AttemptMade,
    CommandEnded,
    DestinationPaused,
    DestinationResumed,
    LookedUp,
    Record,
    ResultLost,
    StoreFailed,
)
from gateway.errors import StoreError
from gateway.inbound import fetch, quarantine
from gateway.inbound.received import Received
from gateway.inbound.visits import VisitMade
from gateway.model import CommandState
from gateway.pruning import PruneMade
from gateway.reload import ReloadRecord, RulesRefused, RulesServed
from gateway.shadow import ShadowCompared, ShadowLeftOut, ShadowRecord
from gateway.store import Pause, QuarantineCount

EXPOSITION_TYPE = CONTENT_TYPE_LATEST
"""The content type of :meth:`Metrics.exposition`."""

# A second series for every counter, which says when it was first counted: nobody asked for it.
disable_created_metrics()  # type: ignore[no-untyped-call]

_DELIVERY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counts what the gateway emits. Has a registry of its own, so several gateways live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counted: dict[tuple[Counter, tuple[str, ...]], int] = {}
        """Counter and labels of what this turn of the event loop counts."""
        self._received = Counter(
            "gateway_webhooks_received",
            "Requests at the hooks, by source and by what was answered.",
            ("source", "answer"),
            registry=self.registry,
        )
        self._webhooks = Counter(
            "gateway_webhooks_stored",
            "Stored webhooks, by the state in which translation left them.",
            ("source", "state"),
            registry=self.registry,
        )
        self._commands = Counter(
            "gateway_commands_made",
            "Commands that webhooks were translated into.",
            ("source",),
            registry=self.registry,
        )
        self._fetches = Counter(
            "gateway_fetches",
            "Attempts at fetching what webhooks point to, by how they ended.",
            ("source", "fetch", "outcome"),
            registry=self.registry,
        )
        self._visits = Counter(
            "gateway_visits",
            "Attempts at opening an address that a sender's challenge named, by how they ended.",
            ("source", "outcome"),
            registry=self.registry,
        )
        self._attempts = Counter(
            "gateway_attempts",
            "Attempts at delivery, by how they ended.",
            ("destination", "outcome"),
            registry=self.registry,
        )
        self._lookups = Counter(
            "gateway_lookups",
            "Lookups of commands whose outcome was unknown, by what they found.",
            ("destination", "finding"),
            registry=self.registry,
        )
        self._outcomes = Counter(
            "gateway_commands",
            "What became of commands: delivered, pending (again), failed, held, unknown, expired, suppressed.",
            ("destination", "command", "state"),
            registry=self.registry,
        )
        self._seconds = Histogram(
            "gateway_delivery_seconds",
            "Seconds from the first byte of an attempt to Intilery's answer.",
            ("destination",),
            buckets=_DELIVERY_SECONDS,
            registry=self.registry,
        )
        # Of several workers, the one that looked last is right.
        present: Any = {"multiprocess_mode": "livemostrecent", "registry": self.registry}
        self._backlog = Gauge("gateway_backlog", "Unfinished commands.", ("destination", "state"), **present)
        self._paused = Gauge(
            "gateway_destination_paused",
            "1 while nothing is sent to a destination.",
            ("destination",),
            **present,
        )
        self._pauses = Gauge(
            "gateway_paused",
            "1 for what is paused in the store: by a person, or (automatic) because a token is refused.",
            ("scope", "name", "automatic"),
            **present,
        )
        self._rules = Gauge("gateway_rules_info", "The served rules version.", ("version", "revision"), **present)
        self._rules_loaded = Gauge(
            "gateway_rules_loaded_timestamp_seconds",
            "When the rules folder was last found to hold what is served, in seconds since 1970.",
            **present,
        )
        self._rules_refused = Gauge(
            "gateway_rules_reload_failed",
            "1 while what stands in the rules folder can't be served and the version before goes on.",
            **present,
        )
        self._shadow_compared = Counter(
            "gateway_shadow_webhooks",
            "Webhooks that were translated by the shadow rules, too.",
            ("source",),
            registry=self.registry,
        )
        self._shadow_differences = Counter(
            "gateway_shadow_differences",
            "Commands that the shadow rules would make (appears), not make (vanishes) or make otherwise (changes).",
            ("source", "rule", "kind"),
            registry=self.registry,
        )
        self._shadow_left_out = Counter(
            "gateway_shadow_left_out",
            "Webhooks that were not compared with the shadow rules.",
            ("reason",),
            registry=self.registry,
        )
        self._shadow_rules = Gauge(
            "gateway_shadow_rules_info", "The version of the shadow rules.", ("version",), **present
        )
        self._shadow_refused = Gauge(
            "gateway_shadow_reload_failed",
            "1 while what stands in the folder of shadow rules can't be run.",
            **present,
        )
        self._pruned = Counter(
            "gateway_webhooks_pruned",
            "Webhooks that were taken out, being older than their retention.",
            registry=self.registry,
        )
        self._unauthentic = Counter(
            "gateway_authentication_failures",
            "Requests that failed authentication, by what was wrong.",
            ("source", "cause"),
            registry=self.registry,
        )
        self._in_quarantine = Gauge("gateway_quarantine", "Requests in quarantine.", ("source", "cause"), **present)
        self._quarantine_lost = Counter(
            "gateway_quarantine_lost",
            "Requests that failed authentication and were never written: too many at once, or the store failed.",
            registry=self.registry,
        )
        self._store_errors = Counter(
            "gateway_store_errors", "What the store could not do.", ("verb",), registry=self.registry
        )

    def received(self, record: Received) -> None:
        self._count(self._received, record.source, record.answer)
        if record.state is not None:
            self._count(self._webhooks, record.source, record.state)
            if record.commands:
                self._count(self._commands, record.source, by=record.commands)
            for ended in record.ended:
                self._count(self._outcomes, ended.destination, ended.command, ended.state.value)
        if record.answer == "not_stored":
            self._store_errors.labels("receive").inc()

    def _count(self, counter: Counter, *labels: str, by: int = 1) -> None:
        """Count at the end of this turn of the event loop, all that is alike at once: a group of webhooks is answered
        in one turn, and Counter takes a lock and several calls each time."""
        key = (counter, labels)
        if not self._counted:
            try:
                asyncio.get_running_loop().call_soon(self._add_up)
            except RuntimeError:  # no loop runs: nothing else is to be counted with it
                counter.labels(*labels).inc(by)
                return
        self._counted[key] = self._counted.get(key, 0) + by

    def _add_up(self) -> None:
        counted, self._counted = self._counted, {}
        for (counter, labels), by in counted.items():
            counter.labels(*labels).inc(by)

    def delivery(self, record: Record) -> None:
        match record:
            case AttemptMade(command=command, attempt=attempt, verdict=verdict):
                self._count(self._outcomes, command.destination, command.command, verdict.state)
                self._count(self._attempts, command.destination, attempt.outcome)
                self._seconds.labels(command.destination).observe(attempt.duration_ms / 1000)
            case CommandEnded(command=command):
                self._count(self._outcomes, command.destination, command.command, command.state.value)
            case LookedUp(command=command, finding=finding, verdict=verdict):
                self._lookups.labels(command.destination, finding).inc()
                self._count(self._outcomes, command.destination, command.command, verdict.state)
            case ResultLost(command=command, attempt=attempt):
                self._attempts.labels(command.destination, attempt.outcome.value).inc()
            case DestinationPaused(name=name):
                self._paused.labels(name).set(1)
            case DestinationResumed(name=name):
                self._paused.labels(name).set(0)
            case StoreFailed(verb=verb):
                self.store_failed(verb)

    def fetching(self, record: fetch.Record) -> None:
        match record:
            case fetch.FetchMade():
                self._fetches.labels(record.source, record.name, record.outcome).inc()
            case fetch.ThinTranslated():
                self._webhooks.labels(record.source, record.state.value).inc()
                if record.commands:
                    self._commands.labels(record.source).inc(record.commands)
                for ended in record.ended:
                    self._count(self._outcomes, ended.destination, ended.command, ended.state.value)
            case fetch.FetchStumbled(error=StoreError()):
                self.store_failed("fetch")

    def visited(self, record: VisitMade) -> None:
        self._visits.labels(record.source, record.outcome).inc()

    def store_failed(self, verb: str) -> None:
        """A verb of the store raised."""
        self._store_errors.labels(verb).inc()

    def pruned(self, record: PruneMade) -> None:
        if record.error is not None:
            self.store_failed("prune")
        else:
            self._pruned.inc(record.pruned.webhooks)

    def quarantine(self, record: quarantine.Record) -> None:
        match record:
            case quarantine.RefusedDiagnosed(source=source, diagnosis=diagnosis):
                self._count(self._unauthentic, source, diagnosis.cause)
            case quarantine.QuarantineWritten(lost=lost, error=error):
                if error is not None:
                    self.store_failed("quarantine")
                if lost:
                    self._quarantine_lost.inc(lost)

    def reloaded(self, record: ReloadRecord) -> None:
        self._rules_refused.set(isinstance(record, RulesRefused))
        if isinstance(record, RulesServed):
            version = record.ruleset.version
            self._forget(self._rules)
            self._rules.labels(version.version, version.revision or "").set(1)
            self._rules_loaded.set(record.at.timestamp())

    def shadow(self, record: ShadowRecord) -> None:
        match record:
            case ShadowCompared(compared=compared, differences=differences):
                for source, count in compared.items():
                    self._count(self._shadow_compared, source, by=count)
                for one in differences:
                    self._count(self._shadow_differences, one.source, one.rule, one.kind)
            case ShadowLeftOut(count=count, reason=reason):
                self._count(self._shadow_left_out, reason, by=count)

    def shadow_reloaded(self, record: ReloadRecord) -> None:
        self._shadow_refused.set(isinstance(record, RulesRefused))
        if isinstance(record, RulesServed):
            self._shadow_rules.clear()
            self._shadow_rules.labels(record.ruleset.version.version).set(1)

    def backlog(self, found: Mapping[str, Mapping[CommandState, int]]) -> None:
        """What :meth:`gateway.store.Store.backlog` said; asked for when somebody looks at the metrics."""
        self._forget(self._backlog)
        for destination, states in found.items():
            for state, count in states.items():
                self._backlog.labels(destination, state.value).set(count)

    def in_quarantine(self, found: Sequence[QuarantineCount]) -> None:
        """What :meth:`gateway.store.Store.quarantine_counts` said; asked for when somebody looks at the metrics."""
        self._forget(self._in_quarantine)
        for one in found:
            self._in_quarantine.labels(one.source, one.cause).set(one.count)

    def _forget(self, gauge: Gauge) -> None:
        """Show none of its series. Between workers a series can't be taken back, so it becomes 0."""
        if not _with_workers():
            gauge.clear()
            return
        for metric in gauge.collect():
            for sample in metric.samples:
                gauge.labels(**sample.labels).set(0)

    def pauses(self, found: Iterable[Pause]) -> None:
        """What :meth:`gateway.store.Store.pauses` said."""
        self._pauses.clear()
        for pause in found:
            self._pauses.labels(pause.scope.value, pause.name, str(pause.automatic).lower()).set(1)

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format; of all workers where this process is one (cli/workers.py)."""
        self._add_up()
        if not _with_workers():
            return generate_latest(self.registry)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
        return generate_latest(everybody)


def _with_workers() -> bool:
    """Whether prometheus_client counts in files that several processes share."""
    return "PROMETHEUS_MULTIPROC_DIR" in os.environ
