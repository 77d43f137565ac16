"""What a person may decide about a command, and what it becomes then; decided without looking, for both stores."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from gateway.model import Command, CommandState
from gateway.store import ACTS_ON, Act
from gateway.store.arrivals import UNDECIDED, Identify

_WORDS = {
    CommandState.DELIVERING: "is on its way now; see what becomes of it",
    CommandState.DELIVERED: "was delivered",
    CommandState.WAITING: "waits for its time or its identify, and goes by itself; gateway cancel withdraws it",
    CommandState.PENDING: "is in its customer's line and goes by itself; gateway cancel withdraws it",
    CommandState.FAILED: "has failed: it did not arrive, or was given up; gateway retry sends it again",
    CommandState.EXPIRED: "has expired, and is never sent late",
    CommandState.SUPPRESSED: "was suppressed by its rule",
    CommandState.DRY_RUN: "is only a dry run",
    CommandState.CANCELLED: "was cancelled; gateway replay translates its webhook again",
}
REASONS = {
    Act.RETRY: "sent again by a person",
    Act.CANCEL: "cancelled by a person",
    Act.DELIVERED: "settled by a person: it was delivered",
    Act.NOT_DELIVERED: "settled by a person: it was not delivered, and is sent again",
}
SENDS_AGAIN = (Act.RETRY, Act.NOT_DELIVERED)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants."""

    act: Act
    ids: tuple[str, ...]
    now: datetime
    skip: bool
    priority: int | None = None
    """Of what is sent again; None: as it was."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a command stands that is to be sent again."""

    state: CommandState
    blocked_by: str | None
    due_at: datetime


def missing(id: str) -> str:
    whole = "" if "-" in id else "; its id is that of its webhook, a dash and 12 digits"
    return f"command {id}: no such command{whole}"


def problem(one: Command, asked: Asked) -> str | None:
    """Why its state or its expiry does not allow it, or None. A once key is asked for elsewhere."""
    if one.state not in ACTS_ON[asked.act]:
        allowed = ", ".join(ACTS_ON[asked.act])
        what = "settle" if asked.act in (Act.DELIVERED, Act.NOT_DELIVERED) else asked.act.value
        return f"command {one.id} {_WORDS[one.state]} (allowed for {what}: {allowed})"
    if asked.act in SENDS_AGAIN and one.expires_at is not None and one.expires_at <= asked.now:
        return (
            f"command {one.id} was only to be sent before {one.expires_at.isoformat(timespec='seconds')}; "
            "gateway cancel drops it"
        )
    return None


def again(one: Command, identify: Identify | None, now: datetime, *, gap: timedelta) -> Place:
    """Where it stands when it is to be sent again."""
    due_at = max(now, one.not_before or now)
    if identify is not None and identify.state in UNDECIDED:
        return Place(state=CommandState.WAITING, blocked_by=one.after, due_at=due_at)
    if identify is not None and identify.state is CommandState.DELIVERED and identify.finished_at is not None:
        due_at = max(due_at, identify.finished_at + gap)
    # An identify that was refused, or cancelled: a person has decided that the command goes without.
    state = CommandState.PENDING if due_at <= now else CommandState.WAITING
    return Place(state=state, blocked_by=None, due_at=due_at)
