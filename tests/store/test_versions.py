"""Versions of the rules: texts that are kept once, spans of being served, and counts of what met them."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from gateway.errors import NotFound
from gateway.model import RulesVersion
from gateway.store import Reception, Store
from tests.store.conftest import Opened
from tests.store.making import NOW, after, webhook

RULES = [("shop", "order"), ("shop", "parcel"), ("brands", "welcome")]


def version(name: str, *, at: float = 0, revision: str | None = None, text: str = "rules: []") -> RulesVersion:
    return RulesVersion(version=name, files={"shop.yaml": text}, loaded_at=after(at), revision=revision)


async def spans(store: Store, name: str) -> list[tuple[datetime, datetime | None]]:
    return [(span.since, span.until) for span in (await store.rules_history(name)).served]


async def took(store: Store, *matched: str, of: str = "aaaa", source: str = "shop", key: str | None = None) -> None:
    hook = webhook(source=source, rules_version=of, matched=matched, dedup_key=key)
    await store.receive(Reception(webhook=hook))


# -- texts --------------------------------------------------------------------------------------------------------


async def test_a_text_is_kept_once(store: Store) -> None:
    first = RulesVersion(version="aaaa", files={"shop.yaml": "rules: []\n# \x00"}, loaded_at=NOW, revision="abc123")
    second = RulesVersion(version="bbbb", files={"shop.yaml": "", "tables.csv": "ä"}, loaded_at=after(60))
    await store.remember_rules(first)
    await store.remember_rules(second)
    await store.remember_rules(RulesVersion(version="aaaa", files={}, loaded_at=after(99)))
    assert await store.rules_version("aaaa") == first
    assert await store.rules_version("bbbb") == second
    listed = [history.version for history in await store.rules_histories()]
    assert [(item.version, item.files, item.loaded_at, item.revision) for item in listed] == [
        ("bbbb", {}, after(60), None),
        ("aaaa", {}, NOW, "abc123"),
    ]


async def test_what_is_not_there_is_not_found(store: Store) -> None:
    for question in (store.rules_version, store.rules_history):
        with pytest.raises(NotFound, match="rules version cccc"):
            await question("cccc")


async def test_a_text_that_is_committed_later_gets_its_revision(store: Store) -> None:
    await store.serve_rules(version("aaaa", revision="abc123+dirty"), RULES, now=NOW)
    await store.serve_rules(version("aaaa", revision="def456"), RULES, now=after(1))
    await store.serve_rules(version("aaaa"), RULES, now=after(2))
    found = await store.rules_version("aaaa")
    assert (found.revision, found.loaded_at) == ("def456", NOW)


# -- spans --------------------------------------------------------------------------------------------------------


async def test_the_span_of_a_version_ends_when_another_takes_over(store: Store) -> None:
    await store.serve_rules(version("aaaa"), RULES, now=NOW)
    assert await spans(store, "aaaa") == [(NOW, None)]
    await store.serve_rules(version("bbbb"), RULES, now=after(10))
    await store.serve_rules(version("aaaa"), RULES, now=after(20))
    assert await spans(store, "aaaa") == [(NOW, after(10)), (after(20), None)]
    assert await spans(store, "bbbb") == [(after(10), after(20))]


async def test_a_version_that_goes_on_keeps_its_span_over_a_restart(opened: Opened) -> None:
    first = await opened()
    await first.serve_rules(version("aaaa"), RULES, now=NOW)
    await first.close()
    second = await opened()
    await second.serve_rules(version("aaaa", at=50), RULES, now=after(50))
    assert await spans(second, "aaaa") == [(NOW, None)]


async def test_a_clock_that_was_set_back_makes_no_span_of_negative_length(store: Store) -> None:
    await store.serve_rules(version("aaaa"), RULES, now=after(10))
    await store.serve_rules(version("bbbb"), RULES, now=NOW)
    assert await spans(store, "aaaa") == [(after(10), after(10))]
    assert await spans(store, "bbbb") == [(after(10), None)]


async def test_versions_are_listed_by_when_they_were_served_last(store: Store) -> None:
    await store.serve_rules(version("aaaa", at=0), RULES, now=NOW)
    await store.serve_rules(version("bbbb", at=1), RULES, now=after(1))
    await store.remember_rules(version("cccc", at=2))
    await store.serve_rules(version("aaaa", at=3), RULES, now=after(3))
    listed = await store.rules_histories()
    assert [(history.version.version, history.before) for history in listed] == [
        ("aaaa", "bbbb"),
        ("bbbb", "aaaa"),
        ("cccc", None),
    ]
    assert listed[2].served == ()
    assert [history.version.version for history in await store.rules_histories(limit=1)] == ["aaaa"]
    assert await store.rules_history("bbbb") == listed[1]


async def test_the_first_version_has_none_before_it(store: Store) -> None:
    await store.serve_rules(version("aaaa"), RULES, now=NOW)
    assert (await store.rules_history("aaaa")).before is None


# -- counts -------------------------------------------------------------------------------------------------------


async def test_a_version_knows_the_rules_that_nothing_met(store: Store) -> None:
    await store.serve_rules(version("aaaa"), RULES, now=NOW)
    history = await store.rules_history("aaaa")
    assert history.matches == dict.fromkeys(RULES, 0)
    assert history.webhooks == {"shop": 0, "brands": 0}


async def test_webhooks_and_matches_are_counted_by_version(store: Store) -> None:
    await store.serve_rules(version("aaaa"), RULES, now=NOW)
    await asyncio.gather(
        *(took(store, "order") for _ in range(70)),
        *(took(store, "order", "parcel") for _ in range(5)),
        *(took(store) for _ in range(3)),
        took(store, "welcome", source="brands"),
    )
    await store.serve_rules(version("bbbb"), RULES[1:], now=after(1))
    await took(store, "parcel", of="bbbb")
    await took(store, "order")  # was on its way when the rules changed
    expected: list[tuple[str, dict[str, int], dict[tuple[str, str], int]]] = [
        ("aaaa", {"shop": 79, "brands": 1}, {RULES[0]: 76, RULES[1]: 5, RULES[2]: 1}),
        ("bbbb", {"shop": 1, "brands": 0}, {RULES[1]: 1, RULES[2]: 0}),
    ]
    for name, webhooks, matches in expected:
        history = await store.rules_history(name)
        assert (history.webhooks, history.matches) == (webhooks, matches)
    # Another span of a version goes on counting where the last one ended.
    await store.serve_rules(version("aaaa"), RULES, now=after(2))
    await took(store, "order")
    assert (await store.rules_history("aaaa")).matches[RULES[0]] == 77


async def test_a_repeat_and_a_replay_do_not_count(store: Store) -> None:
    await store.serve_rules(version("aaaa"), RULES, now=NOW)
    hook = webhook(rules_version="aaaa", matched=("order",), dedup_key="1")
    await store.receive(Reception(webhook=hook))
    await took(store, "order", key="1")
    await store.retranslate(Reception(webhook=hook), now=after(1))
    history = await store.rules_history("aaaa")
    assert (history.webhooks["shop"], history.matches["shop", "order"]) == (1, 1)


async def test_what_is_not_stored_is_not_counted(store: Store) -> None:
    """Of a commit that fails for one of its webhooks the others are stored, and counted once."""
    first = webhook(rules_version="aaaa", matched=("order",))
    await store.receive(Reception(webhook=first))
    others = [webhook(rules_version="aaaa", matched=("order",)) for _ in range(8)]
    answers = await asyncio.gather(
        *(store.receive(Reception(webhook=hook)) for hook in (*others[:4], first, *others[4:])), return_exceptions=True
    )
    assert [isinstance(answer, Exception) for answer in answers] == [False] * 4 + [True] + [False] * 4
    await store.remember_rules(version("aaaa"))
    history = await store.rules_history("aaaa")
    assert (history.webhooks, history.matches) == ({"shop": 9}, {("shop", "order"): 9})


async def test_counts_outlive_the_process(opened: Opened) -> None:
    first = await opened()
    await first.serve_rules(version("aaaa"), RULES, now=NOW)
    await took(first, "order")
    await first.close()
    second = await opened(serving=False)
    assert (await second.rules_history("aaaa")).matches["shop", "order"] == 1
