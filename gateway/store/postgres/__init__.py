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

import msgspec

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
from gateway.store.fetches import Noted, row_of
from gateway.store.forgotten import Erasing, Named, Person, added, erased
from gateway.store.leases import RECOVERED, Due, Result, SetBack, Slowing, Spending
from gateway.store.looking import Looked, walk_back
from gateway.store.postgres import (
    acts,
    causes,
    claims,
    clock,
    fetched,
    finding,
    forgetting,
    lists,
    markers,
    parts,
    pauses,
    pruning,
    quarantine,
    replays,
    shadows,
    sharers,
    versions,
)
from gateway.store.postgres.commit import Writer
from gateway.store.postgres.database import address_of, connect, connected, migrate, name_of, refuse_unmoved
from gateway.store.postgres.demands import check_rights, check_sessions
from gateway.store.postgres.reader import Reader
from gateway.store.postgres.reception import write_arrivals
from gateway.store.postgres.retranslation import retranslate
from gateway.store.postgres.rows import day_of
from gateway.store.postgres.statements import Connection, run
from gateway.store.postgres.waking import Waker
from gateway.store.quarantines import Release, kept_of, stays_of
from gateway.store.replayed import ReplayNoted
from gateway.store.rows import MICROSECOND, micros
from gateway.store.served import Serving
from gateway.store.shadowed import ShadowNoted
from gateway.store.turns import Turns

T = TypeVar("T")

_PULSE = """
INSERT INTO pulse (id, at) VALUES (1, extract(epoch FROM now()) * 1000000)
ON CONFLICT (id) DO UPDATE SET at = excluded.at
"""


class _Connections(msgspec.Struct, frozen=True, kw_only=True):
    """What an open store holds."""

    intake: Writer
    delivery: Writer
    house: Writer
    reader: Reader
    waker: Waker
    lease: str
    """How every lease begins that this store gives."""


class PostgresStore:
    """Implements :class:`gateway.store.Store`, whose docstrings are the promises."""

    def __init__(self, url: str, *, identify_gap: timedelta) -> None:
        """:raises SettingsError: an address that libpq can't read."""
        self._address = address_of(url)
        self._name = name_of(url)
        self._connections: _Connections | None = None
        self._closing: asyncio.Task[None] | None = None
        self._leases = count(1)
        self._parts: set[int] = set()
        """The days that are known to have tables."""
        slot = secrets.randbelow(versions.SLOTS)
        self._write_arrivals = partial(write_arrivals, gap=identify_gap, slot=slot)
        self._paced: Any = partial(claims.paced, turns=Turns(), gap=identify_gap)
        self._record = partial(claims.record, gap=identify_gap)
        self._act = _one_by_one(partial(acts.act, gap=identify_gap))
        self._retranslate = _one_by_one(partial(retranslate, gap=identify_gap, slot=slot))
        self._release = _one_by_one(partial(quarantine.release, gap=identify_gap, slot=slot))
        self._note_fetching = _one_by_one(partial(fetched.note, slot=slot))
        self._serve_rules = _one_by_one(partial(versions.serve, slot=slot))

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
        self._connections = _Connections(
            intake=Writer(self._connect, self._name, prepare=self._make_parts, forget=self._parts.clear),
            delivery=Writer(self._connect, self._name, first=self._paced),
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

    async def _close(self, connections: _Connections) -> None:
        await connections.reader.close()
        await connections.waker.close()
        for writer in (connections.intake, connections.delivery, connections.house):
            await writer.close()
        self._connections = None

    def hear(self, due: Callable[[frozenset[str]], None]) -> None:
        self._open().waker.hear(due)

    async def check(self) -> None:
        connections = self._open()
        connections.intake.check()
        await connections.intake.submit(_pulse, None)

    async def _connect(self) -> Connection:
        return await connect(self._address)

    async def _make_parts(self, db: Connection, items: Sequence[Any]) -> None:
        """Make the tables of the days that these arrivals are of."""
        days = {day_of(arrival.received_at) for arrival in map(_arrival, items) if arrival is not None}
        if not days <= self._parts:
            await parts.make(db, days)
            self._parts |= days

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
        row = row_of(id, fetching)
        noted = Noted(id=id, row=row, since=row[1], state=state, reason=reason, again=again)
        return await self._open().intake.submit(self._note_fetching, noted, size=len(row[-1]), bounded=True)

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
        read, house = self._open().reader.read, self._open().house
        pruned = Pruned()
        given_up: StoreUnavailable | None = None
        for one in await read(pruning.past, now=now, default=default, by_source=by_source):
            try:
                pruned += await self._prune_part(one, dry_run=dry_run)
            except StoreUnavailable as error:  # somebody reads this day, say: the rest is pruned all the same
                given_up = error
        if quarantined is not None:
            for source in await read(quarantine.sources):
                old = source, micros(now - min(quarantined, by_source.get(source, default)))
                gone = read(quarantine.count_old, *old) if dry_run else house.submit(_drop_quarantined, old)
                pruned += Pruned(quarantined=await gone)
        if dry_run:
            pruned += await read(pruning.count_expired, micros(now))
        more = not dry_run
        while more:
            dropped, more = await house.submit(_drop_expired, micros(now))
            pruned += dropped
        longest = max((default, *by_source.values()))
        for version in await read(pruning.old_versions, micros(now - longest)):
            pruned += Pruned(rules_versions=1) if dry_run else await house.submit(_drop_version, version)
        if given_up is not None:
            raise given_up
        return pruned

    async def _prune_part(self, one: pruning.Past, *, dry_run: bool) -> Pruned:
        read, house = self._open().reader.read, self._open().house
        if one.whole and dry_run:
            return await read(pruning.count_day, one.part)
        while one.whole:
            if ids := await read(pruning.unfinished, one.part):
                await house.submit(_move_out, pruning.Doomed(part=one.part, ids=ids))
            else:
                dropped: Pruned | None = await house.submit(_drop_day, one.part)
                if dropped is not None:
                    return dropped
        pruned, place = Pruned(), 0
        for source in one.sources:
            while found := await read(pruning.look, one, source, place):
                place = found[-1][0]
                for doomed in pruning.portions(found, one.part):
                    pruned += await (read(pruning.measure, doomed) if dry_run else house.submit(_prune, doomed))
            place = 0
        return pruned

    # -- quarantine ------------------------------------------------------------------------------------------------

    async def quarantine(self, requests: Sequence[Quarantined], *, limits: QuarantineLimits) -> int:
        kept = kept_of(requests, limits)
        return await self._open().intake.submit(_quarantine, kept, size=kept.size, bounded=True)

    async def quarantined(self, id: str) -> Quarantined:
        return await self._open().reader.read(quarantine.find, id)

    async def quarantine_counts(self) -> Sequence[QuarantineCount]:
        return await self._open().reader.read(quarantine.counts)

    async def still_quarantined(
        self, id: str, *, reason: str, cause: str, findings: Sequence[str], rules_version: str
    ) -> bool:
        stays = stays_of(id, reason=reason, cause=cause, findings=findings, rules_version=rules_version)
        return await self._open().intake.submit(_still_quarantined, stays)

    async def release(self, id: str, reception: Reception | None) -> Receipt | None:
        arrival = None if reception is None else arrival_of(reception)
        release = Release(id=id, arrival=arrival)
        size = 0 if arrival is None else arrival.size
        releasing = self._open().intake.submit(self._release, release, size=size, bounded=True)
        return await self._told(releasing, arrival)

    async def key(self, name: str) -> bytes:
        return await self._open().intake.submit(_key, name)

    # -- rules -----------------------------------------------------------------------------------------------------

    async def remember_rules(self, version: RulesVersion) -> None:
        await self._open().intake.submit(_remember_rules, version)

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
        return await connections.delivery.submit(_recover, due)

    async def set_back(self, by: timedelta | None, *, now: datetime) -> timedelta:
        asked = SetBack(by=None if by is None else by // MICROSECOND, now=now)
        done: int = await self._open().delivery.submit(_set_back, asked)
        return done * MICROSECOND

    async def markers(self, address: str, command: str) -> Markers | None:
        return await self._open().reader.read(markers.find, address, command)

    async def note_markers(self, address: str, command: str, *, shown: bool, now: datetime) -> None:
        await self._open().delivery.submit(_note_markers, (address, command, shown, micros(now)))

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
        return await self._open().delivery.submit(_say, (process, within // MICROSECOND))

    async def sign_off(self, process: str) -> None:
        await self._open().delivery.submit(_sign_off, process)

    async def pause(self, pause: Pause) -> None:
        await self._open().delivery.submit(_pause, pause)

    async def resume(self, scope: PauseScope, name: str, *, automatic: bool = False) -> bool:
        return await self._open().delivery.submit(_resume, (scope, name, automatic))

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
        connections = self._open()
        person = Person(user=user, texts=tuple(texts))

        def look(after: int) -> Awaitable[Named]:
            return connections.reader.read(forgetting.look, person, after)

        def erase(erasing: Erasing) -> Awaitable[Forgotten]:
            return connections.house.submit(_erase, erasing)

        forgotten = await erased(look, erase, now=micros(now), dry_run=dry_run)
        return forgotten if dry_run else added(forgotten, await connections.house.submit(_erase_rest, person))

    # -- running again ---------------------------------------------------------------------------------------------

    async def begin_replay(self, replay: Replay) -> None:
        await self._open().house.submit(_begin_replay, replay)

    async def replay(self, id: str) -> Replay:
        return await self._open().reader.read(replays.find, id)

    async def replays(self, *, limit: int = 20) -> Sequence[Replay]:
        return await self._open().reader.read(replays.list_replays, limit=limit)

    async def note_replay(self, replay: Replay, *, after: str | None) -> None:
        await self._open().house.submit(_note_replay, ReplayNoted(replay=replay, after=after))

    # -- shadow rules ----------------------------------------------------------------------------------------------

    async def note_shadow(
        self, candidate: str, compared: Mapping[str, int], differences: Sequence[ShadowDifference], *, now: datetime
    ) -> None:
        noted = ShadowNoted(candidate=candidate, compared=compared, differences=tuple(differences), now=now)
        if compared:
            await self._open().house.submit(_note_shadow, noted)

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

    def _open(self) -> _Connections:
        if self._connections is None:
            raise StoreUnavailable(f"{self._name}: the store is closed")
        return self._connections

    def _give_back(self, connections: _Connections, claiming: asyncio.Future[Claimed], *, now: datetime) -> None:
        """Nobody is left who would send what a cancelled claim has leased."""
        if claiming.cancelled() or claiming.exception() is not None:
            return
        verdict = Verdict(state=CommandState.PENDING)
        with contextlib.suppress(StoreUnavailable):  # closed meanwhile: the next start recovers them
            for claim in claiming.result().claims:
                result = Result(claim=claim, attempt=None, verdict=verdict, now=now)
                connections.delivery.submit(self._record, result)


def _one_by_one(run: Callable[[Connection, Any], Awaitable[Any]]) -> Any:
    """``run`` for one item, as what :meth:`Writer.submit` takes."""

    async def each(db: Connection, items: Sequence[Any]) -> list[Any]:
        return [await run(db, item) for item in items]

    return each


def _arrival(item: Any) -> Arrival | None:
    """The arrival that an operation writes, if it writes one."""
    if isinstance(item, Again | Release):
        return item.arrival
    return item if isinstance(item, Arrival) else None


_set_back = _one_by_one(clock.set_back)
_note_markers = _one_by_one(markers.note)
_prune = _one_by_one(pruning.delete)
_move_out = _one_by_one(pruning.move_out)
_drop_day = _one_by_one(pruning.drop_day)
_drop_expired = _one_by_one(pruning.drop_expired)
_drop_version = _one_by_one(pruning.drop_version)
_quarantine = _one_by_one(quarantine.keep)
_still_quarantined = _one_by_one(quarantine.stay)
_drop_quarantined = _one_by_one(quarantine.drop_old)
_key = _one_by_one(quarantine.key)
_erase = _one_by_one(forgetting.erase)
_erase_rest = _one_by_one(forgetting.erase_rest)
_begin_replay = _one_by_one(replays.begin)
_note_replay = _one_by_one(replays.note)
_note_shadow = _one_by_one(shadows.note)
_say = _one_by_one(sharers.say)
_sign_off = _one_by_one(sharers.sign_off)
_pause = _one_by_one(pauses.pause)
_resume = _one_by_one(pauses.resume)
_recover = _one_by_one(claims.recover)
_remember_rules = _one_by_one(versions.remember)


async def _pulse(db: Connection, checks: Sequence[None]) -> Sequence[None]:
    await run(db, _PULSE)
    return checks
