"""Lists: newest first, page by page, every filter in the query."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.model import Command, CommandState, MappingProblem, Webhook, WebhookState
from gateway.store import CommandFilter, Page, Reception, Store, WebhookFilter
from tests.store.making import NOW, after, command, received, webhook

ALL = WebhookFilter()


async def hooks_with(store: Store, *given: dict[str, Any]) -> list[Webhook]:
    hooks = [webhook(**fields) for fields in given]
    for hook in hooks:
        await store.receive(Reception(webhook=hook))
    return hooks


async def test_newest_first_in_pages_that_stay_whole_while_new_ones_arrive(store: Store) -> None:
    old = await hooks_with(store, *({} for _ in range(7)))
    seen: list[str] = []
    page: Page[Webhook] = await store.webhooks(ALL, limit=3)
    while True:
        seen += [hook.id for hook in page.items]
        if page.next is None:
            break
        assert len(page.items) == 3
        await hooks_with(store, {})
        page = await store.webhooks(ALL, limit=3, cursor=page.next)
    assert seen == [hook.id for hook in reversed(old)]


async def test_a_page_that_holds_all_names_no_next_one(store: Store) -> None:
    assert await store.webhooks(ALL) == Page(items=())
    hooks = await hooks_with(store, {}, {})
    assert await store.webhooks(ALL, limit=2) == Page(items=(hooks[1], hooks[0]))


async def test_commands_in_pages(store: Store) -> None:
    made = await received(store, *({} for _ in range(5)))
    first = await store.commands(CommandFilter(), limit=2)
    second = await store.commands(CommandFilter(), limit=3, cursor=first.next)
    assert [item.id for item in first.items + second.items] == [given.id for given in reversed(made)]
    assert second.next is None


@pytest.mark.parametrize("cursor", ["", "x", "-1", "1e3", "١", "9" * 30])
async def test_a_cursor_that_no_list_gave_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await store.webhooks(ALL, cursor=cursor)


PROBLEM = MappingProblem(rule="b", message="nothing at $.id")
WEBHOOKS: list[dict[str, Any]] = [
    {},
    {
        "source": "crm",
        "state": WebhookState.UNTRANSLATABLE,
        "errors": (PROBLEM,),
        "event_type": "orders/create",
        "matched": ("b", 'a "b" c'),
        "rules_version": "bbbb",
        "received_at": after(60),
        "body": "Grüße, #1001".encode(),
        "dedup_key": "order 7\udc00",
    },
    {"source": "crm", "matched": ("a",), "received_at": after(120), "body": b"\xff\x00#1002", "event_type": "b"},
]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (WebhookFilter(source="crm"), [2, 1]),
        (WebhookFilter(source="c"), []),
        (WebhookFilter(state=WebhookState.UNTRANSLATABLE), [1]),
        (WebhookFilter(state=WebhookState.TRANSLATED), [2, 0]),
        (WebhookFilter(errors=True), [1]),
        (WebhookFilter(errors=False), [2, 0]),
        (WebhookFilter(event_type="orders/create"), [1]),
        (WebhookFilter(rule="b"), [1]),
        (WebhookFilter(rule='a "b" c'), [1]),
        (WebhookFilter(rule="a"), [2]),
        (WebhookFilter(rules_version="bbbb"), [1]),
        (WebhookFilter(user="u2"), [2]),
        (WebhookFilter(user="nobody"), []),
        (WebhookFilter(since=after(60)), [2, 1]),
        (WebhookFilter(until=after(60)), [0]),
        (WebhookFilter(since=after(1), until=after(61)), [1]),
        (WebhookFilter(text="Grüße"), [1]),
        (WebhookFilter(text="#100"), [2, 1]),
        (WebhookFilter(text="\x00#"), [2]),
        (WebhookFilter(text="order 7\udc00"), [1]),
        (WebhookFilter(text="%"), []),
        (WebhookFilter(source="crm", errors=False, text="1002", user="u2"), [2]),
    ],
)
async def test_webhooks_are_filtered(store: Store, filter: WebhookFilter, expected: list[int]) -> None:
    hooks = [webhook(**fields) for fields in WEBHOOKS]
    for number, hook in enumerate(hooks):
        await store.receive(Reception(webhook=hook, commands=(command(hook, user_id=f"u{number}"),)))
    page = await store.webhooks(filter)
    assert page.items == tuple(hooks[number] for number in expected)


COMMANDS: list[dict[str, Any]] = [
    {"due_at": NOW},
    {
        "source": "crm",
        "destination": "uk",
        "command": "identify",
        "action": "identify",
        "rule": "b",
        "user_id": "ABC/123",
        "state": CommandState.HELD,
        "reason": "settle it by hand",
        "created_at": after(60),
        "body": '{"email":"björn@example.org"}'.encode(),
    },
    {"rule": "c", "state": CommandState.SUPPRESSED, "created_at": after(120), "user_id": "\ud83d"},
]


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        (CommandFilter(state=CommandState.HELD), [1]),
        (CommandFilter(state=CommandState.PENDING), [0]),
        (CommandFilter(state=CommandState.DELIVERED), []),
        (CommandFilter(source="crm"), [1]),
        (CommandFilter(destination="default"), [2, 0]),
        (CommandFilter(command="identify"), [1]),
        (CommandFilter(rule="c"), [2]),
        (CommandFilter(user="ABC/123"), [1]),
        (CommandFilter(user="\ud83d"), [2]),
        (CommandFilter(since=after(60)), [2, 1]),
        (CommandFilter(until=after(60)), [0]),
        (CommandFilter(text="björn@"), [1]),
        (CommandFilter(text="by hand"), [1]),
        (CommandFilter(text="userId", destination="default", since=after(1)), [2]),
    ],
)
async def test_commands_are_filtered(store: Store, filter: CommandFilter, expected: list[int]) -> None:
    made: list[Command] = []
    for fields in COMMANDS:
        made += await received(store, fields)
    page = await store.commands(filter)
    assert page.items == tuple(made[number] for number in expected)


async def test_commands_of_one_webhook(store: Store) -> None:
    made = await received(store, {}, {})
    await received(store, {})
    page = await store.commands(CommandFilter(webhook=made[0].webhook_id))
    assert [item.id for item in page.items] == [made[1].id, made[0].id]
