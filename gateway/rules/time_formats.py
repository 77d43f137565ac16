"""Formats of times: ``%d/%m/%Y``. The letters are those of strftime as Liquid has them, for writing and for reading.

A format is compiled once. Names of months and days are those of a locale (CLDR, through babel), never of the process.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, Literal

import msgspec
from babel import Locale
from babel.dates import format_date, get_day_names, get_month_names, get_period_names

from gateway.rules.values import Unreadable, describe

STYLES: Final = ("short", "medium", "long", "full")
"""Whole dates as people of a locale write them: ``6 May 2024`` is ``long`` in ``en-GB``."""

_TOGETHER = {"F": "%Y-%m-%d", "T": "%H:%M:%S", "R": "%H:%M", "D": "%m/%d/%y", "r": "%I:%M:%S %p"}
_DIRECTIVE = re.compile(r"%([-_0^]*)(:z|[A-Za-z%])", re.DOTALL)
_WIDTHS: tuple[Literal["wide", "abbreviated"], ...] = ("wide", "abbreviated")
_MAX_FORMAT = 200
MAX_INPUT: Final = 200
"""Characters of a time; no sender writes a longer one."""

# Letter: (width, padding, value).
_NUMBERS: dict[str, tuple[int, str, Callable[[datetime], int]]] = {
    "Y": (4, "0", lambda at: at.year),
    "C": (2, "0", lambda at: at.year // 100),
    "y": (2, "0", lambda at: at.year % 100),
    "m": (2, "0", lambda at: at.month),
    "d": (2, "0", lambda at: at.day),
    "e": (2, " ", lambda at: at.day),
    "j": (3, "0", lambda at: at.timetuple().tm_yday),
    "H": (2, "0", lambda at: at.hour),
    "k": (2, " ", lambda at: at.hour),
    "I": (2, "0", lambda at: at.hour % 12 or 12),
    "l": (2, " ", lambda at: at.hour % 12 or 12),
    "M": (2, "0", lambda at: at.minute),
    "S": (2, "0", lambda at: at.second),
    "L": (3, "0", lambda at: at.microsecond // 1000),
    "f": (6, "0", lambda at: at.microsecond),
    "u": (1, "0", lambda at: at.isoweekday()),
    "w": (1, "0", lambda at: at.isoweekday() % 7),
    "U": (2, "0", lambda at: (at.timetuple().tm_yday + 6 - at.isoweekday() % 7) // 7),
    "W": (2, "0", lambda at: (at.timetuple().tm_yday + 6 - at.weekday()) // 7),
    "V": (2, "0", lambda at: at.isocalendar().week),
    "G": (4, "0", lambda at: at.isocalendar().year),
    "s": (1, "0", lambda at: int(at.timestamp())),
}
_NAMES = "BbhAapPZ"
_WRITES = frozenset({*_NUMBERS, *_NAMES, "z", ":z"})
_CLOCK = frozenset("HkIlMSLfspPzZ") | {":z"}
"""What needs a time of day or a zone, not only a date."""

_READS: dict[str, str] = {
    "Y": "[0-9]{4}", "y": "[0-9]{2}", "m": "[0-9]{1,2}", "d": "[0-9]{1,2}", "e": "[0-9]{1,2}", "j": "[0-9]{1,3}",
    "H": "[0-9]{1,2}", "k": "[0-9]{1,2}", "I": "[0-9]{1,2}", "l": "[0-9]{1,2}", "M": "[0-9]{2}", "S": "[0-9]{2}",
    "L": "[0-9]{1,3}", "f": "[0-9]{1,9}", "s": "[0-9]{1,12}", "z": r"Z|[+-][0-9]{2}(?::?[0-9]{2})?",
    ":z": r"Z|[+-][0-9]{2}(?::?[0-9]{2})?", "Z": "[A-Z]{1,4}",
}  # fmt: skip

ZONE_NAMES: Final = {
    "Z": 0, "UT": 0, "UTC": 0, "GMT": 0,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
}  # fmt: skip
"""Abbreviations with one meaning (RFC 5322, 4.3) and their hours from UTC; ``BST`` or ``IST`` have several."""


class TimeFormat(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled format."""

    text: str
    parts: tuple[str | tuple[str, str], ...]
    """Plain text, or (flags, letter)."""
    style: str | None = None
    """One of :data:`STYLES` where the format is a style, not letters."""

    @property
    def letters(self) -> frozenset[str]:
        return frozenset(part[1] for part in self.parts if isinstance(part, tuple))

    @property
    def needs_clock(self) -> bool:
        """Whether it says more than a date."""
        return bool(self.letters & _CLOCK)


def writing_format(text: str) -> TimeFormat:
    """A format to write times with: letters, or one of :data:`STYLES`.

    :raises ValueError: a letter is not known, or there is none.
    """
    if text in STYLES:
        return TimeFormat(text=text, parts=(), style=text)
    return _compile(text, _WRITES, f"letters such as '%d %B %Y', or {', '.join(STYLES)}")


def reading_format(text: str) -> TimeFormat:
    """A format to read times by. It names a year, a month and a day, or a day of the year, or Unix seconds (``%s``).

    :raises ValueError: a letter is not known, stands twice, or the date is incomplete.
    """
    compiled = _compile(text, frozenset(_READS) | frozenset("BbhAapP"), "letters such as '%d/%m/%Y'")
    letters = compiled.letters
    written = [part[1] for part in compiled.parts if isinstance(part, tuple)]
    if len(letters) < len(written):
        raise ValueError(f"'{text}' reads one thing twice")
    whole = letters & {"Y", "y"} and ((letters & set("mBbh") and letters & {"d", "e"}) or "j" in letters)
    if not whole and "s" not in letters:
        raise ValueError(f"'{text}' reads no whole date; allowed: a year, a month and a day, such as '%d/%m/%Y'")
    if letters & {"I", "l"} and not letters & {"p", "P"}:
        raise ValueError(f"'{text}' reads a 12-hour clock without am or pm (%p); %H reads 24 hours")
    return compiled


def _compile(text: str, allowed: frozenset[str], forms: str) -> TimeFormat:
    if len(text) > _MAX_FORMAT:
        raise ValueError(f"a format has at most {_MAX_FORMAT} characters")
    expanded = re.sub(r"%([FTRDr])", lambda found: _TOGETHER[found[1]], text.replace("%%", "%\0")).replace("%\0", "%%")
    parts: list[str | tuple[str, str]] = []
    position = 0
    while position < len(expanded):
        end = expanded.find("%", position)
        end = len(expanded) if end < 0 else end
        if end > position:
            parts.append(expanded[position:end])
        if end == len(expanded):
            break
        found = _DIRECTIVE.match(expanded, end)
        if not found or (found[2] not in allowed and found[2] != "%"):
            wrong = found[0] if found else expanded[end : end + 2]
            letters = " ".join(f"%{letter}" for letter in sorted({*allowed, *_TOGETHER}, key=str.lower))
            raise ValueError(f"'{wrong}' is not known in a format; allowed: {letters}")
        parts.append("%" if found[2] == "%" else (found[1], found[2]))
        position = found.end()
    if not any(isinstance(part, tuple) for part in parts):
        raise ValueError(f"'{text}' is no format; allowed: {forms}")
    return TimeFormat(text=text, parts=tuple(parts))


# -- writing -------------------------------------------------------------------------------------------------------


def write_time(at: datetime, form: TimeFormat, locale: Locale) -> str:
    """``at`` as text, on the clock of its own zone."""
    if form.style is not None:
        return str(format_date(at.date(), format=form.style, locale=locale))
    return "".join(part if isinstance(part, str) else _written(at, *part, locale) for part in form.parts)


def _written(at: datetime, flags: str, letter: str, locale: Locale) -> str:
    if letter in _NUMBERS:
        width, padding, value = _NUMBERS[letter]
        for flag in flags:
            width, padding = (0, padding) if flag == "-" else (width, {"_": " ", "0": "0"}.get(flag, padding))
        return str(value(at)).rjust(width, padding)
    if letter in ("z", ":z"):
        offset = at.strftime("%z")[:5] or "+0000"
        return f"{offset[:3]}:{offset[3:]}" if letter == ":z" else offset
    text = _name(at, letter, locale)
    return text.upper() if "^" in flags else text


def _name(at: datetime, letter: str, locale: Locale) -> str:
    if letter == "B":
        return str(get_month_names("wide", locale=locale)[at.month])
    if letter in "bh":
        return str(get_month_names("abbreviated", locale=locale)[at.month])
    if letter == "A":
        return str(get_day_names("wide", locale=locale)[at.weekday()])
    if letter == "a":
        return str(get_day_names("abbreviated", locale=locale)[at.weekday()])
    if letter == "Z":
        return at.tzname() or ""
    half = _half(locale, "wide", "pm" if at.hour >= 12 else "am")
    return half.lower() if letter == "P" else half


def _half(locale: Locale, width: Literal["wide", "abbreviated"], half: str) -> str:
    """``am`` or ``pm`` in a locale; not every locale names them in every width (de-AT)."""
    names = get_period_names(width, "format", locale=locale)
    return str(names.get(half) or half.upper())


# -- reading -------------------------------------------------------------------------------------------------------


def read_time(text: str, form: TimeFormat, locale: Locale) -> tuple[datetime, bool]:
    """A time that is written in ``form``, and whether it is a whole day.

    The datetime is naive where the text names no zone. Names may be of the locale or English, in any case; two digits
    of a year are 1969 to 2068, as POSIX has it.

    :raises Unreadable: the text has another form, or there is no such day or time.
    """
    stripped = text.strip()
    found = _pattern(form, locale).fullmatch(stripped) if len(stripped) <= MAX_INPUT else None
    if found is None:
        raise Unreadable(f"{describe(text)} is not of the form '{form.text}'")
    fields = {name: value for name, value in found.groupdict().items() if value is not None}
    try:
        return _assemble(fields, locale), not form.letters & _CLOCK
    except (ValueError, OverflowError, KeyError):
        raise Unreadable(f"{describe(text)} names no day or time that exists ('{form.text}')") from None


def _assemble(fields: dict[str, str], locale: Locale) -> datetime:
    def number(*names: str, default: int = 0) -> int:
        return next((int(fields[name]) for name in names if name in fields), default)

    if "s" in fields:
        return datetime.fromtimestamp(number("s"), UTC)
    year = number("Y", default=-1)
    if year < 0:
        year = number("y") + (1900 if number("y") >= 69 else 2000)
    month_name = fields.get("B") or fields.get("b") or fields.get("h")
    month = _months(locale)[month_name.casefold()] if month_name else number("m", default=1)
    hour = number("H", "k")
    if "I" in fields or "l" in fields:
        half = number("I", "l")
        if not 1 <= half <= 12:
            raise ValueError
        hour = half % 12 + (12 if _halves(locale)[(fields.get("p") or fields["P"]).casefold()] else 0)
    fraction = fields["L"].ljust(3, "0") if "L" in fields else fields.get("f", "")
    zone = _offset(fields.get("z") or fields.get("zz")) if "z" in fields or "zz" in fields else None
    if "Z" in fields:
        hours = ZONE_NAMES.get(fields["Z"].upper())
        if hours is None:
            raise ValueError
        zone = timezone(timedelta(hours=hours)) if hours else UTC
    at = datetime(year, month, number("d", "e", default=1), hour, number("M"), number("S"), tzinfo=zone)
    if "j" in fields:
        at = at.replace(month=1, day=1) + timedelta(days=number("j") - 1)
        if at.year != year:
            raise ValueError
    return at.replace(microsecond=int(fraction[:6].ljust(6, "0")) if fraction else 0)


def _offset(text: str | None) -> timezone:
    return UTC if not text else offset_zone(text)


def offset_zone(text: str) -> timezone:
    """``Z``, ``+01``, ``+0100`` or ``+01:00`` as a zone.

    :raises ValueError: it is a day or more, or has 60 minutes or more.
    """
    if text in ("Z", "z"):
        return UTC
    digits = text[1:].replace(":", "").ljust(4, "0")
    hours, minutes = int(digits[:2]), int(digits[2:])
    if hours > 23 or minutes > 59:
        raise ValueError(f"the offset {text} does not exist")
    length = timedelta(hours=hours, minutes=minutes)
    return timezone(-length if text[0] == "-" else length) if length else UTC


@lru_cache(maxsize=64)
def _months(locale: Locale) -> dict[str, int]:
    """Names of months, of the locale and English, to their numbers."""
    names: dict[str, int] = {}
    for each in (Locale.parse("en"), locale):
        for width in ("wide", "abbreviated"):
            for context in ("format", "stand-alone"):
                for number, name in get_month_names(width, context, locale=each).items():
                    names[name.casefold()] = number
                    names[name.rstrip(".").casefold()] = number
    return names


@lru_cache(maxsize=64)
def _halves(locale: Locale) -> dict[str, bool]:
    """Names of the day's halves, of the locale and English, to whether they are the second."""
    names = {"am": False, "pm": True, "a.m.": False, "p.m.": True}
    for width in _WIDTHS:
        names[_half(locale, width, "am").casefold()] = False
        names[_half(locale, width, "pm").casefold()] = True
    return names


@lru_cache(maxsize=64)
def _days(locale: Locale) -> tuple[str, ...]:
    names: set[str] = set()
    for each in (Locale.parse("en"), locale):
        for width in ("wide", "abbreviated"):
            for name in get_day_names(width, locale=each).values():
                names |= {name, name.rstrip(".")}
    return tuple(names)


@lru_cache(maxsize=256)
def _pattern(form: TimeFormat, locale: Locale) -> re.Pattern[str]:
    """The format as a regular expression; every quantifier in it is bounded, or repeats white space."""
    pieces: list[str] = []
    for part in form.parts:
        if isinstance(part, str):
            pieces += [r"\s+" if piece.isspace() else re.escape(piece) for piece in re.split(r"(\s+)", part) if piece]
            continue
        letter = part[1]
        if letter in _READS:
            pieces.append(f"(?P<{'zz' if letter == ':z' else letter}>{_READS[letter]})")
            continue
        names = _months(locale) if letter in "Bbh" else _halves(locale) if letter in "pP" else _days(locale)
        # The longest first, so that 'May' does not hide 'Mayo'.
        choices = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
        pieces.append(f"(?P<{letter}>{choices})")
    return re.compile("".join(pieces), re.IGNORECASE)
