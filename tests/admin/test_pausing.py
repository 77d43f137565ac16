"""Pausing, resuming and probing over the API of a gateway that runs, with the sandbox as Intilery."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.intilery.sandbox import Faults, Sandbox, create_sandbox
from tests import shop
from tests.servers import running

RULE = "/api/rules/shop/Order%20confirmation"


class Shop:
    """A gateway over HTTP, and the sandbox behind it."""

    def __init__(self, http: httpx.AsyncClient, sandbox: Sandbox) -> None:
        self.http, self.sandbox = http, sandbox
        self._events = 0

    async def send(self, topic: str = "orders/create") -> str:
        """Send a webhook; its id."""
        self._events += 1
        body = shop.order()
        answer = await self.http.post(
            "/hooks/shop", content=body, headers=shop.headers(body, event=f"e{self._events}", topic=topic)
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def until(self, webhook: str, *states: str) -> list[dict[str, Any]]:
        """Wait until its commands are in these states; the commands."""
        found: list[dict[str, Any]] = []

        async def there() -> bool:
            answer = await self.http.get(f"/api/webhooks/{webhook}", headers=shop.bearer())
            found[:] = answer.json()["commands"]
            return [command["state"] for command in found] == list(states)

        await shop.until(there)
        return found

    async def post(self, path: str, body: Any = None, *, token: str = shop.ADMIN) -> tuple[int, Any]:
        content = {} if body is None else {"json": body}
        answer = await self.http.post(path, headers=shop.bearer(token), **content)
        return answer.status_code, answer.json()

    async def status(self) -> dict[str, Any]:
        answer = await self.http.get("/api/status", headers=shop.bearer(shop.READER))
        found: dict[str, Any] = answer.json()
        return found

    async def destination(self, name: str = "default") -> dict[str, Any]:
        return next(row for row in (await self.status())["destinations"] if row["name"] == name)

    async def source(self) -> dict[str, Any]:
        return next(row for row in (await self.status())["sources"] if row["name"] == "shop")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Shop]:
    intilery = create_sandbox(identify_delay=0.0)
    async with running(intilery) as there:
        app = shop.shop_app(tmp_path, intilery=there)
        async with running(app) as url, httpx.AsyncClient(base_url=url) as http:
            yield Shop(http, intilery.state.sandbox)


async def test_a_destination_is_paused_shown_and_resumed(here: Shop) -> None:
    status, made = await here.post("/api/destinations/default/pause", {"by": "anna", "reason": "moving house"})
    assert status == 200
    assert {key: made[key] for key in ("scope", "name", "by", "reason")} == {
        "scope": "destination",
        "name": "default",
        "by": "anna",
        "reason": "moving house",
    }
    webhook = await here.send()
    await here.until(webhook, "pending", "waiting")
    row = await here.destination()
    assert (row["state"], row["paused"]) == ("paused", "paused by anna: moving house")
    assert row["paused_since"]
    assert row["pauses"] == [made]
    assert row["backlog"] == {"pending": 1, "waiting": 1}
    assert row["oldest_due"]
    assert (await here.destination("uk"))["state"] == "open"
    metrics = (await here.http.get("/metrics", headers=shop.bearer())).text
    assert 'gateway_paused{automatic="false",name="default",scope="destination"} 1.0' in metrics
    assert 'gateway_destination_paused{destination="default"} 1.0' in metrics

    status, view = await here.post("/api/destinations/default/resume", {"preview": True})
    assert (status, view["paused"], view["resumed"], view["go"], view["expire"], view["later"]) == (
        200, True, False, 1, 0, 1
    )  # fmt: skip
    assert not here.sandbox.calls

    assert await here.post("/api/destinations/default/resume") == (
        200,
        {"scope": "destination", "name": "default", "preview": False, "resumed": True},
    )
    await here.until(webhook, "delivered", "delivered")
    row = await here.destination()
    assert (row["state"], row["paused"], row["pauses"]) == ("open", None, [])


@pytest.mark.parametrize("what", ["/api/sources/shop", RULE])
async def test_a_source_and_a_rule_take_webhooks_in_and_send_nothing(here: Shop, what: str) -> None:
    assert (await here.post(f"{what}/pause", {"by": "anna"}))[0] == 200
    webhook = await here.send()
    commands = await here.until(webhook, "waiting", "waiting")
    assert "is paused" in commands[0]["reason"]
    row = await here.source()
    if what == RULE:
        assert [(pause["rule"], pause["by"]) for pause in row["rules_paused"]] == [("Order confirmation", "anna")]
        other = await here.send("orders/fulfilled")
        await here.until(other, "delivered")
    else:
        assert row["paused"]["by"] == "anna"
    assert (await here.post(f"{what}/resume", {}))[1]["resumed"]
    await here.until(webhook, "delivered", "delivered")


async def test_when_a_source_was_last_heard(here: Shop) -> None:
    assert (await here.source())["last_heard"] is None
    webhook = await here.send()
    answer = await here.http.get(f"/api/webhooks/{webhook}", headers=shop.bearer())
    assert (await here.source())["last_heard"] == answer.json()["received_at"]


async def test_a_pause_is_there_after_a_restart(tmp_path: Path) -> None:
    intilery = create_sandbox(identify_delay=0.0)
    async with running(intilery) as there:
        for number in range(2):
            app = shop.shop_app(tmp_path, intilery=there)
            async with running(app) as url, httpx.AsyncClient(base_url=url) as http:
                here = Shop(http, intilery.state.sandbox)
                if number == 0:
                    await here.post("/api/destinations/default/pause", {"by": "anna"})
                    webhook = await here.send()
                else:
                    await here.until(webhook, "pending", "waiting")
                    assert (await here.destination())["pauses"][0]["by"] == "anna"
                    await here.post("/api/destinations/default/resume")
                    await here.until(webhook, "delivered", "delivered")


async def test_a_probe_tells_and_ends_the_gateways_own_pause(here: Shop) -> None:
    here.sandbox.faults = Faults(unauthorised=True)
    status, view = await here.post("/api/destinations/default/probe")
    assert (status, view["passed"], view["status"]) == (200, False, 401)

    async def paused() -> bool:
        return bool((await here.destination())["pauses"])

    await shop.until(paused)
    row = await here.destination()
    assert (row["state"], row["pauses"][0]["by"], row["pauses"][0]["automatic"]) == ("paused", "gateway", True)
    here.sandbox.faults = Faults()
    assert (await here.post("/api/destinations/default/probe"))[1] == {"name": "default", "passed": True}

    async def over() -> bool:
        return not await paused()

    await shop.until(over)
    assert (await here.destination())["state"] == "open"


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("/api/destinations/nope/pause", {}, 404, "there are: default, uk"),
        ("/api/destinations/nope/probe", {}, 404, "there are: default, uk"),
        ("/api/sources/nope/pause", {}, 404, "there are: brands, shop"),
        ("/api/rules/shop/nope/resume", {}, 404, "shop/Order confirmation, shop/Parcel on its way"),
        ("/api/sources/shop/pause", {"why": "x"}, 400, "why"),
        ("/api/sources/shop/resume", {"preview": 1}, 400, "preview"),
    ],
)
async def test_what_is_not_there_or_not_possible_is_refused(
    here: Shop, path: str, body: Any, status: int, says: str
) -> None:
    code, answer = await here.post(path, body)
    assert code == status
    assert says in answer["detail"]


async def test_who_may_only_look_pauses_nothing(here: Shop) -> None:
    for path in ("/api/destinations/default/pause", "/api/sources/shop/resume", f"{RULE}/pause"):
        assert (await here.post(path, {}, token=shop.READER))[0] == 401


async def test_what_the_rules_had_once_can_still_be_resumed(here: Shop, tmp_path: Path) -> None:
    await here.post("/api/sources/brands/pause", {"by": "anna"})
    (tmp_path / "rules" / "brands.yaml").unlink()

    async def gone() -> bool:
        return [row["name"] for row in (await here.status())["sources"]] == ["shop"]

    await shop.until(gone)
    assert (await here.post("/api/sources/brands/resume"))[1]["resumed"]
    assert (await here.post("/api/sources/brands/resume"))[0] == 404
