"""What a person decides about commands, by id or by filter: the API and the command line both come here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.admin.filters import COMMAND_FILTERS, command_filter
from gateway.errors import Conflict, UnreadableRequest
from gateway.model import Command
from gateway.store import ACTS_ON, Act, CommandFilter, Store

View = dict[str, Any]

_TOGETHER = 200
"""Commands in one transaction: webhooks that come in meanwhile wait for no more than that."""
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
        found = [await store.command(id) for id in dict.fromkeys(asked.ids)]
        for command in found:
            if command.state not in ACTS_ON[what]:
                raise Conflict(f"command {command.id} is {command.state}; allowed: {', '.join(ACTS_ON[what])}")
        if not asked.ids:
            found = [await store.command(id) for id in await _found(store, what, asked, now=now)]
        return _view(what, asked, found, ())
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


async def _found(store: Store, what: Act, asked: ActRequest, *, now: datetime) -> list[str]:
    """The ids of those that the filter finds and the act is possible for, the oldest first."""
    if unknown := asked.filter.keys() - COMMAND_FILTERS.keys():
        raise UnreadableRequest(f"{min(unknown)} is no filter; allowed: {', '.join(COMMAND_FILTERS)}")
    filter, _ = command_filter(asked.filter, now=now)
    states = ACTS_ON[what]
    if filter.state is not None and filter.state not in states:
        raise UnreadableRequest(f"state: {filter.state} is not possible here; allowed: {', '.join(states)}")
    ids: list[tuple[datetime, str]] = []
    for state in states if filter.state is None else (filter.state,):
        ids += await _all(store, msgspec.structs.replace(filter, state=state))
    return [id for _, id in sorted(ids)]


async def _all(store: Store, filter: CommandFilter) -> list[tuple[datetime, str]]:
    found: list[tuple[datetime, str]] = []
    cursor: str | None = None
    while True:
        page = await store.commands(filter, limit=_PAGE, cursor=cursor)
        found += [(command.created_at, command.id) for command in page.items]
        if page.next is None:
            return found
        cursor = page.next


def _groups(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _TOGETHER):
        yield ids[start : start + _TOGETHER]


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
