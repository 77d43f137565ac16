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
from gateway.store import CommandFilter
from tests import shop
from tests.servers import running

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
        "body: {as: xml, lists: [Notification]}",
        "$.Envelope.Body.notifications.Notification[0].sObject.Id",
        "email: '$.Envelope.Body.notifications.Notification[0].sObject.Email'",
    ),
    "text": ("body: text", "$", "note: $"),
    "token": ("body: jwt", "$.data | parse_json | get('id')", "note: x"),
    "field": ("body: {form_field: payload, as: json}", "$.user.id", "note: $.note"),
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


async def test_an_outbound_message_of_salesforce_becomes_a_command(app: Starlette, hooks: httpx.AsyncClient) -> None:
    if not PAYLOADS.is_dir():
        pytest.skip("the corpus lies outside the project")
    body = (PAYLOADS / "salesforce" / "outbound_message.xml").read_bytes()
    _, [command] = await posted(app, hooks, "soap", body, "text/xml; charset=utf-8")
    assert (command["userId"], command["email"]) == ("00Q000000000001AAA", "lead@example.com")


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
    zeros = gzip.compress(b"<a>" + b" " * 60_000_000 + b"</a>")
    webhook, _ = await posted(app, hooks, "xml", zeros, "text/xml", content_encoding="gzip")
    assert webhook.state is WebhookState.UNPARSEABLE
    assert "bytes when decompressed; allowed: 1,000,000" in webhook.reason
    assert len(webhook.body) < 100_000


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_compressed_body_of_another_kind_is_read(app: Starlette, hooks: httpx.AsyncClient, coding: str) -> None:
    body = gzip.compress(XML.encode()) if coding == "gzip" else zlib.compress(XML.encode())
    webhook, [command] = await posted(app, hooks, "xml", body, "text/xml", content_encoding=coding)
    assert webhook.state is WebhookState.TRANSLATED
    assert command["items"] == ["é"]
