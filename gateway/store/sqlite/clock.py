"""A clock that was set back: what waits for a length of time is not to wait until the clock comes there again."""

from __future__ import annotations

import sqlite3

from gateway.store.leases import SetBack
from gateway.store.rows import micros

_MADE_LAST = "SELECT created_at FROM commands ORDER BY seq DESC LIMIT 1"
_SET_BACK = """
UPDATE commands SET due_at = due_at - :by
WHERE due_at > :now AND (state = 'pending' OR (state = 'waiting' AND blocked_by IS NULL AND not_before IS NULL
    AND reason IS NULL))
"""


def set_back(db: sqlite3.Connection, clock: SetBack) -> int:
    """By how many microseconds it was set back: 0 where it was too little to matter."""
    by = clock.by
    if by is None:
        last = db.execute(_MADE_LAST).fetchone()
        by = 0 if last is None else last[0] - micros(clock.now)
    if by < clock.matters:
        return 0
    db.execute(_SET_BACK, {"by": by, "now": micros(clock.now)})
    return by
