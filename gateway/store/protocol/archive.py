"""What is remembered is looked at: by id, in lists, by what went wrong, by a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from gateway.model import Attempt, Command, CommandState, Webhook, WebhookState
from gateway.store.protocol.page import Page

ID_DIGITS = 12
"""Of an id that is asked for by its beginning, at least: those are the millisecond."""


class WebhookFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which webhooks to list; every given field must hold."""

    source: str | None = None
    state: WebhookState | None = None
    errors: bool | None = None
    """True: only those with mapping errors."""
    event_type: str | None = None
    rule: str | None = None
    rules_version: str | None = None
    user: str | None = None
    """A ``userId`` that one of its commands has."""
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    """Text that stands in the body or in the dedup key."""
    command_state: CommandState | None = None
    """The state of one of its commands."""


class CommandFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which commands to list; every given field must hold."""

    state: CommandState | None = None
    source: str | None = None
    destination: str | None = None
    command: str | None = None
    rule: str | None = None
    user: str | None = None
    webhook: str | None = None
    event_type: str | None = None
    """Of its webhook."""
    rules_version: str | None = None
    """The version that its webhook was translated with, the last time."""
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None
    """Text that stands in the body or the reason."""


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Webhooks, or commands, that are in one state for one reason."""

    state: str
    source: str
    rule: str
    """Of commands their rule; of webhooks the rule of their first mapping error, or empty."""
    cause: str
    """The reason (of webhooks with errors the first one's message), what differs from one to the next left out of it:
    see :func:`gateway.store.causes.words`. Empty where there is none."""
    count: int
    example: str
    """The id of the newest."""
    newest: datetime
    """When that was received, or made."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What :meth:`Store.find` found, and how far it looked."""

    webhooks: tuple[str, ...] = ()
    """Ids, newest first."""
    looked_at: int = 0
    """How many webhooks were looked at."""
    back_to: datetime | None = None
    """When the oldest of those was received."""
    whole: bool = True
    """Whether nothing older is kept, of what was asked for."""


class Archive(Protocol):
    """Shows webhooks, commands and attempts."""

    async def webhook(self, id: str) -> Webhook:
        """One webhook, or one request in quarantine.

        :raises NotFound: no such webhook.
        """

    async def webhooks(self, filter: WebhookFilter, *, limit: int = 50, cursor: str | None = None) -> Page[Webhook]:
        """Those that the filter lets through. What is in quarantine is listed with ``state`` ``quarantined``, and not
        otherwise; it has no event type, rule, user or errors, and ``text`` is looked for in its body and reason."""

    async def walk(
        self, filter: WebhookFilter, *, limit: int = 50, after: str | None = None
    ) -> Sequence[tuple[str, Webhook]]:
        """The next webhooks behind ``after``, the oldest first, each with its own cursor to go on behind it. What is in
        quarantine is none of them.

        What is done with one may take it out of the filter, or put others into it: none comes twice, and none is left
        out that was there and stayed.

        :raises ValueError: a cursor that no walk gave.
        """

    async def command(self, id: str) -> Command:
        """:raises NotFound: no such command."""

    async def commands(self, filter: CommandFilter, *, limit: int = 50, cursor: str | None = None) -> Page[Command]: ...

    async def attempts(self, command_id: str) -> Sequence[Attempt]:
        """Every attempt at a command, the first one first."""

    async def count(self, filter: WebhookFilter | CommandFilter) -> int:
        """How many a list of this filter has, also in quarantine."""

    async def causes(self, filter: WebhookFilter | CommandFilter, *, limit: int = 100) -> Sequence[Cause]:
        """What a list of this filter has, by state, source, rule and cause: the most frequent first, at most ``limit``
        of them, those of the same count by their newest."""

    async def find(
        self, texts: Sequence[str], *, limit: int = 20, depth: int = 100_000, since: datetime | None = None
    ) -> Found:
        """The newest ``limit`` webhooks in which one of ``texts`` stands: in the path, the query, the body, the dedup
        key, in what was fetched for it; or in a command of it: its customer, its body, its reason, Intilery's event id.
        Or whose id, or a command's, begins with one of at least :data:`ID_DIGITS` characters. Small and capital letters
        of ASCII are the same.

        There is no index for that: at most ``depth`` of the newest webhooks are looked at, those since ``since``, in
        steps between which other lists get their turn.
        """

    async def last_heard(self) -> Mapping[str, datetime]:
        """When each source that has sent anything that is kept did so last."""
