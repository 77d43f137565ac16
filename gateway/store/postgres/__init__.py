"""The store for any number of gateways: one PostgreSQL.

A gateway has three connections that write (receptions, delivery, housekeeping), each of which commits in groups
(:mod:`~gateway.store.postgres.commit`), and up to four that read.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from typing import Any, TypeVar

from gateway.errors import StoreUnavailable
from gateway.model import Attempt, Command, CommandState, Fetching, RulesVersion, Webhook, WebhookState
from gateway.pacing import Bucket
from gateway.store import (
    Act,
    Acted,
    Cause,
    Claim,
    Claimed,
    CommandFilter,
    Foreseen,
    Forgotten,
    Found,
    Limits,
    Markers,
    Page,
    Pause,
    PauseScope,
    Pruned,
    QuarantineCount,
    Quarantined,
    QuarantineLimits,
    Receipt,
    Reception,
    Replay,
    Retranslation,
    ShadowCount,
    ShadowDifference,
    ShadowFilter,
    Unfetched,
    Verdict,
    VersionHistory,
    WebhookFilter,
)
from gateway.store.acting import Asked
from gateway.store.arrivals import Again, Arrival, arrival_of
from gateway.store.fetches import noted_of
from gateway.store.leases import RECOVERED, Due, Result, SetBack, Slowing, Spending, given_back
from gateway.store.looking import Looked, walk_back
from gateway.store.postgres import (
    acts,
    causes,
    claims,
    fetched,
    finding,
    lists,
    markers,
    operations,
    parts,
    pauses,
    quarantine,
    replays,
    retention,
    shadows,
    versions,
)
from gateway.store.postgres.commit import Writer
from gateway.store.postgres.connections import Connections
from gateway.store.postgres.database import address_of, connect, connected, migrate, name_of, refuse_unmoved
from gateway.store.postgres.demands import check_rights, check_sessions
from gateway.store.postgres.operations import one_by_one
from gateway.store.postgres.reader import Reader
from gateway.store.postgres.reception import write_arrivals
from gateway.store.postgres.retranslation import retranslate
from gateway.store.postgres.rows import day_of
from gateway.store.postgres.statements import Connection
from gateway.store.postgres.waking import Waker
from gateway.store.quarantines import Release, kept_of, release_of, stays_of
from gateway.store.replayed import ReplayNoted
from gateway.store.rows import MICROSECOND, micros
from gateway.store.served import Serving
from gateway.store.shadowed import ShadowNoted
from gateway.store.turns import Turns

T = TypeVar("T")


class PostgresStore:
    """Implements :class:`gateway.store.Store`, whose docstrings are the promises."""

    def __init__(self, url: str, *, identify_gap: timedelta) -> None:
        """:raises SettingsError: an address that libpq can't read."""
        self._address = address_of(url)
        self._name = name_of(url)
        self._connections: Connections | None = None
        self._closing: asyncio.Task[None] | None = None
        self._leases = count(1)
        self._parts: set[int] = set()
        """The days that are known to have tables."""
        slot = secrets.randbelow(versions.SLOTS)
        self._write_arrivals = partial(write_arrivals, gap=identify_gap, slot=slot)
        self._paced: Any = partial(claims.paced, turns=Turns(), gap=identify_gap)
        self._record = partial(claims.record, gap=identify_gap)
        self._act = one_by_one(partial(acts.act, gap=identify_gap))
        self._retranslate = one_by_one(partial(retranslate, gap=identify_gap, slot=slot))
        self._release = one_by_one(partial(quarantine.release, gap=identify_gap, slot=slot))
        self._note_fetching = one_by_one(partial(fetched.note, slot=slot))
        self._serve_rules = one_by_one(partial(versions.serve, slot=slot))

    async def open(self, *, serving: bool = True) -> None:
        if self._connections is not None:
            raise StoreUnavailable(f"{self._name}: is open already")
        self._closing = None
        async with connected(self._address, self._name) as db:
            await migrate(db, self._name)
            if serving:
                await refuse_unmoved(db, self._name)
                await check_rights(db, self._name)
                async with connected(self._address, self._name) as other:
                    await check_sessions(db, other, self._name)
            self._parts = await parts.existing(db)
        reader = Reader(self._address, self._name)
        await reader.open()
        self._connections = Connections(
            intake=Writer(self._connect, self._name, prepare=self._make_parts, forget=self._parts.clear, all_day=True),
            delivery=Writer(self._connect, self._name, first=self._paced, all_day=True),
            house=Writer(self._connect, self._name),
            reader=reader,
            waker=Waker(self._connect),
            lease=secrets.token_hex(8),
        )

    async def close(self) -> None:
        if self._connections is None:
            return
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(self._connections))
        await asyncio.shield(self._closing)

    async def _close(self, connections: Connections) -> None:
        await connections.close()
        self._connections = None

    def hear(self, due: Callable[[frozenset[str]], None]) -> None:
        self._open().waker.hear(due)

    async def check(self) -> None:
        connections = self._open()
        connections.intake.check()
        await connections.intake.submit(operations.pulse, None)

    async def _connect(self) -> Connection:
        return await connect(self._address)

    async def _make_parts(self, db: Connection, items: Sequence[Any]) -> None:
        """Make the tables of the days that these arrivals are of."""
        days = {day_of(arrival.received_at) for arrival in map(_arrival, items) if arrival is not None}
        if not days <= self._parts:
            await parts.make(db, days)
            self._parts |= days

    async def _make_tomorrow(self, now: datetime) -> StoreUnavailable | None:
        """Make the next day's tables before anybody waits for them; why they could not be made. Whoever analyses the
        tables of all days, or makes an index there, keeps new ones out for so long: at midnight, as nightly jobs do."""
        day = {day_of(micros(now)) + 1}
        if not day <= self._parts:
            try:
                async with connected(self._address, self._name) as db:
                    await db.execute("SET lock_timeout = '10s'")
                    await parts.make(db, day)
            except StoreUnavailable as error:
                return error
            self._parts |= day
        return None

    # -- inbound ---------------------------------------------------------------------------------------------------

    async def receive(self, reception: Reception) -> Receipt:
        arrival = arrival_of(reception)
        receiving = self._open().intake.submit(self._write_arrivals, arrival, size=arrival.size, bounded=True)
        return await self._told(receiving, arrival)

    async def retranslate(self, reception: Reception, *, now: datetime) -> Retranslation:
        arrival = arrival_of(reception)
        again = Again(arrival=arrival, now=now)
        translating = self._open().intake.submit(self._retranslate, again, size=arrival.size, bounded=True)
        return await self._told(translating, arrival)

    async def note_fetching(
        self,
        id: str,
        fetching: Fetching,
        *,
        state: WebhookState = WebhookState.FETCHING,
        reason: str | None = None,
        again: bool = False,
    ) -> bool:
        noted = noted_of(id, fetching, state=state, reason=reason, again=again)
        return await self._open().intake.submit(self._note_fetching, noted, size=noted.size, bounded=True)

    async def fetching(self, id: str) -> Fetching | None:
        return await self._open().reader.read(fetched.find, id)

    async def unfetched(self, *, limit: int = 1000, cursor: str | None = None) -> Page[Unfetched]:
        return await self._open().reader.read(fetched.list_unfetched, limit=limit, cursor=cursor)

    async def prune(
        self,
        *,
        now: datetime,
        default: timedelta,
        by_source: Mapping[str, timedelta],
        quarantined: timedelta | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        connections = self._open()
        not_made = None if dry_run else await self._make_tomorrow(now)
        pruned = await retention.prune(
            connections, now=now, default=default, by_source=by_source, quarantined=quarantined, dry_run=dry_run
        )
        if not_made is not None:  # all else is done; and it is tried again the next time, and by who needs them
            raise not_made
        return pruned

    # -- quarantine ------------------------------------------------------------------------------------------------

    async def quarantine(self, requests: Sequence[Quarantined], *, limits: QuarantineLimits) -> int:
        kept = kept_of(requests, limits)
        return await self._open().intake.submit(operations.keep_quarantined, kept, size=kept.size, bounded=True)

    async def quarantined(self, id: str) -> Quarantined:
        return await self._open().reader.read(quarantine.find, id)

    async def quarantine_counts(self) -> Sequence[QuarantineCount]:
        return await self._open().reader.read(quarantine.counts)

    async def still_quarantined(
        self, id: str, *, reason: str, cause: str, findings: Sequence[str], rules_version: str
    ) -> bool:
        stays = stays_of(id, reason=reason, cause=cause, findings=findings, rules_version=rules_version)
        return await self._open().intake.submit(operations.still_quarantined, stays)

    async def release(self, id: str, reception: Reception | None) -> Receipt | None:
        release = release_of(id, reception)
        releasing = self._open().intake.submit(self._release, release, size=release.size, bounded=True)
        return await self._told(releasing, release.arrival)

    async def key(self, name: str) -> bytes:
        return await self._open().intake.submit(operations.key, name)

    # -- rules -----------------------------------------------------------------------------------------------------

    async def remember_rules(self, version: RulesVersion) -> None:
        await self._open().intake.submit(operations.remember_rules, version)

    async def serve_rules(self, version: RulesVersion, rules: Collection[tuple[str, str]], *, now: datetime) -> None:
        serving = Serving(version=version, rules=rules, at=micros(now))
        await self._open().intake.submit(self._serve_rules, serving)

    async def rules_version(self, version: str) -> RulesVersion:
        return await self._open().reader.read(versions.find_version, version)

    async def rules_history(self, version: str) -> VersionHistory:
        return await self._open().reader.read(versions.find_history, version)

    async def rules_histories(self, *, limit: int = 50, skip: int = 0) -> Sequence[VersionHistory]:
        return await self._open().reader.read(versions.list_histories, limit=limit, skip=skip)

    # -- delivery --------------------------------------------------------------------------------------------------

    async def claim(
        self, destination: str, *, limit: int, lease: timedelta, now: datetime, limits: Limits | None = None
    ) -> Claimed:
        connections = self._open()
        token = f"{connections.lease}-{next(self._leases)}"
        due = Due(destination=destination, limit=limit, lease=token, until=now + lease, now=now, limits=limits)
        claiming: asyncio.Future[Claimed] = connections.delivery.submit(self._paced, due)
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            claiming.add_done_callback(partial(self._give_back, connections, now=now))
            raise

    async def record(self, claim: Claim, attempt: Attempt | None, verdict: Verdict, *, now: datetime) -> bool:
        result = Result(claim=claim, attempt=attempt, verdict=verdict, now=now)
        return await self._open().delivery.submit(self._record, result)

    async def spend(self, limits: Limits) -> float:
        wait: float = await self._open().delivery.submit(self._paced, Spending(limits=limits))
        return wait

    async def slow(self, limits: Limits, *, retry_after: float | None) -> Bucket:
        slowing = Slowing(limits=limits, retry_after=retry_after)
        bucket: Bucket = await self._open().delivery.submit(self._paced, slowing)
        return bucket

    async def recover(self, *, now: datetime, lease: timedelta) -> Sequence[Claim]:
        connections = self._open()
        token = f"{connections.lease}-{next(self._leases)}{RECOVERED}"
        due = Due(destination="", limit=0, lease=token, until=now + lease, now=now)
        return await connections.delivery.submit(operations.recover, due)

    async def set_back(self, by: timedelta | None, *, now: datetime) -> timedelta:
        asked = SetBack(by=None if by is None else by // MICROSECOND, now=now)
        done: int = await self._open().delivery.submit(operations.set_back, asked)
        return done * MICROSECOND

    async def markers(self, address: str, command: str) -> Markers | None:
        return await self._open().reader.read(markers.find, address, command)

    async def note_markers(self, address: str, command: str, *, shown: bool, now: datetime) -> None:
        await self._open().delivery.submit(operations.note_markers, (address, command, shown, micros(now)))

    async def act(
        self, act: Act, ids: Sequence[str], *, now: datetime, skip: bool = False, priority: int | None = None
    ) -> Acted:
        asked = Asked(act=act, ids=tuple(dict.fromkeys(ids)), now=now, skip=skip, priority=priority)
        connections = self._open()
        acted: Acted = await connections.delivery.submit(self._act, asked)
        connections.waker.tell({one.destination for one in acted.done})
        return acted

    async def next_due(self, destination: str, *, paused: bool = False) -> datetime | None:
        return await self._open().reader.read(claims.next_due, destination, paused)

    async def backlog(self) -> dict[str, dict[CommandState, int]]:
        return await self._open().reader.read(lists.count_backlog)

    async def unfinished(self) -> frozenset[str]:
        return await self._open().reader.read(lists.unfinished)

    async def sharers(self, process: str, *, within: timedelta) -> int:
        return await self._open().delivery.submit(operations.say, (process, within // MICROSECOND))

    async def sign_off(self, process: str) -> None:
        await self._open().delivery.submit(operations.sign_off, process)

    async def pause(self, pause: Pause) -> None:
        await self._open().delivery.submit(operations.pause, pause)

    async def resume(self, scope: PauseScope, name: str, *, automatic: bool = False) -> bool:
        return await self._open().delivery.submit(operations.resume, (scope, name, automatic))

    async def pauses(self) -> Sequence[Pause]:
        return await self._open().reader.read(pauses.list_pauses)

    async def foresee(self, scope: PauseScope, name: str, *, now: datetime) -> Sequence[Foreseen]:
        return await self._open().reader.read(pauses.foresee, scope, name, now)

    # -- reading ---------------------------------------------------------------------------------------------------

    async def webhook(self, id: str) -> Webhook:
        return await self._open().reader.read(lists.find_webhook, id)

    async def webhooks(self, filter: WebhookFilter, *, limit: int = 50, cursor: str | None = None) -> Page[Webhook]:
        return await self._open().reader.read(lists.list_webhooks, filter, limit=limit, cursor=cursor)

    async def walk(
        self, filter: WebhookFilter, *, limit: int = 50, after: str | None = None
    ) -> Sequence[tuple[str, Webhook]]:
        return await self._open().reader.read(lists.walk_webhooks, filter, limit=limit, after=after)

    async def command(self, id: str) -> Command:
        return await self._open().reader.read(lists.find_command, id)

    async def commands(self, filter: CommandFilter, *, limit: int = 50, cursor: str | None = None) -> Page[Command]:
        return await self._open().reader.read(lists.list_commands, filter, limit=limit, cursor=cursor)

    async def attempts(self, command_id: str) -> Sequence[Attempt]:
        return await self._open().reader.read(lists.list_attempts, command_id)

    async def count(self, filter: WebhookFilter | CommandFilter) -> int:
        return await self._open().reader.read(lists.count, filter)

    async def causes(self, filter: WebhookFilter | CommandFilter, *, limit: int = 100) -> Sequence[Cause]:
        return await self._open().reader.read(causes.list_causes, filter, limit=limit)

    async def find(
        self, texts: Sequence[str], *, limit: int = 20, depth: int = 100_000, since: datetime | None = None
    ) -> Found:
        def look(place: int, step: int, wanted: int) -> Awaitable[Looked]:
            return self._open().reader.read(finding.look, texts, before=place, since=since, step=step, limit=wanted)

        return await walk_back(look, limit=limit, depth=depth)

    async def last_heard(self) -> Mapping[str, datetime]:
        return await self._open().reader.read(finding.last_heard)

    async def forget(self, user: str, texts: Sequence[str], *, now: datetime, dry_run: bool = False) -> Forgotten:
        return await retention.forget(self._open(), user, texts, now=now, dry_run=dry_run)

    # -- running again ---------------------------------------------------------------------------------------------

    async def begin_replay(self, replay: Replay) -> None:
        await self._open().house.submit(operations.begin_replay, replay)

    async def replay(self, id: str) -> Replay:
        return await self._open().reader.read(replays.find, id)

    async def replays(self, *, limit: int = 20) -> Sequence[Replay]:
        return await self._open().reader.read(replays.list_replays, limit=limit)

    async def note_replay(self, replay: Replay, *, after: str | None) -> None:
        await self._open().house.submit(operations.note_replay, ReplayNoted(replay=replay, after=after))

    # -- shadow rules ----------------------------------------------------------------------------------------------

    async def note_shadow(
        self, candidate: str, compared: Mapping[str, int], differences: Sequence[ShadowDifference], *, now: datetime
    ) -> None:
        noted = ShadowNoted(candidate=candidate, compared=compared, differences=tuple(differences), now=now)
        if compared:
            await self._open().house.submit(operations.note_shadow, noted)

    async def shadow_counts(self, *, candidate: str | None = None) -> Sequence[ShadowCount]:
        return await self._open().reader.read(shadows.list_counts, candidate=candidate)

    async def shadow_differences(
        self, filter: ShadowFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[ShadowDifference]:
        return await self._open().reader.read(shadows.list_differences, filter, limit=limit, cursor=cursor)

    def _told(self, committing: asyncio.Future[T], arrival: Arrival | None) -> asyncio.Future[T]:
        """Other gateways hear of the commands when they are committed, whether or not the caller waits for it."""
        waker = self._open().waker
        destinations = {planned.command.destination for planned in arrival.commands} if arrival is not None else set()

        def tell(done: asyncio.Future[T]) -> None:
            if not done.cancelled() and done.exception() is None:
                waker.tell(destinations)

        if not destinations:
            return committing
        committing.add_done_callback(tell)
        return asyncio.shield(committing)  # a caller that leaves would else seem to have ended it

    def _open(self) -> Connections:
        if self._connections is None:
            raise StoreUnavailable(f"{self._name}: the store is closed")
        return self._connections

    def _give_back(self, connections: Connections, claiming: asyncio.Future[Claimed], *, now: datetime) -> None:
        """Nobody is left who would send what a cancelled claim has leased."""
        if claiming.cancelled() or claiming.exception() is not None:
            return
        with contextlib.suppress(StoreUnavailable):  # closed meanwhile: the next start recovers them
            for result in given_back(claiming.result(), now):
                connections.delivery.submit(self._record, result)


def _arrival(item: Any) -> Arrival | None:
    """The arrival that an operation writes, if it writes one."""
    if isinstance(item, Again | Release):
        return item.arrival
    return item if isinstance(item, Arrival) else None
