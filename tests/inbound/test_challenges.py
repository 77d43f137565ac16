"""Challenges, asked of the real service as their senders ask them: answered, bounded, counted, and never kept."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from gateway.errors import NotStored, Rejected
from gateway.inbound.authentication import scheme_from, sign
from gateway.inbound.challenge_kinds import (
    Challenge,
    EchoField,
    EchoHeader,
    EchoQuery,
    EmptyList,
    HashToken,
    Visit,
    challenge_secrets,
    methods_of,
)
from gateway.inbound.challenge_presets import CHALLENGES
from gateway.inbound.challenges import answer
from gateway.inbound.request import Request
from gateway.rules import load
from gateway.store import WebhookFilter
from tests import shop
from tests.servers import running

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
SECRETS = {
    "ASANA_SECRET": "",
    "META_SECRET": "the app's secret",
    "META_VERIFY_TOKEN": "the verify token",
    "SLACK_SECRET": "slack",
    "ZOOM_SECRET": "zoom",
    "X_SECRET": "Convoy",
    "WOOCOMMERCE_SECRET": "woo",
    "XERO_SECRET": "xero",
}
SIGNED_BY_US = "{hmac: {header: X-Shop-Signature, secret: $env.SHOP_SECRET}}"
VERIFY = {
    "x": "x",
    "asana": "{hmac: {header: X-Hook-Signature, secret: $env.ASANA_SECRET}}",
    **{name: name for name in ("meta", "slack", "zoom", "woocommerce", "xero")},
}
MORE = {
    "strict": "{allow_origin: {origins: [eventgrid.azure.net], rate: 120}}",
    "unsigned_field": "{echo_field: {field: data.challenge, as: json, signed: false}}",
    "several": "[trello, mailchimp, {echo_query: {name: c, as: json}}]",
}


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    rules = {
        f"{name}.yaml": f"source: {name}\nverify: {VERIFY.get(name, SIGNED_BY_US)}\nchallenge: {MORE.get(name, name)}\n"
        for name in (*CHALLENGES, *MORE)
    }
    none = "source: none\nverify: none\n"
    files = {**rules, "none.yaml": none, "destinations.yaml": shop.DESTINATIONS}
    shop.write_rules(tmp_path / "rules", rules=files)
    return shop.shop_app(tmp_path, GATEWAY_ROLE="receive", **SECRETS)


@pytest.fixture
async def hooks(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, httpx.AsyncClient(base_url=url + "/hooks", timeout=10) as client:
        yield client


async def kept(app: Starlette) -> int:
    return len((await shop.gateway_of(app).store.webhooks(WebhookFilter())).items)


def counted(app: Starlette, source: str, what: str = "challenge") -> float | None:
    labels = {"source": source, "answer": what}
    return shop.gateway_of(app).telemetry.metrics.registry.get_sample_value("gateway_webhooks_received_total", labels)


def signed(preset: str, body: bytes) -> dict[str, str]:
    headers = {"content-type": "application/json"}
    made = sign(scheme_from(preset), body=body, headers=headers, credential=SECRETS.get, now=datetime.now(UTC))
    return {**headers, **made.headers}


def assert_plain(found: httpx.Response, text: str) -> None:
    assert found.status_code == 200
    assert found.text == text
    assert found.headers["content-type"] == "text/plain; charset=utf-8"
    assert found.headers["x-content-type-options"] == "nosniff"


# -- each sender ---------------------------------------------------------------------------------------------------


async def test_meta(app: Starlette, hooks: httpx.AsyncClient) -> None:
    query = {"hub.mode": "subscribe", "hub.verify_token": "the verify token", "hub.challenge": "1158201444"}
    assert_plain(await hooks.get("/meta", params=query), "1158201444")
    assert counted(app, "meta") == 1
    assert (await hooks.get("/meta", params={**query, "hub.verify_token": "guessed"})).status_code == 401
    assert (await hooks.get("/meta", params={**query, "hub.verify_token": ""})).status_code == 401
    assert (await hooks.get("/meta", params={**query, "hub.mode": "unsubscribe"})).status_code == 400
    assert (await hooks.get("/meta")).status_code == 400
    assert counted(app, "meta", "authentication_failed") == 2
    assert await kept(app) == 0


async def test_slack(app: Starlette, hooks: httpx.AsyncClient) -> None:
    body = json.dumps({"token": "x", "challenge": "3eZbrw1aBm2rZgRNFdxV", "type": "url_verification"}).encode()
    assert_plain(await hooks.post("/slack", content=body, headers=signed("slack", body)), "3eZbrw1aBm2rZgRNFdxV")
    assert (await hooks.post("/slack", content=body)).status_code == 401
    assert await kept(app) == 0
    event = json.dumps({"type": "event_callback", "challenge": "x"}).encode()
    assert (await hooks.post("/slack", content=event, headers=signed("slack", event))).json()["status"] == "accepted"


async def test_zoom(app: Starlette, hooks: httpx.AsyncClient) -> None:
    body = json.dumps(
        {"event": "endpoint.url_validation", "payload": {"plainToken": "qgg8vlvZRS6UYooatFL8Aw"}}
    ).encode()
    found = await hooks.post("/zoom", content=body, headers=signed("zoom", body))
    digest = hmac.new(b"zoom", b"qgg8vlvZRS6UYooatFL8Aw", hashlib.sha256).hexdigest()
    assert found.json() == {"plainToken": "qgg8vlvZRS6UYooatFL8Aw", "encryptedToken": digest}
    assert found.headers["content-type"] == "application/json"
    assert await kept(app) == 0


async def test_zoom_hashes_nothing_for_a_stranger(app: Starlette, hooks: httpx.AsyncClient) -> None:
    # With the same secret Zoom signs "v0:{timestamp}:{body}": who could have that hashed could forge a webhook.
    body = json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": "abc"}}).encode()
    assert (await hooks.post("/zoom", content=body)).status_code == 401
    forged = json.dumps({"event": "endpoint.url_validation", "payload": {"plainToken": 'v0:1:{"event":1}'}}).encode()
    found = await hooks.post("/zoom", content=forged, headers=signed("zoom", forged))
    assert found.status_code == 400
    assert hmac.new(b"zoom", b'v0:1:{"event":1}', hashlib.sha256).hexdigest() not in found.text


async def test_x(app: Starlette, hooks: httpx.AsyncClient) -> None:
    found = await hooks.get("/x", params={"crc_token": "uzwcfYtzr9", "nonce": "1"})
    digest = base64.b64encode(hmac.new(b"Convoy", b"uzwcfYtzr9", hashlib.sha256).digest()).decode()
    assert found.json() == {"response_token": f"sha256={digest}"}
    for body in ('{"for_user_id": "1"}', "[1]", '"a"', "a" * 257, "a b", "a=b", ""):
        assert (await hooks.get("/x", params={"crc_token": body})).status_code == 400, body


async def test_what_x_is_answered_is_no_webhooks_signature(app: Starlette, hooks: httpx.AsyncClient) -> None:
    """Anybody may ask for the hash of a token, and ``true`` is a token and a JSON body."""
    for token in ("true", "1", "eyJhIjoxfQ.eyJhIjoxfQ.c2ln", "aWQ9MQ=="):
        found = await hooks.get("/x", params={"crc_token": token})
        headers = {"x-twitter-webhooks-signature": found.json()["response_token"]}
        assert (await hooks.post("/x", content=token.encode(), headers=headers)).status_code == 401, token
    good = b'{"for_user_id": "1"}'
    assert (await hooks.post("/x", content=good, headers=signed("x", good))).status_code == 200
    assert await kept(app) == 1


async def test_the_vector_of_twitter(app: Starlette, hooks: httpx.AsyncClient) -> None:
    if not CORPUS.is_dir():
        pytest.skip("the corpus lies outside the project")
    vectors = json.loads((CORPUS / "vectors.json").read_bytes())
    [vector] = [vector for vector in vectors if vector["name"] == "twitter/crc-challenge-response"]
    assert vector["secret"] == SECRETS["X_SECRET"]
    assert (await hooks.get(f"/x?{vector['query']}")).json() == vector["expected_response"]


async def test_dropbox_and_adobe(app: Starlette, hooks: httpx.AsyncClient) -> None:
    assert_plain(await hooks.get("/dropbox?challenge=abc123"), "abc123")
    found = await hooks.get("/adobe?challenge=8ec8d794-e0ab-42df-9017-e3dada8e84f7")
    assert found.json() == {"challenge": "8ec8d794-e0ab-42df-9017-e3dada8e84f7"}


async def test_microsoft_graph(app: Starlette, hooks: httpx.AsyncClient) -> None:
    token = "Validation: Testing client application reachability for subscription Request-Id: 5ae1-4c2b"
    assert_plain(await hooks.post("/microsoft_graph", params={"validationToken": token}), token)
    assert_plain(await hooks.post("/microsoft_graph?validationToken=a%20b+c%3D", content=b""), "a b c=")
    assert (await hooks.post("/microsoft_graph", content=b"{}")).status_code == 401
    assert (await hooks.get("/microsoft_graph?validationToken=x")).status_code == 405
    assert await kept(app) == 0


async def test_asana(app: Starlette, hooks: httpx.AsyncClient) -> None:
    secret = "b537207f20cbfa02357cf448134da559"
    found = await hooks.post("/asana", headers={"X-Hook-Secret": secret})
    assert found.status_code == 200
    assert found.headers["x-hook-secret"] == secret
    # Its secret is not set yet, so all else is told to come again.
    assert (await hooks.post("/asana", content=b'{"events": []}')).status_code == 503
    for odd in ("a b", "a;b", "a" * 257, "<b>"):
        found = await hooks.post("/asana", headers={"X-Hook-Secret": odd})
        assert found.status_code == 400
        assert "x-hook-secret" not in found.headers


async def test_after_asanas_handshake_its_secrets_sign_what_follows(tmp_path: Path) -> None:
    # Each webhook at one address has a secret of its own, which Asana also tells whoever creates it.
    rules = (
        "source: asana\nverify: {hmac: {header: X-Hook-Signature, secret: [$env.ASANA_SECRET, $env.ASANA_SECRET_2]}}\n"
        "challenge: asana\nevents: $.events[*]\n"
    )
    shop.write_rules(tmp_path / "rules", rules={"asana.yaml": rules, "destinations.yaml": shop.DESTINATIONS})
    app = shop.shop_app(tmp_path, GATEWAY_ROLE="receive", ASANA_SECRET="first", ASANA_SECRET_2="second")
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:

        async def post(body: bytes, secret: str) -> httpx.Response:
            signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
            return await client.post("/hooks/asana", content=body, headers={"X-Hook-Signature": signature})

        # Another handshake, by whomever, changes nothing about what is believed.
        shaken = await client.post("/hooks/asana", headers={"X-Hook-Secret": "third"})
        assert (shaken.status_code, shaken.headers["x-hook-secret"]) == (200, "third")
        event = b'{"events":[{"action":"changed"}]}'
        assert (await post(event, "third")).status_code == 401
        assert (await post(event, "first")).json()["status"] == "accepted"
        assert (await post(b'{"events":[{"action":"added"}]}', "second")).json()["status"] == "accepted"
        assert (await post(b'{"events":[]}', "second")).status_code == 200  # the heartbeat


@pytest.mark.parametrize(
    ("source", "method", "others"),
    [
        ("trello", "HEAD", ("GET", "OPTIONS", "PUT")),
        ("mailchimp", "GET", ("HEAD", "DELETE")),
        ("mindbody", "HEAD", ("GET",)),
        ("mandrill", "HEAD", ("GET",)),
        ("intercom", "HEAD", ("GET",)),
    ],
)
async def test_probes(
    app: Starlette, hooks: httpx.AsyncClient, source: str, method: str, others: tuple[str, ...]
) -> None:
    found = await hooks.request(method, f"/{source}?key=1")
    assert (found.status_code, found.content) == (200, b"")
    for other in others:
        refused = await hooks.request(other, f"/{source}")
        assert refused.status_code == 405
        assert refused.headers["allow"] == f"POST, {method}"
    assert await kept(app) == 0


async def test_woocommerce(app: Starlette, hooks: httpx.AsyncClient) -> None:
    found = await hooks.post("/woocommerce", data={"webhook_id": "12"})
    assert found.status_code == 200
    assert counted(app, "woocommerce") == 1
    for body in (
        "webhook_id=12&id=1",
        "webhook_id=",
        "webhook_id=a",
        "webhook_id=" + "1" * 21,
        '{"webhook_id":12}',
        "",
    ):
        assert (await hooks.post("/woocommerce", content=body.encode())).status_code == 401, body
    assert await kept(app) == 0


async def test_cloudevents(app: Starlette, hooks: httpx.AsyncClient) -> None:
    found = await hooks.options("/cloudevents", headers={"WebHook-Request-Origin": "eventemitter.example.com"})
    assert found.status_code == 200
    assert found.headers["webhook-allowed-origin"] == "eventemitter.example.com"
    assert found.headers["allow"] == "POST"
    assert "webhook-allowed-rate" not in found.headers
    asked = {"WebHook-Request-Origin": "eventgrid.azure.net", "WebHook-Request-Rate": "1000"}
    assert (await hooks.options("/cloudevents", headers=asked)).headers["webhook-allowed-rate"] == "*"
    assert (await hooks.options("/strict", headers=asked)).headers["webhook-allowed-rate"] == "120"
    assert (await hooks.options("/strict", headers={"WebHook-Request-Origin": "evil.example"})).status_code == 401
    assert (await hooks.options("/cloudevents", headers={"WebHook-Request-Origin": "a b"})).status_code == 400
    assert (await hooks.options("/cloudevents")).status_code == 400


async def test_xero(app: Starlette, hooks: httpx.AsyncClient) -> None:
    body = b'{"events":[],"firstEventSequence":0,"lastEventSequence":0,"entropy":"S0m3r4Nd0mt3xt"}'
    found = await hooks.post("/xero", content=body, headers=signed("xero", body))
    assert (found.status_code, found.content) == (200, b"")
    assert "set-cookie" not in found.headers
    for wrong in ({"x-xero-signature": "d3Jvbmc="}, {}):
        found = await hooks.post("/xero", content=body, headers=wrong)
        assert (found.status_code, found.content) == (401, b"")
    assert await kept(app) == 0
    events = b'{"events":[{"resourceId":"1"}]}'
    assert (await hooks.post("/xero", content=events, headers=signed("xero", events))).json()["status"] == "accepted"


# -- in general ----------------------------------------------------------------------------------------------------


async def test_without_a_challenge_a_hook_takes_post_only(app: Starlette, hooks: httpx.AsyncClient) -> None:
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"):
        found = await hooks.request(method, "/none")
        assert found.status_code == 405
        assert found.headers["allow"] == "POST"


async def test_a_list_holds_several(app: Starlette, hooks: httpx.AsyncClient) -> None:
    assert (await hooks.head("/several")).status_code == 200
    assert (await hooks.get("/several")).status_code == 200
    assert (await hooks.request("OPTIONS", "/several")).headers["allow"] == "POST, GET, HEAD"


async def test_an_unsigned_field_is_sent_back_before_verification(app: Starlette, hooks: httpx.AsyncClient) -> None:
    found = await hooks.post("/unsigned_field", json={"data": {"challenge": "abc"}})
    assert found.json() == {"challenge": "abc"}
    assert (await hooks.post("/unsigned_field", json={"data": {"challenge": 7}})).status_code == 401
    assert (await hooks.post("/unsigned_field", json={"data": {"challenge": "a" * 9_000}})).status_code == 401


@pytest.mark.parametrize("text", ["<script>", "a\r\nSet-Cookie: b=c", "a&b", 'a"b', "a'b", "é", "\x00", "a" * 1_025])
async def test_what_could_be_more_than_text_is_not_sent_back(
    app: Starlette, hooks: httpx.AsyncClient, text: str
) -> None:
    found = await hooks.get("/dropbox", params={"challenge": text})
    assert found.status_code == 400
    assert text not in found.text
    assert "set-cookie" not in found.headers


async def test_an_answer_is_logged_without_what_it_says(
    app: Starlette, hooks: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "gateway"):
        await hooks.get("/dropbox?challenge=abc123")
    assert "dropbox: a challenge was answered" in caplog.messages
    assert "abc123" not in caplog.text


def test_a_secret_that_is_unset_is_said_at_load(tmp_path: Path) -> None:
    files = {"m.yaml": "source: m\nverify: none\nchallenge: meta\n", "destinations.yaml": shop.DESTINATIONS}
    ruleset = load(shop.write_rules(tmp_path / "rules", rules=files), environ={"INTILERY_AUTH_TOKEN": "x"})
    [warning] = ruleset.warnings
    assert "can't answer its challenge: META_VERIFY_TOKEN is not set" in str(warning)
    assert warning.line == 3
    assert ruleset.sources["m"].secrets == ("META_VERIFY_TOKEN",)


# -- the pure function ---------------------------------------------------------------------------------------------

ALL: tuple[Challenge, ...] = (
    EchoQuery(name="c"),
    EchoQuery(name="c", method="POST", as_="json", where=(("m", "1"),)),
    EchoQuery(name="c", token="t", secret=("S",)),
    EchoField(field="a.c"),
    EchoField(field="c", where=(("a", "1"),), as_="json"),
    EchoHeader(name="X-C"),
    HashToken(query="c", secret=("S",), answer=(("r", "{hmac}"),)),
    HashToken(field="c", secret=("S",), answer=(("r", "{token}{hmac}"),), encoding="base64"),
    EmptyList(field="c"),
    Visit(field="c", hosts=("*.example.com",)),
)


def request(method: str, query: str, body: bytes, header: str) -> Request:
    return Request(source="s", method=method, query=query, body=body, headers=(("x-c", header),), received_at=NOW)


VALUES = st.text(max_size=6) | st.sampled_from(["<b>", "a\n", "'", '"', "1", "c", "abc="])


@given(
    st.sampled_from(ALL),
    st.sampled_from(["GET", "POST", "HEAD", "OPTIONS"]),
    st.builds("c={}&m=1&t={}".format, VALUES, VALUES) | st.text(max_size=20),
    st.builds(lambda value: json.dumps({"a": {"c": value}, "c": value}).encode(), VALUES) | st.binary(max_size=20),
    VALUES,
)
def test_whatever_is_asked_the_answer_is_bounded(
    challenge: Challenge, method: str, query: str, body: bytes, header: str
) -> None:
    asked = request(method, query, body, header)
    try:
        found = answer(challenge, asked, {"S": "s"}.get)
    except Rejected as refused:
        assert refused.status in (400, 401)  # noqa: PT017  either end is right
        return
    if found is None:
        return
    assert len(found.body) <= 2_048
    assert not set(b"<>&'\r\n") & set(found.body)
    for name, value in found.headers:
        assert name.islower()
        assert not set(b"\r\n") & set(value)


def test_an_unset_secret_asks_to_come_again() -> None:
    asked = request("GET", "c=abc", b"", "")
    with pytest.raises(NotStored, match="S is not set"):
        answer(HashToken(query="c", secret=("S",), answer=(("r", "{hmac}"),)), asked, {}.get)


def test_any_of_several_tokens_holds() -> None:
    challenge = EchoQuery(name="c", token="t", secret=("OLD", "NEW"))
    credentials: dict[str, Any] = {"OLD": "1", "NEW": "2"}
    assert challenge_secrets([challenge, challenge]) == ("OLD", "NEW")
    for token in ("1", "2"):
        assert answer(challenge, request("GET", f"c=x&t={token}", b"", ""), credentials.get) is not None
    with pytest.raises(Rejected):
        answer(challenge, request("GET", "c=x&t=3", b"", ""), credentials.get)


def test_the_methods_that_challenges_need() -> None:
    assert methods_of(()) == ()
    assert methods_of(ALL) == ("GET",)


async def test_the_ready_source_of_woocommerce_answers_the_ping(tmp_path: Path) -> None:
    library = Path(__file__).parents[2] / "rules" / "library"
    rules = shop.write_rules(
        tmp_path / "rules",
        rules={
            "woocommerce.yaml": (library / "woocommerce.yaml").read_text(encoding="utf-8"),
            "destinations.yaml": (library / "destinations.yaml.example").read_text(encoding="utf-8"),
        },
    )
    assert rules.is_dir()
    app = shop.shop_app(tmp_path, GATEWAY_ROLE="receive", **SECRETS)
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
        found = await client.post("/hooks/woocommerce", data={"webhook_id": "3"})
        order = b'{"id": 1, "status": "processing"}'
        unsigned = await client.post("/hooks/woocommerce", content=order)
        taken = await client.post("/hooks/woocommerce", content=order, headers=signed("woocommerce", order))
    assert (found.status_code, unsigned.status_code, taken.status_code) == (200, 401, 200)
