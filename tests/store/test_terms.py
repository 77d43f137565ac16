"""once, names, limits and quiet hours, held by the store in the transaction that writes or claims."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gateway.model import Command, CommandState, Outcome
from gateway.store import Act, Reception, Retranslation, Store, Verdict
from gateway.terms import Cancellation, Limit, Once, QuietHours
from tests.store.making import NOW, after, attempt, claimed, command, ended, one, received, state_of, webhook

ONCE = Once(scope="shop/confirmation", key="1")


async def made(store: Store, **fields: Any) -> Command:
    """One webhook of one command, as the store has it."""
    (given,) = await received(store, fields)
    return await store.command(given.id)


# -- once ----------------------------------------------------------------------------------------------------------


async def test_a_second_command_of_one_key_is_suppressed(store: Store) -> None:
    first = await made(store, once=ONCE)
    second = await made(store, once=ONCE)
    assert first.state == CommandState.PENDING
    assert second.state == CommandState.SUPPRESSED
    assert second.reason == f"once: the command {first.id} was made for '1' already"
    assert second.finished_at is not None
    assert [claim.command.id for claim in await claimed(store)] == [first.id]


async def test_of_a_thousand_at_once_one_is_sent(store: Store) -> None:
    hooks = [webhook() for _ in range(1000)]
    receptions = [Reception(webhook=hook, commands=(command(hook, user_id=hook.id, once=ONCE),)) for hook in hooks]
    await asyncio.gather(*map(store.receive, receptions))
    states = [await state_of(store, reception.commands[0]) for reception in receptions]
    assert states.count(CommandState.PENDING) == 1
    assert states.count(CommandState.SUPPRESSED) == 999
    assert len(await claimed(store)) == 1


async def test_other_keys_and_scopes_are_free(store: Store) -> None:
    await made(store, once=ONCE)
    assert (await made(store, once=Once(scope=ONCE.scope, key="2"))).state == CommandState.PENDING
    assert (await made(store, once=Once(scope="shop/other", key="1"))).state == CommandState.PENDING


async def test_a_key_is_free_again_after_its_time(store: Store) -> None:
    for_an_hour = msgspec.structs.replace(ONCE, until=after(3600))
    await made(store, once=for_an_hour)
    early = await made(store, once=ONCE, created_at=after(3599))
    late = await made(store, once=ONCE, created_at=after(3600))
    assert (early.state, late.state) == (CommandState.SUPPRESSED, CommandState.PENDING)


@pytest.mark.parametrize(
    "end", [CommandState.FAILED, CommandState.EXPIRED, CommandState.CANCELLED, CommandState.SUPPRESSED]
)
async def test_a_key_is_given_back_when_its_command_reaches_nobody(store: Store, end: CommandState) -> None:
    await made(store, once=ONCE)
    await ended(store, await one(store), end)
    assert (await made(store, once=ONCE)).state == CommandState.PENDING


@pytest.mark.parametrize("end", [CommandState.DELIVERED, CommandState.HELD])
async def test_a_key_stays_with_what_was_delivered_or_is_held(store: Store, end: CommandState) -> None:
    await made(store, once=ONCE)
    await ended(store, await one(store), end)
    assert (await made(store, once=ONCE)).state == CommandState.SUPPRESSED


@pytest.mark.parametrize("end", [CommandState.FAILED, CommandState.EXPIRED, CommandState.CANCELLED])
async def test_a_key_and_a_use_stay_with_what_may_have_reached_the_customer(store: Store, end: CommandState) -> None:
    once_a_day = Limit(scope="shop/nudge", key="u", at_most=1, within=86_400)
    await made(store, once=ONCE, limit=once_a_day)
    claim = await one(store)
    unknown = attempt(claim, outcome=Outcome.UNKNOWN)
    await store.record(claim, unknown, Verdict(state=CommandState.PENDING, due_at=after(1)), now=after(0))
    await ended(store, await one(store, at=1), end, at=1)
    assert (await made(store, once=ONCE)).state == CommandState.SUPPRESSED
    over = await made(store, limit=once_a_day)
    assert await claimed(store, at=2) == []
    assert await state_of(store, over) == CommandState.SUPPRESSED


async def test_so_they_do_where_it_expires_or_is_replaced_before_it_is_sent_again(store: Store) -> None:
    for number, fields in enumerate(({"expires_at": after(5)}, {"name": "n"})):
        key = msgspec.structs.replace(ONCE, key=str(number))
        await made(store, once=key, user_id=str(number), **fields)
        claim = await one(store)
        unknown = attempt(claim, outcome=Outcome.UNKNOWN)
        await store.record(claim, unknown, Verdict(state=CommandState.PENDING, due_at=after(9)), now=after(0))
    await made(store, name="n", user_id="1", state=CommandState.WAITING, due_at=after(99))
    assert await claimed(store, at=10) == []
    for number in range(2):
        key = msgspec.structs.replace(ONCE, key=str(number))
        assert (await made(store, once=key)).state == CommandState.SUPPRESSED


async def test_a_key_is_given_back_when_its_command_expires_unsent(store: Store) -> None:
    await made(store, once=ONCE, expires_at=after(60))
    assert await claimed(store, at=61) == []
    assert (await made(store, once=ONCE)).state == CommandState.PENDING


async def test_a_dry_run_claims_no_key(store: Store) -> None:
    await made(store, once=ONCE, state=CommandState.DRY_RUN)
    assert (await made(store, once=ONCE)).state == CommandState.PENDING


async def test_translating_again_keeps_the_key(store: Store) -> None:
    hook = webhook()
    given = command(hook, once=ONCE)
    await store.receive(Reception(webhook=hook, commands=(given,)))
    done = await store.retranslate(Reception(webhook=hook, commands=(given,)), now=after(1))
    assert done == Retranslation(replaced=(given.id,))
    assert await state_of(store, given) == CommandState.PENDING
    assert (await made(store, once=ONCE)).state == CommandState.SUPPRESSED


async def test_what_failed_goes_again_only_if_nobody_has_its_key_by_now(store: Store) -> None:
    hook = webhook()
    given = command(hook, once=ONCE)
    await store.receive(Reception(webhook=hook, commands=(given,)))
    await ended(store, await one(store), CommandState.FAILED)
    await made(store, once=ONCE)
    await store.retranslate(Reception(webhook=hook, commands=(given,)), now=after(1))
    assert await state_of(store, given) == CommandState.SUPPRESSED


# -- names ---------------------------------------------------------------------------------------------------------

LATER = {"state": CommandState.WAITING, "not_before": after(3600), "due_at": after(3600)}


async def test_a_later_command_of_a_name_replaces_the_waiting_one(store: Store) -> None:
    first = await made(store, name="reminder/1", **LATER)
    second = await made(store, name="reminder/1", **LATER)
    replaced = await store.command(first.id)
    assert replaced.state == CommandState.CANCELLED
    assert replaced.reason == f"replaced by the command {second.id} of the same name"
    assert [claim.command.id for claim in await claimed(store, at=3600)] == [second.id]


async def test_names_belong_to_their_source(store: Store) -> None:
    first = await made(store, name="reminder/1", **LATER)
    await made(store, name="reminder/1", source="other", **LATER)
    assert await state_of(store, first) == CommandState.WAITING


async def test_what_has_left_is_not_replaced(store: Store) -> None:
    first = await made(store, name="reminder/1")
    claim = await one(store)
    second = await made(store, name="reminder/1", **LATER)
    assert await state_of(store, first) == CommandState.DELIVERING
    await ended(store, claim)
    assert await state_of(store, second) == CommandState.WAITING


@pytest.mark.parametrize("back", ["retried", "given back", "looked up"])
@pytest.mark.parametrize("later", ["another", "cancelled"])
async def test_what_was_on_its_way_when_its_name_was_taken_or_cancelled_does_not_leave_again(
    store: Store, back: str, later: str
) -> None:
    first = await made(store, name="reminder/1", once=ONCE)
    claim = await one(store)
    unknown = attempt(claim, outcome=Outcome.UNKNOWN)
    if back == "looked up":
        await store.record(claim, unknown, Verdict(state=CommandState.UNKNOWN, due_at=after(60)), now=after(0))
    if later == "another":
        taken = await made(store, name="reminder/1", **LATER)
        reason = f"replaced by the command {taken.id} of the same name while it was on its way"
    else:
        cancellation = Cancellation(source=first.source, name="reminder/1", rule="r")
        await store.receive(Reception(webhook=webhook(), cancellations=(cancellation,)))
        reason = "cancelled while it was on its way"
    again = Verdict(state=CommandState.PENDING, due_at=after(61))
    if back == "retried":
        await store.record(claim, attempt(claim, outcome=Outcome.UNAVAILABLE), again, now=after(1))
    elif back == "given back":
        await store.record(claim, None, Verdict(state=CommandState.PENDING), now=after(1))
    else:
        (looked,) = await store.recover(now=after(60), lease=timedelta(seconds=60))
        await store.record(looked, None, again, now=after(60))
    found = await store.claim("default", limit=10, lease=timedelta(seconds=60), now=after(61))
    assert (found.claims, [one.id for one in found.ended]) == ((), [first.id])
    ended = await store.command(first.id)
    assert (ended.state, ended.reason) == (CommandState.CANCELLED, reason)
    given_back = (await made(store, once=ONCE)).state == CommandState.PENDING
    assert given_back == (back != "looked up")


async def test_but_a_person_may_send_it_again(store: Store) -> None:
    first = await made(store, name="reminder/1")
    claim = await one(store)
    await made(store, name="reminder/1", **LATER)
    await ended(store, claim, CommandState.HELD)
    await store.act(Act.RETRY, [first.id], now=after(1))
    assert (await one(store, at=1)).command.id == first.id


async def test_a_cancellation_withdraws_what_waits_under_its_name(store: Store) -> None:
    first = await made(store, name="reminder/1", once=ONCE, **LATER)
    hook = webhook()
    cancellation = Cancellation(source=first.source, name="reminder/1", rule="Booking cancelled")
    await store.receive(Reception(webhook=hook, cancellations=(cancellation,)))
    withdrawn = await store.command(first.id)
    assert (withdrawn.state, withdrawn.reason) == (CommandState.CANCELLED, "cancelled by rule 'Booking cancelled'")
    assert await claimed(store, at=3600) == []
    assert (await made(store, once=ONCE)).state == CommandState.PENDING


async def test_a_withdrawn_command_lets_the_next_in_line_move_up(store: Store) -> None:
    first = await made(store, name="reminder/1")
    second = await made(store)
    cancellation = Cancellation(source=first.source, name="reminder/1", rule="r")
    await store.receive(Reception(webhook=webhook(), cancellations=(cancellation,)))
    assert (await one(store)).command.id == second.id


async def test_the_reminder_moves_with_its_booking_within_one_commit(store: Store) -> None:
    hooks = [webhook() for _ in range(20)]
    commands = [command(hook, name="reminder/1", **LATER) for hook in hooks]
    await asyncio.gather(
        *(store.receive(Reception(webhook=hook, commands=(one,))) for hook, one in zip(hooks, commands, strict=True))
    )
    states = [await state_of(store, one) for one in commands]
    assert states == [CommandState.CANCELLED] * 19 + [CommandState.WAITING]


# -- limits --------------------------------------------------------------------------------------------------------

TWO_A_DAY = Limit(scope="shop/nudge", key="u", at_most=2, within=86_400)


async def test_a_limit_counts_what_leaves(store: Store) -> None:
    for _ in range(2):
        await made(store, limit=TWO_A_DAY)
        await ended(store, await one(store))
    third = await made(store, limit=TWO_A_DAY)
    assert await claimed(store) == []
    suppressed = await store.command(third.id)
    assert suppressed.state == CommandState.SUPPRESSED
    assert suppressed.reason == "limit: 'u' had 2 of at most 2 within 1 day"
    assert (await made(store, limit=msgspec.structs.replace(TWO_A_DAY, key="v"))).state == CommandState.PENDING
    assert len(await claimed(store)) == 1


async def test_a_limit_frees_itself_with_time(store: Store) -> None:
    for _ in range(2):
        await made(store, limit=TWO_A_DAY)
        await ended(store, await one(store))
    await made(store, limit=TWO_A_DAY, created_at=after(86_399), due_at=after(86_399))
    assert await claimed(store, at=86_399) == []
    await made(store, limit=TWO_A_DAY, created_at=after(86_400), due_at=after(86_400))
    assert len(await claimed(store, at=86_400)) == 1


async def test_a_retry_is_one_use_and_a_failure_is_none(store: Store) -> None:
    await made(store, limit=TWO_A_DAY)
    await ended(store, await one(store), CommandState.PENDING)
    await ended(store, await one(store, at=10), CommandState.FAILED)
    for _ in range(2):
        await made(store, limit=TWO_A_DAY)
        await ended(store, await one(store, at=10))
    await made(store, limit=TWO_A_DAY)
    assert await claimed(store, at=10) == []


async def test_within_one_claim_a_limit_holds_too(store: Store) -> None:
    hook = webhook()
    many = [command(hook, element=str(n), user_id=str(n), limit=TWO_A_DAY) for n in range(10)]
    await store.receive(Reception(webhook=hook, commands=tuple(many)))
    assert len(await claimed(store)) == 2
    assert [await state_of(store, one) for one in many].count(CommandState.SUPPRESSED) == 8


# -- quiet hours ---------------------------------------------------------------------------------------------------


async def test_quiet_hours_hold_what_is_late_and_let_the_line_go_on(store: Store) -> None:
    minute = NOW.hour * 60 + NOW.minute
    quiet = QuietHours(start=minute, end=(minute + 60) % 1440, zone="UTC")
    sleeping = await made(store, quiet=quiet)
    awake = await made(store)
    on_its_way = await one(store)
    assert on_its_way.command.id == awake.id
    await ended(store, on_its_way)
    held = await store.command(sleeping.id)
    assert (held.state, held.reason) == (CommandState.WAITING, "quiet hours: it waits for the morning")
    wakes = NOW.replace(second=0, microsecond=0) + timedelta(hours=1)
    assert await store.next_due("default") == wakes
    assert (await one(store, at=(wakes - NOW).total_seconds())).command.id == sleeping.id


async def test_attempts_of_governed_commands_are_kept_like_any_other(store: Store) -> None:
    await made(store, once=ONCE, limit=TWO_A_DAY, name="n", quiet=None)
    claim = await one(store)
    assert claim.command.once == ONCE
    assert claim.command.limit == TWO_A_DAY
    assert claim.command.name == "n"
    given = attempt(claim, outcome=Outcome.ACCEPTED)
    await ended(store, claim)
    assert [kept.number for kept in await store.attempts(claim.command.id)] == [given.number]


# -- what a review found -------------------------------------------------------------------------------------------


async def test_of_two_commands_of_one_name_in_one_webhook_the_last_waits(store: Store) -> None:
    hook = webhook()
    first = command(hook, element="1", name="reminder/1", once=ONCE, **LATER)
    second = command(hook, element="2", name="reminder/1", **LATER)
    await store.receive(Reception(webhook=hook, commands=(first, second)))
    assert await state_of(store, first) == CommandState.CANCELLED
    assert await state_of(store, second) == CommandState.WAITING
    assert (await made(store, once=ONCE)).state == CommandState.PENDING
    cancellation = Cancellation(source=first.source, name="reminder/1", rule="r")
    await store.receive(Reception(webhook=webhook(), cancellations=(cancellation,)))
    assert await state_of(store, second) == CommandState.CANCELLED


async def test_an_older_webhook_that_is_translated_again_replaces_no_newer_command(store: Store) -> None:
    old, new = webhook(), webhook()
    await store.receive(Reception(webhook=old))
    newer = command(new, name="reminder/1", **LATER)
    await store.receive(Reception(webhook=new, commands=(newer,)))
    older = command(old, name="reminder/1", once=ONCE, **LATER)
    await store.retranslate(Reception(webhook=old, commands=(older,)), now=after(60))
    assert await state_of(store, newer) == CommandState.WAITING
    kept = await store.command(older.id)
    assert (kept.state, kept.reason) == (
        CommandState.CANCELLED,
        "a later webhook made a command named 'reminder/1'",
    )
    assert (await made(store, once=ONCE)).state == CommandState.PENDING
    cancellation = Cancellation(source=older.source, name="reminder/1", rule="r")
    await store.retranslate(Reception(webhook=old, cancellations=(cancellation,)), now=after(61))
    assert await state_of(store, newer) == CommandState.WAITING


async def test_another_key_after_translating_again_frees_the_old_one(store: Store) -> None:
    hook = webhook()
    await store.receive(Reception(webhook=hook, commands=(command(hook, once=ONCE),)))
    other = msgspec.structs.replace(ONCE, key="2")
    await store.retranslate(Reception(webhook=hook, commands=(command(hook, once=other),)), now=after(1))
    assert (await made(store, once=ONCE)).state == CommandState.PENDING
    assert (await made(store, once=other)).state == CommandState.SUPPRESSED


async def test_a_dry_run_after_translating_again_frees_the_key(store: Store) -> None:
    hook = webhook()
    await store.receive(Reception(webhook=hook, commands=(command(hook, once=ONCE),)))
    dry = command(hook, once=ONCE, state=CommandState.DRY_RUN)
    await store.retranslate(Reception(webhook=hook, commands=(dry,)), now=after(1))
    assert (await made(store, once=ONCE)).state == CommandState.PENDING


# -- what never leaves is told to whoever asked ----------------------------------------------------------------------


async def test_a_receipt_tells_what_ended_as_it_was_written(store: Store) -> None:
    first = await made(store, once=ONCE)
    hooks = [webhook(), webhook()]
    given = [
        (command(hooks[0], once=ONCE), command(hooks[0], element="2", state=CommandState.DRY_RUN)),
        (command(hooks[1], once=msgspec.structs.replace(ONCE, key="2")),),
    ]
    receptions = [Reception(webhook=hook, commands=commands) for hook, commands in zip(hooks, given, strict=True)]
    receipts = await asyncio.gather(*map(store.receive, receptions))
    assert [(one.state, one.reason) for one in receipts[0].ended] == [
        (CommandState.SUPPRESSED, f"once: the command {first.id} was made for '1' already"),
        (CommandState.DRY_RUN, None),
    ]
    assert receipts[1].ended == ()
    again = await store.retranslate(receptions[0], now=after(1))
    assert [one.id for one in again.ended] == [one.id for one in receipts[0].ended]


async def test_a_claim_tells_what_ended_instead_of_leaving(store: Store) -> None:
    once_a_day = Limit(scope="shop/nudge", key="u", at_most=1, within=86_400)
    late, _, over = await received(store, {"expires_at": after(60)}, {"limit": once_a_day}, {"limit": once_a_day})
    found = await store.claim("default", limit=10, lease=timedelta(seconds=60), now=after(60))
    (claim,) = found.claims
    assert found.ended == (await store.command(late.id),)
    assert found.ended[0].state == CommandState.EXPIRED
    await ended(store, claim, at=60)
    found = await store.claim("default", limit=10, lease=timedelta(seconds=60), now=after(60))
    assert found.claims == ()
    assert found.ended == (await store.command(over.id),)
    assert found.ended[0].state == CommandState.SUPPRESSED
