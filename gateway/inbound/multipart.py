"""Multipart bodies (``multipart/form-data``, RFC 7578) to a plain value, nested as forms are.

A field is text; one that repeats is a list, and keys in brackets nest (:mod:`gateway.inbound.forms`). A file is kept
as what it is called, says that it is, and weighs: ``{"filename", "content_type", "size"}``, in bytes; what stands in it
is not read.
"""

from __future__ import annotations

import logging
import re
from typing import Any, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser
from python_multipart.multipart import parse_options_header as _parse_options_header

from gateway.errors import Unparseable
from gateway.inbound.charsets import text_of
from gateway.inbound.forms import nested
from gateway.model import JSON

MAX_PARTS: Final = 1_000
MAX_FIELD: Final = 1_000_000
"""Bytes of one field's text; a file may have more."""
MAX_PADDING: Final = 100
MAX_PARAMETERS: Final = 20
MAX_NAME: Final = 1_000
"""Characters of a field's or a file's name."""

# It tells of every odd byte; what is wrong with a body is said once, by the reason of its webhook.
logging.getLogger("python_multipart").addHandler(logging.NullHandler())
logging.getLogger("python_multipart").propagate = False

_FIRST_LINE = re.compile(rb"\s*--([A-Za-z0-9'()+_,./:=? -]{0,199}[A-Za-z0-9'()+_,./:=?-])[ \t]*\r?\n")
_DISPOSITION = re.compile(rb"content-disposition[ \t]*:[ \t]*form-data", re.IGNORECASE)


def boundary_of(content_type: str | None, body: bytes) -> bytes | None:
    """What stands between the parts: as the content type says, else as the body's first line shows; None if neither."""
    _, options = _options_of(content_type or "")
    declared = options.get(b"boundary")
    if declared and b"--" + declared in body:
        return declared
    first = _FIRST_LINE.match(body)
    if first is not None and _DISPOSITION.search(body, 0, first.end() + 2_000):
        return first.group(1)
    return None


def read_multipart(body: bytes, boundary: bytes, charset: str | None = None) -> dict[str, JSON]:
    """The fields; :class:`~gateway.errors.Unparseable` for what is cut off, too much, or written otherwise."""
    # The parser walks through white space behind a boundary byte by byte, 0.4 s for a megabyte; nobody writes any.
    if re.search(re.escape(b"--" + boundary) + rb"[ \t]{%d}" % (MAX_PADDING + 1), body):
        raise Unparseable(f"a boundary of the multipart body has over {MAX_PADDING} spaces behind it")
    parts = _Parts(charset)
    try:
        parser = MultipartParser(boundary, parts.callbacks())
        parser.write(body)
    except FormParserError as error:
        raise Unparseable(f"the multipart body can't be read: {_brief(error)}") from None
    if not parts.ended:
        raise Unparseable("the multipart body ends before its last boundary")
    return nested(parts.pairs)


class _Parts:
    """What the parser tells as it reads."""

    def __init__(self, charset: str | None) -> None:
        self.pairs: list[tuple[str, Any]] = []
        self.ended = False
        self._charset = charset
        self._count = 0
        self._begin()

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self._part_begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._part_data,
            "on_part_end": self._part_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._headers: dict[bytes, bytes] = {}
        self._field = self._value = b""
        self._name = ""
        self._filename: str | None = None
        self._text: list[bytes] = []
        self._size = 0

    def _part_begin(self) -> None:
        self._count += 1
        if self._count > MAX_PARTS:
            raise Unparseable(f"the multipart body has over {MAX_PARTS:,} parts; at most those are read")
        self._begin()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _headers_finished(self) -> None:
        disposition, options = _options_of(self._headers.get(b"content-disposition", b"").decode("latin-1"))
        name = options.get(b"name")
        if disposition != b"form-data" or name is None:
            raise Unparseable(f"part {self._count} of the multipart body has no name; needed: form-data; name=…")
        self._name = self._named(name)
        filename = options.get(b"filename")
        self._filename = None if filename is None else self._named(filename)

    def _named(self, name: bytes) -> str:
        text = text_of(name, self._charset)
        if len(text) > MAX_NAME:
            raise Unparseable(f"a name of the multipart body has {len(text):,} characters; allowed: {MAX_NAME:,}")
        return text

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._filename is not None:
            return
        if self._size > MAX_FIELD:
            raise Unparseable(f"a field of the multipart body has over {MAX_FIELD:,} bytes; at most those are read")
        self._text.append(data[start:end])

    def _part_end(self) -> None:
        media, options = _options_of(self._headers.get(b"content-type", b"").decode("latin-1"))
        if self._filename is not None:
            kind = media[:MAX_NAME].decode("latin-1") or "application/octet-stream"
            self.pairs.append((self._name, {"filename": self._filename, "content_type": kind, "size": self._size}))
            return
        charset = options.get(b"charset", b"").decode("latin-1") or self._charset
        self.pairs.append((self._name, text_of(b"".join(self._text), charset)))

    def _end(self) -> None:
        self.ended = True


def _options_of(header: str) -> tuple[bytes, dict[bytes, bytes]]:
    """A header's value and its parameters; of one with absurdly many, whose quotes take the parser long, nothing."""
    if header.count(";") > MAX_PARAMETERS:
        return b"", {}
    # A header of a rules file's example may hold any character; off the wire it is latin-1.
    return _parse_options_header(header.encode("latin-1", "replace").decode("latin-1"))


def _brief(error: Exception) -> str:
    return str(error)[:200]
