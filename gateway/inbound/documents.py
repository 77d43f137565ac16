"""What a body says at a place, for proving who sent it: nothing else reads a body that is not verified yet.

Some senders sign a few values and not the body. What is read here must then be what the rules read later, or a stranger
could write a body that is one thing to the verifier and another to the parser. So a scheme says whether it reads JSON
or a form, whatever the content type says, and what could be read in more than one way is refused.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from gateway.errors import AuthenticationFailed
from gateway.inbound.charsets import known_charset
from gateway.inbound.exact_json import mended_json
from gateway.inbound.request import Request

_FORM: Final = "application/x-www-form-urlencoded"
_MAX_FORM_FIELDS: Final = 10_000
_OTHER_KINDS: Final = (b"{", b"[", b"<", b"-")
"""What a JSON text, XML and multipart begin with: the parser goes by that, and not by the content type."""
_TWO_READINGS: Final = frozenset({"iso2022_jp"})
"""Charsets in which ASCII bytes may be something else."""

# Numbers keep the text that they were written in: that text is what was signed.
_as_written = msgspec.json.Decoder(float_hook=str)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw])


def document_of(request: Request, where: str, *, form: bool = False) -> Any:
    """A body as JSON, its numbers as they were written, or as a form's fields; ``where`` is what is read in it, for the
    message.

    :raises AuthenticationFailed: it is something else.
    """
    _one_reading(request, where)
    if form:
        return _form_document(request, where)
    body = request.body
    try:
        return _as_written.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    # Half an emoji or a stray byte anywhere in it: what is read of an authentic body must not fail for that.
    try:
        return _as_written.decode(mended_json(body))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise AuthenticationFailed(f"the scheme reads {where} of the body, and the body is not JSON") from None


def raw_json(request: Request, path: tuple[str, ...]) -> bytes:
    """The JSON at a place of the body, byte for byte."""
    _one_reading(request, ".".join(path))
    value = msgspec.Raw(request.body)
    for name in path:
        try:
            value = _members.decode(value)[name]
        except (msgspec.MsgspecError, ValueError, RecursionError, KeyError):
            raise AuthenticationFailed(f"{'.'.join(path)} is absent from the body") from None
    return bytes(value)


def _one_reading(request: Request, where: str) -> None:
    as_sent(request, where)
    _, _, charset = (request.header("content-type") or "").lower().partition("charset")
    if charset and known_charset(charset.strip(" =").partition(";")[0].strip(' "')) in _TWO_READINGS:
        raise AuthenticationFailed(f"the scheme reads {where} of the body, and its charset allows two readings")


def as_sent(request: Request, where: str) -> None:
    """Refuse a body that is compressed: the parser reads what was in it, and here it is read as it came. Bytes can be
    both at once, for a deflated body has no mark of its own.

    :raises AuthenticationFailed: its headers say so.
    """
    if (request.header("content-encoding") or "").strip().lower() not in ("", "identity"):
        raise AuthenticationFailed(f"the scheme reads {where} of the body, and the body is compressed")


def _form_document(request: Request, where: str) -> dict[str, str]:
    if not is_form(request) or looks_otherwise(request.body):
        raise AuthenticationFailed(f"the scheme reads {where} of a form; the body is none")
    fields = form_fields(request)
    document = dict(fields)
    names = sorted(name for name, _ in fields)
    for name in document:
        # Those that nest below a name stand behind it, up to what follows "[" in the order of characters.
        same = bisect_right(names, name) - bisect_left(names, name)
        below = bisect_left(names, f"{name}\\") - bisect_left(names, f"{name}[")
        if same + below > 1:
            document[name] = _REPEATED
    return document


_REPEATED: Final[Any] = object()
"""The value of a field that a form has more than once."""


def body_text(request: Request, path: tuple[str, ...]) -> str:
    """The scalar at a dotted path of the JSON body, as text."""
    return text_at(document_of(request, ".".join(path)), path)


def body_texts(request: Request, path: tuple[str, ...]) -> list[str]:
    """As :func:`body_text`, for a path with ``*``: every element of a list, one at least."""
    found = values_at(document_of(request, ".".join(path)), path)
    return [_as_text(value, ".".join(path)) for value in found or [None]]


def text_at(document: Any, path: tuple[str, ...]) -> str:
    """The scalar at a dotted path, as text; :class:`~gateway.errors.AuthenticationFailed` where there is none."""
    return _as_text(next(iter(values_at(document, path)), None), ".".join(path))


def values_at(document: Any, path: tuple[str, ...]) -> list[Any]:
    """What stands at a dotted path: one value, several where ``*`` stands for the elements of a list. What has no
    such place gives None, so that an element without its secret is never passed over."""
    values = [document]
    for name in path:
        found: list[Any] = []
        for value in values:
            if isinstance(value, list) and name == "*":
                found += value
            elif isinstance(value, dict):
                found.append(value.get(name))
            elif isinstance(value, list) and name.isascii() and name.isdecimal() and len(name) < 7:
                found.append(value[int(name)] if int(name) < len(value) else None)
            else:
                found.append(None)
        values = found
    return values


def _as_text(value: Any, where: str) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case None:
            raise AuthenticationFailed(f"{where} is absent from the body")
        case _ if value is _REPEATED:
            raise AuthenticationFailed(f"{where} stands more than once in the form")
        case _:
            raise AuthenticationFailed(f"{where} of the body is {type(value).__name__}; a text or a number is needed")


def is_form(request: Request) -> bool:
    """Whether the content type says that the body is a form's fields."""
    return content_type(request) == _FORM


def looks_otherwise(body: bytes) -> bool:
    """Whether the parser takes a body for JSON, XML or multipart, though its content type says that it is a form."""
    return body.lstrip()[:1] in _OTHER_KINDS


def content_type(request: Request) -> str:
    """The media type, in lower case; empty where there is none."""
    return (request.header("content-type") or "").partition(";")[0].strip().lower()


def form_fields(request: Request) -> list[tuple[str, str]]:
    """The fields of a form, in order."""
    if request.body.count(b"&") >= _MAX_FORM_FIELDS:
        raise AuthenticationFailed(f"the form has more than {_MAX_FORM_FIELDS} fields")
    text = request.body.decode("utf-8", "surrogateescape")
    return parse_qsl(text, keep_blank_values=True, errors="surrogateescape")
