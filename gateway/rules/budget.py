"""What the rules of one webhook may cost together, so that no payload and no rule holds the service up.

The unit is a step: a value visited, a field built, 64 characters read. A step takes about half a microsecond at most
(``bench/mapping`` shows it), so that the whole budget is less than 50 ms. Work is charged before it is done.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

NODE_BUDGET: Final = 100_000
"""Steps that the rules of one webhook may take together."""

CALL_STEPS: Final = 50
"""What it takes to make one command, besides its fields."""

ERROR_STEPS: Final = 10
"""What it takes to note a mapping error."""

WARNING_STEPS: Final = 6
"""What it takes to say that a filter can't read its input."""

_CHARACTERS: Final = 6
"""As a shift: 64 characters of text are one step."""
_MEMORABLE: Final = 64
"""Steps from which the weight of a list or object is worth remembering."""
_encoder = msgspec.json.Encoder(decimal_format="number")


class OverBudget(Exception):
    """The rules of a webhook would take more steps than :data:`NODE_BUDGET`."""

    def __init__(self) -> None:
        super().__init__(f"the rules would take more than {NODE_BUDGET:,} steps over this payload")


class Budget:
    """What is left of the steps; one for each webhook."""

    __slots__ = ("_weights", "left", "prepared")

    def __init__(self, left: int = NODE_BUDGET) -> None:
        self.left = left
        # By id, with the value itself, so that no other value can get that id meanwhile.
        self._weights: dict[int, tuple[Any, int]] = {}
        self.prepared: dict[tuple[int, str], Any] = {}
        """Arguments of filters that came out of the payload, prepared: each is paid for once."""

    def spend(self, steps: int) -> None:
        """:raises OverBudget: fewer are left."""
        self.left -= steps
        if self.left < 0:
            raise OverBudget

    def weigh(self, value: Any) -> int:
        """The steps that reading all of a value takes, without spending them.

        :raises OverBudget: a list or an object has more elements than steps are left.
        """
        kind = type(value)
        if kind is str:
            return len(value) >> _CHARACTERS
        if kind is list or kind is dict:
            known = self._weights.get(id(value))
            if known is not None:
                return known[1]
            if len(value) > self.left:
                raise OverBudget
            weight = len(value) + _written(value, self.left)
            if weight >= _MEMORABLE:
                self._weights[id(value)] = value, weight
            return weight
        if kind is int:
            return value.bit_length() >> 7  # type: ignore[no-any-return]
        # A Decimal of up to 76 digits has no words of its own beside the object.
        return (value.__sizeof__() - 104) >> 4 if kind is Decimal else 0

    def spend_on(self, value: Any) -> None:
        """Spend what reading all of a value takes.

        :raises OverBudget: that is more than is left.
        """
        self.spend(self.weigh(value))

    def spend_comparing(self, left: Any, right: Any) -> None:
        """Spend what comparing two values may take, beyond the one step of a small pair.

        :raises OverBudget: that is more than is left.
        """
        if type(left) is str or type(right) is str:
            for side in (left, right):
                if type(side) is str and len(side) >= 64:
                    self.spend(len(side) >> _CHARACTERS)
        elif type(left) is type(right) and type(left) in (list, dict) and len(left) == len(right):
            self.spend(min(self.weigh(left), self.weigh(right)))


def _written(value: Any, enough: int) -> int:
    """The steps of a list's or object's content: by the length of its JSON, which is had quickest."""
    try:
        # Written twice as slowly as text, where it is all brackets; and written once more for its weight.
        return len(_encoder.encode(value)) >> _CHARACTERS - 1
    except (ValueError, TypeError, OverflowError, RecursionError):
        return _counted(value, enough)


def _counted(value: Any, enough: int) -> int:
    """As :func:`_written`, of what JSON can't hold; gives up at ``enough``."""
    steps, stack = 0, [value]
    while stack and steps <= enough:
        node = stack.pop()
        steps += 1
        if type(node) is list:
            steps += len(node) >> _CHARACTERS
            stack.extend(node[: enough + 1])
        elif type(node) is dict:
            stack.extend(node.values())
        elif type(node) is str:
            steps += len(node) >> _CHARACTERS
    return steps
