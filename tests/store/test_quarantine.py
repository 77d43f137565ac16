"""Quarantine: within its limits, never another's share, and what leaves it leaves once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from gateway.errors import NotFound
from gateway.model import CommandState, Webhook, WebhookState
from gateway.store import (
    CommandFilter,
    Pruned,
    QuarantineCount,
    Quarantined,
    QuarantineLimits,
    Reception,
    Store,
    WebhookFilter,
    quarantined_size,
)
from tests.store.conftest import Opened
from tests.store.making import NOW, after, command, webhook

DAY = 86_400.0
QUARANTINED = WebhookFilter(state=WebhookState.QUARANTINED)
ODD = "a\x00b \ud83d \u0131"
"""A NUL, half an emoji, and a letter that has no latin-1."""


def limits(**fields: Any) -> QuarantineLimits:
    wide = {"count": 100, "bytes": 10**9, "source_count": 100, "source_bytes": 10**9, "since": after(-7 * DAY)}
    return QuarantineLimits(**(wide | fields))


def refused(cause: str = "mismatch", **fields: Any) -> Quarantined:
    """A request in quarantine; ``fields`` are its own or its webhook's."""
    own = {name: fields.pop(name) for name in Quarantined.__struct_fields__ if name in fields}
    given = {"state": WebhookState.QUARANTINED, "reason": "the signature does not match"} | fields
    return Quarantined(webhook=webhook(**given), cause=cause, **own)


async def kept(store: Store, *requests: Quarantined, **fields: Any) -> int:
    return await store.quarantine(requests, limits=limits(**fields))


async def there(store: Store, source: str | None = None) -> list[Webhook]:
    page = await store.webhooks(WebhookFilter(state=WebhookState.QUARANTINED, source=source), limit=500)
    return list(page.items)


async def test_a_request_is_kept_as_it_is_and_is_no_webhook(store: Store) -> None:
    request = refused(
        cause="body_changed",
        findings=("it matches without its last newline", ODD),
        lacking=f"too large {ODD}",
        client="2001:db8::1",
        proxied=True,
        method="PUT",
        path="a%2Fb",
        query=f"q={ODD}",
        headers=(("x-signature", "ab\xff"), ("x-signature", ODD)),
        body=b"\x00\xff{}",
        reason=f"why {ODD}",
        rules_version="v1",
    )
    assert await kept(store, request) == 0
    assert await store.quarantined(request.webhook.id) == request
    assert await store.webhook(request.webhook.id) == request.webhook
    assert await there(store) == [request.webhook]
    assert (await store.webhooks(WebhookFilter())).items == ()
    assert (await store.webhooks(WebhookFilter(source="shop", since=after(-1)))).items == ()
    with pytest.raises(NotFound):
        await store.retranslate(Reception(webhook=request.webhook), now=NOW)


async def test_what_was_never_there_is_not_found(store: Store) -> None:
    await store.receive(Reception(webhook=(stored := webhook())))
    for id in (stored.id, "0" * 32):
        with pytest.raises(NotFound):
            await store.quarantined(id)
        with pytest.raises(NotFound):
            await store.release(id, None)
        assert not await store.still_quarantined(id, reason="r", cause="c", findings=(), rules_version="v")


async def test_one_that_is_there_already_stays_as_it_is(store: Store) -> None:
    request = refused()
    await kept(store, request)
    await kept(store, refused(id=request.webhook.id, reason="another"))
    assert await store.quarantined(request.webhook.id) == request


async def test_they_are_listed_newest_first_in_pages(store: Store) -> None:
    requests = [refused(received_at=after(number)) for number in range(5)]
    await kept(store, *requests)
    first = await store.webhooks(QUARANTINED, limit=3)
    second = await store.webhooks(QUARANTINED, limit=3, cursor=first.next)
    assert [*first.items, *second.items] == [request.webhook for request in reversed(requests)]
    assert second.next is None


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({"source": "desk"}, [1]),
        ({"since": after(1)}, [2, 1]),
        ({"until": after(1)}, [0]),
        ({"rules_version": "v1"}, [0]),
        ({"text": "needle"}, [2, 1]),
        ({"errors": False}, [2, 1, 0]),
        ({"errors": True}, []),
        ({"event_type": "order"}, []),
        ({"rule": "Welcome"}, []),
        ({"user": "7"}, []),
    ],
)
async def test_they_are_filtered(store: Store, filter: dict[str, Any], expected: list[int]) -> None:
    requests = [
        refused(rules_version="v1"),
        refused(source="desk", received_at=after(1), body=b"a needle here"),
        refused(received_at=after(2), reason="a needle in the reason"),
    ]
    await kept(store, *requests)
    found = await store.webhooks(WebhookFilter(state=WebhookState.QUARANTINED, **filter))
    assert [one.id for one in found.items] == [requests[number].webhook.id for number in expected]


async def test_they_are_counted_by_source_and_cause(store: Store) -> None:
    assert list(await store.quarantine_counts()) == []
    requests = [
        refused(source="shop", cause="timestamp", body=b"x" * 100),
        refused(source="shop", cause="timestamp", received_at=after(-5)),
        refused(source="shop", cause="absent"),
        refused(source="desk", cause="absent", headers=(("name", "value"),)),
    ]
    await kept(store, *requests)
    sizes = [quarantined_size(request.webhook) for request in requests]
    assert sizes == [612, 512, 512, 521]
    assert list(await store.quarantine_counts()) == [
        QuarantineCount(source="desk", cause="absent", count=1, bytes=521, oldest=NOW),
        QuarantineCount(source="shop", cause="absent", count=1, bytes=512, oldest=NOW),
        QuarantineCount(source="shop", cause="timestamp", count=2, bytes=1124, oldest=after(-5)),
    ]


# -- limits -------------------------------------------------------------------------------------------------------


async def test_a_flooded_source_loses_its_own_oldest_and_no_other_anything(store: Store) -> None:
    quiet = [refused(source="desk") for _ in range(3)]
    await kept(store, *quiet)
    share = {"count": 10, "source_count": 5}
    flood = [refused(source="shop") for _ in range(40)]
    assert await kept(store, *flood[:20], **share) == 15
    assert await kept(store, *flood[20:], **share) == 20
    assert [one.id for one in await there(store, "shop")] == [one.webhook.id for one in reversed(flood[-5:])]
    assert await there(store, "desk") == [one.webhook for one in reversed(quiet)]


async def test_the_bytes_of_a_source_are_limited_too(store: Store) -> None:
    quiet = refused(source="desk", body=b"x" * 3000)
    requests = [refused(body=b"x" * (2000 - 512)) for _ in range(4)]
    await kept(store, quiet)
    assert await kept(store, *requests, source_bytes=5000) == 2
    assert [one.id for one in await there(store, "shop")] == [requests[3].webhook.id, requests[2].webhook.id]
    assert await there(store, "desk") == [quiet.webhook]


@pytest.mark.parametrize("total", [{"count": 4}, {"bytes": 4 * 512}])
async def test_all_together_are_limited_and_shared_out_in_rounds(store: Store, total: dict[str, int]) -> None:
    large = [refused(source="gone") for _ in range(5)]
    small = [refused(source="shop") for _ in range(2)]
    one = refused(source="desk")
    await kept(store, *large, *small, one)
    assert await kept(store, **total) == 4
    # The newest of each of three; of the second round the newer one.
    assert {found.id for found in await there(store)} == {
        large[4].webhook.id,
        small[1].webhook.id,
        small[0].webhook.id,
        one.webhook.id,
    }


async def test_what_is_older_than_the_limit_goes_with_the_next_write(store: Store) -> None:
    old, young = refused(received_at=after(-10)), refused(received_at=after(-9))
    await kept(store, old, young)
    assert await kept(store, since=after(-9)) == 1
    assert await there(store) == [young.webhook]


async def test_prune_takes_what_is_older_than_its_time_or_its_sources(store: Store) -> None:
    await kept(store, refused(), refused(source="desk"), refused(received_at=after(DAY)))

    async def pruned(at: float, quarantined: timedelta | None, **more: Any) -> Pruned:
        by_source = {"desk": timedelta(days=2)}
        month = timedelta(days=30)
        return await store.prune(now=after(at), default=month, by_source=by_source, quarantined=quarantined, **more)

    week = timedelta(days=7)
    assert await pruned(400 * DAY, None) == Pruned()
    assert await pruned(2 * DAY, week) == Pruned()
    assert await pruned(2 * DAY + 1, week, dry_run=True) == Pruned(quarantined=1)
    assert await pruned(2 * DAY + 1, week) == Pruned(quarantined=1)
    assert await pruned(7 * DAY, week) == Pruned()
    assert await pruned(7 * DAY + 1, week) == Pruned(quarantined=1)
    assert len(await there(store)) == 1
    # The retention of webhooks, where that is the shorter one.
    assert await pruned(32 * DAY, timedelta(days=90)) == Pruned(quarantined=1)


async def test_what_is_kept_outlives_a_restart(opened: Opened) -> None:
    store = await opened()
    request = refused(body=b"{}", findings=("one",))
    await kept(store, request)
    await store.close()
    again = await opened()
    assert await again.quarantined(request.webhook.id) == request


# -- leaving ------------------------------------------------------------------------------------------------------


def reception_of(request: Quarantined, *, key: str | None = "k", until: datetime | None = None) -> Reception:
    made = webhook(id=request.webhook.id, received_at=request.webhook.received_at, dedup_key=key)
    return Reception(webhook=made, commands=(command(made),), dedup_until=until)


async def test_what_is_released_is_a_webhook_with_its_commands(store: Store) -> None:
    request = refused()
    await kept(store, request)
    reception = reception_of(request)
    receipt = await store.release(request.webhook.id, reception)
    assert receipt is not None
    assert (receipt.webhook_id, receipt.duplicate) == (request.webhook.id, False)
    assert await store.webhook(request.webhook.id) == reception.webhook
    assert [made.state for made in (await store.commands(CommandFilter())).items] == [CommandState.PENDING]
    assert await there(store) == []
    assert list(await store.quarantine_counts()) == []
    with pytest.raises(NotFound):
        await store.release(request.webhook.id, reception)
    assert len((await store.webhooks(WebhookFilter())).items) == 1


async def test_what_is_known_by_its_key_leaves_and_makes_nothing(store: Store) -> None:
    """Its key is looked at as of the release, not of the receipt: what came later and was taken first is the first."""
    request = refused(received_at=after(-60))
    first = webhook(dedup_key="k")
    await store.receive(Reception(webhook=first, dedup_until=after(3600)))
    await kept(store, request)
    receipt = await store.release(request.webhook.id, reception_of(request, until=after(7200)))
    assert receipt is not None
    assert (receipt.webhook_id, receipt.duplicate) == (first.id, True)
    assert (await store.webhook(first.id)).repeats == 1
    assert (await store.commands(CommandFilter())).items == ()
    assert await there(store) == []


async def test_the_sender_s_repeat_of_a_released_one_is_known(store: Store) -> None:
    request = refused()
    await kept(store, request)
    await store.release(request.webhook.id, reception_of(request))
    repeat = webhook(dedup_key="k", received_at=after(60))
    receipt = await store.receive(Reception(webhook=repeat))
    assert (receipt.webhook_id, receipt.duplicate) == (request.webhook.id, True)


async def test_several_repeats_in_quarantine_become_one(store: Store) -> None:
    requests = [refused() for _ in range(5)]
    await kept(store, *requests)
    receipts = await asyncio.gather(*(store.release(one.webhook.id, reception_of(one)) for one in requests))
    assert sorted(receipt.duplicate for receipt in receipts if receipt is not None) == [False, True, True, True, True]
    assert len((await store.webhooks(WebhookFilter())).items) == 1
    assert len((await store.commands(CommandFilter())).items) == 1
    assert await there(store) == []


async def test_one_that_two_release_at_once_is_released_once(store: Store) -> None:
    request = refused()
    await kept(store, request)
    releases = [store.release(request.webhook.id, reception_of(request, key=None)) for _ in range(2)]
    results = await asyncio.gather(*releases, return_exceptions=True)
    assert sum(isinstance(result, NotFound) for result in results) == 1
    assert len((await store.commands(CommandFilter())).items) == 1


async def test_one_may_leave_and_become_nothing(store: Store) -> None:
    request, other = refused(), refused()
    await kept(store, request, other)
    assert await store.release(request.webhook.id, None) is None
    assert await there(store) == [other.webhook]
    assert (await store.webhooks(WebhookFilter())).items == ()


async def test_what_stays_has_the_new_reason(store: Store) -> None:
    request = refused(body=b"{}", lacking=None)
    await kept(store, request)
    assert await store.still_quarantined(
        request.webhook.id, reason=f"other {ODD}", cause="timestamp", findings=(ODD,), rules_version="v2"
    )
    found = await store.quarantined(request.webhook.id)
    assert found.webhook.reason == f"other {ODD}"
    assert (found.cause, found.findings, found.webhook.rules_version) == ("timestamp", (ODD,), "v2")
    assert found.webhook.body == b"{}"


async def test_a_key_is_made_once(opened: Opened) -> None:
    store = await opened()
    key, again, other = await store.key("quarantine"), await store.key("quarantine"), await store.key("other")
    assert len(key) == 32
    assert again == key
    assert other != key
    beside = await opened(serving=False)
    assert await beside.key("quarantine") == key


async def test_they_are_counted_and_grouped_like_any_list(store: Store) -> None:
    requests = [refused(reason=f"its time is {moment}") for moment in ("2026-01-01", "2026-01-02")]
    await kept(store, *requests, refused(source="crm"))
    assert await store.count(QUARANTINED) == 3
    assert await store.count(WebhookFilter(state=WebhookState.QUARANTINED, user="u")) == 0
    first, *_ = await store.causes(QUARANTINED)
    assert (first.source, first.cause, first.count) == ("shop", "its time is …", 2)
    assert first.example == requests[-1].webhook.id
    assert await store.walk(QUARANTINED) == []
