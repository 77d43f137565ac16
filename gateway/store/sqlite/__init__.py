"""The embedded store: one SQLite file, for one serving process.

One thread writes, in groups (:mod:`~gateway.store.sqlite.commit`); two threads read, one for what is asked by id and by
the dispatcher, one for lists, so that a search through everything holds nobody up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

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
from gateway.store.fetches import noted_of
from gateway.store.leases import RECOVERED, Due, Result, SetBack, given_back
from gateway.store.looking import Looked, walk_back
from gateway.store.quarantines import kept_of, release_of, stays_of
from gateway.store.replayed import ReplayNoted
from gateway.store.rows import MICROSECOND, micros
from gateway.store.served import Serving
from gateway.store.shadowed import ShadowNoted
from gateway.store.sqlite import (
    acts,
    causes,
    claims,
    fetched,
    finding,
    lists,
    markers,
    operations,
    pauses,
    quarantine,
    replays,
    retention,
    shadows,
    versions,
)
from gateway.store.sqlite.buckets import Buckets
from gateway.store.sqlite.connections import Connections, connected
from gateway.store.sqlite.operations import one_by_one
from gateway.store.sqlite.reception import write_arrivals
from gateway.store.sqlite.retranslation import retranslate
from gateway.store.turns import Turns

T = TypeVar("T")


class SQLiteStore:
    """Implements :class:`gateway.store.Store`, whose docstrings are the promises."""

    def __init__(self, path: str, *, identify_gap: timedelta) -> None:
        """:raises SettingsError: a path that names no file."""
        if path in ("", ":memory:"):
            raise SettingsError(f"GATEWAY_STORE: sqlite:///{path}: names no file; allowed: sqlite:///FILE")
        self._path = Path(path)
        self._connections: Connections | None = None
        self._closing: asyncio.Task[None] | None = None
        self._leases = count(1)
        self._buckets = Buckets()
        self._claim = one_by_one(partial(claims.claim, turns=Turns(), gap=identify_gap))
        self._write_arrivals = partial(write_arrivals, gap=identify_gap)
        self._record = partial(claims.record, gap=identify_gap)
        self._act = one_by_one(partial(acts.act, gap=identify_gap))
        self._retranslate = one_by_one(partial(retranslate, gap=identify_gap))
        self._release = one_by_one(partial(quarantine.release, gap=identify_gap))

    async def open(self, *, serving: bool = True) -> None:
        if self._connections is not None:
            raise StoreUnavailable(f"{self._path}: is open already")
        self._closing = None
        self._connections = await connected(self._path, serving=serving)

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
        self._open()

    async def check(self) -> None:
        connections = self._open()
        connections.writer.check()
        await connections.writer.submit(operations.pulse, None)

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
        noted = noted_of(id, fetching, state=state, reason=reason, again=again)
        return await self._open().writer.submit(operations.note_fetching, noted, size=noted.size, bounded=True)

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
        return await retention.prune(
            self._open(), now=now, default=default, by_source=by_source, quarantined=quarantined, dry_run=dry_run
        )

    # -- quarantine ------------------------------------------------------------------------------------------------

    async def quarantine(self, requests: Sequence[Quarantined], *, limits: QuarantineLimits) -> int:
        kept = kept_of(requests, limits)
        return await self._open().writer.submit(operations.keep_quarantined, kept, size=kept.size, bounded=True)

    async def quarantined(self, id: str) -> Quarantined:
        return await self._open().lookups.read(quarantine.find, id)

    async def quarantine_counts(self) -> Sequence[QuarantineCount]:
        return await self._open().lists.read(quarantine.counts)

    async def still_quarantined(
        self, id: str, *, reason: str, cause: str, findings: Sequence[str], rules_version: str
    ) -> bool:
        stays = stays_of(id, reason=reason, cause=cause, findings=findings, rules_version=rules_version)
        return await self._open().writer.submit(operations.still_quarantined, stays)

    async def release(self, id: str, reception: Reception | None) -> Receipt | None:
        release = release_of(id, reception)
        return await self._open().writer.submit(self._release, release, size=release.size, bounded=True)

    async def key(self, name: str) -> bytes:
        return await self._open().writer.submit(operations.key, name)

    # -- rules -----------------------------------------------------------------------------------------------------

    async def remember_rules(self, version: RulesVersion) -> None:
        await self._open().writer.submit(operations.remember_rules, version)

    async def serve_rules(self, version: RulesVersion, rules: Collection[tuple[str, str]], *, now: datetime) -> None:
        serving = Serving(version=version, rules=rules, at=micros(now))
        await self._open().writer.submit(operations.serve_rules, serving)

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
        return await connections.writer.submit(operations.recover, (due, connections.lease, connections.serving))

    async def set_back(self, by: timedelta | None, *, now: datetime) -> timedelta:
        asked = SetBack(by=None if by is None else by // MICROSECOND, now=now)
        done: int = await self._open().writer.submit(operations.set_back, asked)
        return done * MICROSECOND

    async def markers(self, address: str, command: str) -> Markers | None:
        return await self._open().lookups.read(markers.find, address, command)

    async def note_markers(self, address: str, command: str, *, shown: bool, now: datetime) -> None:
        await self._open().writer.submit(operations.note_markers, (address, command, int(shown), micros(now)))

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
        await self._open().writer.submit(operations.pause, pause)

    async def resume(self, scope: PauseScope, name: str, *, automatic: bool = False) -> bool:
        return await self._open().writer.submit(operations.resume, (scope, name, automatic))

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
        return await retention.forget(self._open(), user, texts, now=now, dry_run=dry_run)

    # -- running again ---------------------------------------------------------------------------------------------

    async def begin_replay(self, replay: Replay) -> None:
        await self._open().writer.submit(operations.begin_replay, replay)

    async def replay(self, id: str) -> Replay:
        return await self._open().lookups.read(replays.find, id)

    async def replays(self, *, limit: int = 20) -> Sequence[Replay]:
        return await self._open().lists.read(replays.list_replays, limit=limit)

    async def note_replay(self, replay: Replay, *, after: str | None) -> None:
        await self._open().writer.submit(operations.note_replay, ReplayNoted(replay=replay, after=after))

    # -- shadow rules ----------------------------------------------------------------------------------------------

    async def note_shadow(
        self, candidate: str, compared: Mapping[str, int], differences: Sequence[ShadowDifference], *, now: datetime
    ) -> None:
        noted = ShadowNoted(candidate=candidate, compared=compared, differences=tuple(differences), now=now)
        if compared:
            await self._open().writer.submit(operations.note_shadow, noted)

    async def shadow_counts(self, *, candidate: str | None = None) -> Sequence[ShadowCount]:
        return await self._open().lists.read(shadows.list_counts, candidate=candidate)

    async def shadow_differences(
        self, filter: ShadowFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[ShadowDifference]:
        return await self._open().lists.read(shadows.list_differences, filter, limit=limit, cursor=cursor)

    def _open(self) -> Connections:
        if self._connections is None:
            raise StoreUnavailable(f"{self._path}: the store is closed")
        return self._connections

    def _give_back(self, connections: Connections, claiming: asyncio.Future[Claimed], *, now: datetime) -> None:
        """Nobody is left who would send what a cancelled claim has leased."""
        if claiming.cancelled() or claiming.exception() is not None:
            return
        with contextlib.suppress(StoreUnavailable):  # closed meanwhile: the next start recovers them
            for result in given_back(claiming.result(), now):
                connections.writer.submit(self._record, result)
