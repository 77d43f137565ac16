"""Does this request come from its source? The one place where a :class:`~gateway.inbound.request.Verified` is made.

A scheme is data (:mod:`gateway.inbound.schemes`); it is compiled once, then a request costs some microseconds. What
failed is said precisely, for the operator; the sender gets a plain 401. A secret and a full expected signature are
never shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from gateway.errors import AuthenticationFailed, NotVerifiable
from gateway.inbound import signing
from gateway.inbound.declared import SchemeProblem, scheme_from
from gateway.inbound.needs import needs_url, parts_of, secrets_of
from gateway.inbound.origins import check_certificate, check_origin
from gateway.inbound.presets import PRESETS
from gateway.inbound.request import Request, Verified
from gateway.inbound.schemes import (
    AllOf,
    AnyOf,
    Basic,
    Bearer,
    Body,
    Check,
    ClientCertificate,
    Credential,
    Header,
    Hmac,
    IPAllow,
    Jwt,
    Means,
    NoVerification,
    Parse,
    Parts,
    Published,
    Query,
    Scheme,
    Signature,
)
from gateway.inbound.shared_secrets import check_basic, check_static
from gateway.inbound.signatures import check_signature
from gateway.inbound.signing import SignedRequest
from gateway.inbound.tokens import check_token

__all__ = [
    "PRESETS",
    "AllOf",
    "AnyOf",
    "Basic",
    "Bearer",
    "Body",
    "Credential",
    "Header",
    "Hmac",
    "NoVerification",
    "Parse",
    "Parts",
    "Query",
    "Scheme",
    "SchemeProblem",
    "SignedRequest",
    "needs_url",
    "redact_headers",
    "redact_query",
    "scheme_from",
    "secrets_of",
    "sign",
    "verify",
]

REDACTED: Final = "[redacted]"
_CREDENTIAL_HEADERS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})


def verify(
    scheme: Scheme,
    request: Request,
    *,
    credential: Credential,
    now: datetime,
    parts: Parts | None = None,
    published: Published | None = None,
) -> Verified:
    """The request as one that its source sent, or :class:`~gateway.errors.AuthenticationFailed` saying what is wrong.

    ``parts`` are the named parts of the path, for a scheme with ``per``; ``published`` are the keys that senders
    publish, and where a key is not there yet this raises :class:`~gateway.errors.NotVerifiable`.
    """
    words = compiled(scheme)(request, Means(credential, now, parts or {}, published))
    return Verified(request=request, scheme=words)


def sign(
    scheme: Scheme,
    *,
    body: bytes,
    headers: Mapping[str, str],
    credential: Credential,
    now: datetime,
    url: str | None = None,
    method: str = "POST",
    path: str = "",
    query: str = "",
    source: str = "",
    id: str | None = None,
    parts: Parts | None = None,
    private_key: str | None = None,
) -> SignedRequest:
    """The request as its source would send it: the headers that it adds, and body and query, which may hold the proof.

    ``headers`` are those that it has anyway (a scheme may sign them); ``private_key`` is PEM text, for a scheme that is
    verified with a public key.

    :raises SettingsError: a credential is unset, a private key is missing, the body can't hold the proof.
    """
    request = Request(
        source=source,
        method=method,
        path=path,
        query=query,
        headers=tuple((name.lower(), value) for name, value in headers.items()),
        body=body,
        received_at=now,
        url=url,
    )
    return signing.sign(scheme, request, Means(credential, now, parts or {}), id=id, private_key=private_key)


def redact_headers(headers: tuple[tuple[str, str], ...], scheme: Scheme) -> tuple[tuple[str, str], ...]:
    """Headers as they may be stored: static credentials are replaced, signatures (good for one body only) stay."""
    secret = secret_headers(scheme)
    if secret.isdisjoint([name for name, _ in headers]):
        return headers
    return tuple([(name, REDACTED if name in secret else value) for name, value in headers])


def redact_query(query: str, scheme: Scheme) -> str:
    """The raw query as it may be stored: a shared secret in it is replaced, all else stays as it was sent."""
    names = secret_parameters(scheme)
    if not names or not query:
        return query
    kept = []
    for piece in query.split("&"):
        pairs = parse_qsl(piece, keep_blank_values=True, errors="replace")
        name = piece.partition("=")[0]
        kept.append(f"{name}={REDACTED}" if pairs and pairs[0][0] in names else piece)
    return "&".join(kept)


@lru_cache(maxsize=1024)
def secret_headers(scheme: Scheme) -> frozenset[str]:
    """The headers, in lower case, whose whole value is a secret. A token is one while it is good."""
    found = set(_CREDENTIAL_HEADERS)
    for part in parts_of(scheme):
        if isinstance(part, Header):
            found.add(part.name.lower())
        elif isinstance(part, Jwt) and part.header is not None:
            found.add(part.header.lower())
    return frozenset(found)


@lru_cache(maxsize=1024)
def secret_parameters(scheme: Scheme) -> frozenset[str]:
    """The parameters of the query that hold a shared secret."""
    return frozenset(part.name for part in parts_of(scheme) if isinstance(part, Query))


@lru_cache(maxsize=1024)
def compiled(scheme: Scheme) -> Check:
    """The check that a scheme is."""
    match scheme:
        case Signature():
            return check_signature(scheme)
        case Jwt():
            return check_token(scheme)
        case NoVerification():
            because = scheme.because
            return lambda request, means: because
        case AllOf():
            every = tuple(compiled(part) for part in scheme.schemes)
            return lambda request, means: " and ".join([check(request, means) for check in every])
        case AnyOf():
            return _any_of(tuple(compiled(part) for part in scheme.schemes))
        case Basic():
            return check_basic(scheme)
        case IPAllow():
            return check_origin(scheme)
        case ClientCertificate():
            return check_certificate(scheme)
        case Header() | Bearer() | Query() | Body():
            return check_static(scheme)


def _any_of(checks: tuple[Check, ...]) -> Check:
    def check(request: Request, means: Means) -> str:
        failures = []
        unready: NotVerifiable | None = None
        for number, one in enumerate(checks, start=1):
            try:
                return one(request, means)
            except AuthenticationFailed as error:
                failures.append(f"{number}) {error}")
            except NotVerifiable as error:
                unready = error
        if unready is not None:
            raise unready
        raise AuthenticationFailed(f"none of {len(checks)} schemes holds: {'; '.join(failures)}")

    return check
