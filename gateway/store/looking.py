"""Looking for text from the newest webhook on, in steps, so that others get their turn between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.store import Found
from gateway.store.rows import moment

STEP = 1_000
"""Webhooks that are looked at in one read."""
BEGINNING = 2**62


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """One step back from the newest."""

    found: tuple[str, ...]
    looked_at: int
    back_to: datetime | None
    next: int | None
    """Where to go on; None: nothing older is kept, or asked for."""


def looked_through(rows: Sequence[Sequence[Any]], *, step: int, limit: int) -> Looked:
    """What a step's rows (seq, id, received_at, whether it was found there) come to."""
    found: list[str] = []
    for number, (seq, id, received_at, holds) in enumerate(rows, 1):
        if holds:
            found.append(id)
        if len(found) == limit:
            return Looked(found=tuple(found), looked_at=number, back_to=moment(received_at), next=seq)
    return Looked(
        found=tuple(found),
        looked_at=len(rows),
        back_to=moment(rows[-1][2]) if rows else None,
        next=rows[-1][0] if len(rows) == step else None,
    )


async def walk_back(look: Callable[[int, int, int], Awaitable[Looked]], *, limit: int, depth: int) -> Found:
    """Step by step; ``look`` gets the place to go on from, how many to look at, and how many to find at most."""
    found: list[str] = []
    looked_at, back_to, place = 0, None, BEGINNING
    while True:
        step, wanted = min(STEP, depth - looked_at), limit - len(found)
        if not step or not wanted:
            return Found(webhooks=tuple(found), looked_at=looked_at, back_to=back_to, whole=False)
        looked = await look(place, step, wanted)
        found += looked.found
        looked_at += looked.looked_at
        back_to = looked.back_to or back_to
        if looked.next is None:
            return Found(webhooks=tuple(found), looked_at=looked_at, back_to=back_to)
        place = looked.next
