"""Webhooks are taken in, with the commands that they become, and are translated again."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec

from gateway.model import Command, Fetching, Webhook, WebhookState
from gateway.store.protocol.page import Page
from gateway.terms import Cancellation


class Reception(msgspec.Struct, frozen=True, kw_only=True):
    """All that one accepted webhook writes, in one transaction."""

    webhook: Webhook
    commands: tuple[Command, ...] = ()
    cancellations: tuple[Cancellation, ...] = ()
    """Names whose waiting commands are withdrawn before ``commands`` are written."""
    dedup_until: datetime | None = None
    """Until when ``webhook.dedup_key`` answers a repeat; None with a key means for as long as the store keeps it.
    Without a key nothing is claimed."""
    fetching: Fetching | None = None
    """For :meth:`Store.retranslate`: what was fetched, kept beside the webhook."""


class Receipt(msgspec.Struct, frozen=True):
    """What :meth:`Store.receive` did."""

    webhook_id: str
    """The id to answer with: the first webhook's where this one is a repeat."""
    duplicate: bool = False
    ended: tuple[Command, ...] = ()
    """Those of its commands that will never leave, as they were written: suppressed, expired, cancelled, dry-run."""


class Retranslation(msgspec.Struct, frozen=True, kw_only=True):
    """What :meth:`Store.retranslate` did, as ids of commands."""

    created: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    """Were waiting or pending, or had failed, been held, cancelled or expired: now as the new rules say."""
    withdrawn: tuple[str, ...] = ()
    """Were waiting or pending, and the new rules do not make them."""
    kept: tuple[str, ...] = ()
    """Delivered, delivering or unknown: left alone."""
    ended: tuple[Command, ...] = ()
    """As in :class:`Receipt`, of those created and replaced."""


WITHDRAWN = "the rules that its webhook was translated with again do not make it"
"""Why a command is ``cancelled`` that :meth:`Store.retranslate` withdrew."""


class Unfetched(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that is ``fetching``."""

    id: str
    source: str
    due_at: datetime | None = None
    """The next try; None: now."""


class Inbox(Protocol):
    """Takes webhooks in, and what thin ones point to."""

    async def receive(self, reception: Reception) -> Receipt:
        """Write a webhook, its commands and its dedup key in one transaction; return when that is on disk.

        Where the key is taken, count a repeat on the first webhook and write nothing else. Calls that arrive
        together share one commit. A commit goes on when the caller is cancelled.

        :raises StoreUnavailable: it is not stored: the disk is full, the queue overfull, or the store closed.
        """

    async def retranslate(self, reception: Reception, *, now: datetime) -> Retranslation:
        """Replace what the webhook became: its state, reasons, version and those commands that have not left.

        Commands are matched by id. Waiting and pending ones are replaced or withdrawn (``cancelled``); failed, held,
        cancelled and expired ones go again; delivered, delivering and unknown ones stay.

        :raises NotFound: no such webhook.
        """

    async def note_fetching(
        self,
        id: str,
        fetching: Fetching,
        *,
        state: WebhookState = WebhookState.FETCHING,
        reason: str | None = None,
        again: bool = False,
    ) -> bool:
        """Write how far the fetching of a webhook has come: it goes on (``fetching``), or was given up
        (``untranslatable``, with the reason). What it became before stays as it is.

        :return: False, and nothing is written, where the webhook is not ``fetching``. With ``again`` it becomes so.
        """

    async def fetching(self, id: str) -> Fetching | None:
        """How far the fetching of a webhook has come, with the answers; None where nothing was written yet."""

    async def unfetched(self, *, limit: int = 1000, cursor: str | None = None) -> Page[Unfetched]:
        """The webhooks that are ``fetching``, the oldest first."""
