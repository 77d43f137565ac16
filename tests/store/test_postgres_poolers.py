"""PgBouncer before the server: session mode changes nothing; what mixes statements up is refused at the start."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from gateway.errors import SettingsError
from gateway.store import Reception, open_store
from tests.store.making import GAP, claimed, received, webhook

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(PGBOUNCER is None, reason="pgbouncer is not installed")
PREPARES = (1, 21)
"""The first version that follows prepared statements from one session of the server to another."""

Pooled = Callable[..., str]


def version() -> tuple[int, ...]:
    said = subprocess.run([str(PGBOUNCER), "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"PgBouncer (\d+)\.(\d+)", said)
    assert found is not None, said
    return int(found[1]), int(found[2])


@pytest.fixture
def pooled(store_url: str) -> Iterator[Pooled]:
    """Begins PgBouncer with these settings before the test's database; the address through it."""
    running: list[subprocess.Popen[bytes]] = []
    given = conninfo_to_dict(store_url)
    behind = " ".join(f"{name}={given[name]}" for name in ("host", "port", "user", "password") if name in given)
    with tempfile.TemporaryDirectory(prefix="gateway-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)

        def begin(**settings: object) -> str:
            with socket.create_server(("127.0.0.1", 0)) as free:
                port = free.getsockname()[1]
            words = {
                "listen_addr": "127.0.0.1",
                "listen_port": port,
                "unix_socket_dir": "",
                "auth_type": "any",
            } | settings
            lines = [f"{key} = {value}" for key, value in words.items()]
            file = folder / f"{port}.ini"
            file.write_text("\n".join(["[databases]", f"* = {behind}", "[pgbouncer]", *lines]))
            # It refuses to run as root, as PostgreSQL does.
            user = "pgserver" if os.geteuid() == 0 else None
            running.append(subprocess.Popen([str(PGBOUNCER), "-q", str(file)], user=user, stderr=subprocess.DEVNULL))
            for _ in range(3_000):
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                except ConnectionRefusedError:
                    time.sleep(0.02)
                else:
                    return f"postgresql://postgres@127.0.0.1:{port}/{given['dbname']}"
            raise AssertionError("PgBouncer did not start")

        yield begin
        for process in running:
            process.kill()
            process.wait()


async def check_it_works(url: str) -> None:
    """Two gateways at once, on more connections than one."""
    stores = [open_store(url, identify_gap=GAP) for _ in range(2)]
    for store in stores:
        await store.open()
    try:
        for number in range(10):
            made = [webhook(dedup_key=str(number)) for _ in stores]
            receipts = await asyncio.gather(
                *(store.receive(Reception(webhook=hook)) for store, hook in zip(stores, made, strict=True))
            )
            assert [receipt.duplicate for receipt in receipts].count(True) == 1
            await received(stores[0], {"user_id": str(number)})
            assert len(await claimed(stores[1])) == 1
            assert (await stores[1].webhook(receipts[0].webhook_id)).repeats == 1
    finally:
        for store in stores:
            await store.close()


async def test_session_mode_changes_nothing(pooled: Pooled) -> None:
    await check_it_works(pooled(pool_mode="session"))


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_what_mixes_statements_up_is_refused_at_the_start(pooled: Pooled, mode: str) -> None:
    url = pooled(pool_mode=mode, **({"max_prepared_statements": 0} if version() >= PREPARES else {}))
    with pytest.raises(SettingsError, match=r"a pooler shares sessions out by transaction.*pool_mode = session"):
        await open_store(url, identify_gap=GAP).open()


@pytest.mark.skipif(PGBOUNCER is None or version() < PREPARES, reason="this PgBouncer follows no prepared statements")
async def test_transaction_mode_that_follows_prepared_statements(pooled: Pooled) -> None:
    await check_it_works(pooled(pool_mode="transaction", max_prepared_statements=100))
