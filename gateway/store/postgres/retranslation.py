"""Translating a stored webhook again: what has not left is replaced by what the new rules say."""

from __future__ import annotations

from datetime import timedelta

from gateway.errors import NotFound
from gateway.model import FINAL_STATES, Command, CommandState, WebhookState
from gateway.store import WITHDRAWN, Retranslation
from gateway.store.arrivals import Again, Planned, sort_remade
from gateway.store.line import Line
from gateway.store.postgres import fetched
from gateway.store.postgres.endings import finish, reopen
from gateway.store.postgres.line import hold, settle
from gateway.store.postgres.reception import after_identify, governed, insert_commands
from gateway.store.postgres.rows import command_row
from gateway.store.postgres.statements import Connection, fetch, fetch_by_id, run, sql
from gateway.store.postgres.terms import cancel, give_back, lock_names
from gateway.store.rows import COMMAND_COLUMNS, WEBHOOK_COLUMNS, micros

_WEBHOOK = "SELECT part, state FROM webhooks WHERE id = %s {here} FOR NO KEY UPDATE"
_BECAME = ("state", "errors", "reason", "matched", "event_type", "event_time", "rules_version")
_UPDATE_WEBHOOK = f"""
UPDATE webhooks SET {", ".join(f"{column} = %s" for column in _BECAME)} WHERE part = %s AND id = %s
"""  # noqa: S608 - made of constants
# In the order of the lines, as everybody who locks them.
_MADE_OPEN = """
SELECT seq, id, state, destination, user_id FROM commands_open WHERE webhook_id = %s
ORDER BY destination, sha256(user_id) FOR NO KEY UPDATE
"""
_MADE_FINISHED = """
SELECT seq, id, state, destination, user_id FROM commands WHERE part = %s AND webhook_id = %s
"""
# A command keeps its place in the order of translation, and the count of its attempts, which number its history.
_REPLACED = [column for column in COMMAND_COLUMNS.split(", ") if column not in ("id", "webhook_id", "attempts")]
_REPLACE = sql(f"""
UPDATE commands_open SET {", ".join(f"{column} = %s" for column in _REPLACED)}, head = false, blocked_by = %s, body = %s
WHERE seq = %s
""")  # noqa: S608 - as above


async def retranslate(db: Connection, again: Again, *, gap: timedelta, slot: int) -> Retranslation | NotFound:
    """Replace what a webhook became."""
    arrival = again.arrival
    was = await fetch_by_id(db, _WEBHOOK, arrival.webhook_id)
    if was is None:
        return NotFound(f"webhook {arrival.webhook_id}: no such webhook")
    day, state_before = was
    became = dict(zip(WEBHOOK_COLUMNS.split(", "), arrival.webhook, strict=True))
    await run(db, _UPDATE_WEBHOOK, (*(became[column] for column in _BECAME), day, arrival.webhook_id))
    if arrival.fetching is not None:
        await fetched.keep(db, arrival.fetching)
    if state_before == WebhookState.FETCHING and arrival.met is not None:
        since = arrival.received_at if arrival.fetching is None else arrival.fetching[1]
        await fetched.count_first(db, arrival.met, since=since, received_at=arrival.received_at, slot=slot)
    rows = await fetch(db, _MADE_OPEN, (arrival.webhook_id,))
    rows += await fetch(db, _MADE_FINISHED, (day, arrival.webhook_id))
    made: dict[str, tuple[int, CommandState, Line]] = {
        id: (seq, CommandState(state), (destination, user_id)) for seq, id, state, destination, user_id in sorted(rows)
    }
    await lock_names(db, [arrival])
    for cancellation in arrival.cancellations:
        await cancel(db, cancellation, again.now, of=arrival.webhook_id)
    remade = sort_remade(arrival.commands, {id: state for id, (_, state, _) in made.items()})
    beside = remade.beside
    lines: list[Line] = []
    ended: list[Command] = []
    for planned in remade.again:
        seq, _, place = made[planned.command.id]
        # What it had by the old rules is free; by the new ones it asks again.
        await give_back(db, [planned.command.id])
        (settled,) = await governed(db, [planned])
        if settled.blocked_by is not None:
            settled = await after_identify(db, settled, beside=beside, gap=gap)
        await reopen(db, day, seq)  # where it was finished, or a name or a cancellation has just ended it
        await _replace(db, seq, settled)
        if settled.state in FINAL_STATES:
            ended.append(settled.command)
        lines += [place] if settled.line is None else [place, settled.line]
    withdrawn = (CommandState.CANCELLED.value, WITHDRAWN.encode(), 0, None, micros(again.now))
    await finish(db, [(made[id][0], *withdrawn) for id in remade.withdrawn])
    lines += [made[id][2] for id in remade.withdrawn]
    await give_back(db, remade.withdrawn)
    # Those who were there move up before the new ones join behind them.
    await hold(db, [(id, CommandState.CANCELLED, WITHDRAWN) for id in remade.withdrawn])
    await settle(db, lines, micros(again.now))
    ended += await insert_commands(db, remade.created, beside=beside, days={arrival.webhook_id: day}, gap=gap)
    return Retranslation(
        created=tuple(planned.command.id for planned in remade.created),
        replaced=tuple(planned.command.id for planned in remade.again),
        withdrawn=remade.withdrawn,
        kept=remade.kept,
        ended=tuple(ended),
    )


async def _replace(db: Connection, seq: int, planned: Planned) -> None:
    columns = dict(zip(COMMAND_COLUMNS.split(", "), command_row(planned.row), strict=True))
    values = [columns[column] for column in _REPLACED]
    await run(db, _REPLACE, [*values, planned.blocked_by, planned.command.body, seq])
    if planned.state in FINAL_STATES:
        await finish(db, [(seq, planned.state.value, columns["reason"], 0, None, columns["finished_at"])])
