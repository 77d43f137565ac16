"""One destination's lane: claims what it may send now, sends it, records what came of it.

A lane sleeps until something calls for it: a commit (:meth:`Lane.wake`), the end of a send, the moment that a command
is due, the next token, the next probe. A slow poll stands behind these for what other processes wrote to the store.
What it sends passes the destination's gate (:mod:`gateway.delivery.gate`) and costs a token of its address's bucket
(:mod:`gateway.delivery.allowance`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from gateway import pacing
from gateway.backoff import Backoff
from gateway.delivery import (
    AttemptMade,
    CommandEnded,
    Record,
    ResultLost,
    StoreFailed,
    Stumbled,
)
from gateway.delivery.allowance import Allowance, Allowances, Taken
from gateway.delivery.gate import Gate, Where
from gateway.delivery.lookups import Lookups
from gateway.delivery.pauses import Pauses
from gateway.delivery.retry import Acceptance, decide, disliked, outcome_of, trying_since
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

BATCH = 64
"""Most commands in one claim: enough to share a commit, few enough to be begun at once."""
_SOON = 0.02
"""Seconds until a second look, where the store has something due and nothing to claim."""
_FIRST_RETRY, _LONGEST_RETRY = 0.05, 5.0
"""Seconds between tries of a verb that the store could not do."""


class Sender(Protocol):
    """What a lane needs of the client."""

    @property
    def longest(self) -> float:
        """Seconds that no send and no probe exceeds."""

    async def send(self, destination: Destination, *, token: str, action: str, body: bytes) -> Acceptance: ...

    async def probe(self, destination: Destination, *, token: str) -> None: ...

    async def lookup(self, destination: Destination, *, token: str, user_id: str) -> Events: ...


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What all lanes of a dispatcher have in common. Lengths in seconds are floats, longer ones timedeltas."""

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


class Lane:
    """Sends the commands of one destination. Made and used in one event loop."""

    def __init__(
        self,
        name: str,
        *,
        store: Store,
        client: Sender,
        destination: Callable[[], Destination | None],
        credential: Callable[[str], str | None],
        allowances: Allowances,
        pauses: Pauses,
        terms: Terms,
    ) -> None:
        self.name = name
        self._store, self._client, self._terms = store, client, terms
        self._woken = asyncio.Event()
        self._work = True
        """Something may be claimable: worth a claim without asking first."""
        self._stopping = False
        self._sends: set[asyncio.Task[None]] = set()
        self._allowances = allowances
        self._allowance: Allowance | None = None
        """That of the address, as of the last look."""
        self._store_retry = 0.0
        self._closed_until = -math.inf
        """The store is left alone until this moment of the monotonic clock."""
        self._gate = Gate(
            name,
            client=client,
            find=destination,
            credential=credential,
            spend=self._spend,
            held=lambda: pauses.of(name),
            note=lambda reason: pauses.note(name, reason),
            changed=self.wake,
            emit=terms.emit,
            every=terms.probe_every,
            at_most=terms.probe_at_most,
            clock=terms.clock,
            monotonic=terms.monotonic,
        )
        self._lookups = Lookups(
            name,
            store=store,
            client=client,
            gate=self._gate,
            spend=self._spend,
            throttled=self._throttled,
            trying_since=self._trying_since,
            write=self._write,
            ended=self.wake,
            terms=terms,
        )
        if (own := pauses.own(name)) is not None:
            self.adopt(own.reason or "")
        self._loop = asyncio.create_task(self._run(), name=f"lane {name}")

    def adopt(self, reason: str) -> None:
        """The gate of another process, or of another life, has closed. Never blocks."""
        self._gate.adopt(reason)

    def lift(self) -> None:
        """That the gate is closed was ended elsewhere. Never blocks."""
        self._gate.lift()

    async def probe(self) -> DeliveryError | None:
        """Probe now: None where it passes, which also ends a pause for a refused token.

        :raises SettingsError: the destination is not named, or has no token.
        """
        return await self._gate.ask()

    def wake(self) -> None:
        """Something was committed for this destination, or its settings changed. Never blocks."""
        self._work = True
        self._woken.set()
        self._lookups.wake()

    def settle(self, claims: Iterable[Claim], error: UnknownOutcome) -> None:
        """Decide what becomes of commands whose lease ended without a result, and look up those that are ``unknown``.

        Never blocks.
        """
        for claim in claims:
            if claim.command.state is CommandState.UNKNOWN:
                self._lookups.add(claim)
            else:
                self._follow(self._settle(claim, error))

    def status(self) -> dict[str, object]:
        """``{"paused": reason | None, "paused_since": moment | None, "in_flight": int, "tokens": int, "rate": float}``;
        tokens and rate (requests a second now) are those of the address."""
        allowance = self._allowance
        return {
            "paused": self._gate.paused,
            "paused_since": self._gate.paused_at,
            "in_flight": len(self._sends),
            "tokens": 0 if allowance is None else allowance.tokens,
            "rate": 0.0 if allowance is None else round(allowance.rate, 3),
        }

    def stop(self) -> None:
        """Claim nothing more. :meth:`ended` waits for what is in flight."""
        self._stopping = True
        self._gate.stop()
        self._lookups.stop()
        self._woken.set()

    async def ended(self, *, deadline: float) -> None:
        """Wait until everything is recorded, or until ``deadline`` on the loop's clock; then cut off what is left.

        What is cut off stays ``delivering``: its outcome is unknown, as after a crash, and its lease ends by itself.
        """
        loop = asyncio.get_running_loop()
        await self._lookups.ended(deadline=deadline)
        await asyncio.wait({self._loop}, timeout=max(0.0, deadline - loop.time()))
        if self._sends:
            await asyncio.wait(self._sends, timeout=max(0.0, deadline - loop.time()))
        left = [task for task in (self._loop, *self._sends) if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)

    # -- the loop ------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._stopping:
            self._woken.clear()
            try:
                pause = await self._step()
            except StoreError as error:
                self._terms.emit(StoreFailed(verb="claim", message=str(error)))
                pause = self._store_failed()
            except Exception as error:  # a lane that ended would leave its commands for ever
                self._terms.emit(Stumbled(where=f"destination {self.name}", error=error))
                pause = self._store_failed()
            if pause > 0:
                timer = loop.call_later(pause, self._woken.set)
                await self._woken.wait()
                timer.cancel()

    async def _step(self) -> float:
        """Do what can be done now; the seconds after which to look again, unless woken."""
        terms, now = self._terms, self._terms.monotonic()
        if (closed := self._gate.look(now)) is not None:
            return min(closed, terms.poll)  # the end of a probe wakes the lane
        assert self._gate.where is not None
        if now < self._closed_until:
            return self._closed_until - now
        self._allowance = allowance = self._allowances.of(self._gate.where.destination)
        if self._gate.trial and self._sends:
            return terms.poll  # the end of a send wakes the lane
        if allowance.full(self.wake):
            return terms.poll
        if (wait := allowance.wait()) > 0:
            return wait
        if not self._work:
            ahead = await self._ahead()
            if ahead > 0:
                return min(ahead, terms.poll)
        taken = allowance.take(1 if self._gate.trial else BATCH)
        if not taken.n:
            return 0.0  # another lane of this address was quicker
        self._work = False  # before the claim: what is committed during it sets it again
        claims: Sequence[Claim] = ()
        try:
            claimed = await self._store.claim(
                self.name, limit=taken.n, lease=terms.lease, now=terms.clock(), limits=allowance.limits
            )
            claims = claimed.claims
        finally:
            allowance.done(taken.n - len(claims))
        allowance.tell(claimed.bucket, taken)
        short = claimed.bucket is not None and pacing.wait(claimed.bucket, 0.0) > 0
        self._store_retry = 0.0
        for ended in claimed.ended:
            terms.emit(CommandEnded(command=ended))
        self._work = self._work or short or len(claims) == taken.n
        if not claims:
            return allowance.wait() if short else min(max(await self._ahead(), _SOON), terms.poll)
        self._begin(claims, taken, allowance)
        return 0.0

    async def _ahead(self) -> float:
        """Seconds until the next command is due: 0 or less where it is, infinity where none waits."""
        due = await self._store.next_due(self.name)
        return math.inf if due is None else (due - self._terms.clock()).total_seconds()

    def _store_failed(self) -> float:
        self._work = True
        self._store_retry = min(max(self._store_retry * 2, _FIRST_RETRY), _LONGEST_RETRY)
        self._closed_until = self._terms.monotonic() + self._store_retry
        return self._store_retry

    async def _spend(self, destination: Destination) -> None:
        await self._allowances.of(destination).spend()

    # -- sending -------------------------------------------------------------------------------------------------------

    def _begin(self, claims: Sequence[Claim], taken: Taken, allowance: Allowance) -> None:
        """Send what was claimed, unless a 429, a refusal, a pause or a stop has come during the claim."""
        where = self._gate.where
        for claim in claims:
            if where is not None and self._gate.open and allowance.holds(taken):
                self._follow(self._deliver(claim, where, allowance))
            else:
                allowance.done()
                self._follow(self._give_back(claim))

    def _follow(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._sends.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._terms.emit(Stumbled(where=f"destination {self.name}", error=error))
        self.wake()  # a slot is free, and the next in the customer's line may have moved up

    async def _give_back(self, claim: Claim) -> None:
        # without a due_at it keeps its own, and so its place among what is due
        await self._record(claim, None, Verdict(state=CommandState.PENDING))

    async def _deliver(self, claim: Claim, where: Where, allowance: Allowance) -> None:
        command, terms = claim.command, self._terms
        at, began = terms.clock(), terms.monotonic()
        late = command.expires_at is not None and at >= command.expires_at
        if late or self._left(claim, at) < self._client.longest:  # the store decides anew, and expires what is late
            allowance.done()
            await self._give_back(claim)
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
            terms.emit(Stumbled(where=f"sending to {self.name}", error=error))
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
        return self._decide(result, command, await self._trying_since(command))

    async def _throttled(self, error: Throttled) -> None:
        if self._allowance is not None:
            try:
                await self._allowance.throttled(error)
            except StoreError as failed:  # others that send there find out by a 429 of their own
                self._terms.emit(StoreFailed(verb="slow", message=str(failed)))

    async def _settle(self, claim: Claim, error: UnknownOutcome) -> None:
        command, now = claim.command, self._terms.clock()
        attempt = Attempt(number=command.attempts, at=now, outcome=Outcome.UNKNOWN, message=error.message)
        await self._record(claim, attempt, self._decide(error, command, await self._trying_since(command)))

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

    async def _trying_since(self, command: Command) -> datetime | None:
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
        kept = await self._write(claim, attempt, verdict)
        if attempt is not None:
            if kept:
                self._terms.emit(AttemptMade(command=claim.command, attempt=attempt, verdict=verdict))
            else:
                self._terms.emit(ResultLost(command=claim.command, attempt=attempt))

    async def _write(self, claim: Claim, attempt: Attempt | None, verdict: Verdict) -> bool:
        """Write a result; where the store can't, try until the lease is over and the store takes it for unknown."""
        terms, pause = self._terms, _FIRST_RETRY
        while True:
            try:
                return await self._store.record(claim, attempt, verdict, now=terms.clock())
            except StoreUnavailable as error:
                terms.emit(StoreFailed(verb="record", message=str(error)))
                if terms.clock() >= claim.leased_until:
                    return False
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_RETRY)
