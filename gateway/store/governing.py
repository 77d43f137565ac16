"""What once, names, limits and identify_once decide about commands, without looking: both stores bring what is there
and write what is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from gateway.model import FINAL_STATES, Command, CommandState
from gateway.store.rows import Row, maybe_micros, micros, octets
from gateway.terms import Limit, Once, Same

Key = tuple[str, bytes]
"""Scope and key of a once."""
Holders = dict[Key, tuple[str, int | None]]
"""Who has a key: the command's id, and until when."""


def once_keys(commands: Iterable[Command]) -> list[Key]:
    """The once keys of a group, each once."""
    return list(dict.fromkeys((one.once.scope, octets(one.once.key)) for one in commands if one.once is not None))


class OnceClaims:
    """The once keys of a group of commands: who may have which, in the order in which they are asked for."""

    def __init__(self, held: Holders) -> None:
        self.found = frozenset(held)
        """The keys that somebody had before."""
        self._held = held
        self._new: dict[Key, Row] = {}

    def settled(self, one: Command) -> Command:
        """``one`` with its key, or suppressed because another command has it."""
        if one.once is None or one.state in FINAL_STATES:
            return one
        key = (one.once.scope, octets(one.once.key))
        holder = self._held.get(key)
        if holder is not None and holder[0] != one.id and (holder[1] is None or holder[1] > micros(one.created_at)):
            return ended_as(one, CommandState.SUPPRESSED, _had(one.once, holder[0]), one.created_at)
        self._held[key] = (one.id, maybe_micros(one.once.until))
        self._new[key] = (*key, *self._held[key])
        return one

    def give_back(self, one: Command) -> None:
        """Free the key of a command of this group that does not go after all."""
        if one.once is not None:
            key = (one.once.scope, octets(one.once.key))
            if self._held.get(key, ("", None))[0] == one.id:
                self._held.pop(key)
                self._new.pop(key, None)

    @property
    def claimed(self) -> Mapping[Key, Row]:
        """The claims that were made, to be written: (scope, key, command's id, until)."""
        return self._new


def _had(once: Once, holder: str) -> str:
    return f"once: the command {holder} was made for '{once.key}' already"


def ended_as(one: Command, state: CommandState, reason: str, now: datetime) -> Command:
    """``one`` as it is after it ended without leaving."""
    return msgspec.structs.replace(one, state=state, reason=reason, finished_at=now, due_at=None)


def cancelled(one: Command, reason: str) -> Command:
    """A command that is cancelled as it is made."""
    return ended_as(one, CommandState.CANCELLED, reason, one.created_at)


def is_later(holder: str | None, webhook_id: str) -> bool:
    """Whether the command that has a name is of a later webhook. Ids sort by the time of receipt."""
    return holder is not None and holder.split("-", 1)[0] > webhook_id


def taken_later(one: Command) -> str:
    return f"a later webhook made a command named '{one.name}'"


def replaced_by(one: Command) -> str:
    return f"replaced by the command {one.id} of the same name"


def since_when(same: Same, now: datetime) -> int:
    """An identify that was accepted after this moment, in microseconds, need not be repeated."""
    return micros(now) - same.within * 1_000_000


def overtaken(one: Command, holder: str | None) -> str | None:
    """Why a command that has been on its way does not leave again: a later webhook took its name, or cancelled it,
    when it could not be withdrawn. ``holder`` has the name now. What a person sends again goes all the same."""
    if one.name is None or one.retried_at is not None or holder == one.id:
        return None
    by = "cancelled" if holder is None else f"replaced by the command {holder} of the same name"
    return f"{by} while it was on its way"


def needless(one: Command, last: str, at: datetime, now: datetime) -> Command:
    """An identify that is not sent, for ``last`` said the same and was accepted ``at`` that moment."""
    accepted = at.isoformat(timespec="seconds")
    why = f"identify_once: {last} said the same and was accepted at {accepted}"
    return ended_as(one, CommandState.SUPPRESSED, why, now)


def identified_row(one: Command, same: Same, at: datetime) -> Row:
    """What is kept of an identify that was accepted: (destination, customer, digest, its id, at, until)."""
    until = micros(at) + same.within * 1_000_000
    return one.destination, octets(one.user_id), same.digest, one.id, micros(at), until


QUIET = "quiet hours: it waits for the morning"


def over_limit(limit: Limit, used: int) -> str:
    """Why a command of which ``used`` others have left is suppressed."""
    return f"limit: '{limit.key}' had {used} of at most {limit.at_most} within {_span(limit.within)}"


def _span(seconds: int) -> str:
    """A length of time in the largest unit that it is whole in: ``1 day``, ``90 minutes``."""
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        if seconds % size == 0:
            return f"{seconds // size:,} {unit}{'' if seconds == size else 's'}"
    return f"{seconds:,} seconds"
