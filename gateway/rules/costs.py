"""What a filter costs, in the steps of :mod:`gateway.rules.budget`: charged before it runs.

The figures are measured (``bench/mapping`` shows the worst of each): a step is at most half a microsecond. A filter
that is not named here takes one step and as many as its input has of 64 characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.rules.budget import Budget

Cost = Callable[[Any, Any, Budget], int]
"""The steps that a value and the arguments will take."""

_CALLS: Final[Mapping[str, int]] = {
    "phone": 50, "email": 10, "date": 25, "date_add": 20, "money": 25, "major": 5, "hash": 5, "lookup": 3,
    "plus": 4, "minus": 4, "times": 4, "round": 4, "abs": 2, "number": 2, "integer": 2, "divided_by": 10,
}  # fmt: skip
"""By filter, for a small input."""

_ELEMENTS: Final[Mapping[str, int]] = {
    "sort": 6, "unique": 4, "min": 3, "max": 3, "sum": 6, "join": 2, "where": 2, "map": 1, "pairs": 1, "compact": 1,
}  # fmt: skip
"""By filter that looks at every element, for each of them."""

_DEEP: Final = frozenset({"sort", "unique", "min", "max", "sum", "join", "where", "json"})
"""Filters that read all of what their elements hold."""

_COMPARING: Final = frozenset({"ignore", "where"})
"""Filters that compare with their arguments, which may be lists and objects."""

_SCALE: Final[Mapping[str, int]] = {"divided_by": 8, "unique": 16, "times": 2}
"""By filter, how much longer than reading it takes to work with an input's content."""

_FLOAT: Final = re.compile(r"[0-9][.eE]")


def _parse_json(value: Any, _arguments: Any, _budget: Budget) -> int:
    if type(value) is not str:
        return 1
    # An exact decimal is made by a function of its own, everything else by msgspec.
    return 1 + (len(value) >> 4) + 2 * len(_FLOAT.findall(value))


def _strip_html(value: Any, _arguments: Any, _budget: Budget) -> int:
    return 1 + (len(value) >> 6) + 2 * value.count("<") + value.count("&") if type(value) is str else 1


def _url_encode(value: Any, _arguments: Any, _budget: Budget) -> int:
    return 1 + (len(value) >> 3) if type(value) is str else 1


def _extract(value: Any, arguments: Any, _budget: Budget) -> int:
    return 2 + searching(arguments[0], value) if type(value) is str else 2


_OWN: Final[Mapping[str, Cost]] = {
    "parse_json": _parse_json, "strip_html": _strip_html, "url_encode": _url_encode, "extract": _extract,
}  # fmt: skip


_OWN_SHORT: Final[Mapping[str, int]] = {"parse_json": 20, "strip_html": 20, "url_encode": 5, "extract": 5}


def cost_of(name: str) -> Cost:
    """What the filter of this name costs."""
    if name in _OWN:
        return _OWN[name]
    each, deep, comparing = _ELEMENTS.get(name, 0), name in _DEEP, name in _COMPARING
    base, scale = _CALLS.get(name, 1), _SCALE.get(name, 1)

    def cost(value: Any, arguments: Any, budget: Budget) -> int:
        kind = type(value)
        if kind is str:
            steps = base + (len(value) >> 6)
        elif kind is list:
            steps = base + each * len(value)
            if steps <= budget.left and deep:
                steps += scale * budget.weigh(value)
        elif kind is dict:
            steps = base + (scale * budget.weigh(value) if deep else 0)
        else:
            steps = base + scale * budget.weigh(value)
        if comparing:
            for argument in arguments:
                if type(argument) in (list, dict, tuple) and type(value) in (list, dict):
                    steps += budget.weigh(list(argument) if type(argument) is tuple else argument)
        elif scale > 1 and arguments:
            steps += scale * budget.weigh(arguments[0])
        return steps

    return cost


def cost_of_short_text(name: str) -> int:
    """What the filter of this name costs at most where its input is a text of under 64 characters."""
    return _OWN_SHORT.get(name) or _CALLS.get(name, 1)


def searching(pattern: Any, text: str) -> int:
    """The steps of a regular expression's search: RE2 is linear in the text, and in the pattern's size at worst."""
    size: int = pattern.programsize
    return len(text) * (32 + size) >> 11


PREPARING: Final[Mapping[str, int]] = {"zone": 100, "locale": 300, "currency": 5, "region": 5, "choice": 5,
                                       "duration": 10, "format": 20, "reading": 20}  # fmt: skip
"""By kind, what it takes to prepare an argument that comes out of the payload, once for each webhook."""
REFUSING: Final[Mapping[str, int]] = {"zone": 3000, "currency": 600, "locale": 300, "choice": 100}
"""By kind, what it takes besides to say that it can't be one."""
