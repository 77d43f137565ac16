"""Pruning: what is old and over goes, with all that belongs to it; what is not over, or still in force, stays."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import NotFound
from gateway.model import CommandState, Fetched, Fetching, RulesVersion, WebhookState, command_id, new_webhook_id
from gateway.store import CommandFilter, Pruned, Reception, Store, WebhookFilter
from gateway.terms import Limit, Once
from tests.store.conftest import Opened
from tests.store.making import NOW, after, claimed, command, ended, received, webhook

DAY = 86_400.0
MONTH = timedelta(days=30)


async def pruned(store: Store, *, at: float, by_source: dict[str, timedelta] | None = None, **more: Any) -> Pruned:
    return await store.prune(now=after(at), default=MONTH, by_source=by_source or {}, **more)


async def webhooks(store: Store) -> list[str]:
    return [one.id for one in (await store.webhooks(WebhookFilter(), limit=500)).items]


async def one_of(store: Store, state: CommandState, **fields: Any) -> str:
    """A webhook with one command that ended, or stands, in a state; its id."""
    hook = webhook(**fields)
    beginning: dict[str, Any] = {"user_id": hook.id}
    if state in (CommandState.WAITING, CommandState.DRY_RUN, CommandState.SUPPRESSED):
        beginning["state"] = state
    if state is CommandState.WAITING:
        beginning["not_before"] = after(3650 * DAY)
    made = command(hook, **beginning)
    await store.receive(Reception(webhook=hook, commands=(made,)))
    if "state" not in beginning and state is not CommandState.PENDING:
        (claim,) = [claim for claim in await claimed(store) if claim.command.id == made.id]
        if state is not CommandState.DELIVERING:
            await ended(store, claim, state)
    return hook.id


async def test_what_is_old_and_over_goes_with_all_that_belongs_to_it(store: Store) -> None:
    delivered = await one_of(store, CommandState.DELIVERED)
    empty = webhook(state=WebhookState.UNMATCHED)
    await store.receive(Reception(webhook=empty))
    fetched = Fetching(since=NOW, fetches=(Fetched(name="order", url="https://a", answer=b"{}"),))
    await store.note_fetching(empty.id, fetched, state=WebhookState.UNTRANSLATABLE, again=True)

    assert await pruned(store, at=30 * DAY) == Pruned()
    assert await pruned(store, at=31 * DAY) == Pruned(webhooks=2, commands=1, attempts=1)
    assert await webhooks(store) == []
    assert (await store.commands(CommandFilter())).items == ()
    assert await store.fetching(empty.id) is None
    assert await store.attempts(command_id(delivered, "Order confirmation", "", "send_email")) == []
    with pytest.raises(NotFound):
        await store.webhook(delivered)
    assert await pruned(store, at=31 * DAY) == Pruned()


@pytest.mark.parametrize(
    "state",
    [
        CommandState.WAITING,
        CommandState.PENDING,
        CommandState.DELIVERING,
        CommandState.HELD,
        CommandState.UNKNOWN,
    ],
)
async def test_what_is_not_over_stays_whole(store: Store, state: CommandState) -> None:
    id = await one_of(store, state)
    assert (await pruned(store, at=4000 * DAY)).webhooks == 0
    assert [one.state for one in (await store.commands(CommandFilter(webhook=id))).items] == [state]


@pytest.mark.parametrize(
    "state", [CommandState.FAILED, CommandState.DRY_RUN, CommandState.SUPPRESSED, CommandState.EXPIRED]
)
async def test_what_ended_otherwise_is_over_too(store: Store, state: CommandState) -> None:
    await one_of(store, state)
    assert (await pruned(store, at=31 * DAY)).webhooks == 1


async def test_one_command_that_is_not_over_keeps_its_webhook(store: Store) -> None:
    await received(store, {"user_id": "a", "state": CommandState.DRY_RUN}, {"user_id": "b"})
    assert (await pruned(store, at=31 * DAY)).webhooks == 0
    (claim,) = await claimed(store)
    await ended(store, claim)
    assert await pruned(store, at=31 * DAY) == Pruned(webhooks=1, commands=2, attempts=1)


async def test_a_webhook_that_is_being_fetched_stays(store: Store) -> None:
    hook = webhook(state=WebhookState.FETCHING)
    await store.receive(Reception(webhook=hook))
    assert (await pruned(store, at=400 * DAY)).webhooks == 0


async def test_each_source_has_its_own_time(store: Store) -> None:
    for source in ("long", "short", "other"):
        await store.receive(Reception(webhook=webhook(source=source)))
    times = {"long": timedelta(days=90), "short": timedelta(days=1)}

    async def left() -> list[str]:
        return sorted(one.source for one in (await store.webhooks(WebhookFilter())).items)

    await pruned(store, at=2 * DAY, by_source=times)
    assert await left() == ["long", "other"]
    await pruned(store, at=31 * DAY, by_source=times)
    assert await left() == ["long"]
    await pruned(store, at=91 * DAY, by_source=times)
    assert await left() == []


async def test_a_dry_run_counts_the_same_and_takes_nothing(store: Store) -> None:
    await one_of(store, CommandState.DELIVERED, dedup_key="k")
    once = Once(scope="s/r", key="k", until=after(DAY))
    await received(store, {"once": once, "state": CommandState.PENDING, "user_id": "u"})
    await claim_all(store)
    hook = webhook(dedup_key="short")
    await store.receive(Reception(webhook=hook, dedup_until=after(DAY)))
    counted = await pruned(store, at=31 * DAY, dry_run=True)
    assert len(await webhooks(store)) == 3
    assert counted == Pruned(webhooks=3, commands=2, attempts=2, dedup_keys=1, once_claims=1)
    assert await pruned(store, at=31 * DAY) == counted


async def claim_all(store: Store) -> None:
    for claim in await claimed(store):
        await ended(store, claim)


async def test_a_dedup_key_holds_until_its_time_and_one_without_as_long_as_its_webhook(store: Store) -> None:
    dated, undated = webhook(dedup_key="dated"), webhook(dedup_key="undated")
    await store.receive(Reception(webhook=dated, dedup_until=after(60 * DAY)))
    await store.receive(Reception(webhook=undated))

    async def repeated(key: str, at: float) -> bool:
        again = webhook(dedup_key=key, received_at=after(at))
        return (await store.receive(Reception(webhook=again, dedup_until=after(at)))).duplicate

    assert await repeated("undated", 29 * DAY)
    assert (await pruned(store, at=31 * DAY)).webhooks == 2
    assert await repeated("dated", 31 * DAY)
    assert not await repeated("undated", 31 * DAY)
    assert (await pruned(store, at=60 * DAY)).dedup_keys == 2
    assert not await repeated("dated", 59 * DAY)


async def test_a_key_that_a_later_webhook_took_over_is_that_ones(store: Store) -> None:
    first = webhook(dedup_key="k")
    await store.receive(Reception(webhook=first, dedup_until=after(DAY)))
    later = webhook(dedup_key="k", received_at=after(20 * DAY))
    assert not (await store.receive(Reception(webhook=later))).duplicate
    assert (await pruned(store, at=31 * DAY)).webhooks == 1
    third = webhook(dedup_key="k", received_at=after(32 * DAY))
    assert (await store.receive(Reception(webhook=third))).webhook_id == later.id


async def test_a_once_claim_holds_for_ever_or_until_its_time(store: Store) -> None:
    ever, dated = Once(scope="s/r", key="ever"), Once(scope="s/r", key="dated", until=after(60 * DAY))
    await received(store, {"once": ever, "user_id": "a"}, {"once": dated, "user_id": "b"})
    await claim_all(store)
    assert await pruned(store, at=50 * DAY) == Pruned(webhooks=1, commands=2, attempts=2)

    async def had(once: Once, at: float) -> bool:
        hook = webhook(received_at=after(at))
        made = command(hook, once=once, user_id=hook.id)
        await store.receive(Reception(webhook=hook, commands=(made,)))
        return (await store.command(made.id)).state is CommandState.SUPPRESSED

    assert await had(ever, 50 * DAY)
    assert await had(dated, 50 * DAY)
    assert (await pruned(store, at=61 * DAY)).once_claims == 1
    assert await had(ever, 61 * DAY)
    assert not await had(dated, 61 * DAY)


async def test_a_use_of_a_limit_counts_for_its_time(store: Store) -> None:
    limit = Limit(scope="s/r", key="ada", at_most=1, within=int(60 * DAY))
    await received(store, {"limit": limit})
    await claim_all(store)
    assert (await pruned(store, at=31 * DAY)).commands == 1
    (made,) = await received(store, {"limit": limit}, received_at=after(31 * DAY))
    assert await claimed(store, at=31 * DAY) == []
    assert (await store.command(made.id)).state is CommandState.SUPPRESSED


async def test_a_name_whose_command_is_gone_is_free(store: Store) -> None:
    await received(store, {"name": "reminder/1"})
    await claim_all(store)
    await pruned(store, at=31 * DAY)
    (made,) = await received(store, {"name": "reminder/1"}, received_at=after(31 * DAY))
    assert (await store.command(made.id)).state is CommandState.PENDING


async def test_the_body_of_a_batch_goes_with_its_last_element(store: Store) -> None:
    first = webhook(batch_id="b", batch=b"[1,2]")
    second = webhook(batch_id="b", batch=b"[1,2]", received_at=after(DAY))
    await store.receive(Reception(webhook=first))
    await store.receive(Reception(webhook=second))
    await pruned(store, at=31 * DAY)
    assert (await store.webhook(second.id)).batch == b"[1,2]"
    await pruned(store, at=32 * DAY)
    # The same name is free for another body.
    third = webhook(batch_id="b", batch=b"[3]")
    await store.receive(Reception(webhook=third))
    assert (await store.webhook(third.id)).batch == b"[3]"


async def test_versions_that_nobody_names_go(store: Store) -> None:
    def version(name: str) -> RulesVersion:
        return RulesVersion(version=name, files={"a.yaml": name}, loaded_at=NOW)

    await store.serve_rules(version("old"), [("shop", "r")], now=NOW)
    held = await one_of(store, CommandState.HELD, rules_version="named")
    await store.receive(Reception(webhook=webhook(rules_version="old")))
    await store.serve_rules(version("named"), [("shop", "r")], now=after(1))
    await store.serve_rules(version("served"), [("shop", "r")], now=after(2))
    await store.remember_rules(version("tried"))

    assert (await pruned(store, at=30.5 * DAY)).rules_versions == 0
    assert (await pruned(store, at=32 * DAY, dry_run=True)).rules_versions == 2
    assert (await pruned(store, at=32 * DAY)).rules_versions == 2
    histories = await store.rules_histories()
    assert [history.version.version for history in histories] == ["served", "named"]
    assert [history.before for history in histories] == ["named", None]
    for gone in ("old", "tried"):
        with pytest.raises(NotFound):
            await store.rules_version(gone)
    assert (await store.webhook(held)).rules_version == "named"


async def test_thousands_go_while_others_arrive(store: Store) -> None:
    hooks = [webhook(id=new_webhook_id(), state=WebhookState.UNMATCHED) for _ in range(1_300)]
    await asyncio.gather(*(store.receive(Reception(webhook=hook)) for hook in hooks))
    big = webhook()
    made = tuple(command(big, element=str(n), user_id=str(n), state=CommandState.DRY_RUN) for n in range(500))
    await store.receive(Reception(webhook=big, commands=made))
    arriving = [webhook(received_at=after(31 * DAY)) for _ in range(50)]

    async def arrive() -> None:
        for hook in arriving:
            await store.receive(Reception(webhook=hook))

    done, _ = await asyncio.gather(pruned(store, at=31 * DAY), arrive())
    assert (done.webhooks, done.commands) == (1_301, 500)
    assert sorted(await webhooks(store)) == sorted(hook.id for hook in arriving)


async def test_a_person_prunes_beside_the_serving_process(opened: Opened) -> None:
    serving = await opened()
    await one_of(serving, CommandState.DELIVERED)
    beside = await opened(serving=False)
    assert (await pruned(beside, at=31 * DAY)).webhooks == 1
    assert await webhooks(serving) == []


def test_what_was_taken_out_adds_up() -> None:
    both = Pruned(webhooks=1, attempts=2) + Pruned(webhooks=3, rules_versions=1)
    assert both == Pruned(webhooks=4, attempts=2, rules_versions=1)
