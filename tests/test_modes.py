"""Rules that send nothing, and destinations that send to few: through the hook, to the sandbox, into the lists."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from gateway.intilery.sandbox import Faults, create_sandbox
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


def destinations(terms: str) -> str:
    return shop.DESTINATIONS.replace("    assets:", f"    {terms}\n    assets:", 1)


async def test_only_those_in_allow_are_sent_to_and_lists_say_so(begin: Begin) -> None:
    async with begin(destinations=destinations("allow: [ada]")) as here:
        allowed = await here.order("orders/create", customer={"id": "ada", "email": "ada@example.com"})
        other = await here.order("orders/create", customer={"id": "bob", "email": "bob@example.com"})
        await here.until(allowed, "delivered", "delivered")
        commands = await here.until(other, "suppressed", "suppressed")
        assert {command["reason"] for command in commands} == {
            "its customer is not in allow of the destination 'default'"
        }
        assert {call.body["userId"] for call in here.sandbox.calls} == {"ada"}
        listed = await here.http.get("/api/commands?state=suppressed&text=not+in+allow", headers=shop.bearer())
        assert {row["user_id"] for row in listed.json()["items"]} == {"bob"}


async def test_everything_goes_to_the_test_user(begin: Begin) -> None:
    async with begin(destinations=destinations("test_user: tess")) as here:
        for topic in ("orders/create", "orders/fulfilled"):
            await here.order(topic)
        await shop.until(lambda: _called(here, 2))
        assert [(call.action, call.body["userId"], call.body["event"]) for call in here.sandbox.calls] == [
            ("track", "tess", "send_email"),
            ("track", "tess", "send_sms"),
        ]
        assert "ada@example.com" not in str([call.body for call in here.sandbox.calls])


async def _called(here: Shop, times: int) -> bool:
    return len(here.sandbox.calls) == times


async def test_what_was_made_before_is_held_when_only_some_may_be_reached(begin: Begin, tmp_path: Path) -> None:
    async with begin() as here:
        here.sandbox.faults = Faults(answer_status=503)
        webhook = await here.order("orders/fulfilled")

        async def tried() -> bool:
            return bool(await _attempts(here, webhook))

        await shop.until(tried)
        (tmp_path / "rules" / "destinations.yaml").write_text(destinations("allow: [ada]"), encoding="utf-8")
        await here.serve(shop.RULES)
        here.sandbox.faults = Faults()
        [command] = await here.until(webhook, "held")
        assert command["reason"] == "its customer is not in allow of the destination 'default'"
        assert here.sandbox.calls == []
        # Once everybody may be reached again, a person lets it go.
        (tmp_path / "rules" / "destinations.yaml").write_text(shop.DESTINATIONS, encoding="utf-8")
        await here.serve(shop.RULES)
        await here.http.post("/api/commands/retry", json={"ids": [command["id"]]}, headers=shop.bearer())
        await here.until(webhook, "delivered")


async def _attempts(here: Shop, webhook: str) -> list[object]:
    view = (await here.http.get(f"/api/webhooks/{webhook}", headers=shop.bearer())).json()
    return list(view["commands"][0]["attempts"])
