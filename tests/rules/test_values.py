"""What a value is: missing, nothing, a number, text, and the words for it."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.values import MISSING, Missing, as_number, as_text, describe, is_bounded, is_nothing


def test_missing_is_one_and_falsy() -> None:
    assert not MISSING
    assert repr(MISSING) == "missing"
    assert Missing() is MISSING
    assert copy.deepcopy({"a": MISSING})["a"] is MISSING
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING


@pytest.mark.parametrize("value", [MISSING, None, "", [], {}])
def test_nothing(value: Any) -> None:
    assert is_nothing(value)


@pytest.mark.parametrize("value", [0, Decimal(0), False, " ", "0", [None], {"a": None}])
def test_something(value: Any) -> None:
    assert not is_nothing(value)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (12, 12),
        (Decimal("0.10"), Decimal("0.10")),
        ("12", 12),
        ("-0.10", Decimal("-0.10")),
        ("1e3", Decimal("1E+3")),
        ("1E-1000", Decimal("1E-1000")),
        ("9" * 1000, 10**1000 - 1),
        ("12345678901234567890123456", 12345678901234567890123456),
    ],
)
def test_as_number(value: Any, number: Any) -> None:
    assert repr(as_number(value)) == repr(number)


@pytest.mark.parametrize(
    "value",
    ["", " 1", "1 ", "+1", "01", "1.", ".5", "0x1", "1_000", "１", "NaN", "Infinity", "1e1001", "1e-1001",
     "1e99999999999",
     "9" * 1001,
     "-" + "9" * 1001, "1." + "0" * 1001, "9" * 100_000, "1\n", True, False, None, MISSING, [], {}, [1],
     10**1000, Decimal("1e1001"), Decimal("NaN"), Decimal("-Infinity"), Decimal("1e-1001")],
    ids=describe,
)  # fmt: skip
def test_what_is_no_number(value: Any) -> None:
    assert as_number(value) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [("a", "a"), (7, "7"), (Decimal("0.10"), "0.10"), (Decimal("1E+3"), "1000"), (Decimal("1E-7"), "0.0000001"),
     (True, "true"), (False, "false"), (None, None), (MISSING, None), ([1], None), ({}, None), (10**4000, None),
     (Decimal("1e1000000"), None)],
)  # fmt: skip
def test_as_text(value: Any, text: str | None) -> None:
    assert as_text(value) == text


@given(st.integers() | st.decimals(allow_nan=False, allow_infinity=False).filter(is_bounded))
def test_a_number_survives_as_text(number: int | Decimal) -> None:
    text = as_text(number)
    assert text is not None
    assert as_number(text) == number


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("abc", "text 'abc'"),
        ("", "nothing (empty text)"),
        (12, "the number 12"),
        (Decimal("0.10"), "the number 0.10"),
        (True, "true"),
        (None, "null"),
        (MISSING, "missing"),
        ([1, 2, 3], "a list of 3"),
        ([], "nothing (an empty list)"),
        ({"a": 1, "b": 2}, "an object with a, b"),
        ({}, "nothing (an empty object)"),
        ("a\n\x1b[31mb", "text 'a  [31mb'"),
        (10**2000, "a number of over 1,000 digits"),
    ],
)
def test_describe(value: Any, words: str) -> None:
    assert describe(value) == words


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_descriptions_are_short_and_on_one_line(value: Any) -> None:
    assert len(describe(value)) <= 60
    assert describe(value).isprintable()
