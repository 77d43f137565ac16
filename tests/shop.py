"""A small shop for tests: a rules folder with one source, its secrets, and requests signed as the shop signs them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette

from gateway.app import create_app
from gateway.running import Gateway
from gateway.settings import Settings

SECRET = "the-shop-secret"
ADMIN = "the-admin-token"
READER = "the-read-token"

RULES = """\
source: shop
title: A shop
verify:
  hmac: {header: X-Shop-Signature, encoding: base64, secret: $env.SHOP_SECRET}
dedup_key: $header.X-Shop-Event
event_type: $header.X-Shop-Topic
ignore: {$.test: true}
rules:
  - name: Order confirmation
    when: {$header.X-Shop-Topic: orders/create}
    identify:
      userId: $.customer.id
      traits: {email: $.customer.email}
    send_email:
      userId: $.customer.id
      assetId: $asset.order-confirmation
      order: {number: $.number, total: $.total}
  - name: Parcel on its way
    when: {$header.X-Shop-Topic: orders/fulfilled}
    send_sms:
      userId: $.customer.id
      assetId: SMS-1
"""

BRANDS = """\
source: brands
title: One file, many brands
path: "{brand}"
destination: $path.brand
verify: none
rules:
  - name: Welcome
    start_journey:
      userId: $.user
      properties: {journeyIdToTrigger: $journey.welcome}
"""

DESTINATIONS = """\
destinations:
  default:
    client_id: acme
    auth_token: $env.INTILERY_AUTH_TOKEN
    assets: {order-confirmation: 202601-ORDER}
    journeys: {welcome: 5f00000000000000000000aa}
  uk:
    client_id: acme
    account_id: acmeuk
    auth_token: $env.INTILERY_AUTH_TOKEN
    journeys: {welcome: 6046429d73096e3b2dca973d}
"""

ORDER: dict[str, Any] = {
    "number": "#1001",
    "total": 49.90,
    "customer": {"id": 115310627314723954, "email": "ada@example.com"},
}


def write_rules(folder: Path, *, rules: Mapping[str, str] | None = None) -> Path:
    """A rules folder; ``rules`` are files by name instead of the shop's."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"shop.yaml": RULES, "brands.yaml": BRANDS, "destinations.yaml": DESTINATIONS} if rules is None else rules
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def environ(folder: Path, *, intilery: str = "http://127.0.0.1:1", **more: str) -> dict[str, str]:
    """The environment of a gateway whose rules and store are in ``folder``. Nothing listens at the default address."""
    return {
        "GATEWAY_RULES": str(folder / "rules"),
        "GATEWAY_STORE": f"sqlite:///{folder / 'gateway.db'}",
        "GATEWAY_ADMIN_TOKEN": ADMIN,
        "GATEWAY_READ_TOKEN": READER,
        "GATEWAY_GRACE": "1s",
        "INTILERY_URL": intilery,
        "INTILERY_AUTH_TOKEN": "sandbox",
        "SHOP_SECRET": SECRET,
        **more,
    }


def utc_now() -> datetime:
    """The clock on the wall."""
    return datetime.now(UTC)


def shop_app(
    folder: Path, *, intilery: str = "http://127.0.0.1:1", now: Callable[[], datetime] = utc_now, **more: str
) -> Starlette:
    """The service for the shop, its rules written where there are none yet."""
    if not (folder / "rules").exists():
        write_rules(folder / "rules")
    return create_app(Settings.from_environ(environ(folder, intilery=intilery, **more)), now=now)


def gateway_of(app: Starlette) -> Gateway:
    """The running parts behind an application."""
    gateway: Gateway = app.state.gateway
    return gateway


def signature(body: bytes, *, secret: str = SECRET) -> str:
    """What the shop puts into ``X-Shop-Signature``."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def headers(body: bytes, *, event: str | None = "event-1", topic: str = "orders/create") -> dict[str, str]:
    """The headers of the shop's request."""
    found = {"content-type": "application/json", "x-shop-topic": topic, "x-shop-signature": signature(body)}
    return found if event is None else {**found, "x-shop-event": event}


def order(**changes: Any) -> bytes:
    """An order's body."""
    return json.dumps({**ORDER, **changes}).encode()


def bearer(token: str = ADMIN) -> dict[str, str]:
    """The header that opens the API."""
    return {"authorization": f"Bearer {token}"}


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return once ``holds()`` does; fail if that takes over 10 seconds."""
    async with asyncio.timeout(10):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)
