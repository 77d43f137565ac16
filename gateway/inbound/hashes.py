"""Hashes that hold a secret: :class:`~gateway.inbound.schemes.Hmac` and :class:`~gateway.inbound.schemes.Digest`.

The comparison is over the encoded signature as text, in constant time: base64 has several spellings of the same bytes,
and only the one that a sender makes is taken. Hex digits count in either case.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from gateway.errors import AuthenticationFailed
from gateway.inbound.documents import is_form
from gateway.inbound.request import Request
from gateway.inbound.schemes import Algorithm, Digest, Encoding, Hmac, KeyForm
from gateway.inbound.signed import SECRET, Envelope, address_of, compile_signed, other_port, raw

Keys = tuple[list[tuple[str, bytes]], list[str]]
"""Name and key of each secret that is set, and why the others can't be used."""

_DIGEST_LENGTH: Final = {"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}
_HEX = re.compile(rb"[0-9a-fA-F]+")
_BASE64 = re.compile(rb"[0-9A-Za-z+/_-]+={0,2}")
_FORM_FIELDS = "{sorted_form}"


class UnusableKey(ValueError):
    """A secret or a key is not of the form that the scheme needs."""


class KeyedHash:
    """How an ``hmac`` is computed and compared."""

    def __init__(self, scheme: Hmac) -> None:
        self.words = f"HMAC-{scheme.algorithm.upper()}"
        self._scheme = scheme
        self._algorithm, self._encoding = scheme.algorithm, scheme.encoding
        self._message = compile_signed(scheme.signed)
        self._plain = scheme.body_query is None and scheme.port == "registered"
        self._address_only = compile_signed(scheme.signed.replace(_FORM_FIELDS, "")) if scheme.body_query else None

    def keys(self, envelope: Envelope) -> Keys:
        return keys_of(self._scheme.secret, envelope, self._scheme.key)

    def prepare(self, envelope: Envelope) -> list[bytes]:
        """What may have been signed: several where the sender spells its address in more than one way."""
        if self._plain:
            return [self._message(envelope)]
        message = self._message
        if self._address_only is not None and envelope.request.body and not is_form(envelope.request):
            _body_in_query(envelope.request, self._scheme.body_query or "")
            message = self._address_only
        messages = [message(envelope)]
        if self._scheme.port == "either" and (other := other_port(address_of(envelope.request))) is not None:
            envelope.url = other
            messages.append(message(envelope))
            envelope.url = None
        return messages

    def matches(self, prepared: list[bytes], key: bytes, signatures: list[bytes]) -> bool:
        matched = False
        algorithm, encoding = self._algorithm, self._encoding
        for message in prepared:
            expected = encode(keyed_digest(key, message, algorithm), encoding)
            for signature in signatures:
                if hmac.compare_digest(expected, signature):
                    matched = True
        return matched

    def sign(self, prepared: list[bytes], key: bytes) -> bytes:
        return hmac.digest(key, prepared[0], self._scheme.algorithm)

    def hint(self, signature: bytes) -> str | None:
        return hint(signature, self._scheme.algorithm, self._scheme.encoding)


class PlainHash:
    """How a ``digest`` is computed and compared: the secret is a part of what is hashed."""

    def __init__(self, scheme: Digest) -> None:
        self.words = scheme.algorithm.upper()
        self._scheme = scheme
        before, _, after = scheme.signed.partition(SECRET)
        self._before, self._after = compile_signed(before), compile_signed(after)

    def keys(self, envelope: Envelope) -> Keys:
        return keys_of(self._scheme.secret, envelope, "utf8")

    def prepare(self, envelope: Envelope) -> tuple[bytes, bytes]:
        return self._before(envelope), self._after(envelope)

    def matches(self, prepared: tuple[bytes, bytes], key: bytes, signatures: list[bytes]) -> bool:
        expected = encode(self.sign(prepared, key), self._scheme.encoding)
        return any(hmac.compare_digest(expected, signature) for signature in signatures)

    def sign(self, prepared: tuple[bytes, bytes], key: bytes) -> bytes:
        before, after = prepared
        # The sender chose the hash; some still use SHA-1 or MD5.
        return hashlib.new(self._scheme.algorithm, before + key + after, usedforsecurity=False).digest()

    def hint(self, signature: bytes) -> str | None:
        return hint(signature, self._scheme.algorithm, self._scheme.encoding)


def _body_in_query(request: Request, name: str) -> None:
    """A body that is no form is signed by its hash in the address, and the address is signed."""
    sent = [value for key, value in parse_qsl(request.query, keep_blank_values=True) if key == name]
    if not sent:
        raise AuthenticationFailed(f"the body is no form, and the query holds no {name}, which would be its hash")
    expected = hashlib.sha256(request.body).hexdigest()
    if not all(hmac.compare_digest(raw(expected), raw(value.lower())) for value in sent):
        raise AuthenticationFailed(f"{name} of the query is not the SHA-256 of the body")


def keyed_digest(key: bytes, message: bytes, algorithm: Algorithm) -> bytes:
    """As :func:`hmac.digest`, which sets the key up each time, and lets go of the interpreter's lock for it."""
    state = _keyed(key, algorithm).copy()
    state.update(message)
    return state.digest()


@lru_cache(maxsize=256)
def _keyed(key: bytes, algorithm: Algorithm) -> hmac.HMAC:
    return hmac.new(key, digestmod=algorithm)


def encode(digest: bytes, encoding: Encoding) -> bytes:
    """A digest as it is written in a header: lower-case hex digits, base64, or base64url without its padding."""
    match encoding:
        case "hex":
            return binascii.hexlify(digest)
        case "base64":
            return binascii.b2a_base64(digest, newline=False)
        case "base64url":
            return base64.urlsafe_b64encode(digest).rstrip(b"=")
        case "hex_base64":
            return binascii.b2a_base64(binascii.hexlify(digest), newline=False)


def keys_of(names: Iterable[str], envelope: Envelope, form: KeyForm) -> Keys:
    """The keys that secrets are, in their ``form``."""
    usable: list[tuple[str, bytes]] = []
    unusable: list[str] = []
    credential, suffix = envelope.means.credential, envelope.suffix
    for first in names:
        name = first + suffix if suffix else first
        value = credential(name)
        if not value:
            unusable.append(f"{name} is unset")
            continue
        try:
            usable.append((name, key_of(value, form)))
        except UnusableKey as error:
            unusable.append(f"{name} {error}")
    return usable, unusable


@lru_cache(maxsize=256)
def key_of(value: str, form: KeyForm) -> bytes:
    """The bytes that a secret is as a key. Kept: a source's secret is asked for with every request.

    :raises UnusableKey: it is not of that form.
    """
    match form:
        case "utf8":
            key = value.encode("utf-8", "surrogatepass")
        case "hex":
            try:
                key = binascii.unhexlify(value.strip())
            except ValueError:
                raise UnusableKey("is not hex digits, as key: hex says") from None
        case "base64" | "whsec":
            text = value.strip().removeprefix("whsec_" if form == "whsec" else "")
            try:
                key = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
            except ValueError:
                raise UnusableKey(f"is not base64, as key: {form} says") from None
    if not key:
        raise UnusableKey("holds an empty key")
    return key


def hint(signature: bytes, wanted: Algorithm, encoding: Encoding) -> str | None:
    """What is odd about a signature that did not match, from its form alone."""
    if not signature:
        return "it is empty"
    if encoding == "hex_base64":
        return None
    length = _DIGEST_LENGTH[wanted]
    for algorithm, size in _DIGEST_LENGTH.items():
        if _HEX.fullmatch(signature) and len(signature) == 2 * size:
            found = "hex"
        elif _BASE64.fullmatch(signature) and len(signature.rstrip(b"=")) == (size * 4 + 2) // 3:
            found = "base64"
        else:
            continue
        if found != ("hex" if encoding == "hex" else "base64"):
            return f"it is {found} where {encoding} was expected"
        if size != length:
            return f"it is as long as {algorithm}, not {wanted}"
        return None
    return f"it is no {encoding} of {wanted}"
