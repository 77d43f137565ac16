"""Destinations of which only some customers may be reached: ``test_user`` and ``allow``.

With a ``test_user`` every command goes to that customer instead. An identify is not sent then: it would write one
customer's address onto the test user, and what is sent to the test user would go to that customer after all.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from gateway.intilery import contract
from gateway.intilery.contract import Destination
from gateway.model import Command, CommandState

_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_LEAVING = (CommandState.PENDING, CommandState.WAITING)


def restricted(made: Iterable[Command], destination: Destination, *, now: datetime) -> list[Command]:
    """The commands of one rule as their destination lets them be, before they wait for one another."""
    return [_restricted(one, destination, now=now) if one.state in _LEAVING else one for one in made]


def _restricted(command: Command, destination: Destination, *, now: datetime) -> Command:
    user = destination.test_user
    if user is not None and command.user_id != user:
        if command.command == "identify":
            why = (
                f"the destination '{destination.name}' has a test_user: no other customer's traits are written onto it"
            )
            return _suppressed(command, why, now)
        command = msgspec.structs.replace(
            command,
            user_id=user,
            body=_addressed(command.body, user),
            reason=f"to the test_user of the destination '{destination.name}' instead of its customer",
        )
    refusal = destination.refuses(command.user_id)
    return command if refusal is None else _suppressed(command, refusal, now)


def _suppressed(command: Command, reason: str, now: datetime) -> Command:
    return msgspec.structs.replace(command, state=CommandState.SUPPRESSED, reason=reason, due_at=None, finished_at=now)


def _addressed(body: bytes, user: str) -> bytes:
    fields: dict[str, Any] = _decode(body)
    fields.pop("anonymousId", None)
    return contract.encode({"userId": user, **{name: value for name, value in fields.items() if name != "userId"}})
