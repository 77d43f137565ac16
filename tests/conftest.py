"""What all tests share: reports that can travel, and one PostgreSQL."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.postgres import Databases, server


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
