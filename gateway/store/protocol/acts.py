"""What a person decides about commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from gateway.model import Command, CommandState


class Act(StrEnum):
    """What a person decides about a command that is held, has failed, has an unknown outcome, or has not left."""

    RETRY = "retry"
    """Send it again."""
    CANCEL = "cancel"
    """Don't send it."""
    DELIVERED = "delivered"
    """It arrived: settle it so."""
    NOT_DELIVERED = "not_delivered"
    """It did not arrive: send it again."""


ACTS_ON: Mapping[Act, tuple[CommandState, ...]] = {
    Act.RETRY: (CommandState.HELD, CommandState.FAILED, CommandState.UNKNOWN),
    Act.CANCEL: (
        CommandState.HELD,
        CommandState.FAILED,
        CommandState.UNKNOWN,
        CommandState.PENDING,
        CommandState.WAITING,
    ),
    Act.DELIVERED: (CommandState.HELD, CommandState.UNKNOWN),
    Act.NOT_DELIVERED: (CommandState.HELD, CommandState.UNKNOWN),
}
"""The states that each act is possible in. What is on its way has to come back first; what was delivered, expired or
suppressed stays; what was cancelled is made anew by translating its webhook again."""


class Acted(msgspec.Struct, frozen=True, kw_only=True):
    """What :meth:`Store.act` did."""

    done: tuple[Command, ...] = ()
    """As they are now."""
    refused: tuple[tuple[str, str], ...] = ()
    """Id and reason of those that it is not possible for."""


class Acts(Protocol):
    """Does what a person decides."""

    async def act(
        self, act: Act, ids: Sequence[str], *, now: datetime, skip: bool = False, priority: int | None = None
    ) -> Acted:
        """A person decides: do ``act`` to these commands, in one transaction. What is sent again gets ``priority``
        where one is given, and keeps its own where none is.

        What is sent again joins its customer's line where its place is, waits for its identify where that is still to
        be accepted, and not before its time. What may have reached the customer keeps its once key when cancelled.
        A lookup or a lease that is under way loses its right to a result.

        With ``skip`` those that it is not possible for are left out and told; without, nothing is done to any:

        :raises NotFound: there is no such command.
        :raises Conflict: a command's state, expiry or once key does not allow it; the message says what would.
        """
