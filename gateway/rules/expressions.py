"""Expressions and templates, compiled once to functions of a :class:`~gateway.rules.scope.Scope`.

An expression is a path and then filters. A filter that can't read its input gives MISSING and a warning; MISSING
passes through every filter but the few that take it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.rules.roots import ExpressionProblem, compile_source
from gateway.rules.scope import Evaluate, EvaluationFailed, FromBody, Names, Scope
from gateway.rules.shapes import gives_list
from gateway.rules.steps import Step, compile_step
from gateway.rules.syntax import SyntaxProblem, holes, read_expression
from gateway.rules.values import MISSING, as_text, describe, is_nothing


class Expression(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled expression."""

    text: str
    path: str
    """The path before the filters."""
    evaluate: Evaluate
    base: Evaluate
    """The path alone: what the payload has there."""
    is_list: bool = False
    """Whether it gives a list whatever the payload holds."""
    has_default: bool = False
    """Whether its last filter says what stands for nothing."""


def is_expression(text: str) -> bool:
    """Whether a YAML text is an expression or a template, not plain text."""
    return text.startswith("$") or "{{" in text


# -- expressions ---------------------------------------------------------------------------------------------------


def compile_expression(text: str, names: Names) -> Expression:
    """Compile ``path | filter | filter(...)``.

    :raises ExpressionProblem: it can't be read, or names what is not known here.
    """
    try:
        written = read_expression(text)
    except SyntaxProblem as problem:
        raise ExpressionProblem(str(problem), problem.at) from None
    base = compile_source(written.path, written.path_at, names)
    steps = [compile_step(call, written.text, names) for call in written.calls]
    return Expression(
        text=written.text,
        path=written.path,
        evaluate=_pipeline(base, steps),
        base=base,
        is_list=gives_list(written, names),
        has_default=bool(written.calls) and written.calls[-1].name == "default",
    )


def _pipeline(base: Evaluate, steps: list[Step]) -> Evaluate:
    if not steps:
        return base
    if len(steps) == 1:
        (only,) = steps
        if isinstance(base, FromBody):
            get = base.get
            return lambda scope: only(get(scope.body), scope)
        return lambda scope: only(base(scope), scope)

    def evaluate(scope: Scope) -> Any:
        value = base(scope)
        for step in steps:
            value = step(value, scope)
        return value

    return evaluate


# -- templates -----------------------------------------------------------------------------------------------------


def compile_template(text: str, names: Names) -> Evaluate:
    """Compile text with ``{{ expression }}`` in it.

    A hole that is nothing makes the whole template missing, so that ``"shop-{{ $.customer.id }}"`` never makes all
    guests one customer, unless its expression ends in ``default(...)``: then its author said what stands for nothing.

    :raises ExpressionProblem: see :func:`compile_expression`.
    """
    try:
        pieces = holes(text)
    except SyntaxProblem as problem:
        raise ExpressionProblem(str(problem), problem.at) from None
    parts: list[str | Expression] = []
    for piece in pieces:
        if isinstance(piece, str):
            parts.append(piece)
            continue
        at, inner = piece
        try:
            part = compile_expression(inner, names)
            if part.is_list:
                raise ExpressionProblem(
                    f"a template takes text and numbers, and {part.text} gives a list; take one of it with | first, "
                    "or make one text of it with | join(', ')"
                )
            parts.append(part)
        except ExpressionProblem as problem:
            raise ExpressionProblem(str(problem), at + problem.at) from None

    def evaluate(scope: Scope) -> Any:
        written: list[str] = []
        for part in parts:
            if isinstance(part, str):
                written.append(part)
                continue
            value = part.evaluate(scope)
            if is_nothing(value):
                if part.has_default and value is not MISSING:
                    continue
                return MISSING
            text = as_text(value)
            if text is None:
                raise EvaluationFailed(
                    f"a template takes text and numbers; {part.text} is {describe(value)}", path=part.text
                )
            scope.budget.spend(1 + (len(text) >> 6))
            written.append(text)
        return "".join(written)

    return evaluate
