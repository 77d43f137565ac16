"""What is paused: written down for all gateways, and honoured in every claim.

A paused destination is not claimed from at all. The commands of a paused source or rule step out of their customers'
lines when they come to the head, so that others behind them go on: they are ``waiting``, ``blocked_by`` the pause, and
join their lines again once it has ended. Both happen bit by bit, within claims, so that pausing costs the same with a
million commands as with ten.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from gateway.store import Foreseen, Pause, PauseScope
from gateway.store.line import Line
from gateway.store.paused import AT_ONCE, Standing, pause_of, pause_row
from gateway.store.postgres.line import join, move_up
from gateway.store.postgres.statements import Connection, fetch, fetch_each, fetch_one, run, sql, touched, write
from gateway.store.rows import Row, micros, octets

_PAUSE = """
INSERT INTO pauses (scope, name, automatic, since, by, reason) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (scope, name, automatic) DO UPDATE SET by = excluded.by, reason = excluded.reason
"""
_RESUME = "DELETE FROM pauses WHERE scope = %s AND name = %s AND automatic >= %s"
_PAUSES = 'SELECT scope, name, automatic, since, by, reason FROM pauses ORDER BY scope, name COLLATE "C", automatic'

# One row: the pauses of persons as keys, and the keys by which commands are kept out of their lines. '0' follows '/'.
_STANDING = """
WITH RECURSIVE parked (key) AS (
    (SELECT blocked_by FROM commands_open WHERE blocked_by >= 'paused/' AND blocked_by < 'paused0'
     ORDER BY blocked_by LIMIT 1)
    UNION ALL
    SELECT (SELECT c.blocked_by FROM commands_open AS c WHERE c.blocked_by > parked.key AND c.blocked_by < 'paused0'
            ORDER BY c.blocked_by LIMIT 1)
    FROM parked WHERE parked.key IS NOT NULL)
SELECT ARRAY(SELECT 'paused/' || scope || '/' || name FROM pauses WHERE NOT automatic),
       ARRAY(SELECT key FROM parked WHERE key IS NOT NULL)
"""
_HEADS = """
SELECT seq, user_id FROM commands_open
WHERE state = 'pending' AND head AND destination = %s AND priority = %s AND source = %s AND rule = %s LIMIT %s
FOR NO KEY UPDATE SKIP LOCKED
"""
_PARK = sql("""
UPDATE commands_open AS c SET state = 'waiting', head = false, blocked_by = v.key, reason = v.reason
FROM {v: seq bigint, key text, reason bytea} WHERE c.seq = ANY(ARRAY[v.seq])
""")
_PARKED = """
SELECT seq, user_id FROM commands_open WHERE blocked_by = %s AND destination = %s LIMIT %s
FOR NO KEY UPDATE SKIP LOCKED
"""
_UNPARK = "UPDATE commands_open SET blocked_by = NULL, reason = NULL WHERE seq = ANY(%b::bigint[])"
_ONE_PARKED = "SELECT due_at FROM commands_open WHERE blocked_by = %s AND destination = %s LIMIT 1"

# A person's question: it may look at everything. What waits for a pause was due when it came to the head of its line.
_FORESEE = """
SELECT source, rule, command, count(*) FILTER (WHERE NOT late AND ready), count(*) FILTER (WHERE late),
    count(*) FILTER (WHERE NOT late AND NOT ready)
FROM (
    SELECT source, rule, command, coalesce(expires_at <= %(now)s, FALSE) AS late,
        coalesce(due_at, 0) <= %(now)s AND (blocked_by IS NULL OR blocked_by LIKE 'paused/%%') AS ready
    FROM commands_open WHERE state IN ('pending', 'waiting') AND {which}) AS foreseen
GROUP BY source, rule, command ORDER BY source COLLATE "C", rule COLLATE "C", command COLLATE "C"
"""
_WHICH = {
    PauseScope.DESTINATION: "destination = %(name)s",
    PauseScope.SOURCE: "source = %(name)s",
    PauseScope.RULE: "source || '/' || rule = %(name)s",
}


async def pause(db: Connection, one: Pause) -> None:
    await run(db, _PAUSE, pause_row(one))


async def resume(db: Connection, asked: tuple[PauseScope, str, bool]) -> bool:
    scope, name, automatic = asked
    return await touched(db, _RESUME, (scope.value, name, automatic)) > 0


async def list_pauses(db: Connection) -> list[Pause]:
    return [pause_of(row) for row in await fetch(db, _PAUSES)]


async def foresee(db: Connection, scope: PauseScope, name: str, now: datetime) -> list[Foreseen]:
    query = _FORESEE.replace("{which}", _WHICH[scope])
    return [
        Foreseen(source=source, rule=rule, command=command, go=go, expire=expire, later=later)
        for source, rule, command, go, expire, later in await fetch(db, query, {"now": micros(now), "name": name})
    ]


async def standing(db: Connection) -> Standing:
    """What is paused now."""
    row = await fetch_one(db, _STANDING)
    assert row is not None
    return Standing(paused=frozenset(row[0]), parked=tuple(row[1]))


async def step_out(
    db: Connection, destination: str, queues: Collection[tuple[int, str, str, str, str]], now: int
) -> None:
    """Take the heads of paused queues out of their lines: (priority, source, rule, the pause's key, why)."""
    rows: list[Row] = []
    lines: list[Line] = []
    for priority, source, rule, key, why in queues:
        heads = await fetch(db, _HEADS, (destination, priority, source, rule, AT_ONCE - len(rows)))
        rows += [(seq, key, octets(why)) for seq, _ in heads]
        lines += [(destination, user_id) for _, user_id in heads]
    await write(db, _PARK, rows)
    await move_up(db, lines, now)


async def join_again(db: Connection, destination: str, keys: Sequence[str], now: int) -> None:
    """Let those join their lines again that waited for pauses that are over."""
    found: list[Row] = []
    for key in keys:
        found += await fetch(db, _PARKED, (key, destination, AT_ONCE - len(found)))
    if found:
        await run(db, _UNPARK, [[seq for seq, _ in found]])
        await join(db, destination, found, now)


async def due_again(db: Connection, destination: str, keys: Sequence[str]) -> list[int]:
    """When those were due that :func:`join_again` would let join: one for each pause that is over."""
    found = await fetch_each(db, [(_ONE_PARKED, (key, destination)) for key in keys])
    return [due_at for rows in found for (due_at,) in rows]
