"""A rules file as it is served: compiled, frozen, and what goes in and comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from gateway.inbound.challenge_kinds import Challenge, challenge_secrets
from gateway.inbound.needs import secrets_of
from gateway.inbound.payloads import BodyType
from gateway.inbound.schemes import Scheme
from gateway.intilery.contract import Destination
from gateway.model import Command, MappingProblem, OnUnknown, RulesVersion, WebhookState
from gateway.rules.calls import Call
from gateway.rules.conditions import All
from gateway.rules.events import Events
from gateway.rules.expressions import Expression
from gateway.rules.fetches import Fetch
from gateway.rules.nodes import Node
from gateway.rules.problems import Problem
from gateway.rules.redaction import Redaction
from gateway.rules.respond import Respond
from gateway.rules.scope import Codes, Evaluate
from gateway.rules.spans import Span
from gateway.rules.values import MISSING
from gateway.terms import Cancellation, QuietHours


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A verified, parsed webhook, as rules see it."""

    webhook_id: str
    source: str
    body: Any
    """A plain JSON value with exact numbers, see :mod:`gateway.inbound.payloads`."""
    headers: Mapping[str, str]
    """Names in lower case; several of a name joined by a comma."""
    query: Mapping[str, Any]
    """Text, or a list of texts where a name stands several times."""
    path: Mapping[str, str]
    """The named parts of the path."""
    received_at: datetime
    fetched: Mapping[str, Any] | None = None
    """What was fetched, by name; None where nothing was."""
    batch: Any = MISSING
    """Where the source says ``events``: the whole body, of which ``body`` is one element."""
    index: int | None = None
    """The element's position in the batch, from 0."""


class TraceLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule did with a webhook, in plain words."""

    rule: str
    matched: bool
    why: str
    commands: tuple[str, ...] = ()
    """The ids of those that it made."""


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook became."""

    state: WebhookState
    reason: str | None = None
    commands: tuple[Command, ...] = ()
    cancellations: tuple[Cancellation, ...] = ()
    """What is withdrawn before the commands are written."""
    errors: tuple[MappingProblem, ...] = ()
    warnings: tuple[MappingProblem, ...] = ()
    matched: tuple[str, ...] = ()
    trace: tuple[TraceLine, ...] = ()
    """Empty unless it was asked for."""
    dedup_key: str | None = None
    event_type: str | None = None
    event_time: datetime | None = None


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """When a command may leave."""

    delay: Span | None = None
    at: Expression | None = None
    skip_if_past: bool = False
    expires_after: Span | None = None
    expires_at: Expression | None = None


class NamedTerm(msgspec.Struct, frozen=True, kw_only=True):
    """An expression or a template that gives a key or a name."""

    text: str
    """As written."""
    evaluate: Evaluate


class OnceTerm(msgspec.Struct, frozen=True, kw_only=True):
    """At most one command per key."""

    key: NamedTerm
    within: Span | None = None
    shared: str | None = None


class LimitTerm(msgspec.Struct, frozen=True, kw_only=True):
    """At most so many commands per key and time."""

    per: NamedTerm
    at_most: int
    within: int
    """Seconds."""
    shared: str | None = None
    """The name of a limit that several rules share."""
    of_file: bool = False
    """It stands under ``defaults``: it counts the commands of all the file's rules together."""


AT_ONCE = Timing()
"""Now, and whenever: what most rules say."""


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, compiled."""

    id: str
    name: str
    line: int
    when: All
    for_each: Evaluate | None = None
    for_each_text: str = ""
    key: Evaluate | None = None
    lets: int = 0
    """How many named values of its own it has."""
    call: Call | None = None
    identify: Call | None = None
    identify_once: int | None = None
    """Seconds in which an identify that says the same is not sent again; None: each is sent."""
    destination: str | Expression = "default"
    """A destination's name, or the expression that gives it."""
    timing: Timing = AT_ONCE
    once: OnceTerm | None = None
    limit: LimitTerm | None = None
    quiet: QuietHours | None = None
    name_as: NamedTerm | None = None
    cancel: NamedTerm | None = None
    priority: int = 0
    on_unknown: OnUnknown | None = None
    """None: the default of its command."""
    stop: bool = False
    enabled: bool = True
    mode: Literal["live", "dry_run", "shadow"] = "live"

    @property
    def stops(self) -> bool:
        """Whether no later rule is looked at once this one matched. What runs beside the live rules never keeps them
        from running; a dry run stands where the live rule will stand."""
        return self.stop and self.mode != "shadow"


class RuleIndex(msgspec.Struct, frozen=True, kw_only=True):
    """Which rules can match, by the value of the one expression that most of them test for equality."""

    evaluate: Evaluate
    by_value: Mapping[Any, tuple[Rule, ...]]
    """Every rule that may match a value: those that test for it and those that do not test this expression."""
    others: tuple[Rule, ...]
    """The rules that may match any other value."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One rules file, compiled."""

    name: str
    title: str
    file: str
    verify: Scheme
    rules: tuple[Rule, ...]
    index: RuleIndex | None = None
    path: str | None = None
    """The template of the path behind ``/hooks/{source}``, such as ``{brand}``."""
    secrets: tuple[str, ...] = ()
    """The credentials that ``verify`` and ``fetches`` need."""
    challenges: tuple[Challenge, ...] = ()
    """What the sender asks of the address before it sends."""
    body: BodyType | None = None
    """A body type that holds whatever the content type says."""
    max_body: int = 1_000_000
    """Bytes; a larger body is refused before it is read."""
    public_url: str | None = None
    zone: ZoneInfo | None = None
    dedup_key: tuple[Expression, ...] = ()
    dedup_window: timedelta | None = None
    """How long a key answers a repeat; None: for as long as the webhook is kept, and a hash in its place for a day."""
    event_type: Expression | None = None
    event_time: Expression | None = None
    events: Events | None = None
    """Where the elements of a batch stand, each a webhook of its own."""
    dedup_by_index: bool = False
    """Whether the dedup key is the same for all elements of a batch, and gets the element's index."""
    keeps_batch: bool = False
    """Whether rules read ``$batch``, so that it is stored beside the elements."""
    redact: tuple[Redaction, ...] = ()
    respond: Respond | None = None
    """What the sender gets; None: the usual answer."""
    max_rate: float | None = None
    """Requests a second; None: any number."""
    retention: timedelta | None = None
    """How long what came in is kept; None: as the gateway's setting says."""
    ignore: All | None = None
    lets: int = 0
    fetches: tuple[Fetch, ...] = ()
    """What is fetched before its rules run, in order."""
    codes: Mapping[str, Codes] = {}
    """What each destination calls its assets and journeys."""
    tests: Mapping[str, Destination] = {}
    """The destinations of which only some customers may be reached."""
    examples: Node | None = None

    @property
    def challenge_secrets(self) -> tuple[str, ...]:
        """The credentials that are needed for a challenge and for nothing else: webhooks are taken in without them."""
        others = {*secrets_of(self.verify), *(name for fetch in self.fetches for name in fetch.secrets)}
        return tuple(name for name in challenge_secrets(self.challenges) if name not in others)


class Ruleset(msgspec.Struct, frozen=True, kw_only=True):
    """All that is served together: the sources of a folder and the destinations that they may name."""

    version: RulesVersion
    sources: Mapping[str, Source]
    destinations: Mapping[str, Destination]
    warnings: tuple[Problem, ...] = ()
    """What does not keep it from being served, such as a secret that is not set."""
