"""A payload taken apart: every value with its path, as far as a person would look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from gateway.rules.budget import Budget
from gateway.rules.paths import PathProblem, compile_path
from gateway.rules.values import MISSING

MAX_DEPTH = 10
MAX_LEAVES = 3000
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_UNWRITABLE = re.compile(r"['\"\\\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]")

Step = str | int


class Leaf(msgspec.Struct, frozen=True, kw_only=True):
    """A value of the payload: a scalar, or a list of objects."""

    steps: tuple[Step, ...]
    key: str
    """Its key, normalised: lower case, letters and digits."""
    around: tuple[str, ...]
    """The keys around it, from the outside, normalised."""
    value: Any
    beside: Any
    """The object that it stands in."""

    @property
    def parent(self) -> tuple[Step, ...]:
        return self.steps[:-1]

    @property
    def in_list(self) -> bool:
        """Whether its path names a position in a list."""
        return any(isinstance(step, int) for step in self.steps)


def normal(key: str) -> str:
    """``First_Name`` and ``firstName`` are one key."""
    return re.sub(r"[^a-z0-9]", "", key.lower())


def leaves(value: Any) -> list[Leaf]:
    """Every scalar and every list of objects, outer ones first; of a list only the first element is looked into."""
    found: list[Leaf] = []
    level = [((), (), value)]  # type: list[tuple[tuple[Step, ...], tuple[str, ...], Any]]
    while level and len(found) < MAX_LEAVES and len(level[0][0]) < MAX_DEPTH:
        deeper: list[tuple[tuple[Step, ...], tuple[str, ...], Any]] = []
        for steps, around, inner in level:
            for step, child in _children(inner):
                key = normal(step) if isinstance(step, str) else (around[-1] if around else "")
                if isinstance(child, dict):
                    deeper.append(((*steps, step), (*around, key), child))
                elif isinstance(child, list) and child:
                    if isinstance(child[0], dict):
                        found.append(Leaf(steps=(*steps, step), key=key, around=around, value=child, beside=inner))
                    deeper.append(((*steps, step), (*around, key), child))
                elif isinstance(step, str) and not isinstance(child, list):
                    found.append(Leaf(steps=(*steps, step), key=key, around=around, value=child, beside=inner))
        level = deeper
    return found[:MAX_LEAVES]


def _children(value: Any) -> Iterator[tuple[Step, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list) and value:
        yield 0, value[0]


def expression(steps: tuple[Step, ...], document: Any, *, root: str = "$") -> str | None:
    """The path as an expression, or None where the language can't write it: it is compiled and tried."""
    for quoted in (False, True):
        tail = "".join(_written(step, quoted=quoted) for step in steps)
        if any(isinstance(step, str) and _UNWRITABLE.search(step) for step in steps):
            return None
        try:
            found = compile_path("$" + tail).read(document, Budget())
        except PathProblem:
            continue
        if found is not MISSING and found is _at(document, steps):
            return root + tail
    return None


def _written(step: Step, *, quoted: bool) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if not quoted and _PLAIN.match(step) else f"['{step}']"


def _at(document: Any, steps: tuple[Step, ...]) -> Any:
    for step in steps:
        document = document[step]
    return document
