"""Does this request come from its source? The one place where a :class:`~gateway.inbound.request.Verified` is made.

A scheme is data (:mod:`gateway.inbound.schemes`); it is compiled once, then a request costs some microseconds. What
failed is said precisely, for the operator; the sender gets a plain 401. A secret and a full expected signature are
never shown.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl

from gateway.errors import AuthenticationFailed, SettingsError
from gateway.inbound.declared import SchemeProblem, scheme_from
from gateway.inbound.presets import PRESETS
from gateway.inbound.request import Request, Verified
from gateway.inbound.schemes import (
    AllOf,
    AnyOf,
    Basic,
    Bearer,
    Body,
    Check,
    Credential,
    Header,
    Hmac,
    NoVerification,
    Parse,
    Parts,
    Query,
    Scheme,
    env_name,
    needs_url,
    secrets_of,
)
from gateway.inbound.shared_secrets import check_basic, check_static, first_set, user_of
from gateway.inbound.signatures import check_hmac, sign_hmac

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
    scheme: Scheme, request: Request, *, credential: Credential, now: datetime, parts: Parts | None = None
) -> Verified:
    """The request as one that its source sent, or :class:`~gateway.errors.AuthenticationFailed` saying what is wrong.

    ``parts`` are the named parts of the path, for a scheme with ``per``.
    """
    words = _compiled(scheme)(request, credential, now, parts or {})
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
) -> dict[str, str]:
    """The headers that the sender would add. ``headers`` are those that it sends anyway (a scheme may sign them).

    :class:`~gateway.errors.SettingsError` where a credential is unset, or where the proof does not travel in a header.
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
    return _sign(scheme, request, credential, now, parts or {}, id)


def redact_headers(headers: tuple[tuple[str, str], ...], scheme: Scheme) -> tuple[tuple[str, str], ...]:
    """Headers as they may be stored: static credentials are replaced, signatures (good for one body only) stay."""
    secret = _secret_headers(scheme)
    return tuple([(name, REDACTED if name in secret else value) for name, value in headers])


def redact_query(query: str, scheme: Scheme) -> str:
    """The raw query as it may be stored: a shared secret in it is replaced, all else stays as it was sent."""
    names = _secret_parameters(scheme)
    if not names or not query:
        return query
    kept = []
    for piece in query.split("&"):
        pairs = parse_qsl(piece, keep_blank_values=True, errors="replace")
        name = piece.partition("=")[0]
        kept.append(f"{name}={REDACTED}" if pairs and pairs[0][0] in names else piece)
    return "&".join(kept)


@lru_cache(maxsize=1024)
def _secret_headers(scheme: Scheme) -> frozenset[str]:
    match scheme:
        case Header():
            return _CREDENTIAL_HEADERS | {scheme.name.lower()}
        case AllOf() | AnyOf():
            return _CREDENTIAL_HEADERS.union(*map(_secret_headers, scheme.schemes))
        case _:
            return _CREDENTIAL_HEADERS


@lru_cache(maxsize=1024)
def _secret_parameters(scheme: Scheme) -> frozenset[str]:
    match scheme:
        case Query():
            return frozenset({scheme.name})
        case AllOf() | AnyOf():
            return frozenset[str]().union(*map(_secret_parameters, scheme.schemes))
        case _:
            return frozenset()


@lru_cache(maxsize=1024)
def _compiled(scheme: Scheme) -> Check:
    match scheme:
        case Hmac():
            return check_hmac(scheme)
        case NoVerification():
            because = scheme.because
            return lambda request, credential, now, parts: because
        case AllOf():
            every = tuple(_compiled(part) for part in scheme.schemes)
            return lambda request, credential, now, parts: " and ".join(
                [check(request, credential, now, parts) for check in every]
            )
        case AnyOf():
            return _any_of(tuple(_compiled(part) for part in scheme.schemes))
        case Basic():
            return check_basic(scheme)
        case Header() | Bearer() | Query() | Body():
            return check_static(scheme)


def _any_of(checks: tuple[Check, ...]) -> Check:
    def check(request: Request, credential: Credential, now: datetime, parts: Parts) -> str:
        failures = []
        for number, one in enumerate(checks, start=1):
            try:
                return one(request, credential, now, parts)
            except AuthenticationFailed as error:
                failures.append(f"{number}) {error}")
        raise AuthenticationFailed(f"none of {len(checks)} schemes holds: {'; '.join(failures)}")

    return check


def _sign(
    scheme: Scheme, request: Request, credential: Credential, now: datetime, parts: Parts, id_: str | None
) -> dict[str, str]:
    match scheme:
        case Hmac():
            return sign_hmac(scheme, request, credential=credential, now=now, parts=parts, id_=id_)
        case NoVerification():
            return {}
        case AllOf():
            signed: dict[str, str] = {}
            for part in scheme.schemes:
                signed |= _sign(part, request, credential, now, parts, id_)
            return signed
        case AnyOf():
            failures = []
            for part in scheme.schemes:
                try:
                    return _sign(part, request, credential, now, parts, id_)
                except SettingsError as error:
                    failures.append(str(error))
            raise SettingsError(f"none of {len(failures)} schemes can sign: {'; '.join(failures)}")
        case Header():
            return {scheme.name: first_set(scheme.secret, credential)}
        case Bearer():
            return {"Authorization": f"Bearer {first_set(scheme.secret, credential)}"}
        case Basic():
            user = user_of(scheme, credential)
            if user is None:
                raise SettingsError(f"can't sign: {env_name(scheme.user)} is unset")
            pair = f"{user}:{first_set(scheme.password, credential)}".encode()
            return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}
        case Query():
            raise SettingsError(f"the secret travels in the query: add {scheme.name}=… to the address")
        case Body():
            raise SettingsError(f"the secret travels in the body: put it at {scheme.path}")
