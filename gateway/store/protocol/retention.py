"""What is taken out for good: what is over, and a person who asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What :meth:`Store.prune` took out, or would take out."""

    webhooks: int = 0
    """With their bodies, and with what was fetched for them."""
    commands: int = 0
    attempts: int = 0
    dedup_keys: int = 0
    """Whose time was over; those without an end go with their webhooks and are not counted."""
    once_claims: int = 0
    """Whose time was over; those of ``identify_once`` too."""
    rules_versions: int = 0
    quarantined: int = 0
    """Requests in quarantine."""

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What :meth:`Store.forget` took out, or would take out."""

    webhooks: int = 0
    """With their bodies, and with what was fetched for them."""
    commands: int = 0
    attempts: int = 0
    keys: int = 0
    """Dedup keys, once claims, names and uses of limits."""
    quarantined: int = 0
    replays: int = 0
    """Whose filter named the person."""
    left: tuple[str, ...] = ()
    """Webhooks that are there still, as a command of them is on its way or being looked up."""


class Retention(Protocol):
    """Takes out, and says how much that was."""

    async def prune(
        self,
        *,
        now: datetime,
        default: timedelta,
        by_source: Mapping[str, timedelta],
        quarantined: timedelta | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        """Take out webhooks that were received longer ago than their source's retention (``by_source``, else
        ``default``) and whose commands are all final: with bodies, answers that were fetched, commands and attempts.

        A store may keep what is over until its day (UTC) is over for it too: SQLite takes it out to the microsecond,
        PostgreSQL by the day. What is not final stays whole. Dedup keys and ``once`` claims stay while they are in
        force: until their time, a claim without one for ever, a key without one for as long as its webhook is kept.
        Versions of the rules go that were last served before the longest retention and that no webhook names. With
        ``dry_run`` it only counts.

        What is in quarantine goes when it was received longer ago than ``quarantined``, or than its source's retention
        where that is shorter; with None it stays.

        In transactions of some milliseconds each: what is taken out is gone for good even if the caller is cancelled
        on the way, and what is left goes the next time.
        """

    async def forget(self, user: str, texts: Sequence[str], *, now: datetime, dry_run: bool = False) -> Forgotten:
        """Erase a person: every webhook with a command to the customer ``user``, and all in which one of ``texts``
        stands as a whole word (not within a longer one; small and capital letters of ASCII are the same), with their
        commands, attempts, answers that were fetched, and the bodies of the batches that they were part of. And keys of
        all kinds, requests in quarantine, and filters of replays in which one of them stands.

        What has not left is withdrawn by that; who waits behind it in the customer's line moves up. A webhook with a
        command that is ``delivering`` or ``unknown`` is left whole. In transactions of some milliseconds each; where
        the backend keeps deleted bytes, they are overwritten. With ``dry_run`` it only counts webhooks and commands.
        """
