"""Per (destination, customer) at most one command is on its way or at the head of the line, in order of translation."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.model import Command, CommandState
from gateway.store import Act, CommandFilter, Pruned, Reception, Store, Verdict
from gateway.terms import Same
from tests.store.making import GAP, after, claimed, command, ended, one, received, state_of, webhook

IDENTIFY = {"command": "identify", "action": "identify", "rule": "identify"}


async def identify_and(store: Store, *dependents: dict[str, Any]) -> list[Command]:
    """One webhook: an identify, and commands that wait for it."""
    hook = webhook()
    identify = command(hook, **IDENTIFY)
    waiting = [
        command(hook, **({"state": CommandState.WAITING, "after": identify.id, "element": str(n)} | given))
        for n, given in enumerate(dependents)
    ]
    await store.receive(Reception(webhook=hook, commands=(identify, *waiting)))
    return [identify, *waiting]


async def test_a_line_leaves_one_by_one_in_the_order_of_translation(store: Store) -> None:
    made = [*await received(store, {}, {}), *await received(store, {}), *await received(store, {}, {})]
    for given in made:
        claim = await one(store)
        assert claim.command.id == given.id
        assert await claimed(store) == []
        await ended(store, claim)
    assert await claimed(store) == []


async def test_lines_of_others_are_not_held_back(store: Store) -> None:
    made = await received(store, {}, {"user_id": "other"}, {"destination": "uk"})
    assert [claim.command.id for claim in await claimed(store)] == [made[0].id, made[1].id]
    assert [claim.command.id for claim in await claimed(store, destination="uk")] == [made[2].id]


async def test_a_line_is_not_overtaken_by_priority(store: Store) -> None:
    first, _ = await received(store, {}, {"priority": 9})
    assert (await one(store)).command.id == first.id


@pytest.mark.parametrize(
    "state", [CommandState.FAILED, CommandState.HELD, CommandState.EXPIRED, CommandState.SUPPRESSED]
)
async def test_failed_held_expired_and_suppressed_release_the_line(store: Store, state: CommandState) -> None:
    _, second = await received(store, {}, {})
    await ended(store, await one(store), state)
    assert (await one(store)).command.id == second.id


@pytest.mark.parametrize("state", [CommandState.PENDING, CommandState.UNKNOWN])
async def test_retry_and_lookup_block_the_line(store: Store, state: CommandState) -> None:
    await received(store, {}, {})
    await ended(store, await one(store), state, due_at=after(60))
    assert await claimed(store, at=59) == []


async def test_whoever_comes_to_a_line_that_moves_joins_at_its_end(store: Store) -> None:
    await received(store, {}, {})
    first = await one(store)
    results = await asyncio.gather(*(received(store, {}) for _ in range(20)), ended(store, first))
    assert results[-1]
    order = [given.id for given in reversed((await store.commands(CommandFilter(user="customer"))).items)]
    left = [first.command.id]
    while claims := await claimed(store):
        (claim,) = claims
        left.append(claim.command.id)
        await ended(store, claim)
    assert left == order


async def test_what_waits_for_an_identify_is_due_the_gap_after_its_acceptance(store: Store) -> None:
    identify, first, second = await identify_and(store, {}, {})
    claim = await one(store, at=1)
    assert claim.command.id == identify.id
    assert await claimed(store, at=1e6) == []
    assert await ended(store, claim, at=10)
    due = after(10) + GAP
    for waiting in (first, second):
        assert (await store.command(waiting.id)).due_at == due
    assert await store.next_due("default") == due
    assert await claimed(store, at=10.4) == []
    assert (await one(store, at=10.5)).command.id == first.id


@pytest.mark.parametrize(("own", "due"), [(60.0, 60.0), (5.0, 10.5)])
@pytest.mark.parametrize("field", ["due_at", "not_before"])
async def test_its_own_time_and_the_gap_must_both_have_passed(store: Store, own: float, due: float, field: str) -> None:
    _, waiting = await identify_and(store, {field: after(own)})
    await ended(store, await one(store), at=10)
    assert (await store.command(waiting.id)).due_at == after(due)
    assert await claimed(store, at=due - 0.1) == []
    assert (await one(store, at=due)).command.id == waiting.id


async def test_a_retried_identify_keeps_them_waiting(store: Store) -> None:
    _, waiting = await identify_and(store, {})
    await ended(store, await one(store), CommandState.PENDING, due_at=after(5))
    assert await state_of(store, waiting) is CommandState.WAITING
    await ended(store, await one(store, at=5), at=5)
    assert (await one(store, at=6)).command.id == waiting.id


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (CommandState.FAILED, "its identify was refused: no such brand"),
        (CommandState.HELD, "its identify was held: no such brand"),
        (CommandState.EXPIRED, "its identify was expired: no such brand"),
        (CommandState.CANCELLED, "its identify was cancelled: no such brand"),
    ],
)
async def test_an_identify_that_ends_otherwise_holds_what_waits_for_it(
    store: Store, state: CommandState, reason: str
) -> None:
    _, waiting = await identify_and(store, {"not_before": after(60)})
    others = await identify_and(store, {"user_id": "other"})
    claim, *_ = await claimed(store)
    await ended(store, claim, state, reason="no such brand")
    held = await store.command(waiting.id)
    assert (held.state, held.reason, held.due_at) == (CommandState.HELD, reason, None)
    assert await state_of(store, others[1]) is CommandState.WAITING


async def test_an_identify_that_is_too_late_holds_what_waits_for_it(store: Store) -> None:
    hook = webhook()
    identify = command(hook, **IDENTIFY, expires_at=after(1))
    waiting = command(hook, state=CommandState.WAITING, after=identify.id)
    await store.receive(Reception(webhook=hook, commands=(identify, waiting)))
    assert await claimed(store, at=2) == []
    held = await store.command(waiting.id)
    assert held.state is CommandState.HELD
    assert (held.reason or "").startswith("its identify was expired: not sent")


async def test_results_of_many_at_once(store: Store) -> None:
    families = [await identify_and(store, {"user_id": f"{n}b"}) for n in range(150)]
    for n, family in enumerate(families):
        assert family[0].user_id == "customer", n
    for n in range(150):
        claim = await one(store)
        await ended(store, claim, CommandState.DELIVERED if n % 3 else CommandState.FAILED, reason="r")
    states = [await state_of(store, family[1]) for family in families]
    assert states == [CommandState.WAITING if n % 3 else CommandState.HELD for n in range(150)]
    claims = await claimed(store, at=1, limit=200)
    assert len(claims) == 100
    assert all(await asyncio.gather(*(ended(store, claim, at=2) for claim in claims)))
    assert await store.backlog() == {"default": {CommandState.HELD: 50}}


async def test_what_comes_after_an_identify_of_an_earlier_webhook(store: Store) -> None:
    """A webhook whose command names an identify that the store has already: each of its states counts."""
    hook = webhook()
    identifies = {
        name: command(hook, **(IDENTIFY | {"rule": name}), user_id=name)
        for name in ("delivered", "failed", "pending", "held")
    }
    await store.receive(Reception(webhook=hook, commands=tuple(identifies.values())))
    claims = {claim.command.user_id: claim for claim in await claimed(store)}
    await ended(store, claims["delivered"], at=10)
    await ended(store, claims["failed"], CommandState.FAILED, reason="no")
    await ended(store, claims["held"], CommandState.HELD)
    await ended(store, claims["pending"], CommandState.PENDING, due_at=after(1000))
    waiting = {"state": CommandState.WAITING}
    made = await received(
        store,
        *(waiting | {"after": identify.id, "user_id": f"after {name}"} for name, identify in identifies.items()),
        waiting | {"after": "never seen", "user_id": "z"},
    )
    found = [await store.command(given.id) for given in made]
    assert [(item.state, item.reason, item.due_at) for item in found] == [
        (CommandState.WAITING, None, after(10) + GAP),
        (CommandState.HELD, "its identify was refused: no", None),
        (CommandState.WAITING, None, None),
        (CommandState.HELD, "its identify was held", None),
        (CommandState.HELD, "its identify never seen is not in the store", None),
    ]
    (claim,) = await claimed(store, at=11)
    assert claim.command.id == made[0].id


async def test_a_verdict_may_send_a_command_back_to_wait(store: Store) -> None:
    first, second = await received(store, {}, {})
    claim = await one(store)
    await store.record(claim, None, Verdict(state=CommandState.WAITING, due_at=after(3600)), now=after(0))
    assert (await one(store)).command.id == second.id
    waiting = await store.command(first.id)
    assert (waiting.state, waiting.due_at, waiting.attempts) == (CommandState.WAITING, after(3600), 0)


# -- identifies that say the same --------------------------------------------------------------------------------------

SAME = Same(digest="a", within=600)
OTHER = Same(digest="b", within=600)


async def family(store: Store, same: Same | None, **fields: Any) -> list[Command]:
    """One webhook: an identify that says ``same``, and a command that waits for it."""
    hook = webhook()
    identify = command(hook, **IDENTIFY, same=same, **fields)
    waiting = command(hook, state=CommandState.WAITING, after=identify.id, **fields)
    await store.receive(Reception(webhook=hook, commands=(identify, waiting)))
    return [identify, waiting]


async def through(store: Store, *, at: float) -> list[str]:
    """Claim and deliver what is due, one after the other: the ids."""
    left = []
    while claims := await claimed(store, at=at):
        for claim in claims:
            left.append(claim.command.id)
            await ended(store, claim, at=at)
    return left


async def test_an_identify_that_says_the_same_is_sent_once_and_its_command_goes(store: Store) -> None:
    first, second = await family(store, SAME), await family(store, SAME)
    assert await through(store, at=0) == [first[0].id]
    needless = await store.command(second[0].id)
    assert needless.state is CommandState.SUPPRESSED
    assert (
        needless.reason == f"identify_once: {first[0].id} said the same and was accepted at 2026-03-01T12:00:00+00:00"
    )
    assert (await store.command(second[1].id)).due_at == after(0) + GAP
    assert await through(store, at=0.4) == []
    assert await through(store, at=0.5) == [first[1].id, second[1].id]


async def test_after_its_time_it_is_sent_again(store: Store) -> None:
    first = await family(store, SAME)
    await through(store, at=0)
    early = await family(store, SAME)
    assert await through(store, at=599) == [first[1].id, early[1].id]
    late = await family(store, SAME)
    assert await through(store, at=600) == [late[0].id]


@pytest.mark.parametrize("end", [CommandState.DELIVERED, CommandState.FAILED, CommandState.HELD])
@pytest.mark.parametrize("between", [OTHER, None])
async def test_what_was_said_in_between_counts_whatever_became_of_it(
    store: Store, between: Same | None, end: CommandState
) -> None:
    await family(store, SAME)
    await through(store, at=0)
    await received(store, IDENTIFY | {"same": between})
    await ended(store, await one(store, at=0.2), end, at=0.2)
    again = await family(store, SAME)
    assert again[0].id in await through(store, at=2)


async def test_one_that_was_refused_says_nothing(store: Store) -> None:
    await family(store, SAME)
    await ended(store, await one(store), CommandState.FAILED)
    again = await family(store, SAME)
    assert await through(store, at=1) == [again[0].id]


async def test_customers_and_destinations_have_their_own_last_one(store: Store) -> None:
    await family(store, SAME)
    await through(store, at=0)
    another, elsewhere = await family(store, SAME, user_id="v"), await family(store, SAME, destination="uk")
    assert await through(store, at=0) == [another[0].id]
    assert [claim.command.id for claim in await claimed(store, destination="uk")] == [elsewhere[0].id]


async def test_what_a_person_settles_as_delivered_is_no_news(store: Store) -> None:
    """Others may have been accepted since it was sent."""
    first = await family(store, SAME)
    await ended(store, await one(store), CommandState.HELD)
    await store.act(Act.DELIVERED, [first[0].id], now=after(10))
    second = await family(store, SAME)
    assert await through(store, at=11) == [second[0].id, first[1].id]


async def test_translating_again_asks_again(store: Store) -> None:
    await family(store, SAME)
    await through(store, at=0)
    hook = webhook()
    identify = command(hook, **IDENTIFY, same=SAME)
    waiting = command(hook, state=CommandState.WAITING, after=identify.id)
    reception = Reception(webhook=hook, commands=(identify, waiting))
    await store.receive(reception)
    await claimed(store, at=0)
    assert await state_of(store, identify) is CommandState.SUPPRESSED
    await store.retranslate(reception, now=after(700))
    assert await through(store, at=700) != []
    assert await state_of(store, identify) is CommandState.DELIVERED
    assert await through(store, at=701) == [waiting.id]


async def test_what_was_last_said_is_pruned_when_it_is_of_no_use(store: Store) -> None:
    await family(store, SAME)
    await through(store, at=0)
    month = timedelta(days=30)
    assert await store.prune(now=after(599), default=month, by_source={}) == Pruned()
    assert await store.prune(now=after(600), default=month, by_source={}, dry_run=True) == Pruned(once_claims=1)
    assert await store.prune(now=after(600), default=month, by_source={}) == Pruned(once_claims=1)
    assert await store.prune(now=after(600), default=month, by_source={}) == Pruned()
