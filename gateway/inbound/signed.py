"""What a sender signs: a template over the raw request, compiled once to a function that makes the bytes.

=================== =============================================================================================
``{body}``          the raw bytes of the body
``{sha256(body)}``  their SHA-256 in lower-case hex digits
``{body.a.b}``      a text, number or boolean of the JSON body, as it is written there (``{body.items.0.id}`` too)
``{sorted_form}``   name and value of every form field, sorted by name and then value, equal pairs once (Twilio)
``{timestamp}``     as text, from where the scheme says
``{id}``            the header that ``id_header`` names
``{url}``           the public URL as registered at the sender (the source's ``public_url``)
``{method}``        in upper case
``{path}``          of the public URL, else ``/hooks/…`` as received
``{query}``         the raw query, without the question mark
``{header.X}``      a header in any case
=================== =============================================================================================
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import msgspec

from gateway.errors import AuthenticationFailed
from gateway.inbound.exact_json import mended_json
from gateway.inbound.request import Request

Signed = Callable[[Request, str, str], bytes]
"""Makes the signed bytes of a request, its timestamp and its id."""

PLACEHOLDERS: Final = (
    "{timestamp}",
    "{body}",
    "{url}",
    "{id}",
    "{method}",
    "{path}",
    "{query}",
    "{sorted_form}",
    "{sha256(body)}",
    "{header.X}",
    "{body.a.b}",
)

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_FORM = "application/x-www-form-urlencoded"
_MAX_FORM_FIELDS: Final = 10_000

# Numbers keep the text that they were written in: that text is what was signed.
_as_written = msgspec.json.Decoder(float_hook=str)


class TemplateProblem(ValueError):
    """A template can't be read; ``found`` is the part of it that is wrong."""

    def __init__(self, message: str, *, found: str) -> None:
        super().__init__(message)
        self.found = found


def placeholders_of(template: str) -> tuple[str, ...]:
    """The names between the braces, in order."""
    return tuple(_PLACEHOLDER.findall(template))


def compile_signed(template: str) -> Signed:
    """A function that makes the signed bytes; :class:`TemplateProblem` for an unknown placeholder or a lone brace.

    The function raises :class:`~gateway.errors.AuthenticationFailed` where the request lacks a part.
    """
    parts: list[Signed] = []
    end = 0
    for match in _PLACEHOLDER.finditer(template):
        _literal(template[end : match.start()], parts)
        parts.append(_placeholder(match.group(1)))
        end = match.end()
    _literal(template[end:], parts)
    if len(parts) == 1:
        return parts[0]
    compiled = tuple(parts)
    return lambda request, timestamp, id_: b"".join([part(request, timestamp, id_) for part in compiled])


def _literal(text: str, parts: list[Signed]) -> None:
    for brace in "{}":
        if brace in text:
            raise TemplateProblem(f"a brace without its partner in {text!r}", found=brace)
    if text:
        constant = text.encode()
        parts.append(lambda request, timestamp, id_: constant)


def _placeholder(name: str) -> Signed:
    match name:
        case "body":
            return lambda request, timestamp, id_: request.body
        case "timestamp":
            return lambda request, timestamp, id_: raw(timestamp)
        case "id":
            return lambda request, timestamp, id_: raw(id_)
        case "url":
            return lambda request, timestamp, id_: _url(request).encode("utf-8", "surrogatepass")
        case "method":
            return lambda request, timestamp, id_: raw(request.method.upper())
        case "path":
            return lambda request, timestamp, id_: raw(_path(request))
        case "query":
            return lambda request, timestamp, id_: raw(request.query)
        case "sorted_form":
            return lambda request, timestamp, id_: _sorted_form(request)
        case "sha256(body)":
            return lambda request, timestamp, id_: hashlib.sha256(request.body).hexdigest().encode()
    kind, _, rest = name.partition(".")
    if kind == "header" and rest:
        return lambda request, timestamp, id_: raw(_header(request, rest))
    if kind == "body" and rest and all(rest.split(".")):
        path = tuple(rest.split("."))
        return lambda request, timestamp, id_: body_text(request, path).encode("utf-8", "surrogatepass")
    raise TemplateProblem(f"unknown placeholder {{{name}}}", found=f"{{{name}}}")


def raw(text: str) -> bytes:
    """The bytes of a text that came out of a header: latin-1, as it was decoded, or UTF-8 for what never was one."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def body_text(request: Request, path: tuple[str, ...]) -> str:
    """The scalar at a dotted path of the body, as text. Only for proving who sent it: nothing else reads a body that
    is not verified yet."""
    where = ".".join(path)
    value = _value(request.body, where)
    for name in path:
        if isinstance(value, dict):
            value = value.get(name)
        elif isinstance(value, list) and name.isascii() and name.isdecimal() and len(name) < 7:
            value = value[int(name)] if int(name) < len(value) else None
        else:
            value = None
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case None:
            raise AuthenticationFailed(f"{where} is absent from the body")
        case _:
            raise AuthenticationFailed(f"{where} of the body is {type(value).__name__}; a text or a number is needed")


def _value(body: bytes, where: str) -> Any:
    try:
        return _as_written.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass
    # Half an emoji or a stray byte anywhere in it: what is read of an authentic body must not fail for that.
    try:
        return _as_written.decode(mended_json(body))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise AuthenticationFailed(f"the scheme reads {where} of the body, and the body is not JSON") from None


def _header(request: Request, name: str) -> str:
    value = request.header(name)
    if value is None:
        raise AuthenticationFailed(f"header {name}, a part of what is signed, is absent")
    return value


def _url(request: Request) -> str:
    if request.url is None:
        raise AuthenticationFailed("the sender signs its address, and the source does not say its public_url")
    return request.url


def _path(request: Request) -> str:
    if request.url is not None:
        return urlsplit(request.url).path
    return f"/hooks/{request.source}" + (f"/{request.path}" if request.path else "")


def _sorted_form(request: Request) -> bytes:
    content_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if request.body and content_type != _FORM:
        # Otherwise such a body would be covered by no signature at all.
        raise AuthenticationFailed(f"the scheme signs form fields; the content type is {content_type or 'absent'}")
    if request.body.count(b"&") >= _MAX_FORM_FIELDS:
        raise AuthenticationFailed(f"the form has more than {_MAX_FORM_FIELDS} fields")
    text = request.body.decode("utf-8", "surrogateescape")
    pairs = sorted(set(parse_qsl(text, keep_blank_values=True, errors="surrogateescape")))
    return "".join([name + value for name, value in pairs]).encode("utf-8", "surrogateescape")
