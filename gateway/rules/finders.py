"""Paths that can find many values: wildcards, slices, filters and ``..``, compiled from jsonpath-ng's AST to functions.

Every function is given what is left of the webhook's budget of steps, and spends before it looks, so that no payload
and no rule holds the service up.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from jsonpath_ng import Child, Descendants, Fields, Index, JSONPath, Root, Slice, This
from jsonpath_ng.ext.filter import And, Filter, Or
from jsonpath_ng.jsonpath import Wildcard

from gateway.rules.budget import Budget
from gateway.rules.comparison import equal, equal_exactly, order

Finder = Callable[[Any, Any, Budget], list[Any]]
"""Any path: (value, document, budget) to all the values that it finds."""


def finder(ast: Any) -> Finder:
    """Compile an AST that :mod:`gateway.rules.paths` has checked to be of the subset."""
    if isinstance(ast, Root):
        return lambda _value, document, _budget: [document]
    if isinstance(ast, This):
        return lambda value, _document, _budget: [value]
    if isinstance(ast, Child):
        if type(ast.left) is This:
            return finder(ast.right)
        return _child(finder(ast.left), finder(ast.right))
    if isinstance(ast, Descendants):
        return _descendants(finder(ast.left), finder(ast.right))
    if isinstance(ast, Fields):
        return _fields(ast.fields)
    if isinstance(ast, Index):
        return _indexes(ast.indices)
    if isinstance(ast, Slice):
        return _slice(slice(ast.start, ast.end, ast.step))
    if isinstance(ast, Wildcard):
        return _wildcard
    assert isinstance(ast, Filter), ast
    return _filter(ast)


def _child(left: Finder, right: Finder) -> Finder:
    def find(value: Any, document: Any, budget: Budget) -> list[Any]:
        parents = left(value, document, budget)
        budget.spend(len(parents))
        found: list[Any] = []
        for parent in parents:
            found.extend(right(parent, document, budget))
        return found

    return find


def _descendants(left: Finder, right: Finder) -> Finder:
    def find(value: Any, document: Any, budget: Budget) -> list[Any]:
        found: list[Any] = []
        stack = left(value, document, budget)[::-1]
        budget.spend(len(stack))
        while stack:
            node = stack.pop()
            found.extend(right(node, document, budget))
            if type(node) is list:
                budget.spend(len(node))
                stack.extend(reversed(node))
            elif type(node) is dict:
                budget.spend(len(node))
                stack.extend(reversed(node.values()))
        return found

    return find


def _fields(names: tuple[str, ...]) -> Finder:
    if len(names) == 1:
        (name,) = names
        return lambda value, _document, _budget: [value[name]] if type(value) is dict and name in value else []

    def find(value: Any, _document: Any, budget: Budget) -> list[Any]:
        if type(value) is not dict:
            return []
        budget.spend(len(names))
        return [value[name] for name in names if name in value]

    return find


def _indexes(indexes: tuple[int, ...]) -> Finder:
    def find(value: Any, _document: Any, budget: Budget) -> list[Any]:
        if type(value) is not list:
            return []
        budget.spend(len(indexes))
        length = len(value)
        return [value[index] for index in indexes if -length <= index < length]

    return find


def _slice(part: slice) -> Finder:
    def find(value: Any, _document: Any, budget: Budget) -> list[Any]:
        if type(value) is not list:
            return []
        budget.spend(len(range(*part.indices(len(value)))))
        return value[part]

    return find


def _wildcard(value: Any, _document: Any, budget: Budget) -> list[Any]:
    if type(value) is list:
        budget.spend(len(value))
        return value
    if type(value) is dict:
        budget.spend(len(value))
        return list(value.values())
    return []


# -- filters inside a path -----------------------------------------------------------------------------------------

Predicate = Callable[[Any, Any, Budget], bool]


def _filter(ast: Filter) -> Finder:
    predicates = [_predicate(expression) for expression in ast.expressions]
    tests = sum(map(_tests, ast.expressions))

    def find(value: Any, document: Any, budget: Budget) -> list[Any]:
        elements = _wildcard(value, document, budget)
        budget.spend(tests * len(elements))
        for predicate in predicates:
            elements = [element for element in elements if predicate(element, document, budget)]
        return elements

    return find


def _tests(ast: Any) -> int:
    """How many comparisons and existence tests an expression has."""
    return sum(map(_tests, ast.operands)) if isinstance(ast, And | Or) else 1


def _predicate(ast: Any) -> Predicate:
    if isinstance(ast, And | Or):
        parts = [_predicate(operand) for operand in ast.operands]
        if isinstance(ast, And):
            return lambda value, document, budget: all(part(value, document, budget) for part in parts)
        return lambda value, document, budget: any(part(value, document, budget) for part in parts)
    target = finder(ast.target)
    if ast.op is None:
        return lambda value, document, budget: bool(target(value, document, budget))
    if ast.op == "!":
        return lambda value, document, budget: not target(value, document, budget)
    op = "==" if ast.op == "=" else ast.op
    if isinstance(ast.value, JSONPath):
        return _between(target, op, finder(ast.value))
    # A quoted operand stays text: [?(@.sku == '007')] is not the number 7.
    same = equal_exactly if type(ast.value) is str else equal
    operand = Decimal(repr(ast.value)) if isinstance(ast.value, float) else ast.value

    def compare(value: Any, document: Any, budget: Budget) -> bool:
        found = target(value, document, budget)
        if not found:
            return op == "!="
        budget.spend(len(found))
        return any(_holds(op, one, operand, same, budget) for one in found)

    return compare


def _between(target: Finder, op: str, other: Finder) -> Predicate:
    def compare(value: Any, document: Any, budget: Budget) -> bool:
        found, wanted = target(value, document, budget), other(value, document, budget)
        if not found or not wanted:
            # RFC 9535, 2.3.5.2.2: nothing equals nothing, and nothing else.
            both = not found and not wanted
            return both if op in ("==", "<=", ">=") else not both if op == "!=" else False
        budget.spend(2 * len(found) * len(wanted))
        return any(_holds(op, one, two, equal, budget) for one in found for two in wanted)

    return compare


def _holds(op: str, left: Any, right: Any, same: Callable[[Any, Any], bool], budget: Budget) -> bool:
    budget.spend_comparing(left, right)
    if op == "==":
        return same(left, right)
    if op == "!=":
        return not same(left, right)
    placed = order(left, right)
    if placed is None:  # RFC 9535, 2.3.5.2.2: what has no order is at most equal.
        return op in ("<=", ">=") and same(left, right)
    if op == "<":
        return placed < 0
    if op == "<=":
        return placed <= 0
    return placed > 0 if op == ">" else placed >= 0
