"""``POST /api/replay`` of many webhooks, on a gateway that runs, with the sandbox as Intilery."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway.admin.replaying import LOWEST, Pace
from gateway.intilery.sandbox import Faults, Sandbox, create_sandbox
from gateway.model import CommandState
from gateway.rules import load
from gateway.store import CommandFilter
from tests import shop
from tests.postgres import Databases
from tests.servers import running


class Shop:
    """A gateway over HTTP, and the sandbox behind it."""

    def __init__(self, app: Starlette, folder: Path, http: httpx.AsyncClient, sandbox: Sandbox) -> None:
        self.gateway = shop.gateway_of(app)
        self.http, self.sandbox = http, sandbox
        self._folder = folder
        self._events = 0

    async def order(self, topic: str = "x/y", **changes: Any) -> str:
        """Send a webhook; its id."""
        self._events += 1
        body = shop.order(**changes)
        headers = shop.headers(body, event=f"e{self._events}", topic=topic)
        answer = await self.http.post("/hooks/shop", content=body, headers=headers)
        assert answer.status_code == 200
        return str(answer.json()["id"])

    async def serve(self, text: str) -> None:
        """Serve other rules for the shop."""
        (self._folder / "shop.yaml").write_text(text, encoding="utf-8")
        await self.gateway.serve(load(self._folder, environ=self.gateway.settings.environ))

    async def replay(self, token: str = shop.ADMIN, **asked: Any) -> tuple[int, Any]:
        answer = await self.http.post("/api/replay", json=asked, headers=shop.bearer(token))
        return answer.status_code, answer.json()

    async def finished(self, **asked: Any) -> list[Any]:
        """Replay in the smallest portions; what each of them answered."""
        status, view = await self.replay(**asked, seconds=0)
        assert status == 200, view
        views = [view]
        while not view["finished"]:
            status, view = await self.replay(resume=view["replay"], seconds=0)
            assert status == 200, view
            views.append(view)
        return views

    async def until(self, webhook: str, *states: str) -> list[dict[str, Any]]:
        """Wait until its commands are in these states; the commands."""

        async def commands() -> list[dict[str, Any]]:
            answer = await self.http.get(f"/api/webhooks/{webhook}", headers=shop.bearer())
            return list(answer.json()["commands"])

        async def there() -> bool:
            return [command["state"] for command in await commands()] == list(states)

        await shop.until(there)
        return await commands()


@pytest.fixture(params=["sqlite", "postgres"])
def store_setting(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The setting of an empty store; of SQLite it is that of the shop."""
    if request.param == "sqlite":
        yield {}
        return
    databases: Databases = request.getfixturevalue("databases")
    databases.take_back()
    yield {"GATEWAY_STORE": databases.make()}
    databases.take_back()


@pytest.fixture
async def here(tmp_path: Path, store_setting: dict[str, str]) -> AsyncIterator[Shop]:
    intilery = create_sandbox(identify_delay=0.0)
    async with running(intilery) as there:
        app = shop.shop_app(tmp_path, intilery=there, GATEWAY_RELOAD="off", **store_setting)
        async with running(app) as url, httpx.AsyncClient(base_url=url) as http:
            yield Shop(app, tmp_path / "rules", http, intilery.state.sandbox)


CORRECTED = shop.RULES.replace("orders/fulfilled", "x/y")


async def test_corrected_rules_are_run_over_what_no_rule_matched(here: Shop) -> None:
    lost = [await here.order(customer={"id": f"c{number}"}) for number in range(4)]
    other = await here.order("orders/create")
    await here.until(other, "delivered", "delivered")
    before = len(here.sandbox.calls)
    await here.serve(CORRECTED)
    views = await here.finished(filter={"state": "unmatched"}, rate=1000)
    assert [view["done"] for view in views] == [1, 2, 3, 4, 4]
    assert {view["total"] for view in views} == {4}
    assert views[-1]["counts"] == {"webhooks": 4, "now_translated": 4, "created": 4}
    assert views[-1]["rules_version"] == here.gateway.ruleset.version.version
    for webhook in lost:
        [command] = await here.until(webhook, "delivered")
        assert command["command"] == "send_sms"
    calls = here.sandbox.calls[before:]
    assert [call.body["userId"] for call in calls] == ["c0", "c1", "c2", "c3"], "the oldest first"
    # A second one finds nothing, and one over all of them sends nothing twice.
    assert (await here.replay(filter={"state": "unmatched"}, dry_run=True))[1]["total"] == 0
    [*_, last] = await here.finished(all=True, rate=1000)
    assert last["counts"] == {"webhooks": 5, "now_translated": 5, "kept": 6}
    assert here.sandbox.calls[before:] == calls


async def test_what_failed_is_sent_again_as_it_is_and_nothing_else(here: Shop) -> None:
    here.sandbox.faults = Faults(success_false=True)
    webhook = await here.order("orders/fulfilled")
    [failed] = await here.until(webhook, "failed")
    unmatched = await here.order()
    here.sandbox.faults = Faults()
    [*_, last] = await here.finished(filter={"source": "shop"}, do="retry")
    assert (last["total"], last["counts"]) == (1, {"webhooks": 1, "sent_again": 1})
    [again] = await here.until(webhook, "delivered")
    assert (again["id"], again["body"]) == (failed["id"], failed["body"])
    assert await here.until(unmatched) == []


async def test_what_is_held_for_a_refused_identify_goes_with_it(here: Shop) -> None:
    here.sandbox.faults = Faults(success_false=True)
    webhook = await here.order("orders/create")
    await here.until(webhook, "failed", "held")
    here.sandbox.faults = Faults()
    [*_, last] = await here.finished(filter={"command_state": "failed"}, do="retry")
    assert last["counts"] == {"webhooks": 1, "sent_again": 2}
    await here.until(webhook, "delivered", "delivered")


async def test_what_is_replayed_leaves_behind_what_is_live(here: Shop) -> None:
    here.sandbox.faults = Faults(success_false=True)
    failed = await here.order("orders/fulfilled")
    await here.until(failed, "failed")
    here.sandbox.faults = Faults()
    unmatched = await here.order()
    await here.gateway.dispatcher.stop()  # what is written now stays where it is
    await here.serve(CORRECTED)
    await here.finished(filter={"state": "unmatched"}, rate=1000)
    await here.finished(filter={"command_state": "failed"}, do="retry", rate=1000)
    live = await here.order("orders/create")
    store = here.gateway.store
    found = (await store.commands(CommandFilter(state=CommandState.PENDING))).items
    assert {command.webhook_id: command.priority for command in found} == {
        unmatched: LOWEST,
        failed: LOWEST,
        live: 0,
    }


async def test_an_interrupted_one_goes_on_and_takes_no_webhook_twice(here: Shop) -> None:
    lost = [await here.order(customer={"id": f"c{number}"}) for number in range(3)]
    await here.serve(CORRECTED)
    _, view = await here.replay(filter={"state": "unmatched"}, seconds=0, rate=1000)
    assert (view["done"], view["finished"]) == (1, False)
    late = await here.order("z/z")
    listed = (await here.http.get("/api/replays", headers=shop.bearer(shop.READER))).json()["items"]
    assert [(row["replay"], row["done"], row["finished"]) for row in listed] == [(view["replay"], 1, False)]
    assert listed[0]["asked"]["filter"]["state"] == "unmatched"
    views = await here.finished(resume=view["replay"])
    assert views[-1]["counts"] == {"webhooks": 3, "now_translated": 3, "created": 3}
    for webhook in lost:
        await here.until(webhook, "delivered")
    assert len(here.sandbox.calls) == 3
    assert await here.until(late) == [], "it came after the replay began"
    again = (await here.replay(resume=view["replay"]))[1]
    assert (again["finished"], again["done"]) == (True, 3)


async def test_what_is_older_is_left_out(here: Shop) -> None:
    await here.order()
    _, view = await here.replay(filter={"state": "unmatched"}, max_age="0s", dry_run=True)
    assert view == {"dry_run": True, "total": 0, "older": 1, "rate": 50.0}


async def test_a_webhook_that_can_not_be_done_is_told_and_the_others_go_on(here: Shop) -> None:
    first = await here.order(customer={"id": None})
    second = await here.order()
    brands = await here.http.post("/hooks/brands/default", json={"user": None})
    (here.gateway.settings.rules / "brands.yaml").unlink()
    await here.serve(CORRECTED)
    views = await here.finished(all=True, rate=1000)
    problems = {problem["id"]: problem["reason"] for view in views for problem in view["problems"]}
    assert problems.keys() == {first, brands.json()["id"]}
    assert "userId is nothing" in problems[first]
    assert "no source brands" in problems[brands.json()["id"]]
    assert views[-1]["counts"]["not_done"] == 1
    await here.until(second, "delivered")


def test_commands_come_no_faster_than_the_rate() -> None:
    pace = Pace(rate=10, now=100.0)
    assert pace.wait(5, now=100.0) == pytest.approx(0.5)
    assert pace.wait(5, now=100.5) == pytest.approx(0.5)
    assert pace.wait(0, now=103.0) == 0, "what was not used is not saved up"
    assert pace.wait(20, now=103.0) == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ({}, 400, "Give id, or filter, or all, or resume"),
        ({"id": "x", "all": True}, 400, "one of the four"),
        ({"filter": {"colour": "red"}}, 400, "colour is no filter"),
        ({"filter": {"limit": "1"}}, 400, "limit is no filter"),
        ({"filter": {"state": "quarantined"}}, 400, "in quarantine"),
        ({"all": True, "max_age": "old"}, 400, "a length such as 30d"),
        ({"all": True, "rate": 0}, 400, "a number above 0"),
        ({"filter": {"command_state": "held"}, "do": "retry"}, 400, "allowed: failed"),
        ({"all": True, "do": "undo"}, 400, "undo"),
        ({"resume": "x"}, 404, "no such replay"),
        ({"id": "x"}, 404, "no such webhook"),
    ],
)
async def test_what_can_not_be_asked_is_said(here: Shop, asked: dict[str, Any], status: int, says: str) -> None:
    got, problem = await here.replay(**asked)
    assert got == status
    assert says in problem["detail"]


async def test_who_may_only_look_may_not_replay(here: Shop) -> None:
    status, problem = await here.replay(shop.READER, all=True)
    assert status == 401
    assert "may look and not act" in problem["detail"]


async def test_causes_are_listed(here: Shop) -> None:
    for _ in range(2):
        example = await here.order()
    await here.order("orders/create")
    answer = await here.http.get("/api/webhooks?group=cause&source=shop", headers=shop.bearer(shop.READER))
    first, second = answer.json()["items"]
    assert (first["state"], first["count"], first["example"]) == ("unmatched", 2, example)
    assert (second["state"], second["count"]) == ("translated", 1)
    commands = await here.http.get("/api/commands?group=cause&command=send_email", headers=shop.bearer())
    assert [row["rule"] for row in commands.json()["items"]] == ["Order confirmation"]
    refused = await here.http.get("/api/commands?group=colour", headers=shop.bearer())
    assert (refused.status_code, "allowed: cause" in refused.json()["detail"]) == (400, True)
