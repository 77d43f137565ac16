"""Each kind of body, posted to the real service, verified, and mapped by a rule: from the bytes to the command."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from starlette.applications import Starlette

from gateway.model import WebhookState
from gateway.store import CommandFilter, WebhookFilter
from tests import shop
from tests.servers import running


def zipped(text: bytes) -> bytes:
    """The same bytes at any time: tests are known by their parameters."""
    return gzip.compress(text, mtime=0)


ACK = (
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"><soapenv:Body><notificationsResponse '
    'xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse></soapenv:Body>'
    "</soapenv:Envelope>"
)
SOAP = f"""\
body: {{as: xml, lists: [Notification]}}
events: $.Envelope.Body.notifications.Notification[*]
dedup_key: $.Id
ignore: {{$batch.Envelope.Body.notifications.OrganizationId: {{ne: 00D000000000001EAA}}}}
respond:
  headers: {{Content-Type: text/xml; charset=utf-8}}
  body: '{ACK}'
"""
PAYLOADS = Path(__file__).parents[3] / "shared" / "corpus" / "payloads"
FORM = "application/x-www-form-urlencoded"

RULES = """\
source: {name}
verify:
  hmac: {{header: X-Shop-Signature, encoding: base64, secret: $env.SHOP_SECRET}}
{body}
rules:
  - name: Mail
    send_email: {{userId: "{{{{ {user} }}}}", assetId: A, {more}}}
"""

SOURCES: dict[str, tuple[str, str, str]] = {
    "plain": ("", "$.id", "note: $.note"),
    "lines": ("body: ndjson", "$[0].id", "all: '$[*].id'"),
    "parts": ("body: multipart", "$.customer.id", "tags: $.tags, file: $.cv.filename, size: $.cv.size"),
    "xml": (
        "body: {as: xml, lists: [item]}",
        "$.order['@id']",
        "items: '$.order.item[*].sku', total: \"$.order.total['#text'] | number\"",
    ),
    "soap": (
        SOAP,
        "$.sObject.Id",
        "email: $.sObject.Email",
    ),
    "text": ("body: text", "$", "note: $"),
    "token": ("body: jwt", "$.data | parse_json | get('id')", "note: x"),
    "field": ("body: {form_field: payload, as: json}", "$.user.id", "note: $.note"),
    "raw": ("body: {form_field: rawRequest, as: json}", "$.q3_email", "name: $.q2_name.first"),
    "pubsub": (
        "let: {order: $.message.data | base64_decode | parse_json}\nignore: {$let.order.test: true}",
        "$let.order.id",
        "total: $let.order.total, skus: '$let.order.items[*].sku'",
    ),
    "sns": (
        "let: {order: $.Message | parse_json}\nevent_type: $let.order.type",
        "$let.order.id",
        "total: $let.order.total",
    ),
    "wrapped": ("", "$.message.data | base64_decode | parse_json | get('id')", "note: x"),
}


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    rules = {
        f"{name}.yaml": RULES.format(name=name, body=body, user=user, more=more)
        for name, (body, user, more) in SOURCES.items()
    }
    shop.write_rules(tmp_path / "rules", rules={**rules, "destinations.yaml": shop.DESTINATIONS})
    return shop.shop_app(tmp_path, GATEWAY_ROLE="receive")


@pytest.fixture
async def hooks(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client


async def posted(
    app: Starlette, hooks: httpx.AsyncClient, source: str, body: bytes, content_type: str | None, **headers: str
) -> tuple[Any, list[Any]]:
    """The stored webhook, and the bodies of its commands."""
    sent = {
        "x-shop-signature": shop.signature(body),
        **{key.replace("_", "-"): value for key, value in headers.items()},
    }
    if content_type is not None:
        sent["content-type"] = content_type
    answer = await hooks.post(f"/hooks/{source}", content=body, headers=sent)
    assert answer.status_code == 200, answer.text
    store = shop.gateway_of(app).store
    webhook = await store.webhook(answer.json()["id"])
    page = await store.commands(CommandFilter(webhook=webhook.id))
    decoder = msgspec.json.Decoder(float_hook=Decimal)
    return webhook, [decoder.decode(command.body) for command in page.items]


def multipart(**fields: str) -> bytes:
    parts = [f'--q\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in fields.items()]
    return ("".join(parts) + "--q--\r\n").encode()


PARTS = (
    b'--q\r\nContent-Disposition: form-data; name="customer[id]"\r\n\r\n7\r\n'
    b'--q\r\nContent-Disposition: form-data; name="tags"\r\n\r\na\r\n'
    b'--q\r\nContent-Disposition: form-data; name="tags"\r\n\r\nb\r\n'
    b'--q\r\nContent-Disposition: form-data; name="cv"; filename="cv.pdf"\r\nContent-Type: application/pdf\r\n\r\n'
    + b"\x00\xff" * 1_000
    + b"\r\n--q--\r\n"
)
XML = '<o:order xmlns:o="urn:shop" id="7"><o:item><sku>é</sku></o:item><o:total currency="GBP">9.50</o:total></o:order>'
TOKEN = b"e30." + base64.urlsafe_b64encode(json.dumps({"data": '{"id": 7}'}).encode()).rstrip(b"=") + b".c2ln"
ORDER = b'{"id": 7, "type": "order.paid", "total": 9.50, "items": [{"sku": "a"}, {"sku": "b"}]}'
PUSHED = json.dumps(
    {"message": {"data": base64.b64encode(ORDER).decode(), "messageId": "1"}, "subscription": "projects/p/s"}
).encode()
NOTIFIED = json.dumps({"Message": ORDER.decode()}).encode()
WRAPPED = json.dumps({"message": {"data": base64.b64encode(b'{"id": 7}').decode()}}).encode()


@pytest.mark.parametrize(
    ("source", "content_type", "body", "expected"),
    [
        ("plain", "application/json", b'{"id": 7, "note": "x"}', {"note": "x"}),
        ("plain", FORM, b"id=7&note=caf%C3%A9", {"note": "café"}),
        ("plain", "application/json", '{"id": 7, "note": "café"}'.encode("utf-16"), {"note": "café"}),
        ("plain", "application/json; charset=iso-8859-1", b'{"id": 7, "note": "caf\xe9"}', {"note": "café"}),
        ("plain", "text/plain", b'{"id": 7, "note": "x"}', {"note": "x"}),
        ("plain", None, b"id=7&note=x", {"note": "x"}),
        ("plain", "multipart/form-data; boundary=q", multipart(id="7", note="x"), {"note": "x"}),
        ("plain", "text/html", multipart(id="7", note="x"), {"note": "x"}),
        ("lines", "application/x-ndjson", b'{"id": 7}\n\n{"id": 8}\n', {"all": [7, 8]}),
        ("lines", "application/json", b'{"id": 7}', {"all": [7]}),
        ("parts", "multipart/form-data; boundary=q", PARTS, {"tags": ["a", "b"], "file": "cv.pdf", "size": 2_000}),
        ("xml", "application/xml", XML.encode(), {"items": ["é"], "total": Decimal("9.50")}),
        ("xml", "text/xml; charset=utf-16", XML.encode("utf-16"), {"items": ["é"], "total": Decimal("9.50")}),
        ("xml", "application/json", XML.encode(), {"items": ["é"], "total": Decimal("9.50")}),
        ("text", "application/json", b" 7 ", {"note": " 7 "}),
        ("token", "text/plain", TOKEN, {}),
        ("field", FORM, b"payload=%7B%22user%22%3A%7B%22id%22%3A7%7D%2C%22note%22%3A%22x%22%7D", {"note": "x"}),
        (
            "field",
            "multipart/form-data; boundary=q",
            multipart(other="1", payload='{"user": {"id": 7}, "note": "x"}'),
            {"note": "x"},
        ),
        ("wrapped", "application/json", WRAPPED, {}),
        (
            "raw",
            "multipart/form-data; boundary=q",
            multipart(formID="1", rawRequest='{"q2_name": {"first": "Ada"}, "q3_email": 7}'),
            {"name": "Ada"},
        ),
        ("pubsub", "application/json", PUSHED, {"total": Decimal("9.50"), "skus": ["a", "b"]}),
        (
            "sns",
            "text/plain; charset=UTF-8",
            json.dumps({"Message": ORDER.decode()}).encode(),
            {"total": Decimal("9.50")},
        ),
    ],
)
async def test_a_body_becomes_a_command(
    app: Starlette,
    hooks: httpx.AsyncClient,
    source: str,
    content_type: str | None,
    body: bytes,
    expected: dict[str, Any],
) -> None:
    webhook, [command] = await posted(app, hooks, source, body, content_type)
    assert webhook.state is WebhookState.TRANSLATED
    assert webhook.body == body
    assert command["userId"].strip() == "7"
    assert {key: command[key] for key in expected} == expected


def outbound(*notifications: tuple[str, str], organisation: str = "00D000000000001EAA") -> bytes:
    """An outbound message as Salesforce's WSDL describes it, prefixes and all."""
    each = "".join(
        f'<Notification><Id>{id}</Id><sObject xsi:type="sf:Lead" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
        f"<sf:Id>{lead}</sf:Id><sf:Email>{lead}@example.com</sf:Email></sObject></Notification>"
        for id, lead in notifications
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope '
        'xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><notifications '
        f'xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>{organisation}</OrganizationId>'
        f'<SessionId xsi:nil="true"/>{each}</notifications></soapenv:Body></soapenv:Envelope>'
    ).encode()


async def test_outbound_messages_of_salesforce_are_acknowledged_in_soap(
    app: Starlette, hooks: httpx.AsyncClient
) -> None:
    store = shop.gateway_of(app).store

    async def post(body: bytes) -> None:
        answer = await hooks.post(
            "/hooks/soap",
            content=body,
            headers={"content-type": "text/xml; charset=utf-8", "x-shop-signature": shop.signature(body)},
        )
        assert (answer.status_code, answer.text) == (200, ACK)
        assert answer.headers["content-type"] == "text/xml; charset=utf-8"

    async def mailed() -> list[str]:
        return sorted(json.loads(command.body)["email"] for command in (await store.commands(CommandFilter())).items)

    await post(outbound(("n1", "lead1")))
    assert await mailed() == ["lead1@example.com"]
    # Without the Ack it would come again, with more: what was there makes nothing.
    await post(outbound(("n1", "lead1"), ("n2", "lead2")))
    await post(outbound(("n3", "lead3"), organisation="00D999999999999EAA"))
    assert await mailed() == ["lead1@example.com", "lead2@example.com"]
    states = sorted(webhook.state for webhook in (await store.webhooks(WebhookFilter())).items)
    assert states == [WebhookState.IGNORED, WebhookState.TRANSLATED, WebhookState.TRANSLATED]


async def test_salesforces_own_example_is_read(app: Starlette, hooks: httpx.AsyncClient) -> None:
    if not PAYLOADS.is_dir():
        pytest.skip("the corpus lies outside the project")
    body = (PAYLOADS / "salesforce" / "outbound_message.xml").read_bytes()
    sent = {"content-type": "text/xml; charset=utf-8", "x-shop-signature": shop.signature(body)}
    assert (await hooks.post("/hooks/soap", content=body, headers=sent)).text == ACK


@pytest.mark.parametrize(
    ("source", "content_type", "body", "reason"),
    [
        ("plain", "application/json", b'{"id": ', "the body is not JSON"),
        ("plain", "image/png", b"\x89PNG", "neither a form nor XML nor JSON"),
        ("lines", "application/json", b'{"id": 7}\n{', "line 2"),
        ("parts", "multipart/form-data; boundary=q", PARTS[:-6], "ends before its last boundary"),
        ("parts", "application/json", b"{}", "shows a boundary"),
        (
            "xml",
            "text/xml",
            b'<!DOCTYPE o [<!ENTITY x SYSTEM "file:///etc/passwd">]><o>&x;</o>',
            "declares a document type",
        ),
        ("xml", "text/xml", b"<o>" * 5_000, "nests deeper than 100 levels"),
        ("token", "text/plain", b"hello", "needed: three"),
        ("field", FORM, b"token=1", "the form has no field payload; found: token"),
        ("field", FORM, b"payload=x", "the body is not JSON"),
    ],
)
async def test_what_can_not_be_read_is_kept_with_the_reason(
    app: Starlette, hooks: httpx.AsyncClient, source: str, content_type: str, body: bytes, reason: str
) -> None:
    webhook, commands = await posted(app, hooks, source, body, content_type)
    assert webhook.state is WebhookState.UNPARSEABLE
    assert reason in webhook.reason
    assert webhook.body == body
    assert commands == []


async def test_bombs_are_kept_as_they_came(app: Starlette, hooks: httpx.AsyncClient) -> None:
    zeros = zipped(b"<a>" + b" " * 60_000_000 + b"</a>")
    webhook, _ = await posted(app, hooks, "xml", zeros, "text/xml", content_encoding="gzip")
    assert webhook.state is WebhookState.UNPARSEABLE
    assert "bytes when decompressed; allowed: 1,000,000" in webhook.reason
    assert len(webhook.body) < 100_000


def bare_deflate(text: bytes) -> bytes:
    """Without zlib's frame, as some senders write deflate."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(text) + compressor.flush()


MEMBERS = zipped(XML.encode()[:20]) + zipped(XML.encode()[20:])


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", zipped(XML.encode())),
        ("x-gzip", zipped(XML.encode())),
        ("GZIP", zipped(XML.encode())),
        ("deflate", zlib.compress(XML.encode())),
        ("deflate", bare_deflate(XML.encode())),
        ("deflate", zipped(XML.encode())),
        ("gzip", MEMBERS),
        ("gzip", MEMBERS + bytes(512)),
        ("identity", XML.encode()),
    ],
)
async def test_a_compressed_body_of_another_kind_is_read(
    app: Starlette, hooks: httpx.AsyncClient, coding: str, body: bytes
) -> None:
    webhook, [command] = await posted(app, hooks, "xml", body, "text/xml", content_encoding=coding)
    assert webhook.state is WebhookState.TRANSLATED
    assert webhook.body == XML.encode()
    assert command["items"] == ["é"]


@pytest.mark.parametrize(
    ("coding", "body", "reason"),
    [
        ("deflate", b"\x07{}", "says deflate, and the body is not that"),
        ("deflate", bare_deflate(XML.encode())[:-4], "ends too early"),
        ("gzip", zipped(b"{}") + b"more", "says gzip, and the body is not that"),
        ("gzip", zipped(b"[") + zipped(b" " * 1_000_000), "over 1,000,000 bytes when decompressed"),
        ("gzip", zipped(b"") * 50_000, "over 100 members"),
        ("br", b"{}", "Content-Encoding is 'br'; allowed: gzip, deflate"),
        ("gzip, gzip", zipped(zipped(b"{}")), "Content-Encoding is 'gzip, gzip'"),
    ],
)
async def test_what_is_not_compressed_as_it_says_is_kept(
    app: Starlette, hooks: httpx.AsyncClient, coding: str, body: bytes, reason: str
) -> None:
    webhook, commands = await posted(app, hooks, "plain", body, "application/json", content_encoding=coding)
    assert webhook.state is WebhookState.UNPARSEABLE
    assert reason in webhook.reason
    assert (webhook.body, commands) == (body, [])
