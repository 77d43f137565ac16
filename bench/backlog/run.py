"""What a million commands that wait cost. One command: ``python bench/backlog/run.py``.

* **a claim**: the store's verbs ``claim`` (of one command, as a destination makes them whose rate is used up) and
  ``record``, with 1,000 and with 1,000,000 commands waiting, from 20 sources of 5 rules, for as many customers. The
  commit, an fsync, is part of both; the processor time is that of the whole process.
* **a start**: ``gateway serve`` on that million, its files out of the system's cache: seconds until ``/readyz`` says
  200, what of it is the processor's, and the most memory that it has held by then, and ten seconds later, while it
  delivers. A start on an empty store beside it: that is imports.
* **a stop**: SIGTERM while it delivers: seconds until it has ended, and what is left under a lease (nothing should be).
* **a kill**: SIGKILL while it delivers, and a start: every command is still there, and what was on its way is taken
  over.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "throughput"))
import run as throughput

from gateway.model import Attempt, CommandState, Outcome
from gateway.store import Verdict, open_store

SOURCES, RULES = 20, 5
LOST = "the number of commands differs"

_WEBHOOKS = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO webhooks (id, source, received_at, method, path, query, headers, state, matched, rules_version, repeats,
    parsed, body)
SELECT printf('%032x', i), 'source' || (i % :sources), :at + i, 'POST', x'', x'', CAST('[]' AS BLOB), 'translated',
    CAST('["rule"]' AS BLOB), '', 0, 0, CAST(printf('{"number":%d,"note":"%s"}', i, hex(randomblob(100))) AS BLOB)
FROM n
"""
_COMMANDS = """
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count)
INSERT INTO commands (seq, id, webhook_id, source, rule, element, command, action, destination, user_id, created_at,
    on_unknown, priority, state, attempts, due_at, head)
SELECT i, printf('%032x-%012x', i, i), printf('%032x', i), 'source' || (i % :sources), 'rule' || (i % :rules), x'',
    'track', 'track', 'default', CAST('customer' || i AS BLOB), :at + i, 'retry', 0, 'pending', 0, :at + i, 1
FROM n
"""
_BODIES = """
INSERT INTO bodies (command_seq, body)
SELECT seq, CAST(printf('{"userId":"customer%d","event":"Order Completed","messageId":"%s","properties":{"note":"%s"}}',
    seq, id, hex(randomblob(80))) AS BLOB) FROM commands
"""


async def fill(path: Path, count: int) -> None:
    """A store with that many commands that wait, made in SQL: receiving them would take minutes."""
    store = open_store(f"sqlite:///{path}")
    await store.open()
    await store.close()
    at = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1e6)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = OFF")
        for statement in ("BEGIN", _WEBHOOKS, _COMMANDS, _BODIES, "COMMIT", "PRAGMA wal_checkpoint(TRUNCATE)"):
            values = {"count": count, "sources": SOURCES, "rules": RULES, "at": at} if ":count" in statement else {}
            db.execute(statement, values)


def forget(path: Path) -> None:
    """Take the file out of the system's cache: a machine that has just started has nothing there."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


async def claims(path: Path, *, times: int) -> dict[str, float]:
    """Medians of a claim and a record, in ms; and the processor time of both, in microseconds."""
    store = open_store(f"sqlite:///{path}")
    await store.open()
    taken: dict[str, list[float]] = {"claim": [], "record": []}
    begun = 0.0
    for number in range(times + 50):
        if number == 50:  # by then its pages are there
            begun = time.process_time()
            taken = {"claim": [], "record": []}
        now = datetime.now(UTC)
        at = time.perf_counter()
        [claim] = (await store.claim("default", limit=1, lease=timedelta(minutes=2), now=now)).claims
        claimed = time.perf_counter()
        attempt = Attempt(number=1, at=now, outcome=Outcome.ACCEPTED, status=200)
        await store.record(claim, attempt, Verdict(state=CommandState.DELIVERED), now=now)
        taken["claim"].append(claimed - at)
        taken["record"].append(time.perf_counter() - claimed)
    processor = (time.process_time() - begun) / times
    await store.close()
    return {name: statistics.median(found) * 1000 for name, found in taken.items()} | {"processor": processor * 1e6}


@contextlib.contextmanager
def started(
    folder: Path, path: Path, sandbox: int, *, before: Sequence[str] = ()
) -> Iterator[tuple[subprocess.Popen[bytes], int, float]]:
    """A gateway on that store: the process, its port, and the seconds until it was ready. ``before`` stands before its
    command."""
    port = throughput.free_port()
    command = [
        *before, sys.executable, "-m", "gateway", "serve", "--rules", str(throughput.HERE / "rules"), "--store",
        f"sqlite:///{path}", "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning",
    ]  # fmt: skip
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "INTILERY_"))}
    settings = throughput.environ(f"http://127.0.0.1:{sandbox}") | {"INTILERY_RATE": "100", "INTILERY_BURST": "500"}
    with (folder / f"{port}.log").open("wb") as log:
        begun = time.monotonic()
        process = subprocess.Popen(command, stdout=log, stderr=log, env=clean | settings, cwd=folder)
        try:
            while True:
                if process.poll() is not None or time.monotonic() - begun > 60:
                    raise throughput.BenchFailed((folder / f"{port}.log").read_text()[-3000:])
                with contextlib.suppress(OSError, urllib.error.URLError):
                    throughput.get(f"http://127.0.0.1:{port}/readyz")
                    break
                time.sleep(0.005)
            yield process, port, time.monotonic() - begun
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def processor(pid: int) -> float:
    """Seconds of processor time that a process has used so far: other load on the machine does not bend it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def states(path: Path) -> dict[str, int]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT state, count(*) FROM commands GROUP BY state").fetchall())


def delivered(port: int) -> int:
    view: dict[str, Any] = json.loads(throughput.get(f"http://127.0.0.1:{port}/_sandbox/calls?size=0"))
    return int(view["counts"].get("accepted", 0))


def until_delivering(sandbox: int, beyond: int) -> None:
    deadline = time.monotonic() + 60
    while delivered(sandbox) <= beyond:
        if time.monotonic() > deadline:
            raise throughput.BenchFailed("nothing is delivered")
        time.sleep(0.02)


def lives(folder: Path, path: Path, *, count: int, undisturbed: bool) -> None:
    """Start, stop, start, kill and start on a store of ``count`` commands."""
    other = throughput.free_port()
    sandbox = [sys.executable, "-m", "gateway", "sandbox", "--port", str(other)]
    forget(path)
    with throughput.serving(sandbox, core="1", port=other, folder=folder):
        if undisturbed:
            # Before everything else on the machine, from the first import on: what it takes where it is alone.
            with started(folder, path, other, before=("chrt", "-f", "1")) as (_, _, seconds):
                print(f"start with {count:,} waiting, undisturbed: ready after {seconds:.2f} s")
            forget(path)
        with started(folder, folder / "empty.db", other) as (process, _, seconds):
            used = processor(process.pid)
            print(f"start with nothing waiting: ready after {seconds:.2f} s, {used:.2f} s of the processor's")
        forget(path)
        with started(folder, path, other) as (process, _, seconds):
            used = processor(process.pid)
            first = throughput.memory(process.pid)
            until_delivering(other, 0)
            time.sleep(10)
            later = throughput.memory(process.pid)
            print(
                f"start with {count:,} waiting: ready after {seconds:.2f} s (goal: under 2), {used:.2f} s of the "
                f"processor's; memory {first:.0f} MB then, {later:.0f} MB ten seconds later (goal: under 200)"
            )
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            process.wait(60)
            took = time.monotonic() - begun
        left = states(path)
        print(f"SIGTERM: ended after {took:.2f} s, {left.get('delivering', 0)} left under a lease (goal: 0)")
        with started(folder, path, other) as (process, _, seconds):
            until_delivering(other, delivered(other) + 300)
            process.send_signal(signal.SIGKILL)
            process.wait()
        after = states(path)
        if sum(after.values()) != count:
            raise throughput.BenchFailed(f"{LOST}: {after}")
        with started(folder, path, other) as (process, _, again):
            until_delivering(other, delivered(other) + 300)
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        final = states(path)
        if sum(final.values()) != count or final.get("delivering"):
            raise throughput.BenchFailed(f"{LOST}, or something is left on its way: {final}")
        print(
            f"SIGKILL: {after.get('delivering', 0)} were on their way; ready again after {again:.2f} s, none of "
            f"{count:,} lost, none left: {final['delivered']:,} delivered, {delivered(other):,} calls accepted there"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=1_000_000, help="commands that wait (1,000,000)")
    parser.add_argument("--times", type=int, default=1000, help="claims that are timed (1,000, and no more than few)")
    parser.add_argument(
        "--undisturbed", action="store_true", help="also start it before all else on the machine (chrt; needs root)"
    )
    parser.add_argument("--folder", type=Path, help="where the stores are made: a folder on a real disk")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=options.folder) as name:
        folder = Path(name)
        few, many = folder / "few.db", folder / "many.db"
        asyncio.run(fill(few, 1000 + options.times + 50))
        begun = time.monotonic()
        asyncio.run(fill(many, options.count))
        print(f"filled in {time.monotonic() - begun:.0f} s: {many.stat().st_size / 1e6:,.0f} MB")
        lives(folder, many, count=options.count, undisturbed=options.undisturbed)
        print("| waiting | claim | record | processor time of both |\n|---:|---:|---:|---:|")
        for path, waiting in ((few, 1000), (many, options.count)):
            found = asyncio.run(claims(path, times=options.times))
            print(f"| {waiting:,} | {found['claim']:.2f} ms | {found['record']:.2f} ms | {found['processor']:.0f} µs |")


if __name__ == "__main__":
    try:
        main()
    except throughput.BenchFailed as error:
        sys.exit(str(error))
