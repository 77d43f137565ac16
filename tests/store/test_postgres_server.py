"""PostgreSQL as others set it up: encodings, rights, schemas, timeouts, a standby, connections that are ended."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from gateway.errors import Conflict, SettingsError, StoreError, StoreUnavailable
from gateway.model import CommandState
from gateway.store import (
    Act,
    CommandFilter,
    Pause,
    PauseScope,
    Reception,
    Store,
    Verdict,
    WebhookFilter,
    open_store,
)
from gateway.store.postgres import demands
from tests.postgres import Databases, ask
from tests.store.making import GAP, LEASE, NOW, claimed, command, received, webhook


def with_option(url: str, option: str) -> str:
    """The address with a setting of the session."""
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-c {option}')}"


@pytest.fixture
async def opening() -> AsyncIterator[Callable[[str], Any]]:
    """Opens stores, and closes them."""
    stores: list[Store] = []

    async def open_one(url: str) -> Store:
        store = open_store(url, identify_gap=GAP)
        await store.open()
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        await store.close()


@pytest.fixture
def strange(postgres_server: str) -> Iterator[Callable[[str], str]]:
    """Makes a database with the given options; its address."""
    names: list[str] = []

    def make(options: str) -> str:
        name = f"gateway_strange_{random.randrange(10**9)}"
        ask(postgres_server, f"CREATE DATABASE {name} TEMPLATE template0 {options}")
        names.append(name)
        head, _, query = postgres_server.partition("?")
        return f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{query}" if query else "")

    yield make
    for name in names:
        ask(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_cant_hold_all_letters_is_refused(strange: Callable[[str], str], encoding: str) -> None:
    store = open_store(strange(f"ENCODING '{encoding}' LOCALE 'C'"), identify_gap=GAP)
    with pytest.raises(SettingsError, match=rf"its encoding is {encoding}.*UTF8"):
        await store.open()


async def test_the_encoding_of_whoever_starts_the_gateway_is_not_its_own(
    store_url: str, opening: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    store = await opening(store_url)
    (made,) = await received(store, {"rule": "Überraschung 🎁"})
    assert (await store.command(made.id)).rule == made.rule


async def test_another_schema(databases: Databases, opening: Any) -> None:
    url = databases.bare()
    ask(url, "CREATE SCHEMA hooks")
    store = await opening(with_option(url, "search_path=hooks"))
    await received(store, {})
    assert len(await claimed(store)) == 1
    assert ask(url, "SELECT count(*) FROM hooks.webhooks") == [(1,)]
    assert ask(url, "SELECT to_regclass('public.webhooks')") == [(None,)]


@pytest.fixture
def somebody(databases: Databases) -> Iterator[tuple[str, str, str]]:
    """A database without the schema, a user who has no rights there, and the address for that user."""
    url, name = databases.bare(), f"hooks_{random.randrange(10**9)}"
    ask(url, f"CREATE ROLE {name} LOGIN PASSWORD 'somebody'")
    yield url, name, f"postgresql://{name}:somebody@{url.split('@', 1)[1]}"
    ask(url, f"DROP OWNED BY {name}; DROP ROLE {name}")


async def test_a_user_that_may_not_make_the_tables_is_refused(somebody: tuple[str, str, str], opening: Any) -> None:
    _, name, address = somebody
    with pytest.raises(SettingsError, match=f"user '{name}' may not make tables in schema 'public'; allowed"):
        await opening(address)


async def test_a_schema_that_is_not_there(databases: Databases, opening: Any) -> None:
    with pytest.raises(SettingsError, match="no schema of its search_path is there"):
        await opening(with_option(databases.bare(), "search_path=nowhere"))


async def test_a_user_that_owns_not_all_tables_is_refused_before_the_next_day(
    somebody: tuple[str, str, str], opening: Any
) -> None:
    url, name, address = somebody
    await opening(url)
    for kind in ("TABLES", "SEQUENCES"):
        ask(url, f"GRANT ALL ON ALL {kind} IN SCHEMA public TO {name}")
    with pytest.raises(SettingsError, match=f"user '{name}' may not make tables in schema 'public'"):
        await opening(address)
    ask(url, f"GRANT CREATE ON SCHEMA public TO {name}")
    owned = "table 'attempts' belongs to user '.*', and only its owner may make and drop the tables of a day"
    with pytest.raises(SettingsError, match=owned):
        await opening(address)
    # Who only looks needs no more than the right to read.
    looking = open_store(address, identify_gap=GAP)
    await looking.open(serving=False)
    assert (await looking.webhooks(WebhookFilter())).items == ()
    await looking.close()


async def test_rights_that_are_taken_away_while_it_serves(somebody: tuple[str, str, str], opening: Any) -> None:
    url, name, address = somebody
    ask(url, f"GRANT CREATE ON SCHEMA public TO {name}")
    store = await opening(address)
    ask(url, f"REASSIGN OWNED BY {name} TO CURRENT_USER; GRANT ALL ON ALL TABLES IN SCHEMA public TO {name}")
    ask(url, f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {name}")
    hooks = [webhook() for _ in range(3)]
    results = await asyncio.gather(*(store.receive(Reception(webhook=hook)) for hook in hooks), return_exceptions=True)
    for result in results:
        assert isinstance(result, StoreUnavailable)
        assert re.search("permission denied for schema|must be owner of table", str(result))


async def test_a_server_that_is_too_old(store_url: str, opening: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demands, "OLDEST", 99)  # none that old is at hand
    with pytest.raises(SettingsError, match=r"its server is PostgreSQL \d+; allowed: 99 or newer"):
        await opening(store_url)


async def test_a_standby_that_was_reached_by_accident(store_url: str, opening: Any) -> None:
    store = await opening(with_option(store_url, "default_transaction_read_only=on"))
    await store.webhooks(WebhookFilter())
    for verb in (store.check(), store.receive(Reception(webhook=webhook()))):
        with pytest.raises(StoreUnavailable, match=r"read-only transaction.*target_session_attrs=read-write"):
            await verb


async def test_a_statement_that_takes_too_long(store_url: str, opening: Any) -> None:
    store = await opening(with_option(store_url, "statement_timeout=200"))
    await received(store, {})
    with psycopg.connect(store_url) as other:
        other.execute("LOCK TABLE commands_open IN ACCESS EXCLUSIVE MODE")
        for verb in (claimed(store), received(store, {}), store.backlog()):
            with pytest.raises(StoreUnavailable, match="statement timeout"):
                await verb
    assert len(await claimed(store)) == 1


async def test_what_no_index_takes_fails_alone(store_url: str, opening: Any) -> None:
    store = await opening(store_url)
    long = "".join(chr(random.randrange(33, 127)) for _ in range(9_000))
    good, bad = [webhook() for _ in range(6)], webhook()
    made = [Reception(webhook=hook, commands=(command(hook, user_id=hook.id),)) for hook in good]
    made.insert(3, Reception(webhook=bad, commands=(command(bad, rule=long),)))
    results = await asyncio.gather(*map(store.receive, made), return_exceptions=True)
    assert [isinstance(result, StoreError) for result in results] == [False] * 3 + [True] + [False] * 3
    assert {hook.id for hook in (await store.webhooks(WebhookFilter())).items} == {hook.id for hook in good}


async def test_connections_are_ended_in_the_middle_of_everything(store_url: str, opening: Any) -> None:
    """What a verb says was done is there, and whatever else it says it says as unavailable."""
    store = await opening(store_url)
    chance = random.Random(6)
    pid = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    accepted: dict[str, str] = {}
    recorded: dict[str, str] = {}
    stopped = asyncio.Event()

    async def kill() -> None:
        async with await psycopg.AsyncConnection.connect(store_url, autocommit=True) as db:
            for _ in range(150):
                pids = [found for (found,) in await (await db.execute(pid)).fetchall()]
                if pids:
                    await db.execute("SELECT pg_terminate_backend(%s)", [chance.choice(pids)])
                await asyncio.sleep(chance.choice((0.001, 0.005, 0.02)))
        stopped.set()

    async def again(verb: Callable[[], Any]) -> None:
        while not stopped.is_set():
            try:
                await verb()
            except StoreUnavailable:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0)

    async def receive() -> None:
        hook = webhook(dedup_key=str(chance.random()))
        made = command(hook, user_id=hook.id)
        receipt = await store.receive(Reception(webhook=hook, commands=(made,)))
        assert not receipt.duplicate
        accepted[hook.id] = made.id

    async def deliver() -> None:
        for claim in await claimed(store, limit=5):
            state = chance.choice([CommandState.DELIVERED, CommandState.HELD])
            if await store.record(claim, None, Verdict(state=state), now=NOW):
                recorded[claim.command.id] = state.value

    async def recover() -> None:
        for claim in await store.recover(now=NOW, lease=LEASE):
            await store.record(claim, None, Verdict(state=CommandState.PENDING), now=NOW)

    async def read() -> None:
        await store.commands(CommandFilter(state=CommandState.HELD))
        await store.next_due("default")
        await store.unfinished()

    async def pause() -> None:
        await store.pause(Pause(scope=PauseScope.RULE, name="shop/other", since=NOW, by="me"))
        await store.resume(PauseScope.RULE, "shop/other")
        await store.check()

    async def act() -> None:
        if recorded:
            id = chance.choice([*recorded])
            try:
                await store.act(Act.DELIVERED, [id], now=NOW)
            except Conflict:
                return
            recorded[id] = "delivered"

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(kill())
        for verb in (receive, receive, receive, deliver, deliver, recover, read, pause, act):
            group.create_task(again(verb))
    assert len(accepted) > 50
    assert len(recorded) > 20
    hooks = {hook.id for hook in (await store.webhooks(WebhookFilter(), limit=100_000)).items}
    assert accepted.keys() <= hooks
    commands = {made.id: made for made in (await store.commands(CommandFilter(), limit=100_000)).items}
    assert set(accepted.values()) <= commands.keys()
    # An act that was not answered may have been done.
    assert all(commands[id].state.value in (state, "delivered") for id, state in recorded.items())
    assert await asyncio.gather(*(store.next_due("default") for _ in range(20)))
    used = ask(store_url, pid)
    assert len(used) <= 3 + 4 + 2, "no connection is left over"
