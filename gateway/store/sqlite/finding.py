"""Text that may stand anywhere in what is kept: looked for from the newest webhook on, in steps."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from gateway.store import ID_DIGITS
from gateway.store.looking import Looked, looked_through
from gateway.store.rows import micros, moment, octets

# What is compared is in small letters; lower() of SQLite knows those of ASCII, and leaves all other bytes alone.
_STEP = """
WITH looked AS (
    SELECT seq, id, received_at FROM webhooks
    WHERE seq < :before AND received_at >= :since ORDER BY seq DESC LIMIT :step)
SELECT looked.seq, looked.id, looked.received_at,
    (SELECT 1 FROM webhooks AS w WHERE w.seq = looked.seq AND {webhook})
    OR EXISTS (SELECT 1 FROM commands AS c JOIN bodies AS b ON b.command_seq = c.seq
               WHERE c.webhook_id = looked.id AND {command})
    OR EXISTS (SELECT 1 FROM fetched AS f WHERE f.webhook_id = looked.id AND {fetched})
FROM looked ORDER BY looked.seq DESC
"""
_COLUMNS = {
    "webhook": ("w.path", "w.query", "w.body", "w.dedup_key"),
    "command": ("c.user_id", "c.intilery_event_id", "c.reason", "b.body"),
    "fetched": ("f.fetches",),
}
_IDS = {"webhook": "w.id", "command": "c.id"}
_LAST_HEARD = """
WITH RECURSIVE s (source) AS (
    SELECT min(source) FROM webhooks
    UNION ALL SELECT (SELECT min(source) FROM webhooks WHERE source > s.source) FROM s WHERE s.source IS NOT NULL)
SELECT source, (SELECT max(received_at) FROM webhooks AS w WHERE w.source = s.source) FROM s WHERE source IS NOT NULL
"""


def look(
    db: sqlite3.Connection, texts: Sequence[str], *, before: int, since: datetime | None, step: int, limit: int
) -> Looked:
    """Look at the next webhooks before a seq; stop behind the one with which ``limit`` are found."""
    rows = db.execute(
        _query([len(text) >= ID_DIGITS for text in texts]),
        {
            "before": before,
            "since": -(2**62) if since is None else micros(since),
            "step": step,
            **{f"text{number}": octets(text.lower()) for number, text in enumerate(texts)},
        },
    ).fetchall()
    return looked_through(rows, step=step, limit=limit)


def _query(ids: Sequence[bool]) -> str:
    """For as many texts; each with whether it is long enough to be the beginning of an id."""
    query = _STEP
    for name, columns in _COLUMNS.items():
        terms = [
            f"instr(lower(CAST({column} AS TEXT)), CAST(:text{number} AS TEXT)) > 0"
            for column in columns
            for number in range(len(ids))
        ]
        terms += [
            f"instr({_IDS[name]}, CAST(:text{number} AS TEXT)) = 1"
            for number, long in enumerate(ids)
            if long and name in _IDS
        ]
        query = query.replace(f"{{{name}}}", f"({' OR '.join(terms)})")
    return query


def last_heard(db: sqlite3.Connection) -> dict[str, datetime]:
    """By source, from one to the next in the index."""
    return {source: moment(at) for source, at in db.execute(_LAST_HEARD).fetchall()}
