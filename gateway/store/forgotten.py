"""Erasing one person, in steps: what both stores do alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence

import msgspec

from gateway.store import Forgotten

STEP = 500
"""Webhooks that are looked at in one read."""
TOGETHER = 50
"""Webhooks that one transaction deletes."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Who is erased: the customer's id, and the texts that name the person wherever they stand."""

    user: str
    texts: tuple[str, ...]


class Erasing(msgspec.Struct, frozen=True, kw_only=True):
    """Webhooks to be erased in one transaction, by id."""

    ids: tuple[str, ...]
    now: int


class Named(msgspec.Struct, frozen=True, kw_only=True):
    """What one step found."""

    found: tuple[tuple[str, int], ...]
    """Webhooks that name the person, each with how many commands it has."""
    next: int | None
    """Where to go on; None: it was the last step."""


async def erased(
    look: Callable[[int], Awaitable[Named]],
    erase: Callable[[Erasing], Awaitable[Forgotten]],
    *,
    now: int,
    dry_run: bool,
) -> Forgotten:
    """Walk over all webhooks, and erase or only count those that name the person."""
    forgotten = Forgotten()
    place: int | None = 0
    while place is not None:
        named = await look(place)
        place = named.next
        if dry_run:
            commands = sum(count for _, count in named.found)
            forgotten = added(forgotten, Forgotten(webhooks=len(named.found), commands=commands))
            continue
        for ids in _portions([id for id, _ in named.found]):
            forgotten = added(forgotten, await erase(Erasing(ids=ids, now=now)))
    return forgotten


def _portions(ids: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(ids), TOGETHER):
        yield tuple(ids[start : start + TOGETHER])


def added(one: Forgotten, other: Forgotten) -> Forgotten:
    """The sum of two."""
    return Forgotten(**{name: getattr(one, name) + getattr(other, name) for name in one.__struct_fields__})
