"""Group commit, as both stores do it: one verb's share of a commit, how much may wait, what one transaction takes."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import Any, Generic, TypeVar

Run = TypeVar("Run")
Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_OPERATIONS = 10_000
MAX_BYTES = 64 * 2**20
"""What may wait; beyond it the sender is told to come again."""
GROUP_OPERATIONS = 512
GROUP_BYTES = 16 * 2**20
"""What one transaction takes, so that the last in it does not wait for seconds."""


class Operation(Generic[Run, Item, Result]):
    """One verb's share of a commit."""

    __slots__ = ("future", "item", "run", "size")

    def __init__(self, run: Run, item: Item, size: int, future: asyncio.Future[Result]) -> None:
        self.run = run
        self.item = item
        self.size = size
        self.future = future


AnyOperation = Operation[Any, Any, Any]


def overfull(operations: int, size: int, *, what: str) -> str | None:
    """Why no more may wait for ``what``, or None."""
    if operations < MAX_OPERATIONS and size < MAX_BYTES:
        return None
    return (
        f"{operations} operations of {size / 2**20:.0f} MiB wait for {what}; "
        f"at most {MAX_OPERATIONS} or {MAX_BYTES // 2**20} MiB may"
    )


def next_group(waiting: deque[AnyOperation]) -> list[AnyOperation]:
    """Take the next group from the front: at least one operation, at most what one transaction takes."""
    size = 0
    count = 0
    for operation in islice(waiting, GROUP_OPERATIONS):
        size += operation.size
        if count and size > GROUP_BYTES:
            break
        count += 1
    return [waiting.popleft() for _ in range(count)]
