"""The stores that the conformance suite runs on: every test here but those named for a backend runs on each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from gateway.store import Store, open_store
from tests.postgres import Databases
from tests.store.making import GAP

Opened = Callable[..., Awaitable[Store]]
BACKENDS = ("sqlite", "postgres")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test runs on every backend, or on the one that its file is named for."""
    if "new_database" in metafunc.fixturenames:
        name = Path(metafunc.module.__file__ or "").name
        named = [backend for backend in BACKENDS if backend in name]
        metafunc.parametrize("new_database", named or BACKENDS, indirect=True)


@pytest.fixture
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """Makes empty databases, one after the other: their URLs. The one before is to be closed."""
    if request.param == "sqlite":
        numbers = count(1)
        yield lambda: f"sqlite:///{tmp_path / f'gateway{next(numbers)}.db'}"
        return
    databases: Databases = request.getfixturevalue("databases")

    def make() -> str:
        databases.take_back()
        return databases.make()

    yield make
    databases.take_back()


@pytest.fixture
def store_url(new_database: Callable[[], str]) -> str:
    """An empty database."""
    return new_database()


@pytest.fixture
async def opened(store_url: str) -> AsyncIterator[Opened]:
    """Opens a store on the database, as another process would; closes it at the end."""
    stores: list[Store] = []

    async def open_one(*, serving: bool = True) -> Store:
        store = open_store(store_url, identify_gap=GAP)
        await store.open(serving=serving)
        stores.append(store)
        return store

    yield open_one
    for store in stores:
        await store.close()


@pytest.fixture
async def store(opened: Opened) -> Store:
    return await opened()
