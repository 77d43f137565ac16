"""Commands leave: they are claimed under a lease, paid for with tokens, and what an attempt came to is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from gateway.model import Attempt, Command, CommandState
from gateway.pacing import Bucket


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


class Markers(msgspec.Struct, frozen=True, kw_only=True):
    """Whether Intilery showed the ``messageId`` of an accepted command at a lookup, and when that was."""

    shown: bool
    at: datetime


class Outbox(Protocol):
    """Hands out commands whose turn it is, each to one dispatcher at a time."""

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
