"""Filters that choose among the elements of a list."""

from __future__ import annotations

from typing import Any

from gateway.rules.comparison import equal
from gateway.rules.filters.filter import Example, Get, Param, elements, path_param, register
from gateway.rules.values import MISSING, Unreadable, describe, is_nothing


def _identity(value: Any) -> Any:
    """A value as something that a set can hold: 1 and 1.0 are the same, 1 and true and '1' are not."""
    if isinstance(value, dict):
        return "object", frozenset((key, _identity(item)) for key, item in value.items())
    if isinstance(value, list):
        return "list", tuple(_identity(item) for item in value)
    if isinstance(value, bool | str):
        return type(value).__name__, value
    return "number", value


@register(
    "unique",
    summary="Each element once, the first of equals; with a path, equal is what is equal there.",
    takes="a list",
    gives="a list",
    params=(path_param("what to compare, such as 'sku'"),),
    examples=(
        Example(expression="$.tags | unique", body={"tags": ["a", "b", "a"]}, result=["a", "b"]),
        Example(
            expression="$.lines | unique('sku') | size",
            body={"lines": [{"sku": "A", "n": 1}, {"sku": "A", "n": 2}]},
            result=1,
        ),
        Example(expression="$.tags | unique", body={"tags": [1, "1", True]}, result=[1, "1", True]),
    ),
)
def unique(value: Any, path: Get | None) -> list[Any]:
    seen: dict[Any, Any] = {}
    try:
        for element in elements(value):
            seen.setdefault(_identity(element if path is None else path(element)), element)
    except RecursionError:
        raise Unreadable(f"found {describe(value)}, nested too deeply to compare") from None
    return list(seen.values())


@register(
    "compact",
    summary="The list without nothing: null, '', [] and {} are left out; 0 and false stay.",
    takes="a list",
    gives="a list",
    params=(path_param("what to look at in each element instead of the element"),),
    examples=(
        Example(
            expression="$.parts | compact | join(', ')",
            body={"parts": ["1 Road", None, "", "Leeds"]},
            result="1 Road, Leeds",
        ),
        Example(expression="$.parts | compact", body={"parts": [0, False, None]}, result=[0, False]),
        Example(expression="$.lines | compact('sku')", body={"lines": [{"sku": "A"}, {}]}, result=[{"sku": "A"}]),
    ),
)
def compact(value: Any, path: Get | None) -> list[Any]:
    return [one for one in elements(value) if not is_nothing(one if path is None else path(one))]


@register(
    "map",
    summary="What stands at a path in each element; elements without it drop out.",
    takes="a list of objects",
    gives="a list",
    params=(path_param("such as 'product.title'", required=True),),
    examples=(
        Example(
            expression="$.lines | map('title') | join(', ')",
            body={"lines": [{"title": "Tea"}, {"title": "Cup"}]},
            result="Tea, Cup",
        ),
        Example(expression="$.lines | map('title')", body={"lines": [{}, {"title": None}]}, result=[None]),
        Example(expression="$.lines | map('title')", body={"lines": []}, result=[]),
    ),
)
def map_(value: Any, path: Get) -> list[Any]:
    return [found for element in elements(value) if (found := path(element)) is not MISSING]


@register(
    "where",
    summary="The elements whose path equals a value, compared as conditions do; without a value, those whose path is "
    "something and not false.",
    takes="a list of objects",
    gives="a list",
    params=(
        path_param("what to look at, such as 'type'", required=True),
        Param(name="value", kind="value", required=False, default=MISSING, summary="what it equals"),
    ),
    examples=(
        Example(
            expression="$.totals | where('type', 'tax') | map('amount') | first",
            body={"totals": [{"type": "net", "amount": 10}, {"type": "tax", "amount": 2}]},
            result=2,
        ),
        Example(
            expression="$.lines | where('gift') | size", body={"lines": [{"gift": True}, {"gift": False}, {}]}, result=1
        ),
        Example(expression="$.lines | where('qty', 2)", body={"lines": [{"qty": "2"}]}, result=[{"qty": "2"}]),
        Example(expression="$.lines | where('type', 'x')", body={"lines": None}, result=[]),
    ),
)
def where(value: Any, path: Get, wanted: Any) -> list[Any]:
    found = elements(value)
    if wanted is MISSING:
        return [one for one in found if not is_nothing(item := path(one)) and item is not False]
    return [one for one in found if equal(path(one), wanted)]
