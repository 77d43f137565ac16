"""The body of a verified webhook becomes a plain JSON value. One reader per kind of body, each in a file of its own.

The content type chooses; where it is absent or wrong the body itself does: what parses as JSON is JSON, what begins as
XML is XML, what is written as a form is a form. An empty body is null: a webhook may say all in its headers or its
query. A rules file may force a kind (``body: ndjson``), and say which field of a form holds the value
(``body: {form_field: payload, as: json}``).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import Final

import msgspec

from gateway.errors import Unparseable
from gateway.inbound.charsets import text_of
from gateway.inbound.exact_json import read_json
from gateway.inbound.forms import looks_like_form, read_form
from gateway.inbound.jwt_payload import read_jwt
from gateway.inbound.multipart import boundary_of, read_multipart
from gateway.inbound.ndjson import looks_like_ndjson, read_ndjson
from gateway.inbound.request import Verified
from gateway.inbound.xml_body import looks_like_xml, read_xml
from gateway.model import JSON

KINDS: Final = ("json", "form", "ndjson", "multipart", "xml", "text", "jwt")
"""What a source's ``body`` may force."""

MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "application/json": "json",
        "text/json": "json",
        "application/x-www-form-urlencoded": "form",
        "multipart/form-data": "multipart",
        "application/xml": "xml",
        "text/xml": "xml",
        "application/x-ndjson": "ndjson",
        "application/ndjson": "ndjson",
        "application/jsonl": "ndjson",
        "application/x-jsonlines": "ndjson",
        "application/jwt": "jwt",
        "text/plain": "text",
    }
)
"""The reader that a content type chooses; besides, ``*/*+json`` is JSON and ``*/*+xml`` is XML."""


class BodyType(msgspec.Struct, frozen=True, kw_only=True):
    """What a source's ``body`` says."""

    kind: str
    """One of :data:`KINDS`: of the body, or of what stands in ``form_field``."""
    form_field: str | None = None
    """The field of a form (urlencoded or multipart) that holds the value; the others are left out."""
    lists: tuple[str, ...] = ()
    """Names of XML elements that are always lists."""


def parse(verified: Verified, *, body_type: BodyType | None = None) -> JSON:
    """The body's value: None, bool, int, Decimal, str, list or dict, never a float.

    ``body_type`` is the source's, None where the content type and the body choose.
    :class:`~gateway.errors.Unparseable` says what is wrong with the body and where.
    """
    request = verified.request
    body = request.body
    if not body or body.isspace():
        return None
    content_type = request.header("content-type")
    if body_type is None and content_type == "application/json":
        media, charset = content_type, None
    else:
        media, charset = _media_type(content_type)
    if body_type is None:
        return _chosen(body, media, charset, content_type)
    if body_type.form_field is None:
        return _read(body_type.kind, body, charset, content_type, body_type.lists)
    text = _field(body, media, charset, content_type, body_type.form_field)
    if not text or text.isspace():
        return None
    return _read(body_type.kind, text.encode(), None, None, body_type.lists)


def _read(kind: str, body: bytes, charset: str | None, content_type: str | None, lists: tuple[str, ...] = ()) -> JSON:
    match kind:
        case "json":
            return read_json(body, charset)
        case "form":
            return read_form(body, charset)
        case "ndjson":
            return read_ndjson(body, charset)
        case "multipart":
            boundary = boundary_of(content_type, body)
            if boundary is None:
                raise Unparseable("the body is not multipart: neither its content type nor it itself shows a boundary")
            return read_multipart(body, boundary, charset)
        case "xml":
            return read_xml(body, charset, lists=lists)
        case "text":
            return text_of(body, charset).removeprefix("\ufeff")
        case "jwt":
            return read_jwt(body, charset)
    raise Unparseable(f"bodies of type {kind!r} are not read; allowed: {', '.join(KINDS)}")


def _chosen(body: bytes, media: str, charset: str | None, content_type: str | None) -> JSON:
    """By the content type, unless the body shows that it is something else."""
    kind = MEDIA_TYPES.get(media, "")
    if not kind and media.endswith(("+json", "+xml")):
        kind = "json" if media.endswith("+json") else "xml"
    match kind:
        case "json":
            try:
                return read_json(body, charset)
            except Unparseable:
                other = _other_kind(body, content_type)
                if other:
                    return _read(other, body, charset, content_type)
                raise
        case "form":
            if body.lstrip()[:1] in (b"{", b"["):
                with suppress(Unparseable):
                    return read_json(body, charset)
            other = "xml" if looks_like_xml(body) else "multipart" if boundary_of(None, body) else "form"
            return _read(other, body, charset, content_type)
        case "multipart":
            if boundary_of(content_type, body) is None:
                return _sniffed(body, charset, content_type)
            return _read(kind, body, charset, content_type)
        case "xml":
            if not looks_like_xml(body):
                with suppress(Unparseable):
                    return read_json(body, charset)
            return read_xml(body, charset)
        case "text":
            try:
                return _sniffed(body, charset, content_type)
            except Unparseable:
                return _read(kind, body, charset, content_type)
        case "":
            return _sniffed(body, charset, content_type)
        case _:
            return _read(kind, body, charset, content_type)


def _sniffed(body: bytes, charset: str | None, content_type: str | None) -> JSON:
    try:
        return read_json(body, charset)
    except Unparseable as error:
        other = _other_kind(body, content_type)
        if other:
            return _read(other, body, charset, content_type)
        said = f"the content type is {content_type!r}" if content_type else "there is no content type"
        raise Unparseable(
            f"{said}, and the body is neither a form nor XML nor JSON ({error}); allowed: {', '.join(KINDS)}"
        ) from None


def _other_kind(body: bytes, content_type: str | None) -> str | None:
    """What a body looks like that is no JSON."""
    if looks_like_xml(body):
        return "xml"
    if looks_like_ndjson(body):
        return "ndjson"
    if body.lstrip().startswith(b"--") and boundary_of(content_type, body):
        return "multipart"
    return "form" if looks_like_form(body) else None


def _field(body: bytes, media: str, charset: str | None, content_type: str | None, name: str) -> str:
    """The text of one field of a form."""
    multipart = media == "multipart/form-data" or boundary_of(None, body) is not None
    form = _read("multipart" if multipart else "form", body, charset, content_type)
    assert isinstance(form, dict)
    value = form.get(name)
    if isinstance(value, str):
        return value
    if value is None:
        shown = ", ".join(key[:40] for key in list(form)[:10])
        raise Unparseable(f"the form has no field {name}; found: {shown or 'nothing'}")
    what = (
        "a file"
        if isinstance(value, dict) and "filename" in value
        else "a list"
        if isinstance(value, list)
        else "a level"
    )
    raise Unparseable(f"the field {name} of the form is {what}; needed: one text")


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
