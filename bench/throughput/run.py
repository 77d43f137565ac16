"""How many webhooks a second one core takes, and delivers. One command: ``python bench/throughput/run.py``.

Three servers, each alone on core 0, under 64 connections of wrk from core 1, with signed 1.3 KB orders:

* **echo**: a bare Starlette application on the same uvicorn, which reads the body and answers JSON;
* **accepting**: the gateway with ``--role receive``: verified, parsed, translated, and on disk before each answer;
* **end to end**: the gateway with a sandbox that has no rate limit (on core 1, as wrk): all delivered. Its rate is that
  of deliveries from the first request until nothing waits; the drain is the part after the last request.

The rounds take turns, so that a slow moment of the machine meets all three; the table shows the median of the rounds.
The numbers are good for comparing the rows of one run, and for little else: another machine gives others.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import hmac
import json
import os
import platform
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECRET = "bench-secret"
TOKEN = "bench-token"
CUSTOMERS = 2000
SERVER_CORE, LOAD_CORE = "0", "1"
LONGEST_DRAIN = 600.0


class BenchFailed(Exception):
    """A number would be wrong: something was refused, lost or never came up."""


def orders() -> Iterator[str]:
    """A line ``signature<tab>body`` for each customer: the same order, but for the customer."""
    order = json.loads((HERE / "order.json").read_text(encoding="utf-8"))
    for number in range(CUSTOMERS):
        order["customer"]["id"] = 70_000_000_000 + number
        body = json.dumps(order, ensure_ascii=False, separators=(",", ":")).encode()
        signature = base64.b64encode(hmac.digest(SECRET.encode(), body, hashlib.sha256)).decode()
        yield f"{signature}\t{body.decode()}\n"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def get(url: str) -> str:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
        text: str = answer.read().decode()
        return text


@contextlib.contextmanager
def serving(command: Sequence[str], *, core: str, port: int, folder: Path, **environ: str) -> Iterator[int]:
    """Run a server on one core until the block ends; gives its process id once it answers."""
    log = folder / f"{port}.log"
    # Nothing of the caller's settings: GATEWAY_ and INTILERY_ variables would change what is measured.
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "INTILERY_"))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["taskset", "-c", core, *command], stdout=output, stderr=output, env={**clean, **environ}, cwd=folder
        )
        try:
            deadline = time.monotonic() + 30
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
                if process.poll() is not None or time.monotonic() > deadline:
                    raise BenchFailed(f"{' '.join(command)} did not come up:\n{log.read_text()[-3000:]}")
                time.sleep(0.05)
            yield process.pid
            if process.poll() is not None:
                raise BenchFailed(f"{' '.join(command)} ended by itself:\n{log.read_text()[-3000:]}")
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wrk(url: str, *, lines: Path, seconds: int, connections: int, core: str) -> dict[str, float]:
    """Load an address; give what post.lua says."""
    run = f"{time.time_ns():x}"
    # fmt: off
    command = [
        "taskset", "-c", core, "wrk", "--threads", "1", "--connections", str(connections),
        "--duration", f"{seconds}s", "--timeout", "10s", "--script", str(HERE / "post.lua"), url, "--", str(lines), run,
    ]
    # fmt: on
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)  # no other child has ended meanwhile
    found = re.search(r"^JSON(\{.*\})$", done.stdout, re.MULTILINE)
    if found is None:
        raise BenchFailed(f"wrk failed: {done.stdout}{done.stderr}")
    result: dict[str, float] = json.loads(found[1])
    if result["refused"] or result["broken"] or not result["requests"]:
        raise BenchFailed(f"not every request was answered well: {result}")
    result["load_s"] = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return result


def memory(pid: int, *, kind: str = "VmHWM") -> float:
    """MB of memory that the process holds: the most so far, or with ``VmRSS`` now."""
    found = re.search(rf"{kind}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1000 if found else 0.0


def processor(pid: int) -> float:
    """Seconds of processor time that the process has taken so far, in the kernel too."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def counted(port: int, name: str, **labels: str) -> int:
    """The sum of a counter of /metrics over the series that have these labels."""
    total = 0.0
    for line in get(f"http://127.0.0.1:{port}/metrics").splitlines():
        if line.startswith(f"{name}{{") and all(f'{key}="{value}"' in line for key, value in labels.items()):
            total += float(line.rpartition(" ")[2])
    return int(total)


def echo(options: argparse.Namespace, folder: Path, lines: Path) -> dict[str, float]:
    port = free_port()
    with serving([sys.executable, str(HERE / "echo.py"), str(port)], core=SERVER_CORE, port=port, folder=folder) as pid:
        url = f"http://127.0.0.1:{port}/hooks/shopify"
        wrk(url, lines=lines, seconds=options.warm_up, connections=options.connections, core=options.load_core)
        before = processor(pid)
        result = wrk(url, lines=lines, seconds=options.seconds, connections=options.connections, core=options.load_core)
        taken = processor(pid) - before
        return {
            **result,
            "rate": result["requests"] / result["seconds"],
            "processor_us": taken / result["requests"] * 1e6,
            "load_us": result["load_s"] / result["requests"] * 1e6,
            "memory": memory(pid),
        }


def gateway(port: int, folder: Path, *arguments: str) -> list[str]:
    # fmt: off
    return [
        sys.executable, "-m", "gateway", "serve", "--rules", str(HERE / "rules"), "--store", f"sqlite:///{folder}/bench.db",
        "--host", "127.0.0.1", "--port", str(port), "--log-level", "warning", *arguments,
    ]
    # fmt: on


def environ(url: str) -> dict[str, str]:
    return {
        "SHOPIFY_SECRET": SECRET,
        "GATEWAY_ADMIN_TOKEN": TOKEN,
        "INTILERY_URL": url,
        "INTILERY_CLIENT_ID": "bench",
        "INTILERY_AUTH_TOKEN": "sandbox",  # the sandbox's own
        "INTILERY_RATE": "1000000",
        "INTILERY_BURST": "1000000",
    }


def accepting(options: argparse.Namespace, folder: Path, lines: Path) -> dict[str, float]:
    port = free_port()
    command = gateway(port, folder, "--role", "receive")
    with serving(command, core=SERVER_CORE, port=port, folder=folder, **environ("http://127.0.0.1:9")) as pid:
        url = f"http://127.0.0.1:{port}/hooks/shopify"
        first = wrk(url, lines=lines, seconds=options.warm_up, connections=options.connections, core=options.load_core)
        before = processor(pid)
        result = wrk(url, lines=lines, seconds=options.seconds, connections=options.connections, core=options.load_core)
        taken = processor(pid) - before
        stored = counted(port, "gateway_webhooks_stored_total", state="translated")
        if stored < first["requests"] + result["requests"]:
            raise BenchFailed(f"{first['requests'] + result['requests']} were acknowledged, {stored} stored")
        return {
            **result,
            "rate": result["requests"] / result["seconds"],
            "processor_us": taken / result["requests"] * 1e6,
            "load_us": result["load_s"] / result["requests"] * 1e6,
            "memory": memory(pid),
        }


def drained(port: int) -> int:
    """Wait until every command that was made is delivered; give how many that is."""
    deadline = time.monotonic() + LONGEST_DRAIN
    while True:
        made = counted(port, "gateway_commands_made_total")
        delivered = counted(port, "gateway_commands_total", state="delivered")
        if made and delivered >= made:
            return delivered
        if time.monotonic() > deadline:
            raise BenchFailed(f"of {made} commands {delivered} were delivered in {LONGEST_DRAIN:.0f} s")
        time.sleep(0.25)


def end_to_end(options: argparse.Namespace, folder: Path, lines: Path) -> dict[str, float]:
    port, other = free_port(), free_port()
    sandbox = [sys.executable, "-m", "gateway", "sandbox", "--port", str(other), "--rate", "0"]
    with (
        serving(sandbox, core=options.load_core, port=other, folder=folder) as sandbox_pid,
        serving(
            gateway(port, folder), core=SERVER_CORE, port=port, folder=folder, **environ(f"http://127.0.0.1:{other}")
        ) as pid,
    ):
        url = f"http://127.0.0.1:{port}/hooks/shopify"
        at_rest = memory(pid, kind="VmRSS")
        wrk(url, lines=lines, seconds=options.warm_up, connections=options.connections, core=options.load_core)
        before = drained(port)
        begun, taken, answering = time.monotonic(), processor(pid), processor(sandbox_pid)
        result = wrk(url, lines=lines, seconds=options.seconds, connections=options.connections, core=options.load_core)
        loaded = time.monotonic()
        meanwhile = counted(port, "gateway_commands_total", state="delivered")
        total = drained(port)
        ended = time.monotonic()
        return {
            **result,
            "rate": (total - before) / (ended - begun),
            "processor_us": (processor(pid) - taken) / (total - before) * 1e6,
            "load_us": (result["load_s"] + processor(sandbox_pid) - answering) / (total - before) * 1e6,
            "accepted": result["requests"] / result["seconds"],
            "drain": (total - meanwhile) / (ended - loaded),
            "left": total - meanwhile,
            "at_rest": at_rest,
            "memory": memory(pid),
        }


def fsync_ms(folder: Path) -> float:
    """What it costs to put 4 KB on this disk, in ms: a folder in memory would flatter the gateway."""
    taken = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(100):
            file.write(bytes(4096))
            file.flush()
            begun = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken) * 1000


def table(rounds: Mapping[str, Sequence[Mapping[str, float]]], *, one_core: bool) -> str:
    """The median of each number, as a Markdown table. With ``one_core`` what loads the server counts as its time."""

    def median(name: str, key: str) -> float:
        return statistics.median(result[key] for result in rounds[name])

    def processor_us(name: str) -> float:
        return statistics.median(
            result["processor_us"] + (result["load_us"] if one_core else 0) for result in rounds[name]
        )

    rows = [
        ("bare Starlette echo", "echo", "rate", True),
        ("gateway, accepting durably", "accepting", "rate", True),
        ("gateway, end to end", "end_to_end", "rate", False),
        ("- accepted under load", "end_to_end", "accepted", True),
        ("- delivered over the drain", "end_to_end", "drain", False),
    ]
    lines = [
        "| what | a second | of the echo | processor time each | of the echo by that | p50 | p99 | memory at most |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for title, name, key, answered in rows:
        rate, taken = median(name, key), processor_us(name)
        cells = [f"{rate:,.0f}", f"{100 * rate / median('echo', 'rate'):.1f} %"]
        cells += [f"{taken:.0f} µs", f"{100 * processor_us('echo') / taken:.1f} %"] if key == "rate" else ["", ""]
        cells += [f"{median(name, 'p50_ms'):.1f} ms", f"{median(name, 'p99_ms'):.1f} ms"] if answered else ["", ""]
        lines.append(f"| {title} | {' | '.join(cells)} | {median(name, 'memory'):.0f} MB |")
    lines.append(f"| gateway, before its first webhook | | | | | | | {median('end_to_end', 'at_rest'):.0f} MB |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=10, help="of load in each round (10)")
    parser.add_argument("--warm-up", type=int, default=2, help="seconds before that (2)")
    parser.add_argument("--repeat", type=int, default=3, help="rounds; the median counts (3)")
    parser.add_argument("--connections", type=int, default=64, help="of wrk (64)")
    parser.add_argument("--one-core", action="store_true", help="wrk and the sandbox on the server's core too")
    parser.add_argument("--folder", type=Path, help="where the stores are made: a folder on a real disk")
    parser.add_argument(
        "--only", choices=("echo", "accepting", "end_to_end"), action="append", help="leave the others out"
    )
    parser.add_argument("--json", type=Path, help="also write every round to this file")
    options = parser.parse_args()
    options.load_core = SERVER_CORE if options.one_core else LOAD_CORE
    for program in ("wrk", "taskset"):
        if shutil.which(program) is None:
            sys.exit(f"{program} is needed; on Debian: apt-get install wrk util-linux")
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed: one for the server, one for the load")

    measures = {"echo": echo, "accepting": accepting, "end_to_end": end_to_end}
    measures = {name: measure for name, measure in measures.items() if not options.only or name in options.only}
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in measures}
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=options.folder) as name:
        folder = Path(name)
        lines = folder / "orders.txt"
        lines.write_text("".join(orders()), encoding="utf-8")
        size = len(next(orders()).partition("\t")[2].strip().encode())
        print(
            f"Python {platform.python_version()}, {options.connections} connections, {options.seconds} s, "
            f"an order of {size} bytes, {CUSTOMERS} customers; an fsync takes {fsync_ms(folder):.2f} ms here"
        )
        for number in range(options.repeat):
            for name, measure in measures.items():
                place = folder / f"{number}-{name}"
                place.mkdir()
                result = measure(options, place, lines)
                rounds[name].append(result)
                print(
                    f"round {number + 1}, {name}: " + ", ".join(f"{key} {value:,.1f}" for key, value in result.items())
                )
                shutil.rmtree(place)
    if options.json:
        report: dict[str, Any] = {"python": platform.python_version(), "rounds": rounds}
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if len(measures) == 3:
        print("\n" + table(rounds, one_core=options.one_core))


if __name__ == "__main__":
    try:
        main()
    except BenchFailed as error:
        sys.exit(str(error))
