"""Conditions: what ``when`` and ``ignore`` ask of a webhook. A condition never raises: it holds or it does not.

when:
  $.status: paid                      # equality
  $.status: [paid, authorized]        # membership
  $.total: {gte: 10, lt: 100}         # operators
  any: [{$.country: GB}, {$.country: IE}]
  not: {$.test: true}
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Protocol

import msgspec

from gateway.rules import traps
from gateway.rules.expressions import Expression, compile_expression
from gateway.rules.mapping import Report
from gateway.rules.nodes import Node, truth_hint
from gateway.rules.operators import ELSEWHERE, OPERATORS, Check, compile_operator, in_words
from gateway.rules.problems import choices, did_you_mean
from gateway.rules.roots import ExpressionProblem
from gateway.rules.scope import EvaluationFailed, Names, Scope
from gateway.rules.values import MISSING, as_text, describe, is_nothing

GROUPS = ("any", "all", "not")


class Condition(Protocol):
    """What a mapping of conditions compiles to."""

    def holds(self, scope: Scope) -> bool:
        """Whether it holds. Never raises."""

    def why_not(self, scope: Scope) -> str:
        """In words, why it does not hold; empty where it does."""

    def words(self, scope: Scope) -> str:
        """What is asked, in words of the rules and not of the payload; where it holds, the part of it that does."""


class Equality(msgspec.Struct, frozen=True, kw_only=True):
    """A test that only equality to constants decides, so that rules can be looked up by it."""

    path: str
    operands: tuple[Any, ...]
    """Text, numbers, booleans or None."""


class Test:
    """One expression and what is asked of its value."""

    __slots__ = (
        "comparisons", "equality", "evaluate", "exists", "expected", "expression", "negative", "positive", "texts",
    )  # fmt: skip

    def __init__(
        self,
        expression: Expression,
        *,
        positive: list[Check],
        negative: list[Check],
        exists: bool | None,
        expected: str,
        comparisons: int = 1,
        equality: Equality | None = None,
    ) -> None:
        self.expression = expression
        self.evaluate = expression.evaluate
        self.positive = positive
        self.negative = negative
        self.exists = exists
        self.expected = expected
        self.comparisons = comparisons
        """With how many values each element of a list is compared."""
        self.equality = equality
        self.texts: frozenset[str] | None = None
        """Set where the value must be one of a few texts, so that it is looked up."""
        if equality is not None and all(type(operand) is str for operand in equality.operands):
            self.texts = frozenset(equality.operands)

    def holds(self, scope: Scope) -> bool:
        try:
            value = self.evaluate(scope)
        except EvaluationFailed:
            return False
        if self.texts is not None and type(value) is str:
            return value in self.texts
        try:
            return self._passes(value, scope)
        except EvaluationFailed:
            return False

    def _passes(self, value: Any, scope: Scope) -> bool:
        if self.exists is not None and _is_something(value, scope) is not self.exists:
            return False
        if type(value) is list:
            if not value:
                value = MISSING
            else:
                scope.budget.spend(self.comparisons * (2 * len(value) + scope.budget.weigh(value)))
                if any(same(element, scope) for same in self.negative for element in value):
                    return False
                return not self.positive or any(
                    all(check(element, scope) for check in self.positive) for element in value
                )
        if value is MISSING:
            return not self.positive
        return not any(same(value, scope) for same in self.negative) and all(
            check(value, scope) for check in self.positive
        )

    def why_not(self, scope: Scope) -> str:
        try:
            value = self.expression.evaluate(scope)
            if self._passes(value, scope):
                return ""
        except EvaluationFailed as failed:
            return f"{failed}, expected {self.expected}"
        return f"{self.expression.text} is {describe(value).removeprefix('text ')}, expected {self.expected}"

    def words(self, scope: Scope) -> str:
        if self.equality is not None and len(self.equality.operands) > 1 and self.holds(scope):
            # One of several constants: which of them is nothing that the rules do not say.
            value = self.expression.evaluate(scope)
            if type(value) in (str, int, Decimal):
                return f"{self.expression.text} is {as_text(value)}"
        return f"{self.expression.text} is {self.expected}"


def _is_something(value: Any, scope: Scope) -> bool:
    """A list counts by its elements: one of nothing but nulls and empty texts is nothing."""
    if type(value) is not list:
        return not is_nothing(value)
    scope.budget.spend(len(value))
    return not all(map(is_nothing, value))


class All:
    """Every part must hold."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = tuple(parts)

    def holds(self, scope: Scope) -> bool:
        for part in self.parts:  # noqa: SIM110 - half the time of all(): every webhook meets this
            if not part.holds(scope):
                return False
        return True

    def why_not(self, scope: Scope) -> str:
        return next((why for part in self.parts if (why := part.why_not(scope))), "")

    def words(self, scope: Scope) -> str:
        return " and ".join(part.words(scope) for part in self.parts)


class Either:
    """One part must hold."""

    __slots__ = ("parts",)

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = tuple(parts)

    def holds(self, scope: Scope) -> bool:
        return any(part.holds(scope) for part in self.parts)

    def why_not(self, scope: Scope) -> str:
        reasons = [part.why_not(scope) for part in self.parts]
        return "" if not all(reasons) else "none of any holds: " + "; ".join(reasons)

    def words(self, scope: Scope) -> str:
        holding = next((part for part in self.parts if part.holds(scope)), None)
        return " or ".join(part.words(scope) for part in (self.parts if holding is None else (holding,)))


class Not:
    """The part must not hold."""

    __slots__ = ("excluded", "part")

    def __init__(self, part: Condition, excluded: str) -> None:
        self.part = part
        self.excluded = excluded

    def holds(self, scope: Scope) -> bool:
        return not self.part.holds(scope)

    def why_not(self, scope: Scope) -> str:
        return "" if self.holds(scope) else f"what not excludes holds: {self.excluded}"

    def words(self, scope: Scope) -> str:
        return f"not: {self.part.words(scope)}"


# -- compiling -----------------------------------------------------------------------------------------------------


def compile_conditions(node: Node, names: Names, report: Report) -> All:
    """Compile a mapping of conditions; all of it must hold."""
    if node.kind == "scalar" and not node.quoted and (trap := traps.missing_space([node.text], 1)) is not None:
        report(node, trap.message, at=trap.column - 1)
        return All(())
    if node.kind != "map":
        report(
            node, f"conditions are a mapping of expression to test, such as {{$.status: paid}}; found {node.describe()}"
        )
        return All(())
    parts: list[Condition] = []
    for key, value in node.entries:
        if key.text in GROUPS:
            part = _group(key.text, value, names, report)
        elif not key.text.startswith("$"):
            report(
                key,
                f"'{key.text}' is not a condition; allowed: an expression such as $.{_plain_name(key.text)}, "
                f"any, all, not{did_you_mean(key.text, GROUPS)}",
            )
            continue
        else:
            part = _test(key, value, names, report)
        if part is not None:
            parts.append(part)
    return All(parts)


def _plain_name(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z_][\w.]*", text) else "status"


def _group(kind: str, node: Node, names: Names, report: Report) -> Condition | None:
    if kind == "not":
        return Not(compile_conditions(node, names, report), ", ".join(key.text for key, _ in node.entries))
    if node.kind != "list" or not node.items:
        report(node, f"{kind} takes a list of mappings of conditions; found {node.describe()}")
        return None
    parts = [compile_conditions(item, names, report) for item in node.items]
    return Either(parts) if kind == "any" else All(parts)


def _test(key: Node, node: Node, names: Names, report: Report) -> Test | None:
    names.place = (key.line, key.column)
    try:
        expression = compile_expression(key.text, names)
    except ExpressionProblem as problem:
        report(key, str(problem), at=problem.at)
        return None
    if node.kind == "scalar":
        return _compile(expression, [("eq", node)], names, report)
    if node.kind == "list":
        if not node.items:
            report(node, "nothing equals one of an empty list, so this never holds; list what is allowed")
            return None
        return _compile(expression, [("in", node)], names, report)
    if not node.entries:
        report(node, f"an empty mapping tests nothing; allowed: {', '.join(OPERATORS)}")
        return None
    operators: list[tuple[str, Node]] = []
    for operator, operand in node.entries:
        if operator.text not in OPERATORS:
            meant = ELSEWHERE.get(operator.text.lower().strip("$"))
            hint = f"; did you mean '{meant}'?" if meant else choices(operator.text, OPERATORS)
            report(operator, f"'{operator.text}' is not an operator{hint}")
        else:
            operators.append((operator.text, operand))
    return _compile(expression, operators, names, report) if operators else None


def _compile(expression: Expression, operators: list[tuple[str, Node]], names: Names, report: Report) -> Test | None:
    positive: list[Check] = []
    negative: list[Check] = []
    expected: list[str] = []
    exists: bool | None = None
    constants: tuple[Any, ...] | None = None
    for name, operand in operators:
        expected.append(in_words(name, operand))
        if name == "exists":
            if not isinstance(operand.value, bool) or operand.quoted:
                report(operand, f"exists takes true or false; found {operand.describe()}{truth_hint(operand)}")
                return None
            exists = operand.value
            continue
        check = compile_operator(name, operand, names, report)
        if check is None:
            return None
        (negative if name in ("ne", "not_in") else positive).append(check)
        if name in ("eq", "in"):
            constants = _constants(operand)
    # With `exists: false` alone, whatever else is missing holds; with a value the tests beside it speak.
    equality = Equality(path=expression.text, operands=constants) if constants and len(operators) == 1 else None
    return Test(
        expression,
        positive=positive,
        negative=negative,
        exists=exists,
        expected=" and ".join(expected),
        comparisons=sum(len(operand.items) or 1 for _, operand in operators),
        equality=equality,
    )


def _constants(operand: Node) -> tuple[Any, ...] | None:
    nodes = operand.items if operand.kind == "list" else (operand,)
    if any(
        node.kind != "scalar" or (isinstance(node.value, str) and node.text.startswith("$")) or "{{" in node.text
        for node in nodes
    ):
        return None
    return tuple(node.value for node in nodes)
