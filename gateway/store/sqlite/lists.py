"""Lists of webhooks and commands, newest first, and the questions with one answer. All run on a reading connection."""

from __future__ import annotations

import sqlite3

import msgspec

from gateway.errors import NotFound
from gateway.model import FINAL_STATES, Attempt, Command, CommandState, Webhook, WebhookState
from gateway.store import CommandFilter, Page, WebhookFilter
from gateway.store.conditions import on_commands, read_cursor
from gateway.store.rows import (
    ATTEMPT_COLUMNS,
    COMMAND_COLUMNS,
    WEBHOOK_COLUMNS,
    attempt,
    command,
    octets,
    webhook,
)
from gateway.store.sqlite import quarantine
from gateway.store.sqlite.conditions import Conditions, read_page

_WEBHOOK = "SELECT {columns} FROM webhooks WHERE id = ?".replace("{columns}", WEBHOOK_COLUMNS)
_BATCH = "SELECT body FROM batches WHERE id = ?"
_WEBHOOKS = """
SELECT seq, {columns} FROM webhooks WHERE {conditions} ORDER BY seq DESC LIMIT ?
""".replace("{columns}", WEBHOOK_COLUMNS)
_WALK = _WEBHOOKS.replace("seq DESC", "seq")
_COMMAND = "SELECT {columns}, body FROM commands JOIN bodies ON command_seq = seq WHERE id = ?".replace(
    "{columns}", COMMAND_COLUMNS
)
_COMMANDS = """
SELECT seq, {columns}, body FROM commands JOIN bodies ON command_seq = seq
WHERE {conditions} ORDER BY seq DESC LIMIT ?
""".replace("{columns}", COMMAND_COLUMNS)
_OF_WEBHOOK = "EXISTS (SELECT 1 FROM webhooks AS w WHERE w.id = webhook_id AND "
_ATTEMPTS = """
SELECT {columns} FROM attempts WHERE command_seq = (SELECT seq FROM commands WHERE id = ?) ORDER BY number, at
""".replace("{columns}", ATTEMPT_COLUMNS)
# Each row from a partial index that holds unfinished commands only.
_BACKLOG = """
SELECT destination, 'pending', count(*) FROM commands INDEXED BY claimable
    WHERE state = 'pending' AND head = 1 GROUP BY destination
UNION ALL SELECT destination, 'pending', count(*) FROM commands INDEXED BY line_behind
    WHERE state = 'pending' AND head = 0 GROUP BY destination
UNION ALL SELECT destination, 'waiting', count(*) FROM commands INDEXED BY waiting_for_time
    WHERE state = 'waiting' AND blocked_by IS NULL GROUP BY destination
UNION ALL SELECT destination, 'waiting', count(*) FROM commands INDEXED BY waiting_for_identify
    WHERE blocked_by IS NOT NULL GROUP BY destination
UNION ALL SELECT destination, 'delivering', count(*) FROM commands INDEXED BY in_flight
    WHERE state = 'delivering' GROUP BY destination
UNION ALL SELECT destination, 'unknown', count(*) FROM commands INDEXED BY lookups
    WHERE state = 'unknown' GROUP BY destination
UNION ALL SELECT destination, 'held', count(*) FROM commands INDEXED BY held_for_a_person
    WHERE state = 'held' GROUP BY destination
"""

# From destination to destination, one look into each index. Whoever stands in a line stands behind its head.
_NEXT_UNFINISHED = """
SELECT min(destination) FROM (
    SELECT min(destination) AS destination FROM commands INDEXED BY line_head WHERE head = 1 AND destination > :after
    UNION ALL SELECT min(destination) FROM commands INDEXED BY waiting_for_time
        WHERE state = 'waiting' AND blocked_by IS NULL AND destination > :after
    UNION ALL SELECT min(destination) FROM commands INDEXED BY held_for_a_person
        WHERE state = 'held' AND destination > :after)
"""
# What waits for the end of a pause. What waits for an identify goes to where that goes, which is unfinished too.
_NEXT_PAUSED = """
SELECT blocked_by, destination FROM commands INDEXED BY waiting_for_identify
WHERE (blocked_by, destination) > (?, ?) AND blocked_by >= 'paused/' AND blocked_by < 'paused0'
ORDER BY blocked_by, destination LIMIT 1
"""


def find_webhook(db: sqlite3.Connection, id: str) -> Webhook:
    row = db.execute(_WEBHOOK, (id,)).fetchone()
    if row is None:
        if (kept := quarantine.find_webhook(db, id)) is not None:
            return kept
        raise NotFound(f"webhook {id}: no such webhook")
    found = webhook(row)
    batch = None if found.batch_id is None else db.execute(_BATCH, (found.batch_id,)).fetchone()
    return found if batch is None else msgspec.structs.replace(found, batch=batch[0])


def find_command(db: sqlite3.Connection, id: str) -> Command:
    row = db.execute(_COMMAND, (id,)).fetchone()
    if row is None:
        raise NotFound(f"command {id}: no such command")
    return command(row)


def list_attempts(db: sqlite3.Connection, command_id: str) -> list[Attempt]:
    return [attempt(row) for row in db.execute(_ATTEMPTS, (command_id,)).fetchall()]


def list_webhooks(db: sqlite3.Connection, filter: WebhookFilter, *, limit: int, cursor: str | None) -> Page[Webhook]:
    if filter.state is WebhookState.QUARANTINED:
        return quarantine.list_webhooks(db, filter, limit=limit, cursor=cursor)
    return read_page(db, _WEBHOOKS, webhook_conditions(filter), webhook, limit=limit, cursor=cursor)


def walk_webhooks(
    db: sqlite3.Connection, filter: WebhookFilter, *, limit: int, after: str | None
) -> list[tuple[str, Webhook]]:
    where = webhook_conditions(filter)
    if after is not None:
        where.add("seq > ?", read_cursor(after))
    rows = db.execute(_WALK.replace("{conditions}", str(where)), [*where.parameters, limit]).fetchall()
    return [(str(row[0]), webhook(row[1:])) for row in rows]


def count(db: sqlite3.Connection, filter: WebhookFilter | CommandFilter) -> int:
    """How many rows a list has."""
    table, where = rows_of(filter)
    query = f"SELECT count(*) FROM {table} WHERE {where}"  # noqa: S608 - made of our own words; values are parameters
    (found,) = db.execute(query, where.parameters).fetchone()
    return int(found)


def rows_of(filter: WebhookFilter | CommandFilter) -> tuple[str, Conditions]:
    """The table that a list's rows stand in, and which of them it has: with bodies only where those are searched."""
    if isinstance(filter, CommandFilter):
        table = "commands" if filter.text is None else "commands JOIN bodies ON command_seq = seq"
        return table, command_conditions(filter)
    if filter.state is WebhookState.QUARANTINED:
        return "quarantine", quarantine.conditions(filter)
    return "webhooks", webhook_conditions(filter)


def webhook_conditions(filter: WebhookFilter) -> Conditions:
    where = Conditions()
    where.equal("source", filter.source)
    if filter.state is not None:
        where.literal("state", filter.state.value)
    if filter.errors is not None:
        where.add("errors IS NOT NULL" if filter.errors else "errors IS NULL")
    where.equal("event_type", None if filter.event_type is None else octets(filter.event_type))
    where.equal("rules_version", filter.rules_version)
    if filter.rule is not None:
        where.add("EXISTS (SELECT 1 FROM json_each(CAST(matched AS TEXT)) AS rule WHERE rule.value = ?)", filter.rule)
    if filter.user is not None:
        where.add(
            "EXISTS (SELECT 1 FROM commands AS c WHERE c.webhook_id = webhooks.id AND c.user_id = ?)",
            octets(filter.user),
        )
    where.received(filter.since, filter.until)
    where.holds(filter.text, "body", "dedup_key")
    if filter.command_state is not None:
        where.add(
            "EXISTS (SELECT 1 FROM commands AS c WHERE c.webhook_id = webhooks.id AND c.state = ?)",
            filter.command_state.value,
        )
    return where


def list_commands(db: sqlite3.Connection, filter: CommandFilter, *, limit: int, cursor: str | None) -> Page[Command]:
    return read_page(db, _COMMANDS, command_conditions(filter), command, limit=limit, cursor=cursor)


def command_conditions(filter: CommandFilter) -> Conditions:
    where = Conditions()
    if filter.state is not None:
        where.literal("state", filter.state.value)
    where.equal("user_id", None if filter.user is None else octets(filter.user))
    on_commands(where, filter)
    if filter.event_type is not None:
        where.add(_OF_WEBHOOK + "w.event_type = ?)", octets(filter.event_type))
    if filter.rules_version is not None:
        where.add(_OF_WEBHOOK + "w.rules_version = ?)", filter.rules_version)
    return where


def unfinished(db: sqlite3.Connection) -> frozenset[str]:
    """The destinations that have commands which are not in :data:`FINAL_STATES`."""
    found: set[str] = set()
    after = ""
    while (after := db.execute(_NEXT_UNFINISHED, {"after": after}).fetchone()[0]) is not None:
        found.add(after)
    place = ("", "")
    while (place := db.execute(_NEXT_PAUSED, place).fetchone()) is not None:
        found.add(place[1])
    return frozenset(found)


def count_backlog(db: sqlite3.Connection) -> dict[str, dict[CommandState, int]]:
    """How many commands each destination has that are not in :data:`FINAL_STATES`."""
    backlog: dict[str, dict[CommandState, int]] = {}
    for destination, word, count in db.execute(_BACKLOG).fetchall():
        state = CommandState(word)
        assert state not in FINAL_STATES
        states = backlog.setdefault(destination, {})
        states[state] = states.get(state, 0) + count
    return backlog
