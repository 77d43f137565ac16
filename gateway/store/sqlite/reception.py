"""Writing webhooks with their commands and dedup keys: a whole group in a handful of statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

import msgspec

from gateway.model import FINAL_STATES, Command, CommandState, WebhookState
from gateway.store import Receipt, Reception
from gateway.store.sqlite import fetched
from gateway.store.sqlite.line import Line, held_because, without_head
from gateway.store.sqlite.rows import (
    COMMAND_COLUMNS,
    DESTINATION,
    USER_ID,
    WEBHOOK_COLUMNS,
    command_row,
    maybe_micros,
    maybe_text,
    micros,
    moment,
    octets,
    webhook_row,
)
from gateway.store.sqlite.terms import Names, OnceClaims, cancel
from gateway.store.sqlite.values import Row, ask, write
from gateway.store.sqlite.versions import Met, count
from gateway.terms import Cancellation

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
INSERT INTO commands (seq, head, blocked_by, {columns}) SELECT * FROM {values} WHERE column1 IS NOT NULL
""".replace("{columns}", COMMAND_COLUMNS)
_INSERT_BODIES = "INSERT INTO bodies (command_seq, body) SELECT * FROM {values} WHERE column1 IS NOT NULL"
_IDENTIFY = "SELECT state, reason, finished_at FROM commands WHERE id = ?"

UNDECIDED = frozenset(CommandState) - FINAL_STATES - {CommandState.HELD}
"""The states of an identify that may still be accepted."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A reception as rows, made before it is queued: what can't be written fails where it came from."""

    webhook_id: str
    key: tuple[str, bytes] | None
    """Source and dedup key, where it has one."""
    received_at: int
    until: int | None
    webhook: Row
    batch: Row | None
    """The body around it, where it is one element of a batch and rules read that."""
    commands: tuple[Planned, ...]
    cancellations: tuple[Cancellation, ...]
    met: Met | None
    """What it counts for; None where that is not known before something is fetched."""
    fetching: Row | None
    """What was fetched."""
    size: int
    """Bytes, roughly."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A command as it is to be written."""

    command: Command
    state: CommandState
    line: Line | None
    """Where it joins, if it does at once."""
    blocked_by: str | None
    """The identify that it waits for."""
    row: Row


def arrival_of(reception: Reception) -> Arrival:
    webhook = reception.webhook
    return Arrival(
        webhook_id=webhook.id,
        key=None if webhook.dedup_key is None else (webhook.source, octets(webhook.dedup_key)),
        received_at=micros(webhook.received_at),
        until=maybe_micros(reception.dedup_until),
        webhook=webhook_row(webhook),
        batch=None if webhook.batch is None else (webhook.batch_id, webhook.batch),
        commands=tuple(map(plan, reception.commands)),
        cancellations=reception.cancellations,
        met=None
        if webhook.state is WebhookState.FETCHING
        else (webhook.rules_version, webhook.source, webhook.matched),
        fetching=None if reception.fetching is None else fetched.row_of(webhook.id, reception.fetching),
        size=1024 + len(webhook.body) + sum(512 + len(command.body) for command in reception.commands),
    )


def plan(command: Command) -> Planned:
    """What ``command`` is in the table, if the identify that it names has still to be accepted."""
    state = command.state
    due_at = None
    if state is CommandState.WAITING:
        due_at = max(filter(None, (command.due_at, command.not_before)), default=None)
        if due_at is None and command.after is None:
            due_at = command.created_at
    elif state is CommandState.PENDING:
        due_at = command.due_at or command.created_at
    elif state in (CommandState.DELIVERING, CommandState.UNKNOWN):
        raise ValueError(f"command {command.id}: can't begin as {state.value}: nobody has claimed it")
    row = command_row(command, due_at=due_at)
    return Planned(
        command=command,
        state=state,
        line=(row[DESTINATION], row[USER_ID]) if state is CommandState.PENDING else None,
        blocked_by=command.after if state is CommandState.WAITING else None,
        row=row,
    )


def write_arrivals(db: sqlite3.Connection, arrivals: Sequence[Arrival], *, gap: timedelta) -> list[Receipt]:
    """Write what is new, count what is not."""
    keyed = [arrival for arrival in arrivals if arrival.key is not None]
    claimed: dict[tuple[str, bytes], tuple[str, int | None]] = {}
    if keyed:
        keys = list(dict.fromkeys(arrival.key for arrival in keyed if arrival.key is not None))
        for number, webhook_id, expires_at in ask(db, _CLAIMED_KEYS, [(n, *key) for n, key in enumerate(keys)]):
            claimed[keys[number]] = (webhook_id, expires_at)
    receipts: list[Receipt] = []
    ended: list[Command] = []
    fresh: list[Arrival] = []
    repeats: dict[str, int] = {}
    claiming: dict[tuple[str, bytes], Row] = {}
    for arrival in arrivals:
        if arrival.key is not None:
            first = claimed.get(arrival.key)
            if first is not None and (first[1] is None or first[1] > arrival.received_at):
                repeats[first[0]] = repeats.get(first[0], 0) + 1
                receipts.append(Receipt(first[0], duplicate=True))
                continue
            claimed[arrival.key] = (arrival.webhook_id, arrival.until)
            claiming[arrival.key] = (*arrival.key, arrival.webhook_id, arrival.until)
        fresh.append(arrival)
        receipts.append(Receipt(arrival.webhook_id))
    if fresh:
        write(db, _INSERT_WEBHOOKS, [arrival.webhook for arrival in fresh])
        for batch in {arrival.batch[0]: arrival.batch for arrival in fresh if arrival.batch is not None}.values():
            db.execute(_KEEP_BATCH, batch)
        if met := [arrival.met for arrival in fresh if arrival.met is not None]:
            count(db, met)
        for group in _in_order(fresh):
            for arrival in group:
                for cancellation in arrival.cancellations:
                    cancel(db, cancellation, moment(arrival.received_at), of=arrival.webhook_id)
            commands = [planned for arrival in group for planned in arrival.commands]
            beside = {planned.command.id: planned.state for planned in commands}
            ended += insert_commands(db, commands, beside=beside, gap=gap)
    if claiming:
        write(db, _CLAIM_KEYS, list(claiming.values()))
    if repeats:
        write(db, _COUNT_REPEATS, list(repeats.items()))
    return _with_ended(receipts, ended) if ended else receipts


def _with_ended(receipts: Sequence[Receipt], ended: Sequence[Command]) -> list[Receipt]:
    """The receipts, each with those of its commands that will never leave."""
    by_webhook: dict[str, tuple[Command, ...]] = {}
    for one in ended:
        by_webhook[one.webhook_id] = (*by_webhook.get(one.webhook_id, ()), one)
    return [
        receipt if receipt.duplicate else Receipt(receipt.webhook_id, ended=by_webhook.get(receipt.webhook_id, ()))
        for receipt in receipts
    ]


def _in_order(arrivals: list[Arrival]) -> Iterator[list[Arrival]]:
    """Groups that may be written at once: whoever names or cancels comes after all before it, and alone."""
    group: list[Arrival] = []
    for arrival in arrivals:
        if arrival.cancellations or any(planned.command.name is not None for planned in arrival.commands):
            if group:
                yield group
            yield [arrival]
            group = []
        else:
            group.append(arrival)
    if group:
        yield group


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
        rows.append((seq, int(head), planned.blocked_by, *planned.row))
        bodies.append((seq, planned.command.body))
    write(db, _INSERT_COMMANDS, rows)
    write(db, _INSERT_BODIES, bodies)
    return [planned.command for planned in commands if planned.state in FINAL_STATES]


def governed(db: sqlite3.Connection, commands: Sequence[Planned]) -> Sequence[Planned]:
    """The commands as once and names let them be."""
    if all(planned.command.once is None and planned.command.name is None for planned in commands):
        return commands
    claims = OnceClaims(db, (planned.command for planned in commands))
    names = Names(db, claims)
    settled: list[Command] = []
    for planned in commands:
        settled.append(names.settled(claims.settled(planned.command), settled))
    claims.write()
    return [planned if one is planned.command else plan(one) for planned, one in zip(commands, settled, strict=True)]


def after_identify(
    db: sqlite3.Connection, planned: Planned, *, beside: Mapping[str, CommandState], gap: timedelta
) -> Planned:
    """``planned`` as its identify lets it be: waiting for it, for the gap behind it only, or held."""
    command = planned.command
    state = beside.get(command.after or "")
    reason = finished_at = None
    if state is None:
        found = db.execute(_IDENTIFY, (command.after,)).fetchone()
        if found is None:
            return _held(command, f"its identify {command.after} is not in the store")
        state, reason, finished_at = CommandState(found[0]), maybe_text(found[1]), found[2]
    if state in UNDECIDED:
        return planned
    if state is not CommandState.DELIVERED:
        return _held(command, held_because(state, reason))
    free_at = command.created_at if finished_at is None else moment(finished_at) + gap
    freed = plan(msgspec.structs.replace(command, due_at=max(free_at, command.due_at or free_at)))
    return msgspec.structs.replace(freed, blocked_by=None)


def _held(command: Command, reason: str) -> Planned:
    return plan(msgspec.structs.replace(command, state=CommandState.HELD, reason=reason))
