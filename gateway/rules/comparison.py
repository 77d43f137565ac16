"""How two JSON values compare, in conditions and in the filters of a path alike.

Senders write numbers as text and text as numbers; these few functions say once what equals what. None of them raises
on any JSON value.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.rules.values import as_number


def _is_number(value: Any) -> bool:
    kind = type(value)
    return kind is int or kind is Decimal


def equal(left: Any, right: Any) -> bool:
    """Whether two values are equal.

    Numerically, when either is a number and the other is or reads as one; booleans equal only booleans; text, null,
    lists and objects equal what is the same.
    """
    if type(left) is bool or type(right) is bool:
        return left is right
    if _is_number(left):
        if _is_number(right):
            return bool(left == right)
        if type(right) is str:
            number = as_number(right)
            return number is not None and number == left
        return False
    if _is_number(right):
        return type(left) is str and equal(right, left)
    if type(left) is not type(right):
        return False
    return _same_content(left, right) if type(left) in (list, dict) else bool(left == right)


def _same_content(left: Any, right: Any) -> bool:
    """Whether two lists or two objects are the same. Without recursion: a payload nests as deep as its sender likes."""
    pairs: list[tuple[Any, Any]] = [(left, right)]
    while pairs:
        left, right = pairs.pop()
        if left is right:
            continue
        if type(left) is list and type(right) is list:
            if len(left) != len(right):
                return False
            pairs.extend(zip(left, right, strict=True))
        elif type(left) is dict and type(right) is dict:
            if left.keys() != right.keys():
                return False
            pairs.extend((value, right[key]) for key, value in left.items())
        elif not equal_exactly(left, right):
            return False
    return True


def equal_exactly(left: Any, right: Any) -> bool:
    """As :func:`equal`, but text never equals a number: what stands inside lists and objects, or is quoted."""
    if type(left) is str or type(right) is str:
        return type(left) is type(right) and bool(left == right)
    return equal(left, right)


def order(left: Any, right: Any) -> int | None:
    """-1, 0 or 1 as ``left`` is less than, equal to or greater than ``right``; None where they have no order.

    Numerically when both are or read as numbers, else as text (by code point) when both are text.
    """
    left_number, right_number = as_number(left), as_number(right)
    if left_number is not None and right_number is not None:
        return (left_number > right_number) - (left_number < right_number)
    if type(left) is str and type(right) is str:
        return (left > right) - (left < right)
    return None
