"""The customers' lines, kept by any number of gateways at once: who stands at the head, who moves up, who may not join.

A line is one (destination, customer). Its head is the one command that is pending in front, on its way, or being looked
up; a unique index keeps it the only one. Those behind it are pending with ``head`` false, in the order of translation
(``seq``).

That order, with several gateways: a reception that is answered before another begins has the lower ``seq`` of the two.
Those whose transactions overlap have no order between them that anybody could have seen; the one that is visible first
is the head, and of those behind it the lower ``seq`` comes first.

Nobody may be left behind without a head. So whoever joins a line that has one locks it first (``FOR SHARE``, until the
commit): who wants to leave the head has to wait, and then sees who stands behind. Who joins a line whose head leaves at
that moment waits in turn, and finds it free. Two that find a line free at once meet in the unique index, and the second
runs its transaction again. Locks are taken in the order of the lines, so that transactions don't wait in circles; where
they do all the same, PostgreSQL breaks one off and it is run again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.store.line import PROMOTED_AT_ONCE, Ending, Line, held_because
from gateway.store.postgres.statements import Connection, ask, fetch, run, sql, touched, write
from gateway.store.rows import Row, octets

TAKEN = sql("""
SELECT c.destination, c.user_id
FROM (SELECT destination, sha256(user_id) AS customer FROM {v: destination text, user_id bytea} ORDER BY 1, 2) AS v
CROSS JOIN LATERAL (
    SELECT destination, user_id FROM commands_open
    WHERE destination = v.destination AND sha256(user_id) = v.customer AND head LIMIT 1 FOR SHARE) AS c
""")
# The next in the order of the lines, if it is of this line. (Asked for the least seq of one line, a planner that takes
# the table to be empty may read the whole of it in the order of seq.)
_NEXT = sql("""
SELECT first.seq
FROM (SELECT destination, sha256(user_id) AS customer FROM {v: destination text, user_id bytea} OFFSET 0) AS v
CROSS JOIN LATERAL (
    SELECT seq, destination, sha256(user_id) AS customer FROM commands_open AS behind
    WHERE (behind.destination, sha256(behind.user_id)) >= (v.destination, v.customer)
      AND behind.state = 'pending' AND NOT behind.head
    ORDER BY behind.destination, sha256(behind.user_id), behind.seq LIMIT 1) AS first
WHERE first.destination = v.destination AND first.customer = v.customer AND (
    SELECT head.seq FROM commands_open AS head
    WHERE head.destination = v.destination AND sha256(head.user_id) = v.customer AND head.head LIMIT 1) IS NULL
""")
# It is due from now on, not from long ago: else a customer with many would always be before those with one. (What is
# asked of state || '' is answered by no index: that of pending commands has a seq too, but behind the customer.)
_MOVE_UP = """
UPDATE commands_open SET head = true, due_at = greatest(due_at, %s)
WHERE seq = ANY(%b::bigint[]) AND state || '' = 'pending' AND NOT head
"""

_DUE_TO_JOIN = """
SELECT seq, user_id FROM commands_open
WHERE state = 'waiting' AND blocked_by IS NULL AND destination = %s AND due_at <= %s
ORDER BY due_at LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
_JOIN = "UPDATE commands_open SET state = 'pending' WHERE seq = ANY(%b::bigint[])"

# Both its own time and the gap after its identify must have passed.
_RELEASE = """
UPDATE commands_open SET blocked_by = NULL, due_at = greatest(coalesce(due_at, 0), %s)
WHERE blocked_by = ANY(%s::text[])
"""
_HOLD = sql("""
UPDATE commands_open AS c SET state = 'held', blocked_by = NULL, due_at = NULL, reason = v.reason
FROM {v: id text, reason bytea} CROSS JOIN LATERAL (
    SELECT seq FROM commands_open WHERE blocked_by = v.id COLLATE "C" OFFSET 0) AS waiting
WHERE c.seq = ANY(ARRAY[waiting.seq])
""")


def in_lines(lines: Iterable[Line]) -> list[list[Any]]:
    """As :data:`TAKEN` takes them."""
    rows = sorted(set(lines))
    return [[destination for destination, _ in rows], [user_id for _, user_id in rows]]


async def taken(db: Connection, lines: Iterable[Line]) -> set[Line]:
    """Those of ``lines`` that have a head. It stays there until the commit."""
    return {(destination, user_id) for destination, user_id in await fetch(db, TAKEN, in_lines(lines))}


async def move_up(db: Connection, lines: Iterable[Line], now: int) -> None:
    """Where a line has nobody at its head, put the first of those behind there. It is due at ``now``, or later.

    For lines that somebody has left. Who has joined one that has a head must lock that first: :func:`settle`.
    """
    rows = sorted(set(lines))
    while found := await ask(db, _NEXT, rows):
        seqs = [seq for (seq,) in found]
        if await touched(db, _MOVE_UP, (now, seqs)) == len(seqs):
            return
        # One of them was cancelled meanwhile: another is the first now.


async def settle(db: Connection, lines: Iterable[Line], now: int) -> None:
    """Somebody has joined these lines, pending, or may have left them: see that each has a head."""
    lines = set(lines)
    await move_up(db, lines - await taken(db, lines), now)


async def promote(db: Connection, destination: str, now: int) -> None:
    """Let those join their lines whose time has come."""
    if due := await fetch(db, _DUE_TO_JOIN, (destination, now, PROMOTED_AT_ONCE)):
        await join(db, destination, due, now)


async def join(db: Connection, destination: str, waiting: Sequence[Row], now: int) -> None:
    """Put these, by ``seq`` and customer, into their lines."""
    await run(db, _JOIN, [[seq for seq, _ in waiting]])
    await settle(db, [(destination, user_id) for _, user_id in waiting], now)


async def release(db: Connection, identifies: Sequence[str], due_at: int) -> None:
    """Let go of what waits for these identifies, which were accepted; it is due at ``due_at`` or at its own time."""
    if identifies:
        await run(db, _RELEASE, (due_at, list(identifies)))


async def hold(db: Connection, endings: Sequence[Ending]) -> None:
    """Hold what waits for these identifies, which ended otherwise."""
    rows: list[Row] = [(id, octets(held_because(state, reason))) for id, state, reason in endings]
    await write(db, _HOLD, rows)
