"""Filters about whether there is something, and of which type."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from gateway.rules.comparison import equal
from gateway.rules.filters.filter import (
    Example,
    Param,
    bounded_text,
    elements,
    number_of,
    register,
    text_of,
)
from gateway.rules.values import MISSING, RequiredMissing, Unreadable, describe, is_bounded, is_nothing


@register(
    "default",
    summary="Another value where there is nothing: missing, null, '', [] or {}; 0 and false stay.",
    takes="anything",
    gives="the value, or the argument",
    takes_missing=True,
    params=(Param(name="value", kind="value", summary="stands for nothing"),),
    examples=(
        Example(expression="$.name | default('there')", body={}, result="there"),
        Example(expression="$.name | default('there')", body={"name": ""}, result="there"),
        Example(expression="$.points | default(10)", body={"points": 0}, result=0),
        Example(expression="$.phone | default($.mobile)", body={"phone": None, "mobile": "1"}, result="1"),
    ),
)
def default(value: Any, other: Any) -> Any:
    return other if is_nothing(value) else value


@register(
    "ignore",
    summary="Makes the named values missing, for senders that write 0 or 'n/a' for nothing; compares as conditions do.",
    takes="anything",
    gives="the value, or missing",
    params=(Param(name="values", kind="value", many=True, summary="what counts as nothing"),),
    examples=(
        Example(expression="$.customer_id | ignore(0, '')", body={"customer_id": 0}),
        Example(expression="$.customer_id | ignore(0, '')", body={"customer_id": 12}, result=12),
        Example(expression="$.customer_id | ignore(0, '')", body={"customer_id": "0"}),
        Example(expression="$.phone | ignore('n/a') | default('-')", body={"phone": "n/a"}, result="-"),
    ),
)
def ignore(value: Any, others: tuple[Any, ...]) -> Any:
    return MISSING if any(equal(value, other) for other in others) else value


@register(
    "required",
    summary="Makes nothing an error: the rule sends no command and the webhook keeps the reason.",
    takes="anything",
    gives="the value",
    takes_missing=True,
    examples=(
        Example(expression="$.id | required", body={"id": 7}, result=7),
        Example(expression="$.points | required", body={"points": 0}, result=0),
    ),
)
def required(value: Any) -> Any:
    if is_nothing(value):
        raise RequiredMissing(f"required, and it is {describe(value)}")
    return value


@register(
    "string",
    summary="A number or a boolean as text, with its digits as they were written.",
    takes="text, a number, a boolean",
    gives="text",
    examples=(
        Example(expression="$.id | string", body={"id": 115310627314723954}, result="115310627314723954"),
        Example(expression="$.total | string", body={"total": Decimal("0.10")}, result="0.10"),
        Example(expression="$.paid | string", body={"paid": True}, result="true"),
        Example(expression="$.tags | string", body={"tags": ["a"]}, warns=True),
    ),
)
def string(value: Any) -> str:
    return text_of(value)


@register(
    "number",
    summary="Text as a number, exact to the last digit; text is one by JSON's grammar, without thousands separators.",
    takes="a number, or text that is one",
    gives="a number",
    examples=(
        Example(expression="$.total | number", body={"total": "199.90"}, result=Decimal("199.90")),
        Example(expression="$.total | number", body={"total": " 12 "}, result=12),
        Example(expression="$.total | number", body={"total": "1,299.00"}, warns=True),
        Example(expression="$.total | number", body={"total": None}, warns=True),
    ),
)
def number(value: Any) -> int | Decimal:
    return number_of(value)


@register(
    "integer",
    summary="A whole number; one with a fraction is not cut off but a warning, see round.",
    takes="a whole number, or text that is one",
    gives="a whole number",
    examples=(
        Example(expression="$.quantity | integer", body={"quantity": "3"}, result=3),
        Example(expression="$.quantity | integer", body={"quantity": Decimal("3.0")}, result=3),
        Example(expression="$.quantity | integer", body={"quantity": "3.5"}, warns=True),
    ),
)
def integer(value: Any) -> int:
    read = number_of(value)
    whole = int(read)
    if whole != read:
        raise Unreadable(f"found {describe(value)}; takes a whole number (round makes one)")
    return whole


_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "y", "on", "1", "t"), True),
    **dict.fromkeys(("false", "no", "n", "off", "0", "f"), False),
}


@register(
    "boolean",
    summary="true or false of what senders write for them: true/false, yes/no, on/off, y/n, t/f, 1/0, in any case.",
    takes="a boolean, 1, 0, or such text",
    gives="a boolean",
    examples=(
        Example(expression="$.accepts | boolean", body={"accepts": "Yes"}, result=True),
        Example(expression="$.accepts | boolean", body={"accepts": 0}, result=False),
        Example(expression="$.accepts | boolean", body={"accepts": "maybe"}, warns=True),
        Example(expression="$.accepts | boolean", body={"accepts": ""}, warns=True),
    ),
)
def boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    known = None
    if isinstance(value, str):
        known = _BOOLEANS.get(value.strip().lower())
    elif isinstance(value, int | Decimal) and is_bounded(value) and value in (0, 1):
        known = bool(value)
    if known is None:
        raise Unreadable(f"found {describe(value)}; takes true, false, yes, no, on, off, 1, 0")
    return known


_encoder = msgspec.json.Encoder(decimal_format="number")


@register(
    "json",
    summary="The value as JSON text, on one line, numbers digit by digit.",
    takes="anything",
    gives="text",
    examples=(
        Example(expression="$.line | json", body={"line": {"sku": "A", "qty": 1}}, result='{"sku":"A","qty":1}'),
        Example(expression="$.total | json", body={"total": Decimal("0.10")}, result="0.10"),
        Example(expression="$.note | json", body={"note": None}, result="null"),
    ),
)
def json(value: Any) -> str:
    try:
        return bounded_text(_encoder.encode(value).decode())
    except (RecursionError, ValueError, TypeError) as error:
        raise Unreadable(f"found {describe(value)}, which JSON can't hold: {error}") from None


def _decimal(text: str) -> Decimal:
    if len(text) <= 2_100 and len(text.lower().rpartition("e")[2]) <= 2_050:
        try:
            made = Decimal(text)
        except ArithmeticError:
            made = Decimal("NaN")
        if is_bounded(made):
            return made
    raise ValueError("a number has over 1,000 digits or an exponent beyond ±1,000")


_decoder = msgspec.json.Decoder(float_hook=_decimal)


@register(
    "parse_json",
    summary="JSON that a sender put into text, as the value that it says; numbers stay exact.",
    takes="text",
    gives="any value",
    examples=(
        Example(
            expression="$.meta | parse_json | get('gift.note')", body={"meta": '{"gift":{"note":"Hi"}}'}, result="Hi"
        ),
        Example(expression="$.meta | parse_json", body={"meta": "0.10"}, result=Decimal("0.10")),
        Example(expression="$.meta | parse_json", body={"meta": "{broken"}, warns=True),
        Example(expression="$.meta | parse_json", body={"meta": ""}, warns=True),
    ),
)
def parse_json(value: Any) -> Any:
    if not isinstance(value, str):
        raise Unreadable(f"found {describe(value)}; takes text that is JSON")
    try:
        read = _decoder.decode(value)
        if isinstance(read, int) and not is_bounded(read):
            raise ValueError("a number has over 1,000 digits")
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"found {describe(value)}, which is no JSON: {error}") from None
    return read


@register(
    "list",
    summary="A list as it is, null as an empty one, any other value as a list of itself.",
    takes="anything",
    gives="a list",
    examples=(
        Example(expression="$.item | list", body={"item": {"sku": "A"}}, result=[{"sku": "A"}]),
        Example(expression="$.item | list", body={"item": ["A", "B"]}, result=["A", "B"]),
        Example(expression="$.item | list", body={"item": None}, result=[]),
    ),
)
def list_(value: Any) -> list[Any]:
    return elements(value)
