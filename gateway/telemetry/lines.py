"""Records become log lines.

Never a payload and never a secret: names, ids, states and counts only.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

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
from gateway.store import Pruned

LINES = 5.0
"""Of the log, a second, for what one source was answered in one way; twice as many at once after a quiet time."""
OUTAGE_LINES = 0.1
"""Of the log, a second, for one thing that the store can't do: while it is away, all that would be written fails."""
_log = logging.getLogger("gateway")


class Lines:
    """Writes a line for what somebody should know of. What strangers can cause without end gets few lines."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._rates = Rates(clock)
        self._untold: dict[str, int] = {}
        """By source and answer, or by what the store can't do: what had no line."""
        self._unlogged: dict[str, int] = {}
        """By source: failures of authentication that no line tells of yet."""

    def received(self, record: Received) -> None:
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
        return self._like(f"{record.source} {record.answer}", LINES)

    def _like(self, like: str, rate: float) -> str | None:
        if self._rates.wait(like, rate):
            self._untold[like] = self._untold.get(like, 0) + 1
            return None
        before = self._untold.pop(like, 0)
        return f" ({before:,} like it had no line)" if before else ""

    def delivery(self, record: Record) -> None:
        match record:
            case AttemptMade():
                self._attempt_made(record)
            case CommandEnded(command=command):
                # Without its reason, which may name the customer.
                _log.info(
                    "%s: %s does not leave: %s",
                    command.destination,
                    command.command,
                    command.state.value,
                    extra={"fields": {"command": command.id, "rule": command.rule, "source": command.source}},
                )
            case LookedUp(command=command, finding=finding, verdict=verdict):
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
                _log.error(
                    "%s: %s ended (%s) and could not be recorded under its lease; its outcome is unknown",
                    command.destination,
                    command.command,
                    attempt.outcome.value,
                    extra={"fields": {"command": command.id}},
                )
            case DestinationPaused(name=name, reason=reason):
                _log.error("destination %s is paused: %s", name, reason)
            case DestinationResumed(name=name):
                _log.warning("destination %s is sent to again", name)
            case PauseBegun(pause=pause):
                why = f": {pause.reason}" if pause.reason else ""
                _log.warning("%s %s is paused by %s%s", pause.scope.value, pause.name, pause.by, why)
            case PauseEnded(scope=scope, name=name):
                _log.warning("%s %s is resumed", scope.value, name)
            case ClockSetBack(by=by):
                _log.warning("the clock was set back by %.0f s; what waits for its turn goes on", by.total_seconds())
            case StoreFailed(verb=verb, message=message):
                if (before := self._like(f"the store: {verb}", OUTAGE_LINES)) is not None:
                    _log.error("the store could not %s: %s%s", verb, message, before)
            case Stumbled(where=where, error=error):
                _log.error("delivery stumbled at %s and goes on", where, exc_info=error)

    def _attempt_made(self, record: AttemptMade) -> None:
        command, verdict = record.command, record.verdict
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
        match record:
            case fetch.FetchMade(message=str(message)):
                _log.log(
                    logging.INFO if record.outcome == "again" else logging.ERROR,
                    "%s: fetch %s: %s: %s",
                    record.source,
                    record.name,
                    record.outcome.replace("_", " "),
                    message,
                    extra={"fields": {"webhook": record.webhook_id}},
                )
            case fetch.FetchStumbled(error=StoreError()):
                if (before := self._like("the store: fetch", OUTAGE_LINES)) is not None:
                    what = record.source or "fetching"
                    _log.error("%s: the store failed while fetching: %s%s", what, record.error, before)
            case fetch.FetchStumbled():
                _log.error("%s: fetching stumbled and goes on", record.source or "fetching", exc_info=record.error)

    def visited(self, record: VisitMade) -> None:
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

    def pruned(self, record: PruneMade) -> None:
        if record.error is not None:
            _log.error("pruning: %s", record.error)
        elif record.pruned != Pruned():
            counts = msgspec.to_builtins(record.pruned)
            told = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)
            _log.info("pruned: %s", told, extra={"fields": counts})

    def quarantine(self, record: quarantine.Record) -> None:
        match record:
            case quarantine.RefusedDiagnosed(source=source, id=id, reason=reason, diagnosis=diagnosis):
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
                    _log.error("quarantine: %d requests could not be kept: %s", lost, error)

    def reloaded(self, record: ReloadRecord) -> None:
        match record:
            case RulesServed(ruleset=ruleset, changed=changed, renamed=renamed):
                version = ruleset.version
                what = f"; changed: {', '.join(changed)}" if changed else ""
                fields = {"rules_version": version.version, "revision": version.revision}
                _log.info("rules version %s is served%s", version.version, what, extra={"fields": fields})
                for warning in (*renamed, *(ruleset.warnings if changed else ())):
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

    def shadow_reloaded(self, record: ReloadRecord) -> None:
        match record:
            case RulesServed(ruleset=ruleset):
                version = ruleset.version.version
                _log.info("shadow rules version %s run beside", version, extra={"fields": {"rules_version": version}})
            case RulesRefused(failure=failure):
                _log.error("the shadow rules can't be run: %s", failure)
                for problem in failure.problems:
                    _log.error("shadow rules: %s", problem)
