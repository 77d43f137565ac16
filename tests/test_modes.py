"""Rules that send nothing, and destinations that send to few: through the hook, to the sandbox, into the lists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.intilery.sandbox import create_sandbox
from tests import shop
from tests.admin.test_replaying import Shop
from tests.servers import running

Begin = Callable[..., AbstractAsyncContextManager[Shop]]

LIVE = """\
source: shop
verify:
  hmac: {header: X-Shop-Signature, encoding: base64, secret: $env.SHOP_SECRET}
dedup_key: $header.X-Shop-Event
rules:
  - name: Candidate
    mode: MODE
    stop: true
    once: $.number
    identify: {userId: $.customer.id, traits: {email: $.customer.email}}
    send_email: {userId: $.customer.id, assetId: NEW}
  - name: Of today
    once: $.number
    send_email: {userId: $.customer.id, assetId: OLD}
"""


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    @asynccontextmanager
    async def begun(*, rules: str = shop.RULES, destinations: str = shop.DESTINATIONS) -> AsyncIterator[Shop]:
        shop.write_rules(tmp_path / "rules", rules={"shop.yaml": rules, "destinations.yaml": destinations})
        intilery = create_sandbox(identify_delay=0.0)
        async with running(intilery) as there:
            app = shop.shop_app(tmp_path, intilery=there, GATEWAY_RELOAD="off")
            async with running(app) as url, httpx.AsyncClient(base_url=url) as http:
                yield Shop(app, tmp_path / "rules", http, intilery.state.sandbox)

    return begun


async def test_a_shadow_rule_runs_beside_the_live_ones_and_sends_nothing(begin: Begin) -> None:
    async with begin(rules=LIVE.replace("MODE", "shadow")) as here:
        webhook = await here.order()
        commands = await here.until(webhook, "dry_run", "dry_run", "delivered")
        assert [(command["rule"], command.get("reason")) for command in commands] == [
            ("Candidate", "the rule's mode is shadow"),
            ("Candidate", "the rule's mode is shadow"),
            ("Of today", None),
        ]
        assert [call.body["assetId"] for call in here.sandbox.calls] == ["OLD"]
        listed = await here.http.get("/api/commands?state=dry_run", headers=shop.bearer())
        assert {row["rule"] for row in listed.json()["items"]} == {"Candidate"}


async def test_a_dry_run_stands_for_the_live_rule_and_sends_nothing(begin: Begin) -> None:
    async with begin(rules=LIVE.replace("MODE", "dry_run")) as here:
        webhook = await here.order()
        commands = await here.until(webhook, "dry_run", "dry_run")
        assert {command["reason"] for command in commands} == {"the rule's mode is dry_run"}
        assert commands[1]["body"]["assetId"] == "NEW"
        assert here.sandbox.calls == []
        # Once it is live, a replay sends what it had only recorded.
        await here.serve(LIVE.replace("MODE", "live").partition("  - name: Of today")[0])
        status, _ = await here.replay(id=webhook)
        assert status == 200
        await here.until(webhook, "delivered", "delivered")
        assert [call.action for call in here.sandbox.calls] == ["identify", "track"]
