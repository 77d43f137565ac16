"""What a question costs does not grow with what is kept: PostgreSQL's plans over a store with a hundred days in it.

``GATEWAY_TEST_WEBHOOKS=10000000`` fills it with as many webhooks and shows the plans; the tests themselves take a few
ten thousand, since a plan that reads an index does not change with more.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from psycopg import sql

from gateway.model import CommandState, WebhookState
from gateway.store import CommandFilter, WebhookFilter
from gateway.store.postgres import (
    acts,
    claims,
    commit,
    endings,
    fetched,
    identified,
    line,
    lists,
    parts,
    pauses,
    reception,
    terms,
)
from gateway.store.postgres.database import connect
from gateway.store.postgres.rows import day_of
from gateway.store.rows import micros
from tests.postgres import Databases, migrated
from tests.store.making import NOW

WEBHOOKS = int(os.environ.get("GATEWAY_TEST_WEBHOOKS", "40000"))
DAYS = 100
TODAY = day_of(micros(NOW))
FIRST = TODAY - DAYS + 1

FILL_WEBHOOKS = f"""
INSERT INTO webhooks (part, seq, id, source, received_at, method, path, query, headers, state, matched, event_type,
    rules_version, repeats, parsed, body, errors)
SELECT {FIRST} + n * {DAYS} / {WEBHOOKS}, nextval('webhook_seq'), 'w' || n, 'source' || n % 7,
    ({FIRST} + n::float8 * {DAYS} / {WEBHOOKS}) * 86400000000, 'POST', '', '', '[]',
    CASE WHEN n % 1000 = 0 THEN 'untranslatable' ELSE 'translated' END, '["r"]', 'orders/create', 'v', 0, 0,
    convert_to(repeat('x', 200), 'UTF8'), CASE WHEN n % 500 = 0 THEN '[{{}}]'::bytea END
FROM generate_series(0, {WEBHOOKS} - 1) AS n
"""
COLUMNS = """
part, seq, day, id, webhook_id, source, rule, element, command, action, destination, user_id, created_at, on_unknown,
priority, state, attempts, due_at, head, body, finished_at
"""
FILL_FINISHED = f"""
INSERT INTO commands ({COLUMNS})
SELECT part, nextval('command_seq'), part, id || '-c', id, source, 'r', '', 'send_email', 'track', 'default',
    convert_to('customer' || seq % 5000, 'UTF8'), received_at, 'retry', 0,
    CASE WHEN seq % 1000 = 0 THEN 'failed' ELSE 'delivered' END, 1, NULL, false, '{{}}', received_at
FROM webhooks
"""
FILL_OPEN = f"""
INSERT INTO commands_open ({COLUMNS})
SELECT -1, nextval('command_seq'), {TODAY}, 'o' || n, 'o' || n, 'source' || n % 7, 'r', '', 'send_email', 'track',
    'default', convert_to('customer' || n, 'UTF8'), 0, 'retry', n % 3,
    CASE n % 4 WHEN 0 THEN 'waiting' WHEN 1 THEN 'held' ELSE 'pending' END, 0, n, n % 4 = 2, '{{}}', NULL
FROM generate_series(1, {WEBHOOKS} / 4) AS n
"""


FILL_KEYS = f"""
INSERT INTO dedup (source, key, webhook_id, part, expires_at)
SELECT 'source', sha256(n::text::bytea), 'w' || n, {TODAY}, NULL FROM generate_series(1, {WEBHOOKS}) AS n
"""
FILL_ONCE = f"""
INSERT INTO once (scope, key, command_id, until)
SELECT 's', sha256(n::text::bytea), 'c' || n, NULL FROM generate_series(1, {WEBHOOKS}) AS n
"""


@pytest.fixture(scope="module")
def full(databases: Databases) -> Iterator[str]:
    """A database with a hundred days of webhooks, their commands, and a backlog."""
    url = databases.bare()
    asyncio.run(migrated(url))
    asyncio.run(_make_days(url))
    with psycopg.connect(url, autocommit=True) as db:
        for statement in (FILL_WEBHOOKS, FILL_FINISHED, FILL_OPEN, FILL_KEYS, FILL_ONCE, "ANALYZE"):
            db.execute(statement)
    yield url
    databases.drop(url)


async def _make_days(url: str) -> None:
    db = await connect(url)
    async with db:
        await parts.make(db, range(FIRST, TODAY + 1))


LARGE = r"(?:commands|webhooks|attempts|dedup|once|identified)"


def plan(url: str, query: str, parameters: Any = None) -> list[str]:
    """The steps of a plan, for these parameters or for any."""
    with psycopg.connect(url, autocommit=True) as db:
        if parameters is None:
            # For any parameters. A table of a few hundred rows is soon read as a whole; priced out of that, one that
            # is read so all the same has no index that would serve.
            db.execute("SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off")
            numbered, count = _numbered(query)
            db.execute(f"PREPARE asked AS {numbered}")
            query = f"EXECUTE asked({', '.join(['NULL'] * count)})" if count else "EXECUTE asked"
        rows = db.execute(f"EXPLAIN (COSTS OFF) {query}", parameters).fetchall()
    return [row[0].strip() for row in rows]


def _numbered(query: str) -> tuple[str, int]:
    """psycopg's placeholders as PostgreSQL's own."""
    names: list[str] = []

    def number(found: re.Match[str]) -> str:
        name = found[1] or f"#{len(names)}"
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return re.sub(r"%(?:\((\w+)\))?[sb]", number, query).replace("%%", "%"), len(names)


def walked(steps: list[str]) -> list[str]:
    """The tables that are read from end to end."""
    return [step for step in steps if re.search(rf"Seq Scan on {LARGE}", step)]


HOT = {
    "who has a key": reception._CLAIMED_KEYS,
    "a key that is free again": reception._CLAIM_OVER,
    "repeats": reception._COUNT_REPEATS.replace("w.part = %s", f"w.part = {TODAY}"),
    "an identify": reception._UNFINISHED_IDENTIFY,
    "heads of lines": line.TAKEN,
    "who is next": line._NEXT,
    "moving up": line._MOVE_UP,
    "whose time has come": line._DUE_TO_JOIN,
    "release": line._RELEASE,
    "hold": line._HOLD,
    "pauses": pauses._STANDING,
    "queues": claims._QUEUES,
    "what is due": claims._DUE,
    "lease": claims._LEASE,
    "leases that are over": claims._ABANDONED,
    "lookups": claims._TO_BE_LOOKED_UP,
    "leases in force": claims._IN_FORCE,
    "record": claims._RECORD,
    "finish": endings._FINISH,
    "what waits next": claims._NEXT_WAITING,
    "once": terms._CLAIMED,
    "a claim that is over": terms._CLAIM_OVER,
    "quiet hours": terms._QUIET,
    "parking": pauses._PARK,
    "parked": pauses._PARKED,
    "an identify that leaves": identified._FORGET,
    "acts": acts._FIND_OPEN,
    "what is held for an identify": acts._HELD_FOR,
}


@pytest.mark.parametrize("query", HOT.values(), ids=HOT.keys())
def test_no_statement_of_the_hot_path_walks_a_table(full: str, query: str) -> None:
    steps = plan(full, query)
    assert walked(steps) == [], steps
    assert any("Index" in step or "Tid" in step for step in steps), steps


FILL_EARLY = (
    FILL_OPEN.replace("'o' || n", "'early' || n")
    .replace("'customer' || n", "'early' || n")
    .replace(f"{WEBHOOKS} / 4", "40")
)


@pytest.fixture(scope="module", params=["after a quiet night", "while it fills", "while it fills further"])
def emptied(request: pytest.FixtureRequest, databases: Databases) -> Iterator[str]:
    """A database that was analyzed while there was little or nothing in it that anybody could see."""
    url = databases.bare()
    asyncio.run(migrated(url))
    asyncio.run(_make_days(url))
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("VACUUM ANALYZE")
        if request.param == "while it fills further":
            db.execute(FILL_EARLY)
        if request.param != "after a quiet night":
            with psycopg.connect(url) as filling:
                for statement in (FILL_WEBHOOKS, FILL_FINISHED, FILL_OPEN, FILL_KEYS, FILL_ONCE):
                    filling.execute(statement)
                db.execute("ANALYZE")
    yield url
    databases.drop(url)


@pytest.mark.parametrize("query", HOT.values(), ids=HOT.keys())
def test_what_was_empty_when_it_was_analyzed_is_not_walked_in_the_morning(emptied: str, query: str) -> None:
    with psycopg.connect(emptied, autocommit=True) as db, db.transaction():
        db.execute(commit._ALL_DAY)
        db.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        numbered, count = _numbered(query)
        db.execute(sql.SQL("PREPARE asked AS {}").format(sql.SQL(numbered)))
        given = f"({', '.join(['NULL'] * count)})" if count else ""
        steps = [row[0].strip() for row in db.execute(f"EXPLAIN (COSTS OFF) EXECUTE asked{given}").fetchall()]
        assert walked(steps) == [], steps
        assert not any("Bitmap" in step for step in steps), steps
        # What asks for the first is given it by its index. (What is asked for as a whole may be sorted.)
        assert not any("Limit" in step and "Sort" in below for step, below in pairwise(steps)), steps
        for step, condition in zip(steps, [*steps[1:], ""], strict=True):
            if index := re.search(rf"Index (?:Only )?Scan using (\w+) on {LARGE}", step):
                [(leading,)] = db.execute("SELECT pg_get_indexdef(%s::regclass, 1, true)", [index[1]]).fetchall()
                assert condition.startswith("Index Cond:"), steps
                assert leading in condition, steps


COLD = {
    "a webhook": lists._WEBHOOK.replace("{here}", ""),
    "a webhook where it is likely to be": lists._WEBHOOK.replace("{here}", "AND part = %s"),
    "a command": lists._COMMAND,
    "attempts": lists._ATTEMPTS,
    "what is fetching": fetched._UNFETCHED,
}


@pytest.mark.parametrize("query", COLD.values(), ids=COLD.keys())
def test_no_lookup_walks_a_table(full: str, query: str) -> None:
    steps = plan(full, query)
    assert walked(steps) == [], steps


LISTS: dict[str, WebhookFilter | CommandFilter] = {
    "all webhooks": WebhookFilter(),
    "of a source": WebhookFilter(source="source3"),
    "untranslatable": WebhookFilter(state=WebhookState.UNTRANSLATABLE),
    "with errors": WebhookFilter(errors=True),
    "of an event type": WebhookFilter(event_type="orders/create"),
    "of the last week": WebhookFilter(since=NOW - timedelta(days=7)),
    "all commands": CommandFilter(),
    "of a customer": CommandFilter(user="customer77"),
    "failed": CommandFilter(state=CommandState.FAILED),
    "held": CommandFilter(state=CommandState.HELD),
    "of a webhook": CommandFilter(webhook="w77"),
    "delivered": CommandFilter(state=CommandState.DELIVERED),
}


@pytest.mark.parametrize("filter", LISTS.values(), ids=LISTS.keys())
def test_a_page_of_a_list_is_read_from_indexes(full: str, filter: WebhookFilter | CommandFilter) -> None:
    query = lists._WEBHOOKS if isinstance(filter, WebhookFilter) else lists._COMMANDS
    _, where = lists.rows_of(filter)
    steps = plan(full, query.replace("{conditions}", str(where)), [*where.parameters, 51])
    if WEBHOOKS > 1_000_000:
        print("\n".join(steps))
    assert walked([step for step in steps if "commands_open" not in step]) == [], steps
    if filter == WebhookFilter(since=NOW - timedelta(days=7)):
        assert len([step for step in steps if re.search(r"on webhooks_2", step)]) == 8, "only of those days"


def test_a_page_reads_no_more_than_it_shows(full: str) -> None:
    query = lists._WEBHOOKS.replace("{conditions}", "TRUE")
    with psycopg.connect(full) as db:
        (((found,),),) = [db.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", [51]).fetchall()]

    def rows(node: dict[str, Any]) -> Iterator[float]:
        if "Scan" in node["Node Type"]:
            yield node["Actual Rows"] * node["Actual Loops"]
        for below in node.get("Plans", ()):
            yield from rows(below)

    assert sum(rows(found[0]["Plan"])) <= 51 + DAYS
