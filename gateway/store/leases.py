"""What a claim asks for and what a result means, decided without looking. Both stores write what is decided here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from gateway.model import FINAL_STATES, Attempt, Command, CommandState
from gateway.store import Claim, Claimed, Limits, Verdict
from gateway.store.line import IN_LINE, Ending, Line, line_of
from gateway.store.rows import Row, maybe_octets, micros

RECOVERED = "~"
"""How a lease ends that took over somebody else's attempt."""
ROUNDS = 8
"""How often one claim looks again when some of what it found may not leave."""


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """What a claim asks for."""

    destination: str
    limit: int
    lease: str
    until: datetime
    now: datetime
    limits: Limits | None = None


class Spending(msgspec.Struct, frozen=True, kw_only=True):
    """One token is asked for."""

    limits: Limits


class Slowing(msgspec.Struct, frozen=True, kw_only=True):
    """There was a 429."""

    limits: Limits
    retry_after: float | None


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt came to, to be recorded under its lease."""

    claim: Claim
    attempt: Attempt | None
    verdict: Verdict
    now: datetime


class SetBack(msgspec.Struct, frozen=True, kw_only=True):
    """A clock that was set back."""

    by: int | None
    """Microseconds; None: by how far what was made last lies in the future."""
    now: datetime
    matters: int = 1_000_000
    """Less than so many microseconds does no harm, and clocks of several machines differ."""


class Consequences(msgspec.Struct, frozen=True, kw_only=True):
    """What verdicts mean for others: who waited for these, and who stood behind them."""

    accepted: dict[datetime, list[str]]
    """Identifies and others that arrived, by the moment."""
    endings: list[Ending]
    """Those that ended otherwise, or are held."""
    given_back: list[str]
    """Whose once key and counted use are free again."""
    identified: list[tuple[Command, datetime]]
    """Identifies that arrived and that a later one need not repeat, each with its moment."""
    left: list[Line]
    """Lines that somebody has left."""


def leased(waiting: Command, due: Due) -> Claim:
    """The claim of a command that waited."""
    begun = msgspec.structs.replace(waiting, state=CommandState.DELIVERING, attempts=waiting.attempts + 1)
    return Claim(command=begun, lease=due.lease, leased_until=due.until)


def given_back(claimed: Claimed, now: datetime) -> list[Result]:
    """What is recorded of a claim that was cancelled: nobody is left who would send what it has leased."""
    verdict = Verdict(state=CommandState.PENDING)
    return [Result(claim=claim, attempt=None, verdict=verdict, now=now) for claim in claimed.claims]


def is_late(waiting: Command, now: datetime) -> bool:
    return waiting.expires_at is not None and waiting.expires_at <= now


def late_because(waiting: Command) -> str:
    """Why a command has expired."""
    assert waiting.expires_at is not None
    return f"not sent: it was only to be sent before {waiting.expires_at.isoformat(timespec='seconds')}"


def verdict_row(seq: int, result: Result) -> Row:
    """``(seq, state, in line, reason, keeps its due_at, due_at, attempts to take off, event id, finished_at)``."""
    verdict = result.verdict
    state = verdict.state
    # What is given back keeps the moment that it was due at, and so its place among what is due.
    given_back = (
        state is CommandState.PENDING
        and verdict.due_at is None
        and result.claim.command.state is CommandState.DELIVERING
    )
    due_at = verdict.due_at or result.now
    uncounted = result.attempt is None and not result.claim.lease.endswith(RECOVERED)
    return (
        seq,
        state.value,
        int(state in IN_LINE),
        maybe_octets(verdict.reason),
        given_back,
        None if state in FINAL_STATES or state is CommandState.HELD else micros(due_at),
        int(uncounted),
        None if result.attempt is None else result.attempt.intilery_event_id,
        micros(result.now) if state in FINAL_STATES else None,
    )


def consequences(results: Iterable[Result]) -> Consequences:
    accepted: dict[datetime, list[str]] = {}
    endings: list[Ending] = []
    identified: list[tuple[Command, datetime]] = []
    left: list[Line] = []
    for result in results:
        state = result.verdict.state
        id = result.claim.command.id
        if state is CommandState.DELIVERED:
            accepted.setdefault(result.now, []).append(id)
            if result.claim.command.same is not None:
                identified.append((result.claim.command, result.now))
        elif state in FINAL_STATES or state is CommandState.HELD:
            endings.append((id, state, result.verdict.reason))
        if state not in IN_LINE:
            left.append(line_of(result.claim.command))
    return Consequences(
        accepted=accepted,
        endings=endings,
        given_back=[id for id, state, _ in endings if state in FINAL_STATES],
        identified=identified,
        left=left,
    )
