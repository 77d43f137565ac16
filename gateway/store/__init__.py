"""What is remembered: the store's verbs, in the words of the domain, and the door to its backends.

A backend keeps these promises, and one conformance suite (``tests/store``) holds every backend to them:

* what a verb returned from is on disk (``synchronous=FULL``, or a synchronous commit); a verb that can't promise that
  raises :class:`~gateway.errors.StoreUnavailable`;
* a webhook, its commands and its dedup key are written together or not at all;
* a command is leased to one dispatcher at a time, and a result is recorded only under the lease that it was made under;
* per (destination, customer) at most one command is on its way or at the head of the line; the line is in the order
  of translation. Retries block the line; final and held commands release it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

import msgspec

from gateway.errors import SettingsError
from gateway.model import Attempt, Command, CommandState, Fetching, RulesVersion, Webhook, WebhookState
from gateway.pacing import Bucket
from gateway.terms import Cancellation

T = TypeVar("T")


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


class Unfetched(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that is ``fetching``."""

    id: str
    source: str
    due_at: datetime | None = None
    """The next try; None: now."""


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


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What an address takes, and what is asked of its bucket: see :mod:`gateway.pacing`."""

    address: str
    rate: float
    """Requests a second, as documented."""
    burst: int
    in_flight: int
    """How many requests this process may have on their way there."""


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A command under a lease. Whoever records its result must show ``lease``."""

    command: Command
    """In state ``delivering``; ``attempts`` counts the attempt that is about to begin."""
    lease: str
    leased_until: datetime


class Claimed(msgspec.Struct, frozen=True, kw_only=True):
    """What :meth:`Store.claim` found due."""

    claims: tuple[Claim, ...] = ()
    ended: tuple[Command, ...] = ()
    """Those whose turn it was and that do not leave, as they are now, with the reason: expired or suppressed."""
    bucket: Bucket | None = None
    """That of the address after it, now being 0; None where no limits were named."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt means for its command."""

    state: CommandState
    due_at: datetime | None = None
    """With ``pending`` (a retry) or ``unknown`` (a lookup): not before this moment."""
    reason: str | None = None


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list, newest first; ``next`` is the cursor of the page after it."""

    items: tuple[T, ...]
    next: str | None = None


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


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Many webhooks that are run again one after the other, and how far that has come."""

    id: str
    """Ordered by time among the ids of webhooks: those with a greater one arrived after it began."""
    began_at: datetime
    asked: bytes
    """JSON: which webhooks, and what is to be done with them."""
    total: int
    """How many there were when it began."""
    done: int = 0
    cursor: str | None = None
    """Of :meth:`Store.walk`: the last webhook that is done. None: none is."""
    counts: Mapping[str, int] = {}
    """What was done, in words of the replay: created, replaced, failed ..."""
    finished_at: datetime | None = None


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


class Act(StrEnum):
    """What a person decides about a command that is held, has failed, has an unknown outcome, or has not left."""

    RETRY = "retry"
    """Send it again."""
    CANCEL = "cancel"
    """Don't send it."""
    DELIVERED = "delivered"
    """It arrived: settle it so."""
    NOT_DELIVERED = "not_delivered"
    """It did not arrive: send it again."""


ACTS_ON: Mapping[Act, tuple[CommandState, ...]] = {
    Act.RETRY: (CommandState.HELD, CommandState.FAILED, CommandState.UNKNOWN),
    Act.CANCEL: (
        CommandState.HELD,
        CommandState.FAILED,
        CommandState.UNKNOWN,
        CommandState.PENDING,
        CommandState.WAITING,
    ),
    Act.DELIVERED: (CommandState.HELD, CommandState.UNKNOWN),
    Act.NOT_DELIVERED: (CommandState.HELD, CommandState.UNKNOWN),
}
"""The states that each act is possible in. What is on its way has to come back first; what was delivered, expired or
suppressed stays; what was cancelled is made anew by translating its webhook again."""


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """What :meth:`Store.act` did."""

    done: tuple[Command, ...] = ()
    """As they are now."""
    refused: tuple[tuple[str, str], ...] = ()
    """Id and reason of those that it is not possible for."""


class PauseScope(StrEnum):
    """What can be paused."""

    DESTINATION = "destination"
    """Nothing is sent to it; its commands stay where they are."""
    SOURCE = "source"
    """Its webhooks are taken in and translated as ever; the commands that they become wait."""
    RULE = "rule"
    """The same for the commands of one rule."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Something is paused, until it is resumed."""

    scope: PauseScope
    name: str
    """The destination's or the source's; of a rule ``source/rule id``."""
    since: datetime
    by: str
    """Who paused it."""
    reason: str | None = None
    automatic: bool = False
    """The gateway paused a destination itself, because it refuses the token; it resumes it when a probe passes. Stands
    beside a person's pause of the same destination, and does not touch it."""


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """What would become of the commands of one rule that wait, were nothing paused."""

    source: str
    rule: str
    command: str
    go: int = 0
    """Would be sent now, each in its customer's order."""
    expire: int = 0
    """Would not be sent any more: they are past ``expires_at``."""
    later: int = 0
    """Wait for their time, a retry, or an identify."""


class Markers(msgspec.Struct, frozen=True, kw_only=True):
    """Whether Intilery showed the ``messageId`` of an accepted command at a lookup, and when that was."""

    shown: bool
    at: datetime


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


ID_DIGITS = 12
"""Of an id that is asked for by its beginning, at least: those are the millisecond."""
SHADOW_KEPT = 10_000
"""Differences of shadow rules that are kept; the oldest go first."""
SHADOW_VERSIONS = 20
"""Versions of shadow rules whose counts are kept."""


class Store(Protocol):
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

    # -- inbound ---------------------------------------------------------------------------------------------------

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

    # -- quarantine ------------------------------------------------------------------------------------------------

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

    # -- rules -----------------------------------------------------------------------------------------------------

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

    # -- delivery --------------------------------------------------------------------------------------------------

    async def claim(
        self, destination: str, *, limit: int, lease: timedelta, now: datetime, limits: Limits | None = None
    ) -> Claimed:
        """Lease at most ``limit`` commands that are due, heads of their customers' lines. None while a person has
        paused the destination.

        With ``limits`` no more than the bucket of that address holds, and each costs a token, for good: it may have
        been sent whatever is recorded. The bucket is one for all processes that share the store, spent in the
        transaction that leases, and new ones are empty. (SQLite has one serving process, and keeps it in memory.)

        Those of a higher priority first. Within one priority sources take turns, within a source its rules do, from one
        claim to the next; of one rule the one goes first that has been due, at the head of its line, the longest. So
        neither a source, nor a rule, nor a customer with many commands holds up the others.

        First lets those waiting join their lines whose time has come. Those past ``expires_at`` become ``expired``
        instead of being claimed, those over their limit ``suppressed``. So is an identify with ``same``, where the last
        one of its customer that left was accepted within that time and said the same; what waits for it is due
        ``identify_gap`` after that acceptance. A named command that was on its way when its name was cancelled or
        taken becomes ``cancelled``, unless a person sends it again. Those of a paused source or rule leave their
        lines and become ``waiting`` until it is resumed; they then join as others do whose time has come. What is
        claimed is durably ``delivering``.

        What it costs depends on how many rules have commands that wait, and not on how many commands.
        """

    async def record(self, claim: Claim, attempt: Attempt | None, verdict: Verdict, *, now: datetime) -> bool:
        """Write an attempt and what it means; let the next in line move up.

        ``attempt`` is None where none was made (the claim is given back). When an identify is ``delivered``, what
        waits for it is due ``identify_gap`` later; when it ends otherwise, what waits for it is ``held``.

        :return: False, and nothing is written, where the claim's lease is no longer in force.
        """

    async def spend(self, limits: Limits) -> float:
        """Take a token of an address for something that is no command, a probe say: 0.0; or, where there is none, for
        how many seconds there will be none."""

    async def slow(self, limits: Limits, *, retry_after: float | None) -> Bucket:
        """Intilery answered 429: no process takes a token of this address for ``retry_after`` seconds, and then they
        come at half the pace, and faster again. The bucket after that, now being 0."""

    async def recover(self, *, now: datetime, lease: timedelta) -> Sequence[Claim]:
        """Take over, under a new lease, what is ``delivering`` under a lease that is over (SQLite, right after
        :meth:`open`: under any lease, for the process that held it is gone; of a store that many gateways share nobody
        can say so). Their outcome is unknown.

        And what is ``unknown`` and due, to be looked up; it is not given again before the new lease is over.
        """

    async def set_back(self, by: timedelta | None, *, now: datetime) -> timedelta:
        """The clock was set back ``by`` so much. What waits for a length of time (its turn, a retry, the gap behind an
        identify) goes on waiting for that length, and not until the clock comes there again. What waits for a moment
        still does, and so do lookups and leases, where too early would be worse than late.

        With None that is found out: by how far what was made last lies in the future. Not while another process
        delivers: its clock may be the one that differs, and what waits is sent by it.

        :return: by how much; zero, and nothing is done, where it was less than a second.
        """

    async def markers(self, address: str, command: str) -> Markers | None:
        """What was seen last at lookups of commands of this kind at this address; None where none was made."""

    async def note_markers(self, address: str, command: str, *, shown: bool, now: datetime) -> None:
        """Remember what a lookup showed of a command that is known to have been accepted."""

    async def act(
        self, act: Act, ids: Sequence[str], *, now: datetime, skip: bool = False, priority: int | None = None
    ) -> Acted:
        """A person decides: do ``act`` to these commands, in one transaction. What is sent again gets ``priority``
        where one is given, and keeps its own where none is.

        What is sent again joins its customer's line where its place is, waits for its identify where that is still to
        be accepted, and not before its time. What may have reached the customer keeps its once key when cancelled.
        A lookup or a lease that is under way loses its right to a result.

        With ``skip`` those that it is not possible for are left out and told; without, nothing is done to any:

        :raises NotFound: there is no such command.
        :raises Conflict: a command's state, expiry or once key does not allow it; the message says what would.
        """

    async def next_due(self, destination: str, *, paused: bool = False) -> datetime | None:
        """When the next command of a destination may be claimed, or None if nothing waits. May be past.

        None while a person has paused the destination; with ``paused`` as if nobody had.
        """

    async def backlog(self) -> dict[str, dict[CommandState, int]]:
        """How many unfinished commands each destination has, by state."""

    async def unfinished(self) -> frozenset[str]:
        """The destinations that have unfinished commands; what waits for an identify counts where that goes. Unlike
        :meth:`backlog` it counts nothing, and costs the same with a million of them."""

    async def sharers(self, process: str, *, within: timedelta) -> int:
        """Say that ``process`` delivers, and learn how many do: this one, and those that have said so ``within`` this
        time, by the store's clock, for those of the processes differ. Each has its part of what may be in flight.
        SQLite has one serving process: 1.
        """

    async def sign_off(self, process: str) -> None:
        """``process`` delivers no more: the others may use its part."""

    async def pause(self, pause: Pause) -> None:
        """Pause it, for all processes that share the store, until :meth:`resume`. Where it is paused already, ``since``
        stays and the rest is taken over."""

    async def resume(self, scope: PauseScope, name: str, *, automatic: bool = False) -> bool:
        """End a pause: a person's and the gateway's own; with ``automatic`` only the gateway's own.

        :return: Whether there was one.
        """

    async def pauses(self) -> Sequence[Pause]:
        """Everything that is paused, by scope and name."""

    async def foresee(self, scope: PauseScope, name: str, *, now: datetime) -> Sequence[Foreseen]:
        """What would become of the commands of a destination, a source or a rule that have not left, were nothing
        paused: a row for each rule and kind of command, by source and rule."""

    # -- reading ---------------------------------------------------------------------------------------------------

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

    async def forget(self, user: str, texts: Sequence[str], *, now: datetime, dry_run: bool = False) -> Forgotten:
        """Erase a person: every webhook with a command to the customer ``user``, and all in which one of ``texts``
        stands as a whole word (not within a longer one; small and capital letters of ASCII are the same), with their
        commands, attempts, answers that were fetched, and the bodies of the batches that they were part of. And keys of
        all kinds, requests in quarantine, and filters of replays in which one of them stands.

        What has not left is withdrawn by that; who waits behind it in the customer's line moves up. A webhook with a
        command that is ``delivering`` or ``unknown`` is left whole. In transactions of some milliseconds each; where
        the backend keeps deleted bytes, they are overwritten. With ``dry_run`` it only counts webhooks and commands.
        """

    # -- running again ---------------------------------------------------------------------------------------------

    async def begin_replay(self, replay: Replay) -> None:
        """Keep a new one."""

    async def replay(self, id: str) -> Replay:
        """:raises NotFound: no such replay."""

    async def replays(self, *, limit: int = 20) -> Sequence[Replay]:
        """The newest first."""

    async def note_replay(self, replay: Replay, *, after: str | None) -> None:
        """Write how far a replay has come: ``done``, ``cursor``, ``counts`` and ``finished_at``.

        :raises Conflict: the cursor that is kept is not ``after``: somebody else goes on with it, or has.
        :raises NotFound: no such replay.
        """

    # -- shadow rules ----------------------------------------------------------------------------------------------

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


def quarantined_size(webhook: Webhook) -> int:
    """The bytes that a request in quarantine counts for: its body, headers, path and query, and 512 for the rest."""
    headers = sum(len(name) + len(value) for name, value in webhook.headers)
    return 512 + len(webhook.body) + headers + len(webhook.path) + len(webhook.query)


def open_store(url: str, *, identify_gap: timedelta = timedelta(milliseconds=500)) -> Store:
    """The store that a URL names, not opened yet.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://USER@HOST/DATABASE``: as libpq takes it, with
    several hosts, ``target_session_attrs``, TLS.

    :raises SettingsError: a URL of another form, or the driver is not installed.
    """
    if url.startswith("sqlite:///"):
        from gateway.store.sqlite import SQLiteStore

        return SQLiteStore(url.removeprefix("sqlite:///"), identify_gap=identify_gap)
    scheme = url.split(":", 1)[0]
    if scheme not in ("postgresql", "postgres"):
        raise SettingsError(
            f"GATEWAY_STORE: {scheme!r} is not a store; allowed: sqlite:///FILE, postgresql://USER@HOST/DATABASE"
        )
    try:
        from gateway.store.postgres import PostgresStore
    except ImportError as error:
        raise without_driver(error) from error
    return PostgresStore(url, identify_gap=identify_gap)


def without_driver(error: ImportError) -> SettingsError:
    """What to say where the driver for PostgreSQL, an extra of the package, is not installed."""
    return SettingsError(
        f"postgresql: needs psycopg, which can't be imported ({error}); "
        "pip install 'intilery-webhook-gateway[postgres]'"
    )
