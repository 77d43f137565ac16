"""Lengths of time and sizes as people write them, in settings, options and queries."""

from __future__ import annotations

import math
import re
from datetime import timedelta

_LENGTH = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_LONGEST = timedelta(days=36_500)
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(b|kb|mb|kib|mib)?", re.IGNORECASE)
_BYTES = {"b": 1, "kb": 1000, "mb": 1000_000, "kib": 1024, "mib": 1024 * 1024}


def length(text: str) -> timedelta:
    """``30d``, ``1.5h``, ``10m``, ``5s`` or ``500ms``; a hundred years at most, which every date can be moved by.

    :raises ValueError: the message says what is allowed.
    """
    found = _LENGTH.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError("a length such as 30d, 12h, 10m, 5s or 500ms")
    seconds = float(found[1]) * _SECONDS[found[2]]
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"a length of at most {_LONGEST.days}d")
    return timedelta(seconds=seconds)


def size(text: str) -> int:
    """Bytes: ``1MB`` (a million), ``512KiB`` or ``1000000``.

    :raises ValueError: the message says what is allowed.
    """
    found = _SIZE.fullmatch(text.strip())
    count = float(found[1]) * _BYTES[(found[2] or "b").lower()] if found else math.inf
    if math.isinf(count):  # so are digits without end
        raise ValueError("a size such as 1MB, 512KiB or 1000000")
    return int(count)
