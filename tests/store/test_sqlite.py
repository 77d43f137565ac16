"""What only SQLite promises: one file, one serving process, a bounded queue, plans that don't grow with the backlog."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import SchemaTooNew, SettingsError, StoreInUse, StoreUnavailable
from gateway.store import Reception, Store, WebhookFilter, groups, open_store
from gateway.store.sqlite import SQLiteStore
from tests.store.conftest import Opened
from tests.store.making import LEASE, after, claimed, command, ended, one, received, webhook


@pytest.fixture
def path(store_url: str) -> Path:
    return Path(store_url.removeprefix("sqlite:///"))


async def in_writer(store: Store, work: Callable[[sqlite3.Connection], Any]) -> Any:
    """Run ``work`` on the writing connection, inside a transaction of its own."""
    assert isinstance(store, SQLiteStore)

    def run(db: sqlite3.Connection, _: Sequence[None]) -> list[Any]:
        return [work(db)]

    assert store._connections is not None
    return await store._connections.writer.submit(run, None)


# -- the file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:"])
def test_a_store_is_a_file(url: str) -> None:
    with pytest.raises(SettingsError, match="allowed: sqlite:///FILE"):
        open_store(url)


async def test_commits_are_synced_and_the_file_is_the_owners(store: Store, path: Path) -> None:
    assert await in_writer(store, lambda db: db.execute("PRAGMA synchronous").fetchone()) == (2,)
    assert await in_writer(store, lambda db: db.execute("PRAGMA journal_mode").fetchone()) == ("wal",)
    await store.receive(Reception(webhook=webhook()))
    for file in path.parent.glob(f"{path.name}*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


async def test_after_an_orderly_stop_the_file_alone_is_everything(store: Store, path: Path, tmp_path: Path) -> None:
    await received(store, {})
    await store.webhooks(WebhookFilter())
    await store.close()
    assert not path.with_name(f"{path.name}-wal").exists()
    alone = tmp_path / "copy.db"
    shutil.copyfile(path, alone)
    with closing(sqlite3.connect(alone)) as db:
        assert db.execute("SELECT count(*) FROM webhooks").fetchone() == (1,)


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for serving in (True, False):
        store = open_store(f"sqlite:///{tmp_path / 'nowhere' / 'gateway.db'}")
        with pytest.raises(StoreUnavailable, match=r"nowhere.*No such file"):
            await store.open(serving=serving)
        await store.close()


async def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(  # noqa: ASYNC240  (nothing else runs here)
        b"These are not the bytes of a database." * 1000
    )
    store = open_store(f"sqlite:///{path}")
    for _ in range(2):  # the first refusal lets go of the lock
        with pytest.raises(StoreUnavailable, match="not a database"):
            await store.open()


async def test_an_older_gateway_refuses_a_newer_schema(path: Path, opened: Opened) -> None:
    await (await opened()).close()
    with closing(sqlite3.connect(path)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        db.execute(f"PRAGMA user_version = {version + 1}")
    for serving in (True, False):
        with pytest.raises(SchemaTooNew, match=rf"schema is {version + 1}.*knows 1 to {version}"):
            await opened(serving=serving)


async def test_processes_that_open_a_new_file_together_agree(opened: Opened) -> None:
    stores = await asyncio.gather(*(opened(serving=number == 0) for number in range(5)))
    for store in stores:
        await store.receive(Reception(webhook=webhook()))
    assert len((await stores[0].webhooks(WebhookFilter())).items) == 5


async def test_an_open_store_is_not_opened_again_and_a_closed_one_is(store: Store) -> None:
    with pytest.raises(StoreUnavailable, match="open already"):
        await store.open()
    await store.close()
    await store.open()
    await store.check()


async def test_a_second_serving_process_is_refused_until_the_first_is_gone(path: Path, opened: Opened) -> None:
    first = await opened()
    with pytest.raises(StoreInUse, match=rf"process {os.getpid()}\) serves"):
        await opened()
    program = (
        "import asyncio, sys; from gateway.store import open_store\n"
        "asyncio.run(open_store(sys.argv[1]).open(serving=sys.argv[2] == 'True'))"
    )

    async def elsewhere(serving: bool) -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, f"sqlite:///{path}", str(serving), stderr=asyncio.subprocess.PIPE
        )
        return (await process.communicate())[1]

    assert f"StoreInUse: {path}: another gateway (process {os.getpid()})".encode() in await elsewhere(True)
    assert await elsewhere(False) == b""
    await first.close()
    assert await elsewhere(True) == b""
    assert path.with_name(f"{path.name}-lock").exists()


async def test_after_a_start_everything_on_its_way_is_taken_over_at_once(opened: Opened) -> None:
    store = await opened()
    made = await received(store, {"user_id": "a"}, {"user_id": "b"}, {"user_id": "c"})
    await claimed(store, limit=2)
    await store.close()
    store = await opened()
    mine = await claimed(store)
    taken = await store.recover(now=after(1), lease=LEASE)
    assert sorted([claim.command.id for claim in taken]) == sorted(given.id for given in made[:2])
    assert [claim.command.id for claim in mine] == [made[2].id], "what was claimed since is not abandoned"
    assert await store.recover(now=after(1), lease=LEASE) == []


# -- the writer ----------------------------------------------------------------------------------------------------


BESIDE = """\
import asyncio, sys
from gateway.store import WebhookFilter, open_store

async def look():
    store = open_store(sys.argv[1])
    await store.open(serving=False)
    print(len((await store.webhooks(WebhookFilter())).items))
    await store.close()

asyncio.run(look())
"""


async def test_a_process_that_looks_and_leaves_takes_nothing_from_the_one_that_serves(
    store: Store, store_url: str
) -> None:
    """The locks of a process are gone when it closes the file once, by whatever name: then the next one that closes the
    database takes itself for the last, and deletes the log under this one."""
    for number in range(2):
        await received(store, {})
        looking = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", BESIDE, store_url), stdout=asyncio.subprocess.PIPE
        )
        told, _ = await looking.communicate()
        assert told.decode().strip() == str(number + 1)
    await received(store, {})
    await store.check()
    assert len((await store.webhooks(WebhookFilter())).items) == 3


async def test_what_arrives_together_shares_a_commit_and_few_statements(store: Store) -> None:
    statements: list[str] = []
    await in_writer(store, lambda db: db.set_trace_callback(statements.append))
    statements.clear()
    hooks = [webhook(dedup_key=str(number)) for number in range(64)]
    made = [command(hook, user_id=hook.id) for hook in hooks]
    await asyncio.gather(
        *(store.receive(Reception(webhook=hook, commands=(each,))) for hook, each in zip(hooks, made, strict=True))
    )
    assert [statement for statement in statements if statement in ("BEGIN IMMEDIATE", "COMMIT")] == [
        "BEGIN IMMEDIATE",
        "COMMIT",
    ]
    assert len(statements) <= 10
    leased = await claimed(store)
    statements.clear()
    assert all(await asyncio.gather(*(ended(store, claim) for claim in leased)))
    assert statements.count("COMMIT") == 1
    assert len(statements) <= 10


async def test_what_comes_turn_after_turn_of_the_loop_shares_a_commit(store: Store) -> None:
    statements: list[str] = []
    await in_writer(store, lambda db: db.set_trace_callback(statements.append))
    statements.clear()
    receiving = []
    for _ in range(20):
        receiving.append(asyncio.create_task(store.receive(Reception(webhook=webhook()))))
        await asyncio.sleep(0)
    await asyncio.gather(*receiving)
    assert statements.count("COMMIT") == 1


async def test_one_alone_after_a_crowd_waits_for_no_other_crowd(store: Store) -> None:
    crowd = [store.receive(Reception(webhook=webhook())) for _ in range(100)]
    assert len(await asyncio.gather(*crowd)) == 100
    for _ in range(2):
        async with asyncio.timeout(10):
            await store.receive(Reception(webhook=webhook()))
    async with asyncio.timeout(10):
        await asyncio.gather(store.receive(Reception(webhook=webhook())), store.close())


@contextmanager
def write_lock(path: Path) -> Iterator[sqlite3.Connection]:
    """Another process in the middle of a write."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        yield db


async def test_too_much_waiting_for_the_disk_is_refused_at_once(store: Store, path: Path) -> None:
    await received(store, {})
    claim = await one(store)
    hooks = [webhook(body=b"x" * 3_000_000) for _ in range(groups.MAX_BYTES // 3_000_000 + 1)]
    with write_lock(path) as db:
        waiting = [asyncio.create_task(store.receive(Reception(webhook=hook))) for hook in hooks]
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="wait for the disk; at most"):
            await store.receive(Reception(webhook=webhook()))
        with pytest.raises(StoreUnavailable, match="wait for the disk"):
            await store.check()
        # What was sent must be remembered: a result is never refused for what is waiting outside.
        result = asyncio.create_task(ended(store, claim))
        await asyncio.sleep(0)
        db.execute("ROLLBACK")
        assert await result
    assert [receipt.webhook_id for receipt in await asyncio.gather(*waiting)] == [hook.id for hook in hooks]
    await store.check()


async def test_too_many_waiting_are_refused_at_once(store: Store, path: Path) -> None:
    with write_lock(path) as db:
        waiting = [
            asyncio.create_task(store.receive(Reception(webhook=webhook()))) for _ in range(groups.MAX_OPERATIONS)
        ]
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match=f"{groups.MAX_OPERATIONS} operations"):
            await store.receive(Reception(webhook=webhook()))
        db.execute("ROLLBACK")
    assert len(await asyncio.gather(*waiting)) == groups.MAX_OPERATIONS
    await store.check()


async def test_a_file_that_stays_locked_is_unavailable_and_then_works(store: Store, path: Path) -> None:
    await in_writer(store, lambda db: db.execute("PRAGMA busy_timeout = 10").fetchall())
    with write_lock(path), pytest.raises(StoreUnavailable, match="another process writes to it"):
        await store.receive(Reception(webhook=webhook()))
    await store.receive(Reception(webhook=webhook()))


async def test_a_full_disk_is_unavailable_and_works_when_room_is_made(store: Store) -> None:
    (pages,) = await in_writer(store, lambda db: db.execute("PRAGMA page_count").fetchone())
    await in_writer(store, lambda db: db.execute(f"PRAGMA max_page_count = {pages + 8}").fetchone())
    stored: list[str] = []

    async def fill() -> None:
        while len(stored) < 100:
            stored.append((await store.receive(Reception(webhook=webhook(body=b"x" * 5000)))).webhook_id)

    with pytest.raises(StoreUnavailable, match="the disk is full"):
        await fill()
    assert stored
    for verb in (store.check(), store.receive(Reception(webhook=webhook(body=b"x" * 5000)))):
        with pytest.raises(StoreUnavailable, match="the disk is full"):
            await verb
    await in_writer(store, lambda db: db.execute(f"PRAGMA max_page_count = {pages + 10_000}").fetchone())
    await store.check()
    stored.append((await store.receive(Reception(webhook=webhook(body=b"x" * 5000)))).webhook_id)
    there = {hook.id for hook in (await store.webhooks(WebhookFilter(), limit=200)).items}
    assert there == set(stored)


async def test_a_write_that_the_system_refuses_is_unavailable_and_then_works(store: Store, path: Path) -> None:
    await store.receive(Reception(webhook=webhook()))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.with_name(f"{path.name}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10_000, hard))  # as a quota does
    try:
        with pytest.raises(StoreUnavailable, match="disk"):
            await store.receive(Reception(webhook=webhook(body=b"x" * 100_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await store.check()
    await store.receive(Reception(webhook=webhook(body=b"x" * 100_000)))
    assert len((await store.webhooks(WebhookFilter())).items) == 2


@pytest.mark.parametrize("suffix", ["", "-wal"])
async def test_a_file_that_is_lost_closes_the_store(store: Store, path: Path, suffix: str) -> None:
    await store.receive(Reception(webhook=webhook()))
    path.with_name(path.name + suffix).unlink()
    with pytest.raises(StoreUnavailable, match=rf"{suffix} was deleted or replaced"):
        await store.receive(Reception(webhook=webhook()))
    for verb in (store.check(), store.receive(Reception(webhook=webhook()))):
        with pytest.raises(StoreUnavailable, match="the store was closed"):
            await verb


async def test_a_damaged_file_closes_the_store(store: Store, path: Path) -> None:
    await asyncio.gather(*(store.receive(Reception(webhook=webhook(body=b"x" * 3000))) for _ in range(200)))
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        other.execute("CREATE TABLE another (id)")  # so that the writer looks at the file again
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(8192)
        file.write(b"\x5a" * (size - 8192))
    results = await asyncio.gather(
        *(store.receive(Reception(webhook=webhook())) for _ in range(5)), return_exceptions=True
    )
    assert all(isinstance(result, StoreUnavailable) for result in results), results
    with pytest.raises(StoreUnavailable, match=r"damaged.*the store was closed"):
        await store.check()


async def test_closing_breaks_off_a_list_that_takes_long(store: Store) -> None:
    assert isinstance(store, SQLiteStore)
    assert store._connections is not None
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def endless(db: sqlite3.Connection) -> Any:
        loop.call_soon_threadsafe(begun.set)
        return db.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
        ).fetchall()

    lists = store._connections.lists
    running = asyncio.create_task(lists.read(endless))
    queued = asyncio.create_task(lists.read(endless))
    await begun.wait()
    await store.close()
    for task in (running, queued):
        with pytest.raises(StoreUnavailable):
            await task
