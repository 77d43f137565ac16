"""What a person decides about commands: send again, cancel, settle. One transaction for all that are named together."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import msgspec

from gateway.errors import Conflict, NotFound
from gateway.model import Command, CommandState
from gateway.store import ACTS_ON, Act, Acted
from gateway.store.sqlite.line import HELD_WITH, hold, move_up, release
from gateway.store.sqlite.rows import COMMAND_COLUMNS, command, maybe_micros, maybe_octets, micros, moment, octets
from gateway.store.sqlite.terms import OnceClaims, give_back

_FIND = "SELECT seq, {columns}, body FROM commands JOIN bodies ON command_seq = seq WHERE id = ?".replace(
    "{columns}", COMMAND_COLUMNS
)
_IDENTIFY = "SELECT state, finished_at FROM commands WHERE id = ?"
# A command waits for an identify of its own webhook only, so the webhook's few commands are all that is looked at.
_HELD_FOR = """
SELECT seq, {columns}, body FROM commands INDEXED BY commands_by_webhook JOIN bodies ON command_seq = seq
WHERE webhook_id = ? AND after_id = ? AND state = 'held' AND substr(reason, 1, ?) = ? ORDER BY seq
""".replace("{columns}", COMMAND_COLUMNS)
_MAYBE_REACHED = "SELECT EXISTS (SELECT 1 FROM attempts WHERE command_seq = ? AND outcome = 'unknown')"
# Who is looked up stands at the head of the line and stays there while it is pending.
_WRITE = """
UPDATE commands SET state = :state, head = iif(:state = 'pending', head, 0), blocked_by = :blocked_by, due_at = :due_at,
    reason = :reason, finished_at = :finished_at, retried_at = coalesce(:retried_at, retried_at),
    priority = coalesce(:priority, priority),
    lease = NULL, leased_until = NULL
WHERE seq = :seq
"""

_UNDECIDED = frozenset(
    {
        CommandState.WAITING,
        CommandState.PENDING,
        CommandState.DELIVERING,
        CommandState.UNKNOWN,
    }
)
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
_REASONS = {
    Act.RETRY: "sent again by a person",
    Act.CANCEL: "cancelled by a person",
    Act.DELIVERED: "settled by a person: it was delivered",
    Act.NOT_DELIVERED: "settled by a person: it was not delivered, and is sent again",
}


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a person wants."""

    act: Act
    ids: tuple[str, ...]
    now: datetime
    skip: bool
    priority: int | None = None


def act(db: sqlite3.Connection, asked: Asked, *, gap: timedelta) -> Acted:
    """Do it to each that it is possible for, in the order of translation.

    :raises StoreError: without ``skip``, at the first that it is not possible for; the transaction is to be undone.
    """
    found: list[tuple[int, Command]] = []
    refused: list[tuple[str, str]] = []
    for id in asked.ids:
        row = db.execute(_FIND, (id,)).fetchone()
        if row is not None:
            found.append((row[0], command(row[1:])))
        elif asked.skip:
            refused.append((id, f"command {id}: no such command"))
        else:
            raise NotFound(f"command {id}: no such command")
    done: list[Command] = []
    # An identify stands before what waits for it, and two with one once key find one another.
    for seq, one in sorted(found, key=itemgetter(0)):
        problem = _problem(db, one, asked)
        if problem is None:
            done.append(_do(db, seq, one, asked, gap=gap))
        elif asked.skip:
            refused.append((one.id, problem))
        else:
            raise Conflict(problem)
    move_up(db, [(one.destination, octets(one.user_id)) for one in done])
    return Acted(done=tuple(done), refused=tuple(refused))


def _problem(db: sqlite3.Connection, one: Command, asked: Asked) -> str | None:
    """Why it is not possible for this command, or None."""
    name = f"command {one.id}"
    if one.state not in ACTS_ON[asked.act]:
        allowed = ", ".join(ACTS_ON[asked.act])
        what = "settled" if asked.act in (Act.DELIVERED, Act.NOT_DELIVERED) else asked.act.value
        return f"{name} {_WORDS[one.state]} (allowed for {what}: {allowed})"
    if asked.act not in (Act.RETRY, Act.NOT_DELIVERED):
        return None
    if one.expires_at is not None and one.expires_at <= asked.now:
        return (
            f"{name} was only to be sent before {one.expires_at.isoformat(timespec='seconds')}; gateway cancel drops it"
        )
    again = msgspec.structs.replace(one, state=CommandState.PENDING, created_at=asked.now)
    settled = OnceClaims(db, [again]).settled(again)
    return None if settled.state is CommandState.PENDING else f"{name} can't be sent again: {settled.reason}"


def _do(db: sqlite3.Connection, seq: int, one: Command, asked: Asked, *, gap: timedelta) -> Command:
    now = asked.now
    changes: dict[str, Any] = {"reason": _REASONS[asked.act], "due_at": None, "finished_at": now}
    blocked_by: str | None = None
    if asked.act is Act.DELIVERED:
        changes["state"] = CommandState.DELIVERED
    elif asked.act is Act.CANCEL:
        changes["state"] = CommandState.CANCELLED
    else:
        state, blocked_by, due_at = _again(db, one, now, gap=gap)
        changes.update(state=state, due_at=due_at, finished_at=None, retried_at=now)
        changes["priority"] = one.priority if asked.priority is None else asked.priority
    changed = msgspec.structs.replace(one, **changes)
    if asked.act in (Act.RETRY, Act.NOT_DELIVERED):
        claims = OnceClaims(db, [changed])
        claims.settled(changed)
        claims.write()
    db.execute(
        _WRITE,
        {
            "seq": seq,
            "state": changed.state.value,
            "blocked_by": blocked_by,
            "due_at": maybe_micros(changed.due_at),
            "reason": maybe_octets(changed.reason),
            "finished_at": maybe_micros(changed.finished_at),
            "retried_at": None if changed.finished_at is not None else micros(now),
            "priority": None if changed.finished_at is not None else asked.priority,
        },
    )
    if asked.act is Act.DELIVERED:
        release(db, [one.id], micros(now + gap))
        for dependent_seq, dependent in _held_for(db, one):
            _let_go(db, dependent_seq, dependent, now, gap=gap)
    elif asked.act is Act.CANCEL:
        if not db.execute(_MAYBE_REACHED, (seq,)).fetchone()[0]:
            give_back(db, [one.id])
        hold(db, [(one.id, CommandState.CANCELLED, changed.reason)])
    return changed


def _held_for(db: sqlite3.Connection, identify: Command) -> list[tuple[int, Command]]:
    """What is held for no other reason than that this identify did not arrive."""
    reason = octets(HELD_WITH)
    rows = db.execute(_HELD_FOR, (identify.webhook_id, identify.id, len(reason), reason)).fetchall()
    return [(row[0], command(row[1:])) for row in rows]


def _let_go(db: sqlite3.Connection, seq: int, one: Command, now: datetime, *, gap: timedelta) -> None:
    """It waits for its time, as if its identify had been accepted now. What expired meanwhile does so in its line."""
    state, blocked_by, due_at = _again(db, one, now, gap=gap)
    db.execute(
        _WRITE,
        {
            "seq": seq,
            "state": state.value,
            "blocked_by": blocked_by,
            "due_at": maybe_micros(due_at),
            "reason": None,
            "finished_at": None,
            "retried_at": micros(now),
            "priority": None,
        },
    )


def _again(
    db: sqlite3.Connection, one: Command, now: datetime, *, gap: timedelta
) -> tuple[CommandState, str | None, datetime | None]:
    """Where it stands when it is to be sent again: its state, the identify that it waits for, when it is due."""
    due_at = max(now, one.not_before or now)
    identify = None if one.after is None else db.execute(_IDENTIFY, (one.after,)).fetchone()
    if identify is not None and CommandState(identify[0]) in _UNDECIDED:
        return CommandState.WAITING, one.after, due_at
    if identify is not None and identify[0] == CommandState.DELIVERED and identify[1] is not None:
        due_at = max(due_at, moment(identify[1]) + gap)
    # An identify that was refused, or cancelled: a person has decided that the command goes without.
    return (CommandState.PENDING if due_at <= now else CommandState.WAITING), None, due_at
