"""Erasing one person: what names them is looked for on a reading connection, and deleted in small transactions.

SQLite leaves deleted bytes in free pages and in its log. While something is erased ``secure_delete`` overwrites them,
and afterwards the log is moved into the file and cut off.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence

import msgspec

from gateway.store import Forgotten
from gateway.store.forgotten import STEP, Erasing, Named, Person
from gateway.store.rows import octets
from gateway.store.sqlite.line import move_up
from gateway.store.sqlite.pruning import take_out

_LOOK = """
WITH looked AS (SELECT seq FROM webhooks WHERE seq > :after ORDER BY seq LIMIT :step)
SELECT looked.seq, w.id,
    names(w.path) OR names(w.query) OR names(w.headers) OR names(w.body) OR names(w.dedup_key) OR names(w.reason)
        OR names(w.errors)
    OR EXISTS (SELECT 1 FROM commands AS c JOIN bodies AS b ON b.command_seq = c.seq WHERE c.webhook_id = w.id
               AND (c.user_id = :user OR names(c.user_id) OR names(b.body) OR names(c.reason)))
    OR EXISTS (SELECT 1 FROM fetched AS f WHERE f.webhook_id = w.id AND names(f.fetches)),
    (SELECT count(*) FROM commands AS c WHERE c.webhook_id = w.id)
FROM looked JOIN webhooks AS w ON w.seq = looked.seq ORDER BY looked.seq
"""
_FREE = """
SELECT w.id, w.batch_id FROM webhooks AS w WHERE w.id IN (SELECT value FROM json_each(?)) AND NOT EXISTS (
    SELECT 1 FROM commands AS c WHERE c.webhook_id = w.id AND c.state IN ('delivering', 'unknown'))
"""
_COMMANDS = """
SELECT seq, id, destination, user_id, head FROM commands WHERE webhook_id IN (SELECT value FROM json_each(?))
"""
_KEYS_OF_COMMANDS = (
    "DELETE FROM once WHERE command_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM names WHERE command_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM uses WHERE command_id IN (SELECT value FROM json_each(?))",
    "DELETE FROM identified WHERE command_id IN (SELECT value FROM json_each(?))",
)
_KEYS_OF_WEBHOOKS = "DELETE FROM dedup WHERE webhook_id IN (SELECT value FROM json_each(?))"
_BATCHES = "DELETE FROM batches WHERE id IN (SELECT value FROM json_each(?))"
_LOOSE_KEYS = (
    "DELETE FROM dedup WHERE names(key)",
    "DELETE FROM once WHERE names(key)",
    "DELETE FROM names WHERE names(name)",
    "DELETE FROM uses WHERE names(key)",
    "DELETE FROM identified WHERE user_id = ? OR names(user_id)",
)
_QUARANTINE = """
DELETE FROM quarantine WHERE names(path) OR names(query) OR names(headers) OR names(body) OR names(reason)
"""
_REPLAYS = "DELETE FROM replays WHERE names(asked)"


def names_of(texts: Sequence[str]) -> Callable[[bytes | str | None], bool]:
    """Whether one of the texts stands in some bytes as a whole word."""
    words = b"|".join(re.escape(octets(text)) for text in sorted(texts, key=len, reverse=True))
    pattern = re.compile(b"(?<![0-9A-Za-z])(?:" + words + b")(?![0-9A-Za-z])", re.IGNORECASE)

    def names(value: bytes | str | None) -> bool:
        if value is None or not texts:
            return False
        return pattern.search(value if isinstance(value, bytes) else octets(value)) is not None

    return names


def look(db: sqlite3.Connection, person: Person, after: int) -> Named:
    """Of the next webhooks those that name the person."""
    _teach(db, person)
    rows = db.execute(_LOOK, {"after": after, "step": STEP, "user": octets(person.user)}).fetchall()
    return Named(
        found=tuple((id, commands) for _, id, holds, commands in rows if holds),
        next=rows[-1][0] if len(rows) == STEP else None,
    )


def _teach(db: sqlite3.Connection, person: Person) -> None:
    """Give SQL the function ``names``: whether a column's bytes name the person."""
    db.create_function("names", 1, names_of(person.texts), deterministic=True)


def erase(db: sqlite3.Connection, erasing: Erasing) -> Forgotten:
    """Delete these webhooks with all that belongs to them, but for those of which something is on its way."""
    with _overwriting(db):
        return _erase(db, erasing)


def _erase(db: sqlite3.Connection, erasing: Erasing) -> Forgotten:
    free = db.execute(_FREE, (_json(erasing.ids),)).fetchall()
    ids = [id for id, _ in free]
    commands = db.execute(_COMMANDS, (_json(ids),)).fetchall()
    named = _json([id for _, id, _, _, _ in commands])
    keys = sum(db.execute(statement, (named,)).rowcount for statement in _KEYS_OF_COMMANDS)
    keys += db.execute(_KEYS_OF_WEBHOOKS, (_json(ids),)).rowcount
    attempts = take_out(db, ids, [seq for seq, _, _, _, _ in commands])
    # It holds the elements of others, too: their rules see no $batch from now on.
    db.execute(_BATCHES, (_json([batch for _, batch in free if batch is not None]),))
    move_up(db, [(destination, user) for _, _, destination, user, head in commands if head], erasing.now)
    return Forgotten(
        webhooks=len(ids),
        commands=len(commands),
        attempts=attempts,
        keys=keys,
        left=tuple(id for id in erasing.ids if id not in set(ids)),
    )


def erase_rest(db: sqlite3.Connection, person: Person) -> Forgotten:
    """Delete what names the person and belongs to no webhook that does."""
    _teach(db, person)
    with _overwriting(db):
        *others, identified = _LOOSE_KEYS
        keys = sum(db.execute(statement).rowcount for statement in others)
        keys += db.execute(identified, (octets(person.user),)).rowcount
        quarantined, replays = (db.execute(statement).rowcount for statement in (_QUARANTINE, _REPLAYS))
    return Forgotten(keys=keys, quarantined=quarantined, replays=replays)


def cut_log(db: sqlite3.Connection) -> bool:
    """Move the log into the file and cut it off; whether nobody was in the way."""
    (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


@contextlib.contextmanager
def _overwriting(db: sqlite3.Connection) -> Iterator[None]:
    """What is deleted is overwritten with zeros: it costs, so only here."""
    db.execute("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        db.execute("PRAGMA secure_delete = OFF")


def _json(values: Sequence[str]) -> str:
    return msgspec.json.encode(values).decode()
