"""A webhook becomes commands: pure, without I/O, and the same for the same webhook and rules every time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from gateway.errors import MappingError
from gateway.intilery.contract import timestamp
from gateway.model import Command, MappingProblem, WebhookState
from gateway.rules.budget import ERROR_STEPS, Budget, OverBudget
from gateway.rules.commands import CommandMaker
from gateway.rules.conditions import Condition
from gateway.rules.event_time import event_time
from gateway.rules.mapping import elements_of
from gateway.rules.model import Arrival, Rule, Source, TraceLine, Translation
from gateway.rules.scope import UNSET, EvaluationFailed, Scope, webhook_facts
from gateway.rules.values import MISSING, as_text, describe, is_nothing
from gateway.terms import Cancellation

MAX_ERRORS = 100
"""Mapping errors kept of one webhook."""


def translate(source: Source, arrival: Arrival, *, now: datetime, trace: bool = False) -> Translation:
    """Run a source's rules over a webhook. Never raises; what went wrong is in the answer.

    ``now`` is when the commands are made: the moment of receipt, or of a replay. Lengths (``delay``, ``expires``) count
    from the receipt all the same, so that a replay never sends stale mail.

    With ``trace`` every rule is looked at and says why it matched or did not; without, rules that cannot match are
    passed over by index.
    """
    try:
        scope, event_type, dedup_key = recognised(source, arrival)
    except (OverBudget, EvaluationFailed) as error:
        return Translation(state=WebhookState.UNTRANSLATABLE, reason=str(error))
    happened = event_time(source, scope) if source.event_time is not None else None
    run = _Run(source, arrival, scope, now=now, trace=trace)
    try:
        state, reason = run.all()
    except OverBudget as error:
        run.commands.clear()
        run.cancellations.clear()
        state, reason = WebhookState.UNTRANSLATABLE, str(error)
    return Translation(
        state=state,
        reason=reason,
        commands=tuple(run.commands),
        cancellations=tuple(run.cancellations),
        errors=tuple(run.errors[:MAX_ERRORS]),
        warnings=tuple(
            MappingProblem(rule=warned.rule, path=warned.path, message=warned.message) for warned in scope.warnings
        )
        if scope.warnings
        else (),
        matched=tuple(run.matched),
        trace=tuple(run.lines),
        dedup_key=dedup_key,
        event_type=event_type,
        event_time=happened,
    )


def recognised(source: Source, arrival: Arrival) -> tuple[Scope, str | None, str | None]:
    """What a source's expressions see of a webhook, its event type and its dedup key.

    :raises OverBudget: reading them takes too many steps.
    :raises EvaluationFailed: one of them says ``required`` and is nothing.
    """
    scope = scope_of(source, arrival)
    event_type = _text(source.event_type, scope)
    scope.webhook = webhook_facts(
        id=arrival.webhook_id, source=source.name, received_at=arrival.received_at, event_type=event_type
    )
    key = _dedup_key(source, scope)
    if key is not None and source.dedup_by_index and arrival.index is not None:
        key = f"{key}|{arrival.index}"
    return scope, event_type, key


def scope_of(source: Source, arrival: Arrival) -> Scope:
    """What a source's expressions see of a webhook, but for ``$webhook``."""
    return Scope(
        body=arrival.body,
        headers=arrival.headers,
        query=arrival.query,
        path=arrival.path,
        webhook={},
        lets=source.lets,
        batch=arrival.batch,
        fetched=MISSING if arrival.fetched is None else arrival.fetched,
    )


def _text(expression: Any, scope: Scope) -> str | None:
    if expression is None:
        return None
    value = expression.evaluate(scope)
    if type(value) is str:
        return value or None
    return None if is_nothing(value) else as_text(value)


def _dedup_key(source: Source, scope: Scope) -> str | None:
    """The parts that are something, each with its length, so that no two different lists of parts are one key."""
    parts: list[str] = []
    for expression in source.dedup_key:
        value = expression.evaluate(scope)
        text = value if type(value) is str else as_text(value)
        if not text:
            return None
        parts.append(text)
    if len(parts) == 1:
        return parts[0]
    return "|".join([f"{len(part)}:{part}" for part in parts]) or None


class _Run:
    """One pass over the rules."""

    def __init__(self, source: Source, arrival: Arrival, scope: Scope, *, now: datetime, trace: bool) -> None:
        self.maker = CommandMaker(source, arrival, now=now)
        self.source = source
        self.arrival = arrival
        self.scope = scope
        self.trace = trace
        self.commands: list[Command] = []
        self.cancellations: list[Cancellation] = []
        self.errors: list[MappingProblem] = []
        self.matched: list[str] = []
        self.lines: list[TraceLine] = []

    def all(self) -> tuple[WebhookState, str | None]:
        """Run every rule that may match; return what became of the webhook."""
        ignore = self.source.ignore
        if ignore is not None and ignore.holds(self.scope):
            return WebhookState.IGNORED, self._held(ignore)
        if self.trace:
            self._every()
        else:
            for rule in self._candidates():
                if rule.enabled and self._matches(rule):
                    self._rule(rule)
                    if rule.stops:
                        break
        if self.commands or self.cancellations or (self.matched and not self.errors):
            return WebhookState.TRANSLATED, None
        if self.matched:
            return WebhookState.UNTRANSLATABLE, self.errors[0].message
        return WebhookState.UNMATCHED, None

    def _matches(self, rule: Rule) -> bool:
        self.scope.rule_lets = [UNSET] * rule.lets
        return rule.when.holds(self.scope)

    def _every(self) -> None:
        """As without a trace, and in its order; each rule that does not match says why."""
        candidates = {rule.id for rule in self._candidates()}
        stopped = ""
        for rule in self.source.rules:
            if stopped:
                self._line(rule, False, f"not looked at: rule '{stopped}' matched and says stop")
            elif not rule.enabled:
                self._line(rule, False, "is switched off (enabled: false)")
            else:
                try:
                    matches = rule.id in candidates and self._matches(rule)
                    if matches:
                        self._rule(rule)
                except OverBudget as error:
                    self._line(rule, rule.id in self.matched, str(error))
                    raise
                if not matches:
                    self._line(rule, False, self._why_not(rule))
                elif rule.stops:
                    stopped = rule.name

    def _held(self, ignore: Condition) -> str:
        """Which of the source's ignore conditions held; telling it costs the webhook nothing."""
        self.scope.budget = Budget()
        try:
            words = ignore.words(self.scope)
        except (OverBudget, EvaluationFailed):
            words = ""
        return (words if len(words) <= 300 else f"{words[:299]}…") or "the source's ignore conditions hold"

    def _why_not(self, rule: Rule) -> str:
        """Looking again, for a person, costs the webhook nothing and leaves nothing behind: with a trace the commands
        must be those without."""
        scope = self.scope
        budget, lets, warnings = scope.budget, list(scope.lets), len(scope.warnings)
        scope.budget, scope.rule_lets = Budget(), [UNSET] * rule.lets
        try:
            return rule.when.why_not(scope)
        except OverBudget as error:
            return str(error)
        finally:
            scope.budget, scope.lets = budget, lets
            del scope.warnings[warnings:]

    def _candidates(self) -> tuple[Rule, ...]:
        index = self.source.index
        if index is None:
            return self.source.rules
        try:
            value = index.evaluate(self.scope)
        except EvaluationFailed:
            return self.source.rules
        kind = type(value)
        if kind is str or kind is int or kind is Decimal:
            return index.by_value.get(value, index.others)
        # Lists are tested by their elements, and the rest is rare: every rule looks for itself.
        return self.source.rules

    def _line(self, rule: Rule, matched: bool, why: str, made: Iterable[Command] = ()) -> None:
        if self.trace:
            ids = tuple(command.id for command in made)
            self.lines.append(TraceLine(rule=rule.name, matched=matched, why=why, commands=ids))

    def _rule(self, rule: Rule) -> None:
        scope = self.scope
        scope.rule = rule.id
        self.matched.append(rule.id)
        before = len(self.commands), len(self.errors), len(self.cancellations)
        if rule.for_each is None:
            self._make(rule, "", None)
        else:
            keys: set[str] = set()
            for element in self._elements(rule):
                scope.rule_lets = [UNSET] * rule.lets
                self._make(rule, element, keys)
            scope.item = MISSING
        scope.rule = ""
        if self.trace:
            commands, errors, cancellations = before
            made = self.commands[commands:]
            words = _outcome(made, self.errors[errors:], self.cancellations[cancellations:])
            self._line(rule, True, words, made)

    def _make(self, rule: Rule, element: str, keys: set[str] | None) -> None:
        """The commands of one element; its mapping error stops nothing else."""
        try:
            if rule.key is not None and keys is not None:
                element = self._key(rule, keys)
            cancellation = self.maker.cancellation(rule, self.scope) if rule.cancel is not None else None
            self.commands.extend(self.maker.make(rule, element, self.scope))
            if cancellation is not None and rule.mode == "live":
                self.cancellations.append(cancellation)
        except MappingError as error:
            self._error(rule, error, element)
        except EvaluationFailed as failed:
            self._error(rule, MappingError(str(failed), field=failed.field, path=failed.path), element)

    def _elements(self, rule: Rule) -> Iterator[str]:
        """The identity of each element in turn, with ``$item`` set."""
        assert rule.for_each is not None
        try:
            elements = elements_of(rule.for_each(self.scope))
        except EvaluationFailed as failed:
            self._error(rule, MappingError(str(failed), field="for_each", path=failed.path), "")
            return
        if elements is MISSING:
            self._error(
                rule,
                MappingError(
                    f"for_each is nothing: {rule.for_each_text} is missing", field="for_each", path=rule.for_each_text
                ),
                "",
            )
            return
        # Each element spends what its command takes, so few more than 1,000 can become commands.
        self.scope.budget.spend(len(elements))
        for number, item in enumerate(elements):
            self.scope.item = item
            yield str(number)

    def _key(self, rule: Rule, taken: set[str]) -> str:
        assert rule.key is not None
        value = rule.key(self.scope)
        text = None if is_nothing(value) else as_text(value)
        if text is None:
            raise MappingError(
                f"key is {describe(value)}; it names the element and so must be text or a number", field="key"
            )
        if text in taken:
            raise MappingError(f"key is {describe(value)}, as of an element before; it names one element", field="key")
        taken.add(text)
        return text

    def _error(self, rule: Rule, error: MappingError, element: str) -> None:
        self.scope.budget.spend(ERROR_STEPS)
        if len(self.errors) <= MAX_ERRORS:
            self.errors.append(
                MappingProblem(rule=rule.id, field=error.field, path=error.path, message=error.message, element=element)
            )


def _outcome(commands: list[Command], errors: list[MappingProblem], cancellations: list[Cancellation]) -> str:
    """What became of a matched rule, for its line of the trace."""
    done = [f"withdraws '{cancellation.name}' while it waits" for cancellation in cancellations[:5]]
    for command in commands[:5]:
        what = f"{command.command} to '{command.user_id}'"
        if command.reason is not None:
            what += f" ({command.state}: {command.reason})"
        elif command.not_before is not None:
            what += f" (not before {timestamp(command.not_before)})"
        done.append(what)
    if len(commands) > 5:
        done.append(f"{len(commands) - 5} more")
    if errors:
        done.append(f"{len(errors)} failed: {errors[0].message}")
    return "matched; " + ("; ".join(done) or "nothing to send: the list is empty")
