"""What a person decides about commands, by id or by filter: the API and the command line both come here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

import msgspec

from gateway.admin.filters import COMMAND_FILTERS, command_filter
from gateway.errors import Conflict, UnreadableRequest
from gateway.model import Command
from gateway.store import ACTS_ON, Act, CommandFilter, Store

View = dict[str, Any]

_TOGETHER = 200
"""About how many commands go into one transaction: webhooks that come in meanwhile wait for no more than that."""
_PAGE = 500


class ActRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which commands to act on: those named, or those that a filter finds, or (``all``) whichever the act is for."""

    ids: tuple[str, ...] = ()
    filter: dict[str, str] = {}
    """By the names of the list's query parameters."""
    all: bool = False
    """Needed to act on every command that the act is possible for."""
    dry_run: bool = False
    """Only say which commands those are."""


class SettleRequest(ActRequest, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for settling, with what became of them."""

    delivered: bool


async def act(store: Store, what: Act, asked: ActRequest, *, now: datetime) -> View:
    """Do it, the oldest first, and say to which.

    Commands that are named by id are acted on all or none. Those that a filter finds and that changed meanwhile, or
    can't be sent again, are told under ``refused``.

    ``{"act", "dry_run", "count", "commands": [{"id", "state", "command", "destination", "user_id"}], "refused":
    [{"id", "reason"}]}``; with ``dry_run`` the states are those of now.

    :raises NotFound: an id that there is not.
    :raises Conflict: an id whose command's state does not allow it.
    :raises UnreadableRequest: neither ids nor a filter nor all, or a filter that is not possible.
    """
    if sum((bool(asked.ids), bool(asked.filter), asked.all)) != 1:
        raise UnreadableRequest("which commands? Give ids, or a filter, or all; one of the three")
    if asked.dry_run:
        if not asked.ids:
            return _view(what, asked, await _found(store, what, asked, now=now), ())
        named = [await store.command(id) for id in dict.fromkeys(asked.ids)]
        for command in named:
            if command.state not in ACTS_ON[what]:
                raise Conflict(f"command {command.id} is {command.state}; allowed: {', '.join(ACTS_ON[what])}")
        return _view(what, asked, named, ())
    if asked.ids:
        acted = await store.act(what, asked.ids, now=now)
        return _view(what, asked, acted.done, ())
    done: list[Command] = []
    refused: list[tuple[str, str]] = []
    for ids in _groups(await _found(store, what, asked, now=now)):
        acted = await store.act(what, ids, now=now, skip=True)
        done += acted.done
        refused += acted.refused
    return _view(what, asked, done, refused)


async def _found(store: Store, what: Act, asked: ActRequest, *, now: datetime) -> list[Command]:
    """Those that the filter finds and the act is possible for, the oldest first, without their bodies."""
    if unknown := asked.filter.keys() - COMMAND_FILTERS.keys():
        raise UnreadableRequest(f"{min(unknown)} is no filter; allowed: {', '.join(COMMAND_FILTERS)}")
    filter, _ = command_filter(asked.filter, now=now)
    states = ACTS_ON[what]
    if filter.state is not None and filter.state not in states:
        raise UnreadableRequest(f"state: {filter.state} is not possible here; allowed: {', '.join(states)}")
    found: list[Command] = []
    for state in states if filter.state is None else (filter.state,):
        found += await _all(store, msgspec.structs.replace(filter, state=state))
    return sorted(found, key=lambda command: (command.created_at, command.webhook_id))


async def _all(store: Store, filter: CommandFilter) -> list[Command]:
    found: list[Command] = []
    cursor: str | None = None
    while True:
        page = await store.commands(filter, limit=_PAGE, cursor=cursor)
        found += [msgspec.structs.replace(command, body=b"") for command in page.items]
        if page.next is None:
            return found
        cursor = page.next


def _groups(commands: Sequence[Command]) -> Iterator[list[str]]:
    """Their ids, in groups for one transaction each. The store puts each group in the order of translation, so what
    comes of one webhook (an identify, and what waits for it) stays together."""
    group: list[str] = []
    for _, together in groupby(commands, key=attrgetter("webhook_id")):
        group += [command.id for command in together]
        if len(group) >= _TOGETHER:
            yield group
            group = []
    if group:
        yield group


def _view(what: Act, asked: ActRequest, commands: Sequence[Command], refused: Sequence[tuple[str, str]]) -> View:
    return {
        "act": what.value,
        "dry_run": asked.dry_run,
        "count": len(commands),
        "commands": [_row(command) for command in commands],
        "refused": [{"id": id, "reason": reason} for id, reason in refused],
    }


def _row(command: Command) -> Mapping[str, Any]:
    return {
        "id": command.id,
        "state": command.state.value,
        "command": command.command,
        "destination": command.destination,
        "user_id": command.user_id,
    }


def settling(delivered: bool) -> Act:
    """The act of a settlement."""
    return Act.DELIVERED if delivered else Act.NOT_DELIVERED
