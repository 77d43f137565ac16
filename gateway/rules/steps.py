"""One filter of an expression, bound to its arguments: a step from a value to a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.rules.budget import WARNING_STEPS, OverBudget
from gateway.rules.costs import PREPARING, REFUSING, cost_of, cost_of_short_text
from gateway.rules.filters import FILTERS, Filter, Param, RequiredMissing, Unreadable, suggest
from gateway.rules.problems import choices, did_you_mean
from gateway.rules.roots import ExpressionProblem, body_path, compile_source
from gateway.rules.scope import UNSET, Evaluate, EvaluationFailed, Names, Scope
from gateway.rules.syntax import Argument, Call
from gateway.rules.tables import Table
from gateway.rules.values import MISSING, describe, is_nothing

Step = Callable[[Any, Scope], Any]


def compile_step(call: Call, text: str, names: Names) -> Step:
    filter = FILTERS.get(call.name)
    if filter is None:
        near = suggest(call.name)
        hint = f"; did you mean '{near}'?" if near else f"; allowed: {', '.join(sorted(FILTERS))}"
        raise ExpressionProblem(f"there is no filter '{call.name}'{hint}", call.at)
    arguments = _bind(filter, call, names)
    function, takes_missing, cost = filter.function, filter.takes_missing, cost_of(call.name)
    dynamic = any(_is_dynamic(argument) for argument in arguments)
    small = 0 if dynamic else cost_of_short_text(call.name)

    def step(value: Any, scope: Scope) -> Any:
        if value is MISSING and not takes_missing:
            return MISSING
        budget = scope.budget
        try:
            given = _resolve(arguments, scope) if dynamic else arguments
            budget.left -= small if small and type(value) is str and len(value) < 64 else cost(value, given, budget)
            if budget.left < 0:
                raise OverBudget
            result = function(value, *given)
        except Unreadable as unreadable:
            budget.spend(WARNING_STEPS)
            scope.warn(text, f"{call.name}: {unreadable}")
            return MISSING
        except RequiredMissing:
            raise EvaluationFailed(f"{text} is required, and it is {describe(value)}", path=text) from None
        kind = type(result)
        if (kind is str or kind is list) and len(result) >= 64:
            # What a filter makes is held in memory until the command is made.
            budget.spend(len(result) >> 6)
        elif kind is int:
            budget.spend(result.bit_length() >> 7)
        return result

    return step


class _Dynamic:
    """An argument that is read from the payload."""

    def __init__(self, evaluate: Evaluate, param: Param) -> None:
        self.evaluate = evaluate
        self.param = param

    def __call__(self, scope: Scope) -> Any:
        value = self.evaluate(scope)
        if self.param.kind == "value":
            return value
        if is_nothing(value):
            if self.param.required:
                raise Unreadable(f"{self.param.name} is {describe(value)}")
            return self.param.default
        if self.param.kind not in PREPARING or type(value) is not str:
            prepared = self._prepared(value)
            if isinstance(prepared, Unreadable):
                scope.budget.spend(WARNING_STEPS)
        else:
            memo, key = scope.budget.prepared, (id(self), value)
            prepared = memo.get(key, UNSET)
            if prepared is UNSET:
                scope.budget.spend(PREPARING[self.param.kind] + scope.budget.weigh(value))
                prepared = memo[key] = self._prepared(value)
                if isinstance(prepared, Unreadable):
                    scope.budget.spend(REFUSING.get(self.param.kind, 10))
        if isinstance(prepared, Unreadable):
            raise Unreadable(str(prepared))
        return prepared

    def _prepared(self, value: Any) -> Any:
        try:
            return self.param.prepare(value)
        except ValueError as error:
            return Unreadable(f"{self.param.name}: {error}")


def _is_dynamic(argument: Any) -> bool:
    return isinstance(argument, _Dynamic) or (
        isinstance(argument, tuple) and any(isinstance(one, _Dynamic) for one in argument)
    )


def _resolve(arguments: Any, scope: Scope) -> list[Any]:
    return [
        argument(scope)
        if isinstance(argument, _Dynamic)
        else tuple(_resolve(argument, scope))
        if isinstance(argument, tuple)
        else argument
        for argument in arguments
    ]


def _bind(filter: Filter, call: Call, names: Names) -> list[Any]:
    """The arguments in the order of the parameters, prepared, with defaults filled in."""
    given: dict[str, Any] = {}
    positional = [argument for argument in call.arguments if argument.name is None]
    params = list(filter.params)
    for argument in call.arguments:
        if argument.name is None:
            continue
        param = next((one for one in params if one.name == argument.name), None)
        if param is None:
            allowed = ", ".join(one.name for one in params) or "none"
            raise ExpressionProblem(
                f"{call.name} has no argument '{argument.name}'; allowed: {allowed}"
                f"{did_you_mean(argument.name, [one.name for one in params])}",
                argument.at,
            )
        if param.name in given:
            raise ExpressionProblem(f"{call.name}: the argument '{param.name}' stands twice", argument.at)
        prepared = _prepared(param, argument, call, names)
        given[param.name] = (prepared,) if param.many else prepared
    for param in params:
        if param.name in given:
            continue
        if param.many:
            taken = tuple(_prepared(param, argument, call, names) for argument in positional)
            positional = []
            if taken or not param.required:
                given[param.name] = taken
        elif positional:
            given[param.name] = _prepared(param, positional.pop(0), call, names)
    if positional:
        raise ExpressionProblem(
            f"{call.name} takes {_count(len(params))}; '{positional[0].value}' is one too many: {usage(filter)}",
            positional[0].at,
        )
    bound: list[Any] = []
    for param in params:
        if param.name in given:
            bound.append(given[param.name])
        elif param.required:
            raise ExpressionProblem(f"{call.name} needs '{param.name}' ({param.summary}): {usage(filter)}", call.at)
        elif param.kind == "zone" and names.zone is not None:
            bound.append(names.zone)
        else:
            bound.append(param.default)
    _check_keys(bound, call)
    return bound


def _check_keys(bound: list[Any], call: Call) -> None:
    """A table that is looked up takes as many keys as it has; the value before the filter is the first."""
    for table in bound:
        if isinstance(table, Table):
            keys = 1 + sum(len(argument) for argument in bound if isinstance(argument, tuple))
            if keys != table.key_count:
                raise ExpressionProblem(
                    f"{call.name}: the table '{table.name}' has {table.key_count} keys (the first stands before |); "
                    f"this gives {keys}",
                    call.at,
                )


def _count(number: int) -> str:
    return "no arguments" if number == 0 else "one argument" if number == 1 else f"at most {number} arguments"


def usage(filter: Filter) -> str:
    """How a filter is written: ``round(digits)``."""
    params = ", ".join(
        f"{param.name}…" if param.many else param.name if param.required else f"{param.name}?"
        for param in filter.params
    )
    return f"{filter.name}({params})" if params else filter.name


def _prepared(param: Param, argument: Argument, call: Call, names: Names) -> Any:
    if param.kind == "path":
        return _relative(param, argument, call)
    if param.kind == "table":
        if argument.value not in names.tables:
            known = (
                choices(str(argument.value), names.tables, what="known")
                if names.tables
                else "; the file has no tables:"
            )
            raise ExpressionProblem(f"there is no table '{argument.value}'{known}", argument.at)
        return names.tables[argument.value]
    if argument.kind == "word":
        raise ExpressionProblem(f"{call.name}: text stands in quotes: '{argument.value}'", argument.at)
    if argument.kind == "path":
        if param.kind == "regex":
            raise ExpressionProblem(
                f"{call.name}: {param.name} is written in the file, in quotes: a regular expression out of a payload "
                "could be made to take seconds",
                argument.at,
            )
        return _Dynamic(compile_source(argument.value, argument.at, names), param)
    try:
        return param.prepare(argument.value)
    except ValueError as error:
        raise ExpressionProblem(f"{call.name}: {param.name}: {error}", argument.at) from None


def _relative(param: Param, argument: Argument, call: Call) -> Callable[[Any], Any]:
    text = argument.value
    if not isinstance(text, str):
        raise ExpressionProblem(
            f"{call.name}: {param.name} is a path such as 'price.amount'; found {describe(text)}", argument.at
        )
    if text.startswith("$item"):
        text = text.removeprefix("$item")
    elif text.startswith(("@", "$")):
        text = text[1:]
    absolute = "$" + text if text.startswith(("[", ".")) or not text else "$." + text
    compiled = body_path(absolute, argument.at)
    if compiled.get is None:
        raise ExpressionProblem(
            f"{call.name}: {param.name} names one place in each element; '{argument.value}' can name several",
            argument.at,
        )
    getter: Callable[[Any], Any] = compiled.get
    return getter
