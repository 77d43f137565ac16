"""Filters of money: amounts as people write them, and out of minor units."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.numbers import NumberPattern, parse_pattern

from gateway.rules.currencies import minor_digits
from gateway.rules.filters.filter import Example, Param, number_of, register
from gateway.rules.filters.numbers import checked, rounded
from gateway.rules.moments import ENGLISH
from gateway.rules.values import Unreadable, describe

_MAX_AMOUNT_DIGITS = 20  # babel rounds with 28 digits
# CLDR's currencySpacing, which babel leaves out: a code and a digit never touch ("CHF 12", but "£12").
_TOUCHING = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


@lru_cache(maxsize=256)
def _pattern(locale: Locale, digits: int) -> NumberPattern:
    pattern = parse_pattern(locale.currency_formats["standard"].pattern)
    pattern.frac_prec = (digits, digits)
    return pattern


@register(
    "money",
    summary="An amount as the people of a locale write it, rounded half up to the digits of its currency (ISO 4217).",
    takes="a number, or text that is one",
    gives="text",
    params=(
        Param(name="currency", kind="currency", summary="its code, such as 'GBP' or $.currency"),
        Param(
            name="locale",
            kind="locale",
            required=False,
            default=ENGLISH,
            summary="a language and perhaps a country, 'en' unless said",
        ),
    ),
    examples=(
        Example(expression="$.total | money('GBP')", body={"total": "1234.5"}, result="£1,234.50"),
        Example(expression="$.total | money('EUR', 'de')", body={"total": Decimal("1234.505")}, result="1.234,51\xa0€"),
        Example(expression="$.total | money($.currency)", body={"total": 1980, "currency": "jpy"}, result="¥1,980"),
        Example(expression="$.total | money('GBP')", body={"total": "free"}, warns=True),
    ),
)
def money(value: Any, currency: str, locale: Locale) -> str:
    amount = number_of(value)
    digits = minor_digits(currency)
    if amount and Decimal(amount).adjusted() >= _MAX_AMOUNT_DIGITS:
        raise Unreadable(f"found {describe(value)}; an amount has at most {_MAX_AMOUNT_DIGITS} digits before the point")
    exact = rounded(amount, digits)
    written = _pattern(locale, digits).apply(exact, locale, currency=currency, currency_digits=False)
    return _TOUCHING.sub("\xa0", written)


@register(
    "major",
    summary="An amount of minor units (cents) in major ones: 1999 GBP is 19.99, 1999 JPY is 1999, 1999 KWD is 1.999.",
    takes="a number, or text that is one",
    gives="a number",
    params=(
        Param(name="currency", kind="currency", summary="its code, such as 'GBP' or $.currency"),
        Param(
            name="digits",
            kind="integer",
            required=False,
            default=None,
            least=0,
            most=6,
            summary="the digits of the minor unit, where a sender departs from ISO 4217 (Stripe gives ISK with two)",
        ),
    ),
    examples=(
        Example(expression="$.amount | major('GBP')", body={"amount": 1999}, result=Decimal("19.99")),
        Example(expression="$.amount | major($.currency)", body={"amount": "1999", "currency": "jpy"}, result=1999),
        Example(expression="$.amount | major('KWD')", body={"amount": 1999}, result=Decimal("1.999")),
        Example(expression="$.amount | major('GBP')", body={"amount": 0}, result=Decimal("0.00")),
        Example(expression="$.amount | major('ISK', digits: 2)", body={"amount": 150000}, result=Decimal("1500.00")),
    ),
)
def major(value: Any, currency: str, digits: int | None) -> int | Decimal:
    amount = number_of(value)
    places = minor_digits(currency) if digits is None else digits
    if not places:
        return amount
    sign, figures, exponent = Decimal(amount).as_tuple()
    assert isinstance(exponent, int)  # number_of gives finite numbers only
    return checked(Decimal((sign, figures, exponent - places)))
