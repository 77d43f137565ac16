"""``events`` through the front door: one request, many webhooks, each with a fate of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from starlette.applications import Starlette

from gateway.errors import StoreUnavailable
from gateway.folders import load_rules
from gateway.inbound.batches import store_all
from gateway.intilery.sandbox import create_sandbox
from gateway.model import Webhook, WebhookState
from gateway.rules.batch import MAX_ELEMENTS
from gateway.store import CommandFilter, Receipt, Reception, WebhookFilter
from tests import shop
from tests.servers import running
from tests.store.making import webhook

MAIL = """\
source: mail
verify: none
events: $[*]
dedup_key: $.sg_event_id
event_type: $.event
event_time: $.timestamp
ignore: {$.event: processed}
rules:
  - name: Opened
    when: {$.event: open}
    track: {userId: $.email, event: Email Opened, properties: {id: $.sg_event_id, amount: $.amount}}
"""
FORM = """\
source: form
verify: none
body: {form_field: mandrill_events, as: json}
events: $[*]
rules:
  - name: Bounced
    when: {$.event: hard_bounce}
    track: {userId: $.msg.email, event: Email Bounced}
"""
CRM = """\
source: crm
verify: none
events: $.notifications[*]
dedup_key: $header.X-Request
rules:
  - name: Changed
    track:
      userId: $.id
      event: Contact Changed
      properties: {portal: $batch.portal, first: "$batch.notifications[0].id"}
"""
SECRET = """\
source: secret
verify: none
events: $.list[*]
redact: [$.card, $batch.token]
rules:
  - name: All
    track: {userId: $.id, event: Happened, properties: {whole: $, around: $batch}}
"""
FILES = {"mail.yaml": MAIL, "form.yaml": FORM, "crm.yaml": CRM, "secret.yaml": SECRET}


def opened(number: int, **more: Any) -> dict[str, Any]:
    return {
        "event": "open",
        "email": f"c{number}",
        "sg_event_id": f"e{number}",
        "timestamp": 1767600000 + number,
        **more,
    }


@pytest.fixture
def app(tmp_path: Path) -> Starlette:
    shop.write_rules(tmp_path / "rules", rules={**FILES, "destinations.yaml": shop.DESTINATIONS})
    return shop.shop_app(tmp_path, GATEWAY_ROLE="receive")


@pytest.fixture
async def hooks(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with running(app) as url, httpx.AsyncClient(base_url=url, timeout=30) as client:
        yield client


async def all_webhooks(app: Starlette) -> list[Webhook]:
    """Oldest first, each as it stands in the store by itself."""
    store = shop.gateway_of(app).store
    found: list[Webhook] = []
    cursor = None
    while True:
        page = await store.webhooks(WebhookFilter(), limit=500, cursor=cursor)
        found += page.items
        if (cursor := page.next) is None:
            return [await store.webhook(one.id) for one in reversed(found)]


async def bodies(app: Starlette, id: str) -> list[Any]:
    page = await shop.gateway_of(app).store.commands(CommandFilter(webhook=id))
    return [json.loads(command.body) for command in page.items]


async def test_each_element_is_a_webhook_of_its_own(app: Starlette, hooks: httpx.AsyncClient) -> None:
    body = (
        b'[{"event": "open", "email": "c1", "sg_event_id": "e1", "timestamp": 1767600001, "amount": 0.10,\n'
        b' "big": 99999999999999999999999999},'
        b' {"event": "processed", "sg_event_id": "e2"}, {"event": "click", "sg_event_id": "e3"}]'
    )
    answer = await hooks.post("/hooks/mail", content=body)
    first, second, third = await all_webhooks(app)
    assert answer.status_code == 200
    assert answer.json() == {"id": first.id, "status": "accepted", "webhooks": 3}
    assert [one.state for one in (first, second, third)] == [
        WebhookState.TRANSLATED,
        WebhookState.IGNORED,
        WebhookState.UNMATCHED,
    ]
    assert first.body == (
        b'{"event":"open","email":"c1","sg_event_id":"e1","timestamp":1767600001,"amount":0.10,'
        b'"big":99999999999999999999999999}'
    )
    assert first.parsed
    assert first.event_time is not None
    assert first.event_time.isoformat() == "2026-01-05T08:00:01+00:00"
    assert [one.dedup_key for one in (first, second, third)] == ["e1", "e2", "e3"]
    assert {one.batch_id for one in (first, second, third)} == {first.id}
    assert first.batch is None
    assert (await bodies(app, first.id))[0]["properties"] == {"id": "e1", "amount": 0.10}
    assert await bodies(app, second.id) == []


async def test_a_bad_element_fails_alone_and_a_repeat_adds_only_what_is_new(
    app: Starlette, hooks: httpx.AsyncClient
) -> None:
    batch = [opened(1), {"event": "open", "sg_event_id": "e2"}, "not an object", opened(3)]
    await hooks.post("/hooks/mail", json=batch)
    states = [one.state for one in await all_webhooks(app)]
    assert states == [
        WebhookState.TRANSLATED,
        WebhookState.UNTRANSLATABLE,
        WebhookState.UNMATCHED,
        WebhookState.TRANSLATED,
    ]
    again = await hooks.post("/hooks/mail", json=batch)
    assert again.json()["status"] == "duplicate"
    more = await hooks.post("/hooks/mail", json=[opened(1), opened(4)])
    assert more.json() == {"id": again.json()["id"], "status": "accepted", "webhooks": 2}
    found = await all_webhooks(app)
    assert len(found) == 5
    assert found[0].repeats == 2


async def test_a_form_field_that_holds_a_list(app: Starlette, hooks: httpx.AsyncClient) -> None:
    events = [{"event": "hard_bounce", "msg": {"email": "a@example.com"}}] * 2
    content = urlencode({"mandrill_events": json.dumps(events)})
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = await hooks.post("/hooks/form", content=content, headers=kind)
    assert answer.json()["webhooks"] == 2
    first, second = await all_webhooks(app)
    # Two elements that are equal are two, and known again by their place.
    assert first.dedup_key is not None
    assert first.dedup_key.startswith("sha256:")
    assert [str(one.dedup_key).partition("|")[2] for one in (first, second)] == ["0", "1"]
    again = await hooks.post("/hooks/form", content=content, headers=kind)
    assert again.json()["status"] == "duplicate"
    empty = await hooks.post("/hooks/form", content=urlencode({"mandrill_events": "[]"}), headers=kind)
    assert empty.status_code == 200
    last = (await all_webhooks(app))[-1]
    assert last.state is WebhookState.IGNORED
    assert last.reason == "events: the list at $[*] is empty"


async def test_a_key_that_is_the_same_for_all_elements_gets_their_index(
    app: Starlette, hooks: httpx.AsyncClient
) -> None:
    sent = {"portal": 7, "notifications": [{"id": 1}, {"id": 2}]}
    await hooks.post("/hooks/crm", json=sent, headers={"x-request": "r1"})
    first, second = await all_webhooks(app)
    assert [first.dedup_key, second.dedup_key] == ["r1|0", "r1|1"]
    assert (await hooks.post("/hooks/crm", json=sent, headers={"x-request": "r1"})).json()["status"] == "duplicate"


async def test_the_body_around_the_elements_is_kept_once_where_rules_read_it(
    app: Starlette, hooks: httpx.AsyncClient
) -> None:
    await hooks.post("/hooks/crm", json={"portal": 7, "notifications": [{"id": 1}, {"id": 2}]})
    first, second = await all_webhooks(app)
    assert first.batch == second.batch == b'{"portal":7,"notifications":[{"id":1},{"id":2}]}'
    assert [body["properties"] for body in await bodies(app, second.id)] == [{"portal": 7, "first": 1}]
    # A replay reads it too, and touches this element alone.
    replayed = await hooks.post("/api/replay", json={"id": second.id}, headers=shop.bearer())
    assert replayed.json()["replaced"] != []
    assert [body["properties"] for body in await bodies(app, second.id)] == [{"portal": 7, "first": 1}]
    shown = (await hooks.get(f"/api/webhooks/{second.id}", headers=shop.bearer())).json()
    assert shown["body"] == {"id": 2}
    assert (shown["parsed"], shown["batch"]) == (True, first.id)
    assert shown["trace"][0]["matched"] is True


async def test_what_is_redacted_is_gone_from_element_and_batch(app: Starlette, hooks: httpx.AsyncClient) -> None:
    await hooks.post("/hooks/secret", json={"token": "t0ken", "list": [{"id": 1, "card": "4242"}, {"id": 2}]})
    first, _ = await all_webhooks(app)
    for kept in (first.body, first.batch or b"", *[json.dumps(body).encode() for body in await bodies(app, first.id)]):
        assert b"4242" not in kept
        assert b"t0ken" not in kept
        assert b"[redacted]" in kept


@pytest.mark.parametrize(
    ("body", "state", "reason"),
    [
        ({"other": 1}, WebhookState.UNTRANSLATABLE, "events: $.notifications[*] finds nothing; the body is an object"),
        ({"notifications": None}, WebhookState.UNTRANSLATABLE, "events: $.notifications[*] finds nothing"),
        ({"notifications": []}, WebhookState.IGNORED, "events: the list at $.notifications[*] is empty"),
        (
            {"notifications": [1] * (MAX_ELEMENTS + 1)},
            WebhookState.UNTRANSLATABLE,
            "events: $.notifications[*] has 10,001 elements; allowed: 10,000",
        ),
    ],
)
async def test_what_has_no_elements_is_kept_whole(
    app: Starlette, hooks: httpx.AsyncClient, body: Any, state: WebhookState, reason: str
) -> None:
    answer = await hooks.post("/hooks/crm", json=body)
    assert answer.status_code == 200
    [whole] = await all_webhooks(app)
    assert whole.state is state
    assert (whole.reason or "").startswith(reason)
    assert json.loads(whole.body) == body
    assert not whole.parsed
    assert (await hooks.post("/hooks/crm", json=body)).json()["status"] == "duplicate"


async def test_without_elements_to_redact_the_body_is_not_kept(app: Starlette, hooks: httpx.AsyncClient) -> None:
    for body in (b'{"card": "4242"}', b'{"list": [{"card": "4242"'):
        await hooks.post("/hooks/secret", content=body)
    for whole in await all_webhooks(app):
        assert whole.body == b""
        assert whole.reason is not None
        assert whole.reason.endswith("its body is not kept, for the source says redact")
        assert "4242" not in whole.reason


async def test_one_object_counts_as_a_list_of_one(app: Starlette, hooks: httpx.AsyncClient) -> None:
    answer = await hooks.post("/hooks/mail", json=opened(1))
    assert answer.json()["webhooks"] == 1
    [only] = await all_webhooks(app)
    assert only.event_type == "open"


async def test_a_batch_that_was_kept_whole_is_taken_apart_by_a_replay(
    app: Starlette, hooks: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "rules" / "crm.yaml"
    file.write_text(CRM.replace("$.notifications[*]", "$.changes[*]"), encoding="utf-8")
    gateway = shop.gateway_of(app)
    await gateway.serve(load_rules(gateway.settings))
    await hooks.post("/hooks/crm", json={"portal": 7, "notifications": [{"id": 1}, {"id": 2}]})
    [whole] = await all_webhooks(app)
    assert whole.state is WebhookState.UNTRANSLATABLE

    file.write_text(CRM, encoding="utf-8")
    await gateway.serve(load_rules(gateway.settings))
    done = (await hooks.post("/api/replay", json={"id": whole.id}, headers=shop.bearer())).json()
    assert done["state"] == "ignored"
    assert len(done["webhooks"]) == len(done["created"]) == 2
    whole, first, second = await all_webhooks(app)
    assert whole.reason == "its 2 elements are webhooks of their own now"
    assert [first.body, second.body] == [b'{"id":1}', b'{"id":2}']
    assert {first.batch_id, second.batch_id} == {whole.id}
    # Again: the elements are there already.
    again = (await hooks.post("/api/replay", json={"id": whole.id}, headers=shop.bearer())).json()
    assert again["webhooks"] == done["webhooks"]
    assert again["created"] == []
    assert len(await all_webhooks(app)) == 3


async def test_thousands_of_elements_are_all_on_disk_before_the_answer(
    app: Starlette, hooks: httpx.AsyncClient
) -> None:
    answer = await hooks.post("/hooks/mail", json=[opened(number) for number in range(2_500)])
    assert answer.json()["webhooks"] == 2_500
    assert len({one.dedup_key for one in await all_webhooks(app)}) == 2_500


async def test_where_some_can_not_be_stored_the_sender_comes_again(
    app: Starlette, hooks: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = shop.gateway_of(app).store
    receive = store.receive

    async def sometimes(reception: Reception) -> Receipt:
        if reception.webhook.dedup_key == "e2":
            raise StoreUnavailable("the disk is full")
        return await receive(reception)

    with monkeypatch.context() as patched:
        patched.setattr(store, "receive", sometimes)
        answer = await hooks.post("/hooks/mail", json=[opened(1), opened(2), opened(3)])
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    again = await hooks.post("/hooks/mail", json=[opened(1), opened(2), opened(3)])
    assert again.json()["status"] == "accepted"
    assert sorted(str(one.dedup_key) for one in await all_webhooks(app)) == ["e1", "e2", "e3"]


async def test_a_failure_within_thousands_stops_the_rest() -> None:
    class Full:
        calls = 0

        async def receive(self, reception: Reception) -> Receipt:
            self.calls += 1
            raise StoreUnavailable("full")

    full = Full()
    stored, failed = await store_all(full, (Reception(webhook=webhook()) for _ in range(5_000)))  # type: ignore[arg-type]
    assert stored == []
    assert str(failed) == "full"
    assert full.calls == 1_000


async def test_trying_a_batch_shows_all_that_it_becomes(app: Starlette, hooks: httpx.AsyncClient) -> None:
    asked = {"source": "mail", "body": [opened(1), opened(2)]}
    tried = (await hooks.post("/api/try", json=asked, headers=shop.bearer())).json()
    assert [command["body"]["userId"] for command in tried["commands"]] == ["c1", "c2"]
    assert [line["why"].partition(":")[0] for line in tried["trace"]] == ["element 0", "element 1"]


async def test_a_replay_of_all_of_it_never_repeats_the_good_ones(tmp_path: Path) -> None:
    intilery = create_sandbox(identify_delay=0.0)
    sandbox = intilery.state.sandbox
    shop.write_rules(tmp_path / "rules", rules={"mail.yaml": MAIL, "destinations.yaml": shop.DESTINATIONS})
    batch = [opened(1), {"event": "open", "sg_event_id": "e2", "fallback": "c2"}, opened(3)]

    async def sent(*users: str) -> None:
        async def there() -> bool:
            return sorted(call.body["userId"] for call in sandbox.calls) == sorted(users)

        await shop.until(there)

    async with running(intilery) as there:
        app = shop.shop_app(tmp_path, intilery=there, GATEWAY_RELOAD="off")
        async with running(app) as url, httpx.AsyncClient(base_url=url) as hooks:
            gateway = shop.gateway_of(app)
            await hooks.post("/hooks/mail", json=batch)
            await sent("c1", "c3")
            corrected = MAIL.replace("userId: $.email,", "userId: $.email | default($.fallback),")
            (tmp_path / "rules" / "mail.yaml").write_text(corrected, encoding="utf-8")
            await gateway.serve(load_rules(gateway.settings))
            for _ in range(2):
                answer = await hooks.post("/api/replay", json={"all": True}, headers=shop.bearer())
                assert answer.json()["finished"], answer.text
                assert (await hooks.post("/hooks/mail", json=batch)).json()["status"] == "duplicate"
            await sent("c1", "c2", "c3")
        # Whatever was written is delivered by now: the stop waits for it.
    assert sorted(call.body["userId"] for call in sandbox.calls) == ["c1", "c2", "c3"]
