"""Requests that failed authentication: kept apart, bounded, and taken in when they turn out to be right."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from gateway.model import Webhook
from gateway.store.protocol.inbox import Receipt, Reception


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A request that failed authentication, as it is kept until it is released or its time is over."""

    webhook: Webhook
    """In state ``quarantined``; ``reason`` says what failed. Credentials in it are keyed hashes."""
    cause: str
    """The kind of failure, one of a few words: what is counted by."""
    findings: tuple[str, ...] = ()
    """What the diagnosis found, for the operator."""
    lacking: str | None = None
    """Why its body was not kept, so that it can't be released; None: it was."""
    client: str = ""
    """The sender's address, where it is known: a release verifies again what came from there."""
    proxied: bool = False
    """Whether a declared proxy passed it on."""


def quarantined_size(webhook: Webhook) -> int:
    """The bytes that a request in quarantine counts for: its body, headers, path and query, and 512 for the rest."""
    headers = sum(len(name) + len(value) for name, value in webhook.headers)
    return 512 + len(webhook.body) + headers + len(webhook.path) + len(webhook.query)


class QuarantineLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much may be in quarantine. Bytes are those of :func:`quarantined_size`."""

    count: int
    bytes: int
    source_count: int
    """Of one source."""
    source_bytes: int
    since: datetime
    """What was received before is over."""


class QuarantineCount(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one source is in quarantine for one cause."""

    source: str
    cause: str
    count: int
    bytes: int
    oldest: datetime
    """When the oldest of them was received."""


class Quarantine(Protocol):
    """Keeps what failed authentication until it is released or its time is over."""

    async def quarantine(self, requests: Sequence[Quarantined], *, limits: QuarantineLimits) -> int:
        """Keep requests that failed authentication, then take out what is over the limits; both in one transaction.

        They are no webhooks: they claim no dedup key, count for no version of the rules, and no verb but
        :meth:`release` makes anything of them. :meth:`webhook` finds them, and :meth:`webhooks` lists them where the
        filter's state is ``quarantined``, and only there. One that is there already stays as it is.

        First goes what was received before ``limits.since``. Of each source stay the last ``source_count`` that were
        written, and of these the last that hold at most ``source_bytes`` together. Where all that is left is still over
        ``count`` or ``bytes`` (sources came and went), it is shared out in rounds: the newest of each source, then the
        second of each, the newer of one round first, until one does not fit. So what comes to one source never takes
        the place of another's share, if ``source_count`` and ``source_bytes`` are at most the totals divided by the
        sources.

        :return: how many were taken out, of those given or of those that were there.
        :raises StoreUnavailable: as :meth:`receive`: nothing was changed.
        """

    async def quarantined(self, id: str) -> Quarantined:
        """:raises NotFound: no such request is in quarantine."""

    async def quarantine_counts(self) -> Sequence[QuarantineCount]:
        """What is in quarantine, by source and cause, in that order."""

    async def still_quarantined(
        self, id: str, *, reason: str, cause: str, findings: Sequence[str], rules_version: str
    ) -> bool:
        """Write why a request that was looked at again stays; the rest of it stays as it is.

        :return: False, and nothing is written, where it is no longer there.
        """

    async def release(self, id: str, reception: Reception | None) -> Receipt | None:
        """Take a request out of quarantine and receive what became of it, as :meth:`receive` does, in one transaction.

        ``reception`` holds the webhook of the same id. Where its dedup key is taken, the first one counts a repeat and
        nothing else is written; the request leaves all the same. With None it only leaves: what it became (the
        elements of a batch) is on disk already, or it is to become nothing.

        :return: the receipt; None where ``reception`` is None.
        :raises NotFound: it is not there (any more): released by another, or taken out. Nothing was written.
        :raises StoreUnavailable: as :meth:`receive`: nothing was changed.
        """

    async def key(self, name: str) -> bytes:
        """32 random bytes that this store keeps under a name: made at the first call, the same ever after, for every
        process that shares the store."""
