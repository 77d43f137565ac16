"""Whose turn it is: sources share what may leave, and so do the rules of a source. Pure, but for what it remembers.

A store finds out which queues have something due, a queue being what one rule has waiting in one priority; this deals
out how many may leave from each. The turn goes on from one claim to the next, so that claims of one command are as fair
as claims of a hundred. Each process remembers its own turns; a restart begins anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter

Queue = tuple[str, str]
"""Source and rule."""


class Turns:
    """Deals out what may leave, and remembers who was last."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], str] = {}
        """By destination the source, by destination and source the rule, that had the last turn."""

    def deal(self, destination: str, queues: Iterable[Queue], n: int) -> dict[Queue, int]:
        """How many of ``n`` may leave from each of ``queues``, all of one priority; who has none is left out.

        The sources take turns, one command each; within a source its rules do.
        """
        waiting = {source: [rule for _, rule in found] for source, found in groupby(sorted(queues), itemgetter(0))}
        dealt: dict[Queue, int] = {}
        for _ in range(n if waiting else 0):
            source = self._next((destination,), list(waiting))
            queue = (source, self._next((destination, source), waiting[source]))
            dealt[queue] = dealt.get(queue, 0) + 1
        return dealt

    def _next(self, circle: tuple[str, ...], names: list[str]) -> str:
        """The first of ``names``, which are sorted, behind the one that was last."""
        last = self._last.get(circle, "")
        name = next((name for name in names if name > last), names[0])
        self._last[circle] = name
        return name
