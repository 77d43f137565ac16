"""Pauses as rows, and back, and what those in force mean for a claim: the same for both stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from gateway.store import Pause, PauseScope
from gateway.store.rows import Row, maybe_octets, maybe_text, micros, moment, octets, text

AT_ONCE = 200
"""How many step out of their lines, or join them again, in one claim: some milliseconds of the store."""


class Queue(NamedTuple):
    """What one rule has at the heads of lines in one priority."""

    priority: int
    source: str
    rule: str
    due_at: int
    """Of its first, in microseconds."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """The pauses that are in force, as a claim needs them; each by its key."""

    paused: frozenset[str]
    parked: tuple[str, ...]
    """For which pauses commands are kept out of their lines: some may have ended."""

    def stops(self, destination: str) -> bool:
        """Whether a person has paused the destination."""
        return _key(PauseScope.DESTINATION, destination) in self.paused

    def over(self) -> list[str]:
        """The pauses that have ended and that commands still wait for."""
        return [key for key in self.parked if key not in self.paused]

    def of(self, source: str, rule: str) -> tuple[str, str] | None:
        """The pause that a rule's commands wait for, and why that is, in words; None where they may leave."""
        if not self.paused:
            return None
        if (key := _key(PauseScope.SOURCE, source)) in self.paused:
            return key, f"the source {source} is paused"
        if (key := _key(PauseScope.RULE, f"{source}/{rule}")) in self.paused:
            return key, f"the rule {source}/{rule} is paused"
        return None

    def part(self, queues: Sequence[Queue]) -> tuple[list[Queue], list[tuple[int, str, str, str, str]]]:
        """The queues that may leave; and those that are paused: priority, source, rule, the pause's key, why."""
        going: list[Queue] = []
        paused: list[tuple[int, str, str, str, str]] = []
        for queue in queues:
            if (pause := self.of(queue.source, queue.rule)) is None:
                going.append(queue)
            else:
                paused.append((queue.priority, queue.source, queue.rule, *pause))
        return going, paused


def _key(scope: PauseScope, name: str) -> str:
    return f"paused/{scope}/{name}"


def pause_row(one: Pause) -> Row:
    """``(scope, name, automatic, since, by, reason)``."""
    return one.scope.value, one.name, one.automatic, micros(one.since), octets(one.by), maybe_octets(one.reason)


def pause_of(row: Sequence[Any]) -> Pause:
    scope, name, automatic, since, by, reason = row
    return Pause(
        scope=PauseScope(scope),
        name=name,
        automatic=bool(automatic),
        since=moment(since),
        by=text(by),
        reason=maybe_text(reason),
    )
