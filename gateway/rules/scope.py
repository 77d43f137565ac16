"""What an expression can see while one webhook is translated, and what it may name when a file is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gateway.rules.budget import Budget
from gateway.rules.redaction import Redaction
from gateway.rules.tables import Table
from gateway.rules.values import MISSING

MAX_WARNINGS = 50


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """A filter that could not read its input."""

    rule: str
    path: str
    """The expression."""
    message: str


class EvaluationFailed(Exception):
    """An expression that its author declared required, or put into a template, can't be had: a mapping error."""

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(message)
        self.path = path
        self.field = ""
        """Where it was to stand in the body: ``order.items[2].sku``. Built from the inside out."""

    def under(self, place: str) -> None:
        """Note one more key (or ``[index]``) around it."""
        self.field = place + ("." if self.field and not self.field.startswith("[") else "") + self.field


class Codes(msgspec.Struct, frozen=True, kw_only=True):
    """What one destination calls its assets and journeys."""

    name: str
    asset: Mapping[str, str]
    journey: Mapping[str, str]


class Scope:
    """One webhook under translation. Only memos and warnings change while it lives."""

    __slots__ = (
        "batch", "body", "budget", "codes", "fetched", "headers", "item", "lets", "outer", "path", "query",
        "rule", "rule_lets", "warnings", "webhook",
    )  # fmt: skip

    def __init__(
        self,
        *,
        body: Any,
        headers: Mapping[str, str],
        query: Mapping[str, Any],
        path: Mapping[str, str],
        webhook: Mapping[str, Any],
        lets: int,
        batch: Any = MISSING,
        fetched: Any = MISSING,
    ) -> None:
        self.body = body
        self.headers = headers
        self.query = query
        self.path = path
        self.webhook = webhook
        self.batch = batch
        self.fetched = fetched
        self.budget = Budget()
        self.item: Any = MISSING
        self.outer: Any = MISSING
        self.codes: Codes | None = None
        self.rule = ""
        self.lets: list[Any] = [UNSET] * lets
        self.rule_lets: list[Any] = []
        self.warnings: list[Warned] = []

    def warn(self, path: str, message: str) -> None:
        """Note that a filter could not read its input."""
        if len(self.warnings) < MAX_WARNINGS:
            self.warnings.append(Warned(rule=self.rule, path=path, message=message))


class _Unset:
    """A let that nobody has asked for yet."""


UNSET = _Unset()

Evaluate = Callable[[Scope], Any]
"""A compiled value: a scope to a JSON value, or MISSING."""


class FromBody:
    """The commonest value: one place of the body. What builds objects calls ``get`` and saves a call."""

    __slots__ = ("get",)

    def __init__(self, get: Callable[[Any], Any]) -> None:
        self.get = get

    def __call__(self, scope: Scope) -> Any:
        return self.get(scope.body)


class FromItem:
    """One place of the current element."""

    __slots__ = ("get",)

    def __init__(self, get: Callable[[Any], Any]) -> None:
        self.get = get

    def __call__(self, scope: Scope) -> Any:
        return self.get(scope.item)


class Names:
    """What may be named at one place of a rules file; each compiler reads it, ``load`` makes it."""

    def __init__(
        self,
        *,
        path_parts: tuple[str, ...] = (),
        tables: Mapping[str, Table] | None = None,
        fetches: tuple[str, ...] = (),
        zone: ZoneInfo | None = None,
        batch: bool = False,
        redacted: tuple[Redaction, ...] = (),
    ) -> None:
        self.lets: dict[str, Evaluate] = {}
        """The source's named values, in order."""
        self.rule_lets: dict[str, Evaluate] = {}
        """The rule's."""
        self.lists: set[str] = set()
        """Those of the source's named values that are lists whatever the payload holds."""
        self.rule_lists: set[str] = set()
        """Of the rule's, in the same way; it may still hold names of rules before."""
        self.path_parts = path_parts
        self.tables = tables or {}
        self.fetches = fetches
        self.zone = zone
        self.batch = batch
        self.redacted = redacted
        """What nobody may read."""
        self.let_reads: dict[str, frozenset[str]] = {}
        """By source's let: the roots that it reads, itself or through other lets."""
        self.read_anywhere: set[str] = set()
        """The roots that were read in the whole file."""
        self.loops = 0
        """How many elements stand around this place: 1 makes ``$item`` known, 2 ``$outer``."""
        self.codes: list[tuple[str, str, int, int]] = []
        """Each ``$asset`` and ``$journey`` that was compiled: (kind, name, line, column)."""
        self.reads: set[str] = set()
        """The roots that were read since this was last cleared."""
        self.in_call = False
        """Whether this place is under a command, where a destination is chosen and its codes are known."""
        self.place: tuple[int, int] = (1, 1)
        """Line and column of the node that is being compiled."""

    def all_reads(self) -> frozenset[str]:
        """The roots that were read since the record was last cleared, those that a source's let reads included."""
        return frozenset(self.reads).union(
            *(self.let_reads.get(name.removeprefix("let."), ()) for name in self.reads if name.startswith("let."))
        )

    def in_loop(self) -> Names:
        """The names inside one more ``for_each`` or ``$each``. Records go to the same lists."""
        inner = Names(
            path_parts=self.path_parts,
            tables=self.tables,
            fetches=self.fetches,
            zone=self.zone,
            batch=self.batch,
            redacted=self.redacted,
        )
        inner.let_reads = self.let_reads
        inner.read_anywhere = self.read_anywhere
        inner.lets = self.lets
        inner.rule_lets = self.rule_lets
        inner.lists = self.lists
        inner.rule_lists = self.rule_lists
        inner.loops = self.loops + 1
        inner.codes = self.codes
        inner.reads = self.reads
        inner.in_call = self.in_call
        inner.place = self.place
        return inner


def webhook_facts(*, id: str, source: str, received_at: datetime, event_type: str | None) -> dict[str, Any]:
    """What ``$webhook`` gives; its moment is written when somebody asks for it."""
    return {
        "id": id,
        "source": source,
        "received_at": received_at,
        "event_type": MISSING if event_type is None else event_type,
    }
