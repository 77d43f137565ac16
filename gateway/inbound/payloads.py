"""The body of a verified webhook becomes a plain JSON value. One function per kind of body, in one table.

The content type chooses; where it is absent or wrong the body itself does: what parses as JSON is JSON, what is
written as a form is a form. An empty body is null: a webhook may say all in its headers or its query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

from gateway.errors import Unparseable
from gateway.inbound.exact_json import read_json
from gateway.inbound.forms import looks_like_form, read_form
from gateway.inbound.request import Verified
from gateway.model import JSON

Reader = Callable[[bytes, str | None], JSON]
"""From the bytes and the declared charset to a value, or Unparseable."""

READERS: Final[Mapping[str, Reader]] = MappingProxyType({"json": read_json, "form": read_form})
"""What a source's ``body`` may force, and how each is read. A new kind of body is a row here and in MEDIA_TYPES."""

MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "application/json": "json",
        "text/json": "json",
        "application/x-www-form-urlencoded": "form",
    }
)
"""The reader that a content type chooses; besides, ``*/*+json`` is JSON."""


def parse(verified: Verified, *, body_type: str | None = None) -> JSON:
    """The body's value: None, bool, int, Decimal, str, list or dict, never a float.

    ``body_type`` forces a kind, as a source's ``body`` key does. :class:`~gateway.errors.Unparseable` says what is
    wrong with the body and where.
    """
    request = verified.request
    body = request.body
    if body_type is not None:
        reader = READERS.get(body_type)
        if reader is None:
            raise Unparseable(f"bodies of type {body_type!r} are not read; allowed: {', '.join(READERS)}")
        _, charset = _media_type(request.header("content-type"))
        return reader(body, charset) if body and not body.isspace() else None
    if not body or body.isspace():
        return None
    content_type = request.header("content-type")
    if content_type == "application/json":
        kind, charset = "json", None
    else:
        media, charset = _media_type(content_type)
        kind = MEDIA_TYPES.get(media) or ("json" if media.endswith("+json") else "")
    if kind == "json":
        try:
            return read_json(body, charset)
        except Unparseable:
            if looks_like_form(body):
                return read_form(body, charset)
            raise
    if kind == "form":
        if body.lstrip().startswith((b"{", b"[")):
            with suppress(Unparseable):
                return read_json(body, charset)
        return read_form(body, charset)
    return READERS[kind](body, charset) if kind else _sniffed(body, charset, content_type)


def _sniffed(body: bytes, charset: str | None, content_type: str | None) -> JSON:
    try:
        return read_json(body, charset)
    except Unparseable as error:
        if looks_like_form(body):
            return read_form(body, charset)
        said = f"the content type is {content_type!r}" if content_type else "there is no content type"
        raise Unparseable(
            f"{said}, and the body is neither a form nor JSON ({error}); allowed: {', '.join(READERS)}"
        ) from None


def _media_type(content_type: str | None) -> tuple[str, str | None]:
    """Media type and charset of a content type, in lower case."""
    if not content_type:
        return "", None
    media, *parameters = content_type.split(";")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            return media.strip().lower(), value.strip().strip("\"'").lower()
    return media.strip().lower(), None
