"""A clock that was set back: what waits for a length of time is not to wait until the clock comes there again."""

from __future__ import annotations

from gateway.store.leases import SetBack
from gateway.store.postgres import sharers
from gateway.store.postgres.statements import Connection, fetch_one, run
from gateway.store.rows import micros

_MADE_LAST = "SELECT created_at FROM commands_open ORDER BY seq DESC LIMIT 1"
_SET_BACK = """
UPDATE commands_open SET due_at = due_at - %s
WHERE due_at > %s AND (state = 'pending' OR (state = 'waiting' AND blocked_by IS NULL AND not_before IS NULL
    AND reason IS NULL))
"""


async def set_back(db: Connection, clock: SetBack) -> int:
    """By how many microseconds it was set back: 0 where it was too little to matter."""
    by = clock.by
    if by is None:
        if await sharers.count(db):
            return 0
        last = await fetch_one(db, _MADE_LAST)
        by = 0 if last is None else last[0] - micros(clock.now)
    if by < clock.matters:
        return 0
    await run(db, _SET_BACK, (by, micros(clock.now)))
    return by
