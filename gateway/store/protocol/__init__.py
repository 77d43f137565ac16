"""What a store is: its verbs, in the words of the domain, a module for each of the nouns that they are about.

A backend keeps these promises, and one conformance suite (``tests/store``) holds every backend to them:

* what a verb returned from is on disk (``synchronous=FULL``, or a synchronous commit); a verb that can't promise that
  raises :class:`~gateway.errors.StoreUnavailable`;
* a webhook, its commands and its dedup key are written together or not at all;
* a command is leased to one dispatcher at a time, and a result is recorded only under the lease that it was made under;
* per (destination, customer) at most one command is on its way or at the head of the line; the line is in the order
  of translation. Retries block the line; final and held commands release it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.store.protocol.acts import Acts
from gateway.store.protocol.archive import Archive
from gateway.store.protocol.inbox import Inbox
from gateway.store.protocol.outbox import Outbox
from gateway.store.protocol.pauses import Pauses
from gateway.store.protocol.quarantine import Quarantine
from gateway.store.protocol.replays import Replays
from gateway.store.protocol.retention import Retention
from gateway.store.protocol.shadow import ShadowLog
from gateway.store.protocol.versions import Versions


class Store(Inbox, Quarantine, Versions, Outbox, Acts, Pauses, Archive, Retention, Replays, ShadowLog, Protocol):
    """The verbs. All are coroutines; all moments are aware and in UTC; ``now`` is the caller's clock."""

    async def open(self, *, serving: bool = True) -> None:
        """Connect, and apply the migrations that are missing.

        With ``serving`` the store is for this process's gateway: SQLite refuses a second one with
        :class:`~gateway.errors.StoreInUse`. Without, it only reads, and writes single acts of a person.
        """

    async def close(self) -> None:
        """Finish what was begun, then disconnect. Idempotent."""

    def hear(self, due: Callable[[frozenset[str]], None]) -> None:
        """Call ``due`` with the names of destinations that other processes write commands for, as long as the store is
        open; it must be quick and not raise. Some may go unheard: who must not miss any looks from time to time.

        SQLite has one serving process and hears nobody.

        :raises StoreUnavailable: the store is closed.
        """

    async def check(self) -> None:
        """Return if a webhook could be stored now. For readiness.

        :raises StoreUnavailable: it could not.
        """
