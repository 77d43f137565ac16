"""Leasing commands to a dispatcher, and writing down what became of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from gateway.model import Command, CommandState
from gateway.store import Claim, Claimed
from gateway.store.governing import ended_as
from gateway.store.leases import ROUNDS, Due, Result, consequences, is_late, late_because, leased, verdict_row
from gateway.store.line import line_of
from gateway.store.rows import ATTEMPT_COLUMNS, COMMAND_COLUMNS, Row, attempt_row, command, micros, moment, octets
from gateway.store.sqlite.line import hold, move_up, promote, release
from gateway.store.sqlite.terms import give_back, sendable
from gateway.store.sqlite.values import ask, write

# Priorities are few and commands many: step from one to the next below it, and read only what is due within each.
_PRIORITIES = """
WITH RECURSIVE level (priority) AS (
    SELECT max(priority) FROM commands INDEXED BY claimable WHERE state = 'pending' AND head = 1 AND destination = :to
    UNION ALL
    SELECT (SELECT max(c.priority) FROM commands AS c INDEXED BY claimable
            WHERE c.state = 'pending' AND c.head = 1 AND c.destination = :to AND c.priority < level.priority)
    FROM level WHERE level.priority IS NOT NULL)
SELECT json_group_array(priority) FROM level WHERE priority IS NOT NULL
"""
_DUE = """
SELECT seq, {columns}, body FROM commands INDEXED BY claimable JOIN bodies ON command_seq = seq
WHERE state = 'pending' AND head = 1 AND destination = ? AND priority = ? AND due_at <= ?
ORDER BY due_at, seq LIMIT ?
""".replace("{columns}", COMMAND_COLUMNS)
_LEASE = """
UPDATE commands SET state = 'delivering', attempts = attempts + 1, lease = v.column2, leased_until = v.column3
FROM {values} AS v WHERE seq = v.column1
"""
_EXPIRE = """
UPDATE commands SET state = 'expired', head = 0, due_at = NULL, reason = v.column2, finished_at = v.column3
FROM {values} AS v WHERE seq = v.column1
"""

# What a gateway that is gone had leased, and what this one let run out; lookups too, when their time has come.
_ABANDONED = """
SELECT seq, {columns}, body FROM commands INDEXED BY in_flight JOIN bodies ON command_seq = seq
WHERE state = 'delivering' AND (leased_until <= :now OR (:serving AND substr(lease, 1, length(:mine)) <> :mine))
UNION ALL
SELECT seq, {columns}, body FROM commands INDEXED BY lookups JOIN bodies ON command_seq = seq
WHERE state = 'unknown' AND (due_at <= :now OR (:serving AND substr(lease, 1, length(:mine)) <> :mine))
""".replace("{columns}", COMMAND_COLUMNS)
_TAKE_OVER = """
UPDATE commands SET lease = v.column2, leased_until = v.column3, due_at = iif(state = 'unknown', v.column3, due_at)
FROM {values} AS v WHERE seq = v.column1
"""

_IN_FORCE = """
SELECT json_group_array(json_array(v.column1, c.seq)) FROM {values} AS v
CROSS JOIN commands AS c ON c.id = v.column2 AND c.lease = v.column3
"""
_RECORD = """
UPDATE commands SET state = v.column2, head = v.column3, reason = v.column4, due_at = iif(v.column5, due_at, v.column6),
    attempts = attempts - v.column7, intilery_event_id = coalesce(v.column8, intilery_event_id),
    finished_at = v.column9, lease = NULL, leased_until = NULL
FROM {values} AS v WHERE seq = v.column1
"""
_INSERT_ATTEMPTS = """
INSERT OR REPLACE INTO attempts (command_seq, {columns}) SELECT * FROM {values} WHERE column1 IS NOT NULL
""".replace("{columns}", ATTEMPT_COLUMNS)

_NEXT_DUE = """
SELECT min(due_at) FROM (
    SELECT min(due_at) AS due_at FROM commands INDEXED BY waiting_for_time
    WHERE state = 'waiting' AND blocked_by IS NULL AND destination = :to
    UNION ALL
    SELECT (SELECT min(due_at) FROM commands INDEXED BY claimable
            WHERE state = 'pending' AND head = 1 AND destination = :to AND priority = level.value)
    FROM json_each(:priorities) AS level)
"""


def claim(db: sqlite3.Connection, due: Due) -> Claimed:
    """Lease what is due, expire what is too late."""
    now = micros(due.now)
    promote(db, due.destination, now)
    claims: list[Claim] = []
    ended: list[Command] = []
    for _ in range(ROUNDS):
        found = _find_due(db, due.destination, now, max(due.limit, 0) - len(claims))
        late = [(seq, one) for seq, one in found if is_late(one, due.now)]
        if late:
            ended += _expire(db, late, due.now)
        live: list[Row] = []
        intime = [(seq, one) for seq, one in found if not is_late(one, due.now)]
        allowed, suppressed = sendable(db, intime, due.now)
        ended += suppressed
        for seq, waiting in allowed:
            live.append((seq, due.lease, micros(due.until)))
            claims.append(leased(waiting, due))
        if live:
            write(db, _LEASE, live)
        if len(allowed) == len(found):
            break
    return Claimed(claims=tuple(claims), ended=tuple(ended))


def _find_due(db: sqlite3.Connection, destination: str, now: int, limit: int) -> list[tuple[int, Command]]:
    found: list[tuple[int, Command]] = []
    for priority in _priorities(db, destination):
        if len(found) >= limit:
            break
        due = db.execute(_DUE, (destination, priority, now, limit - len(found))).fetchall()
        found.extend((row[0], command(row[1:])) for row in due)
    return found


def _priorities(db: sqlite3.Connection, destination: str) -> list[int]:
    """Of the heads of lines, the highest first."""
    (priorities,) = db.execute(_PRIORITIES, {"to": destination}).fetchone()
    return msgspec.json.decode(priorities, type=list[int])


def _expire(db: sqlite3.Connection, late: Sequence[tuple[int, Command]], now: datetime) -> list[Command]:
    rows: list[Row] = []
    ended: list[Command] = []
    for seq, expired in late:
        reason = late_because(expired)
        rows.append((seq, octets(reason), micros(now)))
        ended.append(ended_as(expired, CommandState.EXPIRED, reason, now))
    write(db, _EXPIRE, rows)
    give_back(db, [one.id for one in ended])
    hold(db, [(one.id, one.state, one.reason) for one in ended])
    move_up(db, [line_of(expired) for expired in ended])
    return ended


def recover(db: sqlite3.Connection, due: Due, *, mine: str, serving: bool) -> list[Claim]:
    """Take over what is on its way with nobody behind it. ``mine`` begins every lease that this store gave."""
    found = db.execute(_ABANDONED, {"now": micros(due.now), "mine": mine, "serving": serving}).fetchall()
    if found:
        write(db, _TAKE_OVER, [(row[0], due.lease, micros(due.until)) for row in found])
    return [Claim(command=command(row[1:]), lease=due.lease, leased_until=due.until) for row in found]


def record(db: sqlite3.Connection, results: Sequence[Result], *, gap: timedelta) -> list[bool]:
    """Write attempts and verdicts of those whose lease is in force; let the next in line move up."""
    asked = [(number, result.claim.command.id, result.claim.lease) for number, result in enumerate(results)]
    numbers: dict[int, int] = {}
    for number, seq in sorted(ask(db, _IN_FORCE, asked)):
        numbers.setdefault(seq, number)  # a second result under one lease comes too late
    recorded = frozenset(numbers.values())
    if recorded:
        written = [(seq, results[number]) for seq, number in numbers.items()]
        write(db, _RECORD, [verdict_row(seq, result) for seq, result in written])
        attempts = [(seq, *attempt_row(result.attempt)) for seq, result in written if result.attempt is not None]
        if attempts:
            write(db, _INSERT_ATTEMPTS, attempts)
        _follow(db, [result for _, result in written], gap=gap)
    return [number in recorded for number in range(len(results))]


def _follow(db: sqlite3.Connection, results: Iterable[Result], *, gap: timedelta) -> None:
    """What the verdicts mean for others: who waited for these, and who stood behind them."""
    after = consequences(results)
    for now, ids in after.accepted.items():
        release(db, ids, micros(now + gap))
    give_back(db, after.given_back)
    hold(db, after.endings)
    move_up(db, after.left)


def next_due(db: sqlite3.Connection, destination: str) -> datetime | None:
    """When the next command of ``destination`` may be claimed."""
    priorities = msgspec.json.encode(_priorities(db, destination)).decode()
    (due_at,) = db.execute(_NEXT_DUE, {"to": destination, "priorities": priorities}).fetchone()
    return None if due_at is None else moment(due_at)
