"""Leasing commands to a dispatcher, and writing down what became of them.

Gateways that claim at once skip what another one has locked, so that nobody waits and no command is leased twice. A
claim may so find less than there is; who claimed the rest has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from msgspec.structs import replace

from gateway import pacing
from gateway.model import FINAL_STATES, Command, CommandState
from gateway.pacing import Bucket
from gateway.store import Claim, Claimed
from gateway.store.governing import ended_as
from gateway.store.leases import (
    ROUNDS,
    Due,
    Result,
    Slowing,
    Spending,
    consequences,
    is_late,
    late_because,
    leased,
    verdict_row,
)
from gateway.store.line import line_of
from gateway.store.paused import Queue, Standing
from gateway.store.postgres import pauses
from gateway.store.postgres.buckets import locked
from gateway.store.postgres.endings import ending_row, finish
from gateway.store.postgres.identified import forget, remember
from gateway.store.postgres.line import hold, move_up, promote, release
from gateway.store.postgres.rows import attempt_row, command
from gateway.store.postgres.statements import Connection, ask, fetch, fetch_each, run, sql, write
from gateway.store.postgres.terms import give_back, sendable
from gateway.store.rows import DUE_AT, Row, maybe_octets, micros, moment
from gateway.store.turns import Turns

# The queues: what one rule has in front in one priority, the highest priority first, each with the time of its first.
# There are few of them, and commands are many: step from the first of one to the first of the next.
_QUEUES = """
WITH RECURSIVE first (seq) AS (
    (SELECT seq FROM commands_open WHERE state = 'pending' AND head AND destination = %(to)s
     ORDER BY priority DESC, source, rule, due_at, seq LIMIT 1)
    UNION ALL
    SELECT coalesce(
        (SELECT n.seq FROM commands_open AS n WHERE n.state = 'pending' AND n.head
            AND n.destination = %(to)s AND n.priority = c.priority AND n.source = c.source AND n.rule > c.rule
            ORDER BY n.rule, n.due_at, n.seq LIMIT 1),
        (SELECT n.seq FROM commands_open AS n WHERE n.state = 'pending' AND n.head
            AND n.destination = %(to)s AND n.priority = c.priority AND n.source > c.source
            ORDER BY n.source, n.rule, n.due_at, n.seq LIMIT 1),
        (SELECT n.seq FROM commands_open AS n WHERE n.state = 'pending' AND n.head
            AND n.destination = %(to)s AND n.priority < c.priority
            ORDER BY n.priority DESC, n.source, n.rule, n.due_at, n.seq LIMIT 1))
    FROM first JOIN commands_open AS c ON c.seq = ANY(ARRAY[first.seq]))
SELECT c.priority, c.source, c.rule, c.due_at FROM first JOIN commands_open AS c ON c.seq = ANY(ARRAY[first.seq])
ORDER BY c.priority DESC
"""
_DUE = sql("""
SELECT seq, {command}, body FROM commands_open
WHERE state = 'pending' AND head AND destination = %s AND priority = %s AND source = %s AND rule = %s AND due_at <= %s
    AND (due_at, seq) > (%s, %s)
ORDER BY due_at, seq LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
""")
_LEASE = """
UPDATE commands_open SET state = 'delivering', attempts = attempts + 1, lease = %s, leased_until = %s
WHERE seq = ANY(%b::bigint[])
"""

_ABANDONED = sql("""
SELECT seq, {command}, body FROM commands_open WHERE state = 'delivering' AND leased_until <= %s
FOR NO KEY UPDATE SKIP LOCKED
""")
_TO_BE_LOOKED_UP = sql("""
SELECT seq, {command}, body FROM commands_open WHERE state = 'unknown' AND due_at <= %s FOR NO KEY UPDATE SKIP LOCKED
""")
_TAKE_OVER = """
UPDATE commands_open
SET lease = %s, leased_until = %s, due_at = CASE state WHEN 'unknown' THEN %s ELSE due_at END
WHERE seq = ANY(%b::bigint[])
"""

# In the order of the lines, as everybody who locks them.
_IN_FORCE = sql("""
SELECT v.number, c.seq, c.day
FROM {v: number integer, id text, lease text} JOIN commands_open AS c ON c.id = ANY(ARRAY[v.id]) AND c.lease = v.lease
ORDER BY c.destination, sha256(c.user_id) FOR NO KEY UPDATE OF c
""")
_RECORD = sql("""
UPDATE commands_open AS c SET state = v.state, head = v.in_line = 1, reason = v.reason,
    due_at = CASE WHEN v.stays THEN c.due_at ELSE v.due_at END, attempts = c.attempts - v.uncounted,
    intilery_event_id = coalesce(v.event, c.intilery_event_id), finished_at = v.finished_at, lease = NULL,
    leased_until = NULL
FROM {v: seq bigint, state text, in_line integer, reason bytea, stays boolean, due_at bigint, uncounted integer, event bytea, finished_at bigint}
WHERE c.seq = ANY(ARRAY[v.seq])
""")  # noqa: E501 - a table's columns stand in one line
_INSERT_ATTEMPTS = sql("""
INSERT INTO attempts (part, command_seq, {attempt})
SELECT part, command_seq, {attempt} FROM {v: part integer, command_seq bigint, {typed attempt}}
ON CONFLICT (command_seq, number, at, part) DO NOTHING
""")

_NEXT_WAITING = """
SELECT min(due_at) FROM commands_open WHERE state = 'waiting' AND blocked_by IS NULL AND destination = %s
"""


async def paced(
    db: Connection, asked: Sequence[Due | Spending | Slowing], *, turns: Turns, gap: timedelta
) -> list[Claimed | float | Bucket]:
    """Do all that costs or changes what an address still takes: it is locked before anything else is."""
    buckets = await locked(db, (one.limits for one in asked if one.limits is not None))
    done: list[Claimed | float | Bucket] = []
    for one in asked:
        if isinstance(one, Slowing):
            done.append(buckets.slow(one.limits, one.retry_after))
        elif isinstance(one, Spending):
            there = buckets.available(one.limits) > 0
            bucket = buckets.spend(one.limits, 1 if there else 0)
            done.append(0.0 if there else pacing.wait(bucket, 0.0))
        elif one.limits is None:
            done.append(await claim(db, one, turns=turns, gap=gap))
        else:
            n = min(one.limit, buckets.available(one.limits))
            claimed = await claim(db, replace(one, limit=n), turns=turns, gap=gap) if n > 0 else Claimed()
            done.append(replace(claimed, bucket=buckets.spend(one.limits, len(claimed.claims))))
    await buckets.write(db)
    return done


async def claim(db: Connection, due: Due, *, turns: Turns, gap: timedelta) -> Claimed:
    """Lease what is due, expire what is too late."""
    now = micros(due.now)
    standing = await pauses.standing(db)
    if standing.stops(due.destination):
        return Claimed()
    await promote(db, due.destination, now)
    if over := standing.over():
        await pauses.join_again(db, due.destination, over, now)
    claims: list[Claim] = []
    ended: list[Command] = []
    for _ in range(ROUNDS):
        queues = await _going(db, due.destination, standing, now)
        found = await _find_due(db, due.destination, queues, now, max(due.limit, 0) - len(claims), turns)
        late = [(seq, one) for seq, one in found if is_late(one, due.now)]
        if late:
            ended += await _expire(db, late, due.now)
        intime = [(seq, one) for seq, one in found if not is_late(one, due.now)]
        allowed, suppressed = await sendable(db, intime, due.now, gap=gap)
        ended += suppressed
        if allowed:
            await run(db, _LEASE, (due.lease, micros(due.until), [seq for seq, _ in allowed]))
            await forget(db, (one for _, one in allowed))
        claims += [leased(waiting, due) for _, waiting in allowed]
        if len(allowed) == len(found):
            break
    return Claimed(claims=tuple(claims), ended=tuple(ended))


async def _going(db: Connection, destination: str, standing: Standing, now: int) -> list[Queue]:
    """The queues that may leave; those that are paused step out of their lines."""
    queues = await _queues(db, destination)
    going, paused = standing.part(queues)
    if paused:
        await pauses.step_out(db, destination, paused, now)
        going, _ = standing.part(await _queues(db, destination))
    return going


async def _find_due(
    db: Connection, destination: str, queues: Iterable[Queue], now: int, limit: int, turns: Turns
) -> list[tuple[int, Command]]:
    """At most ``limit`` that are due: the highest priority first, and within it as ``turns`` deals them out."""
    found: list[tuple[int, Command]] = []
    for priority, level in groupby(queues, attrgetter("priority")):
        # Where each queue goes on: behind what was found in it.
        open_ = {(queue.source, queue.rule): (-1, -1) for queue in level if queue.due_at <= now}
        while open_ and len(found) < limit:
            shares = turns.deal(destination, open_, limit - len(found))
            asked = [
                (_DUE, (destination, priority, *queue, now, *open_[queue], share)) for queue, share in shares.items()
            ]
            for (queue, share), rows in zip(shares.items(), await fetch_each(db, asked), strict=True):
                found.extend((row[0], command(row[1:])) for row in rows)
                if len(rows) < share:
                    del open_[queue]
                else:
                    open_[queue] = (rows[-1][1 + DUE_AT], rows[-1][0])
    return found


async def _queues(db: Connection, destination: str) -> list[Queue]:
    """Of the heads of lines, the highest priority first."""
    return [Queue(*row) for row in await fetch(db, _QUEUES, {"to": destination})]


async def _expire(db: Connection, late: Sequence[tuple[int, Command]], now: datetime) -> list[Command]:
    ended = [(seq, ended_as(one, CommandState.EXPIRED, late_because(one), now)) for seq, one in late]
    await finish(db, [ending_row(seq, one) for seq, one in ended])
    await give_back(db, [one.id for _, one in ended])
    await hold(db, [(one.id, one.state, one.reason) for _, one in ended])
    await move_up(db, [line_of(one) for _, one in ended], micros(now))
    return [one for _, one in ended]


async def recover(db: Connection, due: Due) -> list[Claim]:
    """Take over what is on its way under a lease that is over, and what is to be looked up.

    A lease of a gateway that is gone is waited out: another gateway can't know that it is gone.
    """
    now, until = micros(due.now), micros(due.until)
    found = await fetch(db, _ABANDONED, (now,)) + await fetch(db, _TO_BE_LOOKED_UP, (now,))
    if found:
        await run(db, _TAKE_OVER, (due.lease, until, until, [row[0] for row in found]))
    return [Claim(command=command(row[1:]), lease=due.lease, leased_until=due.until) for row in found]


async def record(db: Connection, results: Sequence[Result], *, gap: timedelta) -> list[bool]:
    """Write attempts and verdicts of those whose lease is in force; let the next in line move up."""
    asked = [(number, result.claim.command.id, result.claim.lease) for number, result in enumerate(results)]
    numbers: dict[int, int] = {}
    days: dict[int, int] = {}
    for number, seq, day in sorted(await ask(db, _IN_FORCE, asked)):
        numbers.setdefault(seq, number)  # a second result under one lease comes too late
        days[seq] = day
    written = [(seq, results[number]) for seq, number in numbers.items()]
    staying: list[Row] = []
    ending: list[Row] = []
    for seq, result in written:
        row = verdict_row(seq, result)
        _, state, in_line, reason, stays, due_at, uncounted, event, finished_at = row
        event = maybe_octets(event)
        if result.verdict.state in FINAL_STATES:
            ending.append((seq, state, reason, uncounted, event, finished_at))
        else:
            staying.append((seq, state, in_line, reason, stays, due_at, uncounted, event, finished_at))
    attempts = [(days[seq], seq, *attempt_row(result.attempt)) for seq, result in written if result.attempt is not None]
    await write(db, _INSERT_ATTEMPTS, attempts)
    await write(db, _RECORD, staying)
    await finish(db, ending)
    after = consequences(result for _, result in written)
    for now, ids in after.accepted.items():
        await release(db, ids, micros(now + gap))
    await remember(db, after.identified)
    await give_back(db, after.given_back)
    await hold(db, after.endings)
    await move_up(db, after.left, micros(max(result.now for result in results)))
    recorded = frozenset(numbers.values())
    return [number in recorded for number in range(len(results))]


async def next_due(db: Connection, destination: str, paused: bool) -> datetime | None:
    """When the next command of ``destination`` may be claimed. What is paused counts until it has left its line."""
    standing = await pauses.standing(db)
    if not paused and standing.stops(destination):
        return None
    due = [queue.due_at for queue in await _queues(db, destination)]
    due += await pauses.due_again(db, destination, standing.parked if paused else standing.over())
    due += [due_at for (due_at,) in await fetch(db, _NEXT_WAITING, (destination,)) if due_at is not None]
    return moment(min(due)) if due else None
