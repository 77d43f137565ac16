"""Identifies that say the same: the last one of each customer that was accepted, and whether the next need be sent.

A customer's identifies leave one after the other, in one line, so the last one is known when the next is due.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from gateway.model import Command
from gateway.store.governing import identified_row, needless, since_when
from gateway.store.postgres.rows import digest
from gateway.store.postgres.statements import Connection, fetch_one, sql, write
from gateway.store.rows import moment, octets

_LAST = "SELECT command_id, at FROM identified WHERE destination = %s AND customer = %s AND digest = %s AND at > %s"
_FORGET = sql("""
DELETE FROM identified AS i USING {v: destination text, customer bytea}
WHERE i.destination = ANY(ARRAY[v.destination]) AND i.customer = ANY(ARRAY[v.customer])
""")
_REMEMBER = sql("""
INSERT INTO identified (destination, customer, digest, command_id, at, until)
SELECT * FROM {v: destination text, customer bytea, digest text, command_id text, at bigint, until bigint}
ORDER BY destination, customer
ON CONFLICT (destination, customer) DO UPDATE SET digest = excluded.digest, command_id = excluded.command_id,
    at = excluded.at, until = excluded.until
""")


async def needless_of(db: Connection, one: Command, now: datetime) -> tuple[Command, datetime] | None:
    """``one`` as it is where it need not be sent, and when the same was accepted; None where it has to be."""
    if one.same is None:
        return None
    asked = (one.destination, digest(octets(one.user_id)), one.same.digest, since_when(one.same, now))
    found = await fetch_one(db, _LAST, asked)
    if found is None:
        return None
    at = moment(found[1])
    return needless(one, found[0], at, now), at


async def forget(db: Connection, leaving: Iterable[Command]) -> None:
    """These leave: whatever becomes of the identifies among them, what was said before is over."""
    customers = {(one.destination, digest(octets(one.user_id))) for one in leaving if one.command == "identify"}
    await write(db, _FORGET, sorted(customers))


async def remember(db: Connection, accepted: Iterable[tuple[Command, datetime]]) -> None:
    """These were accepted, each at its moment."""
    rows = [identified_row(one, one.same, at) for one, at in accepted if one.same is not None]
    last = {(destination, user_id): rest for destination, user_id, *rest in rows}
    await write(db, _REMEMBER, [(to, digest(user_id), *rest) for (to, user_id), rest in last.items()])
