"""Leasing commands to a dispatcher, and writing down what became of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import chain, groupby
from operator import attrgetter

from gateway.model import Command, CommandState
from gateway.store import Claim, Claimed
from gateway.store.governing import ended_as
from gateway.store.leases import ROUNDS, Due, Result, consequences, is_late, late_because, leased, verdict_row
from gateway.store.line import line_of
from gateway.store.paused import Queue
from gateway.store.rows import (
    ATTEMPT_COLUMNS,
    COMMAND_COLUMNS,
    DUE_AT,
    Row,
    attempt_row,
    command,
    micros,
    moment,
    octets,
)
from gateway.store.sqlite import pauses
from gateway.store.sqlite.ahead import Ahead, look
from gateway.store.sqlite.identified import forget, remember
from gateway.store.sqlite.line import hold, move_up, promote, release
from gateway.store.sqlite.terms import give_back, sendable
from gateway.store.sqlite.values import CHUNK, ask, write
from gateway.store.turns import Turns

_DUE = """
SELECT * FROM (
    SELECT seq, {columns}, body FROM commands INDEXED BY claimable JOIN bodies ON command_seq = seq
    WHERE state = 'pending' AND head = 1 AND destination = ? AND priority = ? AND source = ? AND rule = ?
        AND due_at <= ? AND (due_at, seq) > (?, ?)
    ORDER BY due_at, seq LIMIT ?)
""".replace("{columns}", COMMAND_COLUMNS)
_NO_QUEUE = (None, None, None, None, None, None, None, 0)
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


def claim(db: sqlite3.Connection, due: Due, *, turns: Turns, gap: timedelta) -> Claimed:
    """Lease what is due, expire what is too late."""
    now = micros(due.now)
    ahead = look(db, due.destination)
    if ahead.standing.stops(due.destination):
        return Claimed()
    over = ahead.standing.over()
    if over or (ahead.waiting is not None and ahead.waiting <= now):
        promote(db, due.destination, now)
        pauses.join_again(db, due.destination, over, now)
        ahead = look(db, due.destination)
    claims: list[Claim] = []
    ended: list[Command] = []
    for number in range(ROUNDS):
        if number:
            ahead = look(db, due.destination)
        queues = _going(db, due.destination, ahead, now)
        found = _find_due(db, due.destination, queues, now, max(due.limit, 0) - len(claims), turns)
        late = [(seq, one) for seq, one in found if is_late(one, due.now)]
        if late:
            ended += _expire(db, late, due.now)
        live: list[Row] = []
        intime = [(seq, one) for seq, one in found if not is_late(one, due.now)]
        allowed, suppressed = sendable(db, intime, due.now, gap=gap)
        ended += suppressed
        for seq, waiting in allowed:
            live.append((seq, due.lease, micros(due.until)))
            claims.append(leased(waiting, due))
        if live:
            write(db, _LEASE, live)
            forget(db, (one for _, one in allowed))
        if len(allowed) == len(found):
            break
    return Claimed(claims=tuple(claims), ended=tuple(ended))


def _going(db: sqlite3.Connection, destination: str, ahead: Ahead, now: int) -> list[Queue]:
    """The queues that may leave; those that are paused step out of their lines."""
    going, paused = ahead.standing.part(ahead.queues)
    if paused:
        pauses.step_out(db, destination, paused, now)
        going, _ = ahead.standing.part(look(db, destination).queues)
    return going


def _find_due(
    db: sqlite3.Connection, destination: str, queues: Iterable[Queue], now: int, limit: int, turns: Turns
) -> list[tuple[int, Command]]:
    """At most ``limit`` that are due: the highest priority first, and within it as ``turns`` deals them out."""
    found: list[tuple[int, Command]] = []
    for priority, level in groupby(queues, attrgetter("priority")):
        # Where each queue goes on: behind what was found in it.
        open_ = {(queue.source, queue.rule): (-1, -1) for queue in level if queue.due_at <= now}
        while open_ and len(found) < limit:
            shares = turns.deal(destination, open_, limit - len(found))
            rows = _due(db, [(destination, priority, *of, now, *open_[of], n) for of, n in shares.items()])
            left = dict(shares)
            for row in rows:
                one = command(row[1:])
                found.append((row[0], one))
                left[one.source, one.rule] -= 1
                open_[one.source, one.rule] = (row[1 + DUE_AT], row[0])
            for of, n in left.items():
                if n:  # it had no more
                    del open_[of]
    return found


def _due(db: sqlite3.Connection, asked: Sequence[Row]) -> list[Row]:
    """What is due of several queues, each ``(destination, priority, source, rule, now, due_at, seq, limit)``: behind
    ``due_at`` and ``seq``, at most ``limit``. In one statement for up to :data:`CHUNK` of them."""
    rows: list[Row] = []
    for start in range(0, len(asked), CHUNK):
        chunk = asked[start : start + CHUNK]
        size = 1 << (len(chunk) - 1).bit_length()
        parameters = chain.from_iterable([*chunk, *[_NO_QUEUE] * (size - len(chunk))])
        rows += db.execute(_several(size), list(parameters)).fetchall()
    return rows


@cache
def _several(queues: int) -> str:
    return " UNION ALL ".join([_DUE] * queues)


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
    move_up(db, [line_of(expired) for expired in ended], micros(now))
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
    remember(db, after.identified)
    give_back(db, after.given_back)
    hold(db, after.endings)
    move_up(db, after.left, micros(max(result.now for result in results)))


def next_due(db: sqlite3.Connection, destination: str, paused: bool) -> datetime | None:
    """When the next command of ``destination`` may be claimed. What is paused counts until it has left its line."""
    standing, waiting, queues = look(db, destination)
    if not paused and standing.stops(destination):
        return None
    due = [queue.due_at for queue in queues]
    due += pauses.due_again(db, destination, standing.parked if paused else standing.over())
    if waiting is not None:
        due.append(waiting)
    return moment(min(due)) if due else None
