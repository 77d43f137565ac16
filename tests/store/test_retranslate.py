"""A corrected rule is run over a stored webhook: what has not left is replaced."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.errors import NotFound
from gateway.model import Command, CommandState, MappingProblem, Webhook, WebhookState
from gateway.store import CommandFilter, Reception, Retranslation, Store, WebhookFilter
from gateway.terms import Cancellation
from tests.store.making import GAP, after, claimed, command, ended, one, received, state_of, webhook


async def stored(store: Store, *commands: dict[str, Any]) -> tuple[Webhook, list[Command]]:
    hook = webhook(dedup_key="7", body=b"{}", state=WebhookState.UNMATCHED)
    made = [command(hook, **({"element": str(number)} | given)) for number, given in enumerate(commands)]
    await store.receive(Reception(webhook=hook, commands=tuple(made)))
    return hook, made


async def again(store: Store, hook: Webhook, *commands: Command, at: float = 0) -> Retranslation:
    return await store.retranslate(Reception(webhook=hook, commands=commands), now=after(at))


async def brought_to(store: Store, made: Command, state: CommandState) -> None:
    """Bring the command that may be claimed there."""
    claim = next(claim for claim in await claimed(store) if claim.command.id == made.id)
    if state is not CommandState.DELIVERING:
        await ended(store, claim, state, reason="before")


async def test_an_unknown_webhook_is_not_found(store: Store) -> None:
    hook = webhook()
    with pytest.raises(NotFound, match=hook.id):
        await again(store, hook, command(hook))
    assert (await store.webhooks(WebhookFilter())).items == ()
    assert (await store.commands(CommandFilter())).items == ()


async def test_the_webhook_is_what_the_new_rules_make_of_it(store: Store) -> None:
    hook, _ = await stored(store)
    await store.receive(Reception(webhook=webhook(dedup_key="7")))
    became = {
        "state": WebhookState.TRANSLATED,
        "errors": (MappingProblem(rule="b", message="no"),),
        "reason": "new",
        "matched": ("a", "b"),
        "event_type": "orders/create",
        "rules_version": "bbbbbbbbbbbb",
    }
    result = await again(store, msgspec.structs.replace(hook, **became), command(hook))
    assert result == Retranslation(created=(command(hook).id,))
    assert await store.webhook(hook.id) == msgspec.structs.replace(hook, **became, repeats=1)


async def test_its_dedup_key_still_answers(store: Store) -> None:
    hook, _ = await stored(store)
    await again(store, hook)
    assert (await store.receive(Reception(webhook=webhook(dedup_key="7")))).webhook_id == hook.id


async def test_waiting_and_pending_are_replaced(store: Store) -> None:
    hook, (pending, waiting) = await stored(store, {}, {"state": CommandState.WAITING, "due_at": after(60)})
    new = [msgspec.structs.replace(old, body=b"new", user_id="other", state=CommandState.PENDING, priority=3)
           for old in (pending, waiting)]  # fmt: skip
    assert await again(store, hook, *new) == Retranslation(replaced=(pending.id, waiting.id))
    claim = await one(store)
    assert (claim.command.id, claim.command.body, claim.command.priority) == (pending.id, b"new", 3)
    await ended(store, claim)
    assert (await one(store, at=60)).command.id == waiting.id


@pytest.mark.parametrize(
    "state",
    [CommandState.FAILED, CommandState.HELD, CommandState.CANCELLED, CommandState.EXPIRED, CommandState.SUPPRESSED],
)
async def test_what_failed_or_was_held_cancelled_or_expired_goes_again(store: Store, state: CommandState) -> None:
    hook, (made,) = await stored(store, {})
    await brought_to(store, made, state)
    assert await again(store, hook, made) == Retranslation(replaced=(made.id,))
    claim = await one(store)
    assert claim.command.id == made.id
    assert (claim.command.reason, claim.command.finished_at) == (None, None)
    assert claim.command.attempts == 2, "the attempts before are its history"
    await ended(store, claim)
    assert [attempt.number for attempt in await store.attempts(made.id)] == [1, 2]


@pytest.mark.parametrize("state", [CommandState.DELIVERED, CommandState.DELIVERING, CommandState.UNKNOWN])
@pytest.mark.parametrize("made_again", [True, False])
async def test_what_has_left_or_may_have_is_kept(store: Store, state: CommandState, made_again: bool) -> None:
    hook, (made,) = await stored(store, {})
    await brought_to(store, made, state)
    before = await store.command(made.id)
    new = (msgspec.structs.replace(made, body=b"new"),) if made_again else ()
    assert await again(store, hook, *new) == Retranslation(kept=(made.id,))
    assert await store.command(made.id) == before


async def test_what_the_new_rules_do_not_make_is_withdrawn(store: Store) -> None:
    hook, made = await stored(
        store,
        {},
        {"state": CommandState.WAITING, "due_at": after(60)},
        {"state": CommandState.HELD, "reason": "a person decides"},
    )
    (behind,) = await received(store, {})
    assert await again(store, hook, at=100) == Retranslation(withdrawn=(made[0].id, made[1].id))
    for gone in made[:2]:
        found = await store.command(gone.id)
        assert (found.state, found.due_at, found.finished_at) == (CommandState.CANCELLED, None, after(100))
        assert "rules" in (found.reason or "")
    assert await store.command(made[2].id) == made[2]
    assert [claim.command.id for claim in await claimed(store, at=1e6)] == [behind.id]


async def test_a_replaced_command_keeps_its_place_in_the_line(store: Store) -> None:
    hook, (first,) = await stored(store, {})
    (second,) = await received(store, {})
    await again(store, hook, first)
    claim = await one(store)
    assert claim.command.id == first.id
    await ended(store, claim)
    assert (await one(store)).command.id == second.id


async def test_it_never_makes_two_heads(store: Store) -> None:
    hook, (first,) = await stored(store, {})
    await received(store, {})
    await brought_to(store, first, CommandState.FAILED)
    claim = await one(store)
    await again(store, hook, first, command(hook, element="more"))
    assert await claimed(store, at=1e6) == []
    await ended(store, claim)
    assert (await one(store)).command.id == first.id


async def test_a_command_that_moves_to_another_customer_leaves_its_line(store: Store) -> None:
    hook, (first,) = await stored(store, {})
    await received(store, {}, {"user_id": "other"})
    await again(store, hook, msgspec.structs.replace(first, user_id="other"))
    claims = {claim.command.user_id: claim for claim in await claimed(store)}
    assert set(claims) == {"customer", "other"}
    await ended(store, claims["other"])
    assert (await one(store)).command.user_id == "other"


async def test_a_new_state_that_is_final_takes_it_out_of_the_line(store: Store) -> None:
    hook, (first,) = await stored(store, {})
    (behind,) = await received(store, {})
    await again(store, hook, msgspec.structs.replace(first, state=CommandState.SUPPRESSED, reason="once"))
    assert [claim.command.id for claim in await claimed(store)] == [behind.id]
    assert await state_of(store, first) is CommandState.SUPPRESSED


async def test_new_commands_wait_for_an_identify_that_was_kept(store: Store) -> None:
    hook, (identify,) = await stored(store, {"command": "identify", "action": "identify"})
    await brought_to(store, identify, CommandState.DELIVERED)
    new = command(hook, rule="new", state=CommandState.WAITING, after=identify.id)
    result = await again(store, hook, identify, new)
    assert result == Retranslation(created=(new.id,), kept=(identify.id,))
    assert (await store.command(new.id)).due_at == after(0) + GAP
    assert (await one(store, at=1)).command.id == new.id


async def test_what_waits_for_an_identify_that_goes_again_waits_again(store: Store) -> None:
    hook = webhook()
    identify = command(hook, command="identify", action="identify")
    waiting = command(hook, state=CommandState.WAITING, after=identify.id)
    await store.receive(Reception(webhook=hook, commands=(identify, waiting)))
    await ended(store, await one(store), CommandState.FAILED)
    assert await state_of(store, waiting) is CommandState.HELD
    another = command(hook, rule="another", state=CommandState.WAITING, after=identify.id)
    # The order in which the rules give them does not matter.
    await again(store, hook, another, waiting, identify)
    for dependent in (waiting, another):
        assert await state_of(store, dependent) is CommandState.WAITING
    claim = await one(store, at=1e6)
    assert claim.command.id == identify.id
    await ended(store, claim, at=1)
    assert (await store.command(another.id)).due_at == (await store.command(waiting.id)).due_at == after(1) + GAP


async def test_what_waits_for_a_withdrawn_identify_is_held(store: Store) -> None:
    hook = webhook()
    identify = command(hook, command="identify", action="identify")
    waiting = command(hook, state=CommandState.WAITING, after=identify.id)
    await store.receive(Reception(webhook=hook, commands=(identify, waiting)))
    result = await again(store, hook, waiting)
    assert result == Retranslation(replaced=(waiting.id,), withdrawn=(identify.id,))
    held = await store.command(waiting.id)
    assert held.state is CommandState.HELD
    assert (held.reason or "").startswith("its identify was cancelled")


async def test_a_webhook_that_was_fetching_gets_its_commands(store: Store) -> None:
    hook = webhook(state=WebhookState.FETCHING)
    await store.receive(Reception(webhook=hook))
    became = msgspec.structs.replace(hook, state=WebhookState.TRANSLATED)
    made = [command(hook, element=str(n), user_id=str(n)) for n in range(100)]
    result = await again(store, became, *made)
    assert result.created == tuple(given.id for given in made)
    assert len(await claimed(store)) == 100
    assert (await store.webhook(hook.id)).state is WebhookState.TRANSLATED


async def test_a_webhook_that_cancels_and_makes_its_own_command_again_has_it(store: Store) -> None:
    hook = webhook()
    made = command(hook, name="reminder", state=CommandState.WAITING, not_before=after(60))
    await store.receive(Reception(webhook=hook, commands=(made,)))
    cancellation = Cancellation(source="shop", name="reminder", rule="No reminder")
    again = Reception(webhook=hook, commands=(made,), cancellations=(cancellation,))
    assert (await store.retranslate(again, now=after(1))).replaced == (made.id,)
    assert await state_of(store, made) is CommandState.WAITING
    assert [claim.command.id for claim in await claimed(store, at=60)] == [made.id]
