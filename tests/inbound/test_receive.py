"""The hook's answers, each through the real service: real sockets, the real store, the sandbox behind it."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway.errors import StoreUnavailable
from gateway.inbound.authentication import AllOf, AnyOf, Basic, Header, Hmac, NoVerification
from gateway.inbound.needs import unset_secrets
from gateway.model import CommandState, WebhookState
from gateway.store import CommandFilter, WebhookFilter
from tests import shop
from tests.servers import running


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    return shop.shop_app(tmp_path, GATEWAY_ROLE="receive", GATEWAY_BODY_TIMEOUT="300ms")


@pytest.fixture
async def hooks(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client


def port_of(hooks: httpx.AsyncClient) -> int:
    assert hooks.base_url.port is not None
    return hooks.base_url.port


async def stored(app: Starlette, id: str) -> Any:
    return await shop.gateway_of(app).store.webhook(id)


async def count(app: Starlette) -> int:
    page = await shop.gateway_of(app).store.webhooks(WebhookFilter())
    return len(page.items)


def assert_problem(answer: httpx.Response, status: int, title: str) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["title"] == title
    return problem


# -- taken in -----------------------------------------------------------------------------------------------------


async def test_a_signed_order_is_stored_with_its_commands_before_the_answer(
    app: Starlette, hooks: httpx.AsyncClient
) -> None:
    body = shop.order()
    answer = await hooks.post("/hooks/shop?a=1&a=2", content=body, headers=shop.headers(body))
    assert answer.status_code == 200
    assert answer.json() == {"id": answer.json()["id"], "status": "accepted"}
    assert answer.headers["content-type"] == "application/json"

    webhook = await stored(app, answer.json()["id"])
    assert webhook.state is WebhookState.TRANSLATED
    assert webhook.body == body
    assert webhook.query == "a=1&a=2"
    assert webhook.event_type == "orders/create"
    assert webhook.matched == ("Order confirmation",)
    assert webhook.rules_version == shop.gateway_of(app).ruleset.version.version
    page = await shop.gateway_of(app).store.commands(CommandFilter(webhook=webhook.id))
    states = {command.command: command.state for command in page.items}
    assert states == {"identify": CommandState.PENDING, "send_email": CommandState.WAITING}


async def test_a_repeat_is_answered_with_the_first_id_and_counted(app: Starlette, hooks: httpx.AsyncClient) -> None:
    first = await hooks.post("/hooks/shop", content=shop.order(), headers=shop.headers(shop.order()))
    again = shop.order(number="#1002")
    second = await hooks.post("/hooks/shop", content=again, headers=shop.headers(again))
    assert second.status_code == 200
    assert second.json() == {"id": first.json()["id"], "status": "duplicate"}
    assert (await stored(app, first.json()["id"])).repeats == 1
    assert await count(app) == 1


async def test_without_a_dedup_key_the_same_request_is_a_repeat_and_another_body_is_not(
    app: Starlette, hooks: httpx.AsyncClient
) -> None:
    body = shop.order()
    first = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body, event=None))
    again = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body, event=None))
    other_query = await hooks.post("/hooks/shop?x=1", content=body, headers=shop.headers(body, event=None))
    other = shop.order(number="#2")
    other_body = await hooks.post("/hooks/shop", content=other, headers=shop.headers(other, event=None))
    assert again.json() == {"id": first.json()["id"], "status": "duplicate"}
    assert other_query.json()["status"] == "accepted"
    assert other_body.json()["status"] == "accepted"
    assert (await stored(app, first.json()["id"])).dedup_key.startswith("sha256:")


async def test_the_hash_that_stands_for_a_key_holds_for_a_day(tmp_path: Path) -> None:
    clock = [datetime(2026, 1, 5, 10, tzinfo=UTC)]
    shop.write_rules(tmp_path / "rules")
    from gateway.app import create_app
    from gateway.settings import Settings

    settings = Settings.from_environ(shop.environ(tmp_path, GATEWAY_ROLE="receive"))
    app = create_app(settings, now=lambda: clock[0])
    body = shop.order()
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://gateway") as hooks,
    ):
        send = [("/hooks/shop", body, shop.headers(body, event=None))]
        answers = []
        for later in (timedelta(0), timedelta(hours=23, minutes=59), timedelta(hours=24, minutes=1)):
            clock[0] = datetime(2026, 1, 5, 10, tzinfo=UTC) + later
            path, content, headers = send[0]
            answers.append((await hooks.post(path, content=content, headers=headers)).json()["status"])
    assert answers == ["accepted", "duplicate", "accepted"]


async def test_named_parts_of_the_path_reach_the_rules(app: Starlette, hooks: httpx.AsyncClient) -> None:
    answer = await hooks.post("/hooks/brands/uk", json={"user": "u1"})
    page = await shop.gateway_of(app).store.commands(CommandFilter(webhook=answer.json()["id"]))
    [command] = page.items
    assert command.destination == "uk"
    assert json.loads(command.body)["properties"] == {"journeyIdToTrigger": "6046429d73096e3b2dca973d"}


@pytest.mark.parametrize("body", [b'{"number": ', b"\xff\xfe\x00garbage", b"null and void"])
async def test_a_signed_body_that_cannot_be_read_is_kept_and_answered_200(
    app: Starlette, hooks: httpx.AsyncClient, body: bytes
) -> None:
    answer = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body))
    assert answer.status_code == 200
    webhook = await stored(app, answer.json()["id"])
    assert webhook.state is WebhookState.UNPARSEABLE
    assert webhook.reason
    assert webhook.body == body
    again = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body))
    assert again.json() == {"id": webhook.id, "status": "duplicate"}


async def test_an_order_without_a_customer_is_kept_with_its_reason(app: Starlette, hooks: httpx.AsyncClient) -> None:
    body = shop.order(customer=None)
    answer = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body))
    assert answer.status_code == 200
    webhook = await stored(app, answer.json()["id"])
    assert webhook.state is WebhookState.UNTRANSLATABLE
    assert {error.rule for error in webhook.errors} == {"Order confirmation"}
    assert "userId" in {error.field for error in webhook.errors}


async def test_what_no_rule_wants_is_kept(app: Starlette, hooks: httpx.AsyncClient) -> None:
    body = shop.order()
    unmatched = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body, event="1", topic="x/y"))
    ignored = shop.order(test=True)
    of_no_interest = await hooks.post("/hooks/shop", content=ignored, headers=shop.headers(ignored, event="2"))
    assert (await stored(app, unmatched.json()["id"])).state is WebhookState.UNMATCHED
    assert (await stored(app, of_no_interest.json()["id"])).state is WebhookState.IGNORED


async def test_a_compressed_body_is_verified_as_sent_and_kept_as_meant(
    app: Starlette, hooks: httpx.AsyncClient
) -> None:
    sent = gzip.compress(shop.order())
    headers = {**shop.headers(sent), "content-encoding": "gzip"}
    answer = await hooks.post("/hooks/shop", content=sent, headers=headers)
    webhook = await stored(app, answer.json()["id"])
    assert webhook.state is WebhookState.TRANSLATED
    assert webhook.body == shop.order()
    assert "content-encoding" not in dict(webhook.headers)


@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        ("gzip", gzip.compress(b" " * 1_000_001), "over 1,000,000 bytes when decompressed"),
        ("gzip", gzip.compress(b"{}", mtime=0)[:-4], "ends too early"),
        ("gzip", b"{}", "is not that"),
        ("br", b"{}", "allowed: gzip, deflate"),
    ],
)
async def test_a_body_that_is_not_compressed_as_it_says_is_unparseable(
    app: Starlette, hooks: httpx.AsyncClient, coding: str, body: bytes, reason: str
) -> None:
    headers = {**shop.headers(body), "content-encoding": coding}
    answer = await hooks.post("/hooks/shop", content=body, headers=headers)
    assert answer.status_code == 200
    webhook = await stored(app, answer.json()["id"])
    assert webhook.state is WebhookState.UNPARSEABLE
    assert reason in webhook.reason


async def test_credentials_are_not_kept(app: Starlette, hooks: httpx.AsyncClient) -> None:
    body = shop.order()
    headers = {**shop.headers(body), "authorization": "Bearer something-secret"}
    answer = await hooks.post("/hooks/shop", content=body, headers=headers)
    kept = dict((await stored(app, answer.json()["id"])).headers)
    assert kept["authorization"] == "[redacted]"


# -- refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [None, "bm90IGl0", shop.signature(shop.order(), secret="another")])
async def test_a_wrong_signature_is_401_and_says_no_more(
    app: Starlette, hooks: httpx.AsyncClient, sign: str | None
) -> None:
    headers = shop.headers(shop.order())
    del headers["x-shop-signature"]
    if sign is not None:
        headers["x-shop-signature"] = sign
    answer = await hooks.post("/hooks/shop", content=shop.order(), headers=headers)
    problem = assert_problem(answer, 401, "Authentication failed")
    assert problem["detail"] == "The request could not be authenticated."
    assert await count(app) == 0


async def test_a_refused_request_claims_no_dedup_key(app: Starlette, hooks: httpx.AsyncClient) -> None:
    body = shop.order()
    forged = {**shop.headers(body), "x-shop-signature": "bm90IGl0"}
    assert (await hooks.post("/hooks/shop", content=body, headers=forged)).status_code == 401
    genuine = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body))
    assert genuine.json()["status"] == "accepted"


@pytest.mark.parametrize("path", ["/hooks/nobody", "/hooks/", "/hooks/shop/more", "/hooks/brands", "/hooks/brands/a/b"])
async def test_an_unknown_address_is_404(app: Starlette, hooks: httpx.AsyncClient, path: str) -> None:
    answer = await hooks.post(path, content=b"{}")
    assert_problem(answer, 404, "Unknown source")
    assert await count(app) == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_another_method_is_405_and_says_what_is_allowed(hooks: httpx.AsyncClient, method: str) -> None:
    answer = await hooks.request(method, "/hooks/shop")
    assert_problem(answer, 405, "Method not allowed")
    assert answer.headers["allow"] == "POST"


async def test_head_is_405_without_a_body(hooks: httpx.AsyncClient) -> None:
    answer = await hooks.head("/hooks/shop")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.content == b""


async def test_2_mb_are_413_and_the_sender_gets_to_read_it(app: Starlette, hooks: httpx.AsyncClient) -> None:
    body = b" " * 2_000_000
    answer = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body))
    problem = assert_problem(answer, 413, "Body too large")
    assert "1,000,000" in problem["detail"]
    assert await count(app) == 0


async def test_a_body_of_unknown_length_is_counted_as_it_comes(app: Starlette, hooks: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100_000

    answer = await hooks.post("/hooks/shop", content=chunks(), headers=shop.headers(b""))
    assert_problem(answer, 413, "Body too large")
    assert await count(app) == 0


async def test_a_declared_body_over_the_cap_is_refused_before_it_is_read(hooks: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(hooks))
    writer.write(b"POST /hooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert head.startswith(b"HTTP/1.1 413")
    writer.write_eof()
    await asyncio.wait_for(reader.read(), 5)
    writer.close()


async def test_zeros_before_a_length_are_no_length(app: Starlette, hooks: httpx.AsyncClient) -> None:
    body = shop.order()
    head = "".join(f"{name}: {value}\r\n" for name, value in shop.headers(body).items())
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(hooks))
    length = f"{len(body):040}"
    writer.write(f"POST /hooks/shop HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {length}\r\n\r\n".encode() + body)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert answer.startswith(b"HTTP/1.1 200")
    page = await shop.gateway_of(app).store.webhooks(WebhookFilter())
    assert [one.body for one in page.items] == [body]
    writer.close()


async def test_a_body_that_dribbles_is_408_and_the_connection_ends(app: Starlette, hooks: httpx.AsyncClient) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(hooks))
    writer.write(b"POST /hooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    answer = await asyncio.wait_for(reader.read(), 5)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["title"] == "Body too slow"
    assert await count(app) == 0
    writer.close()


async def test_a_sender_that_leaves_in_the_middle_of_its_body_stores_nothing(
    app: Starlette, hooks: httpx.AsyncClient
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port_of(hooks))
    writer.write(b"POST /hooks/shop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.close()
    await writer.wait_closed()
    gateway = shop.gateway_of(app)

    async def noticed() -> bool:
        return b'answer="disconnected",source="shop"} 1.0' in gateway.telemetry.metrics.exposition()

    await shop.until(noticed)
    assert await count(app) == 0


async def test_a_sender_that_leaves_without_waiting_for_its_answer_loses_nothing(
    app: Starlette, hooks: httpx.AsyncClient
) -> None:
    body = shop.order()
    head = "".join(f"{name}: {value}\r\n" for name, value in shop.headers(body).items())
    with socket.create_connection(("127.0.0.1", port_of(hooks))) as sender:
        sender.sendall(f"POST /hooks/shop HTTP/1.1\r\nHost: x\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode())
        sender.sendall(body)

    async def kept() -> bool:
        return await count(app) == 1

    await shop.until(kept)


async def test_the_address_of_a_mounted_secret_proves_nothing(tmp_path: Path) -> None:
    mounted = tmp_path / "uk"
    mounted.write_text("the secret of the UK\n")
    rules = (
        'source: brand\npath: "{brand}"\nverify: {hmac: {header: X-Sig, encoding: base64, secret: $env.BRAND, '
        "per: $path.brand}}\n"
    )
    shop.write_rules(tmp_path / "rules", rules={"brand.yaml": rules, "destinations.yaml": shop.DESTINATIONS})
    app = shop.shop_app(tmp_path, GATEWAY_ROLE="receive", BRAND_UK_FILE=str(mounted))
    body = shop.order()
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as hooks:
        for part in ("uk-file", "uk_file", "UK-FILE", "uk%2Dfile", "uk.file"):
            forged = {"x-sig": shop.signature(body, secret=str(mounted))}
            answer = await hooks.post(f"/hooks/brand/{part}", content=body, headers=forged)
            assert_problem(answer, 401, "Authentication failed")
        signed = {"x-sig": shop.signature(body, secret="the secret of the UK")}
        assert (await hooks.post("/hooks/brand/uk", content=body, headers=signed)).status_code == 200
        assert await count(app) == 1


async def test_a_source_without_its_secret_is_503_until_it_is_set(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    app = shop.shop_app(tmp_path, GATEWAY_ROLE="receive", SHOP_SECRET="", SHOP_SECRET_FILE=str(secret))
    body = shop.order()
    async with running(app) as url, httpx.AsyncClient(base_url=url) as hooks:
        answer = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body))
        assert_problem(answer, 503, "Not stored")
        assert int(answer.headers["retry-after"]) > 0
        assert "SHOP_SECRET" not in answer.text
        secret.write_text(shop.SECRET + "\n")
        answer = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body))
        assert answer.status_code == 200


async def test_what_the_store_cannot_keep_is_503_and_never_2xx(app: Starlette, hooks: httpx.AsyncClient) -> None:
    body = shop.order()
    await shop.gateway_of(app).store.close()
    answer = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body))
    assert_problem(answer, 503, "Not stored")
    assert int(answer.headers["retry-after"]) > 0
    with pytest.raises(StoreUnavailable):
        await shop.gateway_of(app).store.check()


async def test_a_defect_of_ours_is_503_so_that_the_sender_comes_again(
    app: Starlette, hooks: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = shop.gateway_of(app)
    served, gateway.ruleset = gateway.ruleset, None  # type: ignore[assignment]
    body = shop.order()
    answer = await hooks.post("/hooks/shop", content=body, headers=shop.headers(body))
    problem = assert_problem(answer, 503, "Not stored")
    assert "AttributeError" not in problem["detail"]
    assert "AttributeError" in caplog.text
    gateway.ruleset = served
    assert (await hooks.post("/hooks/shop", content=body, headers=shop.headers(body))).json()["status"] == "accepted"


async def test_a_refusal_leaves_the_service_as_it_was(hooks: httpx.AsyncClient) -> None:
    for _ in range(3):
        assert (await hooks.post("/hooks/shop", content=b" " * 1_500_000)).status_code == 413
        assert (await hooks.post("/hooks/shop", content=b"{}")).status_code == 401
    body = shop.order()
    assert (await hooks.post("/hooks/shop", content=body, headers=shop.headers(body))).status_code == 200


# -- which secrets are wanting ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "known", "unset"),
    [
        (NoVerification(), (), ()),
        (Hmac(secret=("A", "B"), header="x"), (), ("A", "B")),
        (Hmac(secret=("A", "B"), header="x"), ("B",), ()),
        (Hmac(secret=("A",), header="x", per="brand"), (), ()),
        (Header(name="x", secret=("A",)), (), ("A",)),
        (Basic(user="$env.U", password=("P",)), ("P",), ("U",)),
        (Basic(user="literal", password=("P",)), (), ("P",)),
        (AllOf((Header(name="x", secret=("A",)), Header(name="y", secret=("B",)))), ("A",), ("B",)),
        (AnyOf((Header(name="x", secret=("A",)), Header(name="y", secret=("B",)))), ("A",), ()),
        (AnyOf((Header(name="x", secret=("A",)), Header(name="y", secret=("B",)))), (), ("A", "B")),
    ],
)
def test_unset_secrets(scheme: Any, known: tuple[str, ...], unset: tuple[str, ...]) -> None:
    assert unset_secrets(scheme, lambda name: "value" if name in known else None) == unset
