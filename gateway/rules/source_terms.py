"""What a source says about its requests as such: events, redact, limits, how long they are kept; nodes to values."""

from __future__ import annotations

import re
from datetime import timedelta

from gateway.rules.events import Events, compile_events
from gateway.rules.keys import LIMITS_KEYS, check_keys
from gateway.rules.paths import PathProblem
from gateway.rules.readings import Entries, Reader
from gateway.rules.redaction import Redaction, compile_redaction
from gateway.rules.roots import ExpressionProblem

DEFAULT_BODY = 1_000_000
SHORTEST = timedelta(hours=1)
"""Of a retention."""
_RATE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)\s*(?:/\s*(s|m|h))?\Z")
_PER = {"s": 1, "m": 60, "h": 3600}


def read_redact(keys: Entries, read: Reader) -> tuple[Redaction, ...]:
    """The paths of ``redact``."""
    if "redact" not in keys:
        return ()
    _, node = keys["redact"]
    found: list[Redaction] = []
    for item in node.items if node.kind == "list" else (node,):
        if item.kind != "scalar" or not item.text.startswith("$"):
            read.report(item, f"redact takes a list of paths such as $.card.number; found {item.describe()}")
            continue
        try:
            redaction = compile_redaction(item.text)
        except PathProblem as problem:
            read.report(item, str(problem), at=problem.at)
            continue
        if redaction.batch and "events" not in keys:
            read.report(item, "$batch is known only where the source says events")
        found.append(redaction)
    return tuple(found)


def read_events(keys: Entries, read: Reader) -> Events | None:
    """The path of ``events``."""
    if "events" not in keys:
        return None
    _, node = keys["events"]
    if node.kind != "scalar" or not node.text.startswith("$"):
        read.report(node, f"events takes a path to a list, such as $[*] or $.events[*]; found {node.describe()}")
        return None
    try:
        return compile_events(node.text)
    except ExpressionProblem as problem:
        read.report(node, str(problem), at=problem.at)
        return None


def read_limits(keys: Entries, read: Reader) -> tuple[int, float | None]:
    """The largest body in bytes, and the requests a second, if there is a limit."""
    most, rate = DEFAULT_BODY, None
    if "limits" not in keys:
        return most, rate
    limits = check_keys(keys["limits"][1], LIMITS_KEYS, "limits", read.report)
    if "body" in limits:
        node = limits["body"][1]
        if type(node.value) is int and 1 <= node.value <= 100_000_000:
            most = node.value
        else:
            read.report(node, f"body takes a number of bytes from 1 to 100000000; found {node.describe()}")
    if "rate" in limits:
        node = limits["rate"][1]
        found = _RATE.match(node.text) if node.kind == "scalar" else None
        rate = float(found[1]) / _PER[found[2] or "s"] if found else None
        if not rate or rate > 1_000_000:
            read.report(node, f"rate takes requests a second, such as 50 or 50/s, or 600/m; found {node.describe()}")
    return most, rate


def read_retention(keys: Entries, read: Reader) -> timedelta | None:
    """How long what a source sent is kept."""
    length = _length(keys, "retention", read)
    if length is not None and length < SHORTEST:
        _, node = keys["retention"]
        read.report(node, f"retention takes 1h or more, for lists and replays need what came in; found {node.text}")
        return None
    return length


def read_dedup_window(keys: Entries, read: Reader) -> timedelta | None:
    """How long a repeat is known as one."""
    length = _length(keys, "dedup_within", read)
    if length == timedelta(0):
        read.report(keys["dedup_within"][1], "dedup_within takes 1s or more; found a length of nothing")
    return length


def _length(keys: Entries, key: str, read: Reader) -> timedelta | None:
    """A length of time that is the same in every month."""
    if key not in keys:
        return None
    _, node = keys[key]
    found = read.span(node, key)
    if found is None:
        return None
    if found.months:
        read.report(node, f"{key} takes weeks, days, hours or minutes, not months; 90d is three of them")
        return None
    return timedelta(days=found.days, seconds=found.seconds)
