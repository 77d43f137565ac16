"""What all tests share: their order, reports that can travel, and one PostgreSQL."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.effort import choose_profile
from tests.postgres import Databases, server

NOBODY = Path(__file__).parent / "nobody.pem"
"""A certificate whose key nobody has."""
# No test leaves this machine. To read all the world's certificates would be half the work of making an application.
os.environ["SSL_CERT_FILE"] = str(NOBODY)
choose_profile()

TESTS = Path(__file__).parent
LONG = (
    "test_faults.py",
    "test_workers.py",
    "test_translate_properties.py",
    "test_order.py",
    "test_kill.py",
    "test_promises.py",
    "test_failover.py",
    "test_move.py",
    "test_demo.py",
    "test_end_to_end.py",
    "test_serve.py",
    "test_places.py",
    "test_reload.py",
)
"""Files whose tests take the longest, which wait for leases, timeouts and processes; the longest of them first."""


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """The workers of a whole run share the work of compiling the test files, which a fresh clone has not done yet.

    Each begins to import at another place of the list, and finds what others have compiled when it comes to their part.
    """
    worker: dict[str, Any] = getattr(session.config, "workerinput", {})
    if worker and session.config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        files = sorted(TESTS.rglob("test_*.py"))
        begin = len(files) * int(worker["workerid"].removeprefix("gw")) // worker["workercount"]
        for file in (*files[begin:], *files[:begin]):
            with contextlib.suppress(Exception):  # to be told by the collection
                importlib.import_module(".".join(file.relative_to(TESTS.parent).with_suffix("").parts))
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()  # ten thousand tests and their modules stay until the end: no collection need look at them again


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What takes long begins first, shared out among the workers.

    Each worker of pytest-xdist begins with its part of the list (``--dist worksteal``), and takes from others' ends.
    """
    workers: int = getattr(config, "workerinput", {}).get("workercount", 1)
    long = sorted((item for item in items if item.path.name in LONG), key=lambda item: LONG.index(item.path.name))
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
