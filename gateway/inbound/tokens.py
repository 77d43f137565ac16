"""JSON Web Tokens (RFC 7519) as proof, with PyJWT: a :class:`~gateway.inbound.schemes.Jwt` compiled to a check.

The token's own header chooses nothing: only the algorithms that the rules file names are taken, and a public key is
never used as the secret of a keyed hash. A token in a header says nothing of the body unless a claim holds its hash.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import jwt

from gateway.errors import AuthenticationFailed, NotVerifiable
from gateway.inbound.chosen import chosen, suffix_of
from gateway.inbound.hashes import UnusableKey
from gateway.inbound.public_keys import public_key
from gateway.inbound.request import Request
from gateway.inbound.schemes import Check, Jwt, Means
from gateway.inbound.signatures import in_time, in_words, present

LEEWAY: Final = 60
"""Seconds that two clocks may differ."""
MAX_TOKEN: Final = 32_768
"""Characters of a token in a header."""

_Keys = tuple[list[tuple[str, Any]], list[str]]


def check_token(scheme: Jwt) -> Check:
    """A function that says in words how a request was proved, or raises AuthenticationFailed."""
    where = "the body" if scheme.header is None else f"header {scheme.header}"
    kind = f"{scheme.preset}: " if scheme.preset else ""
    algorithms = list(scheme.algorithms)

    def check(request: Request, means: Means) -> str:
        token = _token(scheme, request, where)
        named = _named(token, where, scheme)
        keys, unusable = _keys(scheme, means, named)
        reason = "no key can be used" + (f": {'; '.join(unusable)}" if unusable else "")
        for name, key in keys:
            try:
                found = jwt.api_jws.decode_complete(token, key, algorithms=algorithms)
            except (jwt.PyJWTError, ValueError, TypeError) as error:
                names = ", ".join(name for name, _ in keys)
                reason = f"the token in {where} does not verify with {names}: {_reason(error)}"
                continue
            _check_claims(scheme, _claims(found["payload"], where), request, means.now)
            return f"{kind}JWT {named.get('alg')} in {where}, key {name}"
        raise AuthenticationFailed(reason)

    return check


def _token(scheme: Jwt, request: Request, where: str) -> str:
    if scheme.header is None:
        text = request.body.decode("latin-1").strip().strip('"')
        if not text:
            raise AuthenticationFailed("the body is empty; it should be a token")
        return text
    value = present(request, scheme.header).strip()
    if not value[: len(scheme.prefix)].lower() == scheme.prefix.lower():
        raise AuthenticationFailed(f"{where} does not begin with {scheme.prefix!r}")
    token = value[len(scheme.prefix) :].strip()
    if len(token) > MAX_TOKEN:
        raise AuthenticationFailed(f"{where} has {len(token):,} characters; allowed: {MAX_TOKEN:,}")
    return token


def _named(token: str, where: str, scheme: Jwt) -> Mapping[str, Any]:
    """The token's own header: which key and algorithm it says it was made with."""
    try:
        header: Mapping[str, Any] = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise AuthenticationFailed(f"{where} holds no JSON Web Token") from None
    if header.get("alg") not in scheme.algorithms:
        raise AuthenticationFailed(
            f"the token in {where} is signed with {str(header.get('alg'))[:20]!a}; "
            f"allowed: {', '.join(scheme.algorithms)}"
        )
    return header


def _keys(scheme: Jwt, means: Means, named: Mapping[str, Any]) -> _Keys:
    usable: list[tuple[str, Any]] = []
    unusable: list[str] = []
    if scheme.jwks is not None:
        return _of_set(scheme, means, named.get("kid"))
    for name in chosen(scheme.secret, scheme.per, means.parts):
        if value := means.credential(name):
            usable.append((name, value.encode("utf-8", "surrogatepass")))
        else:
            unusable.append(f"{name} is unset")
    suffix = suffix_of(scheme.per, means.parts)
    for key in scheme.public_key:
        name = key.name if key.text is not None else key.name + suffix
        text = key.text if key.text is not None else means.credential(name)
        if not text:
            unusable.append(f"{name} is unset")
            continue
        try:
            usable.append((name, public_key(text)))
        except UnusableKey as error:
            unusable.append(f"{name} {error}")
    return usable, unusable


def _of_set(scheme: Jwt, means: Means, kid: object) -> _Keys:
    """The keys of a set that a token may be made with: the one that it names, or all where it names none."""
    assert scheme.jwks is not None
    at = scheme.jwks
    fetched = at.text is None and "://" in at.name
    if at.text is not None:
        text: str | None = at.text
    elif not fetched:
        text = means.credential(at.name + suffix_of(scheme.per, means.parts))
    elif means.published is not None:
        text = means.published.text(at.name)
    else:
        raise AuthenticationFailed(f"the keys at {at.name} can't be asked for here")
    if not text:
        return [], [f"{at.name} is unset"]
    try:
        keys = key_set(text)
    except UnusableKey as error:
        return [], [f"{at.name} {error}"]
    found = [(at.name, key) for key in keys if kid is None or key.key_id == kid]
    if not found and fetched and means.published is not None and means.published.renew(at.name):
        # A sender that changed its keys says so by using them: the next try finds them here.
        raise NotVerifiable(f"{at.name} has no key {str(kid)[:40]!a}; it is asked for again")
    return found, [] if found else [f"{at.name} has no key {str(kid)[:40]!a}"]


@lru_cache(maxsize=32)
def key_set(text: str) -> tuple[jwt.PyJWK, ...]:
    """The keys of a JWKS (RFC 7517) that can be used to verify.

    :raises UnusableKey: the text is none, or none of its keys can be used.
    """
    try:
        document = json.loads(text)
        return tuple(jwt.PyJWKSet.from_dict(document).keys)
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError, RecursionError):
        raise UnusableKey("is no set of keys (JWKS) that can be read") from None


def _claims(payload: object, where: str) -> Mapping[str, Any]:
    try:
        claims = json.loads(payload) if isinstance(payload, bytes) else None
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise AuthenticationFailed(f"the token in {where} holds no claims")
    return claims


def _check_claims(scheme: Jwt, claims: Mapping[str, Any], request: Request, now: datetime) -> None:
    moment = now.timestamp()
    ends = _moment(claims, "exp")
    if ends is not None and moment > ends + LEEWAY:
        raise AuthenticationFailed(f"the token ended {in_words(moment - ends)} ago")
    begins = _moment(claims, "nbf")
    if begins is not None and moment < begins - LEEWAY:
        raise AuthenticationFailed(f"the token is only good in {in_words(begins - moment)}")
    if scheme.tolerance is not None:
        issued = _moment(claims, "iat")
        if issued is None:
            raise AuthenticationFailed("the token does not say when it was issued (iat), and there is a tolerance")
        in_time(str(int(issued)), "s", scheme.tolerance, now)
    elif ends is None and scheme.body_claim is None:
        # One that is bound to its body is good for that body alone; any other could be shown for ever.
        raise AuthenticationFailed("the token has no end (exp), and the source says no tolerance")
    if scheme.issuer and claims.get("iss") not in scheme.issuer:
        raise AuthenticationFailed(f"the token's issuer is not {' or '.join(scheme.issuer)}")
    if scheme.audience:
        audience = claims.get("aud")
        if not any(one in scheme.audience for one in (audience if isinstance(audience, list) else [audience])):
            raise AuthenticationFailed(f"the token's audience is not {' or '.join(scheme.audience)}")
    for name, wanted in scheme.claims:
        if (found := claims.get(name)) != wanted and not (isinstance(found, int) and str(found) == wanted):
            raise AuthenticationFailed(f"the token's claim {name} is not {wanted!r}")
    if scheme.body_claim is not None and not _is_hash_of(claims.get(scheme.body_claim), request.body):
        raise AuthenticationFailed(f"the token's claim {scheme.body_claim} is not the SHA-256 of the body")


def _moment(claims: Mapping[str, Any], name: str) -> float | None:
    found = claims.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or not abs(found) < 1e12:
        raise AuthenticationFailed(f"the token's {name} is no time")
    return float(found)


def _is_hash_of(claim: object, body: bytes) -> bool:
    digest = hashlib.sha256(body)
    text = str(claim).encode("utf-8", "replace")
    return hmac.compare_digest(text, digest.hexdigest().encode()) or hmac.compare_digest(
        text, b64encode(digest.digest())
    )


def _reason(error: Exception) -> str:
    """PyJWT's own words where they hold nothing of the token."""
    if isinstance(error, jwt.InvalidSignatureError):
        return "the signature is wrong"
    if isinstance(error, jwt.InvalidKeyError | TypeError | ValueError):
        return "the key is of another kind"
    return type(error).__name__
