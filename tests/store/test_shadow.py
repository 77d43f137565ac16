"""What shadow rules would have done otherwise: counted by rule, the newest listed, the rest let go."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.model import CommandState
from gateway.store import (
    SHADOW_KEPT,
    SHADOW_VERSIONS,
    DifferenceKind,
    ShadowCount,
    ShadowDifference,
    ShadowFilter,
    Store,
)
from tests.store.making import NOW, after, ended, one, received

ALL = ShadowFilter()


def difference(number: int = 0, **fields: Any) -> ShadowDifference:
    given = {
        "candidate": "cccc",
        "served": "aaaa",
        "at": NOW,
        "webhook_id": f"w{number}",
        "source": "shop",
        "rule": "Welcome",
        "command": "send_email",
        "kind": DifferenceKind.CHANGES,
        "paths": ("body.a", "not_before"),
    }
    return ShadowDifference(**(given | fields))


async def test_they_are_counted_by_rule_and_kind(store: Store) -> None:
    found = [
        difference(1),
        difference(2, kind=DifferenceKind.APPEARS, paths=()),
        difference(3, rule="Other", kind=DifferenceKind.VANISHES, paths=()),
    ]
    await store.note_shadow("cccc", {"shop": 4, "crm": 1}, found, now=NOW)
    await store.note_shadow("cccc", {"shop": 1}, [difference(4)], now=after(5))
    assert list(await store.shadow_counts()) == [
        ShadowCount(candidate="cccc", source="crm", rule="", webhooks=1, last_at=NOW),
        ShadowCount(candidate="cccc", source="shop", rule="", webhooks=5, last_at=after(5)),
        ShadowCount(candidate="cccc", source="shop", rule="Other", vanishes=1, last_at=NOW),
        ShadowCount(candidate="cccc", source="shop", rule="Welcome", appears=1, changes=2, last_at=after(5)),
    ]
    await store.note_shadow("dddd", {"shop": 1}, [], now=after(9))
    assert [count.candidate for count in await store.shadow_counts()] == ["dddd", *["cccc"] * 4]
    assert len(await store.shadow_counts(candidate="dddd")) == 1


async def test_they_are_listed_newest_first_and_filtered(store: Store) -> None:
    found = [
        difference(1),
        difference(2, kind=DifferenceKind.APPEARS, paths=()),
        difference(3, source="crm", rule="Other"),
        difference(4, candidate="dddd"),
    ]
    await store.note_shadow("cccc", {"shop": 4}, found, now=NOW)
    page = await store.shadow_differences(ALL, limit=3)
    assert list(page.items) == found[:0:-1]
    assert list((await store.shadow_differences(ALL, cursor=page.next)).items) == found[:1]
    for filter, expected in (
        (ShadowFilter(candidate="dddd"), [4]),
        (ShadowFilter(source="crm"), [3]),
        (ShadowFilter(rule="Welcome", candidate="cccc"), [2, 1]),
        (ShadowFilter(kind=DifferenceKind.APPEARS), [2]),
        (ShadowFilter(kind=DifferenceKind.VANISHES), []),
    ):
        items = (await store.shadow_differences(filter)).items
        assert [item.webhook_id for item in items] == [f"w{number}" for number in expected]


async def test_only_the_newest_are_kept(store: Store) -> None:
    for start in range(0, SHADOW_KEPT + 1000, 1000):
        many = [difference(number) for number in range(start, start + 1000)]
        await store.note_shadow("cccc", {"shop": 1000}, many, now=NOW)
    newest = (await store.shadow_differences(ALL, limit=1)).items[0]
    assert newest.webhook_id == f"w{SHADOW_KEPT + 999}"
    count, cursor = 0, None
    while True:
        page = await store.shadow_differences(ALL, limit=2000, cursor=cursor)
        count, cursor = count + len(page.items), page.next
        if cursor is None:
            break
    assert count == SHADOW_KEPT
    assert page.items[-1].webhook_id == "w1000"
    [_, rule] = await store.shadow_counts()
    assert rule.changes == SHADOW_KEPT + 1000, "what is let go was counted"


async def test_the_counts_of_old_candidates_are_let_go(store: Store) -> None:
    for number in range(SHADOW_VERSIONS + 2):
        await store.note_shadow(f"{number:04}", {"shop": 1}, [], now=after(number))
    kept = [count.candidate for count in await store.shadow_counts()]
    assert kept == [f"{number:04}" for number in range(SHADOW_VERSIONS + 1, 1, -1)]


async def test_they_go_with_their_webhook(store: Store) -> None:
    [made] = await received(store, {})
    await ended(store, await one(store), CommandState.DELIVERED)
    found = [difference(1), difference(webhook_id=made.webhook_id)]
    await store.note_shadow("cccc", {"shop": 2}, found, now=NOW)
    await store.prune(now=NOW + timedelta(days=2), default=timedelta(days=1), by_source={})
    assert list((await store.shadow_differences(ALL)).items) == found[:1]


@pytest.mark.parametrize("cursor", ["", "x"])
async def test_a_cursor_that_no_list_gave_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await store.shadow_differences(ALL, cursor=cursor)
