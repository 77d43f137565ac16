"""Lists: newest first, page by page, every filter in the query."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.model import Command, CommandState, MappingProblem, Webhook, WebhookState
from gateway.store import Cause, CommandFilter, Page, Reception, Store, WebhookFilter
from gateway.store.causes import words
from tests.store.making import NOW, after, command, ended, one, received, webhook

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
        (WebhookFilter(command_state=CommandState.HELD), [1]),
        (WebhookFilter(command_state=CommandState.PENDING), [2, 0]),
        (WebhookFilter(command_state=CommandState.FAILED), []),
    ],
)
async def test_webhooks_are_filtered(store: Store, filter: WebhookFilter, expected: list[int]) -> None:
    hooks = [webhook(**fields) for fields in WEBHOOKS]
    for number, hook in enumerate(hooks):
        state = CommandState.HELD if number == 1 else CommandState.PENDING
        await store.receive(Reception(webhook=hook, commands=(command(hook, user_id=f"u{number}", state=state),)))
    page = await store.webhooks(filter)
    assert page.items == tuple(hooks[number] for number in expected)
    assert await store.count(filter) == len(expected)
    walked = await store.walk(filter)
    assert [hook for _, hook in walked] == [hooks[number] for number in reversed(expected)]


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
    assert await store.count(filter) == len(expected)


async def test_commands_of_one_webhook(store: Store) -> None:
    made = await received(store, {}, {})
    await received(store, {})
    page = await store.commands(CommandFilter(webhook=made[0].webhook_id))
    assert [item.id for item in page.items] == [made[1].id, made[0].id]


async def test_commands_are_filtered_by_what_is_known_of_their_webhook(store: Store) -> None:
    made = await received(store, {}, event_type="orders/create", rules_version="bbbb")
    await received(store, {}, rules_version="cccc")
    for filter in (CommandFilter(event_type="orders/create"), CommandFilter(rules_version="bbbb")):
        assert [item.id for item in (await store.commands(filter)).items] == [made[0].id]
        assert await store.count(filter) == 1
    assert (await store.commands(CommandFilter(event_type="x"))).items == ()


async def test_a_walk_goes_on_behind_any_of_its_webhooks(store: Store) -> None:
    hooks = await hooks_with(store, *({"state": WebhookState.UNMATCHED} for _ in range(4)))
    filter = WebhookFilter(state=WebhookState.UNMATCHED)
    first = await store.walk(filter, limit=3)
    assert [hook for _, hook in first] == hooks[:3]
    assert [hook for _, hook in await store.walk(filter, after=first[1][0])] == hooks[2:]
    # What was walked over may leave the filter, and others come: none comes twice, none is left out.
    for cursor, _ in first:
        assert cursor
    became = msgspec.structs.replace(hooks[0], state=WebhookState.TRANSLATED)
    await store.retranslate(Reception(webhook=became), now=NOW)
    new = await hooks_with(store, {"state": WebhookState.UNMATCHED})
    rest = await store.walk(filter, after=first[-1][0])
    assert [hook for _, hook in rest] == [hooks[3], *new]
    assert await store.walk(filter, after=rest[-1][0]) == []


@pytest.mark.parametrize("cursor", ["", "x", "-1", "9" * 30])
async def test_a_cursor_that_no_walk_gave_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await store.walk(ALL, after=cursor)


async def test_webhooks_by_cause(store: Store) -> None:
    def failed(order: int) -> dict[str, Any]:
        problem = MappingProblem(rule="b", message=f"userId is nothing: $.user is '{order}'")
        return {"state": WebhookState.UNTRANSLATABLE, "errors": (problem, PROBLEM)}

    hooks = await hooks_with(
        store,
        failed(1),
        {"state": WebhookState.UNMATCHED, "source": "crm"},
        failed(2),
        {"state": WebhookState.UNPARSEABLE, "reason": "no JSON at byte 12345"},
        {"state": WebhookState.UNMATCHED, "source": "crm", "received_at": after(5)},
        failed(3),
    )
    causes = await store.causes(ALL)
    assert causes == [
        Cause(
            state="untranslatable",
            source="shop",
            rule="b",
            cause="userId is nothing: $.user is …",
            count=3,
            example=hooks[5].id,
            newest=NOW,
        ),
        Cause(state="unmatched", source="crm", rule="", cause="", count=2, example=hooks[4].id, newest=after(5)),
        Cause(
            state="unparseable",
            source="shop",
            rule="",
            cause="no JSON at byte …",
            count=1,
            example=hooks[3].id,
            newest=NOW,
        ),
    ]
    assert await store.causes(ALL, limit=1) == causes[:1]
    assert await store.causes(WebhookFilter(source="crm")) == causes[1:2]
    assert await store.causes(WebhookFilter(source="none")) == []


async def test_commands_by_cause(store: Store) -> None:
    for event in ("0198-aa", "0199-bb"):
        await received(store, {"user_id": event})
        await ended(store, await one(store), CommandState.FAILED, reason=f"400: asset '{event}' of event {event}")
    [other] = await received(store, {"rule": "x", "body": b"sought"})
    causes = await store.causes(CommandFilter())
    assert [(cause.state, cause.rule, cause.cause, cause.count) for cause in causes] == [
        ("failed", "Order confirmation", "400: asset … of event …", 2),
        ("pending", "x", "", 1),
    ]
    [found] = await store.causes(CommandFilter(text="sought"))
    assert (found.example, found.newest) == (other.id, NOW)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("", ""),
        ("Intilery answered 400: userId must not be empty", "Intilery answered 400: userId must not be empty"),
        ("it expires at 2026-03-01T12:00:00.123Z", "it expires at …"),
        ("destination is text 'uk', known: 'de'", "destination is text …, known: …"),
        ("x" * 400, "x" * 300),
    ],
)
def test_a_cause_is_a_reason_without_what_varies(reason: str, cause: str) -> None:
    assert words(reason) == cause
