"""What a look at the customer's events means for a command whose outcome is unknown: a pure decision.

Intilery has no idempotency key. Its read API shows a customer's events, and each call that the gateway makes carries
the command's id as ``messageId``, the marker. A second evidence is the content: an event that shows the command's name
and all that its call said, and was received in the time in which it may have been sent.

===================================  ================================================================================
the marker is there                  delivered
no marker, but one event with its    delivered, if no other command of this customer with the same content can have
content, in its time                 made it
several such, or another command     held: nobody can tell which is which
that can have made it, or no time
no marker, no such event, and the    as after an attempt that was not sent: pending, with backoff
marker would be there
no marker, no such event, and it     held. So where Intilery does not know the customer (404), where the answer is no
might not be there                   list, where it is full and does not reach back to the attempt, and where this
                                     address has not been seen to show the marker of a command of this kind that it is
                                     known to have accepted
the lookup failed                    unknown, to be looked up again: for ``give_up_after``, then held
===================================  ================================================================================

Only markers prove absence. An event that shows another marker is another command's, whatever its content.

The wait for the next lookup is half of the time that has passed since the attempt, with jitter: it doubles, and needs
no counter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from gateway.backoff import Backoff
from gateway.delivery.retry import LONGEST_RETRY_AFTER, decide, settle_hint
from gateway.errors import DeliveryError, NotSent
from gateway.model import Attempt, Command, CommandState, Outcome
from gateway.store import Verdict

PROVEN_FOR = timedelta(days=1)
"""How long it counts that an address was seen to show the markers of a kind of command, or not to."""
CONTROLS = 3
"""How many delivered commands are looked up, at most, to see whether an address shows markers."""
CLOCKS_DIFFER = timedelta(minutes=1)
"""By how much Intilery's clock may differ from this one where times are compared."""


class Sight(Protocol):
    """An event that looks like a command's call."""

    @property
    def at(self) -> datetime | None:
        """When Intilery received it; None where that can't be read."""

    @property
    def event_id(self) -> str | None: ...


class Events(Protocol):
    """What a lookup gives: the customer's newest events."""

    @property
    def readable(self) -> bool:
        """Whether the answer is a list of events at all."""

    @property
    def whole(self) -> bool:
        """Whether no older events are left out."""

    def holds(self, marker: str) -> bool: ...

    def event_id(self, marker: str) -> str | None: ...

    def like(self, body: bytes) -> Sequence[Sight]:
        """Those that look like a call, and show no other marker."""

    def reaches(self, moment: datetime) -> bool:
        """Whether no event since ``moment`` is left out."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The command is among the customer's events: it was accepted."""

    intilery_event_id: str | None = None
    by: str = "messageId"
    """What it was recognised by."""


class Absent(msgspec.Struct, frozen=True):
    """The marker is not there, and would be if the command had been accepted."""


class Inconclusive(msgspec.Struct, frozen=True):
    """The lookup says nothing about the command; why, in words."""

    why: str


class Failed(msgspec.Struct, frozen=True):
    """The lookup could not be made."""

    error: DeliveryError


Finding = Found | Absent | Inconclusive | Failed


def customer_of(command: Command) -> str | None:
    """The ``userId`` to look up, or None: who has only an ``anonymousId`` has no profile to be asked for."""
    body = msgspec.json.decode(command.body)
    found = body.get("userId") if isinstance(body, dict) else None
    return found if isinstance(found, str) and found else None


def sent_since(command: Command, attempts: Iterable[Attempt]) -> datetime:
    """Since when the command may have been sent, with an outcome that nobody knows.

    Not from the attempt that is recorded as unknown: one that a killed gateway had begun is recorded at the next start.
    """
    since = max(command.created_at, command.not_before or command.created_at)
    return max([since, *(attempt.at for attempt in attempts if attempt.outcome is not Outcome.UNKNOWN)])


def twins(command: Command, others: Iterable[Command], *, since: datetime) -> int:
    """How many of ``others`` say the same as ``command`` and may have been accepted since then."""
    content = _content(command)
    return sum(
        other.id != command.id
        and other.destination == command.destination
        and other.attempts > 0
        and (other.finished_at is None or other.finished_at >= since - CLOCKS_DIFFER)
        and _content(other) == content
        for other in others
    )


def resembling(sights: Sequence[Sight], *, since: datetime, now: datetime, twins: int) -> Found | Inconclusive | None:
    """What events mean that look like the command and do not show a marker; None: nothing, none of them can be it.

    It may have been sent ``since`` then; ``twins`` other commands say the same and may have been accepted since.
    """
    if any(sight.at is None for sight in sights):
        return Inconclusive("an event with its content is there, and no time that says whether it is this one")
    first, last = since - CLOCKS_DIFFER, now + CLOCKS_DIFFER
    near = [sight for sight in sights if sight.at is not None and first <= sight.at <= last]
    if not near:
        return None
    if len(near) == 1 and not twins:
        return Found(intilery_event_id=near[0].event_id, by="content and time")
    events = "1 event" if len(near) == 1 else f"{len(near)} events"
    commands = "this command" if not twins else f"{twins + 1} commands"
    return Inconclusive(f"{events} with its content may be that of {commands}")


def missing(events: Events, *, command: Command, since: datetime, shown: bool | None) -> Absent | Inconclusive:
    """What it means that ``events`` hold neither the marker of ``command`` nor anything like it.

    It may have been sent ``since`` then. ``shown`` is whether the markers of accepted commands of its kind are shown at
    this address; None: not known.
    """
    if not events.readable:
        return Inconclusive("Intilery's answer holds no list of events")
    if not events.reaches(since - CLOCKS_DIFFER):
        return Inconclusive("the customer has more events than one answer shows")
    if shown is None:
        return Inconclusive(
            f"no delivered {command.command} of this destination could be looked up, so nobody knows whether Intilery "
            "shows them by their messageId"
        )
    return Absent() if shown else Inconclusive(f"Intilery does not show the messageId of a delivered {command.command}")


def conclude(
    finding: Finding,
    *,
    command: Command,
    asked: datetime,
    now: datetime,
    rng: Callable[[], float],
    backoff: Backoff,
    first: timedelta,
    since: datetime | None = None,
) -> Verdict:
    """What ``finding`` means for ``command``, which is ``unknown``.

    ``asked`` is when its last attempt ended, ``first`` the wait before the first lookup. ``since`` is from when the
    time to give up the command counts, as in :func:`~gateway.delivery.retry.decide`.
    """
    if isinstance(finding, Found):
        return Verdict(state=CommandState.DELIVERED)
    if isinstance(finding, Absent):
        absent = NotSent("its outcome was unknown, and it is not among the customer's events: sent again")
        return decide(absent, command=command, now=now, rng=rng, since=since, backoff=backoff)
    if isinstance(finding, Inconclusive):
        return _held(command, f"the lookup is inconclusive: {finding.why}")
    error = finding.error
    if now - asked >= backoff.give_up_after:
        return _held(command, f"it could not be looked up: {error.message.rstrip('.')}")
    floor = timedelta(seconds=min(max(error.retry_after or 0.0, 0.0), LONGEST_RETRY_AFTER.total_seconds()))
    wait = max(min((now - asked) / 2, backoff.cap), min(first, backoff.base)) * (0.5 + rng() / 2)
    due = min(now + max(floor, wait), asked + backoff.give_up_after)
    return Verdict(
        state=CommandState.UNKNOWN,
        due_at=max(due, now),
        reason=f"outcome unknown; the lookup failed and is made again: {error.message}",
    )


def _content(command: Command) -> object:
    """What a command says, without what is different in each."""
    body = msgspec.json.decode(command.body)
    if not isinstance(body, dict):
        return body
    return {key: value for key, value in body.items() if key not in ("messageId", "timestamp")}


def _held(command: Command, why: str) -> Verdict:
    return Verdict(state=CommandState.HELD, reason=f"outcome unknown; {why}; {settle_hint(command)}")
