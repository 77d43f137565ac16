"""Filters of lists and objects. Where a list is taken, null is an empty one and any other value a list of itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.rules.filters.filter import Example, Get, Param, elements, path_param, register
from gateway.rules.filters.numbers import plus
from gateway.rules.values import MISSING, Unreadable, as_number, as_text, describe, is_nothing


def _key(name: str) -> Get:
    """The path of one name."""
    return lambda value: value.get(name, MISSING) if isinstance(value, dict) else MISSING


@register(
    "get",
    summary="What stands at a path inside the value; missing where nothing does.",
    takes="an object or a list",
    gives="any value",
    params=(path_param("such as 'address.city'", required=True),),
    examples=(
        Example(
            expression="$.meta | parse_json | get('utm.source')", body={"meta": '{"utm":{"source":"x"}}'}, result="x"
        ),
        Example(expression="$.lines | get('[0].sku')", body={"lines": [{"sku": "A"}]}, result="A"),
        Example(expression="$.lines | get('[0].sku')", body={"lines": []}),
    ),
)
def get(value: Any, path: Get) -> Any:
    return path(value)


@register(
    "pairs",
    summary="A list of names and values as one object; of a repeated name the last counts, and elements without a name "
    "or a value are left out.",
    takes="a list of objects",
    gives="an object",
    params=(
        Param(
            name="name",
            kind="path",
            required=False,
            default=_key("name"),
            summary="where the name stands, 'name' unless said",
        ),
        Param(
            name="value",
            kind="path",
            required=False,
            default=_key("value"),
            summary="where the value stands, 'value' unless said",
        ),
    ),
    examples=(
        Example(
            expression="$.attributes | pairs",
            body={"attributes": [{"name": "gift", "value": "yes"}, {"name": "note", "value": None}]},
            result={"gift": "yes", "note": None},
        ),
        Example(
            expression="$.meta_data | pairs('key', 'value')",
            body={"meta_data": [{"id": 1, "key": "vat", "value": "GB1"}]},
            result={"vat": "GB1"},
        ),
        Example(expression="$.attributes | pairs", body={"attributes": []}, result={}),
        Example(expression="$.attributes | pairs", body={"attributes": [{"name": ["a"], "value": 1}]}, warns=True),
    ),
)
def pairs(value: Any, name: Get, item: Get) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for element in elements(value):
        found = name(element)
        if is_nothing(found):
            continue
        key = as_text(found)
        if key is None:
            raise Unreadable(f"a name is {describe(found)}; takes text, a number or a boolean")
        content = item(element)
        if content is not MISSING:
            made[key] = content
    return made


@register(
    "first",
    summary="The first element; missing where there is none.",
    takes="a list",
    gives="an element",
    examples=(
        Example(expression="$.lines[*].sku | first", body={"lines": [{"sku": "A"}, {"sku": "B"}]}, result="A"),
        Example(expression="$.tags | first", body={"tags": []}),
        Example(expression="$.tags | first", body={"tags": "only"}, result="only"),
    ),
)
def first(value: Any) -> Any:
    found = elements(value)
    return found[0] if found else MISSING


@register(
    "last",
    summary="The last element; missing where there is none.",
    takes="a list",
    gives="an element",
    examples=(
        Example(expression="$.lines[*].sku | last", body={"lines": [{"sku": "A"}, {"sku": "B"}]}, result="B"),
        Example(expression="$.tags | last", body={"tags": None}),
    ),
)
def last(value: Any) -> Any:
    found = elements(value)
    return found[-1] if found else MISSING


@register(
    "slice",
    summary="Some characters of a text, or elements of a list, from a position (0 is the first, -1 the last); one "
    "unless said, and none beyond the end.",
    takes="a list, or text, a number, a boolean",
    gives="a list, or text",
    params=(
        Param(name="start", kind="integer", summary="the position of the first"),
        Param(name="length", kind="integer", required=False, default=1, summary="how many, one unless said"),
    ),
    examples=(
        Example(expression="$.code | slice(0, 3)", body={"code": "ABC-123"}, result="ABC"),
        Example(expression="$.code | slice(-3, 3)", body={"code": "ABC-123"}, result="123"),
        Example(expression="$.tags | slice(1, 2)", body={"tags": ["a", "b", "c", "d"]}, result=["b", "c"]),
        Example(expression="$.tags | slice(5)", body={"tags": ["a"]}, result=[]),
    ),
)
def slice_(value: Any, start: int, length: int) -> Any:
    whole = value if isinstance(value, list) else as_text(value)
    if whole is None:
        raise Unreadable(f"found {describe(value)}; takes a list or text")
    begin = start + len(whole) if start < 0 else start
    return whole[:0] if begin < 0 or length < 0 else whole[begin : begin + length]


@register(
    "size",
    summary="How many elements a list has, keys an object, characters a text; 0 for missing and null.",
    takes="a list, an object, text; missing too",
    gives="a whole number",
    takes_missing=True,
    examples=(
        Example(expression="$.lines | size", body={"lines": [1, 2, 3]}, result=3),
        Example(expression="$.lines | size", body={}, result=0),
        Example(expression="$.name | size", body={"name": "Zoë"}, result=3),
        Example(expression="$.total | size", body={"total": 12}, warns=True),
    ),
)
def size(value: Any) -> int:
    if value is None or value is MISSING:
        return 0
    if not isinstance(value, str | list | dict):
        raise Unreadable(f"found {describe(value)}; takes a list, an object or text")
    return len(value)


def _numbers(value: Any, path: Get | None) -> list[int | Decimal]:
    """The elements (or what stands at a path in each) as numbers, without null and what is missing."""
    found: list[int | Decimal] = []
    for index, element in enumerate(elements(value)):
        item = element if path is None else path(element)
        if item is None or item is MISSING:
            continue
        number = as_number(item)
        if number is None:
            raise Unreadable(f"element {index} is {describe(item)}; takes numbers, or text that is one")
        found.append(number)
    return found


@register(
    "sum",
    summary="The exact sum of a list, or of what stands at a path in each element; 0 for missing and an empty list.",
    takes="a list of numbers, or of text that is one; missing too",
    gives="a number",
    takes_missing=True,
    params=(path_param("what to add up, such as 'price.amount'"),),
    examples=(
        Example(
            expression="$.lines | sum('price')",
            body={"lines": [{"price": "0.10"}, {"price": "0.20"}, {}]},
            result=Decimal("0.30"),
        ),
        Example(expression="$.lines[*].quantity | sum", body={"lines": [{"quantity": 2}, {"quantity": 3}]}, result=5),
        Example(expression="$.lines | sum('price')", body={}, result=0),
        Example(expression="$.prices | sum", body={"prices": ["free"]}, warns=True),
    ),
)
def sum_(value: Any, path: Get | None) -> int | Decimal:
    total: int | Decimal = 0
    for number in _numbers(value, path):
        total = plus(total, number)
    return total
