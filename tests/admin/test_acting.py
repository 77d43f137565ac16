"""``POST /api/commands/retry``, ``cancel`` and ``settle`` of a gateway that runs, with the sandbox as Intilery."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.admin import acting
from gateway.intilery.sandbox import Faults, Sandbox, create_sandbox
from tests import shop
from tests.servers import running


class Shop:
    """A gateway over HTTP, and the sandbox behind it."""

    def __init__(self, http: httpx.AsyncClient, sandbox: Sandbox) -> None:
        self.http, self.sandbox = http, sandbox
        self._events = 0

    async def order(self, topic: str = "orders/create") -> str:
        """Send a webhook; its id."""
        self._events += 1
        body = shop.order()
        headers = shop.headers(body, event=f"e{self._events}", topic=topic)
        answer = await self.http.post("/hooks/shop", content=body, headers=headers)
        assert answer.status_code == 200
        return str(answer.json()["id"])

    async def commands(self, webhook: str) -> list[dict[str, Any]]:
        answer = await self.http.get(f"/api/webhooks/{webhook}", headers=shop.bearer())
        found: list[dict[str, Any]] = answer.json()["commands"]
        return found

    async def until(self, webhook: str, *states: str) -> list[str]:
        """Wait until its commands are in these states; their ids."""

        async def there() -> bool:
            return [command["state"] for command in await self.commands(webhook)] == list(states)

        await shop.until(there)
        return [command["id"] for command in await self.commands(webhook)]

    async def act(self, verb: str, token: str = shop.ADMIN, **asked: Any) -> tuple[int, Any]:
        answer = await self.http.post(f"/api/commands/{verb}", json=asked, headers=shop.bearer(token))
        return answer.status_code, answer.json()


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Shop]:
    intilery = create_sandbox(identify_delay=0.0)
    async with running(intilery) as there:
        app = shop.shop_app(tmp_path, intilery=there)
        async with running(app) as url, httpx.AsyncClient(base_url=url) as http:
            yield Shop(http, intilery.state.sandbox)


async def failed(here: Shop) -> tuple[str, list[str]]:
    """A webhook whose identify was refused and whose e-mail is held for it; the ids of both."""
    here.sandbox.faults = Faults(success_false=True)
    webhook = await here.order()
    ids = await here.until(webhook, "failed", "held")
    here.sandbox.faults = Faults()
    return webhook, ids


async def test_what_is_sent_again_leaves_at_once_and_in_order(here: Shop) -> None:
    webhook, ids = await failed(here)
    status, view = await here.act("retry", filter={"webhook": webhook})
    assert (status, view["act"], view["count"], view["refused"]) == (200, "retry", 2, [])
    assert [(row["id"], row["state"], row["command"]) for row in view["commands"]] == [
        (ids[0], "pending", "identify"),
        (ids[1], "waiting", "send_email"),
    ]
    await here.until(webhook, "delivered", "delivered")
    assert [call.action for call in here.sandbox.calls] == ["identify", "track"]


async def test_a_dry_run_says_which_and_does_nothing(here: Shop) -> None:
    webhook, ids = await failed(here)
    for asked in ({"ids": ids[:1]}, {"filter": {"state": "failed"}}):
        status, view = await here.act("retry", dry_run=True, **asked)
        assert (status, view["dry_run"], [row["id"] for row in view["commands"]]) == (200, True, ids[:1])
        assert view["commands"][0]["state"] == "failed"
    assert (await here.act("settle", dry_run=True, delivered=True, ids=ids[:1]))[0] == 409
    await here.until(webhook, "failed", "held")


async def test_cancel_and_settle(here: Shop) -> None:
    webhook, ids = await failed(here)
    assert (await here.act("cancel", ids=ids[:1]))[0] == 200
    assert (await here.act("settle", ids=ids[1:], delivered=True))[0] == 200
    await here.until(webhook, "cancelled", "delivered")
    assert here.sandbox.calls == []


async def test_an_unknown_outcome_can_be_settled_before_it_is_looked_up(here: Shop) -> None:
    here.sandbox.faults = Faults(drop=True, next=1)
    webhook = await here.order("orders/fulfilled")
    [id] = await here.until(webhook, "unknown")
    status, _ = await here.act("settle", all=True, delivered=False)
    assert status == 200
    assert await here.until(webhook, "delivered") == [id]


async def test_what_the_state_does_not_allow_is_a_conflict(here: Shop) -> None:
    webhook = await here.order()
    ids = await here.until(webhook, "delivered", "delivered")
    for verb in ("retry", "cancel"):
        status, problem = await here.act(verb, ids=ids)
        assert status == 409
        assert f"command {ids[0]} was delivered" in problem["detail"]
    status, view = await here.act("cancel", all=True)
    assert (status, view["count"]) == (200, 0)


@pytest.mark.parametrize(
    ("verb", "asked", "status", "says"),
    [
        ("retry", {}, 400, "Give ids, or a filter, or all"),
        ("retry", {"all": True, "filter": {"rule": "x"}}, 400, "one of the three"),
        ("retry", {"filter": {"colour": "red"}}, 400, "colour is no filter"),
        ("retry", {"filter": {"limit": "1"}}, 400, "limit is no filter"),
        ("retry", {"filter": {"state": "delivered"}}, 400, "allowed: held, failed, unknown"),
        ("settle", {"all": True}, 400, "delivered"),
        ("retry", {"ids": ["nope"]}, 404, "no such command"),
        ("retry", {"ids": "x"}, 400, "array"),
    ],
)
async def test_what_can_not_be_asked_is_said(
    here: Shop, verb: str, asked: dict[str, Any], status: int, says: str
) -> None:
    got, problem = await here.act(verb, **asked)
    assert got == status
    assert says in problem["detail"]


async def test_who_may_only_look_may_not_act(here: Shop) -> None:
    for verb in ("retry", "cancel", "settle"):
        status, problem = await here.act(verb, shop.READER, all=True)
        assert status == 401
        assert "may look and not act" in problem["detail"]


async def test_a_filter_acts_on_more_than_one_transaction_takes(here: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acting, "_TOGETHER", 1)
    monkeypatch.setattr(acting, "_PAGE", 1)
    found = [(await failed(here))[0] for _ in range(3)]
    _, view = await here.act("retry", all=True)
    assert view["count"] == 6
    for webhook in found:
        await here.until(webhook, "delivered", "delivered")
