"""What only PostgreSQL promises: many gateways at once, connections that come back, days that go as a whole."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from gateway.errors import SchemaTooNew, SettingsError, StoreUnavailable
from gateway.model import CommandState
from gateway.store import Act, CommandFilter, Pruned, Receipt, Reception, Store, WebhookFilter, groups, open_store
from gateway.store.postgres import PostgresStore
from gateway.store.postgres.database import address_of, name_of
from gateway.store.postgres.statements import Connection, fetch
from gateway.terms import Limit, Once
from tests.postgres import Databases, ask
from tests.store.conftest import Opened
from tests.store.making import GAP, LEASE, NOW, after, claimed, command, ended, one, received, state_of, webhook

DAY = 86_400.0
MONTH = timedelta(days=30)


async def in_writer(store: Store, work: Callable[[Connection], Awaitable[Any]]) -> Any:
    """Run ``work`` on the connection that writes receptions, inside a transaction of its own."""
    assert isinstance(store, PostgresStore)
    assert store._connections is not None

    async def run(db: Connection, _: object) -> list[Any]:
        return [await work(db)]

    return await store._connections.intake.submit(run, None)


# -- the address -------------------------------------------------------------------------------------------------------


def test_what_the_address_says_goes_to_libpq_as_it_is() -> None:
    url = (
        "postgresql://user:secret@one:5432,two:5433/gateway"
        "?target_session_attrs=read-write&sslmode=verify-full&sslrootcert=/etc/ca.pem&connect_timeout=3"
    )
    given = conninfo_to_dict(address_of(url))
    assert (given["host"], given["port"], given["dbname"]) == ("one,two", "5432,5433", "gateway")
    assert (given["target_session_attrs"], given["sslmode"]) == ("read-write", "verify-full")
    assert given["sslrootcert"] == "/etc/ca.pem"
    assert given["connect_timeout"] == "3", "what it leaves open is filled in, and nothing else"
    assert given["application_name"] == "intilery-webhook-gateway"
    assert name_of(url) == "postgresql://one:5432,two:5433/gateway"


def test_an_address_that_cant_be_read_is_a_setting_and_shows_no_password() -> None:
    with pytest.raises(SettingsError, match=r"GATEWAY_STORE: .*allowed: postgresql://") as caught:
        open_store("postgresql://user:secret@host/gateway?ssl_mode=require")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("password", ["my@secret", "my/secret", "my%secret", "1/secret"])
def test_a_password_that_is_not_written_as_addresses_are_is_told_of_and_not_shown(password: str) -> None:
    with pytest.raises(SettingsError, match=r"GATEWAY_STORE: .*what is no letter or digit is written as %40") as caught:
        open_store(f"postgresql://user:{password}@host:5432/gateway")
    assert "secret" not in str(caught.value)


def test_without_the_driver_the_setting_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gateway.store.postgres", None)
    with pytest.raises(SettingsError, match=r"needs psycopg.*pip install 'intilery-webhook-gateway\[postgres\]'"):
        open_store("postgresql://host/gateway")


async def test_of_several_hosts_the_one_that_writes_is_used(store_url: str) -> None:
    given = conninfo_to_dict(store_url)
    places = f"host=/nowhere,{given['host']}&port={given.get('port', 5432)}"
    user = f"{given['user']}:{given['password']}" if "password" in given else given["user"]
    url = f"postgresql://{user}@/{given['dbname']}?{places}&target_session_attrs=read-write"
    store = open_store(url, identify_gap=GAP)
    await store.open()
    await received(store, {})
    assert len(await claimed(store)) == 1
    await store.close()


async def test_a_server_that_is_not_there(tmp_path: Any) -> None:
    store = open_store(f"postgresql://postgres@/gateway?host={tmp_path}")
    for serving in (True, False):
        with pytest.raises(StoreUnavailable, match="No such file"):
            await store.open(serving=serving)
    await store.close()


# -- the schema --------------------------------------------------------------------------------------------------------


async def test_gateways_that_start_together_on_a_new_database_agree(databases: Databases) -> None:
    url = databases.bare()
    stores = [open_store(url, identify_gap=GAP) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    for store in stores:
        await store.receive(Reception(webhook=webhook()))
    assert len((await stores[0].webhooks(WebhookFilter())).items) == 4
    await asyncio.gather(*(store.close() for store in stores))
    assert ask(url, "SELECT version FROM gateway_schema") == [(1,)]


async def test_an_older_gateway_refuses_a_newer_schema(databases: Databases) -> None:
    url = databases.bare()
    store = open_store(url, identify_gap=GAP)
    await store.open()
    await store.close()
    ask(url, "UPDATE gateway_schema SET version = 2")
    for serving in (True, False):
        with pytest.raises(SchemaTooNew, match=r"schema is 2.*knows 1 to 1"):
            await store.open(serving=serving)


# -- commits -----------------------------------------------------------------------------------------------------------


async def test_what_arrives_together_shares_a_transaction(store: Store, store_url: str) -> None:
    await asyncio.gather(*(store.receive(Reception(webhook=webhook(dedup_key=str(n)))) for n in range(64)))
    assert ask(store_url, "SELECT count(*), count(DISTINCT xmin::text) FROM webhooks") == [(64, 1)]


@pytest.mark.parametrize(("default", "used"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")])
async def test_a_lax_default_of_the_server_does_not_break_what_a_200_says(
    store_url: str, opened: Opened, default: str, used: str
) -> None:
    database = conninfo_to_dict(store_url)["dbname"]
    ask(store_url, f'ALTER DATABASE "{database}" SET synchronous_commit = {default}')
    store = await opened()
    try:
        said = await in_writer(store, lambda db: fetch(db, "SELECT current_setting('synchronous_commit')"))
    finally:
        ask(store_url, f'ALTER DATABASE "{database}" RESET synchronous_commit')
    assert said == [(used,)]


async def test_too_much_waiting_for_the_server_is_refused_at_once(store: Store, store_url: str) -> None:
    await received(store, {})
    claim = await one(store)
    hooks = [webhook(body=b"x" * 3_000_000) for _ in range(groups.MAX_BYTES // 3_000_000 + 1)]
    with psycopg.connect(store_url) as other:
        other.execute("LOCK TABLE webhooks IN EXCLUSIVE MODE")
        waiting = [asyncio.create_task(store.receive(Reception(webhook=hook))) for hook in hooks]
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="wait for the server; at most"):
            await store.receive(Reception(webhook=webhook()))
        with pytest.raises(StoreUnavailable, match="wait for the server"):
            await store.check()
        # What was sent must be remembered: a result waits for nobody outside.
        assert await ended(store, claim)
    assert [receipt.webhook_id for receipt in await asyncio.gather(*waiting)] == [hook.id for hook in hooks]
    await store.check()


async def test_keys_of_any_length(store: Store) -> None:
    long = "k" * 20_000
    hook = webhook(dedup_key=long)
    given = {"once": Once(scope="s", key=long), "name": long, "limit": Limit(scope="s", key=long, at_most=1, within=60)}
    made = command(hook, user_id=long, **given)
    await store.receive(Reception(webhook=hook, commands=(made,)))
    assert (await store.receive(Reception(webhook=webhook(dedup_key=long)))).duplicate
    assert (await one(store)).command.user_id == long
    (again,) = await received(store, {"once": Once(scope="s", key=long)})
    assert await state_of(store, again) is CommandState.SUPPRESSED


# -- connections that are lost -----------------------------------------------------------------------------------------

KILL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"  # noqa: E501


async def test_connections_that_died_are_made_again_unnoticed(store: Store, store_url: str) -> None:
    (made,) = await received(store, {})
    claim = await one(store)
    for _ in range(3):
        assert ask(store_url, KILL)
        await store.receive(Reception(webhook=webhook()))
        await store.command(made.id)
        await store.webhooks(WebhookFilter())
    ask(store_url, KILL)
    assert await ended(store, claim)


async def test_a_connection_that_dies_under_a_transaction_loses_nothing(store: Store, store_url: str) -> None:
    hooks = [webhook() for _ in range(20)]
    with psycopg.connect(store_url) as other:
        other.execute("LOCK TABLE webhooks IN EXCLUSIVE MODE")
        waiting = [asyncio.create_task(store.receive(Reception(webhook=hook))) for hook in hooks]
        waits = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        while not (pids := await asyncio.to_thread(ask, store_url, waits)):
            pass
        ask(store_url, f"SELECT pg_terminate_backend({pids[0][0]})")
    results = await asyncio.gather(*waiting, return_exceptions=True)
    kept = {result.webhook_id for result in results if isinstance(result, Receipt)}
    assert all(isinstance(result, Receipt | StoreUnavailable) for result in results)
    there = {hook.id for hook in (await store.webhooks(WebhookFilter(), limit=100)).items}
    assert kept <= there
    await store.check()


async def test_while_the_server_is_away_it_is_unavailable_and_then_works_by_itself(
    store: Store, store_url: str, postgres_server: str
) -> None:
    await received(store, {})
    database = conninfo_to_dict(store_url)["dbname"]
    ask(postgres_server, f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false')
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    ask(postgres_server, kill)
    for verb in (
        store.check(),
        store.receive(Reception(webhook=webhook())),
        store.claim("default", limit=1, lease=LEASE, now=NOW),
    ):
        with pytest.raises(StoreUnavailable):
            await verb
    many = await asyncio.gather(
        *(store.receive(Reception(webhook=webhook())) for _ in range(50)), return_exceptions=True
    )
    assert all(isinstance(result, StoreUnavailable) for result in many)
    ask(postgres_server, f'ALTER DATABASE "{database}" ALLOW_CONNECTIONS true')
    await store.check()
    await store.receive(Reception(webhook=webhook()))
    assert len(await claimed(store)) == 1
    assert len((await store.webhooks(WebhookFilter())).items) == 2


# -- many gateways -----------------------------------------------------------------------------------------------------


async def test_a_webhook_that_comes_to_all_at_once_is_accepted_once(opened: Opened) -> None:
    stores = [await opened() for _ in range(3)]
    hooks = [webhook(dedup_key=str(n % 5)) for n in range(150)]
    receipts = await asyncio.gather(
        *(
            stores[n % 3].receive(Reception(webhook=hook, commands=(command(hook, user_id=hook.id),)))
            for n, hook in enumerate(hooks)
        )
    )
    accepted = [receipt.webhook_id for receipt in receipts if not receipt.duplicate]
    assert len(accepted) == 5
    assert {receipt.webhook_id for receipt in receipts} == set(accepted)
    assert [(await stores[0].webhook(id)).repeats for id in accepted] == [29] * 5
    assert len((await stores[0].commands(CommandFilter(), limit=200)).items) == 5


async def test_once_holds_over_all_gateways(opened: Opened) -> None:
    stores = [await opened() for _ in range(3)]
    once = Once(scope="shop/Order", key="1001")
    hooks = [webhook() for _ in range(60)]
    await asyncio.gather(
        *(
            stores[n % 3].receive(Reception(webhook=hook, commands=(command(hook, user_id=hook.id, once=once),)))
            for n, hook in enumerate(hooks)
        )
    )
    states = [item.state for item in (await stores[0].commands(CommandFilter(), limit=100)).items]
    assert sorted(states) == [CommandState.PENDING] + [CommandState.SUPPRESSED] * 59


async def test_a_name_has_one_command_over_all_gateways(opened: Opened) -> None:
    stores = [await opened() for _ in range(3)]
    hooks = [webhook() for _ in range(60)]
    await asyncio.gather(
        *(
            stores[n % 3].receive(Reception(webhook=hook, commands=(command(hook, user_id=hook.id, name="reminder"),)))
            for n, hook in enumerate(hooks)
        )
    )
    left = (await stores[0].commands(CommandFilter(state=CommandState.PENDING), limit=100)).items
    assert [item.webhook_id for item in left] == [max(hook.id for hook in hooks)]


async def test_groups_with_the_same_names_in_another_order_dont_wait_in_circles(opened: Opened, store_url: str) -> None:
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    before = ask(store_url, deadlocks)
    stores = [await opened() for _ in range(3)]

    async def receive(store: Store, names: str) -> None:
        for _ in range(4):
            hooks = [webhook() for _ in names]
            made = [command(hook, user_id=hook.id, name=name) for hook, name in zip(hooks, names, strict=True)]
            given = [Reception(webhook=hook, commands=(one,)) for hook, one in zip(hooks, made, strict=True)]
            await asyncio.gather(*map(store.receive, given))

    await asyncio.gather(*map(receive, stores, ("abcdef", "fedcba", "cfbead")))
    left = (await stores[0].commands(CommandFilter(state=CommandState.PENDING), limit=100)).items
    assert sorted(str(one.name) for one in left) == list("abcdef")
    for store in stores:
        await store.close()  # a connection that ends says what it met
    assert ask(store_url, deadlocks) == before


async def test_a_limit_holds_over_all_gateways(opened: Opened) -> None:
    stores = [await opened() for _ in range(3)]
    limit = Limit(scope="shop", key="ada", at_most=4, within=3600)
    await received(stores[0], *({"user_id": str(n), "limit": limit} for n in range(30)))
    shares = await asyncio.gather(*(claimed(store, limit=10) for store in stores))
    shares += [await claimed(stores[0])]
    assert sum(map(len, shares)) == 4
    states = [item.state for item in (await stores[0].commands(CommandFilter(), limit=100)).items]
    assert states.count(CommandState.SUPPRESSED) == 26


async def test_no_command_is_leased_twice(opened: Opened) -> None:
    stores = [await opened() for _ in range(3)]
    made = await received(stores[0], *({"user_id": str(n)} for n in range(200)))
    leased: list[str] = []
    while len(leased) < 200:
        for share in await asyncio.gather(*(claimed(store, limit=7) for store in stores * 3)):
            leased += [claim.command.id for claim in share]
    assert sorted(leased) == sorted(given.id for given in made)


async def test_the_lease_of_another_gateway_is_waited_out(opened: Opened) -> None:
    mine, others = await opened(), await opened()
    (made,) = await received(mine, {})
    claim = await one(mine)
    await mine.close()
    assert await others.recover(now=after(59), lease=LEASE) == []
    taken = await asyncio.gather(*(others.recover(now=after(60), lease=LEASE) for _ in range(2)))
    ((found,),) = [share for share in taken if share]
    assert (found.command.id, found.lease != claim.lease) == (made.id, True)


async def test_lines_are_kept_while_many_gateways_receive_claim_and_record(opened: Opened) -> None:
    """Order and exclusion for the few customers of three gateways, and nobody is left behind without a head."""
    stores = [await opened() for _ in range(3)]
    customers, each = ("a", "b", "c", "d"), 40
    sent: dict[str, list[tuple[int, int]]] = defaultdict(list)
    on_the_way: set[str] = set()
    total = len(customers) * each * len(stores)

    async def receive(place: int) -> None:
        for number in range(each):
            hooks = [webhook(source=f"gateway {place}") for _ in customers]
            await asyncio.gather(
                *(
                    stores[place].receive(
                        Reception(webhook=hook, commands=(command(hook, user_id=who, element=f"{place} {number}"),))
                    )
                    for hook, who in zip(hooks, customers, strict=True)
                )
            )

    async def deliver(store: Store) -> None:
        while sum(map(len, sent.values())) < total:
            for claim in await claimed(store, limit=3):
                who = claim.command.user_id
                assert who not in on_the_way, "two of one customer are on their way"
                on_the_way.add(who)
                await asyncio.sleep(0)
                place, number = map(int, claim.command.element.split())
                sent[who].append((place, number))
                on_the_way.discard(who)
                assert await ended(store, claim)
            await asyncio.sleep(0.001)

    async with asyncio.timeout(60):
        await asyncio.gather(*(receive(place) for place in range(3)), *(deliver(store) for store in stores))
    for who in customers:
        for place in range(3):
            numbers = [number for at, number in sent[who] if at == place]
            assert numbers == list(range(each)), "what one gateway answered first leaves first"


async def test_what_was_answered_first_leaves_first_whichever_gateway_took_it(opened: Opened) -> None:
    stores = [await opened() for _ in range(3)]
    made = [(await received(stores[n % 3], {"element": str(n)}))[0] for n in range(12)]
    for n, expected in enumerate(made):
        claim = await one(stores[-n % 3])
        assert claim.command.id == expected.id
        await ended(stores[n % 2], claim)


async def test_a_gateway_hears_what_others_wrote_and_not_itself(opened: Opened) -> None:
    mine, others = await opened(), await opened()
    heard: asyncio.Queue[frozenset[str]] = asyncio.Queue()
    mine.hear(heard.put_nowait)
    async with asyncio.timeout(10):
        while heard.empty():  # until it listens
            await received(others, {"destination": "uk", "user_id": "a"})
            await asyncio.sleep(0.05)
        assert await heard.get() == {"uk"}
        await asyncio.sleep(0.1)
        while not heard.empty():
            heard.get_nowait()
        await received(mine, {"destination": "mine"})
        (made,) = await received(others, {"destination": "uk", "state": CommandState.HELD})
        await others.act(Act.RETRY, [made.id], now=NOW)
        seen = {await heard.get()}
        await asyncio.sleep(0.1)
        while not heard.empty():
            seen.add(heard.get_nowait())
    assert seen == {frozenset({"uk"})}


# -- days --------------------------------------------------------------------------------------------------------------


def tables(url: str) -> list[str]:
    query = "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname"
    return [name for (name,) in ask(url, query) if "_2026_0" in name]


def tables_of(at: float) -> list[str]:
    """Those of one day."""
    return [f"{table}_{after(at):%Y_%m_%d}" for table in ("attempts", "commands", "webhooks")]


async def pruned(store: Store, *, at: float) -> Pruned:
    return await store.prune(now=after(at), default=MONTH, by_source={})


@pytest.fixture
async def days(databases: Databases) -> Any:
    """A store on a database that no test has used before, and its address."""
    url = databases.bare()
    store = open_store(url, identify_gap=GAP)
    await store.open()
    yield store, url
    await store.close()


async def test_a_day_that_is_over_is_dropped(days: tuple[Store, str]) -> None:
    store, url = days
    for at in (0, 60, DAY):
        hook = webhook(received_at=after(at))
        await store.receive(Reception(webhook=hook, commands=(command(hook, user_id=hook.id),)))
    for claim in await claimed(store, at=DAY):
        await ended(store, claim, at=DAY)
    assert tables(url) == sorted(tables_of(0) + tables_of(DAY))
    assert await pruned(store, at=30 * DAY) == Pruned()
    assert await pruned(store, at=31 * DAY) == Pruned(webhooks=2, commands=2, attempts=2)
    # Those of the day after each run were made by it.
    assert tables(url) == sorted(tables_of(DAY) + tables_of(31 * DAY) + tables_of(32 * DAY))


async def test_what_is_not_over_outlives_its_day_with_all_that_belongs_to_it(days: tuple[Store, str]) -> None:
    store, url = days
    over, kept = webhook(), webhook(batch_id="b", batch=b"[1]", dedup_key="k")
    delivered, held = command(kept, element="1", user_id="a"), command(kept, element="2", user_id="b")
    await store.receive(Reception(webhook=over))
    await store.receive(Reception(webhook=kept, commands=(delivered, held)))
    for claim in await claimed(store):
        final = claim.command.id == delivered.id
        await ended(store, claim, CommandState.DELIVERED if final else CommandState.HELD)
    assert await pruned(store, at=31 * DAY) == Pruned(webhooks=1)
    assert tables(url) == tables_of(32 * DAY)
    assert (await store.webhook(kept.id)).batch == b"[1]"
    assert [len(await store.attempts(one.id)) for one in (delivered, held)] == [1, 1]
    assert (await store.receive(Reception(webhook=webhook(dedup_key="k", received_at=after(40 * DAY))))).duplicate
    assert (await store.webhook(kept.id)).repeats == 1
    await store.act(Act.RETRY, [held.id], now=after(40 * DAY))
    await ended(store, await one(store, at=40 * DAY), at=40 * DAY)
    assert len(await store.attempts(held.id)) == 2
    assert await pruned(store, at=41 * DAY) == Pruned(webhooks=1, commands=2, attempts=3)
    assert (await store.commands(CommandFilter())).items == ()


async def test_a_gateway_that_knows_a_day_makes_its_tables_again(days: tuple[Store, str]) -> None:
    store, url = days
    other = open_store(url, identify_gap=GAP)
    await other.open()
    for one_store in (store, other):
        await one_store.receive(Reception(webhook=webhook()))
    assert (await pruned(store, at=31 * DAY)).webhooks == 2
    late = [webhook() for _ in range(5)]
    await asyncio.gather(*(other.receive(Reception(webhook=hook)) for hook in late))
    assert {hook.id for hook in (await store.webhooks(WebhookFilter())).items} == {hook.id for hook in late}
    await other.close()


async def test_the_tables_of_the_next_day_are_there_before_it_begins(days: tuple[Store, str]) -> None:
    store, url = days
    await pruned(store, at=0)
    assert tables(url) == tables_of(DAY)
    with psycopg.connect(url) as nightly:
        nightly.execute("LOCK TABLE webhooks IN SHARE UPDATE EXCLUSIVE MODE")  # what ANALYZE takes
        await asyncio.wait_for(store.receive(Reception(webhook=webhook(received_at=after(DAY)))), 60)
    assert ask(url, "SELECT count(*) FROM webhooks") == [(1,)]


async def test_gateways_that_prune_together_drop_a_day_once(days: tuple[Store, str]) -> None:
    store, url = days
    others = [open_store(url, identify_gap=GAP) for _ in range(3)]
    await asyncio.gather(*(other.open() for other in others))
    for at in range(4):
        await store.receive(Reception(webhook=webhook(received_at=after(at * DAY))))
    shares = await asyncio.gather(*(pruned(each, at=40 * DAY) for each in (store, *others)))
    shares.append(await pruned(store, at=40 * DAY))
    assert sum(share.webhooks for share in shares) == 4
    assert tables(url) == tables_of(41 * DAY)
    await asyncio.gather(*(other.close() for other in others))


async def test_a_day_is_not_dropped_under_who_reads_it(days: tuple[Store, str]) -> None:
    store, url = days
    await store.receive(Reception(webhook=webhook(dedup_key="old"), dedup_until=after(60)))
    with psycopg.connect(url) as reader:
        reader.execute("SELECT count(*) FROM webhooks")
        with pytest.raises(StoreUnavailable, match="lock timeout; another session has the tables"):
            await pruned(store, at=31 * DAY)
        # What lies elsewhere is pruned, and receptions go on meanwhile.
        assert ask(url, "SELECT count(*) FROM dedup") == [(0,)]
        await store.receive(Reception(webhook=webhook()))
    assert (await pruned(store, at=31 * DAY)).webhooks == 2


async def test_processes_that_deliver_count_one_another_until_they_leave_or_fall_silent(opened: Opened) -> None:
    one, other = await opened(), await opened()
    long, short = timedelta(seconds=60), timedelta(milliseconds=50)
    assert await one.sharers("one", within=long) == 1
    assert await other.sharers("other", within=long) == 2
    await asyncio.sleep(2 * short.total_seconds())  # the server's clock is a real one
    assert await one.sharers("one", within=short) == 1, "the other is silent for too long"
    assert await one.sharers("one", within=long) == 2
    await other.sign_off("other")
    assert await one.sharers("one", within=long) == 1


async def test_a_gateway_whose_clock_is_behind_that_of_others_hurries_nobody(opened: Opened) -> None:
    mine, others = await opened(), await opened()
    await others.sharers("others", within=MONTH)
    (made,) = await received(others, {"due_at": after(2)})
    assert await mine.set_back(None, now=after(-3)) == timedelta()
    assert (await mine.command(made.id)).due_at == after(2)
    await others.sign_off("others")
    assert await mine.set_back(None, now=after(-3)) == timedelta(seconds=3)


async def test_a_webhook_is_found_in_the_day_of_its_id_and_in_any_other(store: Store) -> None:
    here = webhook(received_at=datetime.now(UTC))
    elsewhere = [webhook(), webhook(id="not of hexadecimal digits")]
    for hook in (here, *elsewhere):
        await store.receive(Reception(webhook=hook))
        assert await store.webhook(hook.id) == hook
        assert (await store.retranslate(Reception(webhook=hook), now=NOW)).created == ()
