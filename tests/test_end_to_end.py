"""The main job on real input: webhooks as Shopify, WooCommerce and Calendly send them, to a running ``gateway serve``.

The process, its port, its store and the sandbox are real; the rules are those of the library. The signatures are
written out here from the senders' documentation, so that the gateway is not only tested against itself.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.inbound.authentication import scheme_from, sign
from gateway.intilery.sandbox import Call, Faults, Sandbox, create_sandbox
from tests import shop
from tests.postgres import ON_BOTH
from tests.servers import running
from tests.serving import PATIENCE, Serving, eventually

ROOT = Path(__file__).parents[1]
LIBRARY = ROOT / "rules" / "library"
CORPUS = ROOT.parent / "shared" / "corpus" / "payloads"
SECRETS = {"shopify": "the-key-of-the-shop", "woocommerce": "the-shop's-secret", "calendly": "the-signing-key"}
GAP = 0.5
"""Seconds that Intilery wants between an identify and a command that needs it."""

_exact = msgspec.json.Decoder(float_hook=Decimal).decode


# -- how the senders sign, and what they send -----------------------------------------------------------------------


def of_shopify(body: bytes, topic: str, event: str) -> dict[str, str]:
    """shopify.dev, "Deliver webhooks through HTTPS": base64 of HMAC-SHA256 over the raw body."""
    digest = hmac.new(SECRETS["shopify"].encode(), body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Event-Id": event,
        "X-Shopify-Shop-Domain": "oak-and-ink.myshopify.com",
        "X-Shopify-Hmac-Sha256": base64.b64encode(digest).decode(),
    }


def of_woocommerce(body: bytes, topic: str, event: str) -> dict[str, str]:
    """WooCommerce's class-wc-webhook.php, generate_signature: base64 of HMAC-SHA256 over the raw body."""
    digest = hmac.new(SECRETS["woocommerce"].encode(), body, hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "X-WC-Webhook-Topic": topic,
        "X-WC-Webhook-Resource": topic.partition(".")[0],
        "X-WC-Webhook-Source": "https://teahouse.example.com/",
        "X-WC-Webhook-Delivery-ID": hashlib.md5(event.encode()).hexdigest(),
        "X-WC-Webhook-Signature": base64.b64encode(digest).decode(),
    }


def of_calendly(body: bytes, topic: str = "", event: str = "", *, at: float | None = None) -> dict[str, str]:
    """developer.calendly.com, "Webhook Signatures": hex of HMAC-SHA256 over the time, a dot and the raw body."""
    now = str(int(time.time() if at is None else at))
    digest = hmac.new(SECRETS["calendly"].encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Content-Type": "application/json", "Calendly-Webhook-Signature": f"t={now},v1={digest}"}


SENDERS = {"shopify": of_shopify, "woocommerce": of_woocommerce, "calendly": of_calendly}


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One webhook, and what is expected of it."""

    file: str
    """Of the library's samples or the corpus, without its ending: ``shopify/order``."""
    topic: str = ""
    becomes: tuple[tuple[str, str], ...] = ()
    """Each command and its customer, in order."""
    state: str = "translated"

    @property
    def source(self) -> str:
        return self.file.partition("/")[0]


def both(call: str, user: str) -> tuple[tuple[str, str], ...]:
    """A command with the identify before it."""
    return (("identify", user), (call, user))


IMOGEN, DAI, AOIFE = "7120045331827", "318", "aoife.byrne@example.com"
SAMPLES = (
    Sent(file="shopify/customer", topic="customers/create", becomes=both("start_journey", IMOGEN)),
    Sent(file="shopify/order", topic="orders/create", becomes=both("send_email", IMOGEN)),
    Sent(
        file="shopify/order_fulfilled",
        topic="orders/fulfilled",
        becomes=both("send_email", IMOGEN) + both("send_sms", IMOGEN),
    ),
    Sent(file="shopify/checkout", topic="checkouts/update", becomes=both("start_journey", "7120045336672")),
    Sent(file="shopify/order_guest", topic="orders/create", becomes=both("send_email", "tsumugi.ōta@example.com")),
    Sent(file="shopify/order_test", topic="orders/create", state="ignored"),
    Sent(file="shopify/order_without_email", topic="orders/create", state="untranslatable"),
    Sent(file="woocommerce/order_processing", topic="order.created", becomes=both("send_email", DAI)),
    Sent(file="woocommerce/order_completed", topic="order.updated", becomes=both("send_email", DAI)),
    Sent(file="woocommerce/order_refunded", topic="order.updated", becomes=both("send_email", DAI)),
    Sent(file="woocommerce/order_failed", topic="order.updated", becomes=both("start_journey", "mehmet@example.com")),
    Sent(
        file="woocommerce/order_guest",
        topic="order.updated",
        becomes=both("send_email", "zofia.żółkiewska@example.com"),
    ),
    Sent(file="woocommerce/order_draft", topic="order.created", state="ignored"),
    Sent(file="woocommerce/order_without_email", topic="order.created", state="untranslatable"),
    Sent(file="calendly/invitee_created", becomes=both("send_email", AOIFE)),
    Sent(file="calendly/invitee_canceled_rescheduled", state="ignored"),
    Sent(file="calendly/invitee_created_rescheduled", becomes=both("send_email", AOIFE)),
    Sent(file="calendly/invitee_canceled", becomes=both("send_email", "søren.ødegård@example.com")),
)
RECORDED = (
    Sent(file="shopify/carts-create", topic="carts/create", state="unmatched"),
    Sent(file="shopify/customers-create.2", topic="customers/create", becomes=both("start_journey", "6972943892790")),
    Sent(file="shopify/fulfillments-update", topic="fulfillments/update", state="unmatched"),
    Sent(file="shopify/orders-cancelled", topic="orders/cancelled", state="unmatched"),
    Sent(file="shopify/products-update", topic="products/update", state="unmatched"),
    Sent(file="woocommerce/coupon.created", topic="coupon.created", state="unmatched"),
    Sent(file="woocommerce/coupon.updated", topic="coupon.updated", state="unmatched"),
    Sent(file="woocommerce/customer.updated", topic="customer.updated", state="unmatched"),
    Sent(file="woocommerce/order.created.abridged", topic="order.created", state="unmatched"),
    Sent(file="woocommerce/order.updated", topic="order.updated", becomes=both("send_email", "john.doe@example.com")),
    Sent(file="woocommerce/order_refund", topic="action.woocommerce_order_refunded", state="unmatched"),
    Sent(file="woocommerce/product.created", topic="product.created", state="unmatched"),
    Sent(file="woocommerce/product.updated", topic="product.updated", state="unmatched"),
    Sent(file="calendly/invitee.canceled.rescheduled", state="ignored"),
    Sent(file="calendly/invitee.created", becomes=both("send_email", "test@example.com")),
)

MESSAGES: dict[tuple[str, str], dict[str, Any]] = {
    ("shopify/order_fulfilled", "send_email"): {
        "userId": "7120045331827",
        "event": "send_email",
        "assetId": "ASSET-SHIPPING-NOTICE",
        "timestamp": "2026-04-01T14:20:31.000Z",
        "order": {
            "number": "#2047",
            "placedAt": "2026-03-31T17:05:09.000Z",
            "total": Decimal("61.40"),
            "currency": "GBP",
            "statusUrl": "https://oak-and-ink.example.com/orders/9b1d/authenticate?key=4c7a",
            "items": [
                {
                    "title": "Dotted Notebook",
                    "variant": "A5 / Moss",
                    "sku": "NB-A5-MOSS",
                    "quantity": 2,
                    "price": Decimal("18.20"),
                },
                {"title": "Brass Pen", "sku": "PEN-BRASS", "quantity": 1, "price": Decimal("20.05")},
            ],
        },
        "parcels": [
            {
                "carrier": "Royal Mail",
                "trackingNumber": "QK204455071GB",
                "trackingUrl": "https://parcels.example.com/track/QK204455071GB",
            }
        ],
    },
    ("shopify/order_fulfilled", "send_sms"): {
        "userId": "7120045331827",
        "event": "send_sms",
        "assetId": "ASSET-SHIPPING-NOTICE-SMS",
        "timestamp": "2026-04-01T14:20:31.000Z",
        "number": "#2047",
        "trackingUrl": "https://parcels.example.com/track/QK204455071GB",
    },
    ("shopify/customer", "identify"): {
        "userId": "7120045331827",
        "event": "identify",
        "traits": {
            "email": "imogen.hart@example.com",
            "firstName": "Imogen",
            "lastName": "Hart",
            "createdAt": "2026-03-30T08:00:02.000Z",
        },
    },
    ("shopify/customer", "start_journey"): {
        "userId": "7120045331827",
        "event": "start_journey",
        "timestamp": "2026-03-30T08:00:02.000Z",
        "properties": {"journeyIdToTrigger": "65f0c0ffee00000000000002"},
    },
    ("calendly/invitee_canceled", "send_email"): {
        "userId": "søren.ødegård@example.com",
        "event": "send_email",
        "assetId": "ASSET-BOOKING-CANCELLED",
        "timestamp": "2026-06-11T06:00:07.000Z",
        "booking": {
            "title": "Kitchen consultation",
            "startsAt": "2026-06-12T09:00:00.000Z",
            "endsAt": "2026-06-12T09:45:00.000Z",
            "when": "Friday 12 June 2026, 11:00",
            "timezone": "Europe/Oslo",
            "host": "Rowan Achebe",
            "place": "9 Larder Street, Bergen",
        },
        "cancelledBy": "host",
        "reason": "Rowan is ill – we are sorry 🙏",
    },
}
"""Whole bodies as they must arrive, without their ``messageId``."""


# -- a gateway, a sandbox, a client ---------------------------------------------------------------------------------


class Stage:
    """A running gateway with the library's rules, the sandbox that it sends to, and a client."""

    def __init__(self, gateway: Serving, sandbox: Sandbox, client: httpx.AsyncClient) -> None:
        self.gateway, self.sandbox, self.client = gateway, sandbox, client

    async def post(self, source: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        return await self.client.post(f"{self.gateway.address}/hooks/{source}", content=body, headers=headers)

    async def accepted(self, source: str, body: bytes, headers: dict[str, str]) -> str:
        """Post what must be taken; its id."""
        answer = await self.post(source, body, headers)
        assert (answer.status_code, answer.json()["status"]) == (200, "accepted"), answer.text
        id: str = answer.json()["id"]
        return id

    async def got(self, path: str) -> Any:
        """What the API answers, numbers exact."""
        answer = await self.client.get(f"{self.gateway.address}{path}", headers=shop.bearer())
        assert answer.status_code == 200, answer.text
        return _exact(answer.content)

    async def delivered(self) -> None:
        """Wait until every command has come to its end."""

        async def unfinished() -> str | None:
            (destination,) = (await self.got("/api/status"))["destinations"]
            backlog = {state: count for state, count in destination["backlog"].items() if count}
            return f"unfinished: {backlog}" if backlog else None

        await eventually(unfinished)

    def calls(self, webhook: str) -> list[Call]:
        """What arrived of one webhook, in the order of arrival."""
        return [call for call in self.sandbox.calls if str(call.message_id).startswith(webhook)]


@pytest.fixture
def environ(tmp_path: Path, database: str) -> dict[str, str]:
    return {
        **shop.environ(tmp_path, GATEWAY_RULES=str(LIBRARY), GATEWAY_GRACE="30s", GATEWAY_STORE=database),
        "GATEWAY_DESTINATIONS": str(LIBRARY / "destinations.yaml.example"),
        **{f"{source.upper()}_SECRET": secret for source, secret in SECRETS.items()},
    }


@pytest.fixture
async def stage(tmp_path: Path, environ: dict[str, str]) -> AsyncIterator[Stage]:
    # Commands for somebody unknown are refused, as those are that come too soon after their identify.
    app = create_sandbox(strict_identify=True, identify_delay=GAP)
    async with running(app, timeout_keep_alive=600) as url:
        environ["INTILERY_URL"] = url
        async with Serving(tmp_path, environ=environ) as gateway:
            await gateway.start()
            async with gateway.client() as client:
                yield Stage(gateway, app.state.sandbox, client)
            print(gateway.told)  # pytest shows it where the test failed


# -- webhooks become commands ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SENDERS)
def test_a_signature_written_out_is_the_gateways_own(source: str) -> None:
    now = datetime.now(UTC)
    body = b'{"id": 1}'
    made = sign(scheme_from(source), body=body, headers={}, credential=lambda name: SECRETS[source], now=now).headers
    at = {"at": now.timestamp()} if source == "calendly" else {}
    theirs = SENDERS[source](body, "x/y", "event-1", **at)
    assert made
    assert {name.lower() for name in made} <= {name.lower() for name in theirs}
    assert set(made.values()) <= set(theirs.values())


def test_every_sample_of_the_library_is_sent() -> None:
    folder = LIBRARY / "samples"
    files = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.json")}
    assert files == {sent.file for sent in SAMPLES}


@ON_BOTH
async def test_the_samples_of_the_library_arrive_as_commands(stage: Stage) -> None:
    webhooks = await sent(stage, SAMPLES, LIBRARY / "samples")
    check_arrivals(stage, webhooks, SAMPLES)
    for (file, kind), expected in MESSAGES.items():
        (body,) = [call.body for call in stage.calls(webhooks[file]["id"]) if call.event == kind]
        assert body.pop("messageId")
        assert body == expected

    (shipped,) = [call for call in stage.sandbox.calls if b'ASSET-SHIPPING-NOTICE"' in call.raw]
    assert b'"total":61.40,' in shipped.raw
    hers = [call.event for call in stage.sandbox.calls if call.user_id == IMOGEN and call.action == "track"]
    assert hers == ["start_journey", "send_email", "send_email", "send_sms"]

    # What became no command is kept, and says why in words.
    test = webhooks["shopify/order_test"]
    assert (test["state"], test["reason"]) == ("ignored", "$.test is true")
    nobody = webhooks["woocommerce/order_without_email"]
    assert {"rule": "Order confirmation", "field": "userId"}.items() <= nobody["errors"][0].items()
    assert nobody["errors"][0]["path"]
    assert nobody["errors"][0]["message"]
    for webhook in webhooks.values():
        lines = {line["rule"]: line for line in webhook["trace"]}
        assert all(line["why"] for line in lines.values())
        assert [rule for rule, line in lines.items() if line["matched"]] == webhook["matched"]
    assert "orders/create" in webhooks["shopify/customer"]["trace"][0]["why"]


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the recorded webhooks are not here")
async def test_recorded_webhooks_arrive_as_commands(stage: Stage) -> None:
    webhooks = await sent(stage, RECORDED, CORPUS)
    check_arrivals(stage, webhooks, RECORDED)
    (order,) = [
        call.body for call in stage.calls(webhooks["woocommerce/order.updated"]["id"]) if call.action == "track"
    ]
    del order["messageId"]
    assert order == {
        "userId": "john.doe@example.com",
        "event": "send_email",
        "assetId": "ASSET-ORDER-CONFIRMATION",
        "timestamp": "2017-03-22T19:28:02.000Z",
        "order": {
            "number": "727",
            "placedAt": "2017-03-22T19:28:02.000Z",
            "total": Decimal("29.35"),
            "shipping": Decimal("10.00"),
            "tax": Decimal("1.35"),
            "currency": "USD",
            "payment": "Direct Bank Transfer",
            "items": [
                {"title": "Woo Single #1", "quantity": 2, "total": Decimal("6.00")},
                {
                    "title": "Ship Your Idea – Color: Black, Size: M Test",
                    "sku": "Bar3",
                    "quantity": 1,
                    "total": Decimal("12.00"),
                },
            ],
        },
    }


async def sent(stage: Stage, all: tuple[Sent, ...], folder: Path) -> dict[str, Any]:
    """Post them one after the other and wait for their delivery; what the API says of each webhook, by file."""
    ids = {}
    for number, one in enumerate(all):
        body = (folder / f"{one.file}.json").read_bytes()
        headers = SENDERS[one.source](body, one.topic, f"b54557e4-bdd9-4b37-8a5f-{number:012}")
        ids[one.file] = await stage.accepted(one.source, body, headers)
    await stage.delivered()
    return {file: await stage.got(f"/api/webhooks/{id}") for file, id in ids.items()}


def check_arrivals(stage: Stage, webhooks: dict[str, Any], all: tuple[Sent, ...]) -> None:
    """Each webhook is in its state and its commands have arrived: whole, once, in order, the identify well before."""
    for one in all:
        webhook = webhooks[one.file]
        assert webhook["state"] == one.state, webhook
        commands = webhook["commands"]
        assert tuple((each["command"], each["user_id"]) for each in commands) == one.becomes, one.file
        calls = {call.message_id: call for call in stage.calls(webhook["id"])}
        assert set(calls) == {each["id"] for each in commands}
        identified = 0.0
        for each in commands:
            call = calls[each["id"]]
            assert each["state"] == "delivered", each
            assert each["intilery_event_id"] == call.event_id
            assert (call.event, call.user_id) == (each["command"], each["user_id"])
            assert call.body == each["body"]
            assert call.body["messageId"] == each["id"]
            if each["command"] == "identify":
                identified = call.received_at
            else:
                assert call.reached, call.why
                assert call.received_at - identified >= GAP
    made = [each["id"] for one in all for each in webhooks[one.file]["commands"]]
    arrived = [str(call.message_id) for call in stage.sandbox.calls]
    assert sorted(arrived) == sorted(made), "lost, repeated or made up"
    # The identifies leave at once and messages wait for theirs; each kind is in order for each customer.
    places = {id: place for place, id in enumerate(arrived)}
    lines: dict[tuple[str, bool], list[int]] = defaultdict(list)
    for one in all:
        for each in webhooks[one.file]["commands"]:
            lines[each["user_id"], each["action"] == "identify"].append(places[each["id"]])
    for line, found in lines.items():
        assert found == sorted(found), line


async def test_exact_numbers_arrive_byte_for_byte(stage: Stage) -> None:
    body = (
        b'{"id": 1, "name": "#1", "financial_status": "paid", "email": "ada@example.com", "total_price": "0.10",'
        b' "customer": {"id": 12345678901234567890123456}, "currency": "EUR",'
        b' "line_items": [{"title": "Screw", "quantity": 0.10, "price": "1E-2"},'
        b' {"title": "Star", "quantity": 12345678901234567890123456, "price": 1.000}]}'
    )
    id = await stage.accepted("shopify", body, of_shopify(body, "orders/create", "exact-1"))
    await stage.delivered()
    identify, email = stage.calls(id)
    for call in (identify, email):
        assert b'"userId":"12345678901234567890123456"' in call.raw
    assert b'"total":0.10,' in email.raw
    assert b'"quantity":0.10,' in email.raw
    assert b'"quantity":12345678901234567890123456,' in email.raw
    assert b'"price":1.000}' in email.raw


# -- what is refused, and what is kept ------------------------------------------------------------------------------


async def test_a_wrong_proof_is_401_and_does_not_say_which_part(stage: Stage) -> None:
    body = (LIBRARY / "samples" / "shopify" / "order.json").read_bytes()
    right = of_shopify(body, "orders/create", "event-1")
    booking = (LIBRARY / "samples" / "calendly" / "invitee_created.json").read_bytes()
    fresh, stale = of_calendly(booking), of_calendly(booking, at=time.time() - 3600)
    name = "Calendly-Webhook-Signature"
    refused = [
        await stage.post("shopify", body + b" ", right),
        await stage.post("shopify", body, {**right, "X-Shopify-Hmac-Sha256": ""}),
        await stage.post("shopify", body, {**right, "X-Shopify-Hmac-Sha256": "bm90IGl0"}),
        await stage.post("shopify", body, {key: value for key, value in right.items() if "Hmac" not in key}),
        await stage.post("calendly", booking, stale),
        await stage.post("calendly", booking, {**fresh, name: fresh[name].partition(",")[0]}),
        await stage.post("calendly", booking, {**fresh, name: fresh[name][:-1] + "x"}),
        await stage.post("calendly", booking, {"Content-Type": "application/json"}),
    ]
    assert {answer.status_code for answer in refused} == {401}
    assert {answer.headers["content-type"] for answer in refused} == {"application/problem+json"}
    assert len({answer.text for answer in refused}) == 1, "the answers tell what was wrong"
    assert not re.search(r"hmac|sha256|header|time|secret", refused[0].text, re.IGNORECASE)
    assert (await stage.got("/api/webhooks"))["items"] == []
    # A refusal claimed no key: the real one comes through.
    await stage.accepted("shopify", body, right)


async def test_an_unknown_source_is_404_and_a_body_over_the_limit_413(stage: Stage) -> None:
    body = b"{}"
    unknown = await stage.post("shopfy", body, of_shopify(body, "orders/create", "event-1"))
    assert unknown.status_code == 404
    body = b'{"id": 1, "note": "%s"}' % (b"a" * 2_000_000)
    large = await stage.post("shopify", body, of_shopify(body, "orders/create", "event-2"))
    assert large.status_code == 413
    assert {answer.headers["content-type"] for answer in (unknown, large)} == {"application/problem+json"}
    assert (await stage.got("/api/webhooks"))["items"] == []


async def test_what_is_authentic_and_of_no_use_is_200_and_kept_with_the_reason(stage: Stage) -> None:
    broken = b'{"id": 1, "email": "ada@exam'
    id = await stage.accepted("shopify", broken, of_shopify(broken, "orders/create", "event-1"))
    webhook = await stage.got(f"/api/webhooks/{id}")
    assert (webhook["state"], webhook["commands"]) == ("unparseable", [])
    assert (webhook["body"], webhook["body_encoding"]) == (broken.decode(), "text")
    assert webhook["reason"]

    nobody = b'{"id": 2, "financial_status": "paid", "email": null, "customer": null}'
    id = await stage.accepted("shopify", nobody, of_shopify(nobody, "orders/create", "event-2"))
    webhook = await stage.got(f"/api/webhooks/{id}")
    assert (webhook["state"], webhook["commands"]) == ("untranslatable", [])
    problem = webhook["errors"][0]
    assert (problem["rule"], problem["field"], problem["path"]) == ("Order confirmation", "userId", "$let.customer")
    assert problem["message"]
    assert webhook["body"] == json.loads(nobody)
    assert stage.sandbox.calls == []


@ON_BOTH
async def test_a_repeat_is_200_with_the_first_id_and_sends_nothing_again(stage: Stage) -> None:
    body = (LIBRARY / "samples" / "woocommerce" / "order_guest.json").read_bytes()
    id = await stage.accepted("woocommerce", body, of_woocommerce(body, "order.updated", "1"))
    for _ in range(3):
        answer = await stage.post("woocommerce", body, of_woocommerce(body, "order.updated", "1"))
        assert (answer.status_code, answer.json()) == (200, {"id": id, "status": "duplicate"})
    await stage.delivered()
    assert (await stage.got(f"/api/webhooks/{id}"))["repeats"] == 3
    assert len((await stage.got("/api/webhooks"))["items"]) == 1
    assert len(stage.sandbox.calls) == 2


async def test_a_store_that_cannot_be_written_is_503_and_never_200(stage: Stage, tmp_path: Path) -> None:
    body = (LIBRARY / "samples" / "shopify" / "order.json").read_bytes()
    await stage.accepted("shopify", body, of_shopify(body, "orders/create", "event-1"))
    # What is written to a file that is no longer there goes with it at the next start.
    (tmp_path / "gateway.db").rename(tmp_path / "away.db")
    for event in ("event-2", "event-2", "event-3", "event-1"):
        answer = await stage.post("shopify", body, of_shopify(body, "orders/create", event))
        assert answer.status_code == 503
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["content-type"] == "application/problem+json"
        assert str(tmp_path) not in answer.text
    ready = await stage.client.get(f"{stage.gateway.address}/readyz")
    assert ready.status_code == 503
    assert "gateway.db" in ready.json()["reasons"][0]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (b"source: broken\nverify: none\nrules:\n  - name: 'A\n", "broken.yaml:4:11: "),
        (b"source: broken\n\xff\xfe\n", "broken.yaml:2:1: "),
        (b"source: broken\nverify: none\nrules:\n  - name: A\n    send_sms: {userId: $.id}\n", "broken.yaml:5:5: "),
    ],
)
async def test_with_a_broken_file_nothing_is_served(
    environ: dict[str, str], tmp_path: Path, broken: bytes, says: str
) -> None:
    rules = tmp_path / "rules"
    rules.mkdir()
    for path in LIBRARY.glob("*.yaml"):
        (rules / path.name).write_bytes(path.read_bytes())
    (rules / "broken.yaml").write_bytes(broken)
    words = ("serve", "--rules", str(rules), "--port", "0", "--store", f"sqlite:///{tmp_path / 'other.db'}")
    status, out, err = await command(environ, *words)
    assert (status, out) == (1, "")
    assert says in err, err
    assert "Traceback" not in err
    assert not (tmp_path / "other.db").exists()


# -- operating ------------------------------------------------------------------------------------------------------


@ON_BOTH
async def test_sigterm_lets_what_is_on_its_way_end_and_loses_nothing(stage: Stage) -> None:
    stage.sandbox.faults = Faults(delay=0.5)
    ids = []
    for number in range(40):
        body = json.dumps({"id": number, "email": f"user-{number}@example.com"}).encode()
        ids.append(await stage.accepted("shopify", body, of_shopify(body, "customers/create", f"event-{number}")))

    async def idle() -> str | None:
        return None if stage.sandbox.counts["accepted"] else "nothing was sent"

    await eventually(idle)
    before = stage.sandbox.counts["accepted"]
    assert await stage.gateway.stop() == 0
    on_their_way = {str(call.message_id) for call in stage.sandbox.calls}
    assert before <= len(on_their_way) < 80, "everything had been sent: the stop met nothing"
    stage.sandbox.faults = Faults()

    await stage.gateway.start()
    await stage.delivered()
    webhooks = [await stage.got(f"/api/webhooks/{id}") for id in ids]
    commands = [each for webhook in webhooks for each in webhook["commands"]]
    assert {each["state"] for each in commands} == {"delivered"}
    outcomes = {each["id"]: [attempt["outcome"] for attempt in each["attempts"]] for each in commands}
    assert set(map(tuple, outcomes.values())) == {("accepted",)}, "what was on its way was cut off"
    assert sorted(str(call.message_id) for call in stage.sandbox.calls) == sorted(outcomes)


@ON_BOTH
async def test_the_command_line_says_the_same_of_the_server_and_of_its_store(
    stage: Stage, environ: dict[str, str]
) -> None:
    body = (LIBRARY / "samples" / "shopify" / "order.json").read_bytes()
    id = await stage.accepted("shopify", body, of_shopify(body, "orders/create", "event-1"))
    await stage.accepted("shopify", b'{"broken', of_shopify(b'{"broken', "orders/create", "event-2"))
    await stage.delivered()
    asked: tuple[tuple[str, ...], ...] = (
        ("webhooks",),
        ("webhooks", "--state", "unparseable"),
        ("commands", "--state", "delivered"),
        ("show", id),
    )
    seen = []
    for words in asked:
        server, store = await asyncio.gather(
            command(environ, *words, "--json", "--server", stage.gateway.address),
            command(environ, *words, "--json"),
        )
        assert server[0] == store[0] == 0, (server, store)
        assert server[2] == store[2] == ""
        assert json.loads(server[1]) == json.loads(store[1])
        seen.append(json.loads(store[1]))
    assert [len(page["items"]) for page in seen[:3]] == [2, 1, 2]
    assert seen[3] == json.loads(json.dumps(await stage.got(f"/api/webhooks/{id}"), default=float))
    assert seen[3]["commands"][1]["intilery_event_id"] == stage.sandbox.calls[1].event_id


async def command(environ: dict[str, str], *words: str) -> tuple[int | None, str, str]:
    """Run ``gateway`` beside the gateway that serves: its status, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", *words),
        env={**os.environ, **environ},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode(), err.decode()
