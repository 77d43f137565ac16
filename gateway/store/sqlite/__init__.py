"""The embedded store: one SQLite file, for one serving process.

One thread writes, in groups (:mod:`~gateway.store.sqlite.commit`); two threads read, one for what is asked by id and by
the dispatcher, one for lists, so that a search through everything holds nobody up.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from gateway import pacing
from gateway.errors import SettingsError, StoreUnavailable
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
from gateway.store.arrivals import Again, arrival_of
from gateway.store.fetches import Noted, row_of
from gateway.store.forgotten import Erasing, Named, Person, added, erased
from gateway.store.leases import RECOVERED, Due, Result, SetBack
from gateway.store.looking import Looked, walk_back
from gateway.store.quarantines import Release, kept_of, stays_of
from gateway.store.replayed import ReplayNoted
from gateway.store.rows import MICROSECOND, micros
from gateway.store.served import Serving
from gateway.store.shadowed import ShadowNoted
from gateway.store.sqlite import (
    acts,
    causes,
    claims,
    clock,
    fetched,
    finding,
    forgetting,
    lists,
    markers,
    pauses,
    pruning,
    quarantine,
    replays,
    shadows,
    versions,
)
from gateway.store.sqlite.buckets import Buckets
from gateway.store.sqlite.commit import Writer
from gateway.store.sqlite.database import FileIdentity, ServingLock, connect, migrate, refuse_moved
from gateway.store.sqlite.reader import Reader
from gateway.store.sqlite.reception import write_arrivals
from gateway.store.sqlite.retranslation import retranslate
from gateway.store.turns import Turns

T = TypeVar("T")

# The ballast asks for pages that a full disk, or a file at its limit, does not have.
_BALLAST = "INSERT OR REPLACE INTO pulse (id, at, ballast) VALUES (1, ?, zeroblob(65536))"
_PULSE = "INSERT OR REPLACE INTO pulse (id, at) VALUES (1, ?)"


_CUTS = 3
"""How often the log is tried to be cut off, where others read."""


class _Connections(msgspec.Struct, frozen=True, kw_only=True):
    """What an open store holds."""

    serving: bool
    writer: Writer
    lookups: Reader
    lists: Reader
    lock: ServingLock | None
    lease: str
    """How every lease begins that this store gives."""


class SQLiteStore:
    """Implements :class:`gateway.store.Store`, whose docstrings are the promises."""

    def __init__(self, path: str, *, identify_gap: timedelta) -> None:
        """:raises SettingsError: a path that names no file."""
        if path in ("", ":memory:"):
            raise SettingsError(f"GATEWAY_STORE: sqlite:///{path}: names no file; allowed: sqlite:///FILE")
        self._path = Path(path)
        self._connections: _Connections | None = None
        self._closing: asyncio.Task[None] | None = None
        self._leases = count(1)
        self._buckets = Buckets()
        self._claim = _one_by_one(partial(claims.claim, turns=Turns(), gap=identify_gap))
        self._write_arrivals = partial(write_arrivals, gap=identify_gap)
        self._record = partial(claims.record, gap=identify_gap)
        self._act = _one_by_one(partial(acts.act, gap=identify_gap))
        self._retranslate = _one_by_one(partial(retranslate, gap=identify_gap))
        self._release = _one_by_one(partial(quarantine.release, gap=identify_gap))

    async def open(self, *, serving: bool = True) -> None:
        if self._connections is not None:
            raise StoreUnavailable(f"{self._path}: is open already")
        self._closing = None
        connected = await asyncio.to_thread(_connect, self._path, serving)
        lock, identity, (db, lookups, listing) = connected
        name = str(self._path)
        self._connections = _Connections(
            serving=serving,
            writer=Writer(db, name, identity),
            lookups=Reader(lookups, name),
            lists=Reader(listing, name),
            lock=lock,
            lease=secrets.token_hex(8),
        )

    async def close(self) -> None:
        if self._connections is None:
            return
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(self._connections))
        await asyncio.shield(self._closing)

    async def _close(self, connections: _Connections) -> None:
        await connections.lookups.close()
        await connections.lists.close()
        # The last to close is the one that may write: SQLite then moves the log into the file, so that after an orderly
        # stop the file alone is everything.
        await connections.writer.close()
        if connections.lock is not None:
            connections.lock.release()
        self._connections = None

    def hear(self, due: Callable[[frozenset[str]], None]) -> None:
        self._open()

    async def check(self) -> None:
        connections = self._open()
        connections.writer.check()
        await connections.writer.submit(_pulse, None)

    # -- inbound ---------------------------------------------------------------------------------------------------

    async def receive(self, reception: Reception) -> Receipt:
        arrival = arrival_of(reception)
        return await self._open().writer.submit(self._write_arrivals, arrival, size=arrival.size, bounded=True)

    async def retranslate(self, reception: Reception, *, now: datetime) -> Retranslation:
        arrival = arrival_of(reception)
        again = Again(arrival=arrival, now=now)
        return await self._open().writer.submit(self._retranslate, again, size=arrival.size, bounded=True)

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
        return await self._open().writer.submit(_note_fetching, noted, size=len(row[-1]), bounded=True)

    async def fetching(self, id: str) -> Fetching | None:
        return await self._open().lookups.read(fetched.find, id)

    async def unfetched(self, *, limit: int = 1000, cursor: str | None = None) -> Page[Unfetched]:
        return await self._open().lists.read(fetched.list_unfetched, limit=limit, cursor=cursor)

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
        lists, writer = connections.lists, connections.writer
        at, pruned = micros(now), Pruned()
        for source in await lists.read(pruning.sources):
            before, place = micros(now - by_source.get(source, default)), pruning.START
            while True:
                found = await lists.read(pruning.look, source, before, place)
                if dry_run:
                    pruned += await lists.read(pruning.measure, found)
                for seqs in () if dry_run else pruning.portions(found):
                    pruned += await writer.submit(_prune, pruning.Doomed(seqs=seqs, now=at))
                if found.next is None:
                    break
                place = found.next
        if quarantined is not None:
            for source in await lists.read(quarantine.sources):
                old = source, micros(now - min(quarantined, by_source.get(source, default)))
                gone = lists.read(quarantine.count_old, *old) if dry_run else writer.submit(_drop_quarantined, old)
                pruned += Pruned(quarantined=await gone)
        if dry_run:
            pruned += await lists.read(pruning.count_expired, at)
        while not dry_run:
            dropped = await writer.submit(_drop_expired, at)
            pruned += dropped
            if dropped.dedup_keys < pruning.KEYS and dropped.once_claims < pruning.KEYS:
                break
        longest = max((default, *by_source.values()))
        for version in await lists.read(pruning.old_versions, micros(now - longest)):
            pruned += Pruned(rules_versions=1) if dry_run else await writer.submit(_drop_version, version)
        return pruned

    # -- quarantine ------------------------------------------------------------------------------------------------

    async def quarantine(self, requests: Sequence[Quarantined], *, limits: QuarantineLimits) -> int:
        kept = kept_of(requests, limits)
        return await self._open().writer.submit(_quarantine, kept, size=kept.size, bounded=True)

    async def quarantined(self, id: str) -> Quarantined:
        return await self._open().lookups.read(quarantine.find, id)

    async def quarantine_counts(self) -> Sequence[QuarantineCount]:
        return await self._open().lists.read(quarantine.counts)

    async def still_quarantined(
        self, id: str, *, reason: str, cause: str, findings: Sequence[str], rules_version: str
    ) -> bool:
        stays = stays_of(id, reason=reason, cause=cause, findings=findings, rules_version=rules_version)
        return await self._open().writer.submit(_still_quarantined, stays)

    async def release(self, id: str, reception: Reception | None) -> Receipt | None:
        arrival = None if reception is None else arrival_of(reception)
        release = Release(id=id, arrival=arrival)
        size = 0 if arrival is None else arrival.size
        return await self._open().writer.submit(self._release, release, size=size, bounded=True)

    async def key(self, name: str) -> bytes:
        return await self._open().writer.submit(_key, name)

    # -- rules -----------------------------------------------------------------------------------------------------

    async def remember_rules(self, version: RulesVersion) -> None:
        await self._open().writer.submit(_remember_rules, version)

    async def serve_rules(self, version: RulesVersion, rules: Collection[tuple[str, str]], *, now: datetime) -> None:
        serving = Serving(version=version, rules=rules, at=micros(now))
        await self._open().writer.submit(_serve_rules, serving)

    async def rules_version(self, version: str) -> RulesVersion:
        return await self._open().lookups.read(versions.find_version, version)

    async def rules_history(self, version: str) -> VersionHistory:
        return await self._open().lookups.read(versions.find_history, version)

    async def rules_histories(self, *, limit: int = 50, skip: int = 0) -> Sequence[VersionHistory]:
        return await self._open().lists.read(versions.list_histories, limit=limit, skip=skip)

    # -- delivery --------------------------------------------------------------------------------------------------

    async def claim(
        self, destination: str, *, limit: int, lease: timedelta, now: datetime, limits: Limits | None = None
    ) -> Claimed:
        if limits is None:
            return await self._lease(destination, limit=limit, lease=lease, now=now)
        claimed, taken = Claimed(), self._buckets.take(limits, limit)
        try:
            if taken:
                claimed = await self._lease(destination, limit=taken, lease=lease, now=now)
        finally:
            self._buckets.give_back(limits, taken - len(claimed.claims))
        return msgspec.structs.replace(claimed, bucket=self._buckets.told(limits))

    async def spend(self, limits: Limits) -> float:
        return 0.0 if self._buckets.take(limits, 1) else pacing.wait(self._buckets.told(limits), 0.0)

    async def slow(self, limits: Limits, *, retry_after: float | None) -> Bucket:
        self._buckets.slow(limits, retry_after)
        return self._buckets.told(limits)

    async def _lease(self, destination: str, *, limit: int, lease: timedelta, now: datetime) -> Claimed:
        connections = self._open()
        token = f"{connections.lease}-{next(self._leases)}"
        due = Due(destination=destination, limit=limit, lease=token, until=now + lease, now=now)
        claiming = connections.writer.submit(self._claim, due)
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            claiming.add_done_callback(partial(self._give_back, connections, now=now))
            raise

    async def record(self, claim: Claim, attempt: Attempt | None, verdict: Verdict, *, now: datetime) -> bool:
        result = Result(claim=claim, attempt=attempt, verdict=verdict, now=now)
        return await self._open().writer.submit(self._record, result)

    async def recover(self, *, now: datetime, lease: timedelta) -> Sequence[Claim]:
        connections = self._open()
        token = f"{connections.lease}-{next(self._leases)}{RECOVERED}"
        due = Due(destination="", limit=0, lease=token, until=now + lease, now=now)
        return await connections.writer.submit(_recover, (due, connections.lease, connections.serving))

    async def set_back(self, by: timedelta | None, *, now: datetime) -> timedelta:
        asked = SetBack(by=None if by is None else by // MICROSECOND, now=now)
        done: int = await self._open().writer.submit(_set_back, asked)
        return done * MICROSECOND

    async def markers(self, address: str, command: str) -> Markers | None:
        return await self._open().lookups.read(markers.find, address, command)

    async def note_markers(self, address: str, command: str, *, shown: bool, now: datetime) -> None:
        await self._open().writer.submit(_note_markers, (address, command, int(shown), micros(now)))

    async def act(
        self, act: Act, ids: Sequence[str], *, now: datetime, skip: bool = False, priority: int | None = None
    ) -> Acted:
        asked = Asked(act=act, ids=tuple(dict.fromkeys(ids)), now=now, skip=skip, priority=priority)
        return await self._open().writer.submit(self._act, asked)

    async def next_due(self, destination: str, *, paused: bool = False) -> datetime | None:
        return await self._open().lookups.read(claims.next_due, destination, paused)

    async def backlog(self) -> dict[str, dict[CommandState, int]]:
        return await self._open().lists.read(lists.count_backlog)

    async def unfinished(self) -> frozenset[str]:
        return await self._open().lists.read(lists.unfinished)

    async def sharers(self, process: str, *, within: timedelta) -> int:
        self._open()
        return 1

    async def sign_off(self, process: str) -> None:
        self._open()

    async def pause(self, pause: Pause) -> None:
        await self._open().writer.submit(_pause, pause)

    async def resume(self, scope: PauseScope, name: str, *, automatic: bool = False) -> bool:
        return await self._open().writer.submit(_resume, (scope, name, automatic))

    async def pauses(self) -> Sequence[Pause]:
        return await self._open().lookups.read(pauses.list_pauses)

    async def foresee(self, scope: PauseScope, name: str, *, now: datetime) -> Sequence[Foreseen]:
        return await self._open().lists.read(pauses.foresee, scope, name, now)

    # -- reading ---------------------------------------------------------------------------------------------------

    async def webhook(self, id: str) -> Webhook:
        return await self._open().lookups.read(lists.find_webhook, id)

    async def webhooks(self, filter: WebhookFilter, *, limit: int = 50, cursor: str | None = None) -> Page[Webhook]:
        return await self._open().lists.read(lists.list_webhooks, filter, limit=limit, cursor=cursor)

    async def walk(
        self, filter: WebhookFilter, *, limit: int = 50, after: str | None = None
    ) -> Sequence[tuple[str, Webhook]]:
        return await self._open().lists.read(lists.walk_webhooks, filter, limit=limit, after=after)

    async def command(self, id: str) -> Command:
        return await self._open().lookups.read(lists.find_command, id)

    async def commands(self, filter: CommandFilter, *, limit: int = 50, cursor: str | None = None) -> Page[Command]:
        return await self._open().lists.read(lists.list_commands, filter, limit=limit, cursor=cursor)

    async def attempts(self, command_id: str) -> Sequence[Attempt]:
        return await self._open().lookups.read(lists.list_attempts, command_id)

    async def count(self, filter: WebhookFilter | CommandFilter) -> int:
        return await self._open().lists.read(lists.count, filter)

    async def causes(self, filter: WebhookFilter | CommandFilter, *, limit: int = 100) -> Sequence[Cause]:
        return await self._open().lists.read(causes.list_causes, filter, limit=limit)

    async def find(
        self, texts: Sequence[str], *, limit: int = 20, depth: int = 100_000, since: datetime | None = None
    ) -> Found:
        def look(place: int, step: int, wanted: int) -> Awaitable[Looked]:
            return self._open().lists.read(finding.look, texts, before=place, since=since, step=step, limit=wanted)

        return await walk_back(look, limit=limit, depth=depth)

    async def last_heard(self) -> Mapping[str, datetime]:
        return await self._open().lists.read(finding.last_heard)

    async def forget(self, user: str, texts: Sequence[str], *, now: datetime, dry_run: bool = False) -> Forgotten:
        connections = self._open()
        person = Person(user=user, texts=tuple(texts))

        def look(after: int) -> Awaitable[Named]:
            return connections.lists.read(forgetting.look, person, after)

        def erase(erasing: Erasing) -> Awaitable[Forgotten]:
            return connections.writer.submit(_erase, erasing)

        forgotten = await erased(look, erase, now=micros(now), dry_run=dry_run)
        if not dry_run:
            forgotten = added(forgotten, await connections.writer.submit(_erase_rest, person))
            for _ in range(_CUTS):
                if await connections.lists.read(forgetting.cut_log):
                    break
        return forgotten

    # -- running again ---------------------------------------------------------------------------------------------

    async def begin_replay(self, replay: Replay) -> None:
        await self._open().writer.submit(_begin_replay, replay)

    async def replay(self, id: str) -> Replay:
        return await self._open().lookups.read(replays.find, id)

    async def replays(self, *, limit: int = 20) -> Sequence[Replay]:
        return await self._open().lists.read(replays.list_replays, limit=limit)

    async def note_replay(self, replay: Replay, *, after: str | None) -> None:
        await self._open().writer.submit(_note_replay, ReplayNoted(replay=replay, after=after))

    # -- shadow rules ----------------------------------------------------------------------------------------------

    async def note_shadow(
        self, candidate: str, compared: Mapping[str, int], differences: Sequence[ShadowDifference], *, now: datetime
    ) -> None:
        noted = ShadowNoted(candidate=candidate, compared=compared, differences=tuple(differences), now=now)
        if compared:
            await self._open().writer.submit(_note_shadow, noted)

    async def shadow_counts(self, *, candidate: str | None = None) -> Sequence[ShadowCount]:
        return await self._open().lists.read(shadows.list_counts, candidate=candidate)

    async def shadow_differences(
        self, filter: ShadowFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[ShadowDifference]:
        return await self._open().lists.read(shadows.list_differences, filter, limit=limit, cursor=cursor)

    def _open(self) -> _Connections:
        if self._connections is None:
            raise StoreUnavailable(f"{self._path}: the store is closed")
        return self._connections

    def _give_back(self, connections: _Connections, claiming: asyncio.Future[Claimed], *, now: datetime) -> None:
        """Nobody is left who would send what a cancelled claim has leased."""
        if claiming.cancelled() or claiming.exception() is not None:
            return
        verdict = Verdict(state=CommandState.PENDING)
        with contextlib.suppress(StoreUnavailable):  # closed meanwhile: the next start recovers them
            for claim in claiming.result().claims:
                result = Result(claim=claim, attempt=None, verdict=verdict, now=now)
                connections.writer.submit(self._record, result)


def _connect(path: Path, serving: bool) -> tuple[ServingLock | None, FileIdentity, list[sqlite3.Connection]]:
    lock = ServingLock(path) if serving else None
    connections: list[sqlite3.Connection] = []
    try:
        connections.append(connect(path))
        migrate(connections[0], path)
        if serving:
            refuse_moved(connections[0], path)
        connections += [connect(path), connect(path)]
        return lock, FileIdentity(path), connections
    except BaseException:
        for connection in connections:
            connection.close()
        if lock is not None:
            lock.release()
        raise


def _one_by_one(run: Any) -> Any:
    """``run`` for one item, as what :meth:`Writer.submit` takes."""

    def each(db: sqlite3.Connection, items: Sequence[Any]) -> list[Any]:
        return [run(db, item) for item in items]

    return each


def _recover_one(db: sqlite3.Connection, asked: tuple[Due, str, bool]) -> list[Claim]:
    due, mine, serving = asked
    return claims.recover(db, due, mine=mine, serving=serving)


_set_back = _one_by_one(clock.set_back)
_note_markers = _one_by_one(markers.note)
_prune = _one_by_one(pruning.delete)
_drop_expired = _one_by_one(pruning.drop_expired)
_drop_version = _one_by_one(pruning.drop_version)
_quarantine = _one_by_one(quarantine.keep)
_still_quarantined = _one_by_one(quarantine.stay)
_drop_quarantined = _one_by_one(quarantine.drop_old)
_key = _one_by_one(quarantine.key)
_note_fetching = _one_by_one(fetched.note)


_erase = _one_by_one(forgetting.erase)
_erase_rest = _one_by_one(forgetting.erase_rest)
_begin_replay = _one_by_one(replays.begin)
_note_replay = _one_by_one(replays.note)
_note_shadow = _one_by_one(shadows.note)
_pause = _one_by_one(pauses.pause)
_resume = _one_by_one(pauses.resume)
_recover = _one_by_one(_recover_one)
_remember_rules = _one_by_one(versions.remember)
_serve_rules = _one_by_one(versions.serve)


def _pulse(db: sqlite3.Connection, checks: Sequence[None]) -> list[None]:
    now = db.execute("SELECT unixepoch() * 1000000").fetchone()
    db.execute(_BALLAST, now)
    db.execute(_PULSE, now)
    return list(checks)
