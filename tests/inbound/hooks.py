"""The hooks of a real application, without sockets: rules as text, the store on disk, a clock that a test sets."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import httpx
from starlette.applications import Starlette

from gateway.app import create_app
from gateway.settings import Settings


class Hooks:
    """One application, and the clock that it goes by; ``client`` posts to ``/hooks/``."""

    def __init__(self, app: Starlette, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client
        self.now = datetime(2026, 1, 5, 10, tzinfo=UTC)

    async def status(
        self, source: str, body: bytes, headers: Mapping[str, str] | None = None, *, query: str = ""
    ) -> int:
        """What a request is answered."""
        answer = await self.client.post(f"{source}?{query}" if query else source, content=body, headers=headers)
        return answer.status_code


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """A rules folder."""
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@contextlib.asynccontextmanager
async def serving(
    folder: Path, rules: Mapping[str, str], *, peer: str = "127.0.0.1", **environ: str
) -> AsyncIterator[Hooks]:
    """The hooks of ``rules``, files by name, asked from ``peer``; ``environ`` are secrets and settings."""
    settings = {
        "GATEWAY_RULES": str(write(folder / "rules", rules)),
        "GATEWAY_STORE": f"sqlite:///{folder / 'hooks.db'}",
        "GATEWAY_ROLE": "receive",
        "GATEWAY_RELOAD": "off",
    }
    made: Hooks
    app = create_app(Settings.from_environ({**settings, **environ}), admin_token="token", now=lambda: made.now)
    transport = httpx.ASGITransport(app, client=(peer, 40_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway/hooks/") as client:
        made = Hooks(app, client)
        async with app.router.lifespan_context(app):
            yield made
