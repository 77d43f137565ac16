"""Looks up what has an unknown outcome: one command at a time, in its destination's lane.

What to look up comes from the store's ``recover``, under a lease like everything else, and costs tokens of the same
bucket. :mod:`gateway.delivery.verify` decides what a lookup means. While the destination is paused lookups wait. One
that can't begin in time is simply left: when its lease is over the store gives it back.

A destination counts as showing markers after a command of the same kind that it is known to have accepted was looked
up and its marker was there. That is asked when it first matters, of commands that were delivered at least as long ago
as a lookup waits, and remembered in the store for a day, by address and kind of command.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

from gateway.delivery import LookedUp, StoreFailed, Stumbled
from gateway.delivery.gate import Gate, Where
from gateway.delivery.sending import Sending
from gateway.delivery.terms import Terms
from gateway.delivery.verify import (
    CLOCKS_DIFFER,
    CONTROLS,
    PROVEN_FOR,
    Events,
    Failed,
    Finding,
    Found,
    Inconclusive,
    conclude,
    customer_of,
    missing,
    resembling,
    sent_since,
    twins,
)
from gateway.errors import DeliveryError, Refused, StoreError, Throttled, Unauthorised
from gateway.intilery.contract import Destination
from gateway.model import Attempt, Command, CommandState, Outcome
from gateway.store import Claim, CommandFilter, Store

_CANDIDATES = 20
"""Delivered commands that are considered for a control, the newest first."""
_TWINS = 100
"""Commands of the customer that are considered as twins, the newest first: as many as one answer shows events."""


class Reader(Protocol):
    """What lookups need of the client."""

    @property
    def longest(self) -> float: ...

    async def probe(self, destination: Destination, *, token: str) -> None: ...

    async def lookup(self, destination: Destination, *, token: str, user_id: str) -> Events: ...


class Lookups:
    """The lookups of one destination. What they find is written as ``sending`` writes its results."""

    def __init__(
        self,
        name: str,
        *,
        store: Store,
        client: Reader,
        gate: Gate,
        spend: Callable[[Destination], Awaitable[None]],
        throttled: Callable[[Throttled], Awaitable[None]],
        sending: Sending,
        ended: Callable[[], None],
        terms: Terms,
    ) -> None:
        self._name, self._store, self._client, self._gate = name, store, client, gate
        self._spend, self._throttled, self._sending = spend, throttled, sending
        self._ended, self._terms = ended, terms
        self._due: deque[Claim] = deque()
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._stopping = False

    def add(self, claim: Claim) -> None:
        """Look this one up when its turn has come. Never blocks."""
        if self._stopping:
            return
        self._due.append(claim)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"lookups {self._name}")

    def stop(self) -> None:
        """Begin no more lookups."""
        self._stopping = True
        self._due.clear()
        self._woken.set()

    def wake(self) -> None:
        """The destination's gate may have opened."""
        self._woken.set()

    async def ended(self, *, deadline: float) -> None:
        """Wait until the lookup that is on its way is recorded; cut it off at ``deadline`` on the loop's clock."""
        if self._task is None:
            return
        left = max(0.0, deadline - asyncio.get_running_loop().time())
        _, pending = await asyncio.wait({self._task}, timeout=left)
        for task in pending:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self) -> None:
        while self._due:
            if (left := self._left(self._due[0])) <= 0:
                self._due.popleft()
                continue
            try:
                if not self._ready():
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), left)
                    continue
                claim = self._due.popleft()
                await self._look_up(claim)
            except StoreError as error:
                self._terms.emit(StoreFailed(verb="look up", message=str(error)))
            except Exception as error:  # a defect; what is left here is given back when its lease is over
                self._due.clear()
                self._terms.emit(Stumbled(where=f"looking up in {self._name}", error=error))
            self._ended()

    def _ready(self) -> bool:
        """Whether the destination may be asked now; if not, what changes that wakes."""
        self._woken.clear()
        self._gate.look(self._terms.monotonic())
        return self._gate.open

    async def _look_up(self, claim: Claim) -> None:
        command, terms, where = claim.command, self._terms, self._gate.where
        assert where is not None  # the gate is open
        began = terms.monotonic()
        attempts = await self._store.attempts(command.id)
        finding = await self._find(command, where, since=sent_since(command, attempts))
        now = terms.clock()
        verdict = conclude(
            finding,
            command=command,
            asked=attempts[-1].at if attempts else command.created_at,
            now=now,
            rng=terms.rng,
            backoff=terms.backoff,
            first=terms.look_up_after,
            since=await self._sending.trying_since(command),
        )
        attempt = None
        if isinstance(finding, Found):
            attempt = Attempt(
                number=command.attempts,
                at=now,
                outcome=Outcome.ACCEPTED,
                message=f"found by its {finding.by} among the customer's events",
                duration_ms=round((terms.monotonic() - began) * 1000, 3),
                intilery_event_id=finding.intilery_event_id,
            )
        if await self._sending.write(claim, attempt, verdict):
            terms.emit(LookedUp(command=command, finding=type(finding).__name__.lower(), verdict=verdict))

    def _left(self, claim: Claim) -> float:
        """Seconds in which a lookup may begin that is to end under its lease."""
        lease = (claim.leased_until - self._terms.clock()).total_seconds()
        return lease - self._terms.margin - self._client.longest

    async def _find(self, command: Command, where: Where, *, since: datetime) -> Finding:
        customer = customer_of(command)
        if customer is None:
            return Inconclusive("it has no userId, and only customers with one can be looked up")
        try:
            events = await self._ask(where, customer)
        except Unauthorised as error:
            return await self._refused(error, where)
        except Refused as error:
            return Inconclusive(f"Intilery refused it: {error.message.rstrip('.')}")
        except DeliveryError as error:
            return Failed(error)
        address = where.destination.endpoint("profiles")
        if events.holds(command.id):
            await self._store.note_markers(address, command.command, shown=True, now=self._terms.clock())
            return Found(intilery_event_id=events.event_id(command.id))
        if sights := events.like(command.body):
            others = await self._store.commands(
                CommandFilter(user=command.user_id, command=command.command), limit=_TWINS
            )
            alike = twins(command, others.items, since=since)
            if found := resembling(sights, since=since, now=self._terms.clock(), twins=alike):
                return found
        try:
            shown = await self._shown(command, where, address) if events.reaches(since - CLOCKS_DIFFER) else None
        except DeliveryError as error:
            return Failed(error)
        return missing(events, command=command, since=since, shown=shown)

    async def _ask(self, where: Where, customer: str) -> Events:
        await self._spend(where.destination)
        try:
            return await self._client.lookup(where.destination, token=where.token, user_id=customer)
        except Throttled as error:
            await self._throttled(error)
            raise

    async def _refused(self, error: Unauthorised, where: Where) -> Finding:
        """401, 403 or 404 may be the customer's, the token's, or that of the right to read profiles."""
        if error.status == 404:
            return Inconclusive("Intilery does not know the customer (404)")
        try:
            await self._spend(where.destination)
            await self._client.probe(where.destination, token=where.token)
        except DeliveryError:
            return Failed(error)
        return Inconclusive(f"the token may not read profiles: {error.message.rstrip('.')}")

    async def _shown(self, command: Command, where: Where, address: str) -> bool | None:
        """Whether Intilery shows the markers of commands of this kind that it accepted; None where nobody knows."""
        now = self._terms.clock()
        known = await self._store.markers(address, command.command)
        if known is not None and now - known.at < PROVEN_FOR:
            return known.shown
        before = now - self._terms.look_up_after
        delivered = await self._store.commands(
            CommandFilter(state=CommandState.DELIVERED, destination=self._name, command=command.command, until=before),
            limit=_CANDIDATES,
        )
        # What a person settled was not seen to be accepted: it has a reason.
        controls = {
            customer: one
            for one in reversed(delivered.items)
            if one.reason is None
            and one.finished_at is not None
            and one.finished_at <= before
            and (customer := customer_of(one)) is not None
        }
        for customer, control in list(controls.items())[: -CONTROLS - 1 : -1]:
            try:
                events = await self._ask(where, customer)
            except (Unauthorised, Refused):
                continue
            shown = events.holds(control.id)
            if shown or events.reaches(control.created_at - CLOCKS_DIFFER):
                await self._store.note_markers(address, command.command, shown=shown, now=now)
                return shown
        return None
