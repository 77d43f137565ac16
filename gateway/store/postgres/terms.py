"""What a rule says of how often, to whom and when, enforced where it is remembered: once, names, limits, quiet hours,
identifies that say the same.

Several gateways may ask for the same key at once. A key that somebody has is locked before it is looked at; one that
nobody has is inserted, and where another gateway was quicker the transaction is run again and finds it taken. Names
are locked before the first is looked at, in one order: else two groups with the same names would wait in circles, a
second each time until PostgreSQL breaks one off. The uses
of a limit are counted under an advisory lock of its key, since there is no row to lock before the first one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from gateway.model import Command, CommandState
from gateway.store.arrivals import Arrival
from gateway.store.governing import (
    QUIET,
    Holders,
    OnceClaims,
    cancelled,
    ended_as,
    is_later,
    once_keys,
    over_limit,
    overtaken,
    replaced_by,
    taken_later,
)
from gateway.store.line import Line, line_of
from gateway.store.postgres.endings import ending_row, finish
from gateway.store.postgres.errors import Met
from gateway.store.postgres.identified import needless_of
from gateway.store.postgres.line import hold, move_up, release
from gateway.store.postgres.parts import LOCK
from gateway.store.postgres.rows import command, digest
from gateway.store.postgres.statements import Connection, ask, fetch, fetch_one, run, sql, touched, write
from gateway.store.rows import Row, micros, octets
from gateway.terms import Cancellation, Limit

_CLAIMED = sql("""
SELECT v.number, o.command_id, o.until
FROM (SELECT * FROM {v: number integer, scope text, key bytea} ORDER BY scope, key) AS v
CROSS JOIN LATERAL (
    SELECT command_id, until FROM once WHERE scope = v.scope AND key = v.key LIMIT 1 FOR UPDATE) AS o
""")
_CLAIM_NEW = sql("""
INSERT INTO once (scope, key, command_id, until)
SELECT * FROM {v: scope text, key bytea, command_id text, until bigint} ORDER BY scope, key
ON CONFLICT (scope, key) DO NOTHING RETURNING 1
""")
# A key whose time is over is free: the claim that is written over it is the next one's.
_CLAIM_OVER = sql("""
UPDATE once AS o SET command_id = v.command_id, until = v.until
FROM {v: scope text, key bytea, command_id text, until bigint}
WHERE o.scope = ANY(ARRAY[v.scope]) AND o.key = ANY(ARRAY[v.key])
""")
_HAVING = """
SELECT command_id FROM once WHERE command_id = ANY(%(ids)s::text[])
UNION SELECT command_id FROM uses WHERE command_id = ANY(%(ids)s::text[])
"""
_MAYBE_REACHED = """
SELECT c.id FROM commands AS c WHERE c.id = ANY(%s::text[]) AND EXISTS (
    SELECT FROM attempts AS a WHERE a.part = c.day AND a.command_seq = c.seq AND a.outcome = 'unknown')
"""
_GIVE_BACK = "DELETE FROM once WHERE command_id = ANY(%s::text[])"
_UNUSE = "DELETE FROM uses WHERE command_id = ANY(%s::text[])"

_NAMED = sql("""
SELECT seq, {command}, body FROM commands_open WHERE id = %s AND state IN ('waiting', 'pending') FOR NO KEY UPDATE
""")
_HOLDER = "SELECT command_id FROM names WHERE source = %s AND name = %s FOR UPDATE"
_HOLDER_NOW = "SELECT command_id FROM names WHERE source = %s AND name = %s"
_NAME = "INSERT INTO names (source, name, command_id) VALUES (%s, %s, %s) ON CONFLICT (source, name) DO NOTHING"
_RENAME = "UPDATE names SET command_id = %s WHERE source = %s AND name = %s"
_UNNAME = "DELETE FROM names WHERE source = %s AND name = %s"

_LOCK = "SELECT pg_advisory_xact_lock(key) FROM (SELECT unnest(%b::bigint[]) AS key ORDER BY 1) AS k"
_FORGET_USES = "DELETE FROM uses WHERE scope = %s AND key = %s AND at <= %s"
_USED = "SELECT count(*) FROM uses WHERE scope = %s AND key = %s AND command_id <> %s"
_USE = """
INSERT INTO uses (scope, key, command_id, at, until) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (scope, key, command_id) DO UPDATE SET at = excluded.at, until = excluded.until
"""
_QUIET = sql("""
UPDATE commands_open AS c SET state = 'waiting', head = false, due_at = v.due_at, reason = v.reason
FROM {v: seq bigint, due_at bigint, reason bytea} WHERE c.seq = ANY(ARRAY[v.seq])
""")


_NAMES = LOCK + 256
"""The first of 256 advisory locks: each name has one of them."""


async def once_claims(db: Connection, commands: Iterable[Command]) -> OnceClaims:
    """The once keys of a group of commands, with those that have them."""
    wanted = once_keys(commands)
    rows: list[Row] = [(number, scope, digest(key)) for number, (scope, key) in enumerate(wanted)]
    held: Holders = {wanted[number]: (id, until) for number, id, until in await ask(db, _CLAIMED, rows)}
    return OnceClaims(held)


async def claim_once(db: Connection, claims: OnceClaims) -> None:
    """Write the claims that were made."""
    rows = [(scope, digest(key), id, until) for scope, key, id, until in claims.claimed.values()]
    over = [row for row, key in zip(rows, claims.claimed, strict=True) if key in claims.found]
    new = [row for row, key in zip(rows, claims.claimed, strict=True) if key not in claims.found]
    await write(db, _CLAIM_OVER, over)
    if len(await ask(db, _CLAIM_NEW, new)) < len(new):
        raise Met


async def give_back(db: Connection, ids: Sequence[str]) -> None:
    """Free the once keys and the counted uses of commands that end undelivered; not of those with an attempt whose
    outcome is unknown, for they may have reached the customer."""
    having = [id for (id,) in await fetch(db, _HAVING, {"ids": list(ids)})] if ids else []
    if having:
        reached = {id for (id,) in await fetch(db, _MAYBE_REACHED, (having,))}
        free = [id for id in having if id not in reached]
        await run(db, _GIVE_BACK, [free])
        await run(db, _UNUSE, [free])


async def lock_names(db: Connection, arrivals: Iterable[Arrival]) -> None:
    """Until the commit nobody else takes or cancels the names that these take or cancel."""
    names = {(one.source, one.name) for arrival in arrivals for one in arrival.cancellations}
    for arrival in arrivals:
        names |= {(one.command.source, one.command.name) for one in arrival.commands if one.command.name is not None}
    # Few locks for many names: a server has no room for one each.
    if locks := {_NAMES + digest(octets(f"{source}/{name}"))[0] for source, name in names}:
        await run(db, _LOCK, [sorted(locks)])


async def cancel(db: Connection, cancellation: Cancellation, now: datetime, *, of: str) -> None:
    """Withdraw what waits under a name. ``of`` is the webhook that says so: a later one's command stays."""
    name = (cancellation.source, digest(octets(cancellation.name)))
    holder = await _holder(db, name)
    if holder is None or is_later(holder, of):
        return
    await _withdraw(db, holder, f"cancelled by rule '{cancellation.rule}'", now)
    await run(db, _UNNAME, name)


class Names:
    """The names of a group of commands, taken in the order of translation. ``claims`` are the group's once keys."""

    def __init__(self, db: Connection, claims: OnceClaims) -> None:
        self._db = db
        self._claims = claims
        self._here: dict[tuple[str, str], int] = {}
        """Who of this group, by position, has a name; none of them is in the table yet."""

    async def settled(self, one: Command, so_far: list[Command]) -> Command:
        """``one`` with its name, what waits under it replaced; or cancelled itself, where a later webhook's command has
        the name: an old webhook that is translated again must not undo what came after it."""
        if one.name is None or one.state not in (CommandState.WAITING, CommandState.PENDING):
            return one
        name = (one.source, digest(octets(one.name)))
        holder = await _holder(self._db, name)
        if is_later(holder, one.webhook_id):
            self._claims.give_back(one)
            return cancelled(one, taken_later(one))
        reason = replaced_by(one)
        earlier = self._here.get((one.source, one.name))
        if earlier is not None:
            self._claims.give_back(so_far[earlier])
            so_far[earlier] = cancelled(so_far[earlier], reason)
        if holder is None:
            if not await touched(self._db, _NAME, (*name, one.id)):
                raise Met
        elif holder != one.id:
            await _withdraw(self._db, holder, reason, one.created_at)
            await run(self._db, _RENAME, (one.id, *name))
        self._here[one.source, one.name] = len(so_far)
        return one


async def _named_now(db: Connection, source: str, name: str) -> str | None:
    """The command that took a name last, without keeping it: who is about to take it may do so."""
    found = await fetch_one(db, _HOLDER_NOW, (source, digest(octets(name))))
    return None if found is None else found[0]


async def _holder(db: Connection, name: tuple[str, bytes]) -> str | None:
    """The command that took a name last. The name is ours until the commit."""
    found = await fetch_one(db, _HOLDER, name)
    return None if found is None else found[0]


async def _withdraw(db: Connection, id: str, reason: str, now: datetime) -> None:
    found = await fetch_one(db, _NAMED, (id,))
    if found is None:
        return
    seq, *row = found
    withdrawn = ended_as(command(row), CommandState.CANCELLED, reason, now)
    await finish(db, [ending_row(seq, withdrawn)])
    await give_back(db, [withdrawn.id])
    await hold(db, [(withdrawn.id, CommandState.CANCELLED, reason)])
    await move_up(db, [line_of(withdrawn)], micros(now))


async def sendable(
    db: Connection, due: Sequence[tuple[int, Command]], now: datetime, *, gap: timedelta
) -> tuple[list[tuple[int, Command]], list[Command]]:
    """Those of what is due that may leave now, and those that end instead; the rest waits for the morning."""
    allowed: list[tuple[int, Command]] = []
    sleeping: list[Row] = []
    over: list[Row] = []
    left: list[Line] = []
    suppressed: list[Command] = []
    let_go: list[Command] = []
    limits = {_lock_of(one.limit) for _, one in due if one.limit is not None}
    if limits:
        await run(db, _LOCK, [sorted(limits)])
    for seq, one in due:
        wakes = None if one.quiet is None else one.quiet.ends_at(now)
        if wakes is not None:
            sleeping.append((seq, micros(wakes), octets(QUIET)))
            left.append(line_of(one))
        elif (said := await needless_of(db, one, now)) is not None:
            not_sent, accepted_at = said
            over.append(ending_row(seq, not_sent))
            left.append(line_of(one))
            let_go.append(not_sent)
            await release(db, [one.id], micros(accepted_at + gap))
        elif (
            one.name is not None and (reason := overtaken(one, await _named_now(db, one.source, one.name))) is not None
        ):
            suppressed.append(ended_as(one, CommandState.CANCELLED, reason, now))
            over.append(ending_row(seq, suppressed[-1]))
            left.append(line_of(one))
        elif one.limit is not None and (reason := await _over(db, one.limit, one.id, now)) is not None:
            suppressed.append(ended_as(one, CommandState.SUPPRESSED, reason, now))
            over.append(ending_row(seq, suppressed[-1]))
            left.append(line_of(one))
        else:
            allowed.append((seq, one))
    await write(db, _QUIET, sleeping)
    if over:
        await finish(db, over)
        # What waits for a needless identify was let go; what waits for another is held.
        await give_back(db, [one.id for one in suppressed])
        await hold(db, [(one.id, one.state, one.reason) for one in suppressed])
    await move_up(db, left, micros(now))
    return allowed, suppressed + let_go


def _key(limit: Limit) -> tuple[str, bytes]:
    return limit.scope, digest(octets(limit.key))


def _lock_of(limit: Limit) -> int:
    """The number of an advisory lock."""
    scope, key = _key(limit)
    return int.from_bytes(digest(scope.encode() + key)[:8], signed=True)


async def _over(db: Connection, limit: Limit, id: str, now: datetime) -> str | None:
    """Count a use of the command's limit; or why there is none left."""
    key, within = _key(limit), limit.within * 1_000_000
    await run(db, _FORGET_USES, (*key, micros(now) - within))
    found = await fetch_one(db, _USED, (*key, id))
    used = 0 if found is None else found[0]
    if used >= limit.at_most:
        return over_limit(limit, used)
    await run(db, _USE, (*key, id, micros(now), micros(now) + within))
    return None
