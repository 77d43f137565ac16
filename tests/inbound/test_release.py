"""Out of quarantine: verified as of the receipt, taken in once, through the real service, its API and its store."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from starlette.applications import Starlette

from gateway.app import create_app
from gateway.errors import NotVerifiable
from gateway.inbound.release import Bench, Passed, StillRefused, look_again
from gateway.intilery.sandbox import create_sandbox
from gateway.model import CommandState, Webhook, WebhookState, new_webhook_id
from gateway.rules import load
from gateway.settings import Settings
from gateway.store import CommandFilter, Quarantined, WebhookFilter
from tests import shop
from tests.servers import running

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SENDERS = """\
source: timed
verify:
  stripe: {secret: $env.TIMED_SECRET}
rules:
  - name: All
    send_sms: {userId: $.user, assetId: SMS-1}
"""
STATIC = """\
source: static
path: "{brand}"
verify:
  - {header: {name: X-Token, secret: $env.T_HEADER, per: $path.brand}}
  - {query: {name: code, secret: $env.T_QUERY}}
  - {body: {path: meta.token, secret: $env.T_BODY}}
  - {basic: {user: $env.T_USER, password: $env.T_PASSWORD}}
  - {bearer: {secret: $env.T_BEARER}}
rules:
  - name: All
    send_sms: {userId: $.user, assetId: SMS-1}
"""
BATCH = """\
source: batch
verify: {header: {name: X-Token, secret: $env.BATCH_SECRET}}
events: $[*]
dedup_key: $.id
rules:
  - name: All
    send_sms: {userId: $.user, assetId: SMS-1}
"""
THIN = """\
source: thin
verify: {header: {name: X-Token, secret: $env.THIN_SECRET}}
fetch:
  order: {get: "https://api.example.com/orders/{{ $.id }}"}
rules:
  - name: All
    send_sms: {userId: $fetch.order.user, assetId: SMS-1}
"""
ZOOM = """\
source: zoom
verify: {zoom: {secret: $env.ZOOM_SECRET}}
challenge: zoom
rules:
  - name: All
    send_sms: {userId: $.user, assetId: SMS-1}
"""
FILES = {
    "shop.yaml": shop.RULES,
    "timed.yaml": SENDERS,
    "static.yaml": STATIC,
    "batch.yaml": BATCH,
    "thin.yaml": THIN,
    "zoom.yaml": ZOOM,
    "destinations.yaml": shop.DESTINATIONS,
}
WRONG = {
    "SHOP_SECRET": "not-yet-the-secret",
    "TIMED_SECRET": "wrong",
    "T_HEADER_UK": "wrong",
    "T_QUERY": "wrong",
    "T_BODY": "wrong",
    "T_USER": "wrong",
    "T_PASSWORD": "wrong",
    "T_BEARER": "wrong",
    "BATCH_SECRET": "wrong",
    "THIN_SECRET": "wrong",
    "ZOOM_SECRET": "wrong",
}


class House:
    """One store and one clock over any number of gateways, each with its own secrets."""

    def __init__(self, folder: Path) -> None:
        shop.write_rules(folder / "rules", rules=FILES)
        self.folder = folder
        self.now: datetime = NOW
        self.clock: Callable[[], datetime] = lambda: self.now
        self.intilery = "http://127.0.0.1:1"

    @asynccontextmanager
    async def serving(self, **secrets: str) -> AsyncIterator[tuple[Starlette, httpx.AsyncClient]]:
        environ = shop.environ(self.folder, intilery=self.intilery, **(WRONG | secrets))
        app = create_app(Settings.from_environ(environ), now=lambda: self.clock())
        shop.gateway_of(app).quarantine.pause = 0.0
        async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
            yield app, client

    async def refused(self, *requests: tuple[str, dict[str, Any]]) -> None:
        """Send requests to a gateway whose secrets are wrong; they are in quarantine then."""
        async with self.serving() as (_, client):
            for path, request in requests:
                answer = await client.post(path, **request)
                assert answer.status_code == 401, answer.text


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


async def released(client: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await client.post("/api/quarantine/release", json=asked, headers=shop.bearer())
    assert answer.status_code == 200, answer.text
    view: dict[str, Any] = answer.json()
    return view


async def quarantined(app: Starlette) -> list[str]:
    page = await shop.gateway_of(app).store.webhooks(WebhookFilter(state=WebhookState.QUARANTINED))
    return [webhook.id for webhook in page.items]


async def commands(app: Starlette) -> list[Any]:
    return list((await shop.gateway_of(app).store.commands(CommandFilter())).items)


def an_order(**changes: Any) -> dict[str, Any]:
    body = shop.order(**changes)
    return {"content": body, "headers": shop.headers(body)}


async def test_it_is_released_with_one_call_and_delivered(house: House) -> None:
    async with running(create_sandbox(identify_delay=0.0)) as house.intilery:
        await house.refused(("/hooks/shop?a=1", an_order()))
        house.clock = lambda: datetime.now(UTC)  # delivery waits for it to go on
        async with house.serving(SHOP_SECRET=shop.SECRET) as (app, client):
            (id,) = await quarantined(app)
            view = await released(client, sources=["shop"])
            assert view["stay"] == []
            (row,) = view["released"]
            assert (row["id"], row["status"], row["state"], row["commands"]) == (id, "accepted", "translated", 2)

            webhook = await shop.gateway_of(app).store.webhook(id)
            assert webhook.state is WebhookState.TRANSLATED
            assert (webhook.received_at, webhook.query, webhook.body) == (NOW, "a=1", shop.order())
            assert webhook.dedup_key is not None
            assert await quarantined(app) == []

            async def delivered() -> bool:
                return {command.state for command in await commands(app)} == {CommandState.DELIVERED}

            await shop.until(delivered)
            # The sender's own repeat is known.
            again = await client.post("/hooks/shop", **an_order())
            assert again.json() == {"id": id, "status": "duplicate"}


async def test_a_timestamp_is_judged_as_of_the_receipt(house: House) -> None:
    body = b'{"user": "7"}'

    def signed(at: datetime) -> dict[str, Any]:
        moment = str(int(at.timestamp()))
        digest = hmac.new(b"right", f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
        return {"content": body, "headers": {"stripe-signature": f"t={moment},v1={digest}"}}

    await house.refused(("/hooks/timed", signed(NOW - timedelta(minutes=4))))
    await house.refused(("/hooks/timed", signed(NOW - timedelta(minutes=6))))
    house.now += timedelta(days=3)
    async with house.serving(TIMED_SECRET="right") as (app, client):
        view = await released(client, sources=["timed"])
        assert [row["status"] for row in view["released"]] == ["accepted"]
        (row,) = view["stay"]
        assert row["cause"] == "timestamp"
        assert row["reason"] == "the timestamp is 6 min in the past; 5 min are allowed"
        assert len(await commands(app)) == 1
        # And a request of now with that signature is too old.
        assert (await client.post("/hooks/timed", **signed(NOW))).status_code == 401


async def test_what_still_fails_stays_with_the_new_reason(house: House) -> None:
    await house.refused(("/hooks/shop", an_order()))
    async with house.serving(SHOP_SECRET="wrong-again", SHOP_SECRET_NEXT=shop.SECRET) as (app, client):
        (id,) = await quarantined(app)
        view = await released(client, ids=[id])
        assert view["released"] == []
        (row,) = view["stay"]
        assert (row["id"], row["cause"]) == (id, "other_secret")
        assert row["findings"] == [
            "it matches with SHOP_SECRET_NEXT, which is set and not the one that is asked for here"
        ]
        found = await shop.gateway_of(app).store.quarantined(id)
        assert (found.cause, found.findings) == ("other_secret", tuple(row["findings"]))
        assert await commands(app) == []


async def test_a_dry_run_says_what_would_become_of_it_and_changes_nothing(house: House) -> None:
    await house.refused(("/hooks/shop", an_order()), ("/hooks/shop", {"content": b"{}"}))
    async with house.serving(SHOP_SECRET=shop.SECRET) as (app, client):
        before = [await shop.gateway_of(app).store.quarantined(id) for id in await quarantined(app)]
        view = await released(client, all=True, dry_run=True)
        assert view["dry_run"] is True
        assert [(row["status"], row["state"], row["commands"]) for row in view["released"]] == [
            ("accepted", "translated", 2)
        ]
        assert len(view["stay"]) == 1
        assert [await shop.gateway_of(app).store.quarantined(id) for id in await quarantined(app)] == before
        assert await commands(app) == []


async def test_repeats_make_nothing_twice(house: House) -> None:
    """Three tries of the sender in quarantine, and one that came through when the secret was right."""
    await house.refused(*[("/hooks/shop", an_order())] * 3)
    async with house.serving(SHOP_SECRET=shop.SECRET) as (app, client):
        through = (await client.post("/hooks/shop", **an_order())).json()["id"]
        made = len(await commands(app))
        view = await released(client, sources=["shop"])
        assert [(row["status"], row["webhooks"]) for row in view["released"]] == [("duplicate", [through])] * 3
        assert len(await commands(app)) == made
        assert (await shop.gateway_of(app).store.webhook(through)).repeats == 3
        assert await quarantined(app) == []


async def test_two_who_release_at_once_release_once(house: House) -> None:
    await house.refused(("/hooks/shop", an_order()), ("/hooks/shop", an_order(number="#2")))
    async with house.serving(SHOP_SECRET=shop.SECRET) as (app, client):
        views = await asyncio.gather(*(released(client, sources=["shop"]) for _ in range(4)))
        ids = [row["id"] for view in views for row in view["released"]]
        assert len(ids) == len(set(ids)) == 2
        assert (
            len((await shop.gateway_of(app).store.webhooks(WebhookFilter())).items) == 1
        )  # one event id: one is a repeat
        assert len(await commands(app)) == 2


@pytest.mark.parametrize(
    ("secrets", "request_"),
    [
        ({"T_HEADER_UK": "the header's"}, {"headers": {"x-token": "the header's"}}),
        ({"T_QUERY": "the query's + é/"}, {"params": {"a": "1", "code": "the query's + é/"}}),
        ({"T_BEARER": "the-bearers"}, {"headers": {"authorization": "Bearer the-bearers"}}),
        ({"T_USER": "ada", "T_PASSWORD": "pass:wörd"}, {"auth": ("ada", "pass:wörd")}),
        ({"T_BODY": 'a "b"/é'}, {"content": b'{ "user":"7", "meta": {"token": "a \\"b\\"\\/\\u00e9"}}'}),
        ({"T_BODY": 'a "b"/é'}, {"content": json.dumps({"user": "7", "meta": {"token": 'a "b"/é'}}).encode()}),
    ],
    ids=["header", "query", "bearer", "basic", "body", "body as Python writes it"],
)
async def test_a_credential_that_was_kept_as_a_hash_is_known_again(
    house: House, secrets: dict[str, str], request_: dict[str, Any]
) -> None:
    await house.refused(("/hooks/static/uk", {"content": b'{"user": "7", "meta": {"token": "x"}}'} | request_))
    async with house.serving() as (app, client):
        assert (await released(client, sources=["static"]))["released"] == []
    async with house.serving(**secrets) as (app, client):
        view = await released(client, sources=["static"])
        assert [row["status"] for row in view["released"]] == ["accepted"], view
        (webhook,) = (await shop.gateway_of(app).store.webhooks(WebhookFilter())).items
        assert webhook.state is WebhookState.TRANSLATED
        # As of every webhook: what was put back to be verified is not kept.
        for secret in secrets.values():
            assert secret not in f"{webhook.headers} {webhook.query} {webhook.body!r}"


async def test_a_signature_over_a_body_that_holds_the_secret_is_over_the_same_bytes(tmp_path: Path) -> None:
    house = House(tmp_path)
    both = """\
source: both
verify:
  hmac: {header: X-Sig, secret: $env.BOTH_KEY}
  body: {path: token, secret: $env.BOTH_TOKEN}
rules:
  - {name: All, send_sms: {userId: $.user, assetId: SMS-1}}
"""
    (tmp_path / "rules" / "both.yaml").write_text(both)
    body = b'{"token" :"t/\\u00e9",\n "user": 7.0, "x": "t/\\u00e9"}'
    digest = hmac.new(b"key", body, hashlib.sha256).hexdigest()
    async with house.serving(BOTH_KEY="key", BOTH_TOKEN="wrong") as (_, client):
        assert (await client.post("/hooks/both", content=body, headers={"x-sig": digest})).status_code == 401
    async with house.serving(BOTH_KEY="key", BOTH_TOKEN="t/é") as (_, client):
        view = await released(client, all=True)
        assert [row["status"] for row in view["released"]] == ["accepted"], view


async def test_each_element_of_a_batch_becomes_a_webhook_and_none_twice(house: House) -> None:
    batch = json.dumps([{"id": str(number), "user": str(number)} for number in range(1, 4)])
    await house.refused(("/hooks/batch", {"content": batch, "headers": {"x-token": "right"}}))
    async with house.serving(BATCH_SECRET="right") as (app, client):
        one = json.dumps([{"id": "2", "user": "2"}])
        assert (await client.post("/hooks/batch", content=one, headers={"x-token": "right"})).status_code == 200
        (id,) = await quarantined(app)
        would = await released(client, sources=["batch"], dry_run=True)
        assert [row["commands"] for row in would["released"]] == [3]
        view = await released(client, sources=["batch"])
        (row,) = view["released"]
        assert (row["status"], len(row["webhooks"]), row["commands"]) == ("accepted", 3, 2)
        assert row["webhooks"][0] == id
        assert await quarantined(app) == []
        assert len((await shop.gateway_of(app).store.webhooks(WebhookFilter())).items) == 3
        assert len(await commands(app)) == 3


async def test_a_thin_one_would_be_fetched_for(house: House) -> None:
    await house.refused(("/hooks/thin", {"content": b'{"id": 7}', "headers": {"x-token": "right"}}))
    async with house.serving(THIN_SECRET="right") as (_, client):
        view = await released(client, sources=["thin"], dry_run=True)
        assert [(row["status"], row["state"]) for row in view["released"]] == [("accepted", "fetching")]


async def test_a_signed_challenge_is_no_webhook(house: House) -> None:
    body = b'{"event":"endpoint.url_validation","payload":{"plainToken":"abc"}}'
    moment = str(int(NOW.timestamp()))
    digest = hmac.new(b"right", f"v0:{moment}:".encode() + body, hashlib.sha256).hexdigest()
    headers = {"x-zm-request-timestamp": moment, "x-zm-signature": f"v0={digest}"}
    await house.refused(("/hooks/zoom", {"content": body, "headers": headers}))
    async with house.serving(ZOOM_SECRET="right") as (app, client):
        view = await released(client, sources=["zoom"])
        assert [(row["status"], row["webhooks"]) for row in view["released"]] == [("challenge", [])]
        assert await quarantined(app) == []
        assert (await shop.gateway_of(app).store.webhooks(WebhookFilter())).items == ()


async def test_what_can_not_be_judged_stays_and_says_why(house: House) -> None:
    await house.refused(
        ("/hooks/static/uk", {"content": b'{"meta": {"token"', "headers": {"x-token": "right"}}),
        ("/hooks/shop", an_order()),
    )
    (house.folder / "rules" / "shop.yaml").unlink()
    async with house.serving(T_HEADER_UK="right") as (_, client):
        view = await released(client, all=True)
        assert view["released"] == []
        reasons = {row["source"]: row["reason"] for row in view["stay"]}
        assert reasons["static"].startswith("its body was not kept: it may hold the secret of verify")
        assert "the rules have no source shop" in reasons["shop"]
    shop.write_rules(house.folder / "rules", rules=FILES)
    async with house.serving(SHOP_SECRET="") as (_, client):
        view = await released(client, sources=["shop"])
        assert [row["reason"] for row in view["stay"]] == ["source shop is disabled: SHOP_SECRET is not set"]


class Publishing:
    """What a sender publishes, which comes when it is asked for where a gateway can ask: on its loop."""

    def __init__(self, text: str) -> None:
        self._text, self.asked = text, False

    def text(self, url: str) -> str:
        if self.asked:
            return self._text
        with contextlib.suppress(RuntimeError):
            self.asked = bool(asyncio.get_running_loop())
        raise NotVerifiable(f"the key at {url} is not here yet")

    def renew(self, url: str) -> bool:
        return False


async def test_a_key_that_is_not_here_is_asked_for_and_the_next_try_has_it(house: House) -> None:
    private = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(private.public_key())) | {"kid": "1", "alg": "EdDSA"}
    token = jwt.encode({"exp": int(NOW.timestamp()) + 60}, private, algorithm="EdDSA", headers={"kid": "1"})
    rules = """\
source: tokens
verify:
  jwt: {algorithms: [EdDSA], jwks: "https://keys.example.com/jwks", prefix: "Bearer "}
rules:
  - {name: All, send_sms: {userId: $.user, assetId: SMS-1}}
"""
    (house.folder / "rules" / "tokens.yaml").write_text(rules)
    ruleset = load(house.folder / "rules", environ={})
    webhook = Webhook(
        id=new_webhook_id(),
        source="tokens",
        received_at=NOW,
        headers=(("authorization", f"Bearer {token}"),),
        body=b'{"user": "7"}',
        state=WebhookState.QUARANTINED,
    )
    one = Quarantined(webhook=webhook, cause="mismatch", findings=("then",))
    published = Publishing(json.dumps({"keys": [jwk]}))
    tools = Bench(ruleset=ruleset, credential={}.get, names=tuple, key=b"k" * 32, published=published)
    first = await look_again(one, tools)
    assert isinstance(first, StillRefused)
    assert first.reason == "the key at https://keys.example.com/jwks is not here yet; try again in a moment"
    assert first.diagnosis.findings == ("then",)
    assert isinstance(await look_again(one, tools), Passed)


async def test_corrected_rules_are_those_of_now(house: House) -> None:
    """The secret was right all along, and the file read it from the wrong header."""
    body = shop.order()
    sent = {"content": body, "headers": shop.headers(body)}
    wrong = shop.RULES.replace("X-Shop-Signature", "X-Other-Signature")
    (house.folder / "rules" / "shop.yaml").write_text(wrong)
    async with house.serving(SHOP_SECRET=shop.SECRET) as (_, client):
        assert (await client.post("/hooks/shop", **sent)).status_code == 401
    (house.folder / "rules" / "shop.yaml").write_text(shop.RULES)
    async with house.serving(SHOP_SECRET=shop.SECRET) as (app, client):
        (id,) = await quarantined(app)
        view = (await client.get(f"/api/webhooks/{id}", headers=shop.bearer())).json()["quarantine"]
        assert view["now"] == {
            "verified": True,
            "words": "HMAC-SHA256 of {body} in header X-Shop-Signature, secret SHOP_SECRET",
        }
        await released(client, ids=[id])
        webhook = await shop.gateway_of(app).store.webhook(id)
        assert webhook.rules_version == shop.gateway_of(app).ruleset.version.version


@pytest.mark.parametrize(
    ("asked", "status", "detail"),
    [
        ({}, 400, "which requests?"),
        ({"sources": ["nobody"]}, 400, "no rules file has source: 'nobody'"),
        ({"ids": ["0" * 32]}, 404, "is not in quarantine"),
        ({"every": True}, 400, "unknown field"),
    ],
)
async def test_what_is_asked_for_has_to_be_there(house: House, asked: dict[str, Any], status: int, detail: str) -> None:
    async with house.serving() as (_, client):
        answer = await client.post("/api/quarantine/release", json=asked, headers=shop.bearer())
        assert answer.status_code == status
        assert detail in answer.json()["detail"]


async def test_only_who_may_act_may_release(house: House) -> None:
    async with house.serving() as (_, client):
        answer = await client.post("/api/quarantine/release", json={"all": True}, headers=shop.bearer(shop.READER))
        assert answer.status_code == 401


def test_base64_of_a_pair_is_what_basic_authentication_shows() -> None:
    """What the hash of a pair is compared with is what httpx sends."""
    sent = httpx.Request("POST", "http://a", headers={})
    auth = next(httpx.BasicAuth("ada", "pass:wörd").auth_flow(sent)).headers["authorization"]
    assert auth == "Basic " + base64.b64encode("ada:pass:wörd".encode()).decode()
