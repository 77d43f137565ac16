"""Bytes to text: which charset a body is written in, whatever it says of itself.

In this order: a byte order mark; the zeros of UTF-16 and UTF-32, which stand in no other text; UTF-8, if the bytes are
that; what the sender declares; and else UTF-8 again, with U+FFFD for what can't be read. UTF-8 goes before what is
declared because no other text happens to be it, and because senders declare latin-1 out of habit; only charsets whose
bytes may look like ASCII (ISO-2022-JP) are believed first.
"""

from __future__ import annotations

import codecs
from typing import Final

_CHARSETS: Final = frozenset(
    codecs.lookup(name).name
    for name in (
        *("utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "ascii"),
        *("big5", "gbk", "gb18030", "shift_jis", "euc-jp", "euc-kr", "iso-2022-jp", "koi8-r"),
        *(f"iso-8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16)),
        *(f"cp{page}" for page in range(1250, 1259)),
    )
)
"""Python knows stranger ones (``unicode_escape``, ``idna``): those are not for a stranger to choose."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ZEROS: Final[dict[tuple[bool, ...], str]] = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}
"""Where the zeros stand in four bytes of two ASCII characters, or of one."""
_LOOKS_LIKE_ASCII: Final = "iso2022_jp"


def text_of(body: bytes, charset: str | None) -> str:
    """The text of a body. ``charset`` is what it declares; it can always be encoded as UTF-8."""
    wide = wide_charset(body)
    if wide is not None:
        return body.decode(wide, "replace")
    declared = known_charset(charset)
    if declared == _LOOKS_LIKE_ASCII:
        return body.decode(declared, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode(declared or "utf-8", "replace")


def wide_charset(body: bytes) -> str | None:
    """The charset that the first bytes show: by a mark, or by the zeros of wide characters; else None."""
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return charset
    return _ZEROS.get(tuple(byte == 0 for byte in body[:4]))


def known_charset(name: str | None) -> str | None:
    """The codec of a declared charset, or None where it names none that bodies are written in."""
    try:
        codec = codecs.lookup(name).name if name else None
    except (LookupError, ValueError):
        return None
    return codec if codec in _CHARSETS else None
