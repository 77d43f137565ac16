"""A candidate folder beside the live one: every webhook is translated by both, and only the live rules send."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner
from starlette.applications import Starlette

from gateway import shadow
from gateway.cli import main
from gateway.intilery.sandbox import Sandbox, create_sandbox
from gateway.rules import load
from gateway.shadow import Shadow, ShadowCompared, ShadowLeftOut, ShadowRecord
from gateway.store import Reception, ShadowFilter, open_store
from tests import shop
from tests.admin.test_replaying import CORRECTED, Shop
from tests.inbound.test_fetch import API, SHORT, api, serve
from tests.servers import running
from tests.store.making import NOW, command, webhook

__all__ = ["api", "serve"]  # fixtures
CANDIDATE = CORRECTED.replace("total: $.total}", "total: $.total, vat: true}")


class Shadowed(Shop):
    """A gateway with shadow rules, over HTTP."""

    def __init__(self, app: Starlette, folder: Path, http: httpx.AsyncClient, sandbox: Sandbox) -> None:
        super().__init__(app, folder / "rules", http, sandbox)
        self.candidate = folder / "candidate"

    async def shadow(self, **asked: str) -> Any:
        answer = await self.http.get("/api/shadow", params=asked, headers=shop.bearer(shop.READER))
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def compared(self, webhooks: int) -> Any:
        """Wait until so many were compared with the candidate of now."""

        async def there() -> bool:
            found = (await self.shadow())["candidates"]
            return bool(found) and found[0]["webhooks"] == webhooks

        await shop.until(there)
        return await self.shadow()

    async def status(self) -> Any:
        return (await self.http.get("/api/status", headers=shop.bearer())).json()["shadow"]

    async def runs(self, version: str | None) -> None:
        """Wait until this version of the candidate runs."""

        async def there() -> bool:
            return bool((await self.status())["version"] == version)

        await shop.until(there)


def version_of(folder: Path) -> str:
    destinations = folder.parent / "rules" / "destinations.yaml"
    return load(folder, environ=shop.environ(folder.parent), destinations=destinations).version.version


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Shadowed]:
    shop.write_rules(tmp_path / "candidate", rules={"shop.yaml": CANDIDATE})
    intilery = create_sandbox(identify_delay=0.0)
    async with running(intilery) as there:
        more = {"GATEWAY_SHADOW_RULES": str(tmp_path / "candidate")}
        app = shop.shop_app(tmp_path, intilery=there, **more)
        async with running(app) as url, httpx.AsyncClient(base_url=url) as http:
            yield Shadowed(app, tmp_path, http, intilery.state.sandbox)


async def test_differences_are_counted_and_listed_and_nothing_of_it_is_sent(here: Shadowed) -> None:
    await here.runs(version_of(here.candidate))
    order, parcel, lost = [await here.order(topic) for topic in ("orders/create", "orders/fulfilled", "x/y")]
    view = await here.compared(3)
    [candidate] = view["candidates"]
    assert candidate["candidate"] == version_of(here.candidate)
    assert [
        {name: rule[name] for name in ("rule", "appears", "vanishes", "changes")} for rule in candidate["rules"]
    ] == [
        {"rule": "Order confirmation", "appears": 0, "vanishes": 0, "changes": 1},
        {"rule": "Parcel on its way", "appears": 1, "vanishes": 1, "changes": 0},
    ]
    found = {(item["webhook"], item["kind"]): item for item in view["items"]}
    assert found.keys() == {(order, "changes"), (parcel, "vanishes"), (lost, "appears")}
    changes = found[order, "changes"]
    assert (changes["paths"], changes["command"], changes["served"]) == (
        ["body.order.vat"],
        "send_email",
        here.gateway.ruleset.version.version,
    )
    assert [item["kind"] for item in (await here.shadow(kind="appears"))["items"]] == ["appears"]
    # What is delivered is what the live rules made, and nothing else.
    await here.until(order, "delivered", "delivered")
    await here.until(parcel, "delivered")
    assert await here.until(lost) == []
    assert len(here.sandbox.calls) == 3
    assert all("vat" not in str(call.body) for call in here.sandbox.calls)
    metrics = (await here.http.get("/metrics", headers=shop.bearer())).text
    assert 'gateway_shadow_webhooks_total{source="shop"} 3.0' in metrics
    assert 'gateway_shadow_differences_total{kind="appears",rule="Parcel on its way",source="shop"} 1.0' in metrics
    assert f'gateway_shadow_rules_info{{version="{version_of(here.candidate)}"}} 1.0' in metrics


async def test_repeats_are_not_compared_again_and_the_source_that_lacks_is_told(here: Shadowed) -> None:
    await here.runs(version_of(here.candidate))
    body = shop.order()
    for _ in range(3):
        await here.http.post("/hooks/shop", content=body, headers=shop.headers(body, topic="x/y"))
    await here.http.post("/hooks/brands/default", json={"user": "u1"})
    view = await here.compared(2)
    assert {rule["source"]: rule["vanishes"] for rule in view["candidates"][0]["rules"]} == {"brands": 1, "shop": 0}


async def test_changed_candidates_are_taken_up_and_bad_ones_keep_nobody_from_serving(here: Shadowed) -> None:
    first = version_of(here.candidate)
    await here.runs(first)
    (here.candidate / "shop.yaml").write_text("source: [broken", encoding="utf-8")
    here.gateway.reload()

    async def refused() -> bool:
        return (await here.status())["reload_failed"] is not None

    await shop.until(refused)
    assert (await here.status())["version"] == first
    assert (await here.http.get("/readyz")).status_code == 200
    (here.candidate / "shop.yaml").write_text(shop.RULES, encoding="utf-8")
    here.gateway.reload()
    await here.runs(version_of(here.candidate))
    assert (await here.status())["reload_failed"] is None
    await here.order("orders/create")
    view = await here.compared(1)
    assert (view["candidates"][0]["rules"], view["items"]) == ([], [])
    kept = await here.gateway.store.rules_version(first)
    assert "vat: true" in kept.files["shop.yaml"]


async def test_a_folder_that_is_not_there_keeps_nobody_from_serving(tmp_path: Path) -> None:
    app = shop.shop_app(tmp_path, GATEWAY_SHADOW_RULES=str(tmp_path / "nowhere"))
    async with running(app) as url, httpx.AsyncClient(base_url=url) as http:
        here = Shadowed(app, tmp_path, http, create_sandbox().state.sandbox)

        async def refused() -> bool:
            return (await here.status())["reload_failed"] is not None

        await shop.until(refused)
        assert "no such folder" in (await here.status())["reload_failed"]["problems"][0]
        assert (await here.status())["version"] is None
        await here.order("x/y")
        assert (await here.shadow())["candidates"] == []


async def test_without_the_setting_there_is_none(tmp_path: Path) -> None:
    app = shop.shop_app(tmp_path)
    async with running(app) as url, httpx.AsyncClient(base_url=url) as http:
        here = Shadowed(app, tmp_path, http, create_sandbox().state.sandbox)
        await here.order("x/y")
        assert await here.status() is None
        assert await here.shadow() == {"candidates": [], "items": [], "next": None}
        for asked in ({"kind": "other"}, {"cursor": "x"}, {"colour": "red"}):
            refused = await http.get("/api/shadow", params=asked, headers=shop.bearer())
            assert refused.status_code == 400, asked


async def test_what_comes_too_fast_is_left_out_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "MOST", 3)
    store = open_store(f"sqlite:///{tmp_path / 'gateway.db'}")
    await store.open()
    records: list[ShadowRecord] = []
    beside = Shadow(store, emit=records.append, now=lambda: NOW)
    shop.write_rules(tmp_path / "rules")
    hooks = [webhook(body=shop.order(), rules_version="aaaa") for _ in range(5)]
    beside.add(Reception(webhook=hooks[0]))  # nothing to compare with yet
    await beside.serve(load(tmp_path / "rules", environ=shop.environ(tmp_path)))
    for hook in hooks:
        beside.add(Reception(webhook=hook, commands=(command(hook),)))
    assert records == [ShadowLeftOut(count=1, reason="busy")] * 2
    assert beside.status()["waiting"] == 3
    beside.start()

    async def compared() -> bool:
        return any(isinstance(record, ShadowCompared) for record in records)

    await shop.until(compared)
    await beside.stop()
    beside.add(Reception(webhook=hooks[0]))
    last = records[-1]
    assert isinstance(last, ShadowCompared)
    assert last.compared == {"shop": 3}
    listed = await store.shadow_differences(ShadowFilter())
    assert [item.webhook_id for item in listed.items] == [hook.id for hook in reversed(hooks[2:])]
    await store.close()


async def test_a_thin_webhook_is_compared_once_it_was_fetched(tmp_path: Path, api: API, serve: Any) -> None:
    api.says("/orders/7", {"customer": "c7"})
    text = "source: thin\nverify: none\n" + SHORT.replace("SHOP/", f"{api.url}/").replace("E-1", "E-2")
    shop.write_rules(tmp_path / "candidate", rules={"thin.yaml": text})
    async with serve(SHORT, GATEWAY_SHADOW_RULES=str(tmp_path / "candidate")) as hooks:
        here = Shadowed(hooks.app, tmp_path, hooks.client, create_sandbox().state.sandbox)
        await here.runs(version_of(here.candidate))
        webhook = await hooks.send()
        await hooks.ended(webhook)
        [item] = (await here.compared(1))["items"]
        assert (item["webhook"], item["kind"], item["paths"]) == (webhook, "changes", ["body.assetId"])
        # A candidate that would have to ask for something else is not compared, and asks nothing.
        (here.candidate / "thin.yaml").write_text(text.replace("/orders/{{", "/other/{{"), encoding="utf-8")
        here.gateway.reload()
        await here.runs(version_of(here.candidate))
        await hooks.ended(await hooks.send({"id": 7, "again": True}))

        async def left_out() -> bool:
            metrics = (await here.http.get("/metrics", headers=shop.bearer())).text
            return 'gateway_shadow_left_out_total{reason="fetch"} 1.0' in metrics

        await shop.until(left_out)
        assert api.asked == ["GET /orders/7"] * 2


async def test_the_command_line_lists_them(here: Shadowed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    await here.runs(version_of(here.candidate))
    order = await here.order("orders/create")
    await here.compared(1)
    for name, value in shop.environ(tmp_path).items():
        monkeypatch.setenv(name, value)

    def told() -> None:
        shown = CliRunner().invoke(main, ["shadow"], prog_name="gateway")
        assert shown.exit_code == 0, shown.output
        for part in ("1 webhook compared", "Order confirmation", "changes", order[:16], "body.order.vat"):
            assert part in shown.stdout, part
        listed = CliRunner().invoke(main, ["shadow", "--rule", "none", "--json"], prog_name="gateway")
        assert json.loads(listed.stdout)["items"] == []
        nothing = CliRunner().invoke(main, ["shadow", "--candidate", "none"], prog_name="gateway")
        assert "nothing was compared yet" in nothing.stderr

    await asyncio.to_thread(told)
