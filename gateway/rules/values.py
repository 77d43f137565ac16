"""What a value of a payload is: missing, nothing, a number, text; and the words for it in messages.

A value is plain JSON (None, bool, int, Decimal, str, list, dict) or :data:`MISSING`. None of these functions raises on
any of them, and each takes time in proportion to its input: numbers are bounded before they are computed with.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Final, final

MAX_DIGITS: Final = 1_000
"""Digits of a number, and the greatest exponent: beyond that a number is hostile (``int(Decimal('1e1000000'))`` takes
25 s), and no sender means it."""

DESCRIPTION_LENGTH: Final = 60
"""Characters of a value's description in a message."""

_WRITTEN_BITS = 1_000
_TOO_LARGE: int = 10**MAX_DIGITS
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")


@final
class Missing:
    """What a path that finds nothing gives. There is one: :data:`MISSING`. It is falsy."""

    _one: Missing | None = None

    def __new__(cls) -> Missing:
        if cls._one is None:
            cls._one = super().__new__(cls)
        return cls._one

    def __repr__(self) -> str:
        return "missing"

    def __bool__(self) -> bool:
        return False

    def __copy__(self) -> Missing:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Missing:
        return self

    def __reduce__(self) -> tuple[type[Missing], tuple[()]]:
        return Missing, ()


MISSING: Final = Missing()


class Unreadable(ValueError):
    """A filter can't read its input. The message says what was found and what it takes."""


class RequiredMissing(Exception):
    """``| required`` met nothing. The message says what stood there."""


def is_nothing(value: Any) -> bool:
    """Whether a value is missing, null, ``""``, ``[]`` or ``{}``. ``0`` and ``false`` are something."""
    if value:
        return False
    kind = type(value)
    return kind is str or kind is list or kind is dict or value is None or value is MISSING


def is_bounded(number: int | Decimal) -> bool:
    """Whether a number is finite, has at most 1,000 digits and an exponent within ±1,000."""
    if isinstance(number, int):
        return -_TOO_LARGE < number < _TOO_LARGE
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):  # infinite, or not a number
        return False
    return len(digits) <= MAX_DIGITS and abs(exponent) <= MAX_DIGITS and abs(number.adjusted()) <= MAX_DIGITS


def as_number(value: Any) -> Decimal | int | None:
    """A number as it is, or text that is one by JSON's grammar (``"12"``, ``"0.10"``, ``"1e3"``); else None.

    A boolean is no number. Text keeps its digits: ``"0.10"`` gives ``Decimal("0.10")``. Numbers beyond the bounds of
    :func:`is_bounded` give None.
    """
    kind = type(value)
    if kind is int or kind is Decimal:
        return value if is_bounded(value) else None
    if kind is not str or not value or len(value) > 2 * MAX_DIGITS:
        return None
    found = _JSON_NUMBER.match(value)
    if not found:
        return None
    fraction, exponent = found.groups()
    if exponent is None and len(value) <= MAX_DIGITS:
        return int(value) if fraction is None else Decimal(value)
    if fraction is None and exponent is None:
        return int(value) if len(value.lstrip("-")) <= MAX_DIGITS else None
    if exponent is not None and len(exponent) > 8:
        return None
    number = Decimal(value)
    return number if is_bounded(number) else None


def as_text(value: Any) -> str | None:
    """Text as it is, a number in plain digits as it was written (``0.10``, never ``1E+3``), a boolean as ``true`` or
    ``false``; None for null, missing, lists, objects and numbers beyond the bounds of :func:`is_bounded`."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return str(value) if is_bounded(value) else None
    if kind is Decimal:
        return format(value, "f") if is_bounded(value) else None
    return None


def describe(value: Any) -> str:
    """A value in a few words, for messages: ``text 'abc'``, ``the number 12``, ``a list of 3``,
    ``an object with a, b, c``, ``nothing (empty text)``, ``null``, ``missing``. At most 60 characters."""
    if value is MISSING:
        return "missing"
    if value is None:
        return "null"
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, str):
        return f"text '{_cut(_visible(value), DESCRIPTION_LENGTH - 7)}'" if value else "nothing (empty text)"
    if isinstance(value, int) and value.bit_length() > _WRITTEN_BITS:
        # To write it out only to cut it off takes as long as a filter.
        return "a number of hundreds of digits" if is_bounded(value) else "a number of over 1,000 digits"
    if isinstance(value, int | Decimal):
        text = as_text(value)
        return "a number of over 1,000 digits" if text is None else _cut(f"the number {text}", DESCRIPTION_LENGTH)
    if isinstance(value, list):
        return f"a list of {len(value):,}" if value else "nothing (an empty list)"
    if isinstance(value, dict):
        if not value:
            return "nothing (an empty object)"
        names = ", ".join(_visible(str(name)) for _, name in zip(range(DESCRIPTION_LENGTH), value, strict=False))
        return _cut(f"an object with {names}", DESCRIPTION_LENGTH)
    return _cut(f"a {type(value).__name__}", DESCRIPTION_LENGTH)


def _visible(text: str) -> str:
    """The start of a text on one line: control characters would break the line of a log or of a terminal."""
    return "".join(character if character.isprintable() else " " for character in text[:DESCRIPTION_LENGTH])


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
