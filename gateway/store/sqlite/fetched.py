"""What thin webhooks point to: how far the fetching of each has come, and the answers, kept beside the webhook."""

from __future__ import annotations

import sqlite3

from gateway.model import Fetching, WebhookState
from gateway.store import Page, Unfetched
from gateway.store.fetches import Noted, fetching_of
from gateway.store.rows import Row, maybe_moment, maybe_octets
from gateway.store.served import Met
from gateway.store.sqlite.versions import count

_KEEP = """
INSERT INTO fetched (webhook_id, since, due_at, fetches) VALUES (?, ?, ?, ?)
ON CONFLICT (webhook_id) DO UPDATE SET since = excluded.since, due_at = excluded.due_at, fetches = excluded.fetches
"""
_FOUND = "SELECT since, due_at, fetches FROM fetched WHERE webhook_id = ?"
_STATE = "SELECT state, received_at, rules_version, source FROM webhooks WHERE id = ?"
_NOTE = "UPDATE webhooks SET state = ?, reason = ? WHERE id = ?"
# The state is written out, for the partial index serves only what the text itself says.
_UNFETCHED = """
SELECT w.seq, w.id, w.source, f.due_at FROM webhooks AS w LEFT JOIN fetched AS f ON f.webhook_id = w.id
WHERE w.state = 'fetching' AND w.seq > ? ORDER BY w.seq LIMIT ?
"""


def keep(db: sqlite3.Connection, row: Row) -> None:
    """Keep what :func:`~gateway.store.fetches.row_of` gave."""
    db.execute(_KEEP, row)


def note(db: sqlite3.Connection, noted: Noted) -> bool:
    """Write how far it has come; False where the webhook is not (or no more) ``fetching``."""
    found = db.execute(_STATE, (noted.id,)).fetchone()
    if found is None or (found[0] != WebhookState.FETCHING and not noted.again):
        return False
    _, received_at, version, source = found
    db.execute(_NOTE, (noted.state.value, maybe_octets(noted.reason), noted.id))
    keep(db, noted.row)
    if noted.state is not WebhookState.FETCHING:
        count_first(db, (version, source, ()), since=noted.since, received_at=received_at)
    return True


def count_first(db: sqlite3.Connection, met: Met, *, since: int, received_at: int) -> None:
    """Count a webhook that was fetched for, once: its first fetching began when it was received, a replay's later."""
    if since == received_at:
        count(db, [met])


def find(db: sqlite3.Connection, id: str) -> Fetching | None:
    """How far a webhook's fetching has come, or None where none was ever tried."""
    row = db.execute(_FOUND, (id,)).fetchone()
    if row is None:
        return None
    return fetching_of(row)


def list_unfetched(db: sqlite3.Connection, *, limit: int, cursor: str | None) -> Page[Unfetched]:
    """The oldest first."""
    rows = db.execute(_UNFETCHED, (int(cursor or 0), limit)).fetchall()
    items = tuple(Unfetched(id=id, source=source, due_at=maybe_moment(due_at)) for _, id, source, due_at in rows)
    return Page(items=items, next=str(rows[-1][0]) if len(rows) == limit else None)
