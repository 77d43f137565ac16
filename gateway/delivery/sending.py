"""One command on its way: sent under its claim, its result judged, and recorded under the lease.

What a result means is decided in :mod:`gateway.delivery.retry`; the destination's gate takes note of what it says of
the token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

import msgspec

from gateway.delivery import AttemptMade, CommandEnded, ResultLost, StoreFailed, Stumbled
from gateway.delivery.allowance import Allowance
from gateway.delivery.gate import Gate, Where
from gateway.delivery.retry import Acceptance, decide, disliked, outcome_of, trying_since
from gateway.delivery.terms import Terms
from gateway.delivery.verify import Events
from gateway.errors import (
    DeliveryError,
    Refused,
    StoreError,
    StoreUnavailable,
    Throttled,
    Unauthorised,
    UnknownOutcome,
)
from gateway.intilery.contract import Destination
from gateway.model import Attempt, Command, CommandState, Outcome
from gateway.store import Claim, Store, Verdict

FIRST_RETRY, LONGEST_RETRY = 0.05, 5.0
"""Seconds between tries of a verb that the store could not do."""


class Sender(Protocol):
    """What delivery needs of the client."""

    @property
    def longest(self) -> float:
        """Seconds that no send and no probe exceeds."""

    async def send(self, destination: Destination, *, token: str, action: str, body: bytes) -> Acceptance: ...

    async def probe(self, destination: Destination, *, token: str) -> None: ...

    async def lookup(self, destination: Destination, *, token: str, user_id: str) -> Events: ...


class Sending:
    """Sends the commands of one destination, one by one; how many at once is its lane's affair."""

    def __init__(
        self,
        name: str,
        *,
        store: Store,
        client: Sender,
        gate: Gate,
        throttled: Callable[[Throttled], Awaitable[None]],
        terms: Terms,
    ) -> None:
        self._name, self._store, self._client, self._gate = name, store, client, gate
        self._throttled, self._terms = throttled, terms

    async def deliver(self, claim: Claim, where: Where, allowance: Allowance) -> None:
        """Send what was claimed, or say why it does not leave; in the end its place in flight is free."""
        command, terms = claim.command, self._terms
        at, began = terms.clock(), terms.monotonic()
        late = command.expires_at is not None and at >= command.expires_at
        if late or self._left(claim, at) < self._client.longest:  # the store decides anew, and expires what is late
            allowance.done()
            await self.give_back(claim)
            return
        if (refusal := where.destination.refuses(command.user_id)) is not None:
            # It was made before only some customers could be reached there: a person decides, and nothing leaves.
            allowance.done()
            held = Verdict(state=CommandState.HELD, reason=refusal)
            await self._record(claim, None, held)
            terms.emit(CommandEnded(command=msgspec.structs.replace(command, state=held.state, reason=refusal)))
            return
        result: Acceptance | DeliveryError
        try:
            result = await self._client.send(
                where.destination, token=where.token, action=command.action, body=command.body
            )
        except DeliveryError as error:
            result = error
        except Exception as error:  # a defect of the client: what left is not known
            terms.emit(Stumbled(where=f"sending to {self._name}", error=error))
            result = UnknownOutcome(f"sending broke off: {type(error).__name__}")
        finally:
            allowance.done()
        failure = result if isinstance(result, DeliveryError) else None
        attempt = Attempt(
            number=command.attempts,
            at=at,
            outcome=outcome_of(result),
            status=result.status,
            message=None if failure is None else failure.message,
            duration_ms=round((terms.monotonic() - began) * 1000, 3),
            intilery_event_id=None if isinstance(result, DeliveryError) else result.intilery_event_id,
        )
        await self._record(claim, attempt, await self._judge(claim, result, where))

    async def settle(self, claim: Claim, error: UnknownOutcome) -> None:
        """Record that nobody knows what became of an attempt."""
        command, now = claim.command, self._terms.clock()
        attempt = Attempt(number=command.attempts, at=now, outcome=Outcome.UNKNOWN, message=error.message)
        await self._record(claim, attempt, self._decide(error, command, await self.trying_since(command)))

    async def give_back(self, claim: Claim) -> None:
        """Nothing was sent. Without a due_at it keeps its own, and so its place among what is due."""
        await self._record(claim, None, Verdict(state=CommandState.PENDING))

    async def _judge(self, claim: Claim, result: Acceptance | DeliveryError, where: Where) -> Verdict:
        """What a result means for the command; the destination's gate and pace take note of it."""
        command, terms = claim.command, self._terms
        if not isinstance(result, DeliveryError):
            self._gate.authorised()
            return self._decide(result, command)
        if isinstance(result, Unauthorised):
            patience = self._left(claim, terms.clock())
            if await self._gate.unauthorised(command.id, result, where, patience=patience):
                return disliked(result, command)
            return self._decide(result, command)
        if isinstance(result, Refused) and result.status is not None:  # without, the client refused it
            self._gate.authorised()
        elif isinstance(result, Throttled):
            await self._throttled(result)
        return self._decide(result, command, await self.trying_since(command))

    def _decide(self, result: Acceptance | DeliveryError, command: Command, since: datetime | None = None) -> Verdict:
        terms = self._terms
        return decide(
            result,
            command=command,
            now=terms.clock(),
            rng=terms.rng,
            since=since,
            backoff=terms.backoff,
            look_up_after=terms.look_up_after,
        )

    async def trying_since(self, command: Command) -> datetime | None:
        """From when the time to give up counts. Only a command that is old enough is worth asking the store for."""
        now = self._terms.clock()
        if command.attempts <= 1:
            return now
        begun = max(command.created_at, command.not_before or command.created_at)
        if now - begun < self._terms.backoff.give_up_after:
            return None
        try:
            since = trying_since(await self._store.attempts(command.id), otherwise=now)
        except StoreError as error:
            self._terms.emit(StoreFailed(verb="attempts", message=str(error)))
            return now
        return max(since, self._gate.resumed_at or since, command.retried_at or since)

    def _left(self, claim: Claim, now: datetime) -> float:
        """Seconds of a lease in which something may still go on."""
        return (claim.leased_until - now).total_seconds() - self._terms.margin

    async def _record(self, claim: Claim, attempt: Attempt | None, verdict: Verdict) -> None:
        """Write a result, and tell of it."""
        kept = await self.write(claim, attempt, verdict)
        if attempt is not None:
            if kept:
                self._terms.emit(AttemptMade(command=claim.command, attempt=attempt, verdict=verdict))
            else:
                self._terms.emit(ResultLost(command=claim.command, attempt=attempt))

    async def write(self, claim: Claim, attempt: Attempt | None, verdict: Verdict) -> bool:
        """Write a result; where the store can't, try until the lease is over and the store takes it for unknown."""
        terms, pause = self._terms, FIRST_RETRY
        while True:
            try:
                return await self._store.record(claim, attempt, verdict, now=terms.clock())
            except StoreUnavailable as error:
                terms.emit(StoreFailed(verb="record", message=str(error)))
                if terms.clock() >= claim.leased_until:
                    return False
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_RETRY)
