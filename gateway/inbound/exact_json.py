"""JSON bytes to a plain value, exactly: a 26-digit id and ``0.10`` survive, nothing becomes a float.

What is decided here, where JSON (RFC 8259) leaves room:

* of two equal keys in one object the last counts, as almost every reader has it;
* ``NaN``, ``Infinity``, comments, trailing commas and raw control characters in strings are not JSON;
* half of a surrogate pair (senders cut an emoji in two) and bytes that are no UTF-8 become U+FFFD: a webhook is not
  lost for one character. Bytes that are no UTF-8 are read in the charset that the content type declares, if any;
* UTF-16 and UTF-32 are read, with a byte order mark or without, and the mark of UTF-8 is skipped;
* a number of more than 1,000 digits, or with an exponent beyond ±1,000, is refused before it is converted:
  ``int(Decimal("1e1000000"))`` takes 25 seconds. So are nesting deeper than 200, and over 500,000 lists and objects.
"""

from __future__ import annotations

import codecs
import re
from decimal import Decimal
from typing import Final

import msgspec

from gateway.errors import Unparseable
from gateway.inbound.charsets import text_of, wide_charset
from gateway.model import JSON

MAX_DIGITS: Final = 1_000
MAX_EXPONENT: Final = 1_000
MAX_DEPTH: Final = 200
MAX_CONTAINERS: Final = 500_000
"""Lists and objects. An empty one is three bytes of text and a value of 64; ten megabytes of them take a second."""

_REPLACEMENT: Final = "\ufffd".encode()
_REPLACEMENT_ESCAPE: Final = rb"\\ufffd"
"""As the template of a substitution."""

_DIGITS: Final = b"0123456789"
_ZEROS: Final = bytes.maketrans(b"123456789", b"000000000")
_TOO_MANY_DIGITS: Final = b"0" * (MAX_DIGITS + 1)
_MARKS: Final = (b"\xef", b"\xfe", b"\xff")
"""With one of these every byte order mark begins, and no JSON in UTF-8."""
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))

# Possessive, and a string without an end matches too: linear on any input.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_STRING_OR_NUMBER = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[0-9][0-9.eE+-]*+', re.DOTALL)
_EXPONENT = re.compile(rb"[eE][+-]?0*([0-9]*)")
# Of what is left when pairs of backslashes are out of the way: a first half without a second, and the other way round.
_LONE_HIGH = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})")
_LONE_LOW = re.compile(rb"(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_POSITION = re.compile(r" \(byte (\d+)\)$")


class _OutOfBoundsError(Exception):
    """A number with a fraction or an exponent is too long or too large."""


def _exact(text: str) -> Decimal:
    # "1e1001", six characters, is the shortest text that is out of bounds.
    if len(text) >= 6:
        mantissa, e, exponent = text.replace("E", "e").partition("e")
        if len(mantissa) > MAX_DIGITS and sum(map(str.isdecimal, mantissa)) > MAX_DIGITS:
            raise _OutOfBoundsError
        if e and (len(exponent.lstrip("+-0")) > 4 or abs(int(exponent)) > MAX_EXPONENT):
            raise _OutOfBoundsError
    return Decimal(text)


_decoder = msgspec.json.Decoder(float_hook=_exact)


def read_json(body: bytes, charset: str | None = None) -> JSON:
    """The value of a JSON text; :class:`~gateway.errors.Unparseable` says what is wrong and where.

    None, bool, int, Decimal, str, list or dict; every string can be encoded as UTF-8. ``charset`` is what the content
    type declares. A body of nothing but white space is no JSON: the caller decides what it means.
    """
    if body[:1] in _MARKS or b"\0" in body[:4]:
        body = _as_utf8(body)
    _bounded(body)
    try:
        return _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, _OutOfBoundsError):
        mended = mended_json(body, charset)
    _bounded(mended)
    try:
        return _decoder.decode(mended)
    except _OutOfBoundsError:
        raise _number_problem(mended) from None
    except RecursionError:
        raise Unparseable("the body is not readable: it nests too deep") from None
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Unparseable(f"the body is not JSON: {_reason(error, mended)}") from None


def _as_utf8(body: bytes) -> bytes:
    """The body without a mark, and in UTF-8 where its first bytes show that it is UTF-16 or UTF-32."""
    if body.startswith(codecs.BOM_UTF8):
        return body[3:]
    return body if wide_charset(body) is None else text_of(body, None).encode()


def mended_json(body: bytes, charset: str | None = None) -> bytes:
    """The body as UTF-8 without a byte order mark and half surrogate pairs; the escapes keep their length, so positions
    stay true."""
    whole = text_of(body, charset).encode()
    if b"\\" not in whole:
        return whole
    # A byte that is in no UTF-8 stands for the half of an escaped backslash, so that each one left begins an escape.
    # No call of Python's per escape: a body of nothing else, from anybody, would take seconds.
    apart = whole.replace(b"\\\\", b"\xff\xff")
    apart = _LONE_LOW.sub(_REPLACEMENT_ESCAPE, apart)
    apart = _LONE_HIGH.sub(_REPLACEMENT_ESCAPE, apart)
    return apart.replace(b"\xff\xff", b"\\\\")


def _bounded(body: bytes) -> None:
    """Refuse what would cost more than it is worth, at the price of a microsecond for a normal body."""
    # Too many digits in a row leave none of these places out.
    places = body[MAX_DIGITS :: MAX_DIGITS + 1]
    if places and len(places.translate(None, _DIGITS)) < len(places) and _TOO_MANY_DIGITS in body.translate(_ZEROS):
        for match in _STRING_OR_NUMBER.finditer(body):
            token = match.group()
            if len(token) > MAX_DIGITS and not token.startswith(b'"') and _digits(token) > MAX_DIGITS:
                raise _too_long(token, match.start())
    containers = body.count(b"[") + body.count(b"{")
    if containers > MAX_DEPTH:
        _shallow(body)
    if containers > MAX_CONTAINERS:
        outside = _STRING.sub(b"", body)
        if outside.count(b"[") + outside.count(b"{") > MAX_CONTAINERS:
            raise Unparseable(f"the body has over {MAX_CONTAINERS:,} lists and objects; at most those are read")


def _shallow(body: bytes) -> None:
    # Peel off the innermost pairs, layer by layer; brackets within strings may leave a rest.
    brackets = body.translate(None, _NOT_BRACKETS)
    for _ in range(32):
        peeled = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if not peeled:
            return
        if len(peeled) == len(brackets):
            break
        brackets = peeled
    depth = 0
    for bracket in _STRING.sub(b"", body).translate(None, _NOT_BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAX_DEPTH:
            raise Unparseable(f"the body nests deeper than {MAX_DEPTH} levels")


def _digits(token: bytes) -> int:
    mantissa = re.split(rb"[eE]", token, maxsplit=1)[0]
    return len(mantissa) - mantissa.count(b".") - mantissa.count(b"+") - mantissa.count(b"-")


def _too_long(token: bytes, position: int) -> Unparseable:
    return Unparseable(
        f"the number at byte {position} of the body has {_digits(token)} digits; at most {MAX_DIGITS} are read"
    )


def _number_problem(body: bytes) -> Unparseable:
    for match in _STRING_OR_NUMBER.finditer(body):
        token = match.group()
        if token.startswith(b'"'):
            continue
        if _digits(token) > MAX_DIGITS:
            return _too_long(token, match.start())
        exponent = _EXPONENT.search(token)
        if exponent and (len(exponent.group(1)) > 4 or int(exponent.group(1) or b"0") > MAX_EXPONENT):
            return Unparseable(f"the number at byte {match.start()} of the body has an exponent beyond ±{MAX_EXPONENT}")
    return Unparseable("a number of the body is too large to read")


def _reason(error: Exception, body: bytes) -> str:
    """What the decoder found wrong, with its place in bytes, and at most one character of the body."""
    if "truncated" in str(error):
        return f"it ends after {len(body)} bytes, before its value is complete"
    match = _POSITION.search(str(error))
    if match is None:
        return str(error)
    what = str(error)[: match.start()].removeprefix("JSON is malformed: ")
    # Of what follows the value msgspec names the byte after the first.
    position = int(match.group(1)) - (what == "trailing characters")
    return f"{what} at byte {position}, found {_found(body, position)}"


def _found(body: bytes, position: int) -> str:
    rest = body[position : position + 8]
    if not rest:
        return "the end"
    if rest.startswith((b"NaN", b"Infinity")):
        return "NaN" if rest.startswith(b"NaN") else "Infinity"
    if rest.startswith(_REPLACEMENT):
        return "a byte that is no text in its charset"
    if position == 0 and rest.startswith(b"<"):
        return "'<' (XML or HTML?)"
    return repr(chr(rest[0])) if 0x20 <= rest[0] < 0x7F else f"byte 0x{rest[0]:02x}"
