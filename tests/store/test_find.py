"""Text that may stand anywhere in what is kept, and how far was looked for it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.model import Attempt, CommandState, Fetched, Fetching, Outcome, WebhookState
from gateway.store import Found, Reception, Store, Verdict
from tests.store.making import NOW, after, claimed, command, received, webhook


@pytest.mark.parametrize(
    "text",
    [
        "#1001",
        "Grüße",
        "ADA@example.org",
        "key-7",
        "brand/x",
        "order=7",
        "U-815",
        "TO the customer",
        "because it",
        "ev-4711",
        "fetched@example.org",
    ],
)
async def test_a_webhook_is_found_by_what_stands_in_it(store: Store, text: str) -> None:
    await received(store, {"user_id": "another"})
    hook = webhook(
        path="brand/x",
        query="order=7",
        dedup_key="key-7",
        body="{'n': '#1001', 'm': 'ada@Example.org', 'g': 'Grüße'}".encode(),
        state=WebhookState.FETCHING,
    )
    await store.receive(Reception(webhook=hook, commands=(command(hook, user_id="u-815", body=b"to the customer"),)))
    fetched = Fetched(name="order", url="https://example.org/7", answer=b'{"email":"fetched@example.org"}')
    await store.note_fetching(hook.id, Fetching(since=NOW, fetches=(fetched,)))
    [claim] = [claim for claim in await claimed(store) if claim.command.user_id == "u-815"]
    attempt = Attempt(number=1, at=NOW, outcome=Outcome.ACCEPTED, intilery_event_id="ev-4711")
    await store.record(claim, attempt, Verdict(state=CommandState.FAILED, reason="because it is so"), now=NOW)
    found = await store.find([text])
    assert (found.webhooks, found.looked_at, found.whole) == ((hook.id,), 2, True)
    assert (await store.find(["nowhere", text])).webhooks == (hook.id,)
    assert (await store.find(["nowhere"])).webhooks == ()


async def test_an_id_is_found_by_its_beginning(store: Store) -> None:
    [made] = await received(store, {})
    for text in (made.id, made.id[:20], made.webhook_id[:12].upper(), made.id[:-2]):
        assert (await store.find([text])).webhooks == (made.webhook_id,), text
    for text in (made.id[:5], made.webhook_id[4:], made.id[-12:]):
        assert (await store.find([text])).webhooks == (), text


async def test_bytes_that_are_no_text_are_searched_too(store: Store) -> None:
    hook = webhook(body=b"\xff\x00#1002\xfe")
    await store.receive(Reception(webhook=hook))
    assert (await store.find(["#1002"])).webhooks == (hook.id,)


async def test_the_newest_are_looked_at_as_deep_as_is_asked(store: Store) -> None:
    hooks = [webhook(body=b"x", received_at=after(minute * 60)) for minute in range(5)]
    for hook in hooks:
        await store.receive(Reception(webhook=hook))
    ids = tuple(hook.id for hook in reversed(hooks))
    whole = Found(webhooks=ids, looked_at=5, back_to=NOW, whole=True)
    assert await store.find(["x"]) == whole
    assert await store.find(["x"], depth=2) == Found(webhooks=ids[:2], looked_at=2, back_to=after(180), whole=False)
    assert (await store.find(["x"], limit=3)).webhooks == ids[:3]
    since = await store.find(["x"], since=NOW + timedelta(minutes=3))
    assert since == Found(webhooks=ids[:2], looked_at=2, back_to=after(180), whole=True)


async def test_an_empty_store_was_looked_through(store: Store) -> None:
    assert await store.find(["x"]) == Found()
    assert await store.last_heard() == {}


async def test_when_each_source_was_heard_last(store: Store) -> None:
    for source, at in (("crm", 0), ("shop", 60), ("crm", 120), ("shop", 30)):
        await store.receive(Reception(webhook=webhook(source=source, received_at=after(at))))
    assert await store.last_heard() == {"crm": after(120), "shop": after(60)}
