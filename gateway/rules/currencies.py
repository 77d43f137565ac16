"""Currencies: their codes and how many digits their minor unit has (ISO 4217)."""

from __future__ import annotations

from functools import cache

from babel.numbers import list_currencies

from gateway.rules.problems import did_you_mean
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


def minor_digits(currency: str) -> int:
    """Digits behind the point: 2 for GBP, none for JPY, 3 for KWD."""
    return _DIGITS.get(currency, 2)


@cache
def _codes() -> frozenset[str]:
    return frozenset(list_currencies())


def currency_code(value: object) -> str:
    """A code of three letters in upper case; any case is read.

    :raises ValueError: it is no currency.
    """
    code = value.strip().upper() if isinstance(value, str) else ""
    if code not in _codes():
        hint = did_you_mean(code, _codes()) if len(code) == 3 else ""
        raise ValueError(f"{describe(value)} is no currency; allowed: a code of ISO 4217 such as 'GBP'{hint}")
    return code
