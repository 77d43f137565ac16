"""``gateway migrate``: a store's schema, brought up to this gateway's."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from tests.postgres import Databases


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["migrate", *words], prog_name="gateway")


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store without a schema."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'gateway.db'}"
    databases: Databases = request.getfixturevalue("databases")
    return databases.bare()


def set_version(url: str, version: int) -> None:
    """As a gateway of that version would have left it."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            file.execute(f"PRAGMA user_version = {version}")
        return
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("UPDATE gateway_schema SET version = %s", [version])


def test_what_is_missing_is_applied_once(empty: str) -> None:
    first = run("--store", empty, "--json")
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert told["before"] == 0
    assert told["now"] >= 1
    again = run("--store", empty)
    assert (again.exit_code, "nothing was missing" in again.stdout) == (0, True)


def test_an_older_gateway_refuses_a_newer_schema(empty: str) -> None:
    now = json.loads(run("--store", empty, "--json").stdout)["now"]
    set_version(empty, now + 1)
    refused = run("--store", empty)
    assert refused.exit_code == 1
    assert f"its schema is {now + 1}, written by a newer gateway; this one knows 1 to {now}" in refused.stderr


def test_a_store_that_is_none_and_one_that_is_not_there(tmp_path: Path) -> None:
    wrong = run("--store", "mysql://host/gateway")
    assert (wrong.exit_code, "is not a store" in wrong.stderr) == (2, True)
    away = run("--store", f"postgresql://postgres:secret@/gateway?host={tmp_path}")
    assert away.exit_code == 1
    assert "No such file" in away.stderr
    assert "secret" not in away.stderr
