"""Elements of a batch: each a row of its own, the body around them once for all."""

from __future__ import annotations

import asyncio

import msgspec

from gateway.store import Reception, Store, WebhookFilter
from tests.store.making import NOW, after, webhook


async def test_the_body_around_comes_back_with_each_element_and_not_in_lists(store: Store) -> None:
    elements = [webhook(batch_id="b", batch=b"[1,2]", parsed=True) for _ in range(3)]
    await asyncio.gather(*(store.receive(Reception(webhook=element)) for element in elements))
    await store.receive(Reception(webhook=webhook(batch_id="c")))
    for element in elements:
        assert (await store.webhook(element.id)).batch == b"[1,2]"
    listed = (await store.webhooks(WebhookFilter())).items
    assert [one.batch for one in listed] == [None] * 4
    assert sorted(str(one.batch_id) for one in listed) == ["b", "b", "b", "c"]


async def test_elements_that_come_later_find_it_there(store: Store) -> None:
    first, second = (webhook(batch_id="b", batch=b"[1,2]", dedup_key=key) for key in "xy")
    await store.receive(Reception(webhook=first))
    await store.receive(Reception(webhook=second))
    assert (await store.webhook(second.id)).batch == b"[1,2]"


async def test_repeats_alone_keep_no_body(store: Store) -> None:
    await store.receive(Reception(webhook=webhook(dedup_key="k")))
    repeat = webhook(dedup_key="k", batch_id="b", batch=b"[1]")
    assert (await store.receive(Reception(webhook=repeat))).duplicate
    later = webhook(batch_id="b", batch=b"[2]")
    await store.receive(Reception(webhook=later))
    assert (await store.webhook(later.id)).batch == b"[2]"


async def test_a_retranslation_changes_the_event_time_and_leaves_the_batch(store: Store) -> None:
    given = webhook(batch_id="b", batch=b"[1]", parsed=True, body=b"1", event_time=NOW)
    await store.receive(Reception(webhook=given))
    again = msgspec.structs.replace(given, event_time=after(9), batch=None, body=b"other")
    await store.retranslate(Reception(webhook=again), now=after(1))
    assert await store.webhook(given.id) == msgspec.structs.replace(given, event_time=after(9))
