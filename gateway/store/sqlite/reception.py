"""Writing webhooks with their commands and dedup keys: a whole group in a handful of statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import timedelta

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
from gateway.store.rows import (
    COMMAND_COLUMNS,
    COMMAND_FILLED,
    WEBHOOK_COLUMNS,
    WEBHOOK_FILLED,
    Row,
    maybe_moment,
    maybe_text,
    moment,
)
from gateway.store.sqlite.line import without_head
from gateway.store.sqlite.terms import Names, cancel, claim_once, once_claims
from gateway.store.sqlite.values import ask, write
from gateway.store.sqlite.versions import count

_CLAIMED_KEYS = """
SELECT json_group_array(json_array(v.column1, d.webhook_id, d.expires_at))
FROM {values} AS v CROSS JOIN dedup AS d ON d.source = v.column2 AND d.key = v.column3
"""
_CLAIM_KEYS = """
INSERT OR REPLACE INTO dedup (source, key, webhook_id, expires_at)
SELECT * FROM {values} WHERE column1 IS NOT NULL
"""
_COUNT_REPEATS = """
UPDATE webhooks SET repeats = repeats + v.column2 FROM {values} AS v WHERE id = v.column1
"""
_INSERT_WEBHOOKS = """
INSERT INTO webhooks ({columns}) SELECT * FROM {values} WHERE column1 IS NOT NULL
""".replace("{columns}", WEBHOOK_COLUMNS)
_KEEP_BATCH = "INSERT INTO batches (id, body) VALUES (?, ?) ON CONFLICT (id) DO NOTHING"
_LAST_SEQ = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'commands'), 0)"
_INSERT_COMMANDS = """
INSERT INTO commands (seq, head, {columns}, blocked_by) SELECT * FROM {values} WHERE column1 IS NOT NULL
""".replace("{columns}", COMMAND_COLUMNS)
_INSERT_BODIES = "INSERT INTO bodies (command_seq, body) SELECT * FROM {values} WHERE column1 IS NOT NULL"
_IDENTIFY = "SELECT state, reason, finished_at FROM commands WHERE id = ?"


def write_arrivals(db: sqlite3.Connection, arrivals: Sequence[Arrival], *, gap: timedelta) -> list[Receipt]:
    """Write what is new, count what is not."""
    claimed: dict[Key, tuple[str, int | None]] = {}
    if keys := keys_of(arrivals):
        for number, webhook_id, expires_at in ask(db, _CLAIMED_KEYS, [(n, *key) for n, key in enumerate(keys)]):
            claimed[keys[number]] = (webhook_id, expires_at)
    found = sort_out(arrivals, claimed)
    fresh = found.fresh
    ended: list[Command] = []
    if fresh:
        write(db, _INSERT_WEBHOOKS, [arrival.webhook for arrival in fresh], filled=WEBHOOK_FILLED)
        for batch in {arrival.batch[0]: arrival.batch for arrival in fresh if arrival.batch is not None}.values():
            db.execute(_KEEP_BATCH, batch)
        if met := [arrival.met for arrival in fresh if arrival.met is not None]:
            count(db, met)
        for group in in_order(fresh):
            for arrival in group:
                for cancellation in arrival.cancellations:
                    cancel(db, cancellation, moment(arrival.received_at), of=arrival.webhook_id)
            commands = [planned for arrival in group for planned in arrival.commands]
            beside = {planned.command.id: planned.state for planned in commands}
            ended += insert_commands(db, commands, beside=beside, gap=gap)
    if found.claiming:
        write(db, _CLAIM_KEYS, list(found.claiming.values()))
    if found.repeats:
        write(db, _COUNT_REPEATS, list(found.repeats.items()))
    return with_ended(found.receipts, ended)


def insert_commands(
    db: sqlite3.Connection, commands: Sequence[Planned], *, beside: Mapping[str, CommandState], gap: timedelta
) -> list[Command]:
    """Insert commands in their order, each at its place in its customer's line.

    ``beside`` are those that are written in the same transaction, by id.

    :return: those that will never leave, as they were written.
    """
    if not commands:
        return []
    commands = governed(db, commands)
    lines = list(dict.fromkeys(planned.line for planned in commands if planned.line is not None))
    free = without_head(db, lines) if lines else set()
    (seq,) = db.execute(_LAST_SEQ).fetchone()
    rows: list[Row] = []
    bodies: list[Row] = []
    for planned in commands:
        seq += 1
        if planned.blocked_by is not None and beside.get(planned.blocked_by) not in UNDECIDED:
            planned = after_identify(db, planned, beside=beside, gap=gap)
        head = planned.line in free
        if head and planned.line is not None:
            free.remove(planned.line)
        rows.append((seq, int(head), *planned.row, planned.blocked_by))
        bodies.append((seq, planned.command.body))
    write(db, _INSERT_COMMANDS, rows, filled=2 + COMMAND_FILLED)
    write(db, _INSERT_BODIES, bodies)
    return [planned.command for planned in commands if planned.state in FINAL_STATES]


def governed(db: sqlite3.Connection, commands: Sequence[Planned]) -> Sequence[Planned]:
    """The commands as once and names let them be."""
    if all(planned.command.once is None and planned.command.name is None for planned in commands):
        return commands
    claims = once_claims(db, [planned.command for planned in commands])
    names = Names(db, claims)
    settled: list[Command] = []
    for planned in commands:
        settled.append(names.settled(claims.settled(planned.command), settled))
    claim_once(db, claims)
    return replanned(commands, settled)


def after_identify(
    db: sqlite3.Connection, planned: Planned, *, beside: Mapping[str, CommandState], gap: timedelta
) -> Planned:
    """``planned`` as its identify lets it be: waiting for it, for the gap behind it only, or held."""
    id = planned.command.after or ""
    state = beside.get(id)
    identify = find_identify(db, id) if state is None else Identify(state=state)
    return behind_identify(planned, identify, gap=gap)


def find_identify(db: sqlite3.Connection, id: str) -> Identify | None:
    """An identify as it stands in the table."""
    found = db.execute(_IDENTIFY, (id,)).fetchone()
    if found is None:
        return None
    state, reason, finished_at = found
    return Identify(state=CommandState(state), reason=maybe_text(reason), finished_at=maybe_moment(finished_at))
