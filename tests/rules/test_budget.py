"""The budget of a webhook: work is weighed, and paid for before it is done."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from gateway.rules.budget import NODE_BUDGET, Budget, OverBudget
from gateway.rules.costs import PREPARING, REFUSING, cost_of, cost_of_short_text, searching
from gateway.rules.filters import FILTERS
from gateway.rules.filters.kinds import KINDS, compile_pattern
from tests.rules.test_comparison import VALUES


def test_what_is_spent_is_gone() -> None:
    budget = Budget(10)
    budget.spend(10)
    assert budget.left == 0
    with pytest.raises(OverBudget, match="100,000 steps"):
        budget.spend(1)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (None, 0, 0), (True, 0, 0), (12, 0, 0), ("short", 0, 0), (Decimal("12.50"), 0, 0), ("x" * 6400, 100, 100),
        (10**999, 20, 40), (Decimal("0." + "3" * 999), 20, 60), ([], 0, 0), ([1] * 1000, 1000, 1100),
        ({"a": "x" * 64_000}, 1000, 2100), ([["x"] * 10] * 100, 100, 300), ("\ud83d" * 6400, 100, 100),
        (["\ud83d" * 6400] * 10, 1000, 1100), ({"a": [{"b": ["\ud83d"] * 500}]}, 500, 1100),
    ],
    ids=lambda one: repr(one)[:20],
)  # fmt: skip
def test_weight_follows_size(value: Any, least: int, most: int) -> None:
    assert least <= Budget().weigh(value) <= most


def test_depth_is_no_matter() -> None:
    deep: Any = []
    for _ in range(50_000):
        deep = [deep]
    assert Budget().weigh(deep) > 10_000


def test_a_weight_is_remembered_for_that_very_value() -> None:
    budget = Budget()
    for number in range(50):
        assert budget.weigh(["x" * 64] * 100 * (number + 1)) >= 100 * (number + 1)


def test_a_list_longer_than_the_budget_is_not_looked_at() -> None:
    with pytest.raises(OverBudget):
        Budget(100).weigh([object()] * 101)


@given(VALUES, VALUES)
def test_comparing_costs_no_more_than_reading(left: Any, right: Any) -> None:
    budget = Budget()
    budget.spend_comparing(left, right)
    assert 0 <= NODE_BUDGET - budget.left <= budget.weigh(left) + budget.weigh(right)


@pytest.mark.parametrize("name", FILTERS)
@given(value=VALUES)
def test_every_filter_has_a_price_for_every_value(name: str, value: Any) -> None:
    arguments = (compile_pattern("a+"), None) if name == "extract" else (value,)
    assert cost_of(name)(value, arguments, Budget()) >= 1
    assert cost_of_short_text(name) >= 1


@pytest.mark.parametrize("name", FILTERS)
def test_a_long_text_costs_more_than_a_short_one(name: str) -> None:
    arguments = (compile_pattern("a+"), None) if name == "extract" else ()
    assert cost_of(name)("x" * 640_000, arguments, Budget()) >= 1000


def test_prices_are_of_kinds_that_there_are() -> None:
    assert set(PREPARING) <= set(KINDS)
    assert set(REFUSING) <= set(PREPARING)
    assert "regex" not in PREPARING, "a pattern never comes out of a payload"


def test_a_search_costs_by_the_text_and_the_patterns_size() -> None:
    plain, hostile = compile_pattern("ORD-([0-9]+)"), compile_pattern("((a|b|c|d|e).{100}){3}zzzz")
    text = "x" * 100_000
    assert searching(plain, text) < 5_000
    assert searching(hostile, text) > 100_000
