"""A customer's id names somebody: what a broken sender writes for nobody is refused, what names one is left alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.intilery.contract import user_id


@pytest.mark.parametrize(
    "value",
    [
        "", " ", "0", "0.0", "00", "-0", "null", "None", "undefined", "[object Object]", "\u200b", "\0", "\t\n",
        0, Decimal("0.00"), Decimal("-0"), None, True, False, [], {}, ["1"], {"id": 1},
    ],
)  # fmt: skip
def test_nobody(value: Any) -> None:
    assert user_id(value) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ABC/123", "ABC/123"),
        (" 12 ", " 12 "),
        ("007", "007"),
        (12345678901234567890123456, "12345678901234567890123456"),
        (Decimal("0.10"), "0.10"),
        ("żółć@example.com", "żółć@example.com"),
        ("0a", "0a"),
        ("a\u200bb", "a\u200bb"),
    ],
)
def test_somebody(value: Any, text: str) -> None:
    assert user_id(value) == text
