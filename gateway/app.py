"""The service: ``create_app`` makes of a :class:`~gateway.running.Gateway` one Starlette application.

The application's lifespan starts and stops it.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gateway.admin.access import Access
from gateway.admin.api import API, as_json, problem_response
from gateway.errors import SettingsError
from gateway.inbound.hooks import HOOKS
from gateway.inbound.origins import Proxies
from gateway.inbound.receive import Receiver
from gateway.intilery.contract import timestamp
from gateway.rules import Ruleset
from gateway.running import Gateway, utc_now
from gateway.settings import Settings


class Service(Starlette):
    """Starlette, with a short way to the hooks: they need none of its layers and are asked for most."""

    def __init__(self, receiver: Receiver | None, **options: Any) -> None:
        super().__init__(**options)
        self._receiver = receiver

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._receiver is not None and scope["type"] == "http" and scope["path"].startswith(HOOKS):
            await self._receiver(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def create_app(
    settings: Settings,
    *,
    ruleset: Ruleset | None = None,
    admin_token: str | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Starlette:
    """The whole service as an ASGI application; ``app.state.gateway`` is the :class:`Gateway` in it.

    ``ruleset`` is what is served; without it the folder that the settings name is loaded. ``admin_token`` is for where
    the settings have none.

    :raises RulesError: the rules folder has problems.
    :raises SettingsError: a store of an unknown kind; no admin token; assertions are switched off.
    """
    token = settings.admin_token or admin_token
    if not token:
        raise SettingsError("GATEWAY_ADMIN_TOKEN is not set; without it nobody could ask this gateway anything")
    gateway = Gateway(settings, ruleset=ruleset, now=now)
    api = API(gateway, Access(admin=token, read=settings.read_token))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await gateway.start()
        try:
            yield
        finally:
            await gateway.stop()

    async def healthz(request: Request) -> Response:
        return as_json({"status": "ok"})

    async def readyz(request: Request) -> Response:
        reasons = await gateway.unready()
        body: dict[str, Any] = {"status": "not ready" if reasons else "ready", "reasons": reasons}
        if (failure := gateway.reloader.failure) is not None:
            # Webhooks are taken in as before, so it stays ready: a balancer that took it out would lose them. Nobody
            # has shown a token here, so no text of the rules.
            body["warnings"] = [
                f"rules: what is in the folder since {timestamp(failure.since)} is not served: {failure}"
            ]
        return as_json(body, 503 if reasons else 200)

    async def failed(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        detail = error.detail if isinstance(error, HTTPException) else "This is a defect; the log holds the traceback."
        headers = error.headers if isinstance(error, HTTPException) else None
        return problem_response(status, detail if status != 500 else "Internal error", detail, headers)

    receiver = Receiver(
        ruleset=lambda: gateway.ruleset,
        store=gateway.store,
        credential=gateway.credential,
        wake=gateway.wake,
        fetch=gateway.fetcher.add,
        visit=gateway.visits.add,
        quarantine=gateway.quarantine.take,
        seen=gateway.seen,
        emit=gateway.telemetry.received,
        max_body=settings.max_body,
        max_requests=settings.max_requests,
        body_memory=settings.body_memory,
        body_timeout=settings.body_timeout,
        published=gateway.published,
        proxies=Proxies(settings.trusted_proxies or (), settings.client_header),
        now=now,
    )
    app = Service(
        receiver if gateway.receives else None,
        routes=[
            Route("/healthz", endpoint=healthz, methods=["GET"]),
            Route("/readyz", endpoint=readyz, methods=["GET"]),
            *api.routes(),
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: failed, Exception: failed},
    )
    app.state.gateway = gateway
    return app
