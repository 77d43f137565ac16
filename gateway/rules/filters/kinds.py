"""What arguments become before a filter sees them: a pattern compiled, a zone loaded, a code checked.

A literal is prepared when its file is loaded, so that a mistake is found there; a value of the payload when it is met.
"""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

import phonenumbers
import re2
from babel import Locale, UnknownLocaleError

from gateway.rules.currencies import currency_code
from gateway.rules.problems import did_you_mean
from gateway.rules.spans import span
from gateway.rules.tables import Table
from gateway.rules.time_formats import reading_format, writing_format
from gateway.rules.values import as_number, as_text, describe

_REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)
_MAX_PATTERN = 1_000


def prepare(value: Any, *, kind: str, choices: tuple[str, ...], least: int | None, most: int | None) -> Any:
    """``value`` as an argument of this kind.

    :raises ValueError: it can't be one; the message says what is allowed.
    """
    if kind == "choice":
        return _choice(value, choices)
    if kind in ("number", "integer"):
        return _number(value, whole=kind == "integer", least=least, most=most)
    return _KINDS[kind](value)


def _number(value: Any, *, whole: bool, least: int | None, most: int | None) -> int | Decimal:
    number = as_number(value)
    if number is None or (whole and number != int(number)):
        noun, such = ("whole number", "3") if whole else ("number", "1.2")
        raise ValueError(f"{describe(value)} is no {noun}; allowed: a {noun} such as {such}")
    if (least is not None and number < least) or (most is not None and number > most):
        low, high = "any" if least is None else least, "any" if most is None else most
        raise ValueError(f"{describe(value)} is out of range; allowed: {low} to {high}")
    return int(number) if whole else number


def _choice(value: Any, choices: tuple[str, ...]) -> str:
    if isinstance(value, str) and value.lower() in choices:
        return value.lower()
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    raise ValueError(f"{describe(value)} is not known; allowed: {', '.join(choices)}{hint}")


def _text(value: Any) -> str:
    text = as_text(value)
    if text is None:
        raise ValueError(f"{describe(value)} is no text; allowed: text, a number or a boolean")
    return text


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError(f"{describe(value)} is no boolean; allowed: true, false")


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"{describe(value)} is no list; allowed: a list such as [1, 2]")  # noqa: TRY004 - prepare() raises ValueError for all
    return value


def _function(value: Any) -> Callable[[Any], Any]:
    if not callable(value):
        raise ValueError(f"{describe(value)} is no path; allowed: a path such as 'price.amount'")  # noqa: TRY004 - prepare() raises ValueError for all
    return value  # type: ignore[no-any-return]


def _table(value: Any) -> Table:
    if not isinstance(value, Table):
        raise ValueError(f"{describe(value)} is no table; allowed: the name of a table of the file")  # noqa: TRY004 - prepare() raises ValueError for all
    return value


def _regex(value: Any) -> Any:
    if not isinstance(value, str) or not value or len(value) > _MAX_PATTERN:
        raise ValueError(
            f"{describe(value)} is no regular expression; allowed: a pattern such as 'AB-([0-9]+)' "
            f"of at most {_MAX_PATTERN:,} characters"
        )
    return compile_pattern(value)


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> Any:
    """A regular expression of RE2's syntax, which runs in time linear to the text.

    :raises ValueError: it has another syntax; lookarounds and references back have no linear time.
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        said = error.args[0].decode("utf-8", "replace") if isinstance(error, re2.error) else "a lone surrogate"
        raise ValueError(
            f"'{pattern[:60]}' is no regular expression: {said}; allowed: the syntax of RE2 "
            "(without lookaround and references back)"
        ) from None


@cache
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _zone(value: Any) -> zoneinfo.ZoneInfo:
    if isinstance(value, zoneinfo.ZoneInfo):
        return value
    # The list is asked first: a key is a path, and may come out of a payload.
    if not isinstance(value, str) or value not in _zones():
        hint = did_you_mean(value[:60], _zones()) if isinstance(value, str) else ""
        raise ValueError(f"{describe(value)} is no time zone; allowed: a name such as Europe/London{hint}")
    return zoneinfo.ZoneInfo(value)


@lru_cache(maxsize=256)
def _locale_of(text: str) -> Locale:
    parts = text.strip().replace("-", "_")
    try:
        return Locale.parse(parts)
    except UnknownLocaleError:
        # A language in a country where CLDR does not list it (fr_DK): the language's own habits.
        language, _, territory = parts.partition("_")
        known = Locale.parse(language)
        if territory.upper() not in known.territories:
            raise
        return known


def _locale(value: Any) -> Locale:
    if isinstance(value, Locale):
        return value
    try:
        if isinstance(value, str) and len(value) <= 30:
            return _locale_of(value)
    except (UnknownLocaleError, ValueError):
        pass
    raise ValueError(f"{describe(value)} is no locale; allowed: a language and perhaps a country, such as 'en-GB'")


def _region(value: Any) -> str:
    code = value.strip().upper() if isinstance(value, str) else ""
    code = {"UK": "GB"}.get(code, code)
    if code not in _REGIONS:
        raise ValueError(f"{describe(value)} is no country; allowed: a code of ISO 3166 such as 'GB'")
    return code


def _format(value: Any) -> Any:
    return writing_format(_text(value))


def _reading(value: Any) -> Any:
    return reading_format(_text(value))


def _duration(value: Any) -> Any:
    return span(_text(value))


_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "value": lambda value: value,
    "text": _text,
    "boolean": _boolean,
    "list": _list,
    "path": _function,
    "table": _table,
    "regex": _regex,
    "zone": _zone,
    "locale": _locale,
    "currency": currency_code,
    "region": _region,
    "duration": _duration,
    "format": _format,
    "reading": _reading,
}
KINDS = (*_KINDS, "choice", "number", "integer")
