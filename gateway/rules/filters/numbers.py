"""Filters that calculate: exact decimals, rounded half up, and never a float."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException, Inexact, InvalidOperation
from fractions import Fraction
from typing import Any

from gateway.rules.filters.filter import Example, Param, number_of, register
from gateway.rules.values import MAX_DIGITS, Unreadable, is_bounded

_NUMBER = "a number, or text that is one"

# Whatever can't be had exactly within the bounds of a number is an error, not a rounded result.
_EXACT = Context(prec=MAX_DIGITS, rounding=ROUND_HALF_UP, traps=[Inexact, InvalidOperation])
_ROUNDING = Context(prec=MAX_DIGITS, rounding=ROUND_HALF_UP, traps=[InvalidOperation])
DIVISION_DIGITS = 12
"""Digits behind the point of a quotient that has no end."""


def checked(result: int | Decimal) -> int | Decimal:
    """The result of a calculation, without a negative zero.

    :raises Unreadable: it is beyond the bounds of a number.
    """
    if not is_bounded(result):
        raise Unreadable("the result has over 1,000 digits, or an exponent beyond ±1,000")
    return result.copy_abs() if isinstance(result, Decimal) and not result else result


def rounded(number: int | Decimal, digits: int) -> Decimal:
    """``number`` with exactly ``digits`` digits behind the point, half up (half away from zero).

    :raises Unreadable: it is beyond the bounds of a number.
    """
    try:
        made = Decimal(number).quantize(Decimal(1).scaleb(-digits), context=_ROUNDING)
    except DecimalException:
        raise Unreadable("the result has over 1,000 digits") from None
    return made or made.copy_abs()


def _exactly(operation: str, left: int | Decimal, right: int | Decimal) -> Decimal:
    try:
        result: Decimal = getattr(_EXACT, operation)(Decimal(left), Decimal(right))
    except DecimalException:
        raise Unreadable("the exact result has over 1,000 digits") from None
    return result


@register(
    "plus",
    summary="The sum with another number.",
    takes=_NUMBER,
    gives="a number",
    params=(Param(name="number", kind="number", summary="what is added"),),
    examples=(
        Example(expression="$.net | plus($.tax)", body={"net": "10.10", "tax": "0.20"}, result=Decimal("10.30")),
        Example(expression="$.count | plus(1)", body={"count": 2}, result=3),
        Example(expression="$.count | plus(1)", body={"count": None}, warns=True),
    ),
)
def plus(value: Any, other: int | Decimal) -> int | Decimal:
    number = number_of(value)
    if isinstance(number, int) and isinstance(other, int):
        return checked(number + other)
    return checked(_exactly("add", number, other))


@register(
    "minus",
    summary="The difference from another number.",
    takes=_NUMBER,
    gives="a number",
    params=(Param(name="number", kind="number", summary="what is taken away"),),
    examples=(
        Example(expression="$.total | minus($.off)", body={"total": "50.00", "off": "5"}, result=Decimal("45.00")),
        Example(expression="$.count | minus(1)", body={"count": "1"}, result=0),
    ),
)
def minus(value: Any, other: int | Decimal) -> int | Decimal:
    return plus(value, -other if isinstance(other, int) else other.copy_negate())  # type: ignore[no-any-return]


@register(
    "times",
    summary="The product with another number.",
    takes=_NUMBER,
    gives="a number",
    params=(Param(name="number", kind="number", summary="the factor"),),
    examples=(
        Example(expression="$.price | times($.qty)", body={"price": "19.99", "qty": 3}, result=Decimal("59.97")),
        Example(expression="$.points | times(2)", body={"points": 5}, result=10),
        Example(expression="$.points | times(2)", body={"points": "many"}, warns=True),
    ),
)
def times(value: Any, other: int | Decimal) -> int | Decimal:
    number = number_of(value)
    if isinstance(number, int) and isinstance(other, int):
        return checked(number * other)
    return checked(_exactly("multiply", number, other))


@register(
    "divided_by",
    summary="The quotient, exact where it ends within 12 digits behind the point (or as many as 'digits' says), else "
    "rounded half up to so many. Unlike in Liquid, 7 divided by 2 is 3.5.",
    takes=_NUMBER,
    gives="a number",
    params=(
        Param(name="number", kind="number", summary="the divisor"),
        Param(
            name="digits",
            kind="integer",
            required=False,
            default=DIVISION_DIGITS,
            least=0,
            most=100,
            summary="the most digits behind the point, 12 unless said",
        ),
    ),
    examples=(
        Example(expression="$.minutes | divided_by(60)", body={"minutes": 90}, result=Decimal("1.5")),
        Example(expression="$.cents | divided_by(100)", body={"cents": "1999"}, result=Decimal("19.99")),
        Example(expression="$.total | divided_by(3, 2)", body={"total": 10}, result=Decimal("3.33")),
        Example(expression="$.total | divided_by($.count)", body={"total": 10, "count": 0}, warns=True),
    ),
)
def divided_by(value: Any, divisor: int | Decimal, digits: int) -> int | Decimal:
    number = number_of(value)
    if not divisor:
        raise Unreadable("division by zero")
    scaled = abs(Fraction(number) / Fraction(divisor)) * 10**digits
    units = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    while digits and units % 10 == 0:
        units, digits = units // 10, digits - 1
    if (number < 0) != (divisor < 0):
        units = -units
    return checked(Decimal(units).scaleb(-digits, _EXACT) if digits and is_bounded(units) else units)


@register(
    "round",
    summary="Exactly so many digits behind the point, half up; a whole number unless said.",
    takes=_NUMBER,
    gives="a number",
    params=(
        Param(
            name="digits",
            kind="integer",
            required=False,
            default=0,
            least=-20,
            most=20,
            summary="digits behind the point; negative ones round tens, hundreds and so on",
        ),
    ),
    examples=(
        Example(expression="$.total | round(2)", body={"total": "2.675"}, result=Decimal("2.68")),
        Example(expression="$.total | round", body={"total": Decimal("2.5")}, result=3),
        Example(expression="$.total | round(2)", body={"total": 5}, result=Decimal("5.00")),
        Example(expression="$.total | round", body={"total": "-2.5"}, result=-3),
    ),
)
def round_(value: Any, digits: int) -> int | Decimal:
    made = rounded(number_of(value), digits)
    return checked(made if digits > 0 else int(made))


@register(
    "abs",
    summary="The number without its sign.",
    takes=_NUMBER,
    gives="a number",
    examples=(
        Example(expression="$.change | abs", body={"change": "-12.50"}, result=Decimal("12.50")),
        Example(expression="$.change | abs", body={"change": 0}, result=0),
    ),
)
def abs_(value: Any) -> int | Decimal:
    number = number_of(value)
    return abs(number) if isinstance(number, int) else number.copy_abs()
