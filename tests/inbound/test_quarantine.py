"""What failed authentication is kept, costs nothing and makes nothing: through the real service and its store."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway.inbound import quarantine
from gateway.inbound.quarantine import Allowed
from gateway.inbound.rates import Rates
from gateway.model import Webhook, WebhookState
from gateway.store import CommandFilter, WebhookFilter
from gateway.store.sqlite import SQLiteStore
from tests import shop
from tests.servers import running
from tests.serving import Serving, eventually

PLAIN = {"title": "Authentication failed", "status": 401, "detail": "The request could not be authenticated."}
SEALED = """\
source: sealed
path: "{brand}"
verify:
  - {header: {name: X-Token, secret: $env.T_HEADER}}
  - {query: {name: code, secret: $env.T_QUERY}}
  - {body: {path: meta.token, secret: $env.T_BODY}}
  - {basic: {user: $env.T_USER, password: $env.T_PASSWORD}}
rules:
  - name: All
    send_sms: {userId: $.user, assetId: SMS-1}
"""
REDACTING = """\
source: redacting
verify: {header: {name: X-Token, secret: $env.T_HEADER}}
redact: [$.card, $header.X-Private]
rules:
  - name: All
    send_sms: {userId: $.user, assetId: SMS-1}
"""
DESK = """\
source: desk
verify: {header: {name: X-Token, secret: $env.T_HEADER}}
rules:
  - name: All
    send_sms: {userId: $.user, assetId: SMS-1}
"""
SECRETS = {
    "T_HEADER": "header-secret-1",
    "T_QUERY": "query secret+/2",
    "T_BODY": 'body "secret" é/3',
    "T_USER": "ada",
    "T_PASSWORD": "password-secret-4",
}


def rules() -> dict[str, str]:
    return {
        "shop.yaml": shop.RULES,
        "sealed.yaml": SEALED,
        "redacting.yaml": REDACTING,
        "desk.yaml": DESK,
        "destinations.yaml": shop.DESTINATIONS,
    }


def environ(folder: Path, **more: str) -> dict[str, str]:
    shop.write_rules(folder / "rules", rules=rules())
    return shop.environ(folder, GATEWAY_ROLE="receive", **SECRETS, **more)


@asynccontextmanager
async def serving(folder: Path, *, pause: float = 0.0, **more: str) -> AsyncIterator[tuple[Starlette, Any]]:
    app = shop.shop_app(folder, **environ(folder, **more))
    shop.gateway_of(app).quarantine.pause = pause
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield app, client


async def kept(app: Starlette, source: str | None = None) -> list[Webhook]:
    page = await shop.gateway_of(app).store.webhooks(
        WebhookFilter(state=WebhookState.QUARANTINED, source=source), limit=500
    )
    return list(page.items)


async def waits(app: Starlette, count: int) -> None:
    """Until so many wait in memory: each is looked into after its answer."""

    async def there() -> bool:
        return shop.gateway_of(app).quarantine.waiting[0] == count

    await shop.until(there)


async def written(app: Starlette, count: int) -> list[Webhook]:
    async def there() -> bool:
        return len(await kept(app)) == count

    await shop.until(there)
    return await kept(app)


@contextmanager
def commits(app: Starlette) -> Iterator[list[str]]:
    """The transactions that the store's writer ends meanwhile: each is an fsync."""
    store = shop.gateway_of(app).store
    assert isinstance(store, SQLiteStore)
    assert store._connections is not None
    db = store._connections.writer._db
    ended: list[str] = []
    db.set_trace_callback(lambda statement: ended.append(statement) if statement == "COMMIT" else None)
    yield ended
    db.set_trace_callback(None)


# -- kept ---------------------------------------------------------------------------------------------------------


async def test_a_refused_request_is_kept_whole_and_its_sender_learns_nothing(tmp_path: Path) -> None:
    body = shop.order()
    headers = shop.headers(body) | {"x-shop-signature": shop.signature(body, secret="another")}
    async with serving(tmp_path) as (app, client):
        answer = await client.post("/hooks/shop?a=1", content=body, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json() == PLAIN
        (webhook,) = await written(app, 1)
        assert (webhook.source, webhook.method, webhook.query, webhook.body) == ("shop", "POST", "a=1", body)
        assert webhook.rules_version == shop.gateway_of(app).ruleset.version.version
        assert webhook.reason is not None
        assert "does not match with the secret (SHOP_SECRET)" in webhook.reason
        assert dict(webhook.headers)["x-shop-signature"] == headers["x-shop-signature"]
        store = shop.gateway_of(app).store
        assert (await store.webhooks(WebhookFilter())).items == ()
        assert (await store.commands(CommandFilter())).items == ()


async def test_what_never_came_to_the_proof_is_not_kept(tmp_path: Path) -> None:
    body = shop.order()
    async with serving(tmp_path, SHOP_SECRET="") as (app, client):
        assert (await client.post("/hooks/nobody", content=body)).status_code == 404
        assert (await client.post("/hooks/shop", content=body)).status_code == 503
        assert (await client.put("/hooks/desk", content=body)).status_code == 405
        assert (await client.post("/hooks/desk/more", content=body)).status_code == 404
        good = await client.post("/hooks/desk", content=b'{"user": "7"}', headers={"x-token": SECRETS["T_HEADER"]})
        assert good.status_code == 200
        assert shop.gateway_of(app).quarantine.waiting == (0, 0)
        assert await kept(app) == []


async def test_it_is_told_to_the_operator(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    body = shop.order()
    async with serving(tmp_path, SHOP_SECRET_OLD="the-old-one") as (app, client):
        headers = shop.headers(body) | {"x-shop-signature": shop.signature(body, secret="the-old-one")}
        await client.post("/hooks/shop", content=body, headers=headers)
        (webhook,) = await written(app, 1)
        status = (await client.get("/api/status", headers=shop.bearer())).json()["quarantine"]
        assert status["limits"] == {"count": 1000, "bytes": 50_000_000, "age_seconds": 604_800}
        assert [(row["source"], row["cause"], row["count"]) for row in status["kept"]] == [("shop", "other_secret", 1)]
        metrics = (await client.get("/metrics", headers=shop.bearer())).text
        assert 'gateway_authentication_failures_total{cause="other_secret",source="shop"} 1.0' in metrics
        assert 'gateway_quarantine{cause="other_secret",source="shop"} 1.0' in metrics
        (row,) = (await client.get("/api/webhooks?state=quarantined", headers=shop.bearer())).json()["items"]
        assert (row["id"], row["state"], row["cause"]) == (webhook.id, "quarantined", "other_secret")
        assert row["findings"][0].startswith("it matches with SHOP_SECRET_OLD")
        view = (await client.get(f"/api/webhooks/{webhook.id}", headers=shop.bearer())).json()
        assert view["quarantine"]["cause"] == "other_secret"
        assert view["quarantine"]["now"]["verified"] is False
        assert view["trace"] == []
        assert "no rule sees it" in view["trace_missing"]
        assert (await client.get("/api/webhooks", headers=shop.bearer())).json()["items"] == []
    assert "shop: authentication_failed: the signature in header X-Shop-Signature does not match" in caplog.text
    assert "; it matches with SHOP_SECRET_OLD" in caplog.text
    for secret in (shop.SECRET, "the-old-one", shop.signature(body)):
        assert secret not in caplog.text


async def test_replaying_does_not_let_it_out(tmp_path: Path) -> None:
    async with serving(tmp_path) as (app, client):
        await client.post("/hooks/shop", content=shop.order())
        (webhook,) = await written(app, 1)
        answer = await client.post("/api/replay", json={"id": webhook.id}, headers=shop.bearer())
        assert answer.status_code == 409
        assert f"gateway quarantine release {webhook.id}" in answer.json()["detail"]
        assert (await shop.gateway_of(app).store.commands(CommandFilter())).items == ()


async def test_none_is_kept_where_that_is_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path, GATEWAY_QUARANTINE_COUNT="0") as (app, client):
        await client.post("/hooks/shop", content=b"{}")

        async def told() -> bool:
            return "authentication_failed: header X-Shop-Signature is absent" in caplog.text

        await shop.until(told)
        await shop.gateway_of(app).quarantine.stop()
        assert await kept(app) == []


# -- a flood ------------------------------------------------------------------------------------------------------


async def test_a_flood_makes_no_commit_and_stays_within_its_bounds(tmp_path: Path) -> None:
    requests = 600
    async with serving(tmp_path, pause=3600) as (app, client):
        await client.post("/hooks/desk", content=b"{}")
        with commits(app) as during:
            for _ in range(requests // 50):
                answers = await asyncio.gather(
                    *(client.post("/hooks/shop", content=shop.order(number=str(n))) for n in range(50))
                )
                assert {answer.status_code for answer in answers} == {401}
            await waits(app, quarantine.WAITING)
            assert during == []
        with commits(app) as while_it_stops:
            await shop.gateway_of(app).quarantine.stop()
        assert len(while_it_stops) == quarantine.WAITING / quarantine.TOGETHER
        # Its share of the flooded source, one of four, and all of the other.
        assert len(await kept(app, "shop")) == 1000 // 4
        assert len(await kept(app, "desk")) == 1
        lost = requests + 1 - quarantine.WAITING
        metrics = (await client.get("/metrics", headers=shop.bearer())).text
        assert f"gateway_quarantine_lost_total {lost:.1f}" in metrics
        assert f'answer="authentication_failed",source="shop"}} {requests:.1f}' in metrics


async def test_large_bodies_wait_within_a_bound_of_bytes(tmp_path: Path) -> None:
    async with serving(tmp_path, pause=3600) as (app, client):
        body = b"x" * 900_000
        for _ in range(20):
            assert (await client.post("/hooks/shop", content=body)).status_code == 401
        await waits(app, quarantine.WAITING_BYTES // len(body))
        assert shop.gateway_of(app).quarantine.waiting[1] <= quarantine.WAITING_BYTES


async def test_a_commit_holds_little_and_a_flooded_source_takes_no_other_s_turn(tmp_path: Path) -> None:
    async with serving(tmp_path, pause=3600) as (app, client):
        for _ in range(quarantine.TOGETHER + 20):
            await client.post("/hooks/shop", content=b"{}")
        await client.post("/hooks/desk", content=b"{}")
        await waits(app, quarantine.TOGETHER + 21)
        portion, size = shop.gateway_of(app).quarantine._portion()
        assert len(portion) == quarantine.TOGETHER
        assert [one.webhook.source for one in portion[:3]] == ["shop", "desk", "shop"]
        assert size <= quarantine.TOGETHER_BYTES


async def test_the_store_keeps_each_source_s_share_and_no_more(tmp_path: Path) -> None:
    """Four sources: each has a quarter of twenty."""
    async with serving(tmp_path, GATEWAY_QUARANTINE_COUNT="20") as (app, client):
        await client.post("/hooks/desk", content=b"{}")
        for number in range(12):
            await client.post("/hooks/shop", content=str(number).encode())
        await shop.gateway_of(app).quarantine.stop()
        assert {webhook.body for webhook in await kept(app, "shop")} <= {str(number).encode() for number in range(12)}
        assert len(await kept(app, "shop")) == 5
        assert len(await kept(app, "desk")) == 1


async def test_the_answer_never_waits_for_the_store(tmp_path: Path) -> None:
    async with serving(tmp_path) as (app, client):
        held = sqlite3.connect(tmp_path / "gateway.db", isolation_level=None)
        held.execute("BEGIN IMMEDIATE")
        try:
            for _ in range(10):
                assert (await client.post("/hooks/shop", content=b"{}")).status_code == 401
            assert await kept(app) == []
        finally:
            held.execute("ROLLBACK")
            held.close()
        await written(app, 10)


async def test_a_store_that_fails_loses_them_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path, pause=3600) as (app, client):
        gateway = shop.gateway_of(app)
        await client.post("/hooks/shop", content=b"{}")
        await waits(app, 1)
        await gateway.store.close()
        await gateway.quarantine.stop()
        assert (await client.post("/hooks/shop", content=b"{}")).status_code == 401
        assert b"gateway_quarantine_lost_total 1.0" in gateway.telemetry.metrics.exposition()
        assert 'gateway_store_errors_total{verb="quarantine"} 1.0' in gateway.telemetry.metrics.exposition().decode()
    assert "quarantine: 1 requests could not be kept" in caplog.text


async def test_what_is_wrong_is_looked_into_and_logged_at_a_limited_rate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, pause=3600) as (app, client):
        gateway = shop.gateway_of(app)
        gateway.quarantine._rates = Rates(clock=lambda: 0.0)  # no token comes back
        for number in range(1, 41):
            await client.post("/hooks/shop", content=b"{}")
            await waits(app, number)
        await gateway.quarantine.stop()
        causes = {one.cause: one.count for one in await gateway.store.quarantine_counts()}
        looked_into = int(2 * quarantine.DIAGNOSES)
        assert causes == {"absent": looked_into, "undiagnosed": 40 - looked_into}
        newest = await gateway.store.quarantined((await kept(app))[0].id)
        assert "of the last one that was: no header looks like a signature" in newest.findings[0]
    lines = [record for record in caplog.records if "authentication_failed" in record.getMessage()]
    assert len([record for record in lines if record.levelname == "WARNING"]) == looked_into


# -- what is not written ------------------------------------------------------------------------------------------


SENT = [
    ("header of the scheme", {"headers": {"x-token": "guessed-one"}}, "guessed-one"),
    ("authorization", {"headers": {"authorization": "Bearer guessed-two"}}, "guessed-two"),
    ("basic", {"auth": ("ada", "guessed-three")}, "YWRhOmd1ZXNzZWQtdGhyZWU"),
    ("cookie", {"headers": {"cookie": "session=guessed-four"}}, "guessed-four"),
    ("a header that is named like one", {"headers": {"x-acme-api-key": "guessed-five"}}, "guessed-five"),
    ("parameter of the scheme", {"params": {"code": "guessed-six"}}, "guessed-six"),
    ("a parameter that is named like one", {"params": {"access_token": "guessed-seven"}}, "guessed-seven"),
    ("body of the scheme", {"content": json.dumps({"meta": {"token": "guessed/eight"}})}, "guessed/eight"),
    ("body, escaped", {"content": '{"meta": {"token": "guessed\\/nine\\u00e9"}}'}, "nine"),
]


def in_files(folder: Path, text: str) -> bool:
    """Whether a text stands in what the store wrote. For when it is closed: reading would take its locks."""
    return any(text.encode() in file.read_bytes() for file in folder.glob("gateway.db*"))


@pytest.mark.parametrize(("what", "request_", "secret"), SENT)
async def test_no_credential_is_written_in_clear(
    tmp_path: Path, what: str, request_: dict[str, Any], secret: str
) -> None:
    async with serving(tmp_path) as (app, client):
        answer = await client.post("/hooks/sealed/uk", **({"content": '{"meta": {"token": "none"}}'} | request_))
        assert answer.status_code == 401
        (webhook,) = await written(app, 1)
        assert "[sealed:" in f"{webhook.headers} {webhook.query} {webhook.body!r}"
    assert in_files(tmp_path, webhook.id), "what was written is in these files"
    assert not in_files(tmp_path, secret), what


async def test_a_body_whose_secret_can_not_be_taken_out_is_not_kept(tmp_path: Path) -> None:
    async with serving(tmp_path) as (app, client):
        await client.post("/hooks/sealed/uk", content=b'{"meta": {"token": "unreadable')
        (webhook,) = await written(app, 1)
        assert webhook.body == b""
        found = await shop.gateway_of(app).store.quarantined(webhook.id)
        assert found.lacking is not None
        assert "it may hold the secret of verify" in found.lacking


async def test_what_a_source_redacts_is_not_written(tmp_path: Path) -> None:
    async with serving(tmp_path) as (app, client):
        body = b'{"user": "7", "card": "4111-secret-card"}'
        await client.post("/hooks/redacting", content=body, headers={"x-private": "private-header"})
        (webhook,) = await written(app, 1)
        found = await shop.gateway_of(app).store.quarantined(webhook.id)
        assert (webhook.body, found.lacking) == (
            b"",
            "the source says redact, and a body that is not authentic is not taken apart",
        )
        assert dict(webhook.headers)["x-private"] == "[redacted]"
    assert in_files(tmp_path, webhook.id)
    assert not in_files(tmp_path, "4111-secret")
    assert not in_files(tmp_path, "private-header")


async def test_a_body_larger_than_the_share_is_left_out(tmp_path: Path) -> None:
    async with serving(tmp_path, GATEWAY_QUARANTINE_BYTES="40KB") as (app, client):
        await client.post("/hooks/shop", content=b"x" * 11_000)
        (webhook,) = await written(app, 1)
        found = await shop.gateway_of(app).store.quarantined(webhook.id)
        assert webhook.body == b""
        assert found.lacking == "it has 11,000 bytes; a source's share of the quarantine is 10,000"


def test_every_source_has_an_equal_share() -> None:
    from tests.store.making import NOW

    allowed = Allowed(count=10, bytes=1000, age=timedelta(days=1))
    limits = allowed.limits(sources=3, now=NOW)
    assert (limits.source_count, limits.source_bytes, limits.since) == (3, 333, NOW - timedelta(days=1))
    assert allowed.limits(sources=100, now=NOW).source_count == 1
    assert allowed.limits(sources=0, now=NOW).source_count == 10


# -- stops and kills ----------------------------------------------------------------------------------------------


async def test_a_clean_stop_writes_what_waits_and_a_kill_loses_only_that(tmp_path: Path) -> None:
    env = environ(tmp_path)

    async def listed(gateway: Serving) -> list[str]:
        async with gateway.client() as client:
            page = await client.get(f"{gateway.address}/api/webhooks?state=quarantined", headers=shop.bearer())
            return [row["id"] for row in page.json()["items"]]

    async def refused(gateway: Serving) -> None:
        async with gateway.client() as client:
            answer = await client.post(f"{gateway.address}/hooks/shop", content=shop.order())
            assert answer.status_code == 401

    async with Serving(tmp_path, environ=env) as gateway:
        await gateway.start()
        await refused(gateway)
        assert await gateway.stop() == 0
        await gateway.start()
        first = await listed(gateway)
        assert len(first) == 1

        await refused(gateway)

        async def both() -> str | None:
            return None if len(await listed(gateway)) == 2 else "the second is not written"

        await eventually(both)
        written = await listed(gateway)
        await refused(gateway)
        await gateway.kill()
        await gateway.start()
        # What was written is there; the third may be lost, and webhooks go on as ever.
        assert set(await listed(gateway)) >= set(written)
        async with gateway.client() as client:
            body = shop.order()
            good = await client.post(f"{gateway.address}/hooks/shop", content=body, headers=shop.headers(body))
            assert good.status_code == 200
