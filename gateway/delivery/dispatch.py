"""The verb of delivery: claim, pace, send, record, reschedule; for every destination, until told to stop.

``dispatcher.wake(names)`` after each commit is what makes it prompt; nothing polls but a slow look-out for what other
processes wrote to the same store. What was on its way when a gateway stopped is found by its lease and treated as what
it is, an unknown outcome.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from gateway.backoff import Backoff
from gateway.delivery import ClockSetBack, Record, StoreFailed, Stumbled
from gateway.delivery.allowance import Allowances
from gateway.delivery.lane import Lane
from gateway.delivery.pauses import Pauses
from gateway.delivery.retry import LOOK_UP_AFTER
from gateway.delivery.sending import Sender
from gateway.delivery.terms import Terms
from gateway.errors import DeliveryError, SettingsError, StoreError, UnknownOutcome
from gateway.intilery.contract import Destination
from gateway.store import Claim, Store


class _Clocks(NamedTuple):
    """The clock, and the one that is never set, at one moment.

    Where the first shows an earlier time than at the look before it was set back: by at least so many seconds as lie
    between two looks. Less keeps nobody waiting for longer than that.
    """

    wall: datetime
    monotonic: float

    def since(self, before: _Clocks) -> timedelta:
        return timedelta(seconds=self.monotonic - before.monotonic)


GONE_AFTER = 10
"""A process that has not said for so many polls that it delivers does so no more: its part of the places is free."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _nobody(record: Record) -> None:
    """Where nobody listens."""


MARGIN = 5.0
"""Seconds by which a lease outlasts a send: time to record its result, and for clocks to differ."""


def lease_for(client: Sender) -> timedelta:
    """How long a process has a command to itself: twice what a send may take. When a process dies, its commands are
    taken over after that."""
    return timedelta(seconds=2 * (client.longest + MARGIN))


class Dispatcher:
    """Delivers the commands of a store, one lane for each destination.

    ``destinations()`` gives the destinations of the rules that are served now, by name; ``credential(name)`` a token,
    or None where it is unset: that destination's commands then wait. Both are asked again and again, so that a reload
    of the rules or a new token needs no restart. ``emit`` gets the records of :mod:`gateway.delivery`; it must be
    quick, and must not raise.

    ``lease`` must outlast ``client.longest`` by ``margin`` seconds, the time to record a result. ``max_in_flight``
    counts for each address that destinations have; the client's pool needs as many connections for each.
    ``give_up_after``, ``first_backoff`` and ``longest_backoff`` are those of :class:`~gateway.backoff.Backoff`.
    ``look_up_after`` is how long a command whose outcome is unknown waits until it is looked up; what is due is looked
    for every quarter of it. ``grace`` is how long :meth:`stop` waits for what is in flight. ``poll``, ``probe_every``
    and ``probe_at_most`` are seconds: between looks for what others wrote (commands, pauses), and between probes of a
    destination that refuses the token, doubling.

    :raises SettingsError: a lease that a send could outlast.
    """

    def __init__(
        self,
        store: Store,
        client: Sender,
        destinations: Callable[[], Mapping[str, Destination]],
        credential: Callable[[str], str | None],
        *,
        emit: Callable[[Record], None] = _nobody,
        lease: timedelta = timedelta(minutes=2),
        margin: float = MARGIN,
        max_in_flight: int = 64,
        give_up_after: timedelta = timedelta(hours=24),
        first_backoff: timedelta = timedelta(seconds=1),
        longest_backoff: timedelta = timedelta(minutes=10),
        look_up_after: timedelta = LOOK_UP_AFTER,
        grace: timedelta = timedelta(seconds=10),
        poll: float = 1.0,
        probe_every: float = 30.0,
        probe_at_most: float = 300.0,
        clock: Callable[[], datetime] = _utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        if lease.total_seconds() <= client.longest + margin:
            raise SettingsError(
                f"lease: {lease.total_seconds():g} s; a send may take {client.longest:g} s, so that a lease must be "
                f"longer than {client.longest + margin:g} s"
            )
        self._store, self._client = store, client
        self._destinations, self._credential = destinations, credential
        self._grace = grace
        self._terms = Terms(
            lease=lease,
            margin=margin,
            backoff=Backoff(base=first_backoff, cap=longest_backoff, give_up_after=give_up_after),
            look_up_after=look_up_after,
            poll=poll,
            probe_every=probe_every,
            probe_at_most=probe_at_most,
            clock=clock,
            monotonic=monotonic,
            rng=rng,
            emit=emit,
        )
        self._allowances = Allowances(store=store, at_most=max_in_flight, monotonic=monotonic)
        self._pauses = Pauses(store, emit=emit, clock=clock)
        self._lanes: dict[str, Lane] = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._process = secrets.token_hex(8)
        self._running = False

    async def start(self) -> None:
        """Settle what a stopped gateway left on its way, then deliver.

        :raises StoreError: the store can't be read or written.
        """
        await self._set_back(None)
        found = await self._recover()
        waiting = await self._store.unfinished()
        await self._pauses.look()
        self._allowances.share(await self._share())
        self._running = True
        self._settle(found, "the gateway stopped while it was sending")
        self.wake({*self._destinations(), *waiting})
        self._keeping = [
            asyncio.create_task(self._keep_house(), name="delivery"),
            asyncio.create_task(self._keep_looking(), name="delivery, pauses"),
        ]

    def wake(self, names: Iterable[str]) -> None:
        """Commands for these destinations were committed, or their settings changed. Never blocks.

        A name that is new gets a lane. Before :meth:`start` and after :meth:`stop` it does nothing.
        """
        if not self._running:
            return
        for name in names:
            lane = self._lanes.get(name)
            if lane is None:
                self._lanes[name] = self._lane(name)
            else:
                lane.wake()

    async def look_at_pauses(self) -> None:
        """Something was paused or resumed: go by it now. Others who share the store see it within ``poll`` seconds.

        :raises StoreError: the store can't be read.
        """
        if not self._running:
            return
        changes = await self._pauses.look()
        for name in changes.closed:
            if name in self._lanes:
                self._lanes[name].adopt(((pause := self._pauses.own(name)) and pause.reason) or "")
        for name in changes.lifted:
            if name in self._lanes:
                self._lanes[name].lift()
        if changes.others:
            self.wake(list(self._lanes))

    async def probe(self, name: str) -> DeliveryError | None:
        """Read one event of a destination's account now, paused or not: None where that works, which also ends a pause
        for a refused token.

        :raises SettingsError: the rules name no such destination, or it has no token.
        """
        self.wake({name})
        return await self._lanes[name].probe()

    def status(self) -> dict[str, dict[str, object]]:
        """By destination: ``{"paused": reason | None, "paused_since": moment | None, "in_flight": int, "tokens": int,
        "rate": requests a second}``."""
        return {name: lane.status() for name, lane in sorted(self._lanes.items())}

    async def stop(self, *, grace: timedelta | None = None) -> None:
        """Claim nothing more, give back what was not begun, and wait for what is in flight, at most ``grace``.

        What is cut off then has an unknown outcome, like after a crash. Idempotent.
        """
        self._running = False
        deadline = asyncio.get_running_loop().time() + (self._grace if grace is None else grace).total_seconds()
        lanes = list(self._lanes.values())
        for lane in lanes:
            lane.stop()
        for task in self._keeping:
            task.cancel()
        if self._keeping:
            await asyncio.wait(self._keeping)
        self._keeping.clear()
        await asyncio.gather(*(lane.ended(deadline=deadline) for lane in lanes))
        await self._pauses.ended()
        if lanes:
            with contextlib.suppress(StoreError):  # the others find out by themselves
                await self._store.sign_off(self._process)
        self._lanes.clear()

    def _lane(self, name: str) -> Lane:
        return Lane(
            name,
            store=self._store,
            client=self._client,
            destination=lambda: self._destinations().get(name),
            credential=self._credential,
            allowances=self._allowances,
            pauses=self._pauses,
            terms=self._terms,
        )

    async def _share(self) -> int:
        """How many processes deliver from this store, this one among them."""
        within = timedelta(seconds=max(GONE_AFTER * self._terms.poll, 1.0))
        return await self._store.sharers(self._process, within=within)

    async def _keep_looking(self) -> None:
        """See how many deliver, and what others pause and resume."""
        while True:
            await asyncio.sleep(self._terms.poll)
            try:
                self._allowances.share(await self._share())
                await self.look_at_pauses()
            except StoreError as error:
                self._terms.emit(StoreFailed(verb="look", message=str(error)))
            except Exception as error:  # it must go on: a person may want to stop something
                self._terms.emit(Stumbled(where="the pauses", error=error))

    async def _keep_house(self) -> None:
        """Settle what outlived its lease and what is due to be looked up; every lease, start lanes for destinations
        that only the store knows."""
        loop = asyncio.get_running_loop()
        lease = self._terms.lease.total_seconds()
        next_look = loop.time() + lease
        looked = self._clocks()
        while True:
            await asyncio.sleep(min(lease, self._terms.look_up_after.total_seconds() / 4))
            try:
                before, looked = looked, self._clocks()
                if looked.wall < before.wall:
                    await self._set_back(before.wall - looked.wall + looked.since(before))
                self._settle(await self._recover(), "no result was recorded while its lease was in force")
                if loop.time() >= next_look:
                    next_look = loop.time() + lease
                    names = {*self._destinations(), *await self._store.unfinished()}
                    self.wake(names - self._lanes.keys())
            except StoreError as error:
                self._terms.emit(StoreFailed(verb="recover", message=str(error)))
            except Exception as error:  # it must go on: nobody else settles what lost its lease
                self._terms.emit(Stumbled(where="recovery", error=error))

    def _clocks(self) -> _Clocks:
        return _Clocks(self._terms.clock(), self._terms.monotonic())

    async def _set_back(self, by: timedelta | None) -> None:
        """The clock was set back so much, or (None) perhaps while no gateway ran."""
        if by := await self._store.set_back(by, now=self._terms.clock()):
            self._terms.emit(ClockSetBack(by=by))
            self.wake(list(self._lanes))

    async def _recover(self) -> dict[str, list[Claim]]:
        """What outlived its lease or is to be looked up, now under a new lease, by destination."""
        found: dict[str, list[Claim]] = {}
        for claim in await self._store.recover(now=self._terms.clock(), lease=self._terms.lease):
            found.setdefault(claim.command.destination, []).append(claim)
        return found

    def _settle(self, found: Mapping[str, list[Claim]], what: str) -> None:
        self.wake(found)
        for name, claims in found.items():
            self._lanes[name].settle(claims, UnknownOutcome(what))
