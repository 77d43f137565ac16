"""The API: the store's rows and the acts of an operator over HTTP, behind a bearer token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gateway.admin import diffing, finding, forgetting, history, quarantine, replaying, shadowing, views
from gateway.admin.access import Access
from gateway.admin.acting import ActRequest, SettleRequest, act, settling
from gateway.admin.filters import by_cause, command_filter, page, webhook_filter
from gateway.admin.openapi import openapi
from gateway.admin.pausing import PauseRequest, ResumeRequest, pause, refuse_unknown, resume
from gateway.admin.probing import probed
from gateway.admin.quarantine import ReleaseRequest
from gateway.admin.trying import attempt_translation
from gateway.admin.versions import Versions
from gateway.credentials import Credentials
from gateway.errors import (
    BodyTooLarge,
    Conflict,
    DeliveryError,
    NotFound,
    Rejected,
    SettingsError,
    StoreError,
    UnknownSource,
    Unparseable,
    UnreadableRequest,
)
from gateway.inbound.exact_json import read_json
from gateway.inbound.release import Bench
from gateway.inbound.schemes import Published
from gateway.intilery.contract import Destination
from gateway.model import WebhookState
from gateway.problem import PROBLEM_TYPE, problem_body
from gateway.pruning import retentions
from gateway.rules import Ruleset
from gateway.settings import Settings
from gateway.store import Act, PauseScope, Store
from gateway.telemetry import Telemetry
from gateway.telemetry.metrics import EXPOSITION_TYPE

MAX_REQUEST = 10_000_000
"""Bytes of a request to the API."""

_PAUSED_AT = {
    PauseScope.DESTINATION: "/api/destinations/{name}",
    PauseScope.SOURCE: "/api/sources/{name}",
    PauseScope.RULE: "/api/rules/{source}/{name:path}",
}
T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]


class Running(Protocol):
    """What the API needs of a running gateway."""

    @property
    def store(self) -> Store: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def ruleset(self) -> Ruleset: ...
    @property
    def credential(self) -> Credentials: ...
    @property
    def published(self) -> Published: ...
    @property
    def versions(self) -> Versions: ...
    @property
    def telemetry(self) -> Telemetry: ...
    @property
    def now(self) -> Callable[[], datetime]: ...

    def wake(self, destinations: Any = None) -> None:
        """Commands may be due."""

    @property
    def destinations(self) -> Mapping[str, Destination]:
        """Those that the rules name, and those that they named before."""

    async def status(self) -> dict[str, Any]:
        """The state of everything, as JSON."""

    async def pauses_changed(self) -> None:
        """Something was paused or resumed."""

    async def probe(self, name: str) -> DeliveryError | None:
        """Ask a destination whether its token is good."""


class TryRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST /api/try``."""

    source: str
    body: msgspec.Raw = msgspec.Raw()
    """Any JSON value: the payload."""
    text: str | None = None
    """Instead of ``body``: the payload as text, for what is not JSON."""
    headers: dict[str, str] = {}
    query: str = ""
    path: str = ""
    fetched: dict[str, msgspec.Raw] = {}
    """Answers in place of what would be fetched, by name: any JSON; null says that it is not there."""


class API:
    """The endpoints of one gateway."""

    def __init__(self, running: Running, access: Access) -> None:
        self._running = running
        self._access = access
        self._candidates = diffing.Candidates(environ=running.settings.environ)

    def routes(self) -> list[Route]:
        """What ``create_app`` serves. Each path and method stands in :func:`~gateway.admin.openapi.openapi`."""
        looking = [
            ("/metrics", self.metrics),
            ("/api/webhooks", self.webhooks),
            ("/api/webhooks/{id}", self.webhook),
            ("/api/commands", self.commands),
            ("/api/commands/{id}", self.command),
            ("/api/rules", self.rules),
            ("/api/rules/{version}", self.rules_version),
            ("/api/find", self.find),
            ("/api/replays", self.replays),
            ("/api/shadow", self.shadow),
            ("/api/status", self.status),
            ("/api/openapi.json", self.openapi),
        ]
        acting = [
            ("/api/replay", self.replay),
            ("/api/forget", self.forget),
            ("/api/commands/retry", self.retry),
            ("/api/commands/cancel", self.cancel),
            ("/api/commands/settle", self.settle),
            *(
                (f"{path}/{verb}", self._of(scope, act))
                for scope, path in _PAUSED_AT.items()
                for verb, act in (("pause", self._pause), ("resume", self._resume))
            ),
            ("/api/destinations/{name}/probe", self.probe),
            ("/api/quarantine/release", self.release),
        ]
        # Trying changes nothing: whoever may look may try.
        trying = [("/api/try", self.try_), ("/api/diff", self.diff)]
        return [
            *(Route(path, self._guarded(endpoint, acting=False), methods=["GET"]) for path, endpoint in looking),
            *(Route(path, self._guarded(endpoint, acting=False), methods=["POST"]) for path, endpoint in trying),
            *(Route(path, self._guarded(endpoint, acting=True), methods=["POST"]) for path, endpoint in acting),
        ]

    def _guarded(self, endpoint: Endpoint, *, acting: bool) -> Endpoint:
        async def guarded(request: Request) -> Response:
            try:
                self._access.admit(request.headers.get("authorization"), acting=acting)
                return await endpoint(request)
            except Rejected as rejected:
                return problem(rejected)
            except NotFound as error:
                return problem_response(404, "Not found", str(error))
            except Conflict as error:
                return problem_response(409, "Conflict", str(error))
            except StoreError as error:
                self._running.telemetry.metrics.store_failed(endpoint.__name__.strip("_"))
                return problem_response(503, "The store can't be used now", str(error), {"retry-after": "10"})

        return guarded

    async def webhooks(self, request: Request) -> Response:
        params = dict(request.query_params)
        grouped = by_cause(params)
        filter_, asked = webhook_filter(params, now=self._running.now())
        page = await (views.causes if grouped else views.webhooks)(self._running.store, filter_, asked)
        if filter_.state is WebhookState.QUARANTINED and not grouped:
            page = await quarantine.listed(self._running.store, page)
        return as_json(page)

    async def webhook(self, request: Request) -> Response:
        store, id = self._running.store, request.path_params["id"]
        view = await views.webhook(store, self._running.versions, id)
        if view["state"] == WebhookState.QUARANTINED:
            view["quarantine"] = await quarantine.details(store, id, await self._bench())
        return as_json(view)

    async def commands(self, request: Request) -> Response:
        params = dict(request.query_params)
        listed = views.causes if by_cause(params) else views.commands
        filter_, asked = command_filter(params, now=self._running.now())
        return as_json(await listed(self._running.store, filter_, asked))

    async def command(self, request: Request) -> Response:
        return as_json(await views.command(self._running.store, request.path_params["id"]))

    async def rules(self, request: Request) -> Response:
        return as_json(await history.versions(self._running.store, page(dict(request.query_params))))

    async def rules_version(self, request: Request) -> Response:
        return as_json(await history.version(self._running.store, request.path_params["version"]))

    async def status(self, request: Request) -> Response:
        return as_json(await self._running.status())

    async def openapi(self, request: Request) -> Response:
        return as_json(openapi())

    async def metrics(self, request: Request) -> Response:
        metrics = self._running.telemetry.metrics
        metrics.backlog(await self._running.store.backlog())
        metrics.pauses(await self._running.store.pauses())
        metrics.in_quarantine(await self._running.store.quarantine_counts())
        return Response(metrics.exposition(), headers={"content-type": EXPOSITION_TYPE})

    async def try_(self, request: Request) -> Response:
        asked = await _decoded(request, TryRequest)
        payload = bytes(asked.body)
        if bool(payload) == (asked.text is not None):
            raise UnreadableRequest("the request holds neither or both of body and text; allowed: one of them")
        body = payload or (asked.text or "").encode()
        return as_json(
            attempt_translation(
                self._running.ruleset,
                asked.source,
                body,
                headers=asked.headers,
                query=asked.query,
                path=asked.path,
                now=self._running.now(),
                credential=self._running.credential,
                published=self._running.published,
                fetched=_answers(asked.fetched),
            )
        )

    async def replay(self, request: Request) -> Response:
        asked = await _decoded(request, replaying.ReplayRequest)
        running = self._running
        portion = replaying.Portion(store=running.store, ruleset=running.ruleset, now=running.now, wake=running.wake)
        try:
            return as_json(await replaying.answer(portion, asked))
        except UnknownSource as error:
            return problem_response(409, "Conflict", str(error))

    async def find(self, request: Request) -> Response:
        running = self._running
        asked = finding.find_request(dict(request.query_params), now=running.now())
        keeping = finding.Keeping(
            default=running.settings.retention,
            by_source=retentions(running.ruleset),
            sources=tuple(running.ruleset.sources),
        )
        return as_json(await finding.find(running.store, asked, keeping))

    async def forget(self, request: Request) -> Response:
        asked = await _decoded(request, forgetting.ForgetRequest)
        done = await forgetting.forget(self._running.store, asked, now=self._running.now())
        self._running.wake()  # who stood behind has moved up
        return as_json(done)

    async def shadow(self, request: Request) -> Response:
        filter_, asked = shadowing.shadow_filter(dict(request.query_params))
        return as_json(await shadowing.shadow(self._running.store, filter_, asked))

    async def diff(self, request: Request) -> Response:
        asked = await _decoded(request, diffing.DiffRequest)
        if asked.values:
            self._access.admit(request.headers.get("authorization"), acting=True)
        running = self._running
        candidate = await self._candidates.ruleset(asked.files, served=running.ruleset)
        return as_json(await diffing.diff(running.store, candidate, asked, now=running.now()))

    async def replays(self, request: Request) -> Response:
        return as_json(await replaying.replays(self._running.store))

    def _of(self, scope: PauseScope, act: Callable[[PauseScope, str, Request], Awaitable[Response]]) -> Endpoint:
        async def pausing(request: Request) -> Response:
            name = request.path_params["name"]
            if scope is PauseScope.RULE:
                name = f"{request.path_params['source']}/{name}"
            await self._refuse_unknown(scope, name)
            return await act(scope, name, request)

        return pausing

    async def _refuse_unknown(self, scope: PauseScope, name: str) -> None:
        running = self._running
        await refuse_unknown(running.store, running.ruleset, scope, name, destinations=running.destinations)

    async def _pause(self, scope: PauseScope, name: str, request: Request) -> Response:
        asked = await _decoded(request, PauseRequest, empty=PauseRequest())
        done = await pause(self._running.store, scope, name, asked, now=self._running.now())
        await self._running.pauses_changed()
        return as_json(done)

    async def _resume(self, scope: PauseScope, name: str, request: Request) -> Response:
        asked = await _decoded(request, ResumeRequest, empty=ResumeRequest())
        running = self._running
        destination = running.destinations.get(name) if scope is PauseScope.DESTINATION else None
        done = await resume(running.store, scope, name, asked, destination=destination, now=running.now())
        if not asked.preview:
            await running.pauses_changed()
        return as_json(done)

    async def probe(self, request: Request) -> Response:
        name = request.path_params["name"]
        await self._refuse_unknown(PauseScope.DESTINATION, name)
        try:
            return as_json(probed(name, await self._running.probe(name)))
        except SettingsError as error:
            return problem_response(409, "Conflict", str(error))

    async def release(self, request: Request) -> Response:
        asked = await _decoded(request, ReleaseRequest)
        running = self._running
        view = await quarantine.release_all(running.store, asked, await self._bench(), now=running.now())
        if not asked.dry_run and view["released"]:
            # Also those that wait for data.
            running.wake()
        return as_json(view)

    async def _bench(self) -> Bench:
        running = self._running
        return await quarantine.bench(running.store, running.ruleset, running.credential, running.published)

    async def retry(self, request: Request) -> Response:
        return await self._act(Act.RETRY, await _decoded(request, ActRequest))

    async def cancel(self, request: Request) -> Response:
        return await self._act(Act.CANCEL, await _decoded(request, ActRequest))

    async def settle(self, request: Request) -> Response:
        asked = await _decoded(request, SettleRequest)
        return await self._act(settling(asked.delivered), asked)

    async def _act(self, what: Act, asked: ActRequest) -> Response:
        done = await act(self._running.store, what, asked, now=self._running.now())
        self._running.wake({row["destination"] for row in done["commands"]})
        return as_json(done)


def _answers(given: Mapping[str, msgspec.Raw]) -> dict[str, Any]:
    try:
        return {name: read_json(bytes(answer)) for name, answer in given.items()}
    except Unparseable as error:
        raise UnreadableRequest(f"fetched: {error}") from error


async def _decoded(request: Request, shape: type[T], *, empty: T | None = None) -> T:
    """The body as ``shape``; ``empty`` is what no body means, where that is allowed."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_REQUEST:
            raise BodyTooLarge(f"the request has over {MAX_REQUEST:,} bytes; allowed: {MAX_REQUEST:,}")
    if not body and empty is not None:
        return empty
    try:
        return msgspec.json.decode(body, type=shape)
    except (ValueError, RecursionError) as error:
        raise UnreadableRequest(f"the request's body is not what is needed here: {error}") from error


def as_json(view: Mapping[str, Any], status: int = 200) -> Response:
    """An answer, its numbers exact."""
    return Response(
        views.encode(view),
        status,
        headers={"content-type": "application/json", "cache-control": "no-store", "x-content-type-options": "nosniff"},
    )


def problem(rejected: Rejected) -> Response:
    """A refusal. Whoever holds the token, or should, gets the whole message."""
    headers = {"www-authenticate": 'Bearer realm="gateway"'} if rejected.status == 401 else {}
    return problem_response(rejected.status, rejected.title, str(rejected), headers)


def problem_response(status: int, title: str, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """``application/problem+json`` (RFC 9457)."""
    body = problem_body(status=status, title=title, detail=detail)
    return Response(
        body, status, headers={"content-type": PROBLEM_TYPE, "cache-control": "no-store", **(headers or {})}
    )
