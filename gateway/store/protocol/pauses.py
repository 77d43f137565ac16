"""Destinations, sources and rules that a person, or the gateway itself, has paused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec


class PauseScope(StrEnum):
    """What can be paused."""

    DESTINATION = "destination"
    """Nothing is sent to it; its commands stay where they are."""
    SOURCE = "source"
    """Its webhooks are taken in and translated as ever; the commands that they become wait."""
    RULE = "rule"
    """The same for the commands of one rule."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Something is paused, until it is resumed."""

    scope: PauseScope
    name: str
    """The destination's or the source's; of a rule ``source/rule id``."""
    since: datetime
    by: str
    """Who paused it."""
    reason: str | None = None
    automatic: bool = False
    """The gateway paused a destination itself, because it refuses the token; it resumes it when a probe passes. Stands
    beside a person's pause of the same destination, and does not touch it."""


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of the commands of one rule that wait, were nothing paused."""

    source: str
    rule: str
    command: str
    go: int = 0
    """Would be sent now, each in its customer's order."""
    expire: int = 0
    """Would not be sent any more: they are past ``expires_at``."""
    later: int = 0
    """Wait for their time, a retry, or an identify."""


class Pauses(Protocol):
    """Remembers what is paused, and holds back its commands."""

    async def pause(self, pause: Pause) -> None:
        """Pause it, for all processes that share the store, until :meth:`resume`. Where it is paused already, ``since``
        stays and the rest is taken over."""

    async def resume(self, scope: PauseScope, name: str, *, automatic: bool = False) -> bool:
        """End a pause: a person's and the gateway's own; with ``automatic`` only the gateway's own.

        :return: Whether there was one.
        """

    async def pauses(self) -> Sequence[Pause]:
        """Everything that is paused, by scope and name."""

    async def foresee(self, scope: PauseScope, name: str, *, now: datetime) -> Sequence[Foreseen]:
        """What would become of the commands of a destination, a source or a rule that have not left, were nothing
        paused: a row for each rule and kind of command, by source and rule."""
