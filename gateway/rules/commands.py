"""One matched rule (or one element of it) becomes commands."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import msgspec

from gateway.errors import MappingError
from gateway.intilery import contract
from gateway.model import FINAL_STATES, Command, CommandState, OnUnknown, command_id
from gateway.rules.audience import restricted
from gateway.rules.budget import CALL_STEPS
from gateway.rules.calls import Call
from gateway.rules.expressions import Expression
from gateway.rules.model import AT_ONCE, Arrival, LimitTerm, NamedTerm, Rule, Source
from gateway.rules.moments import moment
from gateway.rules.scope import Scope
from gateway.rules.values import as_text, describe, is_nothing
from gateway.terms import Cancellation, Limit, Once, Same

ON_UNKNOWN = {"send_sms": OnUnknown.VERIFY, "send_print": OnUnknown.VERIFY}
"""By command, where a rule does not say; the others retry."""


class CommandMaker:
    """Makes the commands of one webhook. ``now`` is when they are made: at receipt, or at a replay."""

    def __init__(self, source: Source, arrival: Arrival, *, now: datetime) -> None:
        self.source = source
        self.arrival = arrival
        self.now = now

    def make(self, rule: Rule, element: str, scope: Scope) -> list[Command]:
        """The identify and the command, in that order.

        :raises MappingError: the payload does not hold what they need; ``rule`` is not set.
        :raises EvaluationFailed: as that, out of an expression.
        """
        destination = rule.destination if type(rule.destination) is str else self._destination(rule, scope)
        scope.codes = self.source.codes[destination]
        made = [
            self._command(rule, call, element, destination, scope)
            for call in (rule.identify, rule.call)
            if call is not None
        ]
        if len(made) == 2:
            identify, command = made
            if identify.user_id != command.user_id:
                raise MappingError(
                    f"identify names the customer '{identify.user_id}', "
                    f"{command.command} names '{command.user_id}'; both must be one",
                    field="userId",
                )
        tested = self.source.tests.get(destination)
        if tested is not None:
            made = restricted(made, tested, now=self.now)
        if len(made) == 2 and made[0].state is not CommandState.SUPPRESSED:
            identify, command = made
            if command.state in (CommandState.PENDING, CommandState.WAITING):
                made[1] = msgspec.structs.replace(
                    command, state=CommandState.WAITING, after=identify.id, due_at=command.not_before
                )
        return made

    def _destination(self, rule: Rule, scope: Scope) -> str:
        if isinstance(rule.destination, str):
            return rule.destination
        value = rule.destination.evaluate(scope)
        name = as_text(value)
        if name is None or name not in self.source.codes:
            known = ", ".join(self.source.codes) or "none"
            raise MappingError(
                f"destination is {describe(value)}; known: {known}", field="destination", path=rule.destination.text
            )
        return name

    def _command(self, rule: Rule, call: Call, element: str, destination: str, scope: Scope) -> Command:
        scope.budget.spend(CALL_STEPS)
        id = command_id(self.arrival.webhook_id, rule.id, element, call.command)
        customer, fields = call.build(scope, id)
        body = _encode(call, fields, scope)
        now = self.now
        state, reason, not_before, expires_at = CommandState.PENDING, None, None, None
        governed = call.command != "identify" or rule.call is None
        if governed and (rule.quiet is not None or rule.timing is not AT_ONCE):
            # What a rule says of time governs its command; an identify beside it leaves at once.
            not_before, expires_at, state, reason = self._timing(rule, scope)
        if rule.mode != "live":
            state, reason = CommandState.DRY_RUN, f"the rule's mode is {rule.mode}"
        return Command(
            id=id,
            webhook_id=self.arrival.webhook_id,
            source=self.source.name,
            rule=rule.id,
            element=element,
            command=call.command,
            action=contract.action_of(call.command),
            destination=destination,
            user_id=customer,
            body=body,
            state=state,
            reason=reason,
            created_at=now,
            not_before=not_before,
            expires_at=expires_at,
            on_unknown=(rule.on_unknown if governed else None) or ON_UNKNOWN.get(call.command, OnUnknown.RETRY),
            priority=rule.priority,
            due_at=not_before if state is CommandState.WAITING else now,
            finished_at=now if state is not CommandState.PENDING and state in FINAL_STATES else None,
            once=self._once(rule, scope) if governed and rule.once is not None else None,
            limit=self._limit(rule, scope) if governed and rule.limit is not None else None,
            quiet=rule.quiet if governed else None,
            name=self._named(rule.name_as, "name_as", scope) if governed and rule.name_as is not None else None,
            same=_same(fields, rule.identify_once)
            if call.command == "identify" and rule.identify_once is not None
            else None,
        )

    def cancellation(self, rule: Rule, scope: Scope) -> Cancellation:
        """What a rule with ``cancel`` withdraws.

        :raises MappingError: the name is nothing.
        """
        assert rule.cancel is not None
        return Cancellation(source=self.source.name, name=self._named(rule.cancel, "cancel", scope), rule=rule.id)

    def _named(self, term: NamedTerm, field: str, scope: Scope) -> str:
        """A key or a name. Nothing is an error: it would make all webhooks without it one."""
        value = term.evaluate(scope)
        text = None if is_nothing(value) else as_text(value)
        if text is None:
            raise MappingError(
                f"{field} is {describe(value)}; it takes text or a number: {term.text}", field=field, path=term.text
            )
        return text

    def _once(self, rule: Rule, scope: Scope) -> Once:
        once = rule.once
        assert once is not None
        received = self.arrival.received_at
        return Once(
            scope=f"shared/{once.shared}" if once.shared is not None else f"{self.source.name}/{rule.id}",
            key=self._named(once.key, "once", scope),
            until=None if once.within is None else once.within.after(received, self.source.zone),
        )

    def _limit_scope(self, rule: Rule, limit: LimitTerm) -> str:
        if limit.shared is not None:
            return f"shared/{limit.shared}"
        return self.source.name if limit.of_file else f"{self.source.name}/{rule.id}"

    def _limit(self, rule: Rule, scope: Scope) -> Limit:
        limit = rule.limit
        assert limit is not None
        return Limit(
            scope=self._limit_scope(rule, limit),
            key=self._named(limit.per, "limit.per", scope),
            at_most=limit.at_most,
            within=limit.within,
        )

    def _timing(self, rule: Rule, scope: Scope) -> tuple[datetime | None, datetime | None, CommandState, str | None]:
        """Not before, not after, and what that makes of it: delay or at, quiet hours, expires, in this order."""
        timing, zone, received, now = rule.timing, self.source.zone, self.arrival.received_at, self.now
        not_before: datetime | None = None
        if timing.delay is not None:
            not_before = timing.delay.after(received, zone)
        elif timing.at is not None:
            not_before = self._moment(timing.at, "at", scope)
            if not_before <= now:
                if timing.skip_if_past:
                    why = f"its time, {contract.timestamp(not_before)}, was past (if_past: skip)"
                    return not_before, None, CommandState.SUPPRESSED, why
                not_before = None
        if rule.quiet is not None:
            not_before = rule.quiet.ends_at(max(now, not_before or now)) or not_before
        expires_at: datetime | None = None
        if timing.expires_after is not None:
            expires_at = timing.expires_after.after(received, zone)
        elif timing.expires_at is not None:
            expires_at = self._moment(timing.expires_at, "expires", scope)
        leaves = max(now, not_before or now)
        if expires_at is not None and expires_at <= leaves:
            why = f"it expires at {contract.timestamp(expires_at)} and could leave at {contract.timestamp(leaves)}"
            return not_before, expires_at, CommandState.EXPIRED, why
        return not_before, expires_at, CommandState.PENDING if not_before is None else CommandState.WAITING, None

    def _moment(self, expression: Expression, field: str, scope: Scope) -> datetime:
        value = expression.evaluate(scope)
        if is_nothing(value):
            raise MappingError(
                f"{field} is nothing: {expression.path} is {describe(expression.base(scope))}",
                field=field,
                path=expression.text,
            )
        try:
            return moment(value, zone=self.source.zone)
        except ValueError as error:
            raise MappingError(f"{field}: {error}", field=field, path=expression.text) from None


def _same(body: dict[str, Any], within: int) -> Same:
    """What an identify says, whoever it is sent for and whenever that happened. ``body`` was encoded before."""
    said = {key: value for key, value in body.items() if key not in ("messageId", "timestamp")}
    return Same(digest=hashlib.blake2b(contract.encode(said), digest_size=16).hexdigest(), within=within)


def _encode(call: Call, body: dict[str, Any], scope: Scope) -> bytes:
    try:
        encoded = contract.encode(body)
    except (ValueError, TypeError, OverflowError) as error:
        # Decimal NaN and infinities, and text with a lone surrogate: neither is JSON.
        raise MappingError(f"{call.command} can't be written as JSON: {error}") from None
    except RecursionError:
        raise MappingError(f"{call.command} nests too deeply to be written as JSON") from None
    scope.budget.spend(len(encoded) >> 6)
    if len(encoded) > contract.MAX_BODY:
        raise MappingError(f"{call.command} has {len(encoded):,} bytes; Intilery takes at most {contract.MAX_BODY:,}")
    return encoded
