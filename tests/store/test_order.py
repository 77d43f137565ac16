"""The line's promises under any course of events: random joins, claims, results and restarts."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.model import FINAL_STATES, CommandState
from gateway.store import Claim, CommandFilter, Store, open_store
from tests.effort import tries
from tests.store.making import GAP, LEASE, NOW, ended, received

CUSTOMERS = ("a", "b", "c")
commands = st.fixed_dictionaries(
    {"user_id": st.sampled_from(CUSTOMERS), "destination": st.sampled_from(("default", "default", "uk"))},
    optional={"priority": st.integers(-1, 1), "wait": st.integers(1, 30), "expires": st.integers(1, 40)},
)
steps = st.one_of(
    st.tuples(st.just("receive"), st.lists(commands, min_size=1, max_size=4)),
    st.tuples(st.just("claim"), st.integers(1, 4)),
    st.tuples(
        st.just("end"),
        st.integers(0, 3),
        st.sampled_from(
            (
                CommandState.DELIVERED,
                CommandState.DELIVERED,
                CommandState.FAILED,
                CommandState.HELD,
                CommandState.PENDING,
                CommandState.UNKNOWN,
            )
        ),
        st.integers(0, 20),
    ),
    st.tuples(st.just("pass"), st.integers(1, 30)),
    st.tuples(st.just("restart")),
)


class Course:
    """What happened so far, in the tests' own books."""

    def __init__(self, store: Store, url: str) -> None:
        self.store = store
        self.url = url
        self.seconds = 0.0
        self.order: list[str] = []
        self.held: dict[str, Claim] = {}

    @property
    def now(self) -> Any:
        return NOW + timedelta(seconds=self.seconds)

    async def receive(self, given: list[dict[str, Any]]) -> None:
        fields = []
        for one in given:
            one = dict(one)
            wait, expires = one.pop("wait", None), one.pop("expires", None)
            if wait is not None:
                one |= {"state": CommandState.WAITING, "not_before": self.now + timedelta(seconds=wait)}
            if expires is not None:
                one["expires_at"] = self.now + timedelta(seconds=expires)
            fields.append(one)
        self.order += [made.id for made in await received(self.store, *fields, received_at=self.now)]

    async def claim(self, limit: int) -> None:
        for destination in ("default", "uk"):
            before = {item.id: item for item in await self.everything()}
            for claim in (await self.store.claim(destination, limit=limit, lease=LEASE, now=self.now)).claims:
                assert claim.command.id not in self.held
                assert claim.command.destination == destination
                self.in_order(claim, before)
                self.held[claim.command.id] = claim

    def in_order(self, claim: Claim, before: dict[str, Any]) -> None:
        """Nobody of this customer who came before it stood in line and could have left instead."""
        mine = claim.command
        for other in before.values():
            if other.id == mine.id or (other.destination, other.user_id) != (mine.destination, mine.user_id):
                continue
            assert other.state not in (CommandState.DELIVERING, CommandState.UNKNOWN)
            if other.state is CommandState.PENDING and self.order.index(other.id) < self.order.index(mine.id):
                # Only one that was at the head already, a latecomer having become due behind it, or one too late.
                joined_late = other.not_before is not None
                too_late = other.expires_at is not None and other.expires_at <= self.now
                assert joined_late or too_late, (other, mine)

    async def end(self, which: int, state: CommandState, due: int) -> None:
        if not self.held:
            return
        id = sorted(self.held)[which % len(self.held)]
        claim = self.held.pop(id)
        moment = {"due_at": self.now + timedelta(seconds=due)} if state not in FINAL_STATES else {}
        assert await ended(self.store, claim, state, at=self.seconds, **moment)

    async def recover(self) -> None:
        for claim in await self.store.recover(now=self.now, lease=LEASE):
            self.held[claim.command.id] = claim

    async def restart(self) -> None:
        await self.store.close()
        self.store = open_store(self.url, identify_gap=GAP)
        await self.store.open()
        await self.recover()

    async def everything(self) -> Any:
        return (await self.store.commands(CommandFilter(), limit=10_000)).items

    async def holds(self) -> None:
        """The promises."""
        on_its_way: dict[Any, list[str]] = defaultdict(list)
        for item in await self.everything():
            if item.state in (CommandState.DELIVERING, CommandState.UNKNOWN):
                on_its_way[item.destination, item.user_id].append(item.id)
            if item.state is CommandState.DELIVERING:
                assert item.id in self.held
        assert all(len(ids) == 1 for ids in on_its_way.values()), on_its_way

    async def drain(self) -> None:
        """However it came to this, everything leaves in the end: no line is stuck."""
        for _ in range(10_000):
            await self.recover()
            await self.claim(10)
            for id in list(self.held):
                assert await ended(self.store, self.held.pop(id), at=self.seconds)
            dues = [due for to in ("default", "uk") if (due := await self.store.next_due(to)) is not None]
            unfinished = {state for states in (await self.store.backlog()).values() for state in states}
            if not dues and unfinished <= {CommandState.HELD}:
                return
            self.seconds = max(self.seconds + 1, *((due - NOW).total_seconds() for due in dues), 0)
        pytest.fail("a line is stuck")


async def follow(course: list[tuple[Any, ...]], url: str) -> None:
    store = open_store(url, identify_gap=GAP)
    await store.open()
    told = Course(store, url)
    try:
        for step, *arguments in course:
            match step:
                case "receive":
                    await told.receive(*arguments)
                case "claim":
                    await told.claim(*arguments)
                case "end":
                    await told.end(*arguments)
                case "pass":
                    told.seconds += arguments[0]
                    await told.recover()
                case "restart":
                    await told.restart()
            await told.holds()
        await told.drain()
    finally:
        await told.store.close()


@settings(
    max_examples=tries(60), deadline=None, suppress_health_check=list(HealthCheck)
)  # the fixture makes a database a call
@given(course=st.lists(steps, min_size=3, max_size=40))
def test_order_is_kept_and_nothing_is_stuck(new_database: Callable[[], str], course: list[tuple[Any, ...]]) -> None:
    asyncio.run(follow(course, new_database()))
