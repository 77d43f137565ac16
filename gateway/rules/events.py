"""``events``: the path to the elements of a body that holds many webhooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway.rules.budget import Budget
from gateway.rules.roots import ExpressionProblem, body_path
from gateway.rules.syntax import SyntaxProblem, read_expression


class Events(msgspec.Struct, frozen=True, kw_only=True):
    """The path, compiled."""

    text: str
    read: Callable[[Any, Budget], Any]
    """From the body to its elements: a list, one element by itself, or MISSING."""


def compile_events(text: str) -> Events:
    """Compile a path such as ``$[*]`` or ``$.events[*]``.

    One ``[*]`` at the end is left to :func:`~gateway.rules.batch.elements`: so one object where a list is meant counts
    as a list of one, and is not taken apart by its fields.

    :raises ExpressionProblem: it is not a path of the body.
    """
    try:
        written = read_expression(text)
    except SyntaxProblem as problem:
        raise ExpressionProblem(str(problem), problem.at) from None
    if written.calls:
        raise ExpressionProblem(
            "events takes a path alone, such as $.events[*]; a filter can't follow", len(written.path.rstrip())
        )
    if text != "$" and not text.startswith(("$.", "$[")):
        raise ExpressionProblem(f"events names a list in the body, such as $[*] or $.events[*]; found {text}")
    whole = body_path(text, 0)
    if text.endswith("[*]"):
        list_path = body_path(text.removesuffix("[*]"), 0)
        if list_path.get is not None:
            return Events(text=text, read=list_path.read)
    return Events(text=text, read=whole.read)
