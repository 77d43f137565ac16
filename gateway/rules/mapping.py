"""YAML values become functions that build JSON: objects and lists with expressions at any leaf.

A missing value leaves its key out, an object that is left empty by that goes too, a missing element drops out of its
list; null is sent as null. In traits nothing is left out, so that a webhook without a phone does not erase one.

Building spends the webhook's budget: a step for each field, and what a value that is taken whole weighs.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from gateway.rules.budget import Budget, OverBudget
from gateway.rules.expressions import compile_expression, compile_template, is_expression
from gateway.rules.nodes import Node
from gateway.rules.problems import choices
from gateway.rules.roots import ExpressionProblem
from gateway.rules.scope import Evaluate, EvaluationFailed, FromBody, FromItem, Names, Scope
from gateway.rules.values import MISSING, is_nothing

OPERATORS = ("$each", "$as", "$literal", "$merge", "$pick", "$omit", "$from")
LONG: Final = 64
"""Characters from which a text weighs anything."""
WORD: Final = 2**63
"""Whole numbers from which on they do."""
SMALL: Final = 104
"""Bytes up to which a Decimal weighs nothing."""
BUILT, BODY, ITEM, READ = range(4)
"""Where a field comes from."""
Report = Callable[..., None]
"""``report(node, message, at=0)``: note a problem at a node."""


def constant(value: Any) -> Evaluate:
    """A value that does not depend on the webhook."""
    return lambda _scope: value


def compile_text(node: Node, names: Names, report: Report) -> Evaluate:
    """Compile a scalar: a template if it holds ``{{``, an expression if it starts with ``$``, else itself."""
    if not isinstance(node.value, str) or not is_expression(node.text):
        return constant(node.value)
    names.place = (node.line, node.column)
    try:
        if "{{" in node.text:
            return compile_template(node.text, names)
        return compile_expression(node.text, names).evaluate
    except ExpressionProblem as problem:
        report(node, str(problem), at=problem.at)
        return constant(MISSING)


def compile_value(node: Node, names: Names, report: Report, *, keep_nothing: bool = True) -> Evaluate:
    """Compile any YAML value. With ``keep_nothing`` false, null and empty values are left out too (traits)."""
    if node.kind == "scalar":
        evaluate = compile_text(node, names, report)
        if not isinstance(node.value, str) or not is_expression(node.text):
            if not keep_nothing and is_nothing(node.value):
                return constant(MISSING)
            return evaluate if len(node.text) < LONG else _weighed(evaluate)
        return _weighed(evaluate) if keep_nothing else _something(evaluate)
    if node.kind == "list":
        elements = [compile_value(item, names, report, keep_nothing=keep_nothing) for item in node.items]
        return _list(elements, keep_empty=keep_nothing)
    operators = [key for key, _ in node.entries if key.text.startswith("$")]
    if operators:
        return _operator(node, operators, names, report, keep_nothing=keep_nothing)
    return compile_object(node.entries, names, report, keep_nothing=keep_nothing)


def compile_object(
    entries: tuple[tuple[Node, Node], ...], names: Names, report: Report, *, keep_nothing: bool = True
) -> Evaluate:
    """Compile the keys of a mapping to a function that builds the object."""
    if not entries:
        return constant({}) if keep_nothing else constant(MISSING)
    fields = [(key.text, *_field(value, names, report, keep_nothing=keep_nothing)) for key, value in entries]
    count = len(fields)

    def evaluate(scope: Scope) -> Any:
        budget, body, item = scope.budget, scope.body, scope.item
        # As Budget.spend does it; a call for each object would be felt.
        budget.left -= count
        if budget.left < 0:
            raise OverBudget
        built: dict[str, Any] = {}
        key = ""
        try:
            for key, subject, read in fields:
                value = read(body if subject == BODY else item if subject == ITEM else scope)
                if value is MISSING:
                    continue
                built[key] = value
                kind = type(value)
                if subject == BUILT or (kind is str and len(value) < LONG) or (kind is int and -WORD < value < WORD):
                    continue
                if kind is not Decimal or value.__sizeof__() > SMALL:
                    budget.spend_on(value)
        except EvaluationFailed as failed:
            failed.under(key)
            raise
        return built or MISSING

    return evaluate


def _field(node: Node, names: Names, report: Report, *, keep_nothing: bool) -> tuple[int, Callable[[Any], Any]]:
    """How a field is read: out of the body or the element where that is all of it, else by an expression of the whole
    scope; or it is built here, and has paid for itself."""
    if not keep_nothing or node.kind != "scalar" or not isinstance(node.value, str) or not is_expression(node.text):
        return BUILT, compile_value(node, names, report, keep_nothing=keep_nothing)
    evaluate = compile_text(node, names, report)
    if isinstance(evaluate, FromBody):
        return BODY, evaluate.get
    if isinstance(evaluate, FromItem):
        return ITEM, evaluate.get
    return READ, evaluate


def _weighed(evaluate: Evaluate) -> Evaluate:
    """A value that is taken whole is written whole, and may be taken many times: its weight is spent each time."""

    def weighed(scope: Scope) -> Any:
        value = evaluate(scope)
        if type(value) is not str or len(value) >= LONG:
            scope.budget.spend_on(value)
        return value

    return weighed


def _something(evaluate: Evaluate) -> Evaluate:
    """As ``evaluate``, without what is nothing, at any depth: in traits nothing is left out."""
    weighed = _weighed(evaluate)

    def something(scope: Scope) -> Any:
        try:
            return _without_nothing(weighed(scope), scope.budget)
        except RecursionError:
            raise EvaluationFailed("a trait nests too deeply", path="traits") from None

    return something


def _without_nothing(value: Any, budget: Budget) -> Any:
    kind = type(value)
    if kind is dict:
        budget.spend(2 + len(value))
        kept = {key: one for key, item in value.items() if (one := _without_nothing(item, budget)) is not MISSING}
        return kept or MISSING
    if kind is list:
        budget.spend(2 + len(value))
        return [one for item in value if (one := _without_nothing(item, budget)) is not MISSING] or MISSING
    return MISSING if value is None or (kind is str and not value) else value


def _list(elements: list[Evaluate], *, keep_empty: bool) -> Evaluate:
    count = len(elements)

    def evaluate(scope: Scope) -> Any:
        scope.budget.spend(count)
        built = [value for element in elements if (value := element(scope)) is not MISSING]
        return built if built or keep_empty else MISSING

    return evaluate


# -- operator keys -------------------------------------------------------------------------------------------------


def _operator(node: Node, operators: list[Node], names: Names, report: Report, *, keep_nothing: bool) -> Evaluate:
    found = [key.text for key in operators]
    for key in operators:
        if key.text not in OPERATORS:
            report(
                key,
                f"'{key.text}' is not an operator{choices(key.text, OPERATORS)}",
            )
            return constant(MISSING)
    plain = tuple((key, value) for key, value in node.entries if not key.text.startswith("$"))
    if found == ["$merge"]:
        return _merge(node, plain, names, report, keep_nothing=keep_nothing)
    if plain:
        report(plain[0][0], f"'{plain[0][0].text}' can't stand beside {found[0]}; only $merge takes further keys")
        return constant(MISSING)
    if found == ["$literal"]:
        literal = node.get("$literal")
        assert literal is not None
        return _weighed(constant(literal.plain()))
    if set(found) == {"$each", "$as"}:
        return _each(node, names, report, keep_nothing=keep_nothing)
    if set(found) in ({"$pick", "$from"}, {"$omit", "$from"}):
        return _selection(node, names, report, keep_nothing=keep_nothing)
    needs = {"$each": "$as", "$as": "$each", "$pick": "$from", "$omit": "$from", "$from": "$pick or $omit"}
    missing = next((key for key in found if key in needs), found[0])
    report(
        operators[0],
        f"{missing} stands together with {needs.get(missing, 'nothing else')} and nothing else; "
        f"found {', '.join(found)}",
    )
    return constant(MISSING)


def _each(node: Node, names: Names, report: Report, *, keep_nothing: bool) -> Evaluate:
    over, shape = node.get("$each"), node.get("$as")
    assert over is not None
    assert shape is not None
    source = compile_elements(over, names, report)
    element = compile_value(shape, names.in_loop(), report, keep_nothing=keep_nothing)

    def evaluate(scope: Scope) -> Any:
        elements = source(scope)
        if type(elements) is not list:
            elements = elements_of(elements)
            if elements is MISSING:
                return MISSING
        scope.budget.spend(2 * len(elements))
        outer, item = scope.outer, scope.item
        scope.outer = item
        built: list[Any] = []
        try:
            for current in elements:
                scope.item = current
                value = element(scope)
                if value is not MISSING:
                    built.append(value)
        except EvaluationFailed as failed:
            failed.under(f"[{len(built)}]")
            raise
        finally:
            scope.outer, scope.item = outer, item
        return built if built or keep_nothing else MISSING

    return evaluate


def compile_elements(node: Node, names: Names, report: Report) -> Evaluate:
    """Compile what ``$each`` and ``for_each`` go over. It is read one by one, so it is not weighed as a whole."""
    return compile_text(node, names, report) if node.kind == "scalar" else compile_value(node, names, report)


def elements_of(value: Any) -> Any:
    """What ``for_each`` and ``$each`` go over: a list's elements; one object (or text, or number) counts as a list of
    one, which XML needs; missing and null stay missing."""
    if type(value) is list:
        return value
    if value is MISSING or value is None:
        return MISSING
    return [value]


def _merge(
    node: Node, plain: tuple[tuple[Node, Node], ...], names: Names, report: Report, *, keep_nothing: bool
) -> Evaluate:
    merged = node.get("$merge")
    assert merged is not None
    nodes = merged.items if merged.kind == "list" else (merged,)
    parts = [compile_value(part, names, report, keep_nothing=keep_nothing) for part in nodes]
    own = compile_object(plain, names, report, keep_nothing=keep_nothing) if plain else None

    def evaluate(scope: Scope) -> Any:
        built: dict[str, Any] = {}
        for part in parts:
            value = part(scope)
            if type(value) is dict:
                scope.budget.spend(len(value))
                built.update(value)
            elif not is_nothing(value):
                scope.warn("$merge", "takes objects; a value that is not one was left out")
        if own is not None:
            value = own(scope)
            if value is not MISSING:
                built.update(value)
        return built or MISSING

    return evaluate


def _selection(node: Node, names: Names, report: Report, *, keep_nothing: bool) -> Evaluate:
    picking = node.get("$pick") is not None
    keys_node, source_node = node.get("$pick") or node.get("$omit"), node.get("$from")
    assert keys_node is not None
    assert source_node is not None
    if keys_node.kind != "list" or any(item.kind != "scalar" for item in keys_node.items):
        report(keys_node, f"{'$pick' if picking else '$omit'} takes a list of keys; found {keys_node.describe()}")
        return constant(MISSING)
    keys = frozenset(item.text for item in keys_node.items)
    source = compile_value(source_node, names, report, keep_nothing=keep_nothing)

    def evaluate(scope: Scope) -> Any:
        value = source(scope)
        if type(value) is not dict:
            if not is_nothing(value):
                scope.warn("$from", "takes an object; a value that is not one was left out")
            return MISSING
        scope.budget.spend(len(value))
        return {key: one for key, one in value.items() if (key in keys) == picking} or MISSING

    return evaluate
