"""Compressed bodies (``Content-Encoding``, RFC 9110, 8.4.1) as they were before, never larger than is allowed.

``deflate`` is written in two ways: with zlib's frame, as the RFC says, and without it, as some senders do; both are
read. A gzip body may have several members (RFC 1952, 2.2), and zeros behind the last.
"""

from __future__ import annotations

import zlib
from typing import Final

CODINGS: Final = ("gzip", "x-gzip", "deflate")
MEMBERS: Final = 100
"""Of one gzip body: what stands behind a member is copied for the next."""
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32
_BARE: Final = -zlib.MAX_WBITS


class BadCompression(Exception):
    """Bytes that are not compressed as they say; the message says what is wrong."""


class TooLarge(Exception):
    """What was compressed is larger than is allowed."""


def decompressed(body: bytes, coding: str, *, most: int) -> bytes:
    """The bytes before they were compressed. ``coding`` is one of :data:`CODINGS`; never over ``most`` bytes are held.

    :raises BadCompression: they are not that, or end too early.
    :raises TooLarge: there are more of them.
    """
    try:
        return _read(body, coding, _GZIP_OR_ZLIB, most=most)
    except zlib.error as error:
        if coding == "deflate":
            try:
                return _read(body, coding, _BARE, most=most)
            except zlib.error:
                pass
        raise BadCompression(f"Content-Encoding says {coding}, and the body is not that: {error}") from None


def _read(body: bytes, coding: str, wbits: int, *, most: int) -> bytes:
    parts: list[bytes] = []
    left = most
    for _ in range(MEMBERS):
        member = zlib.decompressobj(wbits=wbits)
        part = member.decompress(body, left + 1)
        left -= len(part)
        if left < 0:
            raise TooLarge
        if not member.eof:
            raise BadCompression(f"the {coding} body ends too early")
        parts.append(part)
        body = member.unused_data.lstrip(b"\0")
        if not body:
            return b"".join(parts) if len(parts) > 1 else part
    raise BadCompression(f"the {coding} body has over {MEMBERS} members")
