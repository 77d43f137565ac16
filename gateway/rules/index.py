"""Which rules can match: most files branch on one value (a topic, an event's name), so rules are found by it."""

from __future__ import annotations

from collections import Counter

from gateway.rules.conditions import Equality, Test
from gateway.rules.expressions import compile_expression
from gateway.rules.model import Rule, RuleIndex
from gateway.rules.scope import Names

WORTH_IT = 3
"""Rules that test one expression before an index saves more than it costs."""


def index_of(rules: tuple[Rule, ...], names: Names) -> RuleIndex | None:
    """An index over the expression that most rules test for equality with text, or None where few do.

    An index only passes over rules that cannot match; those it gives are still asked.
    """
    counted = Counter(equality.path for rule in rules for equality in _indexable(rule))
    if not counted:
        return None
    path, count = counted.most_common(1)[0]
    if count < WORTH_IT:
        return None
    wanted = {
        rule.id: next((set(equality.operands) for equality in _indexable(rule) if equality.path == path), None)
        for rule in rules
    }
    values = {value for operands in wanted.values() if operands is not None for value in operands}
    by_value = {
        value: tuple(rule for rule in rules if (operands := wanted[rule.id]) is None or value in operands)
        for value in values
    }
    # A rule's own named values mean nothing here: what they give differs from rule to rule.
    names.rule_lets = {}
    others = tuple(rule for rule in rules if wanted[rule.id] is None)
    return RuleIndex(evaluate=compile_expression(path, names).evaluate, by_value=by_value, others=others)


def _indexable(rule: Rule) -> list[Equality]:
    """The equalities that must hold for a rule to match, and that only text can meet."""
    return [
        part.equality
        for part in rule.when.parts
        if isinstance(part, Test)
        and part.equality is not None
        and not (rule.lets and "$let" in part.equality.path)
        and all(type(operand) is str for operand in part.equality.operands)
    ]
