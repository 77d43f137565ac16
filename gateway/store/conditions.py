"""A list's page: which rows, newest first, and where the next page begins; the same for both stores.

A cursor is the place of the last item that was given, so pages stay whole while new items arrive before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from gateway.store import CommandFilter, Page, WebhookFilter
from gateway.store.rows import micros, octets

T = TypeVar("T")
Where = TypeVar("Where", bound="Conditions")


class Conditions:
    """A WHERE clause and its parameters."""

    mark: ClassVar[str]
    """What stands for a parameter."""
    within: ClassVar[str]
    """Whether bytes, a parameter, stand in ``{column}``."""

    def __init__(self) -> None:
        self._terms: list[str] = []
        self.parameters: list[Any] = []

    def add(self, term: str, *parameters: Any) -> None:
        self._terms.append(term)
        self.parameters.extend(parameters)

    def equal(self, column: str, value: str | bytes | None) -> None:
        if value is not None:
            self.add(f"{column} = {self.mark}", value)

    def literal(self, column: str, word: str) -> None:
        """``word`` is one of ours. Written out, for a partial index serves only what the text itself says."""
        self.add(f"{column} = '{word}'")

    def received(self, since: datetime | None, until: datetime | None) -> None:
        if since is not None:
            self.add(f"received_at >= {self.mark}", micros(since))
        if until is not None:
            self.add(f"received_at < {self.mark}", micros(until))

    def made(self, since: datetime | None, until: datetime | None) -> None:
        if since is not None:
            self.add(f"created_at >= {self.mark}", micros(since))
        if until is not None:
            self.add(f"created_at < {self.mark}", micros(until))

    def holds(self, sought: str | None, *columns: str) -> None:
        """A text stands in one of these columns."""
        if sought is not None:
            places = " OR ".join(self.within.replace("{column}", column) for column in columns)
            self.add(f"({places})", *[octets(sought)] * len(columns))

    def behind(self, cursor: str | None) -> None:
        """Those that come after the last one of a page.

        :raises ValueError: no list gave this cursor.
        """
        if cursor is not None:
            self.add(f"seq < {self.mark}", read_cursor(cursor))

    def __str__(self) -> str:
        return " AND ".join(self._terms) or "TRUE"


def on_commands(where: Where, filter: CommandFilter) -> Where:
    """What every store asks of the rows of commands alike. How the state, the customer and the webhook are asked for
    depends on its tables."""
    where.equal("source", filter.source)
    where.equal("destination", filter.destination)
    where.equal("command", filter.command)
    where.equal("rule", filter.rule)
    where.equal("webhook_id", filter.webhook)
    where.made(filter.since, filter.until)
    where.holds(filter.text, "body", "reason")
    return where


def on_quarantine(where: Where, filter: WebhookFilter) -> Where:
    """Which requests in quarantine a filter lets through: none, where it asks for what those don't have."""
    lacking = (filter.event_type, filter.rule, filter.user, filter.command_state)
    if filter.errors or any(asked is not None for asked in lacking):
        where.add("FALSE")
    where.equal("source", filter.source)
    where.equal("rules_version", filter.rules_version)
    where.received(filter.since, filter.until)
    where.holds(filter.text, "body", "reason")
    return where


def read_cursor(cursor: str) -> int:
    """The seq that a cursor names.

    :raises ValueError: no list gave it.
    """
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 18):
        raise ValueError(f"cursor {cursor!r}: is not one that a list gave as next")
    return int(cursor)


def page_of(rows: Sequence[Sequence[Any]], item: Callable[[Sequence[Any]], T], *, limit: int) -> Page[T]:
    """A page of rows that begin with their seq. One more than ``limit`` says that there is another page."""
    more = len(rows) > limit
    rows = rows[:limit]
    return Page(items=tuple(item(row[1:]) for row in rows), next=str(rows[-1][0]) if more else None)
