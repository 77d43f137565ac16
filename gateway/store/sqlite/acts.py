"""What a person decides about commands: send again, cancel, settle. One transaction for all that are named together."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

import msgspec

from gateway.errors import Conflict, NotFound
from gateway.model import Command, CommandState
from gateway.store import Act, Acted
from gateway.store.acting import REASONS, SENDS_AGAIN, Asked, Place, again, missing, problem
from gateway.store.line import HELD_WITH, line_of
from gateway.store.rows import COMMAND_COLUMNS, command, maybe_micros, maybe_octets, micros, octets
from gateway.store.sqlite.line import hold, move_up, release
from gateway.store.sqlite.reception import find_identify
from gateway.store.sqlite.terms import claim_once, give_back, once_claims

_FIND = "SELECT seq, {columns}, body FROM commands JOIN bodies ON command_seq = seq WHERE id = ?".replace(
    "{columns}", COMMAND_COLUMNS
)
# A command waits for an identify of its own webhook only, so the webhook's few commands are all that is looked at.
_HELD_FOR = """
SELECT seq, {columns}, body FROM commands INDEXED BY commands_by_webhook JOIN bodies ON command_seq = seq
WHERE webhook_id = ? AND after_id = ? AND state = 'held' AND substr(reason, 1, ?) = ? ORDER BY seq
""".replace("{columns}", COMMAND_COLUMNS)
# Who is looked up stands at the head of the line and stays there while it is pending.
_WRITE = """
UPDATE commands SET state = :state, head = iif(:state = 'pending', head, 0), blocked_by = :blocked_by, due_at = :due_at,
    reason = :reason, finished_at = :finished_at, retried_at = coalesce(:retried_at, retried_at),
    priority = coalesce(:priority, priority),
    lease = NULL, leased_until = NULL
WHERE seq = :seq
"""


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
            refused.append((id, missing(id)))
        else:
            raise NotFound(missing(id))
    done: list[Command] = []
    # An identify stands before what waits for it, and two with one once key find one another.
    for seq, one in sorted(found, key=itemgetter(0)):
        found_problem = _problem(db, one, asked)
        if found_problem is None:
            done.append(_do(db, seq, one, asked, gap=gap))
        elif asked.skip:
            refused.append((one.id, found_problem))
        else:
            raise Conflict(found_problem)
    move_up(db, [line_of(one) for one in done], micros(asked.now))
    return Acted(done=tuple(done), refused=tuple(refused))


def _problem(db: sqlite3.Connection, one: Command, asked: Asked) -> str | None:
    """Why it is not possible for this command, or None."""
    if (reason := problem(one, asked)) is not None or asked.act not in SENDS_AGAIN:
        return reason
    fresh = msgspec.structs.replace(one, state=CommandState.PENDING, created_at=asked.now)
    settled = once_claims(db, [fresh]).settled(fresh)
    return None if settled.state is CommandState.PENDING else f"command {one.id} can't be sent again: {settled.reason}"


def _do(db: sqlite3.Connection, seq: int, one: Command, asked: Asked, *, gap: timedelta) -> Command:
    now = asked.now
    changes: dict[str, Any] = {"reason": REASONS[asked.act], "due_at": None, "finished_at": now}
    blocked_by: str | None = None
    if asked.act is Act.DELIVERED:
        changes["state"] = CommandState.DELIVERED
    elif asked.act is Act.CANCEL:
        changes["state"] = CommandState.CANCELLED
    else:
        place = _again(db, one, now, gap=gap)
        blocked_by = place.blocked_by
        changes.update(state=place.state, due_at=place.due_at, finished_at=None, retried_at=now)
        changes["priority"] = one.priority if asked.priority is None else asked.priority
    changed = msgspec.structs.replace(one, **changes)
    if asked.act in SENDS_AGAIN:
        claims = once_claims(db, [changed])
        claims.settled(changed)
        claim_once(db, claims)
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
    place = _again(db, one, now, gap=gap)
    db.execute(
        _WRITE,
        {
            "seq": seq,
            "state": place.state.value,
            "blocked_by": place.blocked_by,
            "due_at": micros(place.due_at),
            "reason": None,
            "finished_at": None,
            "retried_at": micros(now),
            "priority": None,
        },
    )


def _again(db: sqlite3.Connection, one: Command, now: datetime, *, gap: timedelta) -> Place:
    """Where it stands when it is to be sent again."""
    return again(one, None if one.after is None else find_identify(db, one.after), now, gap=gap)
