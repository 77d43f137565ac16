"""What a reception writes, decided without looking: rows that are made before they are queued, and who of a group of
arrivals is new. Both stores write what is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from gateway.model import FINAL_STATES, Command, CommandState, WebhookState
from gateway.store import Receipt, Reception
from gateway.store.fetches import row_of
from gateway.store.line import Line, held_because
from gateway.store.rows import (
    DESTINATION,
    USER_ID,
    Row,
    command_row,
    maybe_micros,
    micros,
    octets,
    webhook_row,
)
from gateway.store.served import Met
from gateway.terms import Cancellation

UNDECIDED = frozenset(CommandState) - FINAL_STATES - {CommandState.HELD}
"""The states of an identify that may still be accepted."""

LEFT = frozenset({CommandState.DELIVERED, CommandState.DELIVERING, CommandState.UNKNOWN})
"""What may have reached the customer is left alone by another translation."""

Key = tuple[str, bytes]
"""Source and dedup key."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A command as it is to be written."""

    command: Command
    state: CommandState
    line: Line | None
    """Where it joins, if it does at once."""
    blocked_by: str | None
    """The identify that it waits for."""
    row: Row


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A reception as rows, made before it is queued: what can't be written fails where it came from."""

    webhook_id: str
    key: Key | None
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


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook as it is now translated."""

    arrival: Arrival
    now: datetime


class Identify(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the identify that a command waits for."""

    state: CommandState
    reason: str | None = None
    finished_at: datetime | None = None


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
        fetching=None if reception.fetching is None else row_of(webhook.id, reception.fetching),
        size=1024 + len(webhook.body) + sum([512 + len(command.body) for command in reception.commands]),
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


def behind_identify(planned: Planned, identify: Identify | None, *, gap: timedelta) -> Planned:
    """``planned`` as its identify lets it be: waiting for it, for the gap behind it only, or held."""
    command = planned.command
    if identify is None:
        return _held(command, f"its identify {command.after} is not in the store")
    if identify.state in UNDECIDED:
        return planned
    if identify.state is not CommandState.DELIVERED:
        return _held(command, held_because(identify.state, identify.reason))
    free_at = command.created_at if identify.finished_at is None else identify.finished_at + gap
    freed = plan(msgspec.structs.replace(command, due_at=max(free_at, command.due_at or free_at)))
    return msgspec.structs.replace(freed, blocked_by=None)


def _held(command: Command, reason: str) -> Planned:
    return plan(msgspec.structs.replace(command, state=CommandState.HELD, reason=reason))


def replanned(commands: Sequence[Planned], settled: Sequence[Command]) -> list[Planned]:
    """``commands`` after once and names had their say: ``settled`` are the same commands as they let them be."""
    return [planned if one is planned.command else plan(one) for planned, one in zip(commands, settled, strict=True)]


class Sorted(msgspec.Struct, frozen=True, kw_only=True):
    """A group of arrivals, the new ones told from the repeats."""

    receipts: tuple[Receipt, ...]
    """One for each arrival, in their order."""
    fresh: tuple[Arrival, ...]
    repeats: Mapping[str, int]
    """By the first webhook's id: how often it was repeated here."""
    claiming: Mapping[Key, Row]
    """Keys to be written: (source, key, webhook's id, until)."""


def keys_of(arrivals: Iterable[Arrival]) -> list[Key]:
    """The dedup keys of a group, each once."""
    return list(dict.fromkeys(arrival.key for arrival in arrivals if arrival.key is not None))


def sort_out(arrivals: Sequence[Arrival], claimed: Mapping[Key, tuple[str, int | None]]) -> Sorted:
    """Tell the new ones from the repeats, in their order. ``claimed`` says who has a key, and until when."""
    holders = dict(claimed)
    receipts: list[Receipt] = []
    fresh: list[Arrival] = []
    repeats: dict[str, int] = {}
    claiming: dict[Key, Row] = {}
    for arrival in arrivals:
        if arrival.key is not None:
            first = holders.get(arrival.key)
            if first is not None and (first[1] is None or first[1] > arrival.received_at):
                repeats[first[0]] = repeats.get(first[0], 0) + 1
                receipts.append(Receipt(first[0], duplicate=True))
                continue
            holders[arrival.key] = (arrival.webhook_id, arrival.until)
            claiming[arrival.key] = (*arrival.key, arrival.webhook_id, arrival.until)
        fresh.append(arrival)
        receipts.append(Receipt(arrival.webhook_id))
    return Sorted(receipts=tuple(receipts), fresh=tuple(fresh), repeats=repeats, claiming=claiming)


def in_order(arrivals: Sequence[Arrival]) -> Iterator[list[Arrival]]:
    """Groups that may be written at once: whoever names or cancels comes after all before it, and alone."""
    group: list[Arrival] = []
    for arrival in arrivals:
        if arrival.cancellations or any([planned.command.name is not None for planned in arrival.commands]):  # noqa: C419
            if group:
                yield group
            yield [arrival]
            group = []
        else:
            group.append(arrival)
    if group:
        yield group


def with_ended(receipts: Sequence[Receipt], ended: Sequence[Command]) -> list[Receipt]:
    """The receipts, each with those of its commands that will never leave."""
    if not ended:
        return list(receipts)
    by_webhook: dict[str, tuple[Command, ...]] = {}
    for one in ended:
        by_webhook[one.webhook_id] = (*by_webhook.get(one.webhook_id, ()), one)
    return [
        receipt if receipt.duplicate else Receipt(receipt.webhook_id, ended=by_webhook.get(receipt.webhook_id, ()))
        for receipt in receipts
    ]


class Remade(msgspec.Struct, frozen=True, kw_only=True):
    """The commands that a webhook had and those that it is to have, sorted."""

    created: tuple[Planned, ...]
    again: tuple[Planned, ...]
    """Had been made, and have not left: to be replaced."""
    kept: tuple[str, ...]
    """May have reached the customer."""
    withdrawn: tuple[str, ...]
    """Wait, and are not made any more."""

    @property
    def beside(self) -> dict[str, CommandState]:
        """By id, the states of those that are written together."""
        return {planned.command.id: planned.state for planned in (*self.again, *self.created)}


def sort_remade(commands: Sequence[Planned], made: Mapping[str, CommandState]) -> Remade:
    """``made`` are the commands that there are, by id, in the order of translation."""
    ids = {planned.command.id for planned in commands}
    kept = [planned.command.id for planned in commands if made.get(planned.command.id) in LEFT]
    kept += [id for id, state in made.items() if state in LEFT and id not in ids]
    return Remade(
        created=tuple(planned for planned in commands if planned.command.id not in made),
        again=tuple(
            planned for planned in commands if planned.command.id in made and made[planned.command.id] not in LEFT
        ),
        kept=tuple(kept),
        withdrawn=tuple(
            id for id, state in made.items() if id not in ids and state in (CommandState.WAITING, CommandState.PENDING)
        ),
    )
