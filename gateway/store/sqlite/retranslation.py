"""Translating a stored webhook again: what has not left is replaced by what the new rules say."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

from gateway.errors import NotFound
from gateway.model import FINAL_STATES, Command, CommandState, WebhookState
from gateway.store import WITHDRAWN, Retranslation
from gateway.store.arrivals import Again, Planned, sort_remade
from gateway.store.line import Line
from gateway.store.rows import COMMAND_COLUMNS, WEBHOOK_COLUMNS, micros
from gateway.store.sqlite import fetched
from gateway.store.sqlite.line import hold, move_up
from gateway.store.sqlite.reception import after_identify, governed, insert_commands
from gateway.store.sqlite.terms import cancel, give_back

_MADE = "SELECT id, seq, state, destination, user_id FROM commands WHERE webhook_id = ? ORDER BY seq"
_UPDATE_WEBHOOK = """
UPDATE webhooks SET state = ?, errors = ?, reason = ?, matched = ?, event_type = ?, event_time = ?, rules_version = ?
WHERE id = ?
"""
_STATE = "SELECT state FROM webhooks WHERE id = ?"
_BECAME = ("state", "errors", "reason", "matched", "event_type", "event_time", "rules_version", "id")
# A command keeps its place in the order of translation, and the count of its attempts, which number its history.
_REPLACED = [column for column in COMMAND_COLUMNS.split(", ") if column not in ("id", "webhook_id", "attempts")]
_REPLACE = """
UPDATE commands SET {columns}, head = 0, blocked_by = ? WHERE seq = ?
""".replace("{columns}", ", ".join(f"{column} = ?" for column in _REPLACED))
_REPLACE_BODY = "UPDATE bodies SET body = ? WHERE command_seq = ?"
_WITHDRAW = """
UPDATE commands SET state = 'cancelled', head = 0, blocked_by = NULL, due_at = NULL, reason = ?, finished_at = ?
WHERE seq = ?
"""


def retranslate(db: sqlite3.Connection, again: Again, *, gap: timedelta) -> Retranslation | NotFound:
    """Replace what a webhook became."""
    arrival = again.arrival
    became = dict(zip(WEBHOOK_COLUMNS.split(", "), arrival.webhook, strict=True))
    was = db.execute(_STATE, (arrival.webhook_id,)).fetchone()
    if was is None:
        return NotFound(f"webhook {arrival.webhook_id}: no such webhook")
    db.execute(_UPDATE_WEBHOOK, [became[column] for column in _BECAME])
    if arrival.fetching is not None:
        fetched.keep(db, arrival.fetching)
    if was == (WebhookState.FETCHING,) and arrival.met is not None:
        since = arrival.received_at if arrival.fetching is None else arrival.fetching[1]
        fetched.count_first(db, arrival.met, since=since, received_at=arrival.received_at)
    made: dict[str, tuple[int, CommandState, Line]] = {
        id: (seq, CommandState(state), (destination, user_id))
        for id, seq, state, destination, user_id in db.execute(_MADE, (arrival.webhook_id,)).fetchall()
    }
    for cancellation in arrival.cancellations:
        cancel(db, cancellation, again.now, of=arrival.webhook_id)
    remade = sort_remade(arrival.commands, {id: state for id, (_, state, _) in made.items()})
    beside = remade.beside
    lines: list[Line] = []
    ended: list[Command] = []
    for planned in remade.again:
        seq, _, place = made[planned.command.id]
        # What it had by the old rules is free; by the new ones it asks again.
        give_back(db, [planned.command.id])
        (settled,) = governed(db, [planned])
        if settled.blocked_by is not None:
            settled = after_identify(db, settled, beside=beside, gap=gap)
        _replace(db, seq, settled)
        if settled.state in FINAL_STATES:
            ended.append(settled.command)
        lines += [place] if settled.line is None else [place, settled.line]
    for id in remade.withdrawn:
        seq, _, place = made[id]
        db.execute(_WITHDRAW, (WITHDRAWN.encode(), micros(again.now), seq))
        lines.append(place)
    give_back(db, remade.withdrawn)
    # Those who were there move up before the new ones join behind them.
    hold(db, [(id, CommandState.CANCELLED, WITHDRAWN) for id in remade.withdrawn])
    move_up(db, lines, micros(again.now))
    ended += insert_commands(db, remade.created, beside=beside, gap=gap)
    return Retranslation(
        created=tuple(planned.command.id for planned in remade.created),
        replaced=tuple(planned.command.id for planned in remade.again),
        withdrawn=remade.withdrawn,
        kept=remade.kept,
        ended=tuple(ended),
    )


def _replace(db: sqlite3.Connection, seq: int, planned: Planned) -> None:
    columns = dict(zip(COMMAND_COLUMNS.split(", "), planned.row, strict=True))
    db.execute(_REPLACE, [*(columns[column] for column in _REPLACED), planned.blocked_by, seq])
    db.execute(_REPLACE_BODY, (planned.command.body, seq))
