"""What can be made to go wrong in the sandbox: a description, and the dice that decide which call it meets."""

from __future__ import annotations

import random
from typing import Annotated

import msgspec


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Faults that are on. The default is none.

    ``delay``, ``unauthorised`` and ``refuse_users`` hold for every call. The others meet a call with ``probability``,
    at most ``next`` times; where several are on, the first of this order counts: ``drop``, ``answer_status``,
    ``success_false``, ``accept_then_drop``.
    """

    delay: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    """Seconds before each answer; the call is accepted before the delay, as a slow platform would have it."""
    unauthorised: bool = False
    """Every token is refused with 401, also for reading."""
    refuse_users: tuple[str, ...] = ()
    """Calls of these customers are refused with 400."""

    drop: bool = False
    """Read the call, accept nothing, close the connection without an answer."""
    answer_status: Annotated[int, msgspec.Meta(ge=300, le=599)] | None = None
    """Accept nothing and answer so."""
    retry_after: str | None = None
    """The ``Retry-After`` header of that answer: seconds or an HTTP date."""
    success_false: bool = False
    """Accept nothing and answer 200 with ``success: false``."""
    accept_then_drop: bool = False
    """Accept the call, then close the connection without an answer: the sender can't know."""

    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    next: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """How many calls are met in all, None for no end."""

    @property
    def before(self) -> bool:
        """Whether a fault is on that meets a call before it is looked at."""
        return self.drop or self.answer_status is not None or self.success_false


class Dice:
    """Decides for each call whether the faults in force meet it. ``seed`` makes a run repeatable."""

    def __init__(self, faults: Faults, *, seed: int | None = None) -> None:
        self.faults = faults
        self.left = faults.next
        self._random = random.Random(seed)  # noqa: S311 - no secret hangs on it

    def thrown(self) -> bool:
        """Whether this call is met; a hit uses up one of ``next``."""
        if self.left == 0 or self._random.random() >= self.faults.probability:
            return False
        if self.left is not None:
            self.left -= 1
        return True
