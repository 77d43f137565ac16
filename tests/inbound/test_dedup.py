"""Repeats, through the real service: one webhook however often, at once, later, and after a restart."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway.app import create_app
from gateway.settings import Settings
from gateway.store import CommandFilter, WebhookFilter
from tests import shop
from tests.servers import running

START = datetime(2026, 1, 5, 10, tzinfo=UTC)
_RULES = """
rules:
  - name: Welcome
    start_journey: {userId: $.user, properties: {journeyIdToTrigger: $journey.welcome}}
"""
FILES = {
    "keyed": "verify: none\ndedup_key: $.id\ndedup_within: 10m",
    "hashed": "verify: none\ndedup_within: 10m",
    "unsaid": "verify: none\ndedup_key: $.id",
    "listed": "verify: none\ndedup_key: [$header.X-Topic, $.id]",
    "batch": "verify: none\nevents: $.events[*]\ndedup_key: $.id\ndedup_within: 10m",
}


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def served(folder: Path, clock: Clock) -> AsyncIterator[tuple[Starlette, httpx.AsyncClient]]:
    """The service on this folder's store; again, after a restart."""
    rules = {f"{name}.yaml": f"source: {name}\n{text}{_RULES}" for name, text in FILES.items()}
    shop.write_rules(folder / "rules", rules={**rules, "shop.yaml": shop.RULES, "destinations.yaml": shop.DESTINATIONS})
    app = create_app(Settings.from_environ(shop.environ(folder, GATEWAY_ROLE="receive")), now=clock)
    async with running(app) as url, httpx.AsyncClient(base_url=url + "/hooks", timeout=30) as hooks:
        yield app, hooks


async def said(hooks: httpx.AsyncClient, source: str, body: Any, **headers: str) -> tuple[str, str]:
    answer = await hooks.post(f"/{source}", json=body, headers=headers)
    assert answer.status_code == 200
    return answer.json()["status"], answer.json()["id"]


@pytest.mark.parametrize(
    ("source", "body"),
    [("keyed", {"id": 1, "user": "u"}), ("hashed", {"user": "u"}), ("batch", {"events": [{"id": 1}, {"id": 2}]})],
)
async def test_a_repeat_is_known_for_as_long_as_the_file_says(
    tmp_path: Path, clock: Clock, source: str, body: Any
) -> None:
    async with served(tmp_path, clock) as (_, hooks):
        _, first = await said(hooks, source, body)
        clock.now = START + timedelta(minutes=9, seconds=59)
        assert await said(hooks, source, body) == ("duplicate", first)
        clock.now = START + timedelta(minutes=10)
        status, second = await said(hooks, source, body)
        assert status == "accepted"
        clock.now = START + timedelta(minutes=19)
        assert await said(hooks, source, body) == ("duplicate", second)


async def test_an_unreadable_body_too(tmp_path: Path, clock: Clock) -> None:
    async with served(tmp_path, clock) as (_, hooks):
        answers = []
        for minutes in (0, 9, 10):
            clock.now = START + timedelta(minutes=minutes)
            sent = await hooks.post("/keyed", content=b"{", headers={"content-type": "application/json"})
            answers.append(sent.json()["status"])
    assert answers == ["accepted", "duplicate", "accepted"]


async def test_where_the_file_says_nothing_a_key_holds_on_and_survives_a_restart(tmp_path: Path, clock: Clock) -> None:
    async with served(tmp_path, clock) as (_, hooks):
        first = await said(hooks, "unsaid", {"id": 1, "user": "u"})
        hashed = await said(hooks, "hashed", {"user": "u"})
    clock.now = START + timedelta(minutes=5)
    async with served(tmp_path, clock) as (_, hooks):
        assert await said(hooks, "hashed", {"user": "u"}) == ("duplicate", hashed[1])
        clock.now = START + timedelta(days=300)
        assert await said(hooks, "unsaid", {"id": 1, "user": "other"}) == ("duplicate", first[1])


async def test_a_list_of_keys_is_equal_as_a_whole_and_belongs_to_its_source(tmp_path: Path, clock: Clock) -> None:
    async with served(tmp_path, clock) as (_, hooks):
        first = await said(hooks, "listed", {"id": "b"}, **{"X-Topic": "a"})
        assert await said(hooks, "listed", {"id": "b", "more": 1}, **{"X-Topic": "a"}) == ("duplicate", first[1])
        for topic, id in (("c", "b"), ("a", "c"), ("", "ab"), ("ab", "")):
            assert (await said(hooks, "listed", {"id": id}, **{"X-Topic": topic}))[0] == "accepted"
        assert (await said(hooks, "unsaid", {"id": "b"}))[0] == "accepted"
        assert (await said(hooks, "keyed", {"id": "b"}))[0] == "accepted"


async def test_many_repeats_at_once_are_one_webhook_with_one_command(tmp_path: Path, clock: Clock) -> None:
    async with served(tmp_path, clock) as (app, hooks):
        found = await asyncio.gather(
            *(said(hooks, "keyed", {"id": number % 3, "user": "u", "n": number}) for number in range(90))
        )
        assert Counter(status for status, _ in found) == {"accepted": 3, "duplicate": 87}
        assert len({id for _, id in found}) == 3
        store = shop.gateway_of(app).store
        webhooks = [await store.webhook(item.id) for item in (await store.webhooks(WebhookFilter())).items]
        assert sorted(webhook.repeats for webhook in webhooks) == [29, 29, 29]
        commands = (await store.commands(CommandFilter())).items
        assert len(commands) == 3


async def test_a_stranger_can_not_claim_a_key(tmp_path: Path, clock: Clock) -> None:
    async with served(tmp_path, clock) as (_, hooks):
        body = shop.order()
        forged = {**shop.headers(body), "x-shop-signature": "AAAA"}
        refused = await asyncio.gather(*(hooks.post("/shop", content=body, headers=forged) for _ in range(10)))
        assert {answer.status_code for answer in refused} == {401}
        taken = await hooks.post("/shop", content=body, headers=shop.headers(body))
        assert taken.json()["status"] == "accepted"
