"""What a filter is: a name, parameters, examples and one pure function; and the register of all of them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from gateway.rules.filters.kinds import prepare
from gateway.rules.values import MISSING, Unreadable, as_number, as_text, describe

MAX_TEXT: Final = 1_000_000
"""Characters that a filter may make: as much as the body of a command may hold."""
MAX_ELEMENTS: Final = 100_000
"""Elements of a list that a filter reads or makes."""


class Param(msgspec.Struct, frozen=True, kw_only=True):
    """One parameter of a filter.

    ``kind`` says what it takes: ``value`` (anything), ``text``, ``number``, ``integer``, ``boolean``, ``list``,
    ``choice`` (one of ``choices``), ``regex``, ``path`` (relative to the element; a function of a value to a value or
    MISSING), ``table``, ``zone``, ``locale``, ``currency``, ``region``, ``duration``, ``format`` (to write a time),
    ``reading`` (a format to read one).
    """

    name: str
    kind: str
    summary: str
    required: bool = True
    many: bool = False
    """Takes all remaining positional arguments; the function gets a tuple."""
    default: Any = None
    """What the function gets where the argument is absent: already prepared."""
    choices: tuple[str, ...] = ()
    least: int | None = None
    """The smallest number that is allowed, and the greatest."""
    most: int | None = None

    def prepare(self, value: Any) -> Any:
        """What the function takes instead of ``value``.

        :raises ValueError: ``value`` can't be this parameter; the message says what is allowed.
        """
        return prepare(value, kind=self.kind, choices=self.choices, least=self.least, most=self.most)


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """An expression and what it gives: a test, and a line of the reference."""

    expression: str
    body: Any
    result: Any = MISSING
    warns: bool = False
    """Whether the filter can't read its input: the result is missing, and the trace has a warning."""
    tables: dict[str, Any] = {}
    """Tables of the rules file, as mappings."""
    zone: str | None = None
    """The source's zone."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """One filter. ``function(value, *arguments)`` is pure and raises nothing but Unreadable on any JSON value
    (``required`` also RequiredMissing)."""

    name: str
    summary: str
    """One sentence for the reference."""
    takes: str
    gives: str
    params: tuple[Param, ...]
    takes_missing: bool
    """Whether it is called with MISSING."""
    examples: tuple[Example, ...]
    function: Callable[..., Any]

    @property
    def takes_list(self) -> bool:
        """Whether it can read a list; what can't never gives anything of one."""
        return self.takes == "anything" or "list" in self.takes

    @property
    def gives_list(self) -> bool:
        """Whether it gives a list, or missing, of whatever it takes."""
        return self.gives.startswith("a list") and not self.keeps_list

    @property
    def keeps_list(self) -> bool:
        """Whether it gives a list of a list, or what stands for it."""
        return self.gives.startswith("the value") or self.gives == "a list, or text"


Get = Callable[[Any], Any]
"""What a path becomes: a value to what stands there, or MISSING."""


def path_param(summary: str, *, required: bool = False) -> Param:
    """A parameter named ``path``, relative to the value or to each element."""
    return Param(name="path", kind="path", required=required, summary=summary)


REGISTER: dict[str, Filter] = {}


def register(
    name: str,
    *,
    summary: str,
    takes: str,
    gives: str,
    examples: tuple[Example, ...],
    params: tuple[Param, ...] = (),
    takes_missing: bool = False,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Add the decorated function as the filter ``name``."""

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        if name in REGISTER:
            raise ValueError(f"two filters are named {name}")
        REGISTER[name] = Filter(
            name=name, summary=summary, takes=takes, gives=gives, params=params,
            takes_missing=takes_missing, examples=examples, function=function,
        )  # fmt: skip
        return function

    return add


# -- what filters read and make ------------------------------------------------------------------------------------


def text_of(value: Any) -> str:
    """Text, or a number or boolean as text.

    :raises Unreadable: it is none of them.
    """
    if type(value) is str:
        return value
    text = as_text(value)
    if text is None:
        raise Unreadable(f"found {describe(value)}; takes text, a number or a boolean")
    return text


def number_of(value: Any) -> int | Decimal:
    """A number, or text that is one; white space around it is no matter.

    :raises Unreadable: it is not.
    """
    number = as_number(value.strip() if isinstance(value, str) else value)
    if number is None:
        raise Unreadable(f"found {describe(value)}; takes a number, or text that is one such as '12.50'")
    return number


def elements(value: Any) -> list[Any]:
    """A list; null is an empty one, any other value a list of itself (XML does not tell one element from a list).

    :raises Unreadable: it has over 100,000 elements.
    """
    if value is None or value is MISSING:
        return []
    if not isinstance(value, list):
        return [value]
    if len(value) > MAX_ELEMENTS:
        raise Unreadable(f"found {describe(value)}; takes at most {MAX_ELEMENTS:,} elements")
    return value


def bounded_text(text: str) -> str:
    """``text``, if it is not over a million characters.

    :raises Unreadable: it is.
    """
    if len(text) > MAX_TEXT:
        raise Unreadable(f"the result has {len(text):,} characters; allowed are {MAX_TEXT:,}")
    return text
