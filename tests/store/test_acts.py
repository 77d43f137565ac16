"""What a person decides about commands: send again, cancel, settle."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import Conflict, NotFound
from gateway.model import Command, CommandState, Outcome
from gateway.store import ACTS_ON, Act, Store, Verdict
from gateway.terms import Once
from tests.store.making import GAP, LEASE, NOW, after, claimed, ended, one, received, state_of
from tests.store.test_line import identify_and

S = CommandState
ONCE = Once(scope="shop/Order", key="1001")


async def act(store: Store, what: Act, *commands: Command, at: float = 10, **options: Any) -> list[CommandState]:
    acted = await store.act(what, [command.id for command in commands], now=after(at), **options)
    assert [changed.id for changed in acted.done] == [command.id for command in commands]
    stored = [await store.command(changed.id) for changed in acted.done]
    assert [(it.state, it.reason, it.due_at) for it in stored] == [
        (it.state, it.reason, it.due_at) for it in acted.done
    ]
    return [it.state for it in stored]


async def left(store: Store, state: CommandState, **fields: Any) -> Command:
    """A command that one attempt left in ``state``."""
    [command] = await received(store, fields)
    due_at = after(60) if state in (S.UNKNOWN, S.PENDING) else None
    await ended(store, await one(store), state, due_at=due_at, reason="because")
    return command


async def in_state(store: Store, state: CommandState) -> Command:
    """A command in ``state``, however it came there."""
    if state is S.WAITING:
        [command] = await received(store, {"state": state, "not_before": after(60)})
    elif state in (S.SUPPRESSED, S.DRY_RUN):
        [command] = await received(store, {"state": state, "finished_at": NOW})
    elif state is S.DELIVERING:
        [command] = await received(store, {})
        await one(store)
    elif state is S.CANCELLED:
        [command] = await received(store, {})
        await store.act(Act.CANCEL, [command.id], now=NOW)
    else:
        command = await left(store, state)
    assert await state_of(store, command) is state
    return command


@pytest.mark.parametrize("state", S)
@pytest.mark.parametrize("what", Act)
async def test_each_act_is_possible_in_its_states_only(store: Store, what: Act, state: CommandState) -> None:
    command = await in_state(store, state)
    before = await store.command(command.id)
    if state in ACTS_ON[what]:
        wanted = {Act.CANCEL: S.CANCELLED, Act.DELIVERED: S.DELIVERED}.get(what, S.PENDING)
        assert await act(store, what, command) == [wanted]
        return
    with pytest.raises(Conflict, match=rf"command {command.id} .*allowed for \w+: held, "):
        await store.act(what, [command.id], now=after(10))
    acted = await store.act(what, [command.id], now=after(10), skip=True)
    assert acted.done == ()
    assert [id for id, _ in acted.refused] == [command.id]
    assert await store.command(command.id) == before


@pytest.mark.parametrize("what", [Act.RETRY, Act.NOT_DELIVERED])
@pytest.mark.parametrize("state", [S.HELD, S.UNKNOWN])
async def test_what_is_sent_again_is_due_now_and_counts_on(store: Store, what: Act, state: CommandState) -> None:
    command = await left(store, state)
    await act(store, what, command)
    stored = await store.command(command.id)
    assert (stored.due_at, stored.retried_at, stored.finished_at, stored.attempts) == (after(10), after(10), None, 1)
    assert "by a person" in (stored.reason or "")
    claim = await one(store, at=10)
    assert (claim.command.id, claim.command.attempts) == (command.id, 2)
    assert claim.command.retried_at == after(10)


async def test_a_failed_command_goes_again(store: Store) -> None:
    command = await left(store, S.FAILED)
    await act(store, Act.RETRY, command)
    assert (await store.command(command.id)).finished_at is None
    assert (await one(store, at=10)).command.id == command.id


async def test_it_joins_its_line_before_those_made_later_and_behind_what_is_on_its_way(store: Store) -> None:
    first, second, third = await received(store, {}, {}, {})
    await ended(store, await one(store), S.HELD)
    going = await one(store)
    assert going.command.id == second.id
    await act(store, Act.RETRY, first)
    assert await claimed(store, at=10) == []
    await ended(store, going, at=10)
    for expected in (first, third):
        claim = await one(store, at=11)
        assert claim.command.id == expected.id
        await ended(store, claim, at=11)


async def test_many_of_one_line_go_in_the_order_of_translation_whatever_the_order_of_the_ids(store: Store) -> None:
    commands = await received(store, {}, {}, {})
    for _ in commands:
        await ended(store, await one(store), S.FAILED)
    await store.act(Act.RETRY, [command.id for command in reversed(commands)], now=after(10))
    for expected in commands:
        claim = await one(store, at=10)
        assert claim.command.id == expected.id
        await ended(store, claim, at=10)


@pytest.mark.parametrize("what", [Act.CANCEL, Act.DELIVERED])
async def test_who_leaves_the_head_of_a_line_lets_the_next_move_up(store: Store, what: Act) -> None:
    first, second = await received(store, {}, {})
    await ended(store, await one(store), S.UNKNOWN, due_at=after(60))
    assert await claimed(store, at=5) == []
    await act(store, what, first)
    assert (await one(store, at=10)).command.id == second.id


async def test_cancelling_one_behind_leaves_the_line_as_it_is(store: Store) -> None:
    first, second, third = await received(store, {}, {}, {})
    await act(store, Act.CANCEL, second)
    for expected in (first, third):
        claim = await one(store, at=10)
        assert claim.command.id == expected.id
        await ended(store, claim, at=10)


async def test_a_lookup_that_is_under_way_loses_its_right_to_a_result(store: Store) -> None:
    command = await left(store, S.UNKNOWN)
    [lookup] = await store.recover(now=after(61), lease=LEASE)
    await act(store, Act.DELIVERED, command, at=62)
    assert not await store.record(lookup, None, Verdict(state=S.PENDING, due_at=after(63)), now=after(63))
    assert await state_of(store, command) is S.DELIVERED
    assert await store.recover(now=after(600), lease=LEASE) == []


async def test_what_is_settled_as_delivered_is_finished_and_says_by_whom(store: Store) -> None:
    command = await left(store, S.HELD)
    await act(store, Act.DELIVERED, command)
    stored = await store.command(command.id)
    assert (stored.finished_at, stored.reason) == (after(10), "settled by a person: it was delivered")


async def test_a_settled_identify_lets_go_of_what_waits_for_it_after_the_gap(store: Store) -> None:
    identify, command = await identify_and(store, {})
    await ended(store, await one(store), S.UNKNOWN, due_at=after(60))
    await act(store, Act.DELIVERED, identify)
    assert await claimed(store, at=10 + GAP.total_seconds() / 2) == []
    assert (await one(store, at=10 + GAP.total_seconds())).command.id == command.id


async def test_a_held_identify_that_is_settled_as_delivered_lets_go_of_what_was_held_for_it(store: Store) -> None:
    identify, command, later = await identify_and(store, {}, {"not_before": after(100)})
    await ended(store, await one(store), S.HELD, reason="did it arrive?")
    assert (await store.command(command.id)).reason == "its identify was held: did it arrive?"
    await act(store, Act.DELIVERED, identify)
    due = after(10) + GAP
    assert [(it.state, it.reason, it.due_at) for it in [await store.command(command.id)]] == [(S.WAITING, None, due)]
    assert await claimed(store, at=10 + GAP.total_seconds() / 2) == []
    claim = await one(store, at=10 + GAP.total_seconds())
    assert claim.command.id == command.id
    await ended(store, claim, at=20)
    assert (await one(store, at=100)).command.id == later.id


async def test_what_was_held_for_a_reason_of_its_own_stays_when_its_identify_is_settled(store: Store) -> None:
    identify, command = await identify_and(store, {})
    await ended(store, await one(store), S.HELD)
    await act(store, Act.RETRY, command)
    await ended(store, await one(store, at=10), S.HELD, at=11, reason="did it arrive?")
    await act(store, Act.DELIVERED, identify, at=12)
    assert await state_of(store, command) is S.HELD


async def test_an_identify_and_what_is_held_for_it_are_settled_together(store: Store) -> None:
    identify, command = await identify_and(store, {})
    await ended(store, await one(store), S.HELD)
    assert await act(store, Act.DELIVERED, identify, command) == [S.DELIVERED, S.DELIVERED]


async def test_a_cancelled_identify_holds_what_waits_for_it(store: Store) -> None:
    identify, command = await identify_and(store, {})
    await act(store, Act.CANCEL, identify)
    stored = await store.command(command.id)
    assert (stored.state, stored.reason) == (S.HELD, "its identify was cancelled: cancelled by a person")


async def test_sent_again_with_its_identify_it_waits_for_it(store: Store) -> None:
    identify, command = await identify_and(store, {})
    await ended(store, await one(store), S.FAILED)
    assert await state_of(store, command) is S.HELD
    assert await act(store, Act.RETRY, identify, command) == [S.PENDING, S.WAITING]
    claim = await one(store, at=10)
    assert claim.command.id == identify.id
    await ended(store, claim, at=10)
    assert (await one(store, at=10 + GAP.total_seconds())).command.id == command.id


async def test_sent_again_without_its_refused_identify_it_goes_alone(store: Store) -> None:
    _, command = await identify_and(store, {})
    await ended(store, await one(store), S.FAILED)
    assert await act(store, Act.RETRY, command) == [S.PENDING]
    assert (await one(store, at=10)).command.id == command.id


async def test_sent_again_it_still_waits_for_its_time(store: Store) -> None:
    _, command = await identify_and(store, {"not_before": after(100)})
    await ended(store, await one(store), S.FAILED)
    assert await act(store, Act.RETRY, command) == [S.WAITING]
    assert await claimed(store, at=99) == []
    assert (await one(store, at=100)).command.id == command.id


async def test_what_expired_meanwhile_is_not_sent_again(store: Store) -> None:
    command = await left(store, S.HELD, expires_at=after(5))
    with pytest.raises(Conflict, match="was only to be sent before"):
        await store.act(Act.RETRY, [command.id], now=after(10))
    assert await act(store, Act.CANCEL, command) == [S.CANCELLED]


# -- once keys ---------------------------------------------------------------------------------------------------------


async def test_cancelling_gives_the_once_key_back_and_sending_again_takes_it(store: Store) -> None:
    [first] = await received(store, {"once": ONCE})
    await act(store, Act.CANCEL, first)
    [second] = await received(store, {"once": ONCE})
    assert await state_of(store, second) is S.PENDING
    await ended(store, await one(store, at=10), S.FAILED)
    await act(store, Act.RETRY, second)
    [third] = await received(store, {"once": ONCE})
    assert await state_of(store, third) is S.SUPPRESSED


async def test_what_may_have_arrived_keeps_its_once_key_when_cancelled(store: Store) -> None:
    command = await left(store, S.UNKNOWN, once=ONCE)
    assert [a.outcome for a in await store.attempts(command.id)] == [Outcome.UNKNOWN]
    await act(store, Act.CANCEL, command)
    [second] = await received(store, {"once": ONCE})
    assert await state_of(store, second) is S.SUPPRESSED


async def test_it_is_not_sent_again_where_another_has_its_once_key(store: Store) -> None:
    first = await left(store, S.FAILED, once=ONCE)
    [second] = await received(store, {"once": ONCE})
    with pytest.raises(Conflict, match=f"can't be sent again: once: the command {second.id} was made"):
        await store.act(Act.RETRY, [first.id], now=after(10))


async def test_of_two_with_one_once_key_only_the_first_goes_again(store: Store) -> None:
    first = await left(store, S.FAILED, once=ONCE)
    second = await left(store, S.FAILED, once=ONCE)
    acted = await store.act(Act.RETRY, [second.id, first.id], now=after(10), skip=True)
    assert [changed.id for changed in acted.done] == [first.id]
    assert [id for id, _ in acted.refused] == [second.id]


# -- all or nothing ----------------------------------------------------------------------------------------------------


async def test_without_skip_nothing_is_done_where_one_is_not_possible(store: Store) -> None:
    held, delivered = await left(store, S.HELD), await left(store, S.DELIVERED)
    with pytest.raises(Conflict, match="was delivered"):
        await store.act(Act.RETRY, [held.id, delivered.id], now=after(10))
    with pytest.raises(NotFound, match="command nope: no such command"):
        await store.act(Act.RETRY, [held.id, "nope"], now=after(10))
    assert await state_of(store, held) is S.HELD
    acted = await store.act(Act.RETRY, ["nope", delivered.id, held.id, held.id], now=after(10), skip=True)
    assert [changed.id for changed in acted.done] == [held.id]
    assert [id for id, _ in acted.refused] == ["nope", delivered.id]


# -- what lookups have seen --------------------------------------------------------------------------------------------


async def test_what_lookups_showed_is_remembered_by_address_and_command(store: Store) -> None:
    assert await store.markers("https://a/", "send_sms") is None
    await store.note_markers("https://a/", "send_sms", shown=False, now=NOW)
    await store.note_markers("https://a/", "send_sms", shown=True, now=after(1))
    found = await store.markers("https://a/", "send_sms")
    assert found is not None
    assert (found.shown, found.at) == (True, after(1))
    assert await store.markers("https://b/", "send_sms") is None
    assert await store.markers("https://a/", "send_print") is None


async def test_a_lookup_is_given_when_it_is_due_and_not_again_before_its_lease_is_over(store: Store) -> None:
    command = await left(store, S.UNKNOWN)
    assert await store.recover(now=after(59), lease=LEASE) == []
    [lookup] = await store.recover(now=after(60), lease=LEASE)
    assert (lookup.command.id, lookup.command.state) == (command.id, S.UNKNOWN)
    assert await store.recover(now=after(61), lease=LEASE) == []
    [again] = await store.recover(now=after(60) + LEASE + timedelta(seconds=1), lease=LEASE)
    assert again.lease != lookup.lease
