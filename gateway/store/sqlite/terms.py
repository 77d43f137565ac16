"""What a rule says of how often, to whom and when, enforced where it is remembered: once, names, limits, quiet hours,
identifies that say the same.

All functions run inside the writer's transaction, so that a thousand duplicates that arrive together find one another.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from gateway.model import Command, CommandState
from gateway.store.governing import (
    QUIET,
    Holders,
    OnceClaims,
    cancelled,
    ended_as,
    is_later,
    once_keys,
    over_limit,
    overtaken,
    replaced_by,
    taken_later,
)
from gateway.store.line import Line, line_of
from gateway.store.rows import COMMAND_COLUMNS, Row, command, micros, octets
from gateway.store.sqlite.identified import needless_of
from gateway.store.sqlite.line import hold, move_up, release
from gateway.store.sqlite.values import ask, write
from gateway.terms import Cancellation

# A key whose time is over is free: the claim that is written over it is the next one's.
_CLAIMED = """
SELECT json_group_array(json_array(v.column1, o.command_id, o.until))
FROM {values} AS v CROSS JOIN once AS o ON o.scope = v.column2 AND o.key = v.column3
"""
_CLAIM = """
INSERT OR REPLACE INTO once (scope, key, command_id, until) SELECT * FROM {values} WHERE column1 IS NOT NULL
"""
_MAYBE_REACHED = """
SELECT json_group_array(v.column1) FROM {values} AS v
WHERE EXISTS (SELECT 1 FROM commands AS c CROSS JOIN attempts AS a ON a.command_seq = c.seq
              WHERE c.id = v.column1 AND a.outcome = 'unknown')
"""
_GIVE_BACK = "DELETE FROM once WHERE command_id IN (SELECT column1 FROM {values} WHERE column1 IS NOT NULL)"
_UNUSE = """
DELETE FROM uses WHERE command_id IN (SELECT column1 FROM {values} WHERE column1 IS NOT NULL)
"""

_NAMED = f"""
SELECT seq, {COMMAND_COLUMNS}, body FROM commands JOIN bodies ON command_seq = seq
WHERE id = (SELECT command_id FROM names WHERE names.source = ? AND names.name = ?)
    AND state IN ('waiting', 'pending')
"""  # noqa: S608 - made of constants
_HOLDER = "SELECT command_id FROM names WHERE source = ? AND name = ?"
_NAME = "INSERT OR REPLACE INTO names (source, name, command_id) VALUES (?, ?, ?)"
_UNNAME = "DELETE FROM names WHERE source = ? AND name = ?"
_WITHDRAW = """
UPDATE commands SET state = 'cancelled', head = 0, blocked_by = NULL, due_at = NULL, reason = ?, finished_at = ?
WHERE seq = ?
"""

_FORGET_USES = "DELETE FROM uses WHERE scope = ? AND key = ? AND at <= ?"
_USED = "SELECT count(*) FROM uses WHERE scope = ? AND key = ? AND command_id <> ?"
_USE = "INSERT OR REPLACE INTO uses (scope, key, command_id, at) VALUES (?, ?, ?, ?)"
_END = """
UPDATE commands SET state = v.column2, head = 0, due_at = NULL, reason = v.column3, finished_at = v.column4
FROM {values} AS v WHERE seq = v.column1
"""
_QUIET = """
UPDATE commands SET state = 'waiting', head = 0, due_at = v.column2, reason = v.column3
FROM {values} AS v WHERE seq = v.column1
"""


def once_claims(db: sqlite3.Connection, commands: Iterable[Command]) -> OnceClaims:
    """The once keys of a group of commands, with those that have them."""
    wanted = once_keys(commands)
    held: Holders = {}
    if wanted:
        for number, holder, until in ask(db, _CLAIMED, [(n, *key) for n, key in enumerate(wanted)]):
            held[wanted[number]] = (holder, until)
    return OnceClaims(held)


def claim_once(db: sqlite3.Connection, claims: OnceClaims) -> None:
    """Write the claims that were made."""
    if claims.claimed:
        write(db, _CLAIM, list(claims.claimed.values()))


def give_back(db: sqlite3.Connection, ids: Sequence[str]) -> None:
    """Free the once keys and the counted uses of commands that end undelivered; not of those with an attempt whose
    outcome is unknown, for they may have reached the customer."""
    reached = set(ask(db, _MAYBE_REACHED, [(id,) for id in ids])) if ids else ()
    if rows := [(id,) for id in ids if id not in reached]:
        write(db, _GIVE_BACK, rows)
        write(db, _UNUSE, rows)


def cancel(db: sqlite3.Connection, cancellation: Cancellation, now: datetime, *, of: str) -> None:
    """Withdraw what waits under a name. ``of`` is the webhook that says so: a later one's command stays."""
    if _taken_later(db, cancellation.source, cancellation.name, of):
        return
    _withdraw(db, cancellation.source, cancellation.name, f"cancelled by rule '{cancellation.rule}'", now, by=None)
    db.execute(_UNNAME, (cancellation.source, octets(cancellation.name)))


class Names:
    """The names of a group of commands, taken in the order of translation. ``claims`` are the group's once keys."""

    def __init__(self, db: sqlite3.Connection, claims: OnceClaims) -> None:
        self._db = db
        self._claims = claims
        self._here: dict[tuple[str, str], int] = {}
        """Who of this group, by position, has a name; none of them is in the table yet."""

    def settled(self, one: Command, so_far: list[Command]) -> Command:
        """``one`` with its name, what waits under it replaced; or cancelled itself, where a later webhook's command has
        the name: an old webhook that is translated again must not undo what came after it."""
        if one.name is None or one.state not in (CommandState.WAITING, CommandState.PENDING):
            return one
        if _taken_later(self._db, one.source, one.name, one.webhook_id):
            self._claims.give_back(one)
            return cancelled(one, taken_later(one))
        reason = replaced_by(one)
        earlier = self._here.get((one.source, one.name))
        if earlier is not None:
            self._claims.give_back(so_far[earlier])
            so_far[earlier] = cancelled(so_far[earlier], reason)
        _withdraw(self._db, one.source, one.name, reason, one.created_at, by=one.id)
        self._db.execute(_NAME, (one.source, octets(one.name), one.id))
        self._here[one.source, one.name] = len(so_far)
        return one


def _taken_later(db: sqlite3.Connection, source: str, name: str, webhook_id: str) -> bool:
    """Whether a command of a later webhook took a name last."""
    found = db.execute(_HOLDER, (source, octets(name))).fetchone()
    return is_later(None if found is None else found[0], webhook_id)


def _withdraw(db: sqlite3.Connection, source: str, name: str, reason: str, now: datetime, *, by: str | None) -> None:
    found = db.execute(_NAMED, (source, octets(name))).fetchone()
    if found is None:
        return
    withdrawn = command(found[1:])
    if withdrawn.id == by:
        return
    db.execute(_WITHDRAW, (octets(reason), micros(now), found[0]))
    give_back(db, [withdrawn.id])
    hold(db, [(withdrawn.id, CommandState.CANCELLED, reason)])
    move_up(db, [line_of(withdrawn)], micros(now))


def sendable(
    db: sqlite3.Connection, due: Sequence[tuple[int, Command]], now: datetime, *, gap: timedelta
) -> tuple[list[tuple[int, Command]], list[Command]]:
    """Those of what is due that may leave now, and those that end instead; the rest waits for the morning."""
    allowed: list[tuple[int, Command]] = []
    sleeping: list[Row] = []
    over: list[tuple[int, Command]] = []
    left: list[Line] = []
    let_go: list[Command] = []
    for seq, one in due:
        wakes = None if one.quiet is None else one.quiet.ends_at(now)
        if wakes is not None:
            sleeping.append((seq, micros(wakes), octets(QUIET)))
            left.append(line_of(one))
        elif (said := needless_of(db, one, now)) is not None:
            needless, accepted_at = said
            let_go.append(needless)
            over.append((seq, needless))
            release(db, [one.id], micros(accepted_at + gap))
        elif (reason := _overtaken(db, one)) is not None:
            over.append((seq, ended_as(one, CommandState.CANCELLED, reason, now)))
        elif (reason := _over_limit(db, one, now)) is not None:
            over.append((seq, ended_as(one, CommandState.SUPPRESSED, reason, now)))
        else:
            allowed.append((seq, one))
    if sleeping:
        write(db, _QUIET, sleeping)
    if over:
        write(db, _END, [(seq, one.state.value, octets(one.reason or ""), micros(now)) for seq, one in over])
        # What waits for a needless identify was let go; what waits for another is held.
        undone = [one for _, one in over if one not in let_go]
        give_back(db, [one.id for one in undone])
        hold(db, [(one.id, one.state, one.reason) for one in undone])
    move_up(db, [*left, *(line_of(one) for _, one in over)], micros(now))
    return allowed, [one for _, one in over]


def _overtaken(db: sqlite3.Connection, one: Command) -> str | None:
    if one.name is None:
        return None
    found = db.execute(_HOLDER, (one.source, octets(one.name))).fetchone()
    return overtaken(one, None if found is None else found[0])


def _over_limit(db: sqlite3.Connection, one: Command, now: datetime) -> str | None:
    """Count a use of the command's limit; or why there is none left."""
    limit = one.limit
    if limit is None:
        return None
    key = (limit.scope, octets(limit.key))
    db.execute(_FORGET_USES, (*key, micros(now) - limit.within * 1_000_000))
    (used,) = db.execute(_USED, (*key, one.id)).fetchone()
    if used >= limit.at_most:
        return over_limit(limit, used)
    db.execute(_USE, (*key, one.id, micros(now)))
    return None
