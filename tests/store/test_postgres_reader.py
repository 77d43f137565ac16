"""PostgreSQL's reading connections, where a cancellation meets a driver that answers it in its own way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from gateway.errors import StoreUnavailable
from gateway.store.postgres.reader import Reader


async def raises() -> None:
    raise psycopg.errors.QueryCanceled("canceling statement due to user request")


async def goes_on() -> None:
    """As if nothing had happened."""


@pytest.mark.parametrize("answers", [raises, goes_on])
async def test_who_is_cancelled_gets_to_know_it_whatever_the_driver_makes_of_it(
    new_database: Callable[[], str], answers: Callable[[], Any]
) -> None:
    begun = asyncio.Event()

    async def stubborn(db: object) -> None:
        begun.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await answers()

    reader = Reader(new_database(), "a test")
    await reader.open()
    try:
        reading = asyncio.create_task(reader.read(stubborn))
        await begun.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
    finally:
        await reader.close()


async def test_who_waited_for_a_connection_in_vain_is_told_why_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.store.postgres.reader.PATIENCE", 0.2)
    reader = Reader(f"postgresql://postgres@/gateway?host={tmp_path}", "a test")
    await reader.open()
    try:
        with pytest.raises(StoreUnavailable, match=r"a test: .*No such file or directory"):
            await reader.read(nothing)
    finally:
        await reader.close()


async def nothing(db: object) -> None:
    raise AssertionError("there is no connection")
