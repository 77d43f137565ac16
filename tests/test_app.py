"""The service as a whole: from a signed request to the sandbox, and the API over what happened."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from starlette.applications import Starlette

from gateway import running as running_gateway
from gateway.admin.access import Access
from gateway.admin.filters import moment
from gateway.admin.openapi import openapi
from gateway.admin.status import shown_store
from gateway.app import create_app
from gateway.errors import AuthenticationFailed, RulesError, SettingsError, StoreInUse
from gateway.intilery.sandbox import Sandbox, create_sandbox
from gateway.settings import Settings
from gateway.store import Reception
from tests import shop
from tests.postgres import Databases
from tests.servers import running


@pytest.fixture
async def intilery() -> AsyncIterator[tuple[str, Sandbox]]:
    app = create_sandbox(identify_delay=0.0)
    async with running(app) as url:
        yield url, app.state.sandbox


@pytest.fixture
def app(tmp_path: Path, intilery: tuple[str, Sandbox]) -> Starlette:
    return shop.shop_app(tmp_path, intilery=intilery[0])


@pytest.fixture
async def gateway(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client


async def send(gateway: httpx.AsyncClient, body: bytes | None = None, **headers: Any) -> str:
    body = shop.order() if body is None else body
    answer = await gateway.post("/hooks/shop", content=body, headers=shop.headers(body, **headers))
    assert answer.status_code == 200
    webhook_id: str = answer.json()["id"]
    return webhook_id


async def got(gateway: httpx.AsyncClient, path: str, **asked: Any) -> Any:
    answer = await gateway.get(path, params=asked, headers=shop.bearer())
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text)


async def settled(gateway: httpx.AsyncClient, id: str) -> Any:
    async def delivered() -> bool:
        commands = (await got(gateway, f"/api/webhooks/{id}"))["commands"]
        return all(command["state"] == "delivered" for command in commands)

    await shop.until(delivered)
    return await got(gateway, f"/api/webhooks/{id}")


# -- the main job -------------------------------------------------------------------------------------------------


async def test_an_order_becomes_delivered_commands(gateway: httpx.AsyncClient, intilery: tuple[str, Sandbox]) -> None:
    id = await send(gateway)
    webhook = await settled(gateway, id)
    assert {"id", "source", "received_at", "state", "errors", "dedup_key", "event_type", "rules_version"} <= set(
        webhook
    )
    assert {"repeats", "headers", "body", "trace", "commands"} <= set(webhook)
    assert webhook["body"] == shop.ORDER
    assert webhook["body_encoding"] == "json"
    assert webhook["trace"][0]["rule"] == "Order confirmation"
    assert [line["matched"] for line in webhook["trace"]] == [True, False]
    assert all(line["why"] for line in webhook["trace"])

    identify, email = webhook["commands"]
    assert (identify["command"], email["command"]) == ("identify", "send_email")
    assert email["body"] == {
        "userId": "115310627314723954",
        "event": "send_email",
        "assetId": "202601-ORDER",
        "messageId": email["id"],
        "order": {"number": "#1001", "total": 49.9},
    }
    assert email["rule"] == "Order confirmation"
    assert email["destination"] == "default"
    assert email["user_id"] == "115310627314723954"
    [attempt] = email["attempts"]
    assert attempt["status"] == 200
    assert attempt["outcome"] == "accepted"
    assert attempt["duration_ms"] > 0

    calls = {call.message_id: call for call in intilery[1].newest()}
    assert calls[email["id"]].event_id == email["intilery_event_id"]


async def test_numbers_are_exact_on_the_whole_way(gateway: httpx.AsyncClient) -> None:
    body = b'{"number": 12345678901234567890123456, "total": 0.10, "customer": {"id": "u1", "email": "a@b.example"}}'
    id = await send(gateway, body)
    answer = await gateway.get(f"/api/webhooks/{id}", headers=shop.bearer())
    assert answer.text.count("12345678901234567890123456") == 2  # in the webhook's body and in the command's
    assert answer.text.count("0.10") == 2


async def test_replay_makes_up_for_a_rule_that_was_wrong(app: Starlette, gateway: httpx.AsyncClient) -> None:
    id = await send(gateway, topic="orders/refunded")
    assert (await got(gateway, f"/api/webhooks/{id}"))["state"] == "unmatched"

    mended = shop.RULES.replace("orders/fulfilled", "orders/refunded")
    running_gateway = shop.gateway_of(app)
    shop.write_rules(
        running_gateway.settings.rules,
        rules={"shop.yaml": mended, "brands.yaml": shop.BRANDS, "destinations.yaml": shop.DESTINATIONS},
    )
    from gateway.folders import load_rules

    running_gateway.ruleset = load_rules(running_gateway.settings)
    await running_gateway.store.remember_rules(running_gateway.ruleset.version)

    answer = await gateway.post("/api/replay", json={"id": id}, headers=shop.bearer())
    assert answer.status_code == 200
    done = answer.json()
    assert done["state"] == "translated"
    assert done["rules_version"] == running_gateway.ruleset.version.version
    assert len(done["created"]) == 1
    webhook = await settled(gateway, id)
    assert [command["command"] for command in webhook["commands"]] == ["send_sms"]
    again = (await gateway.post("/api/replay", json={"id": id}, headers=shop.bearer())).json()
    assert again["created"] == []
    assert again["kept"] == done["created"]


async def test_the_trace_is_that_of_the_rules_which_the_webhook_met(app: Starlette, gateway: httpx.AsyncClient) -> None:
    id = await send(gateway)
    before = await got(gateway, f"/api/webhooks/{id}")
    parts = shop.gateway_of(app)
    only_brands = {"brands.yaml": shop.BRANDS, "destinations.yaml": shop.DESTINATIONS}
    shop.write_rules(parts.settings.rules.parent / "later", rules=only_brands)
    from gateway.rules import load

    parts.ruleset = load(parts.settings.rules.parent / "later", environ=parts.settings.environ)
    after = await got(gateway, f"/api/webhooks/{id}")
    assert after["trace"] == before["trace"] != []
    refused = await gateway.post("/api/replay", json={"id": id}, headers=shop.bearer())
    assert refused.status_code == 409
    assert "no source shop" in refused.json()["detail"]


async def test_a_body_that_is_no_json_is_shown_as_text_or_base64(gateway: httpx.AsyncClient) -> None:
    text = await got(gateway, f"/api/webhooks/{await send(gateway, b'nothing to read', event='1')}")
    assert (text["body"], text["body_encoding"]) == ("nothing to read", "text")
    assert text["state"] == "unparseable"
    assert text["reason"]
    assert text["trace"] == []
    binary = await got(gateway, f"/api/webhooks/{await send(gateway, bytes([255, 0, 1]), event='2')}")
    assert (binary["body"], binary["body_encoding"]) == ("/wAB", "base64")
    again = await gateway.post("/api/replay", json={"id": binary["id"]}, headers=shop.bearer())
    assert again.json()["state"] == "unparseable"


async def test_a_trace_that_cannot_be_computed_any_more_says_so(app: Starlette, gateway: httpx.AsyncClient) -> None:
    id = await send(gateway)
    parts = shop.gateway_of(app)
    # As a gateway of another day would be, in which the brands' rules are all there is.
    kept = await parts.store.rules_version(parts.ruleset.version.version)
    for files, says in (
        ({"brands.yaml": kept.files["brands.yaml"], "destinations.yaml": kept.files["destinations.yaml"]}, "no source"),
        ({"shop.yaml": "source: shop"}, "no longer loads"),
    ):
        old = msgspec.structs.replace(kept, version=f"test-{len(files)}", files=files)
        await parts.store.remember_rules(old)
        webhook = msgspec.structs.replace(await parts.store.webhook(id), rules_version=old.version)
        await parts.store.retranslate(Reception(webhook=webhook), now=datetime.now(UTC))
        shown = await got(gateway, f"/api/webhooks/{id}")
        assert shown["trace"] == []
        assert says in shown["trace_missing"]


async def test_what_could_not_be_sent_leaves_after_a_restart(tmp_path: Path, intilery: tuple[str, Sandbox]) -> None:
    receiving = shop.shop_app(tmp_path, intilery=intilery[0], GATEWAY_ROLE="receive")
    async with running(receiving) as url, httpx.AsyncClient(base_url=url) as gateway:
        id = await send(gateway)
    assert list(intilery[1].newest()) == []
    delivering = shop.shop_app(tmp_path, intilery=intilery[0], GATEWAY_ROLE="deliver")
    async with running(delivering) as url, httpx.AsyncClient(base_url=url) as gateway:
        webhook = await settled(gateway, id)
        assert len(webhook["commands"]) == 2
        assert (await gateway.post("/hooks/shop", content=b"{}")).status_code == 404


async def test_two_gateways_never_serve_one_store(tmp_path: Path) -> None:
    first = shop.shop_app(tmp_path)
    second = shop.shop_app(tmp_path)
    async with first.router.lifespan_context(first):
        with pytest.raises(StoreInUse):
            async with second.router.lifespan_context(second):
                pass


# -- lists --------------------------------------------------------------------------------------------------------


async def test_lists_are_filtered_and_paged(gateway: httpx.AsyncClient) -> None:
    ids = [await send(gateway, shop.order(number=f"#{n}"), event=f"e{n}") for n in range(5)]
    unmatched = await send(gateway, event="other", topic="x/y")
    page = await got(gateway, "/api/webhooks", limit=2)
    assert [row["id"] for row in page["items"]] == [unmatched, ids[4]]
    page = await got(gateway, "/api/webhooks", limit=2, cursor=page["next"])
    assert [row["id"] for row in page["items"]] == [ids[3], ids[2]]
    assert (await got(gateway, "/api/webhooks", limit=6))["next"] is None

    async def found(**asked: Any) -> list[str]:
        return [row["id"] for row in (await got(gateway, "/api/webhooks", **asked))["items"]]

    assert await found(state="unmatched") == [unmatched]
    assert await found(type="x/y") == [unmatched]
    assert await found(text="#3") == [ids[3]]
    assert await found(source="brands") == []
    assert await found(errors="true") == []
    assert await found(since="1h", rule="Order confirmation", user="115310627314723954") == ids[::-1]
    assert await found(since="2099-01-01") == []

    commands = await got(gateway, "/api/commands", webhook=ids[0], command="send_email")
    [email] = commands["items"]
    assert (await got(gateway, f"/api/commands/{email['id']}"))["attempts"] is not None


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/api/webhooks?state=sleeping", "allowed: fetching, translated"),
        ("/api/webhooks?sauce=shop", "did you mean source?"),
        ("/api/webhooks?limit=0", "allowed: 1 to 500"),
        ("/api/webhooks?since=yesterday", "a length of time ago"),
        ("/api/webhooks?errors=maybe", "allowed: true, false"),
        ("/api/commands?state=translated", "allowed: waiting, pending"),
        ("/api/commands?cursor=nonsense", ""),
    ],
)
async def test_a_filter_that_is_not_possible_is_400(gateway: httpx.AsyncClient, path: str, says: str) -> None:
    answer = await gateway.get(path, headers=shop.bearer())
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert says in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/api/webhooks/none", "/api/commands/none"])
async def test_what_is_not_there_is_404(gateway: httpx.AsyncClient, path: str) -> None:
    answer = await gateway.get(path, headers=shop.bearer())
    assert answer.status_code == 404
    assert answer.json()["title"] == "Not found"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2h", datetime(2026, 1, 5, 8, tzinfo=UTC)),
        ("2026-01-04", datetime(2026, 1, 4, tzinfo=UTC)),
        ("2026-01-04T10:00:00+02:00", datetime(2026, 1, 4, 8, tzinfo=UTC)),
        ("2026-01-04T10:00:00 02:00", datetime(2026, 1, 4, 8, tzinfo=UTC)),
    ],
)
def test_moments(text: str, meant: datetime) -> None:
    assert moment(text, now=datetime(2026, 1, 5, 10, tzinfo=UTC)) == meant


@pytest.mark.parametrize("text", ["99999999d", "9999999999999999999999d", "soon", ""])
def test_moments_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="length"):
        moment(text, now=datetime(2026, 1, 5, 10, tzinfo=UTC))


# -- trying -------------------------------------------------------------------------------------------------------


async def test_try_tells_what_a_payload_would_become_and_stores_nothing(gateway: httpx.AsyncClient) -> None:
    asked = {"source": "shop", "headers": {"X-Shop-Topic": "orders/create"}, "body": shop.ORDER}
    answer = await gateway.post("/api/try", json=asked, headers=shop.bearer(shop.READER))
    assert answer.status_code == 200
    tried = answer.json()
    assert list(tried) == ["source", "state", "commands", "trace", "errors", "warnings"]
    assert tried["state"] == "translated"
    email = tried["commands"][1]
    assert list(email) == ["rule", "command", "destination", "action", "body"]
    assert email["body"]["assetId"] == "202601-ORDER"
    assert (await got(gateway, "/api/webhooks"))["items"] == []


async def test_try_shows_mapping_errors_and_unreadable_bodies(gateway: httpx.AsyncClient) -> None:
    asked = {"source": "shop", "headers": {"X-Shop-Topic": "orders/create"}, "body": {"customer": {}}}
    tried = (await gateway.post("/api/try", json=asked, headers=shop.bearer())).json()
    assert tried["state"] == "untranslatable"
    assert {"rule", "field", "path", "message"} <= set(tried["errors"][0])
    asked = {"source": "shop", "text": '{"customer": '}
    tried = (await gateway.post("/api/try", json=asked, headers=shop.bearer())).json()
    assert tried["state"] == "unparseable"
    assert tried["errors"][0]["message"]


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ({"source": "shpo", "body": {}}, 404, "did you mean shop?"),
        ({"source": "brands", "body": {}}, 404, "path"),
        ({"source": "shop"}, 400, "neither or both"),
        ({"source": "shop", "body": {}, "extra": 1}, 400, "extra"),
        ([], 400, "Expected"),
    ],
)
async def test_try_refuses_what_it_cannot_try(gateway: httpx.AsyncClient, asked: Any, status: int, says: str) -> None:
    answer = await gateway.post("/api/try", json=asked, headers=shop.bearer())
    assert answer.status_code == status
    assert says in answer.json()["detail"]


# -- who may ask --------------------------------------------------------------------------------------------------

LOOKING = [
    "/metrics",
    "/api/webhooks",
    "/api/webhooks/x",
    "/api/commands",
    "/api/commands/x",
    "/api/rules",
    "/api/rules/x",
    "/api/status",
    "/api/openapi.json",
]


async def test_nothing_is_shown_without_a_token(gateway: httpx.AsyncClient) -> None:
    for path in LOOKING:
        for header in (None, "Bearer nonsense", "Bearer", "Basic YTpi", shop.ADMIN):
            answer = await gateway.get(path, headers={} if header is None else {"authorization": header})
            assert answer.status_code == 401, (path, header)
            assert answer.headers["www-authenticate"].startswith("Bearer")
    for path in ("/api/try", "/api/replay"):
        assert (await gateway.post(path, json={})).status_code == 401


async def test_the_read_token_looks_and_does_not_act(gateway: httpx.AsyncClient) -> None:
    id = await send(gateway)
    assert (await gateway.get("/api/status", headers=shop.bearer(shop.READER))).status_code == 200
    refused = await gateway.post("/api/replay", json={"id": id}, headers=shop.bearer(shop.READER))
    assert refused.status_code == 401
    assert "GATEWAY_ADMIN_TOKEN" in refused.json()["detail"]
    assert (await gateway.post("/api/replay", json={"id": id}, headers=shop.bearer())).status_code == 200


def test_a_read_token_that_is_unset_opens_nothing() -> None:
    access = Access(admin="admin", read=None)
    access.admit("bearer admin", acting=True)
    for shown in ("Bearer None", "Bearer ", None, "Bearer admi", "Bearer \udcff"):
        with pytest.raises(AuthenticationFailed):
            access.admit(shown, acting=False)


# -- health, metrics, the document --------------------------------------------------------------------------------


async def test_health_and_readiness_need_no_token(gateway: httpx.AsyncClient) -> None:
    assert (await gateway.get("/healthz")).json() == {"status": "ok"}
    assert (await gateway.get("/readyz")).json() == {"status": "ready", "reasons": []}


async def test_a_gateway_that_cannot_store_is_alive_and_not_ready(app: Starlette, gateway: httpx.AsyncClient) -> None:
    await shop.gateway_of(app).store.close()
    assert (await gateway.get("/healthz")).status_code == 200
    answer = await gateway.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["reasons"][0].startswith("store: ")
    assert (await gateway.get("/api/webhooks", headers=shop.bearer())).status_code == 503


async def test_a_store_that_hangs_is_not_ready_and_is_not_waited_for(
    tmp_path: Path, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_gateway, "STORE_ANSWERS", 0.2)
    url = databases.bare()
    app = shop.shop_app(tmp_path, GATEWAY_STORE=url)
    async with running(app) as address, httpx.AsyncClient(base_url=address, timeout=60) as gateway:
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE pulse IN ACCESS EXCLUSIVE MODE")
            answer = await gateway.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["reasons"] == ["store: it did not answer within 0.2 s"]
        monkeypatch.undo()
        assert (await gateway.get("/readyz")).status_code == 200


async def test_metrics_count_what_happened_and_show_no_payload(gateway: httpx.AsyncClient) -> None:
    id = await send(gateway)
    await settled(gateway, id)
    await gateway.post("/hooks/shop", content=b"{}")
    await gateway.post("/hooks/made-up-by-a-stranger", content=b"{}")
    answer = await gateway.get("/metrics", headers=shop.bearer(shop.READER))
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    assert 'gateway_webhooks_received_total{answer="accepted",source="shop"} 1.0' in lines
    assert 'gateway_webhooks_received_total{answer="authentication_failed",source="shop"} 1.0' in lines
    assert 'gateway_webhooks_received_total{answer="unknown_source",source=""} 1.0' in lines
    assert 'gateway_webhooks_stored_total{source="shop",state="translated"} 1.0' in lines
    assert 'gateway_attempts_total{destination="default",outcome="accepted"} 2.0' in lines
    assert 'gateway_commands_total{command="send_email",destination="default",state="delivered"} 1.0' in lines
    assert 'gateway_delivery_seconds_count{destination="default"} 2.0' in lines
    assert any(line.startswith("gateway_rules_info{") for line in lines)
    for secret in ("ada@example.com", "115310627314723954", shop.SECRET, shop.ADMIN, "made-up-by-a-stranger"):
        assert secret not in answer.text


async def test_status_shows_sources_and_destinations(app: Starlette, gateway: httpx.AsyncClient) -> None:
    status = await got(gateway, "/api/status")
    assert status["unready"] == []
    assert status["rules"]["version"] == shop.gateway_of(app).ruleset.version.version
    assert {source["name"]: source["hook"] for source in status["sources"]} == {
        "shop": "/hooks/shop",
        "brands": "/hooks/brands/{brand}",
    }
    assert [destination["name"] for destination in status["destinations"]] == ["default", "uk"]
    assert status["destinations"][0]["disabled"] is None


def test_the_document_names_every_route_and_no_other(app: Starlette) -> None:
    document = openapi()
    described = {(path, method.upper()) for path, operations in document["paths"].items() for method in operations}
    served = {
        (route.path.replace(":path}", "}"), method)  # type: ignore[attr-defined]
        for route in app.routes
        for method in route.methods or ()  # type: ignore[attr-defined]
        if method != "HEAD"
    }
    assert described == served
    text = json.dumps(document)
    for name in set(_references(document)):
        assert f'"{name}"' in json.dumps(list(document["components"]["schemas"])), text


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"].rpartition("/")[2]] if "$ref" in value else []
        return own + [name for inner in value.values() for name in _references(inner)]
    return [name for inner in value for name in _references(inner)] if isinstance(value, list) else []


@pytest.mark.parametrize(("path", "schema"), [("/api/webhooks/{id}", "Webhook"), ("/api/commands/{id}", "Command")])
async def test_the_document_describes_each_key_that_is_answered(
    gateway: httpx.AsyncClient, path: str, schema: str
) -> None:
    id = await send(gateway)
    webhook = await settled(gateway, id)
    answered = await got(gateway, path.format(id=id if schema == "Webhook" else webhook["commands"][1]["id"]))
    described = openapi()["components"]["schemas"][schema]
    assert set(answered) <= set(described["properties"])
    assert set(described["required"]) <= set(answered)


async def test_an_unknown_address_is_a_problem_too(gateway: httpx.AsyncClient) -> None:
    answer = await gateway.get("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


# -- starting -----------------------------------------------------------------------------------------------------


def test_a_bad_rules_folder_is_not_served(tmp_path: Path) -> None:
    shop.write_rules(tmp_path / "rules", rules={"bad.yaml": "source: x\nverify: none\nrules:\n  - nmae: A\n"})
    with pytest.raises(RulesError) as caught:
        shop.shop_app(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'rules' / 'bad.yaml'}:")


def test_without_a_token_nothing_is_made(tmp_path: Path) -> None:
    shop.write_rules(tmp_path / "rules")
    settings = Settings.from_environ(shop.environ(tmp_path, GATEWAY_ADMIN_TOKEN=""))
    with pytest.raises(SettingsError, match="GATEWAY_ADMIN_TOKEN"):
        create_app(settings)


async def test_it_can_be_stopped_with_requests_in_flight(tmp_path: Path, intilery: tuple[str, Sandbox]) -> None:
    app = shop.shop_app(tmp_path, intilery=intilery[0])
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as gateway:
        bodies = [shop.order(number=f"#{n}") for n in range(20)]
        answers = await asyncio.gather(
            *(
                gateway.post("/hooks/shop", content=body, headers=shop.headers(body, event=f"e{n}"))
                for n, body in enumerate(bodies)
            )
        )
    assert {answer.status_code for answer in answers} == {200}
    again = shop.shop_app(tmp_path, intilery=intilery[0])
    async with running(again) as url, httpx.AsyncClient(base_url=url) as gateway:
        for answer in answers:
            await settled(gateway, answer.json()["id"])


@pytest.mark.parametrize("part", ["pruner", "reloader", "fetcher", "dispatcher"])
async def test_whatever_fails_at_a_stop_the_store_is_closed(
    tmp_path: Path, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails() -> None:
        raise RuntimeError(f"{part} can't end")

    gateway = shop.gateway_of(shop.shop_app(tmp_path))
    await gateway.start()
    stop = getattr(gateway, part).stop
    monkeypatch.setattr(getattr(gateway, part), "stop", fails)
    with pytest.raises(RuntimeError, match=f"{part} can't end"):
        await gateway.stop()
    await stop()
    # Nobody else could open it while it is held.
    other = shop.gateway_of(shop.shop_app(tmp_path))
    await other.start()
    await other.stop()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("sqlite:///gateway.db", "sqlite:///gateway.db"),
        ("postgresql://me:secret@one,two/gateway", "postgresql://one,two/gateway"),
        ("postgresql://me:secret@one,two:5433/gateway?sslmode=require", "postgresql://one,two:5433/gateway"),
        ("postgresql://one:5432/gateway?user=me&password=secret", "postgresql://one:5432/gateway"),
        ("postgresql://one/gateway?sslkey=client.key&sslpassword=secret", "postgresql://one/gateway"),
        ("postgresql://me:my@secret@one/gateway", "postgresql://…"),
        ("postgresql://me:my/secret@one/gateway", "postgresql://…"),
        ("postgresql://me:1/secret@one/gateway", "postgresql://…"),
        ("postgresql://me:my%secret@one/gateway", "postgresql://…"),
        ("postgresql://me:my?secret@one/gateway", "postgresql://one/gateway"),
        ("postgresql://me:secret@[::1]:5432/gateway", "postgresql://[::1]:5432/gateway"),
        ("postgresql:///gateway?host=/run/postgresql&port=5433", "postgresql://%2Frun%2Fpostgresql:5433/gateway"),
    ],
)
def test_a_store_is_shown_without_its_password(address: str, shown: str) -> None:
    assert shown_store(address) == shown
