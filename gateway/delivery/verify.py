"""What a look at the customer's events means for a command whose outcome is unknown: a pure decision.

Intilery has no idempotency key. Its read API shows a customer's events, and each call that the gateway makes carries
the command's id as ``messageId``, the marker:

===================================  ================================================================================
the marker is there                  delivered
it is not, and would be              as after an attempt that was not sent: pending, with backoff
it is not, and might not be          held. So where Intilery does not know the customer (404), where the answer is no
                                     list, where it is full and may go on, and where this address has not been seen to
                                     show the marker of a command of this kind that it is known to have accepted
the lookup failed                    unknown, to be looked up again: for ``give_up_after``, then held
===================================  ================================================================================

The wait for the next lookup is half of the time that has passed since the attempt, with jitter: it doubles, and needs
no counter.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from gateway.backoff import Backoff
from gateway.delivery.retry import LONGEST_RETRY_AFTER, decide, settle_hint
from gateway.errors import DeliveryError, NotSent
from gateway.model import Command, CommandState
from gateway.store import Verdict

PROVEN_FOR = timedelta(days=1)
"""How long it counts that an address was seen to show the markers of a kind of command, or not to."""
CONTROLS = 3
"""How many delivered commands are looked up, at most, to see whether an address shows markers."""


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


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """The marker is among the customer's events: the command was accepted."""

    intilery_event_id: str | None = None


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


def missing(events: Events, *, command: Command, shown: bool | None) -> Absent | Inconclusive:
    """What it means that ``events`` do not hold the marker of ``command``.

    ``shown`` is whether the markers of accepted commands of its kind are shown at this address; None: not known.
    """
    if not events.readable:
        return Inconclusive("Intilery's answer holds no list of events")
    if not events.whole:
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


def _held(command: Command, why: str) -> Verdict:
    return Verdict(state=CommandState.HELD, reason=f"outcome unknown; {why}; {settle_hint(command)}")
