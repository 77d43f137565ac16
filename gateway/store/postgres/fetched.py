"""What thin webhooks point to: how far the fetching of each has come, and the answers, kept beside the webhook."""

from __future__ import annotations

from gateway.model import Fetching, WebhookState
from gateway.store import Page, Unfetched
from gateway.store.fetches import Noted, fetching_of
from gateway.store.postgres.statements import Connection, fetch, fetch_by_id, fetch_one, run
from gateway.store.postgres.versions import count
from gateway.store.rows import Row, maybe_moment, maybe_octets
from gateway.store.served import Met

_KEEP = """
INSERT INTO fetched (webhook_id, since, due_at, fetches) VALUES (%s, %s, %s, %s)
ON CONFLICT (webhook_id) DO UPDATE SET since = excluded.since, due_at = excluded.due_at, fetches = excluded.fetches
"""
_FOUND = "SELECT since, due_at, fetches FROM fetched WHERE webhook_id = %s"
_STATE = "SELECT part, state, received_at, rules_version, source FROM webhooks WHERE id = %s {here} FOR NO KEY UPDATE"
_NOTE = "UPDATE webhooks SET state = %s, reason = %s WHERE part = %s AND id = %s"
# The state is written out, for the partial index serves only what the text itself says.
_UNFETCHED = """
SELECT w.seq, w.id, w.source, f.due_at FROM webhooks AS w LEFT JOIN fetched AS f ON f.webhook_id = w.id
WHERE w.state = 'fetching' AND w.seq > %s ORDER BY w.seq LIMIT %s
"""


async def keep(db: Connection, row: Row) -> None:
    """Keep what :func:`~gateway.store.fetches.row_of` gave."""
    await run(db, _KEEP, row)


async def note(db: Connection, noted: Noted, *, slot: int) -> bool:
    """Write how far it has come; False where the webhook is not (or no more) ``fetching``."""
    found = await fetch_by_id(db, _STATE, noted.id)
    if found is None or (found[1] != WebhookState.FETCHING and not noted.again):
        return False
    part, _, received_at, version, source = found
    await run(db, _NOTE, (noted.state.value, maybe_octets(noted.reason), part, noted.id))
    await keep(db, noted.row)
    if noted.state is not WebhookState.FETCHING:
        await count_first(db, (version, source, ()), since=noted.since, received_at=received_at, slot=slot)
    return True


async def count_first(db: Connection, met: Met, *, since: int, received_at: int, slot: int) -> None:
    """Count a webhook that was fetched for, once: its first fetching began when it was received, a replay's later."""
    if since == received_at:
        await count(db, [met], slot=slot)


async def find(db: Connection, id: str) -> Fetching | None:
    """How far a webhook's fetching has come, or None where none was ever tried."""
    row = await fetch_one(db, _FOUND, (id,))
    return None if row is None else fetching_of(row)


async def list_unfetched(db: Connection, *, limit: int, cursor: str | None) -> Page[Unfetched]:
    """The oldest first."""
    rows = await fetch(db, _UNFETCHED, (int(cursor or 0), limit))
    items = tuple(Unfetched(id=id, source=source, due_at=maybe_moment(due_at)) for _, id, source, due_at in rows)
    return Page(items=items, next=str(rows[-1][0]) if len(rows) == limit else None)
