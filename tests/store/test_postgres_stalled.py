"""A gateway that stops in the middle of a transaction (a frozen machine, SIGSTOP) loses its locks in some seconds.

Its connection stays, as far as anybody can see: nothing but the server's own clock ends it.
"""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from gateway.store.postgres.commit import _ALL_DAY, _SETTLE
from gateway.store.postgres.database import connect
from gateway.store.postgres.statements import fetch, run
from tests.postgres import Databases, ask, migrated

LOCK = "SELECT at FROM pulse WHERE id = 1 FOR UPDATE"
WRITE = "UPDATE pulse SET at = 2 WHERE id = 1"
SETTINGS = f"{_SETTLE};{_ALL_DAY}"


@pytest.fixture
async def url(databases: Databases) -> str:
    url = databases.bare()
    await migrated(url)
    ask(url, "INSERT INTO pulse (id, at) VALUES (1, 1)")
    return url


def sooner(setting: str, given: str, shorter: str) -> list[str]:
    """What every transaction begins with, but for one time."""
    assert SETTINGS.count(f"'{setting}', '{given}'") == 1
    return SETTINGS.replace(f"'{setting}', '{given}'", f"'{setting}', '{shorter}'").split(";")


async def stopped_behind(url: str, settings: list[str], *, writes: bool) -> None:
    """Somebody stops with a row locked; somebody else gets it."""
    stopped = await connect(url)
    try:
        async with stopped.pipeline():
            for statement in ("BEGIN", *settings):
                await stopped.execute(statement)
            assert await fetch(stopped, LOCK) == [(1,)]
            if writes:
                await run(stopped, WRITE)
            async with await connect(url) as other, asyncio.timeout(10):
                assert await fetch(other, LOCK) == [(1,)]
            await fetch(stopped, LOCK)
    finally:
        await stopped.close()


async def test_behind_an_answer(url: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        await stopped_behind(url, sooner("idle_in_transaction_session_timeout", "5s", "300ms"), writes=False)


async def test_behind_a_statement_whose_answer_nobody_has_asked_for(url: str) -> None:
    [(version,)] = ask(url, "SELECT current_setting('server_version_num')::integer")
    if version < 170_000:
        pytest.skip("PostgreSQL has transaction_timeout from version 17 on")
    with pytest.raises(psycopg.OperationalError):
        await stopped_behind(url, sooner("transaction_timeout", "20s", "600ms"), writes=True)
