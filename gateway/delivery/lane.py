"""One destination's lane: claims what it may send now, and has it sent.

A lane sleeps until something calls for it: a commit (:meth:`Lane.wake`), the end of a send, the moment that a command
is due, the next token, the next probe. A slow poll stands behind these for what other processes wrote to the store.
What it sends passes the destination's gate (:mod:`gateway.delivery.gate`) and costs a token of its address's bucket
(:mod:`gateway.delivery.allowance`).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from gateway import pacing
from gateway.delivery import CommandEnded, StoreFailed, Stumbled
from gateway.delivery.allowance import Allowance, Allowances, Taken
from gateway.delivery.gate import Gate
from gateway.delivery.lookups import Lookups
from gateway.delivery.pauses import Pauses
from gateway.delivery.sending import FIRST_RETRY, LONGEST_RETRY, Sender, Sending
from gateway.delivery.terms import Terms
from gateway.errors import DeliveryError, StoreError, Throttled, UnknownOutcome
from gateway.intilery.contract import Destination
from gateway.model import CommandState
from gateway.store import Claim, Store

BATCH = 64
"""Most commands in one claim: enough to share a commit, few enough to be begun at once."""
_SOON = 0.02
"""Seconds until a second look, where the store has something due and nothing to claim."""


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
        self._store, self._terms = store, terms
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
        self._sending = Sending(
            name, store=store, client=client, gate=self._gate, throttled=self._throttled, terms=terms
        )
        self._lookups = Lookups(
            name,
            store=store,
            client=client,
            gate=self._gate,
            spend=self._spend,
            throttled=self._throttled,
            sending=self._sending,
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
                self._follow(self._sending.settle(claim, error))

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
        self._store_retry = min(max(self._store_retry * 2, FIRST_RETRY), LONGEST_RETRY)
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
                self._follow(self._sending.deliver(claim, where, allowance))
            else:
                allowance.done()
                self._follow(self._sending.give_back(claim))

    def _follow(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._sends.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._sends.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._terms.emit(Stumbled(where=f"destination {self.name}", error=error))
        self.wake()  # a slot is free, and the next in the customer's line may have moved up

    async def _throttled(self, error: Throttled) -> None:
        if self._allowance is not None:
            try:
                await self._allowance.throttled(error)
            except StoreError as failed:  # others that send there find out by a 429 of their own
                self._terms.emit(StoreFailed(verb="slow", message=str(failed)))
