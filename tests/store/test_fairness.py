"""A burst of one source, rule or customer does not delay the others: they take turns, from one claim to the next."""

from __future__ import annotations

from collections import Counter
from typing import Any

from gateway.store import Claim, Store
from tests.store.making import after, claimed, ended, received


async def burst(store: Store, n: int, name: str, **fields: Any) -> None:
    """``n`` commands of as many customers."""
    await received(store, *({"user_id": f"{name}-{i}", **fields} for i in range(n)))


async def one_by_one(store: Store, n: int, *, at: float = 0) -> list[Claim]:
    """``n`` claims of one command, as a destination makes them whose rate is used up."""
    return [claim for _ in range(n) for claim in await claimed(store, at=at, limit=1)]


async def test_sources_take_turns_in_one_claim(store: Store) -> None:
    await burst(store, 30, "a", source="black-friday")
    await burst(store, 30, "b", source="small-shop", due_at=after(10))
    got = await claimed(store, at=10, limit=20)
    assert Counter(claim.command.source for claim in got) == {"black-friday": 10, "small-shop": 10}


async def test_sources_take_turns_from_claim_to_claim(store: Store) -> None:
    await burst(store, 30, "a", source="black-friday")
    await one_by_one(store, 5, at=1)
    await burst(store, 3, "b", source="small-shop", due_at=after(2))
    await burst(store, 3, "c", source="third-shop", due_at=after(2))
    got = [claim.command.source for claim in await one_by_one(store, 9, at=2)]
    assert Counter(got) == {"black-friday": 3, "small-shop": 3, "third-shop": 3}
    assert all(len(set(got[start : start + 3])) == 3 for start in (0, 3, 6))


async def test_what_others_leave_goes_to_those_who_have_more(store: Store) -> None:
    await burst(store, 30, "a", source="black-friday")
    await burst(store, 2, "b", source="small-shop")
    got = await claimed(store, limit=20)
    assert Counter(claim.command.source for claim in got) == {"black-friday": 18, "small-shop": 2}
    assert len({claim.command.id for claim in got}) == 20
    assert len(await claimed(store, limit=20)) == 12


async def test_the_rules_of_a_source_share_what_is_its(store: Store) -> None:
    for rule in ("newsletter", "confirmation"):
        await burst(store, 20, rule, source="shop", rule=rule)
    await burst(store, 20, "other", source="other-shop", rule="newsletter")
    got = await claimed(store, limit=20)
    assert Counter((claim.command.source, claim.command.rule) for claim in got) == {
        ("shop", "newsletter"): 5,
        ("shop", "confirmation"): 5,
        ("other-shop", "newsletter"): 10,
    }


async def test_a_customer_with_many_commands_takes_turns_with_the_others(store: Store) -> None:
    await received(store, *({"user_id": "many"} for _ in range(5)))
    await burst(store, 3, "few", due_at=after(5))
    users = []
    for at in range(10, 18):
        (claim,) = await claimed(store, at=at, limit=1)
        users.append(claim.command.user_id)
        await ended(store, claim, at=at)
    assert users == ["many", "few-0", "few-1", "few-2", "many", "many", "many", "many"]


async def test_priorities_come_before_turns(store: Store) -> None:
    await burst(store, 5, "a", source="shop", priority=1)
    await burst(store, 5, "b", source="other-shop")
    got = [claim.command.source for claim in await one_by_one(store, 10)]
    assert got == ["shop"] * 5 + ["other-shop"] * 5


async def test_who_has_nothing_due_takes_no_turn(store: Store) -> None:
    await burst(store, 3, "a", source="shop", due_at=after(60))
    await burst(store, 3, "b", source="other-shop")
    assert [claim.command.source for claim in await one_by_one(store, 4)] == ["other-shop"] * 3


async def test_destinations_have_turns_of_their_own(store: Store) -> None:
    for destination in ("de", "uk"):
        for source in ("a", "b"):
            await burst(store, 2, f"{destination}-{source}", destination=destination, source=source)
    got = [
        (await claimed(store, limit=1, destination=destination))[0].command.source for destination in ("de", "uk") * 2
    ]
    assert got == ["a", "a", "b", "b"]
