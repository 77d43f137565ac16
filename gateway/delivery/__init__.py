"""Commands leave: claimed in their customer's order, paced, sent, recorded, tried again.

:mod:`~gateway.delivery.dispatch` runs one :mod:`~gateway.delivery.lane` for each destination;
:mod:`~gateway.delivery.retry` and :mod:`gateway.pacing` decide, and do nothing else.

Here stand the records that delivery emits, one for each thing that an operator would want to know. Adapters log and
count them. They name commands and destinations; whoever logs one leaves ``command.body`` out.
"""

from __future__ import annotations

from datetime import timedelta

import msgspec

from gateway.model import Attempt, Command
from gateway.store import Pause, PauseScope, Verdict


class AttemptMade(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt ended, and what it means is on disk."""

    command: Command
    """As it was claimed: in state ``delivering``. What it is now is in ``verdict``."""
    attempt: Attempt
    verdict: Verdict


class CommandEnded(msgspec.Struct, frozen=True, kw_only=True):
    """It was a command's turn, and it does not leave: it has expired, is suppressed, or is held for its destination's
    ``test_user`` or ``allow``. That is on disk."""

    command: Command
    """As it is now, with the reason."""


class LookedUp(msgspec.Struct, frozen=True, kw_only=True):
    """A command whose outcome was unknown was looked up at Intilery, and what that means is on disk."""

    command: Command
    """As it was: in state ``unknown``."""
    finding: str
    """``found``, ``absent``, ``inconclusive`` or ``failed``."""
    verdict: Verdict


class ResultLost(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt ended and could not be recorded while its lease was in force: to the store its outcome is unknown."""

    command: Command
    attempt: Attempt


class DestinationPaused(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is sent to a destination for now; its commands wait."""

    name: str
    reason: str
    """Why, and by whom where that was a person."""


class DestinationResumed(msgspec.Struct, frozen=True, kw_only=True):
    """A paused destination is sent to again."""

    name: str


class PauseBegun(msgspec.Struct, frozen=True, kw_only=True):
    """A person paused a source or a rule: its commands wait."""

    pause: Pause


class PauseEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A person resumed a source or a rule."""

    scope: PauseScope
    name: str


class ClockSetBack(msgspec.Struct, frozen=True, kw_only=True):
    """The clock was set back, and what waits for a length of time no longer waits for the clock to come there again."""

    by: timedelta


class StoreFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A verb of the store (``claim``, ``record``, ``recover``, ``pause``) raised; it is tried again."""

    verb: str
    message: str


class Stumbled(msgspec.Struct, frozen=True, kw_only=True):
    """An error that delivery did not expect: a defect. It goes on; a command in flight will have an unknown outcome."""

    where: str
    error: BaseException


Record = (
    AttemptMade
    | ClockSetBack
    | CommandEnded
    | LookedUp
    | ResultLost
    | DestinationPaused
    | DestinationResumed
    | PauseBegun
    | PauseEnded
    | StoreFailed
    | Stumbled
)
"""All that ``emit`` is called with."""
