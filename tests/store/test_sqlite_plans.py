"""What a command costs does not grow with the backlog: SQLite's plans, and the steps that its machine takes."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.model import CommandState
from gateway.store import Reception, Store, Verdict
from gateway.store.arrivals import arrival_of
from gateway.store.leases import Due, Result
from gateway.store.sqlite import ahead, claims, line, lists, pauses, quarantine, reception
from gateway.store.sqlite.database import connect, migrate
from gateway.store.turns import Turns
from tests.store.making import GAP, LEASE, NOW, claimed, command, webhook


@pytest.fixture
def path(store_url: str) -> Path:
    return Path(store_url.removeprefix("sqlite:///"))


@pytest.fixture
def db(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(path)) as db:
        migrate(db, path)
        yield db


ROWS = [
    claims._LEASE,
    claims._EXPIRE,
    claims._TAKE_OVER,
    claims._IN_FORCE,
    claims._RECORD,
    line._MOVE_UP,
    line._JOIN,
    line._RELEASE,
    line._HOLD,
    line._HAS_DEPENDENTS,
    line._TAKEN,
    reception._CLAIMED_KEYS,
    reception._COUNT_REPEATS,
    pauses._PARK,
    pauses._UNPARK,
]
SINGLE = [
    ahead._AHEAD,
    claims._DUE,
    claims._several(4),
    line._DUE_TO_JOIN,
    lists._NEXT_UNFINISHED,
    lists._NEXT_PAUSED,
    pauses._HEADS,
    pauses._PARKED,
    pauses._ONE_PARKED,
]


@pytest.mark.parametrize("query", ROWS + SINGLE)
def test_no_query_of_the_hot_path_walks_a_table_or_sorts(db: sqlite3.Connection, query: str) -> None:
    row = f"({', '.join('?' * 9)})"
    text = query.replace("{values}", f"(VALUES {row}, {row})")
    names = dict.fromkeys(re.findall(r":(\w+)", text))
    plan = db.execute(f"EXPLAIN QUERY PLAN {text}", names or [None] * text.count("?")).fetchall()
    steps = [step for *_, step in plan]
    walked = [step for step in steps if re.match(r"SCAN (commands|webhooks|dedup|bodies|attempts|\w)\b", step)]
    allowed = re.compile(r"SCAN (v|first|heard|parked|\(subquery.*|\d+-?ROW.*|\d+ CONSTANT.*)\b")
    assert [step for step in walked if not allowed.match(step)] == [], steps
    assert [step for step in steps if "TEMP B-TREE FOR ORDER" in step] == [], steps
    assert any("SEARCH" in step for step in steps), steps


def steps_of(db: sqlite3.Connection, work: Callable[[], object]) -> int:
    """How many steps of SQLite's virtual machine ``work`` takes, in tens. A measure that no clock disturbs."""
    taken = 0

    def count() -> int:
        nonlocal taken
        taken += 1
        return 0

    db.set_progress_handler(count, 10)
    work()
    db.set_progress_handler(None, 0)
    return taken


FILL = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO commands (id, webhook_id, source, rule, element, command, action, destination, user_id, created_at,
    on_unknown, priority, state, attempts, due_at, head)
SELECT 'filler' || i, 'w', 's', 'r', x'', 'send_email', 'track', 'default',
    CAST(iif(:one_customer, 'blocked', 'filler' || i) AS BLOB), 0, 'retry', :priority, :state, 0, :due_at,
    iif(:state = 'pending', NOT :one_customer OR i = 1, 0)
FROM n
"""
BODIES = "INSERT OR IGNORE INTO bodies (command_seq, body) SELECT seq, x'' FROM commands"
LATER = 4_000_000_000_000_000
BACKLOGS = {
    "one blocked customer's line": {"one_customer": True, "state": "pending", "due_at": LATER, "priority": 0},
    "an outage: every head waits for its retry": {"state": "pending", "due_at": LATER, "priority": 0},
    "the same at a higher priority": {"state": "pending", "due_at": LATER, "priority": 5},
    "all are due": {"state": "pending", "due_at": 1, "priority": -1},
    "waiting for next month": {"state": "waiting", "due_at": LATER, "priority": 0},
    "delivered long ago": {"state": "delivered", "due_at": None, "priority": 0},
}


@pytest.mark.parametrize("backlog", BACKLOGS.values(), ids=BACKLOGS.keys())
def test_what_a_command_costs_does_not_grow_with_the_backlog(
    new_database: Callable[[], str], backlog: dict[str, Any]
) -> None:
    costs = []
    for count in (1_000, 100_000):
        path = Path(new_database().removeprefix("sqlite:///"))
        with closing(connect(path)) as db:
            migrate(db, path)
            db.execute("PRAGMA synchronous = OFF")
            db.execute("BEGIN")
            db.execute(FILL, {"count": count, "one_customer": False} | backlog)
            db.execute(BODIES)
            hook = webhook()
            made = [command(hook, element=str(n), user_id=str(n // 2)) for n in range(20)]
            arrival = arrival_of(Reception(webhook=hook, commands=tuple(made)))
            due = Due(destination="default", limit=10, lease="mine-1", until=NOW + LEASE, now=NOW)
            leased: list[Any] = []

            def receive(db: sqlite3.Connection = db, arrival: Any = arrival) -> None:
                reception.write_arrivals(db, [arrival], gap=GAP)

            def claim(db: sqlite3.Connection = db, leased: list[Any] = leased, due: Any = due) -> None:
                leased += claims.claim(db, due, turns=Turns(), gap=GAP).claims

            def record(db: sqlite3.Connection = db, leased: list[Any] = leased) -> None:
                verdict = Verdict(state=CommandState.DELIVERED)
                results = [Result(claim=each, attempt=None, verdict=verdict, now=NOW) for each in leased]
                assert all(claims.record(db, results, gap=GAP))

            def next_due(db: sqlite3.Connection = db) -> None:
                claims.next_due(db, "default", False)

            costs.append([steps_of(db, work) for work in (receive, claim, record, next_due)])
            assert len(leased) == 10
            assert {each.command.webhook_id for each in leased} == {hook.id}
            db.execute("ROLLBACK")
    few, many = costs
    for name, before, now in zip(("receive", "claim", "record", "next_due"), few, many, strict=True):
        assert now <= before * 1.2 + 5, f"{name}: {before * 10} steps with 1,000 in the store, {now * 10} with 100,000"


async def test_a_million_due_at_once_join_in_parts(store: Store, path: Path) -> None:
    with closing(sqlite3.connect(path)) as other, other:
        filled = {"count": 2500, "one_customer": False, "state": "waiting", "due_at": 1, "priority": 0}
        other.execute(FILL, filled)
        other.execute(BODIES)
    seen = [len(await claimed(store, limit=10_000)) for _ in range(4)]
    assert seen == [1000, 1000, 500, 0]


@pytest.mark.parametrize("query", [quarantine._OVER, quarantine._OVER_SHARE, quarantine._OVER_ALL, quarantine._COUNTS])
def test_what_quarantine_is_limited_and_counted_by_reads_no_body(db: sqlite3.Connection, query: str) -> None:
    plan = db.execute(f"EXPLAIN QUERY PLAN {query}", [1] * query.count("?")).fetchall()
    scans = [step for *_, step in plan if step.startswith("SCAN quarantine")]
    assert scans == ["SCAN quarantine USING COVERING INDEX quarantine_by_source"]
