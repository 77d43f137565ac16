"""Per (destination, customer) at most one command is on its way or at the head of the line, in order of translation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.model import Command, CommandState
from gateway.store import CommandFilter, Reception, Store, Verdict
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
