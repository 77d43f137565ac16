"""Lists of webhooks and commands, newest first, and the questions with one answer.

Each day's table has an index by ``seq``, and so has what is not finished; PostgreSQL merges them, and reads of each no
more than a page needs.
"""

from __future__ import annotations

import msgspec

from gateway.errors import NotFound
from gateway.model import FINAL_STATES, Attempt, Command, CommandState, Webhook, WebhookState
from gateway.store import CommandFilter, Page, WebhookFilter
from gateway.store.conditions import on_commands, read_cursor
from gateway.store.postgres import quarantine
from gateway.store.postgres.conditions import Conditions, read_page
from gateway.store.postgres.rows import OPEN, attempt, command, is_text
from gateway.store.postgres.statements import Connection, fetch, fetch_by_id, fetch_one, sql
from gateway.store.rows import dumped, octets, webhook

_WEBHOOK = sql("SELECT {webhook} FROM webhooks WHERE id = %s {here}")
_BATCH = "SELECT body FROM batches WHERE id = %s"
_WEBHOOKS = sql("SELECT seq, {webhook} FROM webhooks WHERE {conditions} ORDER BY seq DESC LIMIT %s")
_WALK = _WEBHOOKS.replace("seq DESC", "seq")
_COMMAND = sql("SELECT {command}, body FROM commands WHERE id = %s")
_COMMANDS = sql("SELECT seq, {command}, body FROM commands WHERE {conditions} ORDER BY seq DESC LIMIT %s")
_OF_WEBHOOK = "EXISTS (SELECT FROM webhooks AS w WHERE w.part = commands.day AND w.id = commands.webhook_id AND "
_OF_COMMAND = "EXISTS (SELECT FROM commands AS c WHERE c.webhook_id = webhooks.id AND "
_ATTEMPTS = sql("""
SELECT {attempt} FROM attempts
WHERE (part, command_seq) = (SELECT day, seq FROM commands WHERE id = %s LIMIT 1) ORDER BY number, at
""")
# Of the table of what is not finished, by indexes of which each holds one state.
_BACKLOG = """
SELECT destination, state, count(*) FROM commands_open
WHERE state IN ('pending', 'waiting', 'delivering', 'unknown', 'held') GROUP BY destination, state
"""

# From destination to destination, one look into each index. Whoever stands in a line stands behind its head.
_UNFINISHED = """
WITH RECURSIVE found (destination) AS (
    SELECT '' COLLATE "C"
    UNION ALL
    SELECT least(
        (SELECT c.destination FROM commands_open AS c WHERE c.head AND c.destination > found.destination
            ORDER BY c.destination LIMIT 1),
        (SELECT c.destination FROM commands_open AS c WHERE c.state = 'waiting' AND c.blocked_by IS NULL
            AND c.destination > found.destination ORDER BY c.destination LIMIT 1),
        (SELECT c.destination FROM commands_open AS c WHERE c.state = 'held' AND c.destination > found.destination
            ORDER BY c.destination LIMIT 1))
    FROM found WHERE found.destination IS NOT NULL),
parked (key, destination) AS (
    SELECT 'paused/' COLLATE "C", '' COLLATE "C"
    UNION ALL
    SELECT next.blocked_by, next.destination FROM parked CROSS JOIN LATERAL (
        SELECT c.blocked_by, c.destination FROM commands_open AS c
        WHERE (c.blocked_by, c.destination) > (parked.key, parked.destination) AND c.blocked_by < 'paused0'
        ORDER BY c.blocked_by, c.destination LIMIT 1) AS next)
SELECT destination FROM found UNION SELECT destination FROM parked
"""


async def find_webhook(db: Connection, id: str) -> Webhook:
    row = await fetch_by_id(db, _WEBHOOK, id) if is_text(id) else None
    if row is None:
        if is_text(id) and (kept := await quarantine.find_webhook(db, id)) is not None:
            return kept
        raise NotFound(f"webhook {id}: no such webhook")
    found = webhook(row)
    batch = None if found.batch_id is None else await fetch_one(db, _BATCH, (found.batch_id,))
    return found if batch is None else msgspec.structs.replace(found, batch=batch[0])


async def find_command(db: Connection, id: str) -> Command:
    row = await fetch_one(db, _COMMAND, (id,)) if is_text(id) else None
    if row is None:
        raise NotFound(f"command {id}: no such command")
    return command(row)


async def list_attempts(db: Connection, command_id: str) -> list[Attempt]:
    return [attempt(row) for row in await fetch(db, _ATTEMPTS, (command_id,))] if is_text(command_id) else []


async def list_webhooks(db: Connection, filter: WebhookFilter, *, limit: int, cursor: str | None) -> Page[Webhook]:
    if filter.state is WebhookState.QUARANTINED:
        return await quarantine.list_webhooks(db, filter, limit=limit, cursor=cursor)
    return await read_page(db, _WEBHOOKS, webhook_conditions(filter), webhook, limit=limit, cursor=cursor)


async def walk_webhooks(
    db: Connection, filter: WebhookFilter, *, limit: int, after: str | None
) -> list[tuple[str, Webhook]]:
    where = webhook_conditions(filter)
    if after is not None:
        where.add("seq > %s", read_cursor(after))
    rows = await fetch(db, _WALK.replace("{conditions}", str(where)), [*where.parameters, limit])
    return [(str(row[0]), webhook(row[1:])) for row in rows]


async def count(db: Connection, filter: WebhookFilter | CommandFilter) -> int:
    """How many rows a list has."""
    table, where = rows_of(filter)
    query = f"SELECT count(*) FROM {table} WHERE {where}"  # noqa: S608 - made of our own words; values are parameters
    found = await fetch_one(db, query, where.parameters)
    return 0 if found is None else found[0]


def rows_of(filter: WebhookFilter | CommandFilter) -> tuple[str, Conditions]:
    """The table that a list's rows stand in, and which of them it has."""
    if isinstance(filter, CommandFilter):
        return "commands", command_conditions(filter)
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
        # As it stands in the JSON between brackets and commas. (json functions refuse an escaped NUL.)
        rule = dumped(filter.rule)
        places = [begin + rule + end for begin in (b"[", b",") for end in (b"]", b",")]
        where.add(f"({' OR '.join(['position(%s::bytea in matched) > 0'] * len(places))})", *places)
    if filter.user is not None:
        user = octets(filter.user)
        where.add(_OF_COMMAND + "c.user_id = %s)", user)
    where.received(filter.since, filter.until)
    where.days(filter.since, filter.until)
    where.holds(filter.text, "body", "dedup_key")
    if filter.command_state is not None:
        where.add(_OF_COMMAND + "c.state = %s)", filter.command_state.value)
    return where


async def list_commands(db: Connection, filter: CommandFilter, *, limit: int, cursor: str | None) -> Page[Command]:
    return await read_page(db, _COMMANDS, command_conditions(filter), command, limit=limit, cursor=cursor)


def command_conditions(filter: CommandFilter) -> Conditions:
    where = Conditions()
    if filter.state is not None:
        where.literal("state", filter.state.value)
        where.add(f"part >= {OPEN + 1}" if filter.state in FINAL_STATES else f"part = {OPEN}")
    if filter.user is not None:
        user = octets(filter.user)
        where.add("sha256(user_id) = sha256(%s) AND user_id = %s", user, user)
    on_commands(where, filter)
    if filter.event_type is not None:
        where.add(_OF_WEBHOOK + "w.event_type = %s)", octets(filter.event_type))
    if filter.rules_version is not None:
        where.add(_OF_WEBHOOK + "w.rules_version = %s)", filter.rules_version)
    return where


async def unfinished(db: Connection) -> frozenset[str]:
    """The destinations that have commands which are not in :data:`~gateway.model.FINAL_STATES`."""
    return frozenset(destination for (destination,) in await fetch(db, _UNFINISHED) if destination)


async def count_backlog(db: Connection) -> dict[str, dict[CommandState, int]]:
    """How many commands each destination has that are not in :data:`~gateway.model.FINAL_STATES`."""
    backlog: dict[str, dict[CommandState, int]] = {}
    for destination, word, number in await fetch(db, _BACKLOG):
        backlog.setdefault(destination, {})[CommandState(word)] = number
    return backlog
