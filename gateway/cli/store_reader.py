"""What the commands ask of the store itself, beside the gateway that serves it or without one.

Each question imports what answers it, so that ``--help`` waits for none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from gateway.cli.reader import View
from gateway.credentials import Credentials
from gateway.errors import RulesError, SettingsError
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.rules import Ruleset

T = TypeVar("T")


class StoreReader:
    """Opens the store that the settings name for one question at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._ruleset: Ruleset | None = None
        path = settings.store.removeprefix("sqlite:///")
        if path != settings.store and not Path(path).exists():
            raise SettingsError(
                f"--store {settings.store}: no such file (gateway serve makes it); give --store, or --server URL"
            )

    def webhooks(self, asked: Mapping[str, str]) -> View:
        from gateway.admin import filters, quarantine, views

        given = dict(asked)
        grouped = filters.by_cause(given)
        chosen, page = filters.webhook_filter(given, now=_now())

        async def listed(store: Any) -> View:
            view = await (views.causes if grouped else views.webhooks)(store, chosen, page)
            return await quarantine.listed(store, view) if chosen.state == "quarantined" and not grouped else view

        return self._with(listed)

    def webhook(self, id: str) -> View:
        from gateway.admin import quarantine, views
        from gateway.admin.versions import Versions

        async def shown(store: Any) -> View:
            view = await views.webhook(store, Versions(store, environ=self._settings.environ), id)
            if view["state"] == "quarantined":
                view["quarantine"] = await quarantine.details(store, id, await self._bench(store))
            return view

        return self._with(shown)

    def commands(self, asked: Mapping[str, str]) -> View:
        from gateway.admin import filters, views

        given = dict(asked)
        listed = views.causes if filters.by_cause(given) else views.commands
        chosen, page = filters.command_filter(given, now=_now())
        return self._with(lambda store: listed(store, chosen, page))

    def replay(self, asked: Mapping[str, Any]) -> View:
        from gateway.admin import replaying

        request = msgspec.convert(asked, replaying.ReplayRequest)
        ruleset = self._rules()

        async def again(store: Any) -> View:
            # The text first: the webhook will name this version.
            await store.remember_rules(ruleset.version)
            return await replaying.answer(replaying.Portion(store=store, ruleset=ruleset, now=_now), request)

        return self._with(again)

    def replays(self) -> View:
        from gateway.admin import replaying

        return self._with(replaying.replays)

    def forget(self, asked: Mapping[str, Any]) -> View:
        from gateway.admin import forgetting

        request = msgspec.convert(asked, forgetting.ForgetRequest)
        return self._with(lambda store: forgetting.forget(store, request, now=_now()))

    def shadow(self, asked: Mapping[str, str]) -> View:
        from gateway.admin import shadowing

        filter, page = shadowing.shadow_filter(asked)
        return self._with(lambda store: shadowing.shadow(store, filter, page))

    def find(self, asked: Mapping[str, str]) -> View:
        from gateway.admin import finding
        from gateway.pruning import retentions

        request = finding.find_request(asked, now=_now())
        try:
            rules = self._rules()
        except RulesError:  # what was kept is found all the same
            rules = None
        keeping = finding.Keeping(
            default=self._settings.retention,
            by_source={} if rules is None else retentions(rules),
            sources=() if rules is None else tuple(rules.sources),
        )
        return self._with(lambda store: finding.find(store, request, keeping))

    def diff(self, asked: Mapping[str, Any]) -> View:
        from gateway.admin import diffing

        request = msgspec.convert({**asked, "files": {}}, diffing.DiffRequest)
        return self._with(lambda store: diffing.diff(store, self._rules(), request, now=_now()))

    def act(self, verb: str, asked: Mapping[str, Any]) -> View:
        from gateway.admin import acting
        from gateway.store import Act

        if verb == "settle":
            settled = msgspec.convert(asked, acting.SettleRequest)
            return self._with(lambda store: acting.act(store, acting.settling(settled.delivered), settled, now=_now()))
        request = msgspec.convert(asked, acting.ActRequest)
        return self._with(lambda store: acting.act(store, Act(verb), request, now=_now()))

    def release(self, asked: Mapping[str, Any]) -> View:
        from gateway.admin import quarantine
        from gateway.folders import load_rules

        request = msgspec.convert(asked, quarantine.ReleaseRequest)
        ruleset = load_rules(self._settings)

        async def released(store: Any) -> View:
            await store.remember_rules(ruleset.version)
            tools = await quarantine.bench(store, ruleset, self._credential())
            return await quarantine.release_all(store, request, tools, now=_now())

        return self._with(released)

    async def _bench(self, store: Any) -> Any:
        """The rules and secrets of now, to look at a request with; None where the folder can't be loaded."""
        from gateway.admin import quarantine
        from gateway.folders import load_rules

        try:
            ruleset = load_rules(self._settings)
        except RulesError:
            return None
        return await quarantine.bench(store, ruleset, self._credential())

    def rules_versions(self, asked: Mapping[str, str]) -> View:
        from gateway.admin import filters, history

        page = filters.page(asked)
        return self._with(lambda store: history.versions(store, page))

    def rules_version(self, version: str) -> View:
        from gateway.admin import history

        return self._with(lambda store: history.version(store, version))

    def status(self) -> View:
        """The same as a gateway says, as far as the store knows: by the rules that were served last."""
        from gateway.admin import pausing, status
        from gateway.admin.versions import Versions

        async def look(store: Any) -> View:
            ruleset = await pausing.served(store, Versions(store, environ=self._settings.environ))
            named = {} if ruleset is None else ruleset.destinations
            return {
                "running": None,
                "store": status.shown_store(self._settings.store),
                "rules": None if ruleset is None else {"version": ruleset.version.version},
                "sources": [] if ruleset is None else await status.sources(store, ruleset, self._credential()),
                "destinations": await status.destinations(store, named, named, self._credential(), {}),
            }

        return self._with(look)

    def pause(self, scope: str, name: str, asked: Mapping[str, Any]) -> View:
        from gateway.admin import pausing
        from gateway.store import PauseScope

        request = msgspec.convert(asked, pausing.PauseRequest)

        async def hold(store: Any) -> View:
            await self._known(store, PauseScope(scope), name)
            return await pausing.pause(store, PauseScope(scope), name, request, now=_now())

        return self._with(hold)

    def resume(self, scope: str, name: str, *, preview: bool) -> View:
        from gateway.admin import pausing
        from gateway.store import PauseScope

        async def go_on(store: Any) -> View:
            ruleset = await self._known(store, PauseScope(scope), name)
            destination = None if ruleset is None or scope != "destination" else ruleset.destinations.get(name)
            request = pausing.ResumeRequest(preview=preview)
            return await pausing.resume(store, PauseScope(scope), name, request, destination=destination, now=_now())

        return self._with(go_on)

    def probe(self, name: str) -> View:
        from gateway.admin.probing import probe, probed
        from gateway.intilery.client import Client
        from gateway.store import PauseScope

        destination = self._rules().destinations.get(name)

        async def ask(store: Any) -> View:
            async with Client(connections=1) as client:
                failure = await probe(client, destination, name, self._credential())
            if failure is None:
                await store.resume(PauseScope.DESTINATION, name, automatic=True)
            return probed(name, failure)

        return self._with(ask)

    async def _known(self, store: Any, scope: Any, name: str) -> Any:
        """The rules that were served last, after a look whether they have what is to be paused or resumed."""
        from gateway.admin import pausing
        from gateway.admin.versions import Versions

        ruleset = await pausing.served(store, Versions(store, environ=self._settings.environ))
        if ruleset is not None:
            await pausing.refuse_unknown(store, ruleset, scope, name, destinations=await store.unfinished())
        return ruleset

    def _credential(self) -> Credentials:
        return Credentials(self._settings.environ)

    def _rules(self) -> Ruleset:
        """The rules that the settings name, loaded once."""
        from gateway.folders import load_rules

        if self._ruleset is None:
            self._ruleset = load_rules(self._settings)
        return self._ruleset

    def _with(self, question: Callable[[Any], Awaitable[T]]) -> T:
        from gateway.store import open_store

        async def ask() -> T:
            store = open_store(self._settings.store, identify_gap=self._settings.identify_gap)
            await store.open(serving=False)
            try:
                return await question(store)
            finally:
                await store.close()

        return asyncio.run(ask())


def _now() -> datetime:
    return datetime.now(UTC)
