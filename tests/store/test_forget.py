"""One person is erased everywhere, and nobody else."""

from __future__ import annotations

from typing import Any

from gateway.model import Command, CommandState, Fetched, Fetching, WebhookState
from gateway.store import (
    CommandFilter,
    Forgotten,
    Quarantined,
    QuarantineLimits,
    Reception,
    Replay,
    Store,
    WebhookFilter,
)
from gateway.terms import Once
from tests.store.making import NOW, after, claimed, command, ended, received, webhook

ALL = WebhookFilter()


async def kept(store: Store) -> set[str]:
    return {hook.id for hook in (await store.webhooks(ALL, limit=500)).items}


async def put(store: Store, commands: tuple[dict[str, Any], ...] = (), **fields: Any) -> list[Command]:
    return await received(store, *commands, **fields)


async def test_what_names_the_person_goes_and_the_rest_stays(store: Store) -> None:
    mine = [
        await put(store, ({"user_id": "u-815"}, {"user_id": "u-815"})),
        await put(store, ({"user_id": "x"},), body=b'{"email": "ADA@example.org"}'),
        await put(store, ({"user_id": "y"},), body=b'{"customer":"u-815"}'),
        await put(store, ({"user_id": "z", "body": b'{"to":"ada@example.org"}'},)),
    ]
    unmatched = [webhook(query="mail=ada@example.org"), webhook(dedup_key="u-815|7"), webhook(path="shops/u-815")]
    others = [webhook(body=b'{"customer":"u-8150"}'), webhook(body=b"xada@example.org"), webhook()]
    for hook in (*unmatched, *others):
        await store.receive(Reception(webhook=hook))
    [bystander] = await put(store, ({"user_id": "u-816"},))
    counted = await store.forget("u-815", ["u-815", "ada@example.org"], now=NOW, dry_run=True)
    assert counted == Forgotten(webhooks=7, commands=5)
    assert len(await kept(store)) == 11
    forgotten = await store.forget("u-815", ["u-815", "ada@example.org"], now=NOW)
    assert (forgotten.webhooks, forgotten.commands, forgotten.left) == (7, 5, ())
    assert await kept(store) == {hook.id for hook in others} | {bystander.webhook_id}
    assert [one.id for one in (await store.commands(CommandFilter())).items] == [bystander.id]
    assert await store.forget("u-815", ["u-815", "ada@example.org"], now=NOW) == Forgotten()
    assert [claim.command.id for claim in await claimed(store)] == [bystander.id]
    del mine


async def test_without_texts_only_what_was_made_for_the_customer_goes(store: Store) -> None:
    [made] = await put(store, ({"user_id": "7"},))
    other = webhook(body=b'{"customer":"7"}')
    await store.receive(Reception(webhook=other))
    assert (await store.forget("7", [], now=NOW)).webhooks == 1
    assert await kept(store) == {other.id}
    del made


async def test_what_was_fetched_names_the_person_too(store: Store) -> None:
    hook = webhook(state=WebhookState.FETCHING)
    await store.receive(Reception(webhook=hook))
    answer = Fetched(name="order", url="https://example.org/7", answer=b'{"id":"u-815"}')
    await store.note_fetching(hook.id, Fetching(since=NOW, fetches=(answer,)))
    assert (await store.forget("u-815", ["u-815"], now=NOW)).webhooks == 1
    assert await store.fetching(hook.id) is None


async def test_what_is_on_its_way_is_left_whole_and_told(store: Store) -> None:
    [first] = await put(store, ({"user_id": "u"},))
    [second] = await put(store, ({"user_id": "u"},))
    [claim] = await claimed(store)
    forgotten = await store.forget("u", ["u"], now=NOW)
    assert (forgotten.webhooks, forgotten.left) == (1, (first.webhook_id,))
    assert await kept(store) == {first.webhook_id}
    await ended(store, claim, CommandState.UNKNOWN, due_at=after(60))
    assert (await store.forget("u", ["u"], now=NOW)).left == (first.webhook_id,)
    [lookup] = await store.recover(now=after(70), lease=after(60) - NOW)
    await ended(store, lookup, CommandState.DELIVERED, at=70)
    assert (await store.forget("u", ["u"], now=NOW)).webhooks == 1
    assert await kept(store) == set()
    del second


async def test_who_stood_behind_moves_up(store: Store) -> None:
    hook = webhook(body=b"ada@example.org")
    await store.receive(Reception(webhook=hook, commands=(command(hook),)))
    [behind] = await put(store, ({},))
    await store.forget("somebody", ["ada@example.org"], now=NOW)
    assert [claim.command.id for claim in await claimed(store, at=1)] == [behind.id]


async def test_keys_are_free_again(store: Store) -> None:
    once = Once(scope="shop/Welcome", key="ada@example.org")
    hook = webhook(dedup_key="7", body=b"u-815")
    await store.receive(Reception(webhook=hook, commands=(command(hook, user_id="u-815", once=once),)))
    forgotten = await store.forget("u-815", ["u-815"], now=NOW)
    assert forgotten.keys >= 2, "the dedup key and the once key"
    again = webhook(dedup_key="7")
    receipt = await store.receive(Reception(webhook=again, commands=(command(again, once=once),)))
    assert not receipt.duplicate
    assert [one.state for one in (await store.commands(CommandFilter())).items] == [CommandState.PENDING]


async def test_a_key_that_outlived_its_webhook_goes_too(store: Store) -> None:
    once = Once(scope="shop/Welcome", key="ada@example.org")
    hook = webhook()
    await store.receive(Reception(webhook=hook, commands=(command(hook, once=once),)))
    [claim] = await claimed(store)
    await ended(store, claim)
    month = after(30 * 86_400) - NOW
    await store.prune(now=after(31 * 86_400), default=month, by_source={})
    assert await kept(store) == set()
    assert (await store.forget("u-815", ["u-815", "ada@example.org"], now=NOW)).keys == 1


async def test_the_body_around_a_batch_goes_with_any_of_its_elements(store: Store) -> None:
    whole = b'[{"u":"u-815"},{"u":"u-816"}]'
    elements = [webhook(batch_id="b", batch=whole, body=body) for body in (b'{"u":"u-815"}', b'{"u":"u-816"}')]
    for element in elements:
        await store.receive(Reception(webhook=element))
    await store.forget("u-815", ["u-815"], now=NOW)
    assert await kept(store) == {elements[1].id}
    assert (await store.webhook(elements[1].id)).batch is None


async def test_quarantine_and_replays_are_searched(store: Store) -> None:
    limits = QuarantineLimits(count=9, bytes=10**6, source_count=9, source_bytes=10**6, since=NOW)
    for body in (b"from u-815", b"from u-816"):
        refused = webhook(state=WebhookState.QUARANTINED, reason="no", body=body)
        await store.quarantine([Quarantined(webhook=refused, cause="mismatch")], limits=limits)
    for id, asked in (("1", b'{"filter":{"user":"u-815"}}'), ("2", b'{"filter":{"user":"u-816"}}')):
        await store.begin_replay(Replay(id=id, began_at=NOW, asked=asked, total=0))
    forgotten = await store.forget("u-815", ["u-815"], now=NOW)
    assert (forgotten.quarantined, forgotten.replays, forgotten.webhooks) == (1, 1, 0)
    assert [one.count for one in await store.quarantine_counts()] == [1]
    assert [one.id for one in await store.replays()] == ["2"]
