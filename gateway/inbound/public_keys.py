"""Signatures that a public key proves: ECDSA, Ed25519 and RSA, with ``cryptography``.

A key is written in whatever form its sender gives it: PEM of a key or a certificate, the base64 of its DER, or, for
Ed25519, the 32 bytes in hex (Discord) or base64 (Telnyx, Standard Webhooks' ``whpk_…``). Nothing is fetched to verify:
a certificate whose address travels in the request comes from :class:`~gateway.inbound.schemes.Published`, and only
from hosts that the rules file names.
"""

from __future__ import annotations

import base64
import binascii
import re
from functools import lru_cache
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from gateway.errors import AuthenticationFailed
from gateway.inbound.hashes import UnusableKey
from gateway.inbound.schemes import Ecdsa, Ed25519, Encoding, PublishedAt, Rsa
from gateway.inbound.signed import Envelope, compile_signed

Key: TypeAlias = ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey
PublicScheme: TypeAlias = Ecdsa | Ed25519 | Rsa

MAX_ADDRESS: Final = 2_000
"""Characters of a certificate's address."""
SMALLEST_RSA: Final = 1024
"""Bits. Smaller keys can be factored."""
HASHES: Final = {
    "sha1": hashes.SHA1(),  # noqa: S303 - what Amazon SNS signs with, version 1
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}
_KINDS: Final[dict[type, tuple[type, str]]] = {
    Ecdsa: (ec.EllipticCurvePublicKey, "an elliptic-curve key"),
    Ed25519: (ed25519.Ed25519PublicKey, "an Ed25519 key"),
    Rsa: (rsa.RSAPublicKey, "an RSA key"),
}
_HEX_32 = re.compile(r"[0-9a-fA-F]{64}")
_WHOLE_PEM = re.compile(r"(?:\s*-----BEGIN (CERTIFICATE|PUBLIC KEY)-----[A-Za-z0-9+/=\s]++-----END \1-----)++\s*")
_RAW: Final = 32
"""Bytes of an Ed25519 key as such."""


class PublicKeyMethod:
    """How a public key's signature is verified."""

    def __init__(self, scheme: PublicScheme) -> None:
        self._scheme = scheme
        self._message = compile_signed(scheme.signed)
        match scheme:
            case Ecdsa():
                self.words = f"ECDSA-{scheme.algorithm.upper()}"
            case Ed25519():
                self.words = "Ed25519"
            case Rsa():
                self.words = f"RSA-{scheme.algorithm.upper()}" + ("-PSS" if scheme.padding == "pss" else "")

    def keys(self, envelope: Envelope) -> tuple[list[tuple[str, Key]], list[str]]:
        """The keys of the scheme; with ``published`` the one of the certificate that the request names."""
        if self._scheme.published is not None:
            url = published_url(self._scheme.published, envelope)
            if envelope.means.published is None:
                raise AuthenticationFailed(f"the certificate at {url} can't be asked for here")
            text = envelope.means.published.text(url)
            if not _WHOLE_PEM.fullmatch(text):
                # An answer that merely holds one may repeat what a stranger told that host before.
                raise AuthenticationFailed(f"what stands at {url} is not a certificate and nothing else")
            return self._read([(url, text)])
        found = []
        for key in self._scheme.public_key:
            name = key.name if key.text is not None else key.name + envelope.suffix
            found.append((name, key.text if key.text is not None else envelope.means.credential(name)))
        return self._read(found)

    def _read(self, texts: list[tuple[str, str | None]]) -> tuple[list[tuple[str, Key]], list[str]]:
        usable: list[tuple[str, Key]] = []
        unusable: list[str] = []
        for name, text in texts:
            if not text:
                unusable.append(f"{name} is unset")
                continue
            try:
                usable.append((name, key_for(type(self._scheme), text)))
            except UnusableKey as error:
                unusable.append(f"{name} {error}")
        return usable, unusable

    def prepare(self, envelope: Envelope) -> bytes:
        return self._message(envelope)

    def matches(self, prepared: bytes, key: Key, signatures: list[bytes]) -> bool:
        return any(self._verifies(prepared, key, signature) for signature in signatures)

    def _verifies(self, message: bytes, key: Key, text: bytes) -> bool:
        signature = decoded(text, self._scheme.encoding)
        if signature is None:
            return False
        try:
            match key, self._scheme:
                case ec.EllipticCurvePublicKey(), Ecdsa() as scheme:
                    if scheme.form == "raw":
                        signature = _as_der(signature, key)
                    key.verify(signature, message, ec.ECDSA(HASHES[scheme.algorithm]))
                case ed25519.Ed25519PublicKey(), Ed25519():
                    key.verify(signature, message)
                case rsa.RSAPublicKey(), Rsa() as scheme:
                    key.verify(signature, message, padding_of(scheme), HASHES[scheme.algorithm])
        except (InvalidSignature, ValueError):
            return False
        return True

    def hint(self, signature: bytes) -> str | None:
        if not signature:
            return "it is empty"
        return None if decoded(signature, self._scheme.encoding) is not None else f"it is no {self._scheme.encoding}"


def padding_of(scheme: Rsa, *, signs: bool = False) -> padding.AsymmetricPadding:
    """How an RSA signature fills its block (RFC 8017, 8.1 and 8.2). A salt is as long as its signer likes."""
    if scheme.padding == "pkcs1":
        return padding.PKCS1v15()
    salt = padding.PSS.DIGEST_LENGTH if signs else padding.PSS.AUTO
    return padding.PSS(mgf=padding.MGF1(HASHES[scheme.algorithm]), salt_length=salt)


def decoded(text: bytes, encoding: Encoding) -> bytes | None:
    """The bytes of a signature, or None where the text is not of its encoding."""
    try:
        if encoding == "hex":
            return binascii.unhexlify(text)
        if encoding == "base64url":
            return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
        plain = binascii.a2b_base64(text, strict_mode=True)
        return binascii.unhexlify(plain) if encoding == "hex_base64" else plain
    except ValueError:
        return None


def _as_der(signature: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    size = (key.key_size + 7) // 8
    if len(signature) != 2 * size:
        raise ValueError(f"{len(signature)} bytes")
    return utils.encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))


def published_url(at: PublishedAt, envelope: Envelope) -> str:
    """The address of a certificate that a request names.

    It has no query: at one, Amazon's hosts answer what anybody put there, a certificate of his own in it
    (spaceraccoon.dev, improper validation of SigningCertUrl).

    :raises AuthenticationFailed: there is none, or not at a host that the rules file allows.
    """
    if at.header is not None:
        where, url = f"header {at.header}", envelope.request.header(at.header)
        if url is None:
            raise AuthenticationFailed(f"{where}, the address of the certificate, is absent")
    else:
        where = f"{at.path} of the body"
        url = envelope.text(tuple((at.path or "").split(".")))
    try:
        split = urlsplit(url)
        host, port = split.hostname, split.port
    except ValueError:
        host, port, split = None, None, urlsplit("")
    named = host if port in (None, 443) else f"{host}:{port}"
    plain = (
        split.username is None
        and split.password is None
        and not {*"?#;"} & {*url}
        and url.isascii()
        and url.isprintable()
        and len(url) <= MAX_ADDRESS
    )
    if split.scheme != "https" or named not in at.hosts or not plain:
        raise AuthenticationFailed(
            f"{where}, the address of the certificate, is not a plain https:// one at a host that the rules file "
            f"allows: {', '.join(at.hosts)}"
        )
    return url


def key_for(kind: type, text: str) -> Key:
    """The public key in a text, of the kind that a scheme needs.

    :raises UnusableKey: it is none, or of another kind; the message shows nothing of it.
    """
    wanted, words = _KINDS[kind]
    key = public_key(text)
    if not isinstance(key, wanted):
        raise UnusableKey(f"holds {_described(key)}; {kind.__name__.lower()} takes {words}")
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < SMALLEST_RSA:
        raise UnusableKey(f"is an RSA key of {key.key_size} bits; at least {SMALLEST_RSA} are needed")
    assert isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey)
    return key


@lru_cache(maxsize=256)
def public_key(text: str) -> PublicKeyTypes:
    """The public key in a text: PEM or base64 of DER, of a key or of a certificate; or an Ed25519 key's 32 bytes.

    :raises UnusableKey: it is none of them.
    """
    text = text.strip()
    if "PRIVATE KEY-----" in text:
        raise UnusableKey("holds a private key; its public half is needed, and nobody else should have the private one")
    if "-----BEGIN" in text:
        return _loaded(text.encode("utf-8", "surrogatepass"), pem=True)
    bare = "".join(text.removeprefix("whpk_").split())
    data = bytes.fromhex(bare) if _HEX_32.fullmatch(bare) else decoded(bare.encode("utf-8", "replace"), "base64")
    if data is None:
        raise UnusableKey("is no public key: allowed are PEM, base64 of DER, or an Ed25519 key in hex or base64")
    if len(data) == _RAW:
        return ed25519.Ed25519PublicKey.from_public_bytes(data)
    return _loaded(data, pem=False)


def _loaded(data: bytes, *, pem: bool) -> PublicKeyTypes:
    try:
        if pem and b"-----BEGIN CERTIFICATE-----" in data:
            return x509.load_pem_x509_certificate(data).public_key()
        if pem:
            return serialization.load_pem_public_key(data)
        try:
            return serialization.load_der_public_key(data)
        except ValueError:
            return x509.load_der_x509_certificate(data).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKey("is no public key or certificate that can be read") from None


def _described(key: object) -> str:
    return next((words for kind, words in _KINDS.values() if isinstance(key, kind)), "a key of another kind")
