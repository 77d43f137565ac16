"""Does delivery use what Intilery allows, and no more, while a burst comes in? ``python bench/pacing/run.py``.

A sandbox that allows 100 requests a second with a burst of 500, and a gateway that has waited until its own bucket is
full. Then wrk posts signed orders as fast as they are taken, 100,000 of them. The time from the first request until the
sandbox has accepted 10,000 commands is compared with the ideal, (10,000 - 500) / 100 = 95 s, and what the sandbox
refused with 429 is counted. For comparison wrk first posts to a gateway that delivers nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "throughput"))
import run as throughput

RATE, BURST = 100, 500
GOAL = 1.02


def accepted(port: int) -> dict[str, int]:
    """What the sandbox has counted."""
    view: dict[str, Any] = json.loads(throughput.get(f"http://127.0.0.1:{port}/_sandbox/calls?size=0"))
    return view["counts"]


def filled(port: int) -> None:
    """Wait until the gateway's bucket holds all that it can."""
    before = -1
    while True:
        status = json.loads(throughput.get(f"http://127.0.0.1:{port}/api/status"))
        tokens = next(row for row in status["destinations"] if row["name"] == "default").get("tokens", 0)
        if tokens == before and tokens > 1:
            return
        before = tokens
        time.sleep(0.5)


def burst(url: str, lines: Path, *, webhooks: int) -> dict[str, float]:
    """Post that many at least, as fast as they are taken."""
    total = {"requests": 0.0, "seconds": 0.0, "p99_ms": 0.0}
    while total["requests"] < webhooks:
        result = throughput.wrk(url, lines=lines, seconds=5, connections=64, core=throughput.LOAD_CORE)
        total["requests"] += result["requests"]
        total["seconds"] += result["seconds"]
        total["p99_ms"] = max(total["p99_ms"], result["p99_ms"])
    return total


def drain(folder: Path, lines: Path, *, commands: int, webhooks: int) -> dict[str, Any]:
    port, other = throughput.free_port(), throughput.free_port()
    # fmt: off
    sandbox = [
        sys.executable, "-m", "gateway", "sandbox", "--port", str(other), "--rate", str(RATE), "--burst", str(BURST),
    ]
    # fmt: on
    settings = throughput.environ(f"http://127.0.0.1:{other}") | {
        "INTILERY_RATE": str(RATE),
        "INTILERY_BURST": str(BURST),
    }
    with (
        throughput.serving(sandbox, core=throughput.LOAD_CORE, port=other, folder=folder),
        throughput.serving(
            throughput.gateway(port, folder), core=throughput.SERVER_CORE, port=port, folder=folder, **settings
        ) as pid,
    ):
        filled(port)
        loaded: dict[str, float] = {}
        begun = time.monotonic()
        loading = threading.Thread(
            target=lambda: loaded.update(burst(f"http://127.0.0.1:{port}/hooks/shopify", lines, webhooks=webhooks))
        )
        loading.start()
        while accepted(other).get("accepted", 0) < commands:
            time.sleep(0.1)
        took = time.monotonic() - begun
        loading.join()
        counts = accepted(other)
        return {
            "seconds": took,
            "throttled": counts.get("throttled", 0),
            "webhooks": loaded["requests"],
            "accepting": loaded["requests"] / loaded["seconds"],
            "p99_ms": loaded["p99_ms"],
            "memory": throughput.memory(pid),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--commands", type=int, default=10_000, help="whose delivery is timed (10,000)")
    parser.add_argument("--webhooks", type=int, default=100_000, help="that come in meanwhile, at least (100,000)")
    parser.add_argument("--folder", type=Path, help="where the stores are made: a folder on a real disk")
    options = parser.parse_args()
    if len(os.sched_getaffinity(0)) < 2:
        sys.exit("two cores are needed: one for the gateway, one for the load")
    os.sched_setaffinity(0, {int(throughput.LOAD_CORE)})
    with tempfile.TemporaryDirectory(prefix="gateway-bench-", dir=options.folder) as name:
        lines = Path(name) / "orders.txt"
        lines.write_text("".join(throughput.orders()), encoding="utf-8")
        alone_in = Path(name) / "alone"
        alone_in.mkdir()
        asked = SimpleNamespace(seconds=5, warm_up=1, connections=64, load_core=throughput.LOAD_CORE)
        alone = throughput.accepting(asked, alone_in, lines)
        found = drain(Path(name), lines, commands=options.commands, webhooks=options.webhooks)
    ideal = max(0, options.commands - BURST) / RATE
    ratio = found["seconds"] / ideal
    print(f"{options.commands:,} commands at {RATE}/s, burst {BURST}: {found['seconds']:.2f} s, ideal {ideal:.2f} s")
    print(f"ratio {ratio:.4f} (goal: at most {GOAL}); answered 429: {found['throttled']} (goal: 0)")
    print(
        f"meanwhile {found['webhooks']:,.0f} webhooks were accepted at {found['accepting']:,.0f}/s, p99 "
        f"{found['p99_ms']:.0f} ms; a gateway that delivers nothing: {alone['rate']:,.0f}/s"
    )
    print(f"memory of the gateway at most {found['memory']:.0f} MB")
    if ratio > GOAL or found["throttled"]:
        sys.exit("the goal is missed")


if __name__ == "__main__":
    try:
        main()
    except throughput.BenchFailed as error:
        sys.exit(str(error))
