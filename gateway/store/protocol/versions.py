"""Versions of the rules: their texts, when each was served, and what met it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from gateway.model import RulesVersion


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time in which one version of the rules was the served one."""

    since: datetime
    until: datetime | None = None
    """When another version took over; None where none has."""


class VersionHistory(msgspec.Struct, frozen=True, kw_only=True):
    """One version of the rules: when it was served, and what met it."""

    version: RulesVersion
    """Without its texts: ``files`` is empty."""
    served: tuple[Span, ...] = ()
    """The first one first; none where it was only run over webhooks of the past."""
    before: str | None = None
    """The version that was served before the last of these spans."""
    webhooks: Mapping[str, int] = {}
    """By source: how many webhooks met it when they were received. Repeats and replays do not count."""
    matches: Mapping[tuple[str, str], int] = {}
    """By source and id of the rule, for each rule of the version: how many of these webhooks it matched."""


class Versions(Protocol):
    """Remembers the rules that webhooks were translated with."""

    async def remember_rules(self, version: RulesVersion) -> None:
        """Keep a version's text, once. Webhooks name it by ``version``."""

    async def serve_rules(self, version: RulesVersion, rules: Collection[tuple[str, str]], *, now: datetime) -> None:
        """Keep a version's text, and note that from now on it is the one served: the span of another ends.

        ``rules`` are source and id of each of its rules, so that one that matches nothing is known too. Where it is
        the one served already, its span goes on: a restart does not end it, nor does the time that the gateway was
        down. Where several gateways share a store, the one that began last counts.
        """

    async def rules_version(self, version: str) -> RulesVersion:
        """:raises NotFound: no such version."""

    async def rules_history(self, version: str) -> VersionHistory:
        """:raises NotFound: no such version."""

    async def rules_histories(self, *, limit: int = 50, skip: int = 0) -> Sequence[VersionHistory]:
        """``limit`` versions behind the first ``skip``: the last served first, at the end those never served."""
