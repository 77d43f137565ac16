"""Evaluating one expression of a body through the compiler that serves."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from gateway.rules.expressions import compile_expression
from gateway.rules.scope import Names, Scope
from gateway.rules.tables import table_from_mapping
from gateway.rules.values import MISSING


def run(
    expression: str, body: Any, *, tables: dict[str, Any] | None = None, zone: str | None = None
) -> tuple[Any, list[str]]:
    """What an expression gives, and its warnings, through the compiler that serves."""
    names = Names(
        tables={name: table_from_mapping(name, rows) for name, rows in (tables or {}).items()},
        zone=ZoneInfo(zone) if zone else None,
    )
    compiled = compile_expression(expression, names)
    scope = Scope(body=body, headers={}, query={}, path={}, webhook={}, lets=0)
    return compiled.evaluate(scope), [warning.message for warning in scope.warnings]


def value(expression: str, body: Any, *, zone: str | None = None) -> Any:
    """What an expression gives, without a warning."""
    result, warnings = run(expression, body, zone=zone)
    assert warnings == []
    return result


def warning(expression: str, body: Any) -> str:
    """The one warning of an expression that gives missing."""
    result, warnings = run(expression, body)
    assert result is MISSING
    assert len(warnings) == 1
    return warnings[0]


def same(left: Any, right: Any) -> bool:
    """Whether two values are the same JSON: types and digits too."""
    return repr(left) == repr(right)
