"""What mapping costs, in ratios: python bench/mapping/run.py

Four questions, each answered on one core by medians over several rounds, the two sides of a ratio measured in turn:

1. One rule with twelve fields over an order of 1.3 KB, against a hand-written function that makes the same command,
   byte for byte (by_hand.py; it is checked to be equal before anything is measured).
2. The paths of that rule, against find() of jsonpath-ng (parsed once, as we compile once).
3. 200 rules on one source of which one matches, against that one rule alone.
4. The worst payloads of 1 MB (and 10 MB) against the worst rules (worst.py): milliseconds until the webhook is
   translated or refused with its reason. The budget counts steps, so the answer is the same on every machine; only the
   time is this machine's.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from by_hand import by_hand
from jsonpath_ng.ext.parser import parse
from worst import payloads, rules

from gateway.rules import Arrival, Source, load_files, translate
from gateway.rules.budget import Budget
from gateway.rules.paths import compile_path

HERE = Path(__file__).parent
NOW = datetime(2026, 1, 5, 16, 0, tzinfo=UTC)
HEADERS = {"x-topic": "orders/create", "x-event-id": "e-1"}
PATHS = (
    "$.financial_status", "$.customer.id", "$.created_at", "$.email", "$.customer.first_name", "$.name",
    "$.total_price", "$.currency", "$.shipping_address.city", "$.shipping_address.country_code", "$.line_items[*]",
)  # fmt: skip
"""Every path into the body that the rule has, but those from its elements."""


def order() -> Any:
    body = msgspec.json.Decoder(float_hook=Decimal).decode((HERE.parent / "throughput" / "order.json").read_bytes())
    body["customer"]["id"] = 207119551
    return body


def source_of(text: str) -> Source:
    (source,) = load_files({"s.yaml": text}, environ={}).sources.values()
    return source


def arrival(body: Any, source: str = "shop") -> Arrival:
    return Arrival(webhook_id="0" * 32, source=source, body=body, headers=HEADERS, query={}, path={}, received_at=NOW)


def microseconds(run: Callable[[], Any], seconds: float) -> float:
    """One round: the mean of as many calls as fit."""
    calls, begun = 0, time.perf_counter()
    while (taken := time.perf_counter() - begun) < seconds:
        for _ in range(100):
            run()
        calls += 100
    return taken / calls * 1e6


def ratio(ours: Callable[[], Any], other: Callable[[], Any], options: argparse.Namespace) -> tuple[float, float, float]:
    """Median of ours, of the other, and of the ratios of the rounds."""
    rounds = [
        (microseconds(ours, options.seconds), microseconds(other, options.seconds)) for _ in range(options.rounds)
    ]
    return (
        statistics.median(one for one, _ in rounds),
        statistics.median(two for _, two in rounds),
        statistics.median(one / two for one, two in rounds),
    )


def twelve_fields(options: argparse.Namespace) -> tuple[float, float, float]:
    source, given = source_of((HERE / "twelve.yaml").read_text(encoding="utf-8")), arrival(order())
    made = translate(source, given, now=NOW)
    if (made.dedup_key, made.event_type, list(made.commands)) != by_hand(given, NOW) or not made.commands:
        sys.exit("the rule and the hand-written function do not make the same")
    return ratio(lambda: translate(source, given, now=NOW), lambda: by_hand(given, NOW), options)


def paths(options: argparse.Namespace) -> tuple[float, float, float]:
    body = order()
    compiled = [compile_path(path).read for path in PATHS]
    parsed = [parse(path) for path in PATHS]
    budget = Budget()
    for path, ours, theirs in zip(PATHS, compiled, parsed, strict=True):
        found = [match.value for match in theirs.find(body)]
        if ours(body, budget) != (found if "*" in path else found[0]):
            sys.exit(f"{path} finds something else")

    def read() -> None:
        budget.left = 1_000_000
        for ours in compiled:
            ours(body, budget)

    def find() -> None:
        for theirs in parsed:
            [match.value for match in theirs.find(body)]

    reading, finding, _ = ratio(read, find, options)
    return reading, finding, finding / reading


def two_hundred_rules(options: argparse.Namespace) -> tuple[float, float, float]:
    text = (HERE / "twelve.yaml").read_text(encoding="utf-8")
    head, _, rule = text.partition("  - name: Order confirmation\n")
    others = "".join(
        f"  - name: Other {number}\n" + rule.replace("orders/create", f"orders/other-{number}") for number in range(199)
    )
    one, many, given = source_of(text), source_of(text + others), arrival(order())
    if len(many.rules) != 200 or translate(many, given, now=NOW) != translate(one, given, now=NOW) or not head:
        sys.exit("200 rules do not make what the one makes")
    return ratio(lambda: translate(many, given, now=NOW), lambda: translate(one, given, now=NOW), options)


def worst(options: argparse.Namespace) -> list[tuple[float, str, str, str]]:
    """(milliseconds, rule, payload, what became of it), the slowest first. Processor time, the best of five:
    what else the machine does is not the rule's."""
    found = []
    bodies = payloads()
    gc.disable()
    for does, text in rules():
        source = source_of(text)
        for name, body in bodies.items():
            given = arrival(body, "s")
            best, answer = float("inf"), ""
            for _ in range(5):
                begun = time.process_time()
                made = translate(source, given, now=NOW)
                best = min(best, (time.process_time() - begun) * 1000)
                answer = made.reason or str(made.state)
                if best < options.calm:
                    break
            found.append((best, does, name, answer))
        gc.collect()
    gc.enable()
    return sorted(found, reverse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9, help="the median counts (9)")
    parser.add_argument("--seconds", type=float, default=0.3, help="of each side of each round (0.3)")
    parser.add_argument("--slowest", type=int, default=12, help="how many of the worst to list (12)")
    parser.add_argument("--calm", type=float, default=10.0, help="milliseconds below which once is enough (10)")
    options = parser.parse_args()
    print(f"Python {sys.version.split()[0]}, medians of {options.rounds} rounds of {options.seconds} s\n")
    print("| what | ours | the other | ratio | target |\n|---|---:|---:|---:|---:|")
    for title, measure, target in (
        ("12 fields: a rule / by hand", twelve_fields, "≤ 3"),
        ("its paths: find() of jsonpath-ng / ours", paths, "≥ 15"),
        ("200 rules, one matches / one rule", two_hundred_rules, "≤ 2"),
    ):
        ours, other, times = measure(options)
        print(f"| {title} | {ours:.1f} µs | {other:.1f} µs | {times:.2f} | {target} |", flush=True)
    found = worst(options)
    print(f"\nThe worst of {len(found):,} pairs of rule and payload (target: below 50 ms)\n")
    print("| ms | rule | payload | answer |\n|---:|---|---|---|")
    for milliseconds, does, name, answer in found[: options.slowest]:
        print(f"| {milliseconds:.1f} | `{does.replace('|', chr(92) + '|')[:70]}` | {name} | {answer[:70]} |")


if __name__ == "__main__":
    main()
