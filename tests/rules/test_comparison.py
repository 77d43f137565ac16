"""What equals what, and what comes before what."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.comparison import equal, equal_exactly, order

_scalars = (
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "1", "1.0", "1e0", "01", "true", "null", "-0", "a", "\ud83d", "9" * 1500, 10**1200])
    | st.text(max_size=5)
)  # fmt: skip
VALUES = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, Decimal("1.00"), True),
        (1, "1", True),
        ("1.0", 1, True),
        ("1.0", "1", False),
        (1, " 1", False),
        (1, "01", False),
        (1, True, False),
        (True, True, True),
        (0, False, False),
        (None, None, True),
        (None, "", False),
        ([1, "a"], [Decimal(1), "a"], True),
        ([1], ["1"], False),
        ([True], [1], False),
        ({"a": 1, "b": [None]}, {"b": [None], "a": Decimal("1.0")}, True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        ({"a": 1}, [1], False),
        ({}, [], False),
        (10**30, Decimal("1E+30"), True),
        (10**30 + 1, "1E+30", False),
    ],
)
def test_equal(left: Any, right: Any, expected: bool) -> None:
    assert equal(left, right) is expected
    assert equal(right, left) is expected


@pytest.mark.parametrize(("left", "right"), [(1, "1"), ("1.0", 1), (Decimal("2.5"), "2.5")])
def test_text_that_is_quoted_is_no_number(left: Any, right: Any) -> None:
    assert equal(left, right)
    assert not equal_exactly(left, right)
    assert not equal_exactly(right, left)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 2, -1), ("10", "9", 1), ("10", 9, 1), ("a", "b", -1), ("b", "a", 1), ("10", "a", -1), (1, "a", None),
        (Decimal("0.10"), "0.1", 0), ("x", "x", 0), (True, False, None), (None, None, None), ([1], [2], None),
        (1, True, None), (10**1200, 1, None), ("1e2", "99", 1), (-1, Decimal("-0.5"), -1),
    ],
)  # fmt: skip
def test_order(left: Any, right: Any, expected: int | None) -> None:
    assert order(left, right) == expected
    assert order(right, left) == (None if expected is None else -expected)


@given(VALUES, VALUES)
def test_equality_is_symmetric_and_never_raises(left: Any, right: Any) -> None:
    assert equal(left, right) is equal(right, left)
    assert equal_exactly(left, right) is equal_exactly(right, left)
    assert equal(left, left)
    assert equal_exactly(right, right)
    if equal_exactly(left, right):
        assert equal(left, right)


@given(VALUES, VALUES, VALUES)
def test_order_is_an_order(first: Any, second: Any, third: Any) -> None:
    placed = order(first, second)
    assert order(second, first) == (None if placed is None else -placed)
    numbers = [one for one in (first, second, third) if type(one) in (int, Decimal)]
    if len(numbers) == 3 and placed == order(second, third) == -1:
        assert order(first, third) == -1


def test_depth_is_no_matter() -> None:
    def deep(inside: Any) -> Any:
        for _ in range(5000):
            inside = [inside]
        return inside

    assert equal(deep(1), deep(Decimal("1.0")))
    assert not equal(deep(1), deep(2))
