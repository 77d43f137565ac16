"""Identifies that say the same: the last one of each customer that was accepted, and whether the next need be sent.

A customer's identifies leave one after the other, in one line, so the last one is known when the next is due. All
functions run inside the writer's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import datetime

from gateway.model import Command
from gateway.store.governing import identified_row, needless, since_when
from gateway.store.rows import Row, moment, octets
from gateway.store.sqlite.values import write

_LAST = "SELECT command_id, at FROM identified WHERE destination = ? AND user_id = ? AND digest = ? AND at > ?"
_ANY = "SELECT EXISTS (SELECT 1 FROM identified)"
_FORGET = """
DELETE FROM identified WHERE (destination, user_id) IN (SELECT column1, column2 FROM {values} WHERE column1 IS NOT NULL)
"""
_REMEMBER = """
INSERT OR REPLACE INTO identified (destination, user_id, digest, command_id, at, until)
SELECT * FROM {values} WHERE column1 IS NOT NULL
"""


def needless_of(db: sqlite3.Connection, one: Command, now: datetime) -> tuple[Command, datetime] | None:
    """``one`` as it is where it need not be sent, and when the same was accepted; None where it has to be."""
    if one.same is None:
        return None
    since = since_when(one.same, now)
    found = db.execute(_LAST, (one.destination, octets(one.user_id), one.same.digest, since)).fetchone()
    if found is None:
        return None
    at = moment(found[1])
    return needless(one, found[0], at, now), at


def forget(db: sqlite3.Connection, leaving: Iterable[Command]) -> None:
    """These leave: whatever becomes of the identifies among them, what was said before is over."""
    rows: list[Row] = [(one.destination, octets(one.user_id)) for one in leaving if one.command == "identify"]
    if rows and db.execute(_ANY).fetchone()[0]:
        write(db, _FORGET, rows)


def remember(db: sqlite3.Connection, accepted: Iterable[tuple[Command, datetime]]) -> None:
    """These were accepted, each at its moment."""
    if rows := [identified_row(one, one.same, at) for one, at in accepted if one.same is not None]:
        write(db, _REMEMBER, rows)
