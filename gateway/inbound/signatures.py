"""Signatures over a request: a :class:`~gateway.inbound.schemes.Signature` compiled to a check.

This file finds the signatures, the time and the id in a request, and refuses what is too old; how a signature is made
and compared is a :class:`Method`, one for hashes (:mod:`gateway.inbound.hashes`) and one for public keys
(:mod:`gateway.inbound.public_keys`).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl

from gateway.errors import AuthenticationFailed
from gateway.inbound.chosen import suffix_of
from gateway.inbound.documents import document_of, values_at
from gateway.inbound.hashes import KeyedHash, PlainHash
from gateway.inbound.public_keys import PublicKeyMethod
from gateway.inbound.request import Request
from gateway.inbound.schemes import Check, Digest, Ecdsa, Ed25519, Hmac, Means, Rsa, Signature, TimestampUnit
from gateway.inbound.signed import UNREAD, Envelope, placeholders_of, raw

MAX_SIGNATURES: Final = 32
"""That one request may hold in a header, and elements that are signed each on its own: many more."""
MAX_ELEMENTS: Final = 2_000


class Method(Protocol):
    """How a signature is made and compared."""

    words: str

    def keys(self, envelope: Envelope) -> tuple[list[tuple[str, Any]], list[str]]:
        """Name and key of each that can be used, and why the others can't."""

    def prepare(self, envelope: Envelope) -> Any:
        """What was signed."""

    def matches(self, prepared: Any, key: Any, signatures: list[bytes]) -> bool:
        """Whether one of the signatures, as text, is that key's."""

    def hint(self, signature: bytes) -> str | None:
        """What is odd about a signature that did not match, from its form alone."""


def method_of(scheme: Signature) -> Method:
    """The method of a scheme."""
    match scheme:
        case Hmac():
            return KeyedHash(scheme)
        case Digest():
            return PlainHash(scheme)
        case Ecdsa() | Ed25519() | Rsa():
            return PublicKeyMethod(scheme)
    raise TypeError(f"{type(scheme).__name__} is no scheme of a signature")


def where_of(scheme: Signature) -> str:
    """Where the signature stands, in words."""
    if scheme.signature_query is not None:
        return f"query parameter {scheme.signature_query}"
    return f"header {scheme.header}" if scheme.header is not None else f"{scheme.signature_path} of the body"


def check_signature(scheme: Signature) -> Check:
    """A function that says in words how a request was proved, or raises AuthenticationFailed."""
    method = method_of(scheme)
    where = where_of(scheme)
    used = placeholders_of(scheme.signed)
    names_id = "id" in used
    per, form = scheme.per, scheme.read_as == "form"
    names_time = "timestamp" in used or scheme.tolerance is not None
    noun = "secret" if isinstance(scheme, Hmac | Digest) else "key"
    kind = f"{scheme.preset}: " if scheme.preset else ""
    words = f"{kind}{method.words} of {scheme.signed} in {where}, {noun} "

    def proved(envelope: Envelope) -> str:
        """The name of the secret or the key."""
        signatures, beside = _signatures(scheme, envelope, where)
        if names_time:
            envelope.timestamp = _timestamp(scheme, envelope, beside, where)
            if scheme.tolerance is not None:
                in_time(envelope.timestamp, scheme.timestamp_unit, scheme.tolerance, envelope.means.now)
        if names_id:
            envelope.id = present(envelope.request, scheme.id_header or "")
        prepared = method.prepare(envelope)
        keys, unusable = method.keys(envelope)
        matched = None
        for name, key in keys:
            if method.matches(prepared, key, signatures):
                matched = name
        if matched is not None:
            return matched
        names = [name for name, _ in keys]
        raise AuthenticationFailed(_mismatch(method, noun, where, signatures, names, unusable))

    def check(request: Request, means: Means) -> str:
        suffix = "" if per is None else suffix_of(per, means.parts)
        return words + proved(Envelope(request, means, suffix, UNREAD, form))

    def check_each(request: Request, means: Means) -> str:
        suffix = suffix_of(per, means.parts)
        elements = elements_of(scheme, request)
        name = ""
        for number, element in enumerate(elements):
            try:
                name = proved(Envelope(request, means, suffix, element))
            except AuthenticationFailed as error:
                raise AuthenticationFailed(f"element {number} of {scheme.each}: {error}") from None
        return f"{words}{name}, each of {len(elements)}"

    return check if scheme.each is None else check_each


def elements_of(scheme: Signature, request: Request) -> list[Any]:
    """The elements that are signed each on its own.

    :raises AuthenticationFailed: there are none, too many, or one is no object.
    """
    where = scheme.each or ""
    elements = values_at(document_of(request, where), tuple(where.split(".")))
    if not elements:
        raise AuthenticationFailed(f"{where} of the body is empty: nothing in it is signed")
    if len(elements) > MAX_ELEMENTS:
        raise AuthenticationFailed(f"{where} of the body has {len(elements):,} elements; allowed: {MAX_ELEMENTS:,}")
    for number, element in enumerate(elements):
        if not isinstance(element, dict):
            raise AuthenticationFailed(f"element {number} of {where} is no object")
    return elements


def format_timestamp(moment: datetime, unit: TimestampUnit) -> str:
    """A moment as senders write it: Unix seconds, Unix milliseconds, or ISO 8601 in UTC."""
    match unit:
        case "s":
            return str(int(moment.timestamp()))
        case "ms":
            return str(int(moment.timestamp() * 1000))
        case "iso":
            return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def present(request: Request, name: str) -> str:
    """A header's value.

    :raises AuthenticationFailed: it is absent.
    """
    value = request.header(name)
    if value is None:
        others = [key for key, _ in request.headers if "signature" in key or "hmac" in key]
        # Their names are a stranger's text too.
        note = f" (present: {', '.join(other[:60] for other in others[:4])})" if others else ""
        raise AuthenticationFailed(f"header {name} is absent{note}")
    return value


def _values(scheme: Signature, envelope: Envelope) -> list[str]:
    """The texts that hold signatures, other than one header: a row of numbered ones, the query, a place of the body."""
    if scheme.signature_query is not None:
        pairs = parse_qsl(envelope.request.query, keep_blank_values=True)
        found = [value for name, value in pairs if name == scheme.signature_query]
        if not found:
            raise AuthenticationFailed(f"query parameter {scheme.signature_query} is absent")
        return found
    if scheme.header is None:
        return [envelope.text(tuple((scheme.signature_path or "").split(".")))]
    beginning = scheme.header[:-1].lower()
    found = [
        value
        for name, value in envelope.request.headers
        if name.startswith(beginning) and name[len(beginning) :].isdecimal()
    ]
    return found or [present(envelope.request, scheme.header)]


def _signatures(scheme: Signature, envelope: Envelope, where: str) -> tuple[list[bytes], str]:
    """The signatures that were sent, as text to compare with, and the timestamp that stands beside them, if any."""
    entries: list[str] = []
    timestamp = ""
    header, parse = scheme.header, scheme.parse
    single = header is not None and header[-1] != "*"
    for value in (present(envelope.request, header),) if single and header else _values(scheme, envelope):
        if parse is not None:
            for entry in value.split(scheme.separator or ","):
                name, _, text = entry.partition("=")
                name = name.strip()
                if name == parse.signature:
                    entries.append(text.strip())
                elif name == parse.timestamp and not timestamp:
                    timestamp = text.strip()
        elif scheme.separator is not None:
            entries += [entry.strip() for entry in value.split(scheme.separator)]
        else:
            entries.append(value.strip())
    if not entries and parse is not None:
        raise AuthenticationFailed(f"{where} holds no entry {parse.signature}=…")
    if len(entries) > MAX_SIGNATURES:
        raise AuthenticationFailed(f"{where} holds {len(entries)} signatures; at most {MAX_SIGNATURES} are read")
    prefix = scheme.prefix
    if prefix:
        entries = [entry[len(prefix) :] for entry in entries if entry.startswith(prefix)]
    found = [raw(entry) for entry in entries]
    if not found:
        raise AuthenticationFailed(f"{where} does not begin with {prefix!r}")
    if scheme.encoding == "hex":
        found = [text.lower() for text in found]
    elif scheme.encoding == "base64url":
        found = [text.rstrip(b"=") for text in found]
    return found, timestamp


def _timestamp(scheme: Signature, envelope: Envelope, beside: str, where: str) -> str:
    if scheme.timestamp_header is not None:
        return present(envelope.request, scheme.timestamp_header).strip()
    if scheme.timestamp_path is not None:
        return envelope.text(tuple(scheme.timestamp_path.split(".")))
    if not beside:
        entry = scheme.parse.timestamp if scheme.parse else None
        raise AuthenticationFailed(f"the timestamp is missing: {where} holds no entry {entry}=…")
    return beside


def in_time(text: str, unit: TimestampUnit, tolerance: int, now: datetime) -> None:
    """Refuse what was signed longer than ``tolerance`` seconds ago, or is as far in the future.

    :raises AuthenticationFailed: it was, or the text is no such time.
    """
    if unit == "iso":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise AuthenticationFailed("the timestamp is not an ISO 8601 time") from None
        if moment.tzinfo is None:
            raise AuthenticationFailed("the timestamp has no time zone")
        age = (now - moment).total_seconds()
    else:
        if not (text.isascii() and text.isdecimal() and len(text) <= 16):
            raise AuthenticationFailed("the timestamp is not a number")
        age = now.timestamp() - (int(text) / 1000 if unit == "ms" else int(text))
    if abs(age) > tolerance:
        side = "past" if age > 0 else "future"
        raise AuthenticationFailed(
            f"the timestamp is {in_words(abs(age))} in the {side}; {in_words(tolerance)} are allowed"
        )


def in_words(seconds: float) -> str:
    """A length of time for a person: ``90 s``, ``40 min``, ``3 h``, ``12 days``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def _mismatch(
    method: Method, noun: str, where: str, signatures: list[bytes], names: list[str], unusable: list[str]
) -> str:
    note = f"; {'; '.join(unusable)}" if unusable else ""
    if not names:
        return f"no {noun} can be used{note}"
    hints = {hint for hint in (method.hint(signature) for signature in signatures) if hint}
    if len(hints) == 1:
        note = f": {hints.pop()}{note}"
    count = f"the {noun}" if len(names) == 1 else f"any of {len(names)} {noun}s"
    return f"the signature in {where} does not match with {count} ({', '.join(names)}){note}"
