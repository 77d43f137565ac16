"""``gateway move``: an SQLite store as a gateway leaves it, moved to PostgreSQL, holds the same."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.errors import Conflict, StoreInUse, StoreMoved, StoreUnavailable
from gateway.model import CommandState, Fetched, Fetching, RulesVersion, WebhookState
from gateway.store import (
    CommandFilter,
    DifferenceKind,
    Pause,
    PauseScope,
    Reception,
    Replay,
    ShadowDifference,
    ShadowFilter,
    Store,
    WebhookFilter,
    moving,
    open_store,
)
from gateway.terms import Limit, Once
from tests.postgres import Databases
from tests.store.making import GAP, NOW, after, claimed, command, ended, received, webhook

MANY = 120
"""Webhooks; more than one portion of the small ones of these tests."""


@pytest.fixture
def target(databases: Databases) -> str:
    return databases.make()


@pytest.fixture
def source(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'gateway.db'}"


async def fill(store: Store) -> None:
    """One of everything, and many of what there are many."""
    version = RulesVersion(version="v1", files={"shop.yaml": "source: shop"}, loaded_at=NOW, revision="abc")
    await store.serve_rules(version, [("shop", "Order confirmation")], now=NOW)
    for number in range(MANY):
        await received(
            store,
            {
                "user_id": f"c{number % 7}",
                "body": b'{"half": "\\ud83d"}',
                "limit": Limit(scope="s", key="k", at_most=500, within=60),
            },
            {"user_id": f"c{number % 7}", "command": "send_sms", "once": Once(scope="shop/x", key=f"key {number}")},
            rules_version="v1",
            matched=("Order confirmation",),
            dedup_key=f"key {number}\x00\ud83d",
            received_at=NOW + timedelta(days=number % 3),
        )
    for claim in await claimed(store, at=10 * 86_400, limit=50):
        await ended(
            store, claim, CommandState.DELIVERED if claim.command.command == "send_email" else CommandState.FAILED
        )
    for claim, state in zip(
        await claimed(store, at=11 * 86_400, limit=3), ("held", "unknown", "pending"), strict=False
    ):
        await ended(store, claim, CommandState(state), due_at=after(12 * 86_400) if state != "held" else None)
    await received(store, {"state": CommandState.WAITING, "not_before": after(900_000_000), "name": "reminder/1"})
    thin = webhook(state=WebhookState.FETCHING)
    await store.receive(Reception(webhook=thin, fetching=None))
    await store.note_fetching(
        thin.id, Fetching(since=NOW, due_at=after(5), fetches=(Fetched(name="order", url="https://api.example/1"),))
    )
    await store.note_markers("https://x", "send_sms", shown=True, now=NOW)
    await store.pause(Pause(scope=PauseScope.RULE, name="shop/Gone", since=NOW, by="ada", reason="why"))
    await store.begin_replay(Replay(id="r1", began_at=NOW, asked=b"{}", total=7))
    difference = ShadowDifference(
        candidate="v2", served="v1", at=NOW, webhook_id=thin.id, source="shop", rule="x", command="track",
        kind=DifferenceKind.APPEARS, paths=("body.a",),
    )  # fmt: skip
    await store.note_shadow("v2", {"shop": 3}, [difference], now=NOW)


async def told(store: Store) -> dict[str, Any]:
    """All that the store says it holds."""
    webhooks = (await store.webhooks(WebhookFilter(), limit=10_000)).items
    commands = (await store.commands(CommandFilter(), limit=10_000)).items
    return {
        "webhooks": [await store.webhook(one.id) for one in webhooks],
        "commands": commands,
        "by_id": {one.id: one for one in commands},
        "attempts": {one.id: await store.attempts(one.id) for one in commands},
        "fetching": {one.id: await store.fetching(one.id) for one in webhooks},
        "backlog": await store.backlog(),
        "pauses": await store.pauses(),
        "versions": await store.rules_histories(),
        "version": await store.rules_version("v1"),
        "markers": await store.markers("https://x", "send_sms"),
        "replays": await store.replays(),
        "shadow": (await store.shadow_counts(), await store.shadow_differences(ShadowFilter())),
        "due": await store.next_due("default"),
    }


async def filled(source: str) -> dict[str, Any]:
    store = open_store(source, identify_gap=GAP)
    await store.open()
    await fill(store)
    before = await told(store)
    await store.close()
    return before


async def moved(source: str, target: str, **options: Any) -> list[tuple[int, int]]:
    steps: list[tuple[int, int]] = []
    await moving.move(source, target, now=NOW, progress=lambda done, total: steps.append((done, total)))
    return steps


async def test_everything_comes_and_goes_on_there(source: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "PORTION", 50)
    before = await filled(source)
    steps = await moved(source, target)
    assert steps == sorted(steps)
    assert steps[-1][0] == steps[-1][1]
    store = open_store(target, identify_gap=GAP)
    await store.open()
    try:
        assert await told(store) == before
        # Nothing is received twice, no once key is free, and the lines go on.
        repeat = webhook(dedup_key="key 5\x00\ud83d", received_at=after(86_400))
        assert (await store.receive(Reception(webhook=repeat))).duplicate
        fresh = webhook(received_at=after(90_000))
        again = command(fresh, once=Once(scope="shop/x", key="key 5"))
        await store.receive(Reception(webhook=fresh, commands=(again,)))
        assert (await store.command(again.id)).state is CommandState.SUPPRESSED
        sent = list[str]()
        while claims := await claimed(store, at=20 * 86_400):
            for claim in claims:
                sent.append(claim.command.id)
                assert await ended(store, claim, at=20 * 86_400)
        waiting = (await store.commands(CommandFilter(state=CommandState.PENDING), limit=1000)).items
        (looked_up,) = (await store.commands(CommandFilter(state=CommandState.UNKNOWN))).items
        assert {one.user_id for one in waiting} == {looked_up.user_id}
        place = {one.id: number for number, one in enumerate(reversed(before["commands"]))}
        for customer in {one.user_id for one in before["commands"]}:
            of_one = [place[id] for id in sent if id in place and before["by_id"][id].user_id == customer]
            assert of_one == sorted(of_one)
    finally:
        await store.close()


async def test_a_move_that_broke_off_goes_on(source: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "PORTION", 50)
    before = await filled(source)

    def breaks(done: int, total: int) -> None:
        if done > total // 2:
            raise ConnectionResetError

    with pytest.raises(StoreUnavailable):
        await moving.move(source, target, now=NOW, progress=breaks)
    half = open_store(target)
    with pytest.raises(StoreMoved, match="what is moved here has not all come; run gateway move again"):
        await half.open()
    begun = open_store(source)
    with pytest.raises(StoreMoved, match=r"was moved to postgresql://.*, or is on its way there; serve that one"):
        await begun.open()
    steps = await moved(source, target)
    assert steps[0][0] > 0
    store = open_store(target)
    await store.open()
    assert await told(store) == before
    await store.close()


async def test_a_move_may_break_off_at_every_portion(source: str, target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "PORTION", 100)
    before = await filled(source)
    runs = 0

    def ends_connections(_done: int, _total: int) -> None:
        with psycopg.connect(target, autocommit=True) as db:
            db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    while True:
        runs += 1
        try:
            await moving.move(source, target, now=NOW, progress=ends_connections)
        except StoreUnavailable:
            continue
        break
    assert runs > 10
    store = open_store(target)
    await store.open()
    assert await told(store) == before
    await store.close()


async def test_what_belongs_to_nothing_any_more_comes_too(source: str, target: str) -> None:
    await filled(source)
    with closing(sqlite3.connect(source.removeprefix("sqlite:///"), isolation_level=None)) as file:
        file.execute("PRAGMA foreign_keys = OFF")
        file.execute(
            "INSERT INTO attempts SELECT 999999, number, at, outcome, status, message, duration_ms, "
            "intilery_event_id FROM attempts LIMIT 1"
        )
        file.execute("UPDATE dedup SET webhook_id = 'gone' WHERE key = (SELECT min(key) FROM dedup)")
        file.execute("UPDATE webhooks SET received_at = -1 WHERE seq = 1")
    await moved(source, target)
    with psycopg.connect(target) as db:
        assert db.execute("SELECT part FROM attempts WHERE command_seq = 999999").fetchall() == [(1,)]
        assert db.execute("SELECT part FROM webhooks WHERE seq = 1").fetchall() == [(1,)]


async def test_a_second_move_leaves_a_database_alone_that_serves(source: str, target: str) -> None:
    await filled(source)
    first = await moving.move(source, target, now=NOW, progress=lambda _done, _total: None)
    store = open_store(target)
    await store.open()
    await received(store, {})
    before = await told(store)
    with psycopg.connect(target) as db:
        (taken,) = db.execute("SELECT nextval('command_seq')").fetchall()  # by a transaction that is still open
        assert await moving.move(source, target, now=NOW, progress=lambda _done, _total: None) == first
        (next_one,) = db.execute("SELECT nextval('command_seq')").fetchall()
        assert next_one > taken
    assert await told(store) == before
    await store.close()


async def test_a_database_that_holds_something_is_refused(source: str, target: str) -> None:
    await filled(source)
    other = open_store(target)
    await other.open()
    await received(other)
    await other.close()
    with pytest.raises(Conflict, match="rule_counts has 1 rows already; a move needs an empty database"):
        await moved(source, target)
    store = open_store(source)
    await store.open()  # nothing was begun, so it serves as before
    await store.close()


async def test_a_file_that_is_served_is_not_moved(source: str, target: str) -> None:
    store = open_store(source)
    await store.open()
    with pytest.raises(StoreInUse):
        await moved(source, target)
    await store.close()


def test_every_table_of_the_file_is_moved(tmp_path: Path) -> None:
    """A table that a later migration brings must be named in moving.py."""
    from gateway.store.sqlite.database import connect, migrate

    db = connect(tmp_path / "gateway.db")
    migrate(db, tmp_path / "gateway.db")
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    db.close()
    assert names == {table.name for table in moving.TABLES} | moving.LEFT_BEHIND


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gateway", "move", *words], capture_output=True, text=True, timeout=60, check=False
    )


async def test_the_command_says_what_came(source: str, target: str) -> None:
    await filled(source)
    done = run("--from", source, "--to", target)
    assert done.returncode == 0, done.stderr
    assert f"{MANY + 2:>16,}  webhooks" in done.stdout
    assert "the counts of both sides are equal; serve from there now" in done.stdout
    again = run("--from", source, "--to", target, "--json")
    assert json.loads(again.stdout)["moved"]["webhooks"] == MANY + 2
    assert json.loads(run("--from", source, "--abandon", "--json").stdout) == {"abandoned": True}
    store = open_store(source)
    await store.open()
    await store.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("--from", "sqlite:///none.db", "--to", "postgresql://x/y"),
            "--from sqlite:///none.db: there is no such file",
        ),
        (("--from", "postgresql://x/y", "--to", "postgresql://x/z"), "moves begin at an SQLite file"),
    ],
)
def test_bad_addresses_are_told(words: tuple[str, ...], says: str) -> None:
    refused = run(*words)
    assert refused.returncode == 2
    assert says in refused.stderr
