"""The operators of conditions: each compiles to a check of one value. A check never raises on any JSON value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import re2

from gateway.rules.comparison import equal, equal_exactly, order
from gateway.rules.mapping import Report, compile_text
from gateway.rules.moments import moment
from gateway.rules.nodes import Node
from gateway.rules.scope import Names, Scope
from gateway.rules.values import as_text

OPERATORS = {
    "eq": "equals this",
    "ne": "does not equal this, or is missing",
    "in": "equals one of this list",
    "not_in": "equals none of this list, or is missing",
    "exists": "true: is something; false: is nothing (missing, null or empty)",
    "is_null": "true: is null; false: is there and not null",
    "gt": "is greater than this",
    "gte": "is greater than or equal to this",
    "lt": "is less than this",
    "lte": "is less than or equal to this",
    "contains": "is text that contains this text",
    "starts_with": "is text that starts with this text",
    "ends_with": "is text that ends with this text",
    "matches": "is text in which this regular expression (RE2) finds something",
    "before": "is a time before this one",
    "after": "is a time after this one",
}

Check = Callable[[Any, Scope], bool]
"""Whether one value (never a list) passes."""


def in_words(name: str, operand: Node) -> str:
    """What an operator asks for, for traces: ``one of paid, authorized``."""
    shown = ", ".join(item.text for item in operand.items) if operand.kind == "list" else operand.text or "null"
    return {
        "eq": shown,
        "ne": f"anything but {shown}",
        "in": f"one of {shown}",
        "not_in": f"none of {shown}",
        "exists": "something" if operand.value is True else "nothing",
        "is_null": "null" if operand.value is True else "a value that is not null",
        "gt": f"more than {shown}",
        "gte": f"at least {shown}",
        "lt": f"less than {shown}",
        "lte": f"at most {shown}",
        "contains": f"text that contains '{shown}'",
        "starts_with": f"text that starts with '{shown}'",
        "ends_with": f"text that ends with '{shown}'",
        "matches": f"text that matches {shown}",
        "before": f"a time before {shown}",
        "after": f"a time after {shown}",
    }[name]


def compile_operator(name: str, operand: Node, names: Names, report: Report) -> Check | None:
    """Compile an operator and its operand, or report what is wrong with it. ``exists`` is not among these."""
    if name in ("in", "not_in"):
        if operand.kind != "list" or not operand.items:
            report(operand, f"{name} takes a list of values; found {operand.describe()}")
            return None
        equals = [_equals(item, names, report) for item in operand.items]
        return lambda value, scope: any(one(value, scope) for one in equals)
    if operand.kind != "scalar":
        report(operand, f"{name} takes one value; found {operand.describe()}")
        return None
    if name in ("eq", "ne"):
        return _equals(operand, names, report)
    if name == "is_null":
        if not isinstance(operand.value, bool) or operand.quoted:
            report(operand, f"is_null takes true or false; found {operand.describe()}")
            return None
        wanted = operand.value
        return lambda value, _scope: (value is None) is wanted
    if operand.value is None:
        report(operand, f"{name} takes a value; found nothing")
        return None
    if name == "matches":
        return _matches(operand, report)
    evaluate = compile_text(operand, names, report)
    if name in ("before", "after"):
        return _times(name, operand, names.zone, evaluate, report)
    if name in ("gt", "gte", "lt", "lte"):
        accepted = {"gt": (1,), "gte": (0, 1), "lt": (-1,), "lte": (-1, 0)}[name]
        return lambda value, scope: order(value, evaluate(scope)) in accepted
    compare: Callable[[str, str], bool] = {
        "contains": str.__contains__,
        "starts_with": str.startswith,
        "ends_with": str.endswith,
    }[name]

    def check(value: Any, scope: Scope) -> bool:
        text, part = as_text(value), as_text(evaluate(scope))
        return text is not None and part is not None and compare(text, part)

    return check


def _equals(operand: Node, names: Names, report: Report) -> Check:
    if operand.kind != "scalar":
        report(operand, f"a condition compares with one value; found {operand.describe()}")
        return lambda _value, _scope: False
    dynamic = isinstance(operand.value, str) and (operand.text.startswith("$") or "{{" in operand.text)
    if dynamic:
        evaluate = compile_text(operand, names, report)
        return lambda value, scope: equal(value, evaluate(scope))
    wanted = operand.value
    if operand.quoted:
        return lambda value, _scope: equal_exactly(value, wanted)
    return lambda value, _scope: equal(value, wanted)


def _matches(operand: Node, report: Report) -> Check | None:
    options = re2.Options()
    options.log_errors = False
    try:
        pattern = re2.compile(operand.text, options)
    except re2.error as error:
        report(operand, f"not a regular expression of RE2: {str(error).removeprefix('b')}")
        return None

    def check(value: Any, _scope: Scope) -> bool:
        text = as_text(value)
        return text is not None and pattern.search(text) is not None

    return check


def _times(
    name: str, operand: Node, zone: ZoneInfo | None, evaluate: Callable[[Scope], Any], report: Report
) -> Check | None:
    if not operand.text.startswith("$") and "{{" not in operand.text:
        try:
            moment(operand.value, zone=zone)
        except ValueError as error:
            report(operand, f"{name} takes a time: {error}")
            return None

    def check(value: Any, scope: Scope) -> bool:
        try:
            left, right = moment(value, zone=zone), moment(evaluate(scope), zone=zone)
        except ValueError:
            return False
        return left < right if name == "before" else left > right

    return check
