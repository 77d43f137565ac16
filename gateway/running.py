"""One running gateway: what it consists of, how it starts and stops, and what holds it together.

It starts in this order: store, rules version, delivery; and stops back.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway import __version__
from gateway.admin import probing, status
from gateway.admin.quarantine import count_rows
from gateway.admin.versions import Versions
from gateway.backoff import Backoff
from gateway.credentials import Credentials
from gateway.delivery.dispatch import Dispatcher, lease_for
from gateway.errors import DeliveryError, SettingsError, StoreError
from gateway.folders import load_rules, load_shadow_rules, shadow_destinations
from gateway.inbound.api_client import APIClient
from gateway.inbound.fetch import Fetcher
from gateway.inbound.needs import key_addresses
from gateway.inbound.published_keys import PublishedKeys
from gateway.inbound.quarantine import Allowed, Quarantine
from gateway.inbound.visits import Visits
from gateway.intilery.client import Client, timeouts
from gateway.intilery.contract import Destination, timestamp
from gateway.pruning import Pruner
from gateway.reload import Failure, Reloader, RulesServed, rules_of
from gateway.rules import Problem, Ruleset, renames
from gateway.settings import Settings
from gateway.shadow import Shadow
from gateway.store import Reception, Store, open_store
from gateway.telemetry import Telemetry

STORE_ANSWERS = 5.0
"""Seconds for which ``/readyz`` waits for a write: a store that hangs takes nothing in."""
_RECALLED = 8
"""How many versions are searched for a destination that is no longer named."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class Gateway:
    """One running gateway: its store, the rules that are served, and its delivery.

    ``ruleset`` is the one place that says which rules are served; it is replaced as a whole, so a request sees one
    version or the other and nothing between: the one that it began with.
    """

    def __init__(
        self, settings: Settings, *, ruleset: Ruleset | None = None, now: Callable[[], datetime] = utc_now
    ) -> None:
        refuse_optimised()
        self.settings = settings
        self.now = now
        self.credential = Credentials(settings.environ)
        self.ruleset = ruleset or load_rules(settings)
        self.telemetry = Telemetry()
        self.store: Store = open_store(settings.store, identify_gap=settings.identify_gap)
        self.versions = Versions(self.store, environ=settings.environ)
        self._removed: dict[str, Destination] = {}
        """Destinations that the rules named before, as they were."""
        # Unbounded here: each lane bounds what it sends, and a reload may bring more of them.
        self.client = Client(connections=0, **timeouts(settings.timeout.total_seconds()))
        self.dispatcher = Dispatcher(
            self.store,
            self.client,
            lambda: self.destinations,
            self.credential,
            emit=self.telemetry.delivery,
            max_in_flight=settings.connections,
            give_up_after=settings.give_up,
            grace=settings.grace,
            lease=lease_for(self.client),
            clock=now,
        )
        self.api_client = APIClient(credential=self.credential)
        self.fetcher = Fetcher(
            self.store,
            self.api_client,
            ruleset=lambda: self.ruleset,
            wake=self.wake,
            seen=self.seen,
            emit=self.telemetry.fetching,
            backoff=Backoff(give_up_after=settings.give_up),
            now=now,
        )
        self.visits = Visits(self.api_client.open, emit=self.telemetry.visited)
        self.published = PublishedKeys(
            addresses=lambda: [url for source in self.ruleset.sources.values() for url in key_addresses(source.verify)]
        )
        self.quarantine = Quarantine(
            self.store,
            ruleset=lambda: self.ruleset,
            credential=self.credential,
            names=self.credential.names,
            allowed=Allowed(
                count=settings.quarantine_count, bytes=settings.quarantine_bytes, age=settings.quarantine_age
            ),
            emit=self.telemetry.quarantine,
            published=self.published,
            now=now,
        )
        self.reloader = Reloader(
            settings.rules,
            destinations=settings.destinations,
            load=lambda: load_rules(settings),
            served=lambda: self.ruleset,
            serve=self.serve,
            emit=self.telemetry.reloaded,
            now=now,
            watch=settings.reload,
        )
        self.shadow = Shadow(self.store, emit=self.telemetry.shadow, now=now)
        self.shadow_reloader = (
            None
            if settings.shadow_rules is None
            else Reloader(
                settings.shadow_rules,
                destinations=shadow_destinations(settings),
                load=lambda: load_shadow_rules(settings),
                served=lambda: self.shadow.ruleset,
                serve=self.shadow.serve,
                emit=self.telemetry.shadow_reloaded,
                now=now,
                watch=settings.reload,
            )
        )
        self.pruner = Pruner(
            self.store,
            ruleset=lambda: self.ruleset,
            default=settings.retention,
            quarantined=settings.quarantine_age,
            emit=self.telemetry.pruned,
            now=now,
        )
        self.started_at: datetime | None = None

    @property
    def destinations(self) -> Mapping[str, Destination]:
        """Where commands may have to go: to those that the rules name, and to those that they named before.

        A removed destination stays known, as it last was, while the gateway runs, and over a restart while it has
        unfinished commands: what was made for it is delivered there.
        """
        return {**self._removed, **self.ruleset.destinations} if self._removed else self.ruleset.destinations

    @property
    def delivers(self) -> bool:
        """Whether this process sends commands."""
        return self.settings.role in ("all", "deliver")

    @property
    def receives(self) -> bool:
        """Whether this process takes webhooks in."""
        return self.settings.role in ("all", "receive")

    async def start(self) -> None:
        """Open the store, keep the text of the rules, begin to deliver and to look for changed rules.

        :raises StoreError: the store can't be used; what was begun is undone.
        """
        await self.store.open()
        try:
            renamed = await self._renamed()
            await self.store.serve_rules(self.ruleset.version, rules_of(self.ruleset), now=self.now())
            self.telemetry.reloaded(RulesServed(ruleset=self.ruleset, at=self.now(), renamed=renamed))
            if self.receives:
                await self.quarantine.start()
                await self.fetcher.start()
                await self.published.start()
            if self.delivers:
                await self._recall_destinations()
                await self.dispatcher.start()
                self.store.hear(self.dispatcher.wake)
            self.reloader.start()
            self.pruner.start()
            if self.shadow_reloader is not None and self.receives:
                # Loaded in the background: candidate rules that have problems must not keep the live ones from serving.
                self.shadow.start()
                self.shadow_reloader.start()
                self.shadow_reloader.ask()
        except BaseException:
            await self.stop()
            raise
        self.started_at = self.now()

    async def stop(self) -> None:
        """End what is on its way, within the grace period, and close. Idempotent.

        Whichever of them fails, the others are ended too; the failure is raised in the end.
        """
        self.started_at = None
        async with contextlib.AsyncExitStack() as ending:  # from the last line to the first
            ending.push_async_callback(self.store.close)
            ending.push_async_callback(self.quarantine.stop)
            ending.push_async_callback(self.client.aclose)
            ending.push_async_callback(self.dispatcher.stop)
            ending.push_async_callback(self.api_client.aclose)
            ending.push_async_callback(self.fetcher.stop)
            ending.push_async_callback(self.published.stop)
            ending.push_async_callback(self.visits.stop)
            ending.push_async_callback(self.reloader.stop)
            ending.push_async_callback(self.pruner.stop)
            ending.push_async_callback(self.shadow.stop)
            if self.shadow_reloader is not None:
                ending.push_async_callback(self.shadow_reloader.stop)

    def reload(self) -> None:
        """Look at the rules folders now: what SIGHUP does. Never blocks."""
        self.reloader.ask()
        if self.shadow_reloader is not None:
            self.shadow_reloader.ask()

    def seen(self, reception: Reception) -> None:
        """A webhook was translated and is on disk."""
        self.shadow.add(reception)

    async def serve(self, ruleset: Ruleset) -> None:
        """Serve these rules from now on. Their text is on disk before the first webhook meets them.

        :raises StoreError: it can't be kept; the rules before go on.
        """
        await self.store.serve_rules(ruleset.version, rules_of(ruleset), now=self.now())
        known = {**self._removed, **self.ruleset.destinations}
        self._removed = {name: found for name, found in known.items() if name not in ruleset.destinations}
        self.ruleset = ruleset
        if self.receives:
            self.published.look()
        self.wake()

    async def _renamed(self) -> tuple[Problem, ...]:
        """Rules that have another id than in the version that was served before this start."""
        last = next(iter(await self.store.rules_histories(limit=1)), None)
        if last is None or not last.served or last.version.version == self.ruleset.version.version:
            return ()
        before = await self.store.rules_version(last.version.version)
        return renames(before.files, self.ruleset.version.files)

    async def _recall_destinations(self) -> None:
        """Those that the rules no longer name and that have unfinished commands, from the versions that named them."""
        lost = await self.store.unfinished() - self.ruleset.destinations.keys()
        for history in await self.store.rules_histories(limit=_RECALLED) if lost else ():
            found = await self.versions.ruleset(history.version.version)
            if found is not None:
                self._removed = {
                    name: found.destinations[name] for name in lost & found.destinations.keys()
                } | self._removed

    def wake(self, destinations: Collection[str] | None = None) -> None:
        """Commands for these destinations, or for any, were written."""
        self.dispatcher.wake(self.destinations if destinations is None else destinations)
        if destinations is None:
            self.fetcher.look()

    async def unready(self) -> list[str]:
        """Why webhooks can't be taken in now; nothing where they can."""
        if self.started_at is None:
            return ["the gateway is starting or stopping"]
        try:
            async with asyncio.timeout(STORE_ANSWERS):
                await self.store.check()
        except TimeoutError:
            return [f"store: it did not answer within {STORE_ANSWERS:g} s"]
        except StoreError as error:
            return [f"store: {error}"]
        return []

    async def status(self) -> dict[str, Any]:
        """The state of everything, for operators: no payload, no secret."""
        rules = self.ruleset.version
        return {
            "gateway": __version__,
            "role": self.settings.role,
            "started_at": timestamp(self.started_at) if self.started_at else None,
            "unready": await self.unready(),
            "store": status.shown_store(self.settings.store),
            "rules": {
                "version": rules.version,
                "revision": rules.revision,
                "loaded_at": timestamp(rules.loaded_at),
                "warnings": [str(problem) for problem in self.ruleset.warnings],
                "watched": self.settings.reload,
                "reload_failed": _failure_row(self.reloader.failure),
            },
            "shadow": None
            if self.shadow_reloader is None
            else {
                "folder": str(self.settings.shadow_rules),
                **self.shadow.status(),
                "reload_failed": _failure_row(self.shadow_reloader.failure),
            },
            "sources": await status.sources(self.store, self.ruleset, self.credential),
            "fetching": self.fetcher.status(),
            "quarantine": {
                "limits": {
                    "count": self.settings.quarantine_count,
                    "bytes": self.settings.quarantine_bytes,
                    "age_seconds": round(self.settings.quarantine_age.total_seconds()),
                },
                "not_written_yet": self.quarantine.waiting[0],
                "kept": count_rows(await self.store.quarantine_counts()),
            },
            "destinations": await status.destinations(
                self.store,
                self.ruleset.destinations,
                self.destinations,
                self.credential,
                self.dispatcher.status() if self.delivers else {},
            ),
        }

    async def pauses_changed(self) -> None:
        """Something was paused or resumed in the store: go by it now."""
        await self.dispatcher.look_at_pauses()

    async def probe(self, name: str) -> DeliveryError | None:
        """Read one event of a destination's account: None where that works.

        :raises SettingsError: the rules name no such destination, or it has no token.
        """
        if self.delivers:
            return await self.dispatcher.probe(name)
        return await probing.probe(self.client, self.destinations.get(name), name, self.credential)


def _failure_row(failure: Failure | None) -> dict[str, Any] | None:
    if failure is None:
        return None
    return {
        "since": timestamp(failure.since),
        "reason": str(failure),
        "problems": [str(problem) for problem in failure.problems],
    }


def refuse_optimised() -> None:
    """Assertions must be on: the parser of paths (jsonpath-ng) relies on them.

    :raises SettingsError: Python runs with -O or PYTHONOPTIMIZE.
    """
    if not __debug__:
        raise SettingsError("python runs with -O or PYTHONOPTIMIZE; run it without: assertions are needed")
