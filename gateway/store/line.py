"""The words of the customers' lines that both stores share: what a line is, who stands in it, and why one is held.

How a store keeps the lines is told in its own ``line`` module.
"""

from __future__ import annotations

from gateway.model import Command, CommandState
from gateway.store.rows import octets

Line = tuple[str, bytes]
"""Destination and customer."""

IN_LINE = frozenset({CommandState.PENDING, CommandState.DELIVERING, CommandState.UNKNOWN})
PROMOTED_AT_ONCE = 1000
"""How many may join their lines in one claim, so that a million due at nine o'clock don't make one transaction."""

Ending = tuple[str, CommandState, str | None]
"""How an identify ended that was not accepted: its id, its state, its reason."""

HELD_WITH = "its identify was "
"""With this begins why a command is held whose identify did not arrive."""
_WORDS = {
    CommandState.FAILED: "refused",
    CommandState.HELD: "held",
    CommandState.EXPIRED: "expired",
    CommandState.CANCELLED: "cancelled",
    CommandState.SUPPRESSED: "suppressed",
    CommandState.DRY_RUN: "only a dry run",
}


def line_of(command: Command) -> Line:
    """The line that a command stands in, or would."""
    return command.destination, octets(command.user_id)


def held_because(state: CommandState, reason: str | None) -> str:
    """Why a command is held whose identify is in ``state``."""
    return f"{HELD_WITH}{_WORDS.get(state, state.value)}" + (f": {reason}" if reason else "")
