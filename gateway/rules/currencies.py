"""Currencies: their codes and how many digits their minor unit has (ISO 4217)."""

from __future__ import annotations

from functools import cache

from babel.numbers import list_currencies

from gateway.rules.values import describe

# ISO 4217, list one: whatever is not named here has two digits. CLDR's own digits are those of habit, not of the
# standard: it has none for the Serbian dinar, whose amounts senders still write with two.
_DIGITS = {
    **dict.fromkeys(
        (
            "BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF",
            "XOF", "XPF",
        ),
        0,
    ),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}  # fmt: skip

_FREQUENT = ("GBP", "EUR", "USD", "CHF", "SEK", "NOK", "DKK", "PLN", "CZK", "CAD", "AUD", "NZD", "JPY")


def minor_digits(currency: str) -> int:
    """Digits behind the point: 2 for GBP, none for JPY, 3 for KWD."""
    return _DIGITS.get(currency, 2)


@cache
def _codes() -> frozenset[str]:
    return frozenset(list_currencies())


def _meant(code: str) -> str | None:
    """A frequent currency with the same letters, or all but one of them; of three letters anything is near to some."""
    same = (one for one in _FREQUENT if sorted(one) == sorted(code))
    near = (one for one in _FREQUENT if len(code) == 3 and sum(a != b for a, b in zip(one, code, strict=True)) == 1)
    return next(iter((*same, *near)), None)


def currency_code(value: object) -> str:
    """A code of three letters in upper case; any case is read.

    :raises ValueError: it is no currency.
    """
    code = value.strip().upper() if isinstance(value, str) else ""
    if code not in _codes():
        near = _meant(code)
        hint = f"; did you mean '{near}'?" if near else ""
        raise ValueError(f"{describe(value)} is no currency; allowed: a code of ISO 4217 such as 'GBP'{hint}")
    return code
