"""A command that ends leaves the table of what is not finished, and comes back where a person sends it again.

It is deleted there and inserted into the table of its day. (An UPDATE of the partition's key would do the same, but
whoever waits for the row's lock would get an error instead of a row less.)
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.model import Command
from gateway.store.postgres.statements import Connection, run, sql, write
from gateway.store.rows import Row, maybe_micros, maybe_octets

_KEPT = (
    "seq, day, id, webhook_id, source, rule, element, command, action, destination, user_id, created_at, not_before, "
    "expires_at, after_id, on_unknown, priority, retried_at, terms, body"
)
_FINISH = sql("""
WITH gone AS (
    DELETE FROM commands_open AS c
    USING {v: seq bigint, state text, reason bytea, uncounted integer, event bytea, finished_at bigint}
    WHERE c.seq = ANY(ARRAY[v.seq])
    RETURNING c.*, v.state AS now_in, v.reason AS because, v.uncounted, v.event, v.finished_at AS now_at)
INSERT INTO commands (part, {kept}, state, reason, attempts, intilery_event_id, finished_at, head)
SELECT day, {kept}, now_in, because, attempts - uncounted, coalesce(event, intilery_event_id), now_at, false FROM gone
""").replace("{kept}", _KEPT)
_REOPEN = """
WITH back AS (DELETE FROM commands WHERE part = %s AND seq = %s RETURNING *)
INSERT INTO commands_open (part, {kept}, state, reason, attempts, intilery_event_id, finished_at, head)
SELECT -1, {kept}, state, reason, attempts, intilery_event_id, finished_at, false FROM back
""".replace("{kept}", _KEPT)


async def finish(db: Connection, rows: Sequence[Row]) -> None:
    """End commands: (seq, state, reason, attempts to take off, Intilery's event id, finished_at) of each."""
    await write(db, _FINISH, rows)


def ending_row(seq: int, ended: Command) -> Row:
    """For :func:`finish`, of a command that ends without leaving: as it is afterwards."""
    return seq, ended.state.value, maybe_octets(ended.reason), 0, None, maybe_micros(ended.finished_at)


async def reopen(db: Connection, part: int, seq: int) -> None:
    """Bring a command of a day back among those that are not finished, as it is."""
    await run(db, _REOPEN, (part, seq))
