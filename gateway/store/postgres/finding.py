"""Text that may stand anywhere in what is kept: looked for from the newest webhook on, in steps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gateway.store import ID_DIGITS
from gateway.store.looking import Looked, looked_through
from gateway.store.postgres.conditions import Conditions
from gateway.store.postgres.rows import is_text
from gateway.store.postgres.statements import Connection, fetch
from gateway.store.rows import moment, octets

# What is compared is in small letters: encode() makes text of bytes, with \ooo for what is not ASCII, and lower() by
# the collation "C" knows the letters of ASCII and leaves all others alone.
_STEP = """
WITH looked AS (
    SELECT * FROM webhooks WHERE {conditions} ORDER BY seq DESC LIMIT %s)
SELECT looked.seq, looked.id, looked.received_at, {webhook}
    OR EXISTS (SELECT FROM commands AS c WHERE c.webhook_id = looked.id AND {command})
    OR EXISTS (SELECT FROM fetched AS f WHERE f.webhook_id = looked.id AND {fetched})
FROM looked ORDER BY looked.seq DESC
"""
_COLUMNS = {
    "webhook": ("looked.path", "looked.query", "looked.body", "looked.dedup_key"),
    "command": ("c.user_id", "c.intilery_event_id", "c.reason", "c.body"),
    "fetched": ("f.fetches",),
}
_IDS = {"webhook": "looked.id", "command": "c.id"}
# The order of writing is nearly that of receipt: gateways write at once, and their clocks differ.
_LAST_HEARD = """
WITH RECURSIVE s (source) AS (
    (SELECT source FROM webhooks ORDER BY source LIMIT 1)
    UNION ALL
    SELECT (SELECT w.source FROM webhooks AS w WHERE w.source > s.source ORDER BY w.source LIMIT 1)
    FROM s WHERE s.source IS NOT NULL)
SELECT source, (
    SELECT max(received_at) FROM (
        SELECT w.received_at FROM webhooks AS w WHERE w.source = s.source ORDER BY w.seq DESC LIMIT 100) AS last)
FROM s WHERE source IS NOT NULL
"""


async def look(
    db: Connection, texts: Sequence[str], *, before: int, since: datetime | None, step: int, limit: int
) -> Looked:
    """Look at the next webhooks before a seq; stop behind the one with which ``limit`` are found."""
    where = Conditions()
    where.add("seq < %s", before)
    where.received(since, None)
    where.days(since, None)
    query, sought = _query(texts)
    rows = await fetch(db, query.replace("{conditions}", str(where)), [*where.parameters, step, *sought])
    return looked_through(rows, step=step, limit=limit)


def _query(texts: Sequence[str]) -> tuple[str, list[str]]:
    needles = [escaped(octets(text.lower())) for text in texts]
    beginnings = [text.lower() for text in texts if len(text) >= ID_DIGITS and is_text(text)]
    query = _STEP
    parameters: list[str] = []
    for name, columns in _COLUMNS.items():
        terms = [
            f"coalesce(position(%s in lower(encode({column}, 'escape') COLLATE \"C\")) > 0, FALSE)"
            for column in columns
        ]
        parameters += [needle for _ in columns for needle in needles]
        found = [term for term in terms for _ in needles]
        if name in _IDS:
            found += [f"starts_with({_IDS[name]}, %s)" for _ in beginnings]
            parameters += beginnings
        query = query.replace(f"{{{name}}}", f"({' OR '.join(found)})")
    return query, parameters


def escaped(octets: bytes) -> str:
    """As PostgreSQL's ``encode(octets, 'escape')`` writes it."""
    return "".join(
        "\\\\" if octet == 0x5C else f"\\{octet:03o}" if octet == 0 or octet > 0x7F else chr(octet) for octet in octets
    )


async def last_heard(db: Connection) -> dict[str, datetime]:
    """By source, from one to the next in the index."""
    return {source: moment(at) for source, at in await fetch(db, _LAST_HEARD)}
