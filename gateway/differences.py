"""How what other rules would make of a webhook differs from the commands that it became. Pure.

Commands are matched by their identity, so a rule that was renamed makes new ones. What is compared is what reaches a
customer and when: the body, the destination, the customer, the times, and whether it is sent at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from gateway.model import JSON, Command, CommandState
from gateway.store import WITHDRAWN, DifferenceKind

MOST_CHANGES = 100
"""Changes that are told of one command."""
NOTHING = msgspec.UNSET
"""Stands where one of the two has no such place."""

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One place in which two commands differ."""

    path: str
    """``body.order.items[0].sku``, ``destination``, ``not_before``."""
    was: JSON | msgspec.UnsetType
    now: JSON | msgspec.UnsetType


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One command that would appear, vanish or change."""

    kind: DifferenceKind
    command: Command
    """As it would be; where it vanishes, as it is."""
    changes: tuple[Change, ...] = ()


def differences(before: Sequence[Command], after: Sequence[Command]) -> list[Difference]:
    """What would be other: those that change and appear in the order of the rules, then those that vanish.

    ``before`` is what a webhook became, ``after`` what other rules make of it. What an earlier replay withdrew is no
    longer of what it became.
    """
    made = {one.id: one for one in before if not (one.state is CommandState.CANCELLED and one.reason == WITHDRAWN)}
    found: list[Difference] = []
    for one in after:
        was = made.pop(one.id, None)
        if was is None:
            found.append(Difference(kind=DifferenceKind.APPEARS, command=one))
        elif changes := tuple(_changes(was, one)):
            found.append(Difference(kind=DifferenceKind.CHANGES, command=one, changes=changes[:MOST_CHANGES]))
    found += [Difference(kind=DifferenceKind.VANISHES, command=one) for one in made.values()]
    return found


def _changes(was: Command, now: Command) -> Iterator[Change]:
    for path, one, other in (
        ("sent", _sent(was), _sent(now)),
        ("destination", was.destination, now.destination),
        ("user_id", was.user_id, now.user_id),
        ("not_before", was.not_before, now.not_before),
        ("expires_at", was.expires_at, now.expires_at),
    ):
        if one != other:
            yield Change(path=path, was=_shown(one), now=_shown(other))
    if was.body != now.body:
        yield from _within("body", _decode(was.body), _decode(now.body))


def _sent(command: Command) -> bool:
    """Whether its rule's mode lets it leave."""
    return command.state is not CommandState.DRY_RUN


def _shown(value: Any) -> JSON | msgspec.UnsetType:
    if value is None:
        return NOTHING
    return value if isinstance(value, bool) else str(value)


def _within(path: str, was: JSON, now: JSON) -> Iterator[Change]:
    """The deepest places that differ. A body nests no deeper than what was read and written before."""
    if type(was) is dict and type(now) is dict:
        for key in {**was, **now}:
            step = f".{key}" if key.isidentifier() else f"[{key!r}]"
            yield from _of_one(path + step, was.get(key, NOTHING), now.get(key, NOTHING))
    elif type(was) is list and type(now) is list:
        for index in range(max(len(was), len(now))):
            one, other = (items[index] if index < len(items) else NOTHING for items in (was, now))
            yield from _of_one(f"{path}[{index}]", one, other)
    elif type(was) is not type(now) or was != now:
        yield Change(path=path, was=was, now=now)


def _of_one(path: str, was: JSON | msgspec.UnsetType, now: JSON | msgspec.UnsetType) -> Iterator[Change]:
    if was is NOTHING or now is NOTHING:
        yield Change(path=path, was=was, now=now)
    else:
        yield from _within(path, was, now)
