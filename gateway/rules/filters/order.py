"""Filters that bring a list into an order, or take its ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.rules.filters.filter import Example, Get, Param, elements, path_param, register
from gateway.rules.values import MISSING, Unreadable, as_number, describe


def _rank(value: Any) -> tuple[int, Any]:
    """Where a value stands in a sorted list: numbers (and text that is one), then text, then booleans, then null."""
    if value is None or value is MISSING:
        return 3, 0
    if isinstance(value, bool):
        return 2, value
    number = as_number(value)
    if number is not None:
        return 0, number
    if isinstance(value, str):
        return 1, value
    raise Unreadable(f"an element is {describe(value)}, which has no order; takes numbers, text, booleans")


def _extreme(value: Any, pick: Callable[..., tuple[tuple[int, Any], Any]]) -> Any:
    ranked = [(_rank(element), element) for element in elements(value) if element is not None]
    if len({rank[0] for rank, _ in ranked}) > 1:
        raise Unreadable("the elements are of several types; takes all numbers or all text")
    return pick(ranked, key=lambda each: each[0])[1] if ranked else MISSING


@register(
    "min",
    summary="The smallest element: by number where all are or read as numbers, by text where none does; null does not "
    "count.",
    takes="a list of numbers, or of text",
    gives="an element",
    examples=(
        Example(expression="$.prices | min", body={"prices": ["10.00", "9.50"]}, result="9.50"),
        Example(expression="$.dates | min", body={"dates": ["2026-02-01", "2026-01-05"]}, result="2026-01-05"),
        Example(expression="$.prices | min", body={"prices": []}),
    ),
)
def min_(value: Any) -> Any:
    return _extreme(value, min)


@register(
    "max",
    summary="The greatest element: by number where all are or read as numbers, by text where none does; null does not "
    "count.",
    takes="a list of numbers, or of text",
    gives="an element",
    examples=(
        Example(expression="$.prices | max", body={"prices": ["10.00", "9.50"]}, result="10.00"),
        Example(expression="$.prices | max", body={"prices": [None, 3]}, result=3),
        Example(expression="$.prices | max", body={"prices": [1, "x"]}, warns=True),
    ),
)
def max_(value: Any) -> Any:
    return _extreme(value, max)


@register(
    "sort",
    summary="The elements in order, by themselves or by what stands at a path: numbers (and text that is one), then "
    "text by code point, then booleans; null and missing come last in either order, and equals keep theirs.",
    takes="a list of numbers, text, booleans; with a path, of objects",
    gives="a list",
    params=(
        path_param("what to sort by, such as 'price.amount'"),
        Param(
            name="order",
            kind="choice",
            choices=("asc", "desc"),
            required=False,
            default="asc",
            summary="'asc' unless said, or 'desc'",
        ),
    ),
    examples=(
        Example(expression="$.sizes | sort", body={"sizes": ["10", "9", None]}, result=["9", "10", None]),
        Example(
            expression="$.lines | sort('price', 'desc') | map('sku')",
            body={"lines": [{"sku": "A", "price": "5"}, {"sku": "B", "price": "12.50"}]},
            result=["B", "A"],
        ),
        Example(expression="$.sizes | sort(order: 'desc')", body={"sizes": [1, 3, 2]}, result=[3, 2, 1]),
        Example(expression="$.sizes | sort", body={"sizes": []}, result=[]),
    ),
)
def sort(value: Any, path: Get | None, order: str) -> list[Any]:
    ranked = [(_rank(element if path is None else path(element)), element) for element in elements(value)]
    empty = [element for rank, element in ranked if rank[0] == 3]
    ordered = sorted((each for each in ranked if each[0][0] != 3), key=lambda each: each[0], reverse=order == "desc")
    return [element for _, element in ordered] + empty


@register(
    "reverse",
    summary="The elements from the last to the first.",
    takes="a list",
    gives="a list",
    examples=(
        Example(expression="$.tags | reverse", body={"tags": ["a", "b"]}, result=["b", "a"]),
        Example(expression="$.tags | reverse", body={"tags": []}, result=[]),
    ),
)
def reverse(value: Any) -> list[Any]:
    return elements(value)[::-1]
