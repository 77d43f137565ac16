"""Writing webhooks with their commands and dedup keys: a whole group in a handful of statements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

from gateway.model import FINAL_STATES, Command, CommandState
from gateway.store import Receipt
from gateway.store.arrivals import (
    UNDECIDED,
    Arrival,
    Identify,
    Key,
    Planned,
    behind_identify,
    in_order,
    keys_of,
    replanned,
    sort_out,
    with_ended,
)
from gateway.store.line import Line
from gateway.store.postgres.errors import Met
from gateway.store.postgres.line import TAKEN, in_lines
from gateway.store.postgres.rows import OPEN, command_row, day_of, digest
from gateway.store.postgres.statements import Connection, ask, columns_of, fetch_each, fetch_one, run, sql, write
from gateway.store.postgres.terms import Names, cancel, claim_once, lock_names, once_claims
from gateway.store.postgres.versions import count
from gateway.store.rows import Row, maybe_moment, maybe_text, moment

_CLAIMED_KEYS = sql("""
SELECT v.number, d.webhook_id, d.expires_at, d.part
FROM {v: number integer, source text, key bytea}
JOIN dedup AS d ON d.source = ANY(ARRAY[v.source]) AND d.key = ANY(ARRAY[v.key])
""")
_CLAIM_NEW = sql("""
INSERT INTO dedup (source, key, webhook_id, part, expires_at)
SELECT * FROM {v: source text, key bytea, webhook_id text, part integer, expires_at bigint} ORDER BY source, key
""")
# Only while it is still the one that was found.
_CLAIM_OVER = sql("""
UPDATE dedup AS d SET webhook_id = v.webhook_id, part = v.part, expires_at = v.expires_at
FROM {v: source text, key bytea, webhook_id text, part integer, expires_at bigint, was text}
WHERE d.source = ANY(ARRAY[v.source]) AND d.key = ANY(ARRAY[v.key]) AND d.webhook_id = v.was RETURNING 1
""")
_COUNT_REPEATS = sql("""
UPDATE webhooks AS w SET repeats = repeats + v.times
FROM {v: id text, times integer} WHERE w.part = %s AND w.id = ANY(%s::text[]) AND w.id = v.id
""")
_INSERT_WEBHOOKS = sql("""
INSERT INTO webhooks (part, seq, {webhook})
SELECT v.part, nextval('webhook_seq'), {webhook} FROM {v: part integer, {typed webhook}}
""")
_KEEP_BATCHES = sql("INSERT INTO batches (id, body) SELECT * FROM {v: id text, body bytea} ON CONFLICT (id) DO NOTHING")
_SEQS = "SELECT nextval('command_seq') FROM generate_series(1, %s)"
# In the order of the lines: two gateways that insert heads wait for one another, and not in a circle.
_INSERT_OPEN = sql("""
INSERT INTO commands_open (part, seq, day, head, blocked_by, {command}, body)
SELECT part, seq, day, head, blocked_by, {command}, body
FROM {v: part integer, seq bigint, day integer, head boolean, blocked_by text, {typed command}, body bytea}
ORDER BY head DESC, destination, sha256(user_id), seq
""")
_INSERT_FINAL = _INSERT_OPEN.replace("commands_open", "commands").split("ORDER BY", maxsplit=1)[0]
_IDENTIFY = "SELECT state, reason, finished_at FROM {table} WHERE id = %s"
# What is undecided stays so until the commit: who records its result finds those that wait for it.
_UNFINISHED_IDENTIFY = _IDENTIFY.replace("{table}", "commands_open") + " FOR SHARE"
_FINISHED_IDENTIFY = _IDENTIFY.replace("{table}", "commands") + " AND part >= 0"


Room = tuple[list[int], set[Line]]
"""Numbers of the order of translation, in order; and lines that have a head."""


async def write_arrivals(
    db: Connection, arrivals: Sequence[Arrival], *, gap: timedelta, slot: int
) -> Sequence[Receipt]:
    """Write what is new, count what is not."""
    claimed, parts, room = await _look(db, arrivals)
    found = sort_out(arrivals, claimed)
    days = {arrival.webhook_id: day_of(arrival.received_at) for arrival in found.fresh}
    await _claim_keys(db, found.claiming, {key: id for key, (id, _) in claimed.items()}, days)
    ended: list[Command] = []
    if found.fresh:
        await write(db, _INSERT_WEBHOOKS, [(days[arrival.webhook_id], *arrival.webhook) for arrival in found.fresh])
        batches = {arrival.batch[0]: arrival.batch for arrival in found.fresh if arrival.batch is not None}
        await write(db, _KEEP_BATCHES, sorted(batches.values()))
        if met := [arrival.met for arrival in found.fresh if arrival.met is not None]:
            await count(db, met, slot=slot)
        await lock_names(db, found.fresh)
        for group in in_order(found.fresh):
            for arrival in group:
                for cancellation in arrival.cancellations:
                    await cancel(db, cancellation, moment(arrival.received_at), of=arrival.webhook_id)
            commands = [planned for arrival in group for planned in arrival.commands]
            beside = {planned.command.id: planned.state for planned in commands}
            ended += await insert_commands(db, commands, beside=beside, days=days, gap=gap, room=room)
    await _count_repeats(db, found.repeats, parts | days)
    return with_ended(found.receipts, ended)


async def _look(
    db: Connection, arrivals: Sequence[Arrival]
) -> tuple[dict[Key, tuple[str, int | None]], dict[str, int], Room | None]:
    """All that a group has to know before it writes, on one way to the server and back: who has its keys and where
    those lie, and the room for its commands. The room is looked for later where somebody cancels or takes a name, for
    that moves others about in the lines."""
    keys = keys_of(arrivals)
    commands = [planned for arrival in arrivals for planned in arrival.commands]
    asked: list[Row] = [(number, source, digest(key)) for number, (source, key) in enumerate(keys)]
    queries = [(_CLAIMED_KEYS, columns_of(asked))] if keys else []
    moves = any(arrival.cancellations for arrival in arrivals) or any(one.command.name is not None for one in commands)
    looking = commands and not moves
    if looking:
        queries += room_for({one.line for one in commands if one.line is not None}, len(commands))
    rows = await fetch_each(db, queries)
    room = found_room(rows[-3:]) if looking else None
    claimed: dict[Key, tuple[str, int | None]] = {}
    parts: dict[str, int] = {}
    for number, webhook_id, expires_at, part in rows[0] if keys else ():
        claimed[keys[number]] = (webhook_id, expires_at)
        parts[webhook_id] = part
    return claimed, parts, room


async def _claim_keys(
    db: Connection, claiming: Mapping[Key, Row], holders: Mapping[Key, str], days: Mapping[str, int]
) -> None:
    """Write keys. Where another gateway has written one meanwhile, the transaction is run again."""
    new: list[Row] = []
    over: list[Row] = []
    for key, (source, name, webhook_id, until) in claiming.items():
        row = (source, digest(name), webhook_id, days[webhook_id], until)
        if key in holders:
            over.append((*row, holders[key]))
        else:
            new.append(row)
    await write(db, _CLAIM_NEW, new)
    if len(await ask(db, _CLAIM_OVER, over)) < len(over):
        raise Met


async def _count_repeats(db: Connection, repeats: Mapping[str, int], parts: Mapping[str, int]) -> None:
    by_part: dict[int, list[Row]] = {}
    for id, times in sorted(repeats.items()):
        by_part.setdefault(parts[id], []).append((id, times))
    for part, rows in sorted(by_part.items()):
        ids, counts = columns_of(rows)
        await run(db, _COUNT_REPEATS, (ids, counts, part, ids))


async def insert_commands(
    db: Connection,
    commands: Sequence[Planned],
    *,
    beside: Mapping[str, CommandState],
    days: Mapping[str, int],
    gap: timedelta,
    room: Room | None = None,
) -> list[Command]:
    """Insert commands in their order, each at its place in its customer's line.

    ``beside`` are those that are written in the same transaction, by id; ``days`` are the days of their webhooks;
    ``room`` is what :func:`found_room` made of what was asked before.

    :return: those that will never leave, as they were written.
    """
    if not commands:
        return []
    commands = await governed(db, commands)
    settled = [
        await after_identify(db, planned, beside=beside, gap=gap) if _asks(planned, beside) else planned
        for planned in commands
    ]
    lines = {planned.line for planned in settled if planned.line is not None}
    seqs, heads = room or found_room(await fetch_each(db, room_for(lines, len(settled))))
    rows: list[Row] = []
    final: list[Row] = []
    for seq, planned in zip(seqs, settled, strict=False):
        head = planned.line is not None and planned.line not in heads
        if head and planned.line is not None:
            heads.add(planned.line)
        day = days[planned.command.webhook_id]
        ends = planned.state in FINAL_STATES
        row = (day if ends else OPEN, seq, day, head, planned.blocked_by, *command_row(planned.row))
        (final if ends else rows).append((*row, planned.command.body))
    await write(db, _INSERT_OPEN, rows)
    await write(db, _INSERT_FINAL, final)
    return [planned.command for planned in settled if planned.state in FINAL_STATES]


def room_for(lines: Collection[Line], commands: int) -> list[tuple[str, Any]]:
    """What is to be asked for :func:`found_room`. The heads twice: one that left while this waited for it may have a
    successor, which only the second sees."""
    heads = (TAKEN, in_lines(lines))
    return [heads, heads, (_SEQS, (commands,))]


def found_room(rows: Sequence[Sequence[Row]]) -> Room:
    first, second, seqs = rows
    return [seq for (seq,) in seqs], {(destination, user_id) for destination, user_id in (*first, *second)}


def _asks(planned: Planned, beside: Mapping[str, CommandState]) -> bool:
    """Whether its identify has to be looked at."""
    return planned.blocked_by is not None and beside.get(planned.blocked_by) not in UNDECIDED


async def governed(db: Connection, commands: Sequence[Planned]) -> Sequence[Planned]:
    """The commands as once and names let them be."""
    if all(planned.command.once is None and planned.command.name is None for planned in commands):
        return commands
    claims = await once_claims(db, [planned.command for planned in commands])
    names = Names(db, claims)
    settled: list[Command] = []
    for planned in commands:
        settled.append(await names.settled(claims.settled(planned.command), settled))
    await claim_once(db, claims)
    return replanned(commands, settled)


async def after_identify(
    db: Connection, planned: Planned, *, beside: Mapping[str, CommandState], gap: timedelta
) -> Planned:
    """``planned`` as its identify lets it be: waiting for it, for the gap behind it only, or held."""
    id = planned.command.after or ""
    state = beside.get(id)
    identify = await find_identify(db, id) if state is None else Identify(state=state)
    return behind_identify(planned, identify, gap=gap)


async def find_identify(db: Connection, id: str) -> Identify | None:
    """An identify as it stands in the table, and stays until the commit."""
    found = await fetch_one(db, _UNFINISHED_IDENTIFY, (id,)) or await fetch_one(db, _FINISHED_IDENTIFY, (id,))
    if found is None:
        return None
    state, reason, finished_at = found
    return Identify(state=CommandState(state), reason=maybe_text(reason), finished_at=maybe_moment(finished_at))
