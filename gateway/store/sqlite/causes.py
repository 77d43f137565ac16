"""Lists by cause: how many webhooks or commands are in one state for one reason, each with an example."""

from __future__ import annotations

import sqlite3

from gateway.store import Cause, CommandFilter, WebhookFilter
from gateway.store.causes import words
from gateway.store.rows import maybe_text, moment, octets, text
from gateway.store.sqlite.lists import rows_of

# The columns beside max() are those of its row: https://sqlite.org/lang_select.html#bareagg
_CAUSES = """
SELECT {state}, source, {rule}, cause({reason}) AS cause, count(*) AS count, max(seq) AS newest, id, {at}
FROM {table} WHERE {conditions} GROUP BY 1, 2, 3, 4 ORDER BY count DESC, newest DESC LIMIT ?
"""
_OF_WEBHOOKS = {
    "state": "state",
    "rule": "coalesce(json_extract(CAST(errors AS TEXT), '$[0].rule'), '')",
    "reason": "coalesce(json_extract(CAST(errors AS TEXT), '$[0].message'), reason)",
    "at": "received_at",
}
_OF_QUARANTINE = {"state": "'quarantined'", "rule": "''", "reason": "reason", "at": "received_at"}
_OF_COMMANDS = {"state": "state", "rule": "rule", "reason": "reason", "at": "created_at"}


def list_causes(db: sqlite3.Connection, filter: WebhookFilter | CommandFilter, *, limit: int) -> list[Cause]:
    table, where = rows_of(filter)
    columns = {"webhooks": _OF_WEBHOOKS, "quarantine": _OF_QUARANTINE}.get(table, _OF_COMMANDS)
    db.create_function("cause", 1, _cause, deterministic=True)
    query = _CAUSES.replace("{table}", table).replace("{conditions}", str(where))
    for name, column in columns.items():
        query = query.replace(f"{{{name}}}", column)
    return [
        Cause(
            state=state, source=source, rule=rule, cause=text(cause), count=count, example=id, newest=moment(newest_at)
        )
        for state, source, rule, cause, count, _, id, newest_at in db.execute(
            query, [*where.parameters, limit]
        ).fetchall()
    ]


def _cause(reason: str | bytes | None) -> bytes:
    """A reason as it is kept, or the message of a mapping problem out of its JSON."""
    return octets(words(reason if isinstance(reason, str) else maybe_text(reason) or ""))
