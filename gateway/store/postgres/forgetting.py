"""Erasing one person: what names them is looked for by reading, and deleted in small transactions.

Keys are kept as digests here, so of those that belong to no webhook any more only the ones are found that are one of
the texts and nothing else. What is deleted is gone from the tables with the next vacuum, from the log with its files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.store import Forgotten
from gateway.store.forgotten import STEP, Erasing, Named, Person
from gateway.store.postgres.finding import escaped
from gateway.store.postgres.line import move_up
from gateway.store.postgres.rows import digest
from gateway.store.postgres.statements import Connection, fetch, run, touched
from gateway.store.rows import octets


def _names(columns: str) -> str:
    """Whether one of these columns of bytes names the person, by the parameter ``pattern``."""
    terms = (
        f"coalesce(lower(encode({column}, 'escape') COLLATE \"C\") ~ %(pattern)s, FALSE)" for column in columns.split()
    )
    return f"({' OR '.join(terms)})"


_LOOK = f"""
SELECT w.seq, w.id, {_names("w.path w.query w.headers w.body w.dedup_key w.reason w.errors")}
    OR EXISTS (SELECT FROM commands AS c WHERE c.webhook_id = w.id
               AND (c.user_id = %(user)s OR {_names("c.user_id c.body c.reason")}))
    OR EXISTS (SELECT FROM fetched AS f WHERE f.webhook_id = w.id AND {_names("f.fetches")}),
    (SELECT count(*) FROM commands AS c WHERE c.webhook_id = w.id)
FROM (SELECT * FROM webhooks WHERE seq > %(after)s ORDER BY seq LIMIT %(step)s) AS w ORDER BY w.seq
"""  # noqa: S608 - made of constants
# In the order of the lines, as everybody who locks them: nobody begins to send these from here on.
_LOCK = """
SELECT webhook_id, state FROM commands_open WHERE webhook_id = ANY(%s::text[])
ORDER BY destination, sha256(user_id) FOR UPDATE
"""
_COMMANDS = "SELECT seq, id, destination, user_id, head AND part = -1 FROM commands WHERE webhook_id = ANY(%s::text[])"
_KEYS = (
    "DELETE FROM once WHERE command_id = ANY(%s::text[])",
    "DELETE FROM names WHERE command_id = ANY(%s::text[])",
    "DELETE FROM uses WHERE command_id = ANY(%s::text[])",
    "DELETE FROM identified WHERE command_id = ANY(%s::text[])",
)
_DEDUP = "DELETE FROM dedup WHERE webhook_id = ANY(%s::text[])"
_ATTEMPTS = "DELETE FROM attempts WHERE command_seq = ANY(%s::bigint[])"
# The body around a batch holds the elements of others, too: their rules see no $batch from now on.
_OF_WEBHOOKS = (
    "DELETE FROM fetched WHERE webhook_id = ANY(%s::text[])",
    "DELETE FROM shadow_differences WHERE webhook_id = ANY(%s::text[])",
    "DELETE FROM batches WHERE id IN (SELECT batch_id FROM webhooks WHERE id = ANY(%s::text[]))",
    "DELETE FROM commands WHERE webhook_id = ANY(%s::text[])",
)
_WEBHOOKS = "DELETE FROM webhooks WHERE id = ANY(%s::text[])"
_LOOSE_KEYS = (
    "DELETE FROM dedup WHERE key = ANY(%s::bytea[])",
    "DELETE FROM once WHERE key = ANY(%s::bytea[])",
    "DELETE FROM names WHERE name = ANY(%s::bytea[])",
    "DELETE FROM uses WHERE key = ANY(%s::bytea[])",
    "DELETE FROM identified WHERE customer = ANY(%s::bytea[])",
)
_QUARANTINE = f"DELETE FROM quarantine WHERE {_names('path query headers body reason')}"  # noqa: S608 - as above
_REPLAYS = f"DELETE FROM replays WHERE {_names('asked')}"  # noqa: S608 - as above


def pattern_of(texts: Sequence[str]) -> str:
    """One of the texts (none: nothing) as a whole word, in what ``encode(…, 'escape')`` gives, in small letters."""
    words = "|".join(re.escape(escaped(octets(text.lower()))) for text in sorted(texts, key=len, reverse=True))
    if not texts:
        return "(?!)"
    return rf"(?:^|[^0-9a-z]|\\[0-7]{{3}})(?:{words})(?![0-9a-z])"


async def look(db: Connection, person: Person, after: int) -> Named:
    """Of the next webhooks those that name the person."""
    asked = {"after": after, "step": STEP, "user": octets(person.user), "pattern": pattern_of(person.texts)}
    rows = await fetch(db, _LOOK, asked)
    return Named(
        found=tuple((id, commands) for _, id, holds, commands in rows if holds),
        next=rows[-1][0] if len(rows) == STEP else None,
    )


async def erase(db: Connection, erasing: Erasing) -> Forgotten:
    """Delete these webhooks with all that belongs to them, but for those of which something is on its way."""
    locked = await fetch(db, _LOCK, [list(erasing.ids)])
    left = {webhook for webhook, state in locked if state in ("delivering", "unknown")}
    ids = [id for id in erasing.ids if id not in left]
    commands = await fetch(db, _COMMANDS, [ids])
    named = [id for _, id, _, _, _ in commands]
    keys = 0
    for statement in _KEYS:
        keys += await touched(db, statement, [named])
    keys += await touched(db, _DEDUP, [ids])
    attempts = await touched(db, _ATTEMPTS, [[seq for seq, _, _, _, _ in commands]])
    for statement in _OF_WEBHOOKS:
        await run(db, statement, [ids])
    webhooks = await touched(db, _WEBHOOKS, [ids])
    await move_up(db, [(destination, user) for _, _, destination, user, head in commands if head], erasing.now)
    return Forgotten(
        webhooks=webhooks,
        commands=len(commands),
        attempts=attempts,
        keys=keys,
        left=tuple(id for id in erasing.ids if id in left),
    )


async def erase_rest(db: Connection, person: Person) -> Forgotten:
    """Delete what names the person and belongs to no webhook that does."""
    digests = [digest(octets(text)) for text in (person.user, *person.texts)]
    keys = 0
    for statement in _LOOSE_KEYS:
        keys += await touched(db, statement, [digests])
    asked = {"pattern": pattern_of(person.texts)}
    return Forgotten(
        keys=keys,
        quarantined=await touched(db, _QUARANTINE, asked),
        replays=await touched(db, _REPLAYS, asked),
    )
