"""What all tests share: their order, reports that can travel, and one PostgreSQL."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import Databases, server

LONG = ("test_faults.py", "test_promises.py", "test_failover.py", "test_workers.py", "test_places.py", "test_reload.py")
"""Files whose tests take the longest: they wait for leases, timeouts and processes."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long begins first, shared out among the workers.

    Each worker of pytest-xdist begins with its part of the list (``--dist worksteal``), and takes from others' ends.
    """
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    long = [item for item in items if item.path.name in LONG]
    others = [item for item in items if item.path.name not in LONG]
    share = -(-len(others) // workers)
    items[:] = [
        item
        for number in range(workers)
        for item in (*long[number::workers], *others[number * share : (number + 1) * share])
    ]


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Half an emoji in a test's output is no UTF-8, and would end the worker of pytest-xdist that reports it."""
    return _sendable((yield))


def _sendable(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_sendable(key): _sendable(one) for key, one in value.items()}
        case list():
            return [_sendable(one) for one in value]
        case tuple():
            return tuple(_sendable(one) for one in value)  # a skipped test's place is one, and has to stay one
        case _:
            return value


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with server() as address:
        yield address


@pytest.fixture(scope="session")
def databases(postgres_server: str) -> Iterator[Databases]:
    made = Databases(postgres_server)
    yield made
    made.close()


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty store: SQLite, or of the kinds that :data:`tests.postgres.ON_BOTH` names."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'gateway.db'}"
        return
    databases: Databases = request.getfixturevalue("databases")
    yield databases.make()
    databases.take_back()
