"""How a source proves itself, as data: frozen schemes, read from the ``verify`` key of a rules file.

Secrets stand here by credential *name* only (``SHOPIFY_SECRET``); the value is looked up when a request is verified.

What ``hmac``, ``digest``, ``ecdsa``, ``ed25519`` and ``rsa`` have in common is :class:`Signature`: where a signature
stands and what it covers.

=================== =====================================================================================
``header``          holds the signature; ``X-Signature-*`` is a row of numbered headers, each with one of its own
``separator``       the header holds several entries, split at this text; an entry counts if it begins with
                    ``prefix`` (Standard Webhooks: ``separator: " "``, ``prefix: "v1,"``)
``parse``           the entries are ``name=value``; ``signature`` names those that hold a signature, ``timestamp`` the
                    one that holds the time (Stripe: ``{timestamp: t, signature: v1}``); the separator is then ``,``
``timestamp_header``, ``id_header``  the headers that ``{timestamp}`` and ``{id}`` are read from
``timestamp_unit``  ``s`` (default), ``ms`` or ``iso`` (ISO 8601 text with a zone)
``signature_path``, ``timestamp_path``  for senders that put them into the JSON body or a form: dotted paths
``signature_query`` for senders that put it into the query: the parameter's name
``read_as``         ``json`` (default) or ``form``: what the paths of the body are read in
``each``            a dotted path with ``*``: every element there is signed on its own (Adyen), and the paths of the
                    body are read in the element
``per``             ``$path.NAME``: one secret per value of that part of the address (``SECRET`` + ``_`` + VALUE)
=================== =====================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Literal, Protocol, TypeAlias

import msgspec

from gateway.inbound.request import Request

Credential: TypeAlias = Callable[[str], str | None]
"""From a credential's name to its value; None where it is unset."""
Parts: TypeAlias = Mapping[str, str]
"""The named parts of the path."""

Algorithm = Literal["sha1", "sha256", "sha384", "sha512", "md5"]
PublicAlgorithm = Literal["sha1", "sha256", "sha384", "sha512"]
Encoding = Literal["hex", "base64", "base64url", "hex_base64"]
"""``hex_base64``: base64 of the hex digits (Solidgate)."""
KeyForm = Literal["utf8", "hex", "base64", "whsec"]
TimestampUnit = Literal["s", "ms", "iso"]
TokenAlgorithm = Literal[
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]


class Published(Protocol):
    """Keys and certificates that senders publish, as they were fetched: never asked for on a request's own way."""

    def text(self, url: str) -> str:
        """What stands at an address; :class:`~gateway.errors.NotVerifiable` where it was not fetched yet."""

    def renew(self, url: str) -> bool:
        """What stands there lacks the key that a token names: ask for it again; False where that was just done."""


class Means(msgspec.Struct, frozen=True):
    """What a check may use besides the request."""

    credential: Credential
    now: datetime
    parts: Parts
    published: Published | None = None


Check: TypeAlias = Callable[[Request, Means], str]
"""A compiled scheme: says in words how a request was proved, or raises AuthenticationFailed."""


class Parse(msgspec.Struct, frozen=True, kw_only=True):
    """The names of the ``name=value`` entries of a signature header."""

    signature: str
    timestamp: str | None = None


class PublicKey(msgspec.Struct, frozen=True):
    """A public key or a certificate: a credential's name, or a file of the rules folder with its text."""

    name: str
    text: str | None = None
    """None: the credential of that name holds it."""


class PublishedAt(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate whose address travels in the request. Only literal hosts of the rules file are ever asked."""

    hosts: tuple[str, ...]
    header: str | None = None
    path: str | None = None
    """Dotted, of the JSON body."""


class Signature(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """Where a signature stands, and what it covers."""

    header: str | None = None
    signature_path: str | None = None
    signature_query: str | None = None
    each: str | None = None
    encoding: Encoding = "hex"
    prefix: str = ""
    separator: str | None = None
    parse: Parse | None = None
    read_as: Literal["json", "form"] = "json"
    """What the paths of the body are read in."""
    signed: str = "{body}"
    """The template; see :mod:`gateway.inbound.signed` for its placeholders."""
    timestamp_header: str | None = None
    timestamp_path: str | None = None
    timestamp_unit: TimestampUnit = "s"
    id_header: str | None = None
    tolerance: int | None = None
    """Seconds, into the past and into the future; None does not look at the clock."""
    per: str | None = None
    """The named path part that chooses the secret, without ``$path.``."""
    preset: str | None = None


class Hmac(Signature, frozen=True, kw_only=True, cache_hash=True):
    """A keyed hash over a template of the request."""

    secret: tuple[str, ...]
    """Credential names; any of them may match, so that secrets can be rotated."""
    algorithm: Algorithm = "sha256"
    key: KeyForm = "utf8"
    port: Literal["registered", "either"] = "registered"
    """``either``: the address is signed with or without its port, whatever was registered (Twilio)."""
    body_query: str | None = None
    """The parameter of the address that holds the SHA-256 of a body that is no form, in hex (Twilio)."""


class Digest(Signature, frozen=True, kw_only=True, cache_hash=True):
    """A plain hash over a template that holds the secret itself, ``{secret}``."""

    secret: tuple[str, ...]
    algorithm: Algorithm = "sha256"


class Ecdsa(Signature, frozen=True, kw_only=True, cache_hash=True):
    """A signature with an elliptic-curve key (FIPS 186-5)."""

    public_key: tuple[PublicKey, ...] = ()
    published: PublishedAt | None = None
    encoding: Encoding = "base64"
    algorithm: PublicAlgorithm = "sha256"
    form: Literal["der", "raw"] = "der"
    """``raw``: both numbers one after the other, as JWS writes them."""


class Ed25519(Signature, frozen=True, kw_only=True, cache_hash=True):
    """A signature with an Ed25519 key (RFC 8032)."""

    public_key: tuple[PublicKey, ...] = ()
    published: PublishedAt | None = None
    encoding: Encoding = "base64"


class Rsa(Signature, frozen=True, kw_only=True, cache_hash=True):
    """A signature with an RSA key (RFC 8017)."""

    public_key: tuple[PublicKey, ...] = ()
    published: PublishedAt | None = None
    encoding: Encoding = "base64"
    algorithm: PublicAlgorithm = "sha256"
    padding: Literal["pkcs1", "pss"] = "pkcs1"


class Jwt(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A JSON Web Token (RFC 7519), in a header or as the whole body."""

    algorithms: tuple[TokenAlgorithm, ...]
    """Those that are taken; a token never chooses for itself."""
    header: str | None = "Authorization"
    """None: the token is the body."""
    prefix: str = ""
    secret: tuple[str, ...] = ()
    public_key: tuple[PublicKey, ...] = ()
    jwks: PublicKey | None = None
    """A set of keys: a file of the rules folder, or, as ``https://…``, an address."""
    issuer: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    claims: tuple[tuple[str, str], ...] = ()
    """What else must stand in it."""
    body_claim: str | None = None
    """The claim that holds the SHA-256 of the body, in hex or base64."""
    tolerance: int | None = None
    """Seconds since the token was issued (``iat``); without it the token must say when it ends (``exp``)."""
    per: str | None = None
    preset: str | None = None


class Header(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A shared secret as the whole value of a header."""

    name: str
    secret: tuple[str, ...]
    per: str | None = None
    preset: str | None = None


class Basic(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """HTTP basic authentication (RFC 7617)."""

    user: str
    """Literal, or ``$env.NAME``."""
    password: tuple[str, ...]
    per: str | None = None
    preset: str | None = None


class Bearer(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """``Authorization: Bearer SECRET`` (RFC 6750)."""

    secret: tuple[str, ...]
    per: str | None = None
    preset: str | None = None


class Query(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A shared secret in the query of the address."""

    name: str
    secret: tuple[str, ...]
    per: str | None = None
    preset: str | None = None


class Body(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A shared secret at a dotted path of the JSON body; ``*`` in it is every element of a list, one at least."""

    path: str
    secret: tuple[str, ...]
    per: str | None = None
    preset: str | None = None


class IPAllow(msgspec.Struct, frozen=True, cache_hash=True):
    """The sender's own address, as the connection or a declared proxy says it."""

    networks: tuple[str, ...]
    """In CIDR notation."""


class ClientCertificate(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """The certificate of mutual TLS, as a declared proxy that ended the connection tells it in a header."""

    header: str
    subject: tuple[str, ...] = ()
    """Any of them, as the proxy writes it: exactly."""
    fingerprint: tuple[str, ...] = ()
    """Any of them, in hex; colons and case count for nothing."""
    verified: str | None = None
    """The header that must say ``SUCCESS``, where the proxy also passes on certificates that it did not verify."""


class NoVerification(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """No proof is asked for, and ``because`` says why: the words of the trace.

    Written as ``none`` in a rules file. What the store holds was verified when it was received, so a replay verifies
    with one of these and its own reason.
    """

    because: str = "none: the rules file asks for no proof"


class AllOf(msgspec.Struct, frozen=True, cache_hash=True):
    """Every one must hold."""

    schemes: tuple[Scheme, ...]


class AnyOf(msgspec.Struct, frozen=True, cache_hash=True):
    """One that holds is enough; they are tried in order."""

    schemes: tuple[Scheme, ...]


Scheme: TypeAlias = (
    Hmac
    | Digest
    | Ecdsa
    | Ed25519
    | Rsa
    | Jwt
    | Header
    | Basic
    | Bearer
    | Query
    | Body
    | IPAllow
    | ClientCertificate
    | NoVerification
    | AllOf
    | AnyOf
)

STRUCTS: Final[Mapping[str, type[msgspec.Struct]]] = {
    "hmac": Hmac,
    "digest": Digest,
    "ecdsa": Ecdsa,
    "ed25519": Ed25519,
    "rsa": Rsa,
    "jwt": Jwt,
    "basic": Basic,
    "bearer": Bearer,
    "header": Header,
    "query": Query,
    "body": Body,
    "ip_allow": IPAllow,
    "client_certificate": ClientCertificate,
}
"""The schemes that a rules file can spell out, by its word for them."""

ENV: Final = re.compile(r"\$env\.([A-Za-z_][A-Za-z0-9_]*)")
"""How a rules file names a credential."""


def env_name(text: str) -> str | None:
    """The credential's name in ``$env.NAME``, or None where the text is no such thing."""
    match = ENV.fullmatch(text)
    return match.group(1) if match else None
