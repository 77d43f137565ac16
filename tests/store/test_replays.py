"""Replays of many webhooks: what was asked and how far each has come is kept, and one at a time goes on with it."""

from __future__ import annotations

import msgspec
import pytest

from gateway.errors import Conflict, NotFound
from gateway.model import CommandState
from gateway.store import Act, Replay, Store
from tests.store.conftest import Opened
from tests.store.making import NOW, after, claimed, ended, one, received

REPLAY = Replay(id="01a0", began_at=NOW, asked=b'{"state":"unmatched"}', total=3)


async def test_how_far_it_has_come_is_kept(opened: Opened) -> None:
    store = await opened()
    await store.begin_replay(REPLAY)
    assert await store.replay("01a0") == REPLAY
    on = msgspec.structs.replace(REPLAY, done=1, cursor="7", counts={"created": 2})
    await store.note_replay(on, after=None)
    end = msgspec.structs.replace(on, done=3, cursor="9", counts={"created": 4}, finished_at=after(5))
    await store.note_replay(end, after="7")
    await store.close()
    assert await (await opened()).replay("01a0") == end


async def test_the_newest_are_listed_first(store: Store) -> None:
    others = [msgspec.structs.replace(REPLAY, id=id) for id in ("01a1", "01a2", "01a3")]
    for other in others:
        await store.begin_replay(other)
    assert list(await store.replays()) == others[::-1]
    assert list(await store.replays(limit=1)) == others[2:]


async def test_two_can_not_go_on_with_one(store: Store) -> None:
    await store.begin_replay(REPLAY)
    await store.note_replay(msgspec.structs.replace(REPLAY, cursor="7"), after=None)
    with pytest.raises(Conflict, match="somebody else"):
        await store.note_replay(msgspec.structs.replace(REPLAY, cursor="7"), after=None)
    assert (await store.replay("01a0")).cursor == "7"


async def test_one_that_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(NotFound, match="replay x"):
        await store.replay("x")
    with pytest.raises(NotFound, match="replay 01a0"):
        await store.note_replay(REPLAY, after=None)


async def test_what_is_sent_again_may_get_another_priority(store: Store) -> None:
    made = await received(store, {"user_id": "a", "priority": 5}, {"user_id": "b"})
    for claim in await claimed(store):
        await ended(store, claim, CommandState.FAILED)
    await store.act(Act.RETRY, [made[0].id], now=NOW, priority=-3)
    await store.act(Act.RETRY, [made[1].id], now=NOW)
    first, second = [claim.command for claim in await claimed(store)]
    assert (first.id, first.priority) == (made[1].id, 0)
    assert (second.id, second.priority) == (made[0].id, -3)


async def test_a_cancelled_command_keeps_its_priority(store: Store) -> None:
    [made] = await received(store, {"priority": 5})
    await ended(store, await one(store), CommandState.FAILED)
    acted = await store.act(Act.CANCEL, [made.id], now=NOW, priority=-3)
    assert acted.done[0].priority == (await store.command(made.id)).priority == 5
