"""What may leave, when, and under whose lease."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

import pytest

from gateway.model import CommandState, Outcome
from gateway.store import Act, Claim, Pause, PauseScope, Store, Verdict
from tests.store.conftest import Opened
from tests.store.making import LEASE, NOW, after, attempt, claimed, ended, one, received, state_of


def ids(claims: Sequence[Claim]) -> list[str]:
    return [claim.command.id for claim in claims]


async def test_what_is_claimed_is_delivering_and_counts_the_attempt(store: Store) -> None:
    (made,) = await received(store, {})
    claim = await one(store)
    assert claim.leased_until == NOW + LEASE
    assert claim.command == await store.command(made.id)
    assert claim.command.state is CommandState.DELIVERING
    assert claim.command.attempts == 1
    assert claim.command.body == made.body
    assert await claimed(store) == []


async def test_at_most_the_limit_the_longest_due_first(store: Store) -> None:
    made = await received(store, *({"user_id": str(n), "due_at": after(-n % 7)} for n in range(7)))
    expected = [given.id for given in sorted(made, key=lambda given: given.due_at or NOW)]
    assert ids(await claimed(store, at=60, limit=3)) == expected[:3]
    assert await claimed(store, at=60, limit=0) == []
    assert ids(await claimed(store, at=60, limit=100)) == expected[3:]


async def test_of_the_same_moment_the_first_translated_leaves_first(store: Store) -> None:
    made = await received(store, *({"user_id": str(n)} for n in range(5)))
    assert ids(await claimed(store)) == [given.id for given in made]


async def test_a_higher_priority_leaves_first_among_what_is_due(store: Store) -> None:
    made = await received(
        store,
        {"user_id": "a", "priority": 0},
        {"user_id": "b", "priority": 9, "due_at": after(10)},
        {"user_id": "c", "priority": 5},
        {"user_id": "d", "priority": -1, "due_at": after(-10)},
        {"user_id": "e", "priority": 5, "due_at": after(-5)},
    )
    a, b, c, d, e = (given.id for given in made)
    assert ids(await claimed(store, limit=3)) == [e, c, a]
    assert ids(await claimed(store, at=10)) == [b, d]


async def test_a_destination_gets_its_own_only(store: Store) -> None:
    _, there = await received(store, {}, {"destination": "uk"})
    assert ids(await claimed(store, destination="uk")) == [there.id]
    assert await claimed(store, destination="nowhere") == []


async def test_what_waits_for_its_time_is_claimed_then(store: Store) -> None:
    (made,) = await received(store, {"state": CommandState.WAITING, "not_before": after(60), "due_at": after(60)})
    assert await claimed(store, at=59.9) == []
    assert await state_of(store, made) is CommandState.WAITING
    assert (await one(store, at=60)).command.id == made.id


async def test_what_waits_for_no_moment_at_all_is_due(store: Store) -> None:
    (made,) = await received(store, {"state": CommandState.WAITING})
    assert (await one(store)).command.id == made.id


async def test_its_own_time_counts_where_only_that_is_given(store: Store) -> None:
    await received(store, {"state": CommandState.WAITING, "not_before": after(60)})
    assert await claimed(store, at=59) == []
    assert await store.next_due("default") == after(60)


async def test_what_waits_holds_nobody_back(store: Store) -> None:
    _, now = await received(store, {"state": CommandState.WAITING, "due_at": after(60)}, {})
    claim = await one(store)
    assert claim.command.id == now.id
    # It joins behind whoever is there when its time comes.
    assert await claimed(store, at=61) == []
    await ended(store, claim, at=62)
    assert len(await claimed(store, at=62)) == 1


async def test_two_that_come_due_together_join_in_the_order_of_translation(store: Store) -> None:
    made = await received(
        store,
        {"state": CommandState.WAITING, "due_at": after(60)},
        {"state": CommandState.WAITING, "due_at": after(50)},
    )
    claim = await one(store, at=70)
    assert claim.command.id == made[0].id
    await ended(store, claim, at=70)
    assert (await one(store, at=70)).command.id == made[1].id


async def test_what_is_too_late_expires_and_lets_the_next_one_leave(store: Store) -> None:
    late, next_one, other = await received(
        store, {"expires_at": after(60)}, {}, {"user_id": "other", "expires_at": after(60.000001)}
    )
    assert ids(await claimed(store, at=60)) == [other.id, next_one.id]
    expired = await store.command(late.id)
    assert expired.state is CommandState.EXPIRED
    assert expired.finished_at == after(60)
    assert expired.attempts == 0
    assert "2026-03-01T12:01:00+00:00" in (expired.reason or "")


async def test_many_too_late_are_expired_bit_by_bit(store: Store) -> None:
    await received(store, *({"user_id": str(n % 10), "expires_at": after(1)} for n in range(300)))
    (live,) = await received(store, {"user_id": "0"})
    claims = []
    for _ in range(100):
        due = await store.next_due("default")
        assert due is not None  # so a dispatcher comes again
        if claims := await claimed(store, at=2, limit=5):
            break
    assert ids(claims) == [live.id]
    assert await store.backlog() == {"default": {CommandState.DELIVERING: 1}}


async def test_what_is_too_late_when_its_time_comes_expires(store: Store) -> None:
    (made,) = await received(store, {"state": CommandState.WAITING, "due_at": after(60), "expires_at": after(30)})
    assert await claimed(store, at=60) == []
    assert await state_of(store, made) is CommandState.EXPIRED


async def test_a_retry_waits_for_its_moment_and_keeps_its_place(store: Store) -> None:
    first, second = await received(store, {}, {})
    claim = await one(store)
    assert await ended(store, claim, CommandState.PENDING, at=1, due_at=after(30), reason="503")
    retry = await store.command(first.id)
    assert (retry.state, retry.due_at, retry.reason, retry.attempts) == (CommandState.PENDING, after(30), "503", 1)
    assert await claimed(store, at=29) == []
    assert await state_of(store, second) is CommandState.PENDING
    claim = await one(store, at=30)
    assert (claim.command.id, claim.command.attempts) == (first.id, 2)


async def test_a_claim_that_is_given_back_keeps_its_place_and_counts_no_attempt(store: Store) -> None:
    first, _ = await received(store, {"user_id": "a", "due_at": after(-10)}, {"user_id": "b", "due_at": after(-5)})
    (claim,) = await claimed(store, limit=1)
    assert await store.record(claim, None, Verdict(state=CommandState.PENDING), now=after(1))
    again = await store.command(first.id)
    assert (again.state, again.attempts, again.due_at) == (CommandState.PENDING, 0, after(-10))
    assert await store.attempts(first.id) == []
    assert ids(await claimed(store, limit=1)) == [first.id]


async def test_what_a_cancelled_claim_leased_is_given_back(store: Store) -> None:
    made = await received(store, *({"user_id": str(n)} for n in range(5)))
    task = asyncio.create_task(store.claim("default", limit=5, lease=LEASE, now=NOW))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    for _ in range(1000):
        if claims := await claimed(store):
            break
        await asyncio.sleep(0.001)
    assert ids(claims) == [given.id for given in made]
    assert {claim.command.attempts for claim in claims} == {1}


async def test_simultaneous_claims_share_nothing(store: Store) -> None:
    made = await received(store, *({"user_id": str(n)} for n in range(60)))
    shares = await asyncio.gather(*(claimed(store, limit=7) for _ in range(10)))
    leased = [claim.command.id for share in shares for claim in share]
    assert sorted(leased) == sorted(given.id for given in made)
    assert max(map(len, shares)) == 7


async def test_next_due(store: Store) -> None:
    assert await store.next_due("default") is None
    await received(
        store,
        {"user_id": "a", "state": CommandState.WAITING, "due_at": after(60)},
        {"user_id": "b", "destination": "uk"},
    )
    assert await store.next_due("default") == after(60)
    await received(store, {"user_id": "c", "due_at": after(40), "priority": -1}, {"user_id": "c", "due_at": after(1)})
    assert await store.next_due("default") == after(40)
    await received(store, {"user_id": "d", "due_at": after(45), "priority": 7})
    assert await store.next_due("default") == after(40)
    claims = await claimed(store, at=45)
    assert await store.next_due("default") == after(60)
    await ended(store, claims[0], CommandState.PENDING, at=46, due_at=after(50))
    assert await store.next_due("default") == after(50)


async def test_next_due_does_not_name_what_cannot_be_claimed(store: Store) -> None:
    await received(store, {}, {})
    await one(store)
    (identify,) = await received(store, {"user_id": "b", "command": "identify", "action": "identify"})
    await received(store, {"user_id": "b", "state": CommandState.WAITING, "after": identify.id})
    await one(store)
    assert await store.next_due("default") is None


async def test_the_backlog_counts_what_is_unfinished(store: Store) -> None:
    assert await store.backlog() == {}
    (identify,) = await received(store, {"user_id": "i", "command": "identify", "action": "identify"})
    await received(
        store,
        {"user_id": "a"},
        {"user_id": "a"},
        {"user_id": "b"},
        {"user_id": "c", "destination": "uk", "state": CommandState.WAITING, "due_at": after(5)},
        {"user_id": "i", "state": CommandState.WAITING, "after": identify.id, "destination": "uk"},
        {"user_id": "d", "state": CommandState.HELD},
        {"user_id": "e", "state": CommandState.SUPPRESSED},
        {"user_id": "f"},
        {"user_id": "g"},
    )
    claims = {claim.command.user_id: claim for claim in await claimed(store)}
    await ended(store, claims["f"])
    await ended(store, claims["g"], CommandState.UNKNOWN, due_at=after(60))
    assert await store.backlog() == {
        "default": {
            CommandState.PENDING: 1,
            CommandState.DELIVERING: 3,
            CommandState.HELD: 1,
            CommandState.UNKNOWN: 1,
        },
        "uk": {CommandState.WAITING: 2},
    }
    assert await store.unfinished() == {"default", "uk"}


@pytest.mark.parametrize(
    ("state", "unfinished"),
    [
        *((state, True) for state in ("pending", "delivering", "unknown", "held", "behind", "waiting", "paused")),
        *((state, False) for state in ("delivered", "failed", "cancelled")),
    ],
)
async def test_a_destination_is_unfinished_as_long_as_any_of_its_commands_is(
    store: Store, state: str, unfinished: bool
) -> None:
    others = {"destination": "a", "user_id": "other"}, {"destination": "z", "user_id": "other"}
    fields = {"state": CommandState.WAITING, "due_at": after(60)} if state == "waiting" else {}
    made, *_ = await received(store, fields | {"destination": "m", "source": "m"}, *others)
    if state == "behind":
        await received(store, {"destination": "m"})
    elif state == "paused":
        await store.pause(Pause(scope=PauseScope.SOURCE, name="m", since=NOW, by="anna"))
        assert await claimed(store, destination="m") == []
    elif state == "cancelled":
        await store.act(Act.CANCEL, [made.id], now=NOW)
    elif state not in ("pending", "waiting"):
        (claim,) = await claimed(store, destination="m")
        if state != "delivering":
            await ended(store, claim, CommandState(state), **({"due_at": after(60)} if state == "unknown" else {}))
    assert await store.unfinished() == {"a", "z", *(["m"] if unfinished else [])}


async def test_a_lease_that_is_over_is_taken_over_once(store: Store) -> None:
    made = await received(store, {"user_id": "a"}, {"user_id": "b"})
    old = await claimed(store, limit=1)
    await claimed(store, at=30, limit=1)
    assert await store.recover(now=after(59.9), lease=LEASE) == []
    (claim,) = await store.recover(now=after(60), lease=LEASE)
    assert claim.command.id == made[0].id
    assert claim.command.state is CommandState.DELIVERING
    assert claim.command.attempts == 1, "it is the attempt that began"
    assert (claim.leased_until, claim.lease != old[0].lease) == (after(120), True)
    assert await store.recover(now=after(61), lease=LEASE) == []


async def test_a_result_counts_under_its_lease_only(store: Store) -> None:
    (made,) = await received(store, {})
    old = await one(store)
    (new,) = await store.recover(now=after(60), lease=LEASE)
    assert not await ended(store, old, at=61)
    assert await state_of(store, made) is CommandState.DELIVERING
    assert await store.attempts(made.id) == []
    assert await ended(store, new, at=62)
    assert not await ended(store, new, CommandState.FAILED, at=63)
    assert await state_of(store, made) is CommandState.DELIVERED
    assert len(await store.attempts(made.id)) == 1


async def test_of_two_results_under_one_lease_the_first_counts(store: Store) -> None:
    (made,) = await received(store, {})
    claim = await one(store)
    results = await asyncio.gather(ended(store, claim), ended(store, claim, CommandState.FAILED))
    assert results == [True, False]
    assert await state_of(store, made) is CommandState.DELIVERED


async def test_a_recovered_claim_without_an_attempt_keeps_the_count(store: Store) -> None:
    (made,) = await received(store, {})
    await one(store)
    (claim,) = await store.recover(now=after(60), lease=LEASE)
    await store.record(claim, None, Verdict(state=CommandState.HELD, reason="its outcome is unknown"), now=after(61))
    assert (await store.command(made.id)).attempts == 1


async def test_after_a_start_what_was_on_its_way_is_taken_over_when_its_lease_is_over(opened: Opened) -> None:
    store = await opened()
    made = await received(store, {"user_id": "a"}, {"user_id": "b"})
    await claimed(store, limit=1)
    await store.close()
    store = await opened()
    (taken,) = await store.recover(now=NOW + LEASE, lease=LEASE)
    assert taken.command.id == made[0].id
    assert await store.recover(now=NOW + LEASE, lease=LEASE) == []


async def test_beside_a_serving_store_only_what_is_over_is_taken_over(opened: Opened) -> None:
    store = await opened()
    await received(store, {})
    await claimed(store)
    beside = await opened(serving=False)
    assert await beside.recover(now=after(1), lease=LEASE) == []


async def test_a_lookup_blocks_its_line_and_comes_back_when_it_is_due(store: Store) -> None:
    made, _ = await received(store, {}, {})
    claim = await one(store)
    await ended(store, claim, CommandState.UNKNOWN, due_at=after(60), reason="no answer")
    assert await claimed(store, at=59) == []
    assert await store.recover(now=after(59), lease=LEASE) == []
    (lookup,) = await store.recover(now=after(60), lease=LEASE)
    assert (lookup.command.id, lookup.command.state) == (made.id, CommandState.UNKNOWN)
    assert await claimed(store, at=61) == []
    assert await store.recover(now=after(61), lease=LEASE) == []
    assert not await ended(store, claim, at=61)
    # Looked up and not found: it goes again, at once.
    assert await store.record(lookup, None, Verdict(state=CommandState.PENDING), now=after(62))
    again = await one(store, at=62)
    assert (again.command.id, again.command.attempts) == (made.id, 2)


async def test_a_lookup_that_nobody_finished_comes_back(store: Store) -> None:
    (made,) = await received(store, {})
    await ended(store, await one(store), CommandState.UNKNOWN)
    (first,) = await store.recover(now=after(0), lease=LEASE)
    (second,) = await store.recover(now=first.leased_until, lease=LEASE)
    assert second.command.id == made.id
    assert not await store.record(first, None, Verdict(state=CommandState.HELD), now=after(70))
    assert await store.record(second, None, Verdict(state=CommandState.DELIVERED), now=after(70))
    assert await state_of(store, made) is CommandState.DELIVERED


async def test_an_attempt_is_kept_as_it_was_given(store: Store) -> None:
    (made,) = await received(store, {})
    kept = []
    for number in range(1, 12):
        claim = await one(store, at=number)
        kept.append(
            attempt(
                claim,
                at=number,
                outcome=Outcome.UNAVAILABLE,
                status=503,
                message="half an emoji: \ud83d and \x00",
                duration_ms=12.5,
            )
        )
        await store.record(
            claim, kept[-1], Verdict(state=CommandState.PENDING, due_at=after(number)), now=after(number)
        )
    claim = await one(store, at=12)
    kept.append(attempt(claim, at=12, status=200, intilery_event_id="7f7211bf-0000"))
    await store.record(claim, kept[-1], Verdict(state=CommandState.DELIVERED), now=after(12))
    assert await store.attempts(made.id) == kept
    delivered = await store.command(made.id)
    assert delivered.intilery_event_id == "7f7211bf-0000"
    assert delivered.finished_at == after(12)
    assert (delivered.due_at, delivered.reason, delivered.attempts) == (None, None, 12)


@pytest.mark.parametrize(
    "state", [CommandState.FAILED, CommandState.HELD, CommandState.EXPIRED, CommandState.SUPPRESSED]
)
async def test_a_verdict_is_kept_with_its_reason(store: Store, state: CommandState) -> None:
    (made,) = await received(store, {})
    await ended(store, await one(store), state, at=3, reason="why \ud83d")
    kept = await store.command(made.id)
    assert (kept.state, kept.reason, kept.due_at) == (state, "why \ud83d", None)
    assert kept.finished_at == (None if state is CommandState.HELD else after(3))
    assert await claimed(store, at=1e6) == []
