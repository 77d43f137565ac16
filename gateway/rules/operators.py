"""The operators of conditions: each compiles to a check of one value. A check never raises on any JSON value."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import re2

from gateway.rules.comparison import equal, equal_exactly, order
from gateway.rules.costs import searching
from gateway.rules.mapping import Report, compile_text
from gateway.rules.moments import moment
from gateway.rules.nodes import Node, truth_hint
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

_MOMENT_STEPS = 8
"""What it takes to read a time."""

ELSEWHERE = {
    ">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "=": "eq", "==": "eq", "===": "eq", "!=": "ne", "<>": "ne",
    "equals": "eq", "equal": "eq", "is": "eq", "not": "ne", "not_equals": "ne", "neq": "ne", "nin": "not_in",
    "one_of": "in", "any_of": "in", "none_of": "not_in", "greater": "gt", "greater_than": "gt", "more_than": "gt",
    "less": "lt", "less_than": "lt", "min": "gte", "at_least": "gte", "max": "lte", "at_most": "lte", "ge": "gte",
    "le": "lte", "like": "contains", "includes": "contains", "has": "contains", "regex": "matches",
    "regexp": "matches", "match": "matches", "=~": "matches", "begins_with": "starts_with", "prefix": "starts_with",
    "startswith": "starts_with", "endswith": "ends_with", "suffix": "ends_with", "present": "exists",
    "exist": "exists", "is_set": "exists", "null": "is_null", "isnull": "is_null", "earlier": "before",
    "later": "after", "since": "after", "until": "before",
}  # fmt: skip
"""What the operators are called elsewhere."""

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
        if operand.kind != "list":
            report(operand, f"{name} takes a list of values, such as [paid, authorized]; found {operand.describe()}")
            return None
        if not operand.items:
            always = "never holds" if name == "in" else "always holds"
            report(operand, f"{name} takes a list of values; with an empty list it {always}")
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
            report(operand, f"is_null takes true or false; found {operand.describe()}{truth_hint(operand)}")
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
        scope.budget.spend_on(value)
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

        def check(value: Any, scope: Scope) -> bool:
            other = evaluate(scope)
            scope.budget.spend_comparing(value, other)
            return equal(value, other)

        return check
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
        what, at = _regex_problem(str(error).removeprefix("b").strip("'\""), operand.text)
        report(operand, what, at=at)
        return None

    def check(value: Any, scope: Scope) -> bool:
        text = as_text(value)
        if text is None:
            return False
        scope.budget.spend(1 + searching(pattern, text))
        try:
            return pattern.search(text) is not None
        except UnicodeEncodeError:  # half a character: a lone surrogate
            return False

    return check


def _regex_problem(said: str, pattern: str) -> tuple[str, int]:
    """What is wrong with a regular expression, and where in it."""
    kind, _, rest = said.partition(": ")
    rest = rest.replace("\\\\", "\\")
    at = max(pattern.find(rest), 0) if rest else 0
    shown = f"'{rest}'" if rest else f"'{pattern[:40]}'"
    allowed = "allowed is the syntax of RE2"
    if rest.startswith(("(?=", "(?!", "(?<")):
        return (
            f"a regular expression can't look ahead or behind ({shown}); {allowed}; ask with a second test, or not:",
            at,
        )
    if re.match(r"\\[1-9]", rest):
        return f"a regular expression can't refer back to a group ({shown}); {allowed}", at
    if kind.startswith("missing"):
        missing = kind.removeprefix("missing ").strip() or "something"
        return f"'{missing}' is missing in the regular expression {shown}", at
    words = {
        "no argument for repetition operator": "nothing before the * + or ? that repeats it",
        "invalid character class range": "a range that does not go upward",
        "invalid escape sequence": "an escape that is not known",
        "bad repetition operator": "two repetitions in a row",
        "invalid repetition size": "more than 1000 repetitions",
    }
    return f"the regular expression has {words.get(kind, kind)}: {shown}; {allowed}", at


def _times(
    name: str, operand: Node, zone: ZoneInfo | None, evaluate: Callable[[Scope], Any], report: Report
) -> Check | None:
    if not operand.text.startswith("$") and "{{" not in operand.text:
        try:
            moment(operand.value, zone=zone)
        except ValueError as error:
            what = f"{name} takes a time such as 2026-01-05T10:00:00Z; found {operand.describe()}"
            if "without a zone" in str(error):
                what += "; it needs a zone: Z or +01:00 at its end, or zone: Europe/London for the source"
            report(operand, what)
            return None

    def check(value: Any, scope: Scope) -> bool:
        scope.budget.spend(2 * _MOMENT_STEPS)
        try:
            left, right = moment(value, zone=zone), moment(evaluate(scope), zone=zone)
        except ValueError:
            return False
        return left < right if name == "before" else left > right

    return check
