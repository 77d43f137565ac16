"""What a source says of its requests, through the front door: redact, event_time, respond, limits.rate."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from gateway.inbound.rates import Rates
from gateway.model import Webhook, WebhookState
from gateway.rules import load
from gateway.rules.examples import run_examples
from gateway.store import WebhookFilter
from tests import shop
from tests.servers import running

PEOPLE = """\
source: people
verify: none
redact: [$.card.number, $..ssn, $header.X-Person]
event_time: $.at
zone: Europe/London
rules:
  - name: All
    track: {userId: $.id, event: Happened, properties: {whole: $}}
"""
TOKEN = """\
source: token
verify: {body: {path: auth.0.token, secret: $env.SHOP_SECRET}}
rules:
  - name: All
    track: {userId: $.id, event: Happened, properties: {whole: $}}
"""
TOKENS = """\
source: tokens
verify: [{header: {name: X-Token, secret: $env.SHOP_SECRET}}, {body: {path: token, secret: $env.SHOP_SECRET}}]
events: $.list[*]
rules:
  - name: All
    track: {userId: $.id, event: Happened, properties: {whole: $batch}}
"""
LEDGER = """\
source: ledger
verify: none
respond: {body: "[accepted]"}
"""
CLOUD = """\
source: cloud
verify: none
respond:
  status: 202
  headers: {X-Request-Id: "r-{{ $.id }}", X-Kind: $header.X-Kind, X-List: $.list}
  body: {ok: true, id: $webhook.id, theirs: $.id, amount: $.amount, gone: $.gone}
"""
SOAP = """\
source: soap
verify: none
respond:
  body: |
    <?xml version="1.0"?><Ack>{{ $.id | default("none") }}</Ack>
"""
QUIET = """\
source: quiet
verify: none
respond: {status: 204}
"""
MANY = """\
source: many
verify: none
events: $.list[*]
respond: {body: "{{ $batch.list | size }} of {{ $batch.name }}"}
"""
GUARDED = """\
source: guarded
verify: {header: {name: X-Token, secret: $env.SHOP_SECRET}}
limits: {rate: 30/m}
"""
SLOW = """\
source: slow
verify: none
limits: {rate: 30/m}
"""
TEXTS = {
    "people": PEOPLE,
    "token": TOKEN,
    "tokens": TOKENS,
    "ledger": LEDGER,
    "cloud": CLOUD,
    "soap": SOAP,
    "quiet": QUIET,
    "many": MANY,
    "slow": SLOW,
    "guarded": GUARDED,
}


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    files = {f"{name}.yaml": text for name, text in TEXTS.items()}
    shop.write_rules(tmp_path / "rules", rules={**files, "destinations.yaml": shop.DESTINATIONS})
    return shop.shop_app(tmp_path, GATEWAY_ROLE="receive")


@pytest.fixture
async def hooks(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


async def stored(app: Starlette) -> list[Webhook]:
    page = await shop.gateway_of(app).store.webhooks(WebhookFilter())
    return list(reversed(page.items))


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.glob("gateway.db*"))


# -- redact -------------------------------------------------------------------------------------------------------


async def test_what_is_redacted_is_on_no_disk(app: Starlette, hooks: httpx.AsyncClient, tmp_path: Path) -> None:
    sent = (
        b'{"id": "c1", "amount": 0.10, "card": {"number": "4242-0001", "brand": "x"},'
        b' "ssn": "078-05-1120", "more": [{"ssn": "078-05-1120", "note": "n"}], "at": "2026-07-01 18:30"}'
    )
    answer = await hooks.post("/hooks/people", content=sent, headers={"x-person": "ada-secret"})
    [webhook] = await stored(app)
    assert webhook.parsed
    assert webhook.body == (
        b'{"id":"c1","amount":0.10,"card":{"number":"[redacted]","brand":"x"},"ssn":"[redacted]",'
        b'"more":[{"ssn":"[redacted]","note":"n"}],"at":"2026-07-01 18:30"}'
    )
    assert dict(webhook.headers)["x-person"] == "[redacted]"
    shown = await hooks.get(f"/api/webhooks/{answer.json()['id']}", headers=shop.bearer())
    assert shown.json()["parsed"] is True
    # A replay reads the kept body as JSON, and makes the same of it.
    [command] = shown.json()["commands"]
    replayed = await hooks.post("/api/replay", json={"id": answer.json()["id"]}, headers=shop.bearer())
    assert replayed.json()["replaced"] == [command["id"]]
    again = await hooks.get(f"/api/webhooks/{answer.json()['id']}", headers=shop.bearer())
    assert again.json()["commands"][0]["body"] == command["body"]
    on_disk = bytes_on_disk(tmp_path)
    for secret in (b"4242-0001", b"078-05-1120", b"ada-secret"):
        assert secret not in on_disk
        assert secret.decode() not in shown.text


async def test_the_secret_that_a_body_shows_is_not_kept(
    app: Starlette, hooks: httpx.AsyncClient, tmp_path: Path
) -> None:
    secret = shop.SECRET
    each = {
        "token": {"id": 1, "auth": [{"token": secret, "kind": "old"}]},
        "tokens": {"token": secret, "list": [{"id": 2}]},
    }
    for source, body in each.items():
        answer = await hooks.post(f"/hooks/{source}", json=body)
        assert answer.status_code == 200
        shown = await hooks.get(f"/api/webhooks/{answer.json()['id']}", headers=shop.bearer())
        assert "[redacted]" in shown.text
        assert secret not in shown.text
        replayed = await hooks.post("/api/replay", json={"id": answer.json()["id"]}, headers=shop.bearer())
        assert replayed.json()["state"] == "translated"
    # Proved by its header, and unreadable.
    answer = await hooks.post("/hooks/tokens", content=f'{{"token": "{secret}"'.encode(), headers={"x-token": secret})
    assert answer.status_code == 200
    kept = await shop.gateway_of(app).store.webhook(answer.json()["id"])
    assert kept.body == b""
    assert str(kept.reason).endswith("; its body is not kept, for it may hold the secret of verify")
    assert secret.encode() not in bytes_on_disk(tmp_path)


async def test_a_form_is_kept_as_the_json_that_it_says(app: Starlette, hooks: httpx.AsyncClient) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = await hooks.post("/hooks/people", content=b"id=c1&card[number]=4242", headers=kind)
    [webhook] = await stored(app)
    assert webhook.body == b'{"id":"c1","card":{"number":"[redacted]"}}'
    # The content type still says form; the body is read for what it is.
    replayed = await hooks.post("/api/replay", json={"id": answer.json()["id"]}, headers=shop.bearer())
    assert replayed.json()["state"] == "translated"


async def test_the_first_of_two_equal_keys_is_not_kept(app: Starlette, hooks: httpx.AsyncClient) -> None:
    await hooks.post("/hooks/people", content=b'{"id": 1, "card": {"number": "4242"}, "card": {}}')
    [webhook] = await stored(app)
    assert webhook.body == b'{"id":1,"card":{}}'


async def test_what_can_not_be_read_is_kept_without_its_body(app: Starlette, hooks: httpx.AsyncClient) -> None:
    answers = [await hooks.post("/hooks/people", content=b'{"card": {"number": "4242"') for _ in range(2)]
    assert [answer.json()["status"] for answer in answers] == ["accepted", "accepted"]
    for webhook in await stored(app):
        assert webhook.state is WebhookState.UNPARSEABLE
        assert webhook.body == b""
        assert webhook.dedup_key is None
        assert str(webhook.reason).endswith("; its body is not kept, for the source says redact")


# -- event_time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "moment"),
    [
        ("2026-07-01 18:30", "2026-07-01T17:30:00.000Z"),
        (1767607200, "2026-01-05T10:00:00.000Z"),
        ("2026-01-05T10:00:00+02:00", "2026-01-05T08:00:00.000Z"),
    ],
)
async def test_when_it_happened_is_shown_and_listed(hooks: httpx.AsyncClient, at: Any, moment: str) -> None:
    answer = await hooks.post("/hooks/people", json={"id": 1, "at": at})
    shown = await hooks.get(f"/api/webhooks/{answer.json()['id']}", headers=shop.bearer())
    listed = await hooks.get("/api/webhooks", headers=shop.bearer())
    assert shown.json()["event_time"] == listed.json()["items"][0]["event_time"] == moment
    assert "warnings" not in shown.json()


async def test_a_time_that_can_not_be_read_is_a_warning(hooks: httpx.AsyncClient) -> None:
    answer = await hooks.post("/hooks/people", json={"id": 1, "at": "05/06/2024"})
    shown = (await hooks.get(f"/api/webhooks/{answer.json()['id']}", headers=shop.bearer())).json()
    assert shown["state"] == "translated"
    assert "event_time" not in shown
    [warning] = shown["warnings"]
    assert warning["path"] == "event_time: $.at"
    assert "05/06/2024" in warning["message"]


async def test_no_time_is_no_warning(hooks: httpx.AsyncClient) -> None:
    answer = await hooks.post("/hooks/people", json={"id": 1, "at": ""})
    shown = (await hooks.get(f"/api/webhooks/{answer.json()['id']}", headers=shop.bearer())).json()
    assert "warnings" not in shown
    assert "event_time" not in shown


# -- respond ------------------------------------------------------------------------------------------------------


async def test_text_that_the_sender_wants(hooks: httpx.AsyncClient) -> None:
    for body in (b'{"id": 1}', b'{"id": 1}', b"not json"):
        answer = await hooks.post("/hooks/ledger", content=body)
        assert answer.status_code == 200
        assert answer.text == "[accepted]"
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"


async def test_values_of_the_webhook_in_the_answer(app: Starlette, hooks: httpx.AsyncClient) -> None:
    sent = b'{"id": "7", "amount": 0.10, "list": [1]}'
    first = await hooks.post("/hooks/cloud", content=sent, headers={"x-kind": "order"})
    [webhook] = await stored(app)
    assert first.status_code == 202
    assert first.text == f'{{"ok":true,"id":"{webhook.id}","theirs":"7","amount":0.10}}'
    assert first.headers["content-type"] == "application/json"
    assert first.headers["x-request-id"] == "r-7"
    assert first.headers["x-kind"] == "order"
    assert "x-list" not in first.headers
    second = await hooks.post("/hooks/cloud", content=sent, headers={"x-kind": "order"})
    assert second.content == first.content


async def test_nothing_of_a_payload_breaks_out_of_a_header(hooks: httpx.AsyncClient) -> None:
    for id in ("a\r\nset-cookie: b", "a\nb", "\u0000", "ł", "x" * 5000):
        answer = await hooks.post("/hooks/cloud", json={"id": id})
        assert answer.status_code == 202
        assert "x-request-id" not in answer.headers
        assert "set-cookie" not in answer.headers
    assert "x-request-id" not in (await hooks.post("/hooks/cloud", json={"id": {}})).headers


async def test_xml_is_sent_as_xml(hooks: httpx.AsyncClient) -> None:
    answer = await hooks.post("/hooks/soap", json={"id": 5})
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert answer.text == '<?xml version="1.0"?><Ack>5</Ack>\n'
    assert "<Ack>none</Ack>" in (await hooks.post("/hooks/soap", content=b"{")).text


async def test_an_answer_without_a_body(hooks: httpx.AsyncClient) -> None:
    answer = await hooks.post("/hooks/quiet", json={"id": 5})
    assert answer.status_code == 204
    assert answer.content == b""
    assert "content-type" not in answer.headers


async def test_a_batch_is_answered_once(hooks: httpx.AsyncClient) -> None:
    answer = await hooks.post("/hooks/many", json={"name": "n", "list": [{"id": 1}, {"id": 2}]})
    assert answer.text == "2 of n"


# -- limits.rate --------------------------------------------------------------------------------------------------


async def test_over_its_rate_a_source_is_told_to_come_again(app: Starlette, hooks: httpx.AsyncClient) -> None:
    answers = [await hooks.post("/hooks/slow", json={"id": number}) for number in range(3)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[0] == 200
    assert 429 in statuses
    refused = answers[statuses.index(429)]
    assert refused.json()["title"] == "Too many requests"
    assert 1 <= int(refused.headers["retry-after"]) <= 2
    assert len(await stored(app)) == statuses.count(200)
    # Others are not held up.
    assert (await hooks.post("/hooks/ledger", json={})).status_code == 200


async def test_strangers_do_not_use_up_a_rate(hooks: httpx.AsyncClient) -> None:
    for number in range(5):
        stranger = await hooks.post("/hooks/guarded", json={"id": number}, headers={"x-token": "guessed"})
        assert stranger.status_code == 401
    token = {"x-token": shop.SECRET}
    statuses = [(await hooks.post("/hooks/guarded", json={"id": n}, headers=token)).status_code for n in range(3)]
    assert statuses[0] == 200
    assert 429 in statuses


def test_tokens_come_back_with_time() -> None:
    clock = [0.0]
    rates = Rates(lambda: clock[0])
    assert [rates.lack("s", 10) for _ in range(100)] == [0.0] * 100
    taken = [rates.wait("s", 10) for _ in range(21)]
    assert taken[:20] == [0.0] * 20
    assert taken[20] == pytest.approx(0.1)
    clock[0] = 0.1
    assert rates.wait("s", 10) == 0.0
    assert rates.wait("s", 10) > 0
    assert rates.wait("t", 10) == 0.0
    clock[0] = 1000.0
    assert [rates.wait("s", 10) for _ in range(21)].count(0.0) == 20
    # A rate that a reload made smaller holds at once.
    clock[0] = 2000.0
    assert [rates.wait("s", 0.5) for _ in range(2)] == [0.0, pytest.approx(2.0)]


async def test_the_examples_of_a_file_know_all_of_it(tmp_path: Path) -> None:
    text = PEOPLE + (
        "examples:\n  - name: redacted\n    request: {body: {id: 1, ssn: x}}\n"
        "    expect:\n      - track: {properties: {whole: {ssn: '[redacted]'}}}\n"
    )
    batch = MANY.replace("respond:", "rules:\n  - name: A\n    track: {userId: $.id, event: E}\nrespond:") + (
        "examples:\n  - name: both\n    request: {body: {list: [{id: 1}, {id: 2}, {}]}}\n"
        "    expect: [{track: {userId: '1'}}, {track: {userId: '2'}}]\n    expect_error: {rule: A, field: userId}\n"
        "  - name: none\n    request: {body: {list: []}}\n    expect: []\n    expect_state: ignored\n"
    )
    folder = shop.write_rules(
        tmp_path, rules={"people.yaml": text, "many.yaml": batch, "destinations.yaml": shop.DESTINATIONS}
    )
    results = list(run_examples(load(folder, environ={}), folder))
    assert [(result.name, result.difference) for result in results] == [("both", ""), ("none", ""), ("redacted", "")]
