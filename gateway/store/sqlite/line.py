"""The customers' lines: who stands at the head, who moves up, and who may not join yet.

A line is one (destination, customer). Its head (``head = 1``) is the one command that is pending in front, on its way,
or being looked up; a unique index keeps it the only one. Those behind it are pending with ``head = 0``, in the order of
translation (``seq``). A command joins when it is due: at insertion, when its time has come, or when its identify was
accepted. Whoever leaves (final or held) lets the lowest ``seq`` behind it move up.

All functions here run inside the writer's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from gateway.store.line import PROMOTED_AT_ONCE, Ending, Line, held_because
from gateway.store.rows import Row, octets
from gateway.store.sqlite.values import ask, write

# It is due from now on, not from long ago: else a customer with many would always be before those with one.
_MOVE_UP = """
UPDATE commands SET head = 1, due_at = max(due_at, next.now) FROM (
    SELECT v.column3 AS now, (SELECT min(behind.seq) FROM commands AS behind INDEXED BY line_behind
            WHERE behind.destination = v.column1 AND behind.user_id = v.column2
              AND behind.state = 'pending' AND behind.head = 0) AS seq
    FROM {values} AS v
    WHERE v.column1 IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM commands AS first INDEXED BY line_head
        WHERE first.destination = v.column1 AND first.user_id = v.column2 AND first.head = 1)) AS next
WHERE commands.seq = next.seq
"""

_DUE_TO_JOIN = """
SELECT seq, user_id FROM commands INDEXED BY waiting_for_time
WHERE state = 'waiting' AND blocked_by IS NULL AND destination = ? AND due_at <= ? ORDER BY due_at LIMIT ?
"""
_JOIN = "UPDATE commands SET state = 'pending' WHERE seq IN (SELECT column1 FROM {values})"

# Both its own time and the gap after its identify must have passed.
_RELEASE = """
UPDATE commands SET blocked_by = NULL, due_at = max(coalesce(due_at, 0), v.column2)
FROM {values} AS v WHERE blocked_by = v.column1
"""
_HOLD = """
UPDATE commands SET state = 'held', blocked_by = NULL, due_at = NULL, reason = v.column2
FROM {values} AS v WHERE blocked_by = v.column1
"""
_HAS_DEPENDENTS = """
SELECT json_group_array(v.column1) FROM {values} AS v
WHERE EXISTS (SELECT 1 FROM commands AS c INDEXED BY waiting_for_identify WHERE c.blocked_by = v.column1)
"""
_TAKEN = """
SELECT json_group_array(v.column1) FROM {values} AS v
WHERE EXISTS (SELECT 1 FROM commands AS c INDEXED BY line_head
              WHERE c.destination = v.column2 AND c.user_id = v.column3 AND c.head = 1)
"""


def move_up(db: sqlite3.Connection, lines: Iterable[Line], now: int) -> None:
    """Where a line has nobody at its head, put the first of those behind there. It is due at ``now``, or later."""
    if rows := [(*line, now) for line in dict.fromkeys(lines)]:
        write(db, _MOVE_UP, rows)


def without_head(db: sqlite3.Connection, lines: Sequence[Line]) -> set[Line]:
    """Those of ``lines`` whose head is free."""
    taken = ask(db, _TAKEN, [(number, *line) for number, line in enumerate(lines)])
    return set(lines).difference(lines[number] for number in taken)


def promote(db: sqlite3.Connection, destination: str, now: int) -> None:
    """Let those join their lines whose time has come."""
    due = db.execute(_DUE_TO_JOIN, (destination, now, PROMOTED_AT_ONCE)).fetchall()
    if due:
        join(db, destination, due, now)


def join(db: sqlite3.Connection, destination: str, waiting: Sequence[tuple[int, bytes]], now: int) -> None:
    """Put these, by ``seq`` and customer, into their lines."""
    write(db, _JOIN, [(seq,) for seq, _ in waiting])
    move_up(db, [(destination, user_id) for _, user_id in waiting], now)


def release(db: sqlite3.Connection, identifies: Sequence[str], due_at: int) -> None:
    """Let go of what waits for these identifies, which were accepted; it is due at ``due_at`` or at its own time."""
    if identifies and (found := ask(db, _HAS_DEPENDENTS, [(id,) for id in identifies])):
        write(db, _RELEASE, [(id, due_at) for id in found])


def hold(db: sqlite3.Connection, endings: Sequence[Ending]) -> None:
    """Hold what waits for these identifies, which ended otherwise: (id, its state, its reason)."""
    if endings and (found := set(ask(db, _HAS_DEPENDENTS, [(id,) for id, _, _ in endings]))):
        rows: list[Row] = [(id, octets(held_because(state, reason))) for id, state, reason in endings if id in found]
        write(db, _HOLD, rows)
