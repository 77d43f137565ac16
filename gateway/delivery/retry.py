"""What the end of one attempt means for its command: a pure decision.

The classes are those of Intilery's documented answers (see :mod:`gateway.errors`):

=================  ==================================================================================================
accepted           delivered
Refused            failed, with Intilery's message
Throttled          pending; never given up, for it says nothing about the command
Unavailable        pending, for at most ``give_up_after`` (24 hours), then failed
NotSent            as Unavailable
Unauthorised       pending and due at once (refused again: a little later): the destination waits, not the command
UnknownOutcome     by the rule: ``retry`` is pending as above, ``hold`` is held for a person, ``verify`` is unknown,
                   to be looked up after ``look_up_after`` (:mod:`gateway.delivery.verify`)
=================  ==================================================================================================

Retries back off exponentially with full jitter (:mod:`gateway.backoff`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Protocol

from gateway.backoff import Backoff, jittered
from gateway.errors import DeliveryError, NotSent, Refused, Throttled, Unauthorised, Unavailable
from gateway.model import Attempt, Command, CommandState, OnUnknown, Outcome
from gateway.store import Verdict

LOOK_UP_AFTER = timedelta(seconds=60)
"""How long a call that Intilery accepted may take to be among the customer's events."""
LONGEST_BEHIND_A_REFUSAL = timedelta(minutes=1)
"""How late a command that was refused with its destination's token may be once the token is good again."""
LONGEST_RETRY_AFTER = timedelta(hours=1)
"""``Retry-After`` is honoured up to this; a longer one is a mistake that would park the customer's line."""


class Acceptance(Protocol):
    """What the client returns where Intilery accepted a call; its ``eventId`` is what support traces a message by."""

    @property
    def status(self) -> int: ...

    @property
    def intilery_event_id(self) -> str | None: ...


_OUTCOMES: tuple[tuple[type[DeliveryError], Outcome], ...] = (
    (Refused, Outcome.REFUSED),
    (Unauthorised, Outcome.UNAUTHORISED),
    (Throttled, Outcome.THROTTLED),
    (Unavailable, Outcome.UNAVAILABLE),
    (NotSent, Outcome.NOT_SENT),
)
_COUNTING = frozenset({Outcome.UNAVAILABLE, Outcome.NOT_SENT, Outcome.UNKNOWN})


def outcome_of(result: Acceptance | DeliveryError) -> Outcome:
    """The class of a result. An error of no known class is an unknown outcome: the careful reading."""
    if not isinstance(result, DeliveryError):
        return Outcome.ACCEPTED
    return next((outcome for error, outcome in _OUTCOMES if isinstance(result, error)), Outcome.UNKNOWN)


def trying_since(attempts: Iterable[Attempt], *, otherwise: datetime) -> datetime:
    """From when the time to give up counts: the first failed attempt since the destination last refused the token.

    Not from the command's making: a command that waited a day behind a paused destination still gets its retries.
    ``attempts`` are those recorded so far, the first one first; ``otherwise`` answers where none counts.
    """
    since: datetime | None = None
    for attempt in attempts:
        if attempt.outcome is Outcome.UNAUTHORISED:
            since = None
        elif since is None and attempt.outcome in _COUNTING:
            since = attempt.at
    return since or otherwise


def decide(
    result: Acceptance | DeliveryError,
    *,
    command: Command,
    now: datetime,
    rng: Callable[[], float],
    since: datetime | None = None,
    backoff: Backoff = Backoff(),  # noqa: B008  (frozen)
    look_up_after: timedelta = LOOK_UP_AFTER,
) -> Verdict:
    """What the result of an attempt means for ``command``, whose ``attempts`` counts the attempt that just ended.

    ``rng`` gives numbers from 0 to below 1. ``since`` is from when the time to give up counts
    (:func:`trying_since`); None is the moment that the command was made or is not to leave before, whichever is later.
    """
    if not isinstance(result, DeliveryError):
        return Verdict(state=CommandState.DELIVERED)
    if isinstance(result, Refused):
        return Verdict(state=CommandState.FAILED, reason=result.message)
    outcome = outcome_of(result)
    if outcome is Outcome.UNKNOWN and command.on_unknown is not OnUnknown.RETRY:
        reason = f"outcome unknown: {result.message.rstrip('.')}"
        if command.on_unknown is OnUnknown.VERIFY:
            return Verdict(
                state=CommandState.UNKNOWN, due_at=now + look_up_after, reason=f"{reason}; it will be looked up"
            )
        return Verdict(state=CommandState.HELD, reason=f"{reason}; {settle_hint(command)}")
    if command.expires_at is not None and now >= command.expires_at:
        return _expired(command.expires_at, result)
    if outcome is Outcome.UNAUTHORISED:
        # At once, for it is the destination that waits. But one that is refused again lets others be the next trial: if
        # something in front of Intilery dislikes a few commands, they must not be all that is ever tried.
        again = jittered(command.attempts - 1, rng, backoff) if command.attempts > 1 else timedelta()
        due = now + min(again, LONGEST_BEHIND_A_REFUSAL)
        return Verdict(state=CommandState.PENDING, due_at=due, reason=result.message)

    due = now + _wait(result, command.attempts, rng, backoff)
    if outcome is not Outcome.THROTTLED:
        since = since or max(command.created_at, command.not_before or command.created_at)
        last = since + backoff.give_up_after
        if now >= last:
            return Verdict(state=CommandState.FAILED, reason=_gave_up(result, command, backoff))
        due = min(due, last)
    if command.expires_at is not None and due >= command.expires_at:
        # it could never be sent, and would hold its customer's line until then
        return _expired(command.expires_at, result)
    return Verdict(state=CommandState.PENDING, due_at=due, reason=result.message)


def settle_hint(command: Command) -> str:
    """What a person can do about a command of which nobody knows whether it arrived."""
    return (
        f"if it arrived: gateway settle {command.id} --delivered; "
        f"if not: gateway settle {command.id} --not-delivered, which sends it again"
    )


def disliked(result: Unauthorised, command: Command) -> Verdict:
    """A command that was refused as if by its token, by a destination that accepts the token otherwise."""
    return Verdict(
        state=CommandState.HELD,
        reason=f"refused although the destination accepts its token: {result.message.rstrip('.')}; "
        f"something in front of it may dislike this payload; gateway retry {command.id} sends it again, "
        f"gateway cancel {command.id} drops it",
    )


def _wait(result: DeliveryError, attempts: int, rng: Callable[[], float], backoff: Backoff) -> timedelta:
    # On top of Retry-After, not instead of it: what was told the same time together would come back together.
    floor = timedelta(seconds=min(max(result.retry_after or 0.0, 0.0), LONGEST_RETRY_AFTER.total_seconds()))
    return floor + jittered(attempts, rng, backoff)


def _expired(expires_at: datetime, result: DeliveryError) -> Verdict:
    moment = expires_at.isoformat(timespec="seconds")
    return Verdict(
        state=CommandState.EXPIRED,
        reason=f"not known to be delivered before it expires at {moment}; the last attempt: {result.message}",
    )


def _gave_up(result: DeliveryError, command: Command, backoff: Backoff) -> str:
    doubt = "; it may have been sent" if outcome_of(result) is Outcome.UNKNOWN else ""
    tries = "1 attempt" if command.attempts == 1 else f"{command.attempts} attempts"
    return f"given up after {_length(backoff.give_up_after)} and {tries}{doubt}: {result.message}"


def _length(length: timedelta) -> str:
    seconds = length.total_seconds()
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
