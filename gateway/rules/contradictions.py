"""Conditions taken apart without a webhook: which can never hold, and which hold whenever others do.

Only what constants decide is decided. ``$.a: [x, y]`` is the test ``in`` of one expression; a mapping of operators is
one test, and its operators speak of one and the same element where the value is a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from gateway.rules.moments import moment
from gateway.rules.nodes import Node
from gateway.rules.operators import in_words
from gateway.rules.syntax import SyntaxProblem, read_expression
from gateway.rules.values import as_number

_BOUNDS = ("gt", "gte", "lt", "lte")
_COMPARISONS = (*_BOUNDS, "contains", "starts_with", "ends_with", "before", "after")


class Test(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of one expression."""

    path: str
    """The expression as written, trimmed."""
    place: Node
    """Its key."""
    operators: tuple[tuple[str, Node, Node], ...]
    """(operator, where it is named, its operand)."""

    @property
    def many(self) -> bool:
        """Whether the path can name several places, so that two tests may speak of two elements."""
        return any(mark in self.path for mark in ("*", "..", "?", ":", ","))

    @property
    def key(self) -> object:
        """Equal for tests that ask the same."""
        return (self.path, frozenset((name, _operand(operand)) for name, _, operand in self.operators))

    def equalities(self) -> list[Node] | None:
        """The constants that it allows, where it tests equality and nothing else."""
        if len(self.operators) != 1 or self.operators[0][0] not in ("eq", "in"):
            return None
        nodes = _values(self.operators[0][2])
        return nodes if all(_is_constant(node) for node in nodes) else None

    def words(self) -> str:
        return " and ".join(in_words(name, operand) for name, _, operand in self.operators)


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """What a mapping of conditions asks, ``all`` taken in."""

    tests: tuple[Test, ...] = ()
    groups: tuple[tuple[Conditions, ...], ...] = ()
    """Of each ``any``, its branches."""
    excluded: tuple[Conditions, ...] = ()
    """Of each ``not``, what must not hold."""

    @property
    def key(self) -> object:
        """Equal for conditions that ask the same."""
        return (
            frozenset(test.key for test in self.tests),
            frozenset(frozenset(branch.key for branch in group) for group in self.groups),
            frozenset(one.key for one in self.excluded),
        )

    def every(self) -> Iterator[Conditions]:
        """These, and those inside of them."""
        yield self
        for group in self.groups:
            for branch in group:
                yield from branch.every()
        for one in self.excluded:
            yield from one.every()


def read_conditions(node: Node | None) -> Conditions:
    """Take a mapping of conditions apart; what can't be read is left out (it is a problem of its own)."""
    tests: list[Test] = []
    groups: list[tuple[Conditions, ...]] = []
    excluded: list[Conditions] = []
    for key, value in node.entries if node is not None else ():
        if key.text == "not":
            excluded.append(read_conditions(value))
        elif key.text == "any":
            groups.append(tuple(read_conditions(item) for item in value.items))
        elif key.text == "all":
            for item in value.items:
                inner = read_conditions(item)
                tests.extend(inner.tests)
                groups.extend(inner.groups)
                excluded.extend(inner.excluded)
        elif key.text.startswith("$"):
            tests.append(_test(key, value))
    return Conditions(tests=tuple(tests), groups=tuple(groups), excluded=tuple(excluded))


def _test(key: Node, value: Node) -> Test:
    if value.kind == "map":
        operators = tuple((name.text, name, operand) for name, operand in value.entries)
    else:
        operators = (("in" if value.kind == "list" else "eq", value, value),)
    return Test(path=_path(key.text), place=key, operators=operators)


def _path(text: str) -> str:
    """An expression in one way of writing: the blanks around ``|`` don't matter."""
    try:
        written = read_expression(text)
    except SyntaxProblem:
        return text.strip()
    return " | ".join((written.path, *(text[call.at :].split("|", 1)[0].strip() for call in written.calls)))


# -- what never holds ----------------------------------------------------------------------------------------------


def contradictions(test: Test) -> list[tuple[Node, str]]:
    """Why a test can never hold: where, and in words; at most one reason."""
    constants = {
        name: (place, operand)
        for name, place, operand in test.operators
        if all(_is_constant(node) for node in _values(operand))
    }
    for check in (_exists, _bounds, _moments, _equality):
        found = check(constants)
        if found is not None:
            return [found]
    return []


Constants = dict[str, tuple[Node, Node]]
Reason = tuple[Node, str] | None


def _never(place: Node, why: str) -> Reason:
    return place, f"this never holds: {why}"


def _exists(constants: Constants) -> Reason:
    if "exists" in constants:
        place, operand = constants["exists"]
        for name in ("eq", "in", *_COMPARISONS):
            if name not in constants:
                continue
            other = constants[name]
            if name in ("lt", "lte") and isinstance(other[1].value, str):
                continue  # An empty text is less than any other.
            nothing = [node for node in _values(other[1]) if node.value in (None, "")]
            if operand.value is False and not nothing:
                return _never(place, f"exists: false asks for nothing, and {name} for something")
    if "is_null" in constants and constants["is_null"][1].value is True:
        for name in ("eq", "in", *_COMPARISONS, "matches"):
            if name in constants and all(node.value is not None for node in _values(constants[name][1])):
                return _never(constants["is_null"][0], f"is_null: true asks for null, and {name} for something else")
    return None


def _bounds(constants: Constants) -> Reason:
    """Limits that leave no number, or not the one that is asked for."""
    # A text is a bound of texts too, in their own order.
    numbers = {
        name: as_number(value)
        for name in _BOUNDS
        if name in constants and not isinstance(value := constants[name][1].value, str)
    }
    for low in ("gt", "gte"):
        for high in ("lt", "lte"):
            least, most = numbers.get(low), numbers.get(high)
            if least is None or most is None:
                continue
            if least > most or (least == most and (low, high) != ("gte", "lte")):
                return _never(constants[high][0], f"no number is {_than(low, least)} and {_than(high, most)}")
    for name, bound in numbers.items():
        for wanted in ("eq", "in"):
            if bound is None or wanted not in constants:
                continue
            values = [as_number(node.value) for node in _values(constants[wanted][1])]
            if all(value is not None and not _within(name, value, bound) for value in values):
                shown = in_words(wanted, constants[wanted][1])
                return _never(constants[name][0], f"{shown} is not {_than(name, bound)}")
    return None


def _than(name: str, bound: int | Decimal) -> str:
    words = {"gt": "more than", "gte": "at least", "lt": "less than", "lte": "at most"}
    return f"{words[name]} {bound}"


def _within(name: str, value: int | Decimal, bound: int | Decimal) -> bool:
    return {"gt": value > bound, "gte": value >= bound, "lt": value < bound, "lte": value <= bound}[name]


def _moments(constants: Constants) -> Reason:
    if "before" not in constants or "after" not in constants:
        return None
    try:
        before, after = (moment(constants[name][1].value, zone=None) for name in ("before", "after"))
    except ValueError:
        return None
    if after >= before:
        return _never(constants["before"][0], "no time is after the later and before the earlier of these two")
    return None


def _equality(constants: Constants) -> Reason:
    wanted: list[Node] | None = None
    for name in ("eq", "in"):
        if name not in constants:
            continue
        values = _values(constants[name][1])
        if wanted is not None and not any(_may_be_same(one, two) for one in wanted for two in values):
            return _never(constants[name][0], f"{in_words('in', constants[name][1])} leaves out what eq asks for")
        wanted = values if wanted is None else wanted
    if wanted is None:
        return None
    for name in ("ne", "not_in"):
        if name not in constants:
            continue
        refused = _values(constants[name][1])
        if all(any(_are_same(one, two) for two in refused) for one in wanted):
            return _never(constants[name][0], f"{name} excludes what is asked for beside it")
    texts = [node.text for node in wanted if isinstance(node.value, str)]
    for name, holds, words in (
        ("starts_with", str.startswith, "start with"),
        ("ends_with", str.endswith, "end with"),
        ("contains", str.__contains__, "contain"),
    ):
        if name in constants and len(texts) == len(wanted):
            part = constants[name][1].text
            if not any(holds(text, part) for text in texts):
                return _never(constants[name][0], f"what is asked for beside it does not {words} '{part}'")
    return None


# -- two tests -----------------------------------------------------------------------------------------------------


def two_values(conditions: Conditions) -> list[tuple[Test, Test]]:
    """Pairs of tests of one place that allow no common value."""
    found: list[tuple[Test, Test]] = []
    for number, test in enumerate(conditions.tests):
        allowed = test.equalities()
        if allowed is None or test.many:
            continue
        for other in conditions.tests[number + 1 :]:
            others = other.equalities() if other.path == test.path else None
            if others is not None and not any(_may_be_same(one, two) for one in allowed for two in others):
                found.append((test, other))
    return found


def implies(these: Conditions, others: Conditions) -> bool:
    """Whether ``others`` surely hold whenever ``these`` do."""
    groups = {frozenset(branch.key for branch in group) for group in these.groups}
    excluded = {one.key for one in these.excluded}
    return (
        all(any(_test_implies(test, other) for test in these.tests) for other in others.tests)
        and all(
            frozenset(branch.key for branch in group) in groups or any(implies(these, branch) for branch in group)
            for group in others.groups
        )
        and all(one.key in excluded for one in others.excluded)
    )


def _test_implies(test: Test, other: Test) -> bool:
    if test.key == other.key:
        return True
    if test.path != other.path:
        return False
    asked, allowed = test.equalities(), other.equalities()
    if asked is not None and allowed is not None:
        return all(any(_are_same(one, two) for two in allowed) for one in asked)
    only = other.operators[0] if len(other.operators) == 1 else None
    if asked is not None and only is not None and only[0] == "exists" and only[2].value is True:
        return all(node.value not in (None, "") for node in asked)
    # More operators on one value ask for no less.
    return {(name, _operand(operand)) for name, _, operand in other.operators} <= {
        (name, _operand(operand)) for name, _, operand in test.operators
    }


# -- operands ------------------------------------------------------------------------------------------------------


def _values(operand: Node) -> list[Node]:
    return list(operand.items) if operand.kind == "list" else [operand]


def _is_constant(node: Node) -> bool:
    return node.kind == "scalar" and not (
        isinstance(node.value, str) and (node.text.startswith("$") or "{{" in node.text)
    )


def _operand(node: Node) -> object:
    if node.kind == "list":
        return frozenset(_operand(item) for item in node.items)
    if node.kind == "map":
        return frozenset((key.text, _operand(value)) for key, value in node.entries)
    if isinstance(node.value, str):
        return (node.quoted, node.text)
    return (type(node.value) is bool, node.value)


def _are_same(one: Node, other: Node) -> bool:
    """Whether every value that equals one equals the other."""
    return _operand(one) == _operand(other)


def _may_be_same(one: Node, other: Node) -> bool:
    """Whether some value may equal both: ``5``, ``5.0`` and ``"5"`` may."""
    if one.text == other.text or one.value == other.value:
        return True
    first, second = as_number(one.value), as_number(other.value)
    return first is not None and first == second
