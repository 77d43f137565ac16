"""Telemetry, at the edge: the core emits one frozen record per outcome; here records become log lines and metrics.

Never a payload and never a secret: names, ids, states and counts only.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import IO, Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.delivery import (
    AttemptMade,
    ClockSetBack,
    CommandEnded,
    DestinationPaused,
    DestinationResumed,
    LookedUp,
    PauseBegun,
    PauseEnded,
    Record,
    ResultLost,
    StoreFailed,
    Stumbled,
)
from gateway.errors import StoreError
from gateway.inbound import fetch, quarantine
from gateway.inbound.rates import Rates
from gateway.inbound.received import Received
from gateway.inbound.trials import Cause
from gateway.inbound.visits import VisitMade
from gateway.model import CommandState
from gateway.pruning import PruneMade
from gateway.reload import ReloadRecord, RulesRefused, RulesServed
from gateway.shadow import ShadowCompared, ShadowLeftOut, ShadowRecord
from gateway.store import Pause, Pruned, QuarantineCount

EXPOSITION_TYPE = CONTENT_TYPE_LATEST
"""The content type of :meth:`Telemetry.exposition`."""

# A second series for every counter, which says when it was first counted: nobody asked for it.
disable_created_metrics()  # type: ignore[no-untyped-call]

LINES = 5.0
"""Of the log, a second, for what one source was answered in one way; twice as many at once after a quiet time."""
_log = logging.getLogger("gateway")
_DELIVERY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Telemetry:
    """Counts and logs what the gateway emits. Has a registry of its own, so several gateways live in one process."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.registry = CollectorRegistry()
        self._lines = Rates(clock)
        self._untold: dict[str, int] = {}
        """By source and answer: requests that had no line."""
        self._unlogged: dict[str, int] = {}
        """By source: failures of authentication that no line tells of yet."""
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
        """One request at a hook was answered."""
        self._count(self._received, record.source, record.answer)
        if record.state is not None:
            self._count(self._webhooks, record.source, record.state)
            if record.commands:
                self._count(self._commands, record.source, by=record.commands)
            for ended in record.ended:
                self._count(self._outcomes, ended.destination, ended.command, ended.state.value)
        if record.answer == "not_stored":
            self._store_errors.labels("receive").inc()
        if record.answer == "challenge" and (before := self._before(record)) is not None:
            fields = {"source": record.source}
            _log.info("%s: a challenge was answered%s", record.source, before, extra={"fields": fields})
        if record.reason is not None:
            # Anybody can ask for what is not there; that is worth no line. What failed authentication gets one when it
            # was looked into.
            silent = record.status in (404, 405) or (record.status == 401 and record.webhook_id != "")
            level = logging.DEBUG if silent else logging.WARNING
            before = "" if silent else self._before(record)
            if before is None:
                return
            _log.log(
                logging.ERROR if record.status >= 500 and record.answer != "overloaded" else level,
                "%s: %s: %s%s",
                record.source or "hooks",
                record.answer,
                record.reason,
                before,
                extra={"fields": {"source": record.source, "status": record.status, "webhook": record.webhook_id}},
            )

    def _before(self, record: Received) -> str | None:
        """What a line says of those like it that had none; None where this one gets none either: strangers could fill
        the disk. All of them are counted."""
        like = f"{record.source} {record.answer}"
        if self._lines.wait(like, LINES):
            self._untold[like] = self._untold.get(like, 0) + 1
            return None
        before = self._untold.pop(like, 0)
        return f" ({before:,} like it had no line)" if before else ""

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
        """Something happened on the way to Intilery."""
        match record:
            case AttemptMade():
                self._attempt_made(record)
            case CommandEnded(command=command):
                self._count(self._outcomes, command.destination, command.command, command.state.value)
                # Without its reason, which may name the customer.
                _log.info(
                    "%s: %s does not leave: %s",
                    command.destination,
                    command.command,
                    command.state.value,
                    extra={"fields": {"command": command.id, "rule": command.rule, "source": command.source}},
                )
            case LookedUp(command=command, finding=finding, verdict=verdict):
                self._lookups.labels(command.destination, finding).inc()
                self._count(self._outcomes, command.destination, command.command, verdict.state)
                _log.warning(
                    "%s: %s was looked up: %s, so it is %s%s",
                    command.destination,
                    command.command,
                    finding,
                    verdict.state.value,
                    f": {verdict.reason}" if verdict.reason else "",
                    extra={"fields": {"command": command.id, "rule": command.rule, "source": command.source}},
                )
            case ResultLost(command=command, attempt=attempt):
                self._attempts.labels(command.destination, attempt.outcome.value).inc()
                _log.error(
                    "%s: %s ended (%s) and could not be recorded under its lease; its outcome is unknown",
                    command.destination,
                    command.command,
                    attempt.outcome.value,
                    extra={"fields": {"command": command.id}},
                )
            case DestinationPaused(name=name, reason=reason):
                self._paused.labels(name).set(1)
                _log.error("destination %s is paused: %s", name, reason)
            case DestinationResumed(name=name):
                self._paused.labels(name).set(0)
                _log.warning("destination %s is sent to again", name)
            case PauseBegun(pause=pause):
                why = f": {pause.reason}" if pause.reason else ""
                _log.warning("%s %s is paused by %s%s", pause.scope.value, pause.name, pause.by, why)
            case PauseEnded(scope=scope, name=name):
                _log.warning("%s %s is resumed", scope.value, name)
            case ClockSetBack(by=by):
                _log.warning("the clock was set back by %.0f s; what waits for its turn goes on", by.total_seconds())
            case StoreFailed(verb=verb, message=message):
                self.store_failed(verb)
                _log.error("the store could not %s: %s", verb, message)
            case Stumbled(where=where, error=error):
                _log.error("delivery stumbled at %s and goes on", where, exc_info=error)

    def _attempt_made(self, record: AttemptMade) -> None:
        command, attempt, verdict = record.command, record.attempt, record.verdict
        self._count(self._outcomes, command.destination, command.command, verdict.state)
        self._count(self._attempts, command.destination, attempt.outcome)
        self._seconds.labels(command.destination).observe(attempt.duration_ms / 1000)
        if verdict.state not in {CommandState.DELIVERED, CommandState.PENDING}:
            _log.warning(
                "%s: %s %s: %s",
                command.destination,
                command.command,
                verdict.state.value,
                verdict.reason or "no reason given",
                extra={"fields": {"command": command.id, "rule": command.rule, "source": command.source}},
            )

    def fetching(self, record: fetch.Record) -> None:
        """Something happened to a webhook that waits for data."""
        match record:
            case fetch.FetchMade():
                self._fetches.labels(record.source, record.name, record.outcome).inc()
                if record.message is not None:
                    _log.log(
                        logging.INFO if record.outcome == "again" else logging.ERROR,
                        "%s: fetch %s: %s: %s",
                        record.source,
                        record.name,
                        record.outcome.replace("_", " "),
                        record.message,
                        extra={"fields": {"webhook": record.webhook_id}},
                    )
            case fetch.ThinTranslated():
                self._webhooks.labels(record.source, record.state.value).inc()
                if record.commands:
                    self._commands.labels(record.source).inc(record.commands)
                for ended in record.ended:
                    self._count(self._outcomes, ended.destination, ended.command, ended.state.value)
            case fetch.FetchStumbled(error=StoreError()):
                self.store_failed("fetch")
                _log.error("%s: the store failed while fetching: %s", record.source or "fetching", record.error)
            case fetch.FetchStumbled():
                _log.error("%s: fetching stumbled and goes on", record.source or "fetching", exc_info=record.error)

    def visited(self, record: VisitMade) -> None:
        """An address that a sender asked to be opened was, or was not."""
        self._visits.labels(record.source, record.outcome).inc()
        told = f": {record.message}" if record.message else ""
        _log.log(
            logging.INFO if record.outcome in ("answered", "again") else logging.ERROR,
            "%s: the address at %s that confirms its subscription: %s%s",
            record.source,
            record.host,
            record.outcome.replace("_", " "),
            told,
            extra={"fields": {"source": record.source}},
        )

    def store_failed(self, verb: str) -> None:
        """A verb of the store raised."""
        self._store_errors.labels(verb).inc()

    def pruned(self, record: PruneMade) -> None:
        """What was old and over was taken out of the store."""
        if record.error is not None:
            self.store_failed("prune")
            _log.error("pruning: %s", record.error)
        elif record.pruned != Pruned():
            counts = msgspec.to_builtins(record.pruned)
            self._pruned.inc(record.pruned.webhooks)
            told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
            _log.info("pruned: %s", told, extra={"fields": counts})

    def quarantine(self, record: quarantine.Record) -> None:
        """A request that failed authentication was looked into; or some of them were written, or could not be."""
        match record:
            case quarantine.RefusedDiagnosed(source=source, id=id, reason=reason, diagnosis=diagnosis):
                self._count(self._unauthentic, source, diagnosis.cause)
                if diagnosis.cause is Cause.UNDIAGNOSED:
                    # A line for each would let strangers fill the disk.
                    self._unlogged[source] = self._unlogged.get(source, 0) + 1
                    return
                before = self._unlogged.pop(source, 0)
                more = f" ({before:,} before it failed and were not looked into)" if before else ""
                fields = {"source": source, "status": 401, "cause": diagnosis.cause.value, "webhook": id}
                told = "; ".join((reason, *diagnosis.findings))
                _log.warning("%s: authentication_failed: %s%s", source, told, more, extra={"fields": fields})
            case quarantine.QuarantineWritten(lost=lost, error=error):
                if error is not None:
                    self.store_failed("quarantine")
                    _log.error("quarantine: %d requests could not be kept: %s", lost, error)
                if lost:
                    self._quarantine_lost.inc(lost)

    def reloaded(self, record: ReloadRecord) -> None:
        """The rules folder was looked at: it holds what is served, or what can't be served."""
        self._rules_refused.set(isinstance(record, RulesRefused))
        match record:
            case RulesServed(ruleset=ruleset, at=at, changed=changed):
                version = ruleset.version
                self._forget(self._rules)
                self._rules.labels(version.version, version.revision or "").set(1)
                self._rules_loaded.set(at.timestamp())
                what = f"; changed: {', '.join(changed)}" if changed else ""
                fields = {"rules_version": version.version, "revision": version.revision}
                _log.info("rules version %s is served%s", version.version, what, extra={"fields": fields})
                for warning in ruleset.warnings if changed else ():
                    _log.warning("rules: %s", warning)
            case RulesRefused(served=served, failure=failure):
                fields = {"rules_version": served}
                _log.error(
                    "the rules folder can't be served and version %s goes on: %s",
                    served,
                    failure,
                    extra={"fields": fields},
                )
                for problem in failure.problems:
                    _log.error("rules: %s", problem, extra={"fields": fields})

    def shadow(self, record: ShadowRecord) -> None:
        """Webhooks were compared with the shadow rules, or left out."""
        match record:
            case ShadowCompared(compared=compared, differences=differences):
                for source, count in compared.items():
                    self._count(self._shadow_compared, source, by=count)
                for one in differences:
                    self._count(self._shadow_differences, one.source, one.rule, one.kind)
            case ShadowLeftOut(count=count, reason=reason):
                self._count(self._shadow_left_out, reason, by=count)

    def shadow_reloaded(self, record: ReloadRecord) -> None:
        """The folder of shadow rules was looked at."""
        self._shadow_refused.set(isinstance(record, RulesRefused))
        match record:
            case RulesServed(ruleset=ruleset):
                version = ruleset.version.version
                self._shadow_rules.clear()
                self._shadow_rules.labels(version).set(1)
                _log.info("shadow rules version %s run beside", version, extra={"fields": {"rules_version": version}})
            case RulesRefused(failure=failure):
                _log.error("the shadow rules can't be run: %s", failure)
                for problem in failure.problems:
                    _log.error("shadow rules: %s", problem)

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


class _JSONLines(logging.Formatter):
    """One JSON object a line: at, level, logger, message, and the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        # A message may quote what a sender sent, lone surrogates too: those are replaced, never raised over.
        return msgspec.json.encode(_writable(line)).decode()


class _Text(logging.Formatter):
    """For a person at a terminal: local time, level, message, fields."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        fields = "".join(f" {key}={value}" for key, value in getattr(record, "fields", {}).items() if value)
        # What a sender made us quote must not begin a line of its own.
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = f"{at} {record.levelname.lower():<7} {message}{fields}"
        if record.exc_info:
            line += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return line.encode("utf-8", "replace").decode()


def _writable(line: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Without what is empty; numbers stay numbers."""
    return {
        key: value if type(value) in (int, float) else str(value).encode("utf-8", "replace").decode()
        for key, value in line.items()
        if value is not None and value != ""
    }


def configure_logging(*, format: str, level: str, stream: IO[str] | None = None) -> None:
    """Send every log line of this process to ``stream`` (stderr). ``format`` is ``auto``, ``text`` or ``json``."""
    stream = sys.stderr if stream is None else stream
    as_text = format == "text" or (format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Text() if as_text else _JSONLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their info lines are about themselves, or one per request.
    for name in ("httpx", "uvicorn", "watchfiles"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
