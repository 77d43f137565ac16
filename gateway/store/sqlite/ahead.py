"""What lies ahead of a destination, in one row: its pauses, its queues, and when the next one waits to be let in.

A claim begins with this look, and so does the question when the next command is due: one statement, for each gives up
the interpreter's lock (:mod:`~gateway.store.sqlite.values`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from gateway.store.paused import Queue, Standing

# Parked: for which pauses commands are kept out of their lines; '0' follows '/'. The queues: what one rule has in front
# in one priority, the highest priority first, each with the time of its first. There are few of either, and commands
# are many: step from the first of one to the first of the next.
_AHEAD = """
WITH RECURSIVE parked (key) AS (
    SELECT (SELECT min(blocked_by) FROM commands INDEXED BY waiting_for_identify
            WHERE blocked_by >= 'paused/' AND blocked_by < 'paused0')
    UNION ALL
    SELECT (SELECT min(blocked_by) FROM commands INDEXED BY waiting_for_identify
            WHERE blocked_by > parked.key AND blocked_by < 'paused0')
    FROM parked WHERE parked.key IS NOT NULL),
first (seq) AS (
    SELECT (SELECT seq FROM commands INDEXED BY claimable WHERE state = 'pending' AND head = 1 AND destination = :to
            ORDER BY priority DESC, source, rule, due_at, seq LIMIT 1)
    UNION ALL
    SELECT coalesce(
        (SELECT n.seq FROM commands AS n INDEXED BY claimable WHERE n.state = 'pending' AND n.head = 1
            AND n.destination = :to AND n.priority = c.priority AND n.source = c.source AND n.rule > c.rule
            ORDER BY n.rule, n.due_at, n.seq LIMIT 1),
        (SELECT n.seq FROM commands AS n INDEXED BY claimable WHERE n.state = 'pending' AND n.head = 1
            AND n.destination = :to AND n.priority = c.priority AND n.source > c.source
            ORDER BY n.source, n.rule, n.due_at, n.seq LIMIT 1),
        (SELECT n.seq FROM commands AS n INDEXED BY claimable WHERE n.state = 'pending' AND n.head = 1
            AND n.destination = :to AND n.priority < c.priority
            ORDER BY n.priority DESC, n.source, n.rule, n.due_at, n.seq LIMIT 1))
    FROM first CROSS JOIN commands AS c ON c.seq = first.seq)
SELECT (SELECT json_group_array('paused/' || scope || '/' || name) FROM pauses WHERE automatic = 0),
       (SELECT json_group_array(key) FROM parked WHERE key IS NOT NULL),
       (SELECT min(due_at) FROM commands INDEXED BY waiting_for_time
        WHERE state = 'waiting' AND blocked_by IS NULL AND destination = :to),
       (SELECT json_group_array(json_array(c.priority, c.source, c.rule, c.due_at))
        FROM first CROSS JOIN commands AS c ON c.seq = first.seq)
"""


class Ahead(NamedTuple):
    """What a destination has before it."""

    standing: Standing
    waiting: int | None
    """When the next of those that wait for their time is due, in microseconds."""
    queues: Sequence[Queue]
    """What is at the heads of lines, the highest priority first."""


def look(db: sqlite3.Connection, destination: str) -> Ahead:
    """See what lies ahead of ``destination`` now."""
    paused, parked, waiting, queues = db.execute(_AHEAD, {"to": destination}).fetchone()
    standing = Standing(
        paused=frozenset(msgspec.json.decode(paused)), parked=tuple(msgspec.json.decode(parked, type=list[str]))
    )
    return Ahead(standing, waiting, [Queue(*queue) for queue in msgspec.json.decode(queues)])
