"""What is paused: written down for all processes, and honoured in every claim.

A paused destination is not claimed from at all. The commands of a paused source or rule step out of their customers'
lines when they come to the head, so that others behind them go on: they are ``waiting``, ``blocked_by`` the pause, and
join their lines again once it has ended. Both happen bit by bit, within claims, so that pausing costs the same with a
million commands as with ten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from datetime import datetime

from gateway.store import Foreseen, Pause, PauseScope
from gateway.store.paused import AT_ONCE, pause_of, pause_row
from gateway.store.rows import Row, micros, octets
from gateway.store.sqlite.line import join, move_up
from gateway.store.sqlite.values import write

_PAUSE = """
INSERT INTO pauses (scope, name, automatic, since, by, reason) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (scope, name, automatic) DO UPDATE SET by = excluded.by, reason = excluded.reason
"""
_RESUME = "DELETE FROM pauses WHERE scope = ? AND name = ? AND automatic >= ? RETURNING 1"
_PAUSES = "SELECT scope, name, automatic, since, by, reason FROM pauses ORDER BY scope, name, automatic"

_HEADS = """
SELECT seq, user_id FROM commands INDEXED BY claimable
WHERE state = 'pending' AND head = 1 AND destination = ? AND priority = ? AND source = ? AND rule = ? LIMIT ?
"""
_PARK = """
UPDATE commands SET state = 'waiting', head = 0, blocked_by = v.column2, reason = v.column3
FROM {values} AS v WHERE seq = v.column1
"""
_PARKED = """
SELECT seq, user_id FROM commands INDEXED BY waiting_for_identify WHERE blocked_by = ? AND destination = ? LIMIT ?
"""
_UNPARK = "UPDATE commands SET blocked_by = NULL, reason = NULL WHERE seq IN (SELECT column1 FROM {values})"
_ONE_PARKED = """
SELECT due_at FROM commands INDEXED BY waiting_for_identify WHERE blocked_by = ? AND destination = ? LIMIT 1
"""

# A person's question: it may look at everything. What waits for a pause was due when it came to the head of its line.
_FORESEE = """
SELECT source, rule, command, sum(NOT late AND ready), sum(late), sum(NOT late AND NOT ready) FROM (
    SELECT source, rule, command, coalesce(expires_at <= :now, FALSE) AS late,
        coalesce(due_at, 0) <= :now AND (blocked_by IS NULL OR blocked_by LIKE 'paused/%') AS ready
    FROM commands WHERE state IN ('pending', 'waiting') AND {which})
GROUP BY source, rule, command ORDER BY source, rule, command
"""
_WHICH = {
    PauseScope.DESTINATION: "destination = :name",
    PauseScope.SOURCE: "source = :name",
    PauseScope.RULE: "source || '/' || rule = :name",
}


def pause(db: sqlite3.Connection, one: Pause) -> None:
    db.execute(_PAUSE, pause_row(one))


def resume(db: sqlite3.Connection, asked: tuple[PauseScope, str, bool]) -> bool:
    scope, name, automatic = asked
    return bool(db.execute(_RESUME, (scope.value, name, int(automatic))).fetchall())


def list_pauses(db: sqlite3.Connection) -> list[Pause]:
    return [pause_of(row) for row in db.execute(_PAUSES).fetchall()]


def foresee(db: sqlite3.Connection, scope: PauseScope, name: str, now: datetime) -> list[Foreseen]:
    query = _FORESEE.replace("{which}", _WHICH[scope])
    return [
        Foreseen(source=source, rule=rule, command=command, go=go, expire=expire, later=later)
        for source, rule, command, go, expire, later in db.execute(query, {"now": micros(now), "name": name}).fetchall()
    ]


def step_out(
    db: sqlite3.Connection, destination: str, queues: Collection[tuple[int, str, str, str, str]], now: int
) -> None:
    """Take the heads of paused queues out of their lines: (priority, source, rule, the pause's key, why)."""
    rows: list[Row] = []
    lines: list[tuple[str, bytes]] = []
    for priority, source, rule, key, why in queues:
        heads = db.execute(_HEADS, (destination, priority, source, rule, AT_ONCE - len(rows))).fetchall()
        rows += [(seq, key, octets(why)) for seq, _ in heads]
        lines += [(destination, user_id) for _, user_id in heads]
    if rows:
        write(db, _PARK, rows)
        move_up(db, lines, now)


def join_again(db: sqlite3.Connection, destination: str, keys: Sequence[str], now: int) -> None:
    """Let those join their lines again that waited for pauses that are over."""
    found: list[tuple[int, bytes]] = []
    for key in keys:
        found += db.execute(_PARKED, (key, destination, AT_ONCE - len(found))).fetchall()
    if found:
        write(db, _UNPARK, [(seq,) for seq, _ in found])
        join(db, destination, found, now)


def due_again(db: sqlite3.Connection, destination: str, keys: Sequence[str]) -> list[int]:
    """When those were due that :func:`join_again` would let join: one for each pause that is over."""
    found = [db.execute(_ONE_PARKED, (key, destination)).fetchone() for key in keys]
    return [row[0] for row in found if row is not None]
