"""What thin webhooks point to: noted while it is fetched, kept with what became of the webhook."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.errors import Conflict
from gateway.model import CommandState, Fetched, Fetching, RulesVersion, Webhook, WebhookState
from gateway.store import Reception, Store, Unfetched
from tests.store.making import NOW, after, claimed, command, state_of, webhook

ORDER = Fetched(
    name="order",
    url="https://api.example.com/orders/7?key=$env.KEY",
    method="POST",
    digest="abc",
    status=200,
    at=after(1),
    attempts=2,
    answer=b'{"total":0.10,"id":12345678901234567890123456}',
)
CUSTOMER = Fetched(name="customer", url="https://api.example.com/customers/1", status=404, at=after(2), missing=True)


async def thin(store: Store, **fields: Any) -> Webhook:
    hook = webhook(**{"state": WebhookState.FETCHING, "rules_version": "v1", **fields})
    await store.receive(Reception(webhook=hook))
    return hook


async def test_how_far_it_has_come_is_kept_exactly(store: Store) -> None:
    hook = await thin(store)
    assert await store.fetching(hook.id) is None
    fetching = Fetching(since=NOW, due_at=after(60), fetches=(ORDER, CUSTOMER))
    assert await store.note_fetching(hook.id, fetching)
    assert await store.fetching(hook.id) == fetching
    assert (await store.webhook(hook.id)).state is WebhookState.FETCHING
    further = msgspec.structs.replace(fetching, due_at=None, fetches=(ORDER,))
    assert await store.note_fetching(hook.id, further)
    assert await store.fetching(hook.id) == further


async def test_what_is_to_be_fetched_is_found_again_oldest_first(store: Store) -> None:
    hooks = [await thin(store, source=f"s{number}") for number in range(5)]
    await thin(store, state=WebhookState.TRANSLATED)
    await store.note_fetching(hooks[1].id, Fetching(since=NOW, due_at=after(60)))
    first = await store.unfetched(limit=3)
    assert first.items == (
        Unfetched(id=hooks[0].id, source="s0"),
        Unfetched(id=hooks[1].id, source="s1", due_at=after(60)),
        Unfetched(id=hooks[2].id, source="s2"),
    )
    rest = await store.unfetched(limit=3, cursor=first.next)
    assert [one.id for one in rest.items] == [hook.id for hook in hooks[3:]]
    assert rest.next is None


async def test_given_up_it_says_why_and_is_fetched_no_more(store: Store) -> None:
    hook = await thin(store)
    done = Fetching(since=NOW, fetches=(msgspec.structs.replace(ORDER, answer=None, status=401, message="401"),))
    assert await store.note_fetching(hook.id, done, state=WebhookState.UNTRANSLATABLE, reason="order: 401")
    found = await store.webhook(hook.id)
    assert (found.state, found.reason) == (WebhookState.UNTRANSLATABLE, "order: 401")
    assert (await store.unfetched()).items == ()
    assert not await store.note_fetching(hook.id, Fetching(since=NOW)), "it is not fetching any more"
    assert await store.fetching(hook.id) == done


async def test_a_replay_makes_it_fetching_again_and_leaves_its_commands(store: Store) -> None:
    hook = webhook(reason="before")
    made = command(hook)
    await store.receive(Reception(webhook=hook, commands=(made,)))
    assert await store.note_fetching(hook.id, Fetching(since=after(5)), again=True)
    found = await store.webhook(hook.id)
    assert (found.state, found.reason) == (WebhookState.FETCHING, None)
    assert await state_of(store, made) is CommandState.PENDING
    assert not await store.note_fetching("0" * 32, Fetching(since=NOW), again=True)


async def test_commands_state_and_answers_are_written_together(store: Store) -> None:
    hook = await thin(store)
    made = command(hook)
    became = msgspec.structs.replace(hook, state=WebhookState.TRANSLATED, matched=(made.rule,), rules_version="v2")
    fetching = Fetching(since=NOW, fetches=(ORDER,))
    await store.retranslate(Reception(webhook=became, commands=(made,), fetching=fetching), now=after(3))
    assert await store.webhook(hook.id) == became
    assert await store.fetching(hook.id) == fetching
    assert [claim.command.id for claim in await claimed(store, at=3)] == [made.id]


async def test_what_cant_be_written_writes_nothing(store: Store) -> None:
    hook = await thin(store)
    became = msgspec.structs.replace(hook, state=WebhookState.TRANSLATED)
    twice = (command(hook), command(hook))
    reception = Reception(webhook=became, commands=twice, fetching=Fetching(since=NOW, fetches=(ORDER,)))
    with pytest.raises(Conflict, match="commands"):
        await store.retranslate(reception, now=NOW)
    assert (await store.webhook(hook.id)).state is WebhookState.FETCHING
    assert await store.fetching(hook.id) is None


async def test_a_dedup_key_is_claimed_before_anything_is_fetched(store: Store) -> None:
    hook = await thin(store, dedup_key="7")
    receipt = await store.receive(Reception(webhook=webhook(state=WebhookState.FETCHING, dedup_key="7")))
    assert (receipt.webhook_id, receipt.duplicate) == (hook.id, True)


async def test_it_counts_for_its_rules_once_when_it_is_translated(store: Store) -> None:
    for version in ("v1", "v2"):
        kept = RulesVersion(version=version, files={}, loaded_at=datetime(2026, 1, 1, tzinfo=UTC))
        await store.serve_rules(kept, [("shop", "A")], now=NOW)
    hook = await thin(store)
    assert (await store.rules_history("v1")).webhooks == {"shop": 0}
    became = msgspec.structs.replace(hook, state=WebhookState.TRANSLATED, matched=("A",), rules_version="v2")
    await store.retranslate(Reception(webhook=became, fetching=Fetching(since=NOW)), now=after(1))
    # A replay fetches again, later: that counts no more.
    await store.note_fetching(hook.id, Fetching(since=after(9)), again=True)
    await store.retranslate(Reception(webhook=became, fetching=Fetching(since=after(9))), now=after(10))
    history = await store.rules_history("v2")
    assert (history.webhooks, history.matches) == ({"shop": 1}, {("shop", "A"): 1})
    given_up = await thin(store)
    await store.note_fetching(given_up.id, Fetching(since=NOW), state=WebhookState.UNTRANSLATABLE, reason="401")
    assert (await store.rules_history("v1")).webhooks == {"shop": 1}
