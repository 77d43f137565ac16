"""What a sender signs: a template over the raw request, compiled once to a function that makes the bytes.

=================== =============================================================================================
``{body}``          the raw bytes of the body
``{sha256(body)}``  their SHA-256 in lower-case hex digits
``{crc32(body)}``   their CRC-32 as a decimal number (PayPal)
``{body.a.b}``      a text, number or boolean of the JSON body, as it is written there (``{body.items.0.id}`` too);
                    ``{body.a.b?}`` may be absent, and is then empty
``{raw.a.b}``       the JSON of a place of the body, byte for byte as it was sent (Exact Online)
``{lines(A, B)}``   name and value of these fields of the JSON body, a line each, without those that are absent (SNS)
``{sorted_form}``   name and value of every form field, sorted by name and then value, equal pairs once (Twilio)
``{timestamp}``     as text, from where the scheme says
``{id}``            the header that ``id_header`` names
``{url}``           the source's ``public_url``, with the query that was received
``{method}``        in upper case
``{path}``          of the public URL, else ``/hooks/…`` as received
``{query}``         the raw query, without the question mark
``{target}``        path and query, as a request line has them
``{header.X}``      a header in any case
``{env.NAME}``      a credential that is signed with (PayPal: the id of the webhook)
``{secret}``        the secret itself: in ``digest`` only, and exactly once there
=================== =============================================================================================
"""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.errors import AuthenticationFailed
from gateway.inbound.documents import (
    as_sent,
    content_type,
    document_of,
    form_fields,
    is_form,
    looks_otherwise,
    raw_json,
    text_at,
    values_at,
)
from gateway.inbound.request import Request
from gateway.inbound.schemes import Means

PLACEHOLDERS: Final = (
    "{timestamp}",
    "{body}",
    "{url}",
    "{id}",
    "{method}",
    "{path}",
    "{query}",
    "{target}",
    "{sorted_form}",
    "{sha256(body)}",
    "{crc32(body)}",
    "{header.X}",
    "{body.a.b}",
    "{body.a.b?}",
    "{raw.a.b}",
    "{lines(A, B)}",
    "{env.NAME}",
)

SECRET: Final = "{secret}"  # noqa: S105 - a placeholder's name
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_LINES = re.compile(r"lines\(\s*([^\s,()]+(?:\s*,\s*[^\s,()]+)*)\s*\)")
UNREAD: Final[Any] = object()
"""Of a body that nobody looked into yet."""


class Envelope:
    """A request, and what its scheme found beside the body. The body is read as JSON at most once."""

    __slots__ = ("_document", "_form", "id", "means", "request", "suffix", "timestamp", "url")

    def __init__(
        self, request: Request, means: Means, suffix: str = "", element: Any = UNREAD, form: bool = False
    ) -> None:
        self.request = request
        self.means = means
        self.suffix = suffix
        """Behind the names of credentials, where the path chooses them."""
        self.timestamp = ""
        self.id = ""
        self.url: str | None = None
        """An other spelling of the address than :func:`address_of`."""
        self._document = element
        self._form = form

    def text(self, path: tuple[str, ...]) -> str:
        """The scalar at a dotted path of the body, or of the element that is looked at."""
        if self._document is UNREAD:
            self._document = document_of(self.request, ".".join(path), form=self._form)
        return text_at(self._document, path)

    def has(self, path: tuple[str, ...]) -> bool:
        """Whether something other than null stands there."""
        if self._document is UNREAD:
            self._document = document_of(self.request, ".".join(path), form=self._form)
        return next(iter(values_at(self._document, path)), None) is not None


Signed = Callable[[Envelope], bytes]
"""Makes the signed bytes."""


class TemplateProblem(ValueError):
    """A template can't be read; ``found`` is the part of it that is wrong."""

    def __init__(self, message: str, *, found: str) -> None:
        super().__init__(message)
        self.found = found


def placeholders_of(template: str) -> tuple[str, ...]:
    """The names between the braces, in order."""
    return tuple(_PLACEHOLDER.findall(template))


def credentials_in(template: str) -> tuple[str, ...]:
    """The credentials that a template names, ``{env.NAME}``."""
    return tuple(name.removeprefix("env.") for name in placeholders_of(template) if name.startswith("env."))


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
    return lambda envelope: b"".join([part(envelope) for part in compiled])


def _literal(text: str, parts: list[Signed]) -> None:
    for brace in "{}":
        if brace in text:
            raise TemplateProblem(f"a brace without its partner in {text!r}", found=brace)
    if text:
        constant = text.encode()
        parts.append(lambda envelope: constant)


def _placeholder(name: str) -> Signed:
    match name:
        case "body":
            return lambda envelope: envelope.request.body
        case "timestamp":
            return lambda envelope: raw(envelope.timestamp)
        case "id":
            return lambda envelope: raw(envelope.id)
        case "url":
            return lambda envelope: (envelope.url or address_of(envelope.request)).encode("utf-8", "surrogatepass")
        case "method":
            return lambda envelope: raw(envelope.request.method.upper())
        case "path":
            return lambda envelope: raw(_path(envelope.request))
        case "query":
            return lambda envelope: raw(envelope.request.query)
        case "target":
            return lambda envelope: raw(_target(envelope.request))
        case "sorted_form":
            return lambda envelope: _sorted_form(envelope.request)
        case "sha256(body)":
            return lambda envelope: hashlib.sha256(envelope.request.body).hexdigest().encode()
        case "crc32(body)":
            return lambda envelope: str(zlib.crc32(envelope.request.body)).encode()
    if lines := _LINES.fullmatch(name):
        return _lines(tuple(part.strip() for part in lines[1].split(",")))
    kind, _, rest = name.partition(".")
    if kind == "header" and rest:
        return lambda envelope: raw(_header(envelope.request, rest))
    if kind == "raw" and rest and all(rest.split(".")):
        place = tuple(rest.split("."))
        return lambda envelope: raw_json(envelope.request, place)
    if kind == "env" and re.fullmatch(r"[A-Za-z_]\w*", rest):
        return lambda envelope: _credential(envelope, rest)
    if kind == "body" and rest and all(rest.removesuffix("?").split(".")):
        path = tuple(rest.removesuffix("?").split("."))
        if rest.endswith("?"):
            return lambda envelope: _encoded(envelope.text(path)) if envelope.has(path) else b""
        return lambda envelope: _encoded(envelope.text(path))
    raise TemplateProblem(f"unknown placeholder {{{name}}}", found=f"{{{name}}}")


def _lines(names: tuple[str, ...]) -> Signed:
    paths = tuple((name.encode(), tuple(name.split("."))) for name in names)
    return lambda envelope: b"".join(
        [b"%s\n%s\n" % (name, _encoded(envelope.text(path))) for name, path in paths if envelope.has(path)]
    )


def raw(text: str) -> bytes:
    """The bytes of a text that came out of a header: latin-1, as it was decoded, or UTF-8 for what never was one."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return _encoded(text)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _header(request: Request, name: str) -> str:
    value = request.header(name)
    if value is None:
        raise AuthenticationFailed(f"header {name}, a part of what is signed, is absent")
    return value


def _credential(envelope: Envelope, name: str) -> bytes:
    value = envelope.means.credential(name + envelope.suffix)
    if not value:
        raise AuthenticationFailed(f"{name}{envelope.suffix}, a part of what is signed, is unset")
    return _encoded(value)


def address_of(request: Request) -> str:
    """The address that a sender signs: the public URL, with the query that came. A query that was changed on the way
    is not what was signed, and rules may read it."""
    if request.url is None:
        raise AuthenticationFailed("the sender signs its address, and the source does not say its public_url")
    base = request.url.partition("?")[0]
    return f"{base}?{request.query}" if request.query else base


def other_port(url: str) -> str | None:
    """The same address with its port left out, or its default port written out; None where that changes nothing."""
    split = urlsplit(url)
    default = {"https": 443, "http": 80}.get(split.scheme)
    bare = re.sub(r":\d+\Z", "", split.netloc)
    other = bare if bare != split.netloc else f"{bare}:{default}"
    return split._replace(netloc=other).geturl() if default is not None else None


def _path(request: Request) -> str:
    if request.url is not None:
        return urlsplit(request.url).path
    return f"/hooks/{request.source}" + (f"/{request.path}" if request.path else "")


def _target(request: Request) -> str:
    return _path(request) + (f"?{request.query}" if request.query else "")


def _sorted_form(request: Request) -> bytes:
    if request.body and not is_form(request):
        # Otherwise such a body would be covered by no signature at all.
        raise AuthenticationFailed(
            f"the scheme signs form fields; the content type is {content_type(request) or 'absent'}"
        )
    as_sent(request, "the form fields")
    if looks_otherwise(request.body):
        raise AuthenticationFailed("the scheme signs form fields; the body is no form, whatever its content type says")
    pairs = sorted(set(form_fields(request)))
    return "".join([name + value for name, value in pairs]).encode("utf-8", "surrogateescape")
