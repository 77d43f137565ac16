"""What shadow rules, which run beside the served ones, would have done otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from gateway.store.protocol.page import Page

SHADOW_KEPT = 10_000
"""Differences of shadow rules that are kept; the oldest go first."""
SHADOW_VERSIONS = 20
"""Versions of shadow rules whose counts are kept."""


class DifferenceKind(StrEnum):
    """How what candidate rules make of a webhook differs from what it became."""

    APPEARS = "appears"
    """A command that was not made."""
    VANISHES = "vanishes"
    """A command that would not be made."""
    CHANGES = "changes"
    """A command of the same identity that would be another one."""


class ShadowDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One command that shadow rules would make, not make, or make otherwise. It holds no value out of a payload."""

    candidate: str
    """The version of the shadow rules."""
    served: str
    """The version that made what there is."""
    at: datetime
    webhook_id: str
    source: str
    rule: str
    command: str
    kind: DifferenceKind
    paths: tuple[str, ...] = ()
    """What changes, such as ``body.order.total`` or ``not_before``."""


class ShadowFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which differences to list; every given field must hold."""

    candidate: str | None = None
    source: str | None = None
    rule: str | None = None
    kind: DifferenceKind | None = None


class ShadowCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often a rule differed under one version of the shadow rules."""

    candidate: str
    source: str
    rule: str
    """Empty: of the source as a whole, for ``webhooks``."""
    webhooks: int = 0
    """How many webhooks were compared, where ``rule`` is empty."""
    appears: int = 0
    vanishes: int = 0
    changes: int = 0
    last_at: datetime


class ShadowLog(Protocol):
    """Keeps differences, and counts them."""

    async def note_shadow(
        self, candidate: str, compared: Mapping[str, int], differences: Sequence[ShadowDifference], *, now: datetime
    ) -> None:
        """Count webhooks that were compared, by source, and their differences; keep the newest
        :data:`SHADOW_KEPT` differences and the counts of the newest :data:`SHADOW_VERSIONS` candidates."""

    async def shadow_counts(self, *, candidate: str | None = None) -> Sequence[ShadowCount]:
        """Of one candidate, or of all: the one that was noted last first, then by source and rule."""

    async def shadow_differences(
        self, filter: ShadowFilter, *, limit: int = 50, cursor: str | None = None
    ) -> Page[ShadowDifference]:
        """The newest first.

        :raises ValueError: a cursor that no list gave.
        """
