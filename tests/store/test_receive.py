"""A webhook, its commands and its dedup key are written together or not at all."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.errors import Conflict, NotFound, StoreUnavailable
from gateway.model import CommandState, MappingProblem, OnUnknown, WebhookState
from gateway.store import CommandFilter, Receipt, Reception, Store, WebhookFilter
from tests.store.conftest import Opened
from tests.store.making import NOW, after, claimed, command, received, state_of, webhook

EVERYTHING = WebhookFilter()


async def test_a_webhook_comes_back_as_it_was_given(store: Store) -> None:
    given = webhook(
        source="shop",
        method="PUT",
        path="eu/7",
        query="a=1&a=2",
        headers=(("x-topic", "orders/create"), ("x-topic", "twice"), ("x-empty", "")),
        body=bytes(range(256)),
        errors=(MappingProblem(rule="r", field="userId", path="$.id", message="nothing there", element="3"),),
        reason="why",
        matched=("Order confirmation", 'with "quotes"'),
        dedup_key="orders/create\x1f1",
        event_type="orders/create",
        event_time=after(-60.5),
        parsed=True,
        batch_id="b",
        batch=b'[{"n":1}]',
        rules_version="0123456789ab",
        repeats=2,
    )
    assert await store.receive(Reception(webhook=given)) == Receipt(given.id)
    assert await store.webhook(given.id) == given


async def test_a_command_comes_back_as_it_was_given(store: Store) -> None:
    hook = webhook()
    given = command(
        hook,
        element="a",
        body=b'{"n":12345678901234567890123456}',
        state=CommandState.HELD,
        reason="a person decides",
        not_before=after(5),
        expires_at=after(50),
        on_unknown=OnUnknown.VERIFY,
        priority=-3,
    )
    await store.receive(Reception(webhook=hook, commands=(given,)))
    assert await store.command(given.id) == given


@pytest.mark.parametrize("text", ["\x00 in the middle", "half an emoji: \ud83d", "Grüße 🎉", "'; DROP TABLE webhooks"])
async def test_text_of_senders_is_kept_whatever_it_is(store: Store, text: str) -> None:
    problem = MappingProblem(rule="r", message=f"found {text}", element=text)
    given = webhook(
        path=text,
        query=text,
        headers=(("x", text),),
        reason=text,
        dedup_key=text,
        event_type=text,
        errors=(problem,),
    )
    made = command(given, element=text, user_id=text, state=CommandState.HELD, reason=text)
    receipt = await store.receive(Reception(webhook=given, commands=(made,)))
    assert await store.webhook(given.id) == given
    assert await store.command(made.id) == made
    assert await store.receive(Reception(webhook=webhook(dedup_key=text))) == Receipt(receipt.webhook_id, True)
    assert (await store.commands(CommandFilter(user=text))).items == (made,)


async def test_what_was_never_stored_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match=r"webhook nowhere"):
        await store.webhook("nowhere")
    with pytest.raises(NotFound, match=r"command nowhere"):
        await store.command("nowhere")
    assert await store.attempts("nowhere") == []


async def test_a_taken_key_counts_a_repeat_and_writes_nothing_else(store: Store) -> None:
    first = webhook(dedup_key="7")
    assert await store.receive(Reception(webhook=first, dedup_until=after(3600))) == Receipt(first.id)
    for at in (1, 2):
        again = webhook(dedup_key="7", received_at=after(at))
        receipt = await store.receive(Reception(webhook=again, commands=(command(again),)))
        assert receipt == Receipt(first.id, duplicate=True)
        with pytest.raises(NotFound):
            await store.webhook(again.id)
    assert (await store.webhook(first.id)).repeats == 2
    assert (await store.commands(CommandFilter())).items == ()


async def test_a_key_answers_for_its_source_only(store: Store) -> None:
    for source in ("shop", "crm"):
        assert not (await store.receive(Reception(webhook=webhook(source=source, dedup_key="7")))).duplicate


async def test_a_key_answers_until_its_moment(store: Store) -> None:
    first, late, later = (webhook(dedup_key="7", received_at=after(at)) for at in (0, 60, 90))
    await store.receive(Reception(webhook=first, dedup_until=after(60)))
    almost = webhook(dedup_key="7", received_at=after(60) - timedelta(microseconds=1))
    assert await store.receive(Reception(webhook=almost)) == Receipt(first.id, duplicate=True)
    assert await store.receive(Reception(webhook=late, dedup_until=after(120))) == Receipt(late.id)
    assert await store.receive(Reception(webhook=later)) == Receipt(late.id, duplicate=True)


async def test_a_key_without_an_end_answers_as_long_as_it_is_kept(store: Store) -> None:
    first = webhook(dedup_key="7")
    await store.receive(Reception(webhook=first))
    years_later = webhook(dedup_key="7", received_at=NOW + timedelta(days=4000))
    assert await store.receive(Reception(webhook=years_later)) == Receipt(first.id, duplicate=True)


async def test_without_a_key_nothing_is_claimed(store: Store) -> None:
    for _ in range(2):
        assert not (await store.receive(Reception(webhook=webhook()))).duplicate
    assert len((await store.webhooks(EVERYTHING)).items) == 2


async def test_a_thousand_at_once_with_one_key_are_one_and_its_repeats(store: Store) -> None:
    hooks = [webhook(dedup_key="7") for _ in range(1000)]
    receipts = await asyncio.gather(
        *(store.receive(Reception(webhook=hook, commands=(command(hook),))) for hook in hooks)
    )
    (accepted,) = [receipt for receipt in receipts if not receipt.duplicate]
    assert {receipt.webhook_id for receipt in receipts} == {accepted.webhook_id}
    assert (await store.webhook(accepted.webhook_id)).repeats == 999
    assert len((await store.commands(CommandFilter())).items) == 1


async def test_many_at_once_are_all_written(store: Store) -> None:
    hooks = [webhook(dedup_key=str(number)) for number in range(700)]
    made = {hook.id: [command(hook, element=str(n), user_id=f"{n}") for n in range(3)] for hook in hooks}
    await asyncio.gather(*(store.receive(Reception(webhook=hook, commands=tuple(made[hook.id]))) for hook in hooks))
    assert {hook.id for hook in (await store.webhooks(EVERYTHING, limit=1000)).items} == set(made)
    for hook in hooks[::100]:
        found = (await store.commands(CommandFilter(webhook=hook.id))).items
        assert [item.id for item in reversed(found)] == [given.id for given in made[hook.id]]


async def test_one_that_cannot_be_written_fails_alone(store: Store) -> None:
    there = webhook()
    await store.receive(Reception(webhook=there))
    good = [webhook(dedup_key=str(number)) for number in range(50)]
    poisoned = webhook(id=there.id, dedup_key="poisoned")
    batch = [*good[:20], poisoned, *good[20:]]
    results = await asyncio.gather(
        *(store.receive(Reception(webhook=hook, commands=(command(hook, user_id="u"),))) for hook in batch),
        return_exceptions=True,
    )
    assert isinstance(results.pop(20), Conflict)
    assert results == [Receipt(hook.id) for hook in good]
    for hook in good:
        assert len((await store.commands(CommandFilter(webhook=hook.id))).items) == 1
    # Neither its commands nor its key were kept.
    assert (await store.commands(CommandFilter(webhook=there.id))).items == ()
    assert not (await store.receive(Reception(webhook=webhook(dedup_key="poisoned")))).duplicate


async def test_a_command_that_cannot_be_written_takes_its_webhook_and_key_with_it(store: Store) -> None:
    (there,) = await received(store, {})
    hook = webhook(dedup_key="7")
    with pytest.raises(Conflict):
        await store.receive(Reception(webhook=hook, commands=(command(hook), command(hook, id=there.id))))
    with pytest.raises(NotFound):
        await store.webhook(hook.id)
    assert not (await store.receive(Reception(webhook=hook))).duplicate


async def test_a_new_command_cannot_be_on_its_way(store: Store) -> None:
    with pytest.raises(ValueError, match="can't begin as delivering"):
        await received(store, {"state": CommandState.DELIVERING})


async def test_a_moment_without_a_zone_is_refused(store: Store) -> None:
    with pytest.raises(TypeError):
        await store.receive(Reception(webhook=webhook(received_at=NOW.replace(tzinfo=None))))


async def test_a_commit_goes_on_when_its_caller_is_cancelled(store: Store) -> None:
    for turns in range(4):
        hook = webhook(dedup_key=f"{turns}")
        task = asyncio.create_task(store.receive(Reception(webhook=hook, commands=(command(hook),))))
        for _ in range(turns + 1):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await store.receive(Reception(webhook=webhook()))  # what came before is on disk when this is
        assert await store.webhook(hook.id) == hook


async def test_what_was_acknowledged_is_there_after_closing(opened: Opened) -> None:
    store = await opened()
    hooks = [webhook() for _ in range(100)]
    waiting = [asyncio.create_task(store.receive(Reception(webhook=hook))) for hook in hooks]
    await asyncio.sleep(0)
    await store.close()
    assert [receipt.webhook_id for receipt in await asyncio.gather(*waiting)] == [hook.id for hook in hooks]
    again = await opened()
    assert len((await again.webhooks(EVERYTHING, limit=1000)).items) == 100


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.check()
    await store.close()
    await store.close()
    for refused in (
        store.check(),
        store.receive(Reception(webhook=webhook())),
        store.claim("default", limit=1, lease=timedelta(seconds=1), now=NOW),
        store.webhooks(EVERYTHING),
        store.webhook("x"),
    ):
        with pytest.raises(StoreUnavailable, match="closed"):
            await refused


async def test_a_webhook_that_made_nothing_is_kept_with_its_reason(store: Store) -> None:
    given = webhook(state=WebhookState.UNPARSEABLE, reason="not JSON: line 1")
    await store.receive(Reception(webhook=given))
    assert await store.webhook(given.id) == given
    assert await claimed(store) == []


async def test_a_state_that_is_final_from_the_start_never_leaves(store: Store) -> None:
    finals = (CommandState.SUPPRESSED, CommandState.DRY_RUN, CommandState.HELD, CommandState.EXPIRED)
    made = await received(store, *({"state": state, "user_id": state.value} for state in finals))
    assert await claimed(store, at=1e6) == []
    assert [await state_of(store, given) for given in made] == list(finals)


async def test_pending_is_due_at_once_and_keeps_a_moment_that_it_is_given(store: Store) -> None:
    at_once, later = await received(store, {"user_id": "a"}, {"user_id": "b", "due_at": after(10)})
    assert (await store.command(at_once.id)).due_at == NOW
    assert await store.command(later.id) == later
    assert [claim.command.id for claim in await claimed(store)] == [at_once.id]
    assert [claim.command.id for claim in await claimed(store, at=10)] == [later.id]


async def test_a_reader_beside_a_serving_store_sees_what_is_committed(opened: Opened) -> None:
    store = await opened()
    beside = await opened(serving=False)
    (made,) = await received(store, {})
    assert (await beside.command(made.id)).id == made.id
    act = webhook()
    await beside.receive(Reception(webhook=act))
    assert await store.webhook(act.id) == act


async def test_values_of_any_size(store: Store) -> None:
    hook = webhook(body=b"x" * 3_000_000)
    await store.receive(Reception(webhook=hook, commands=(command(hook, body=b"y" * 1_000_000),)))
    assert await store.webhook(hook.id) == hook
    assert len((await claimed(store))[0].command.body) == 1_000_000
