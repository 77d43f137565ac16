"""Secrets that a sender shows as they are: in a header, the query, the body, or as basic or bearer credentials."""

from __future__ import annotations

import binascii
from hmac import compare_digest
from urllib.parse import parse_qsl

from gateway.errors import AuthenticationFailed
from gateway.inbound.chosen import chosen, suffix_of
from gateway.inbound.documents import body_texts
from gateway.inbound.request import Request
from gateway.inbound.schemes import Basic, Bearer, Body, Check, Credential, Header, Means, Query, env_name
from gateway.inbound.signed import raw


def check_static(scheme: Header | Bearer | Query | Body) -> Check:
    """A function that says in words which shared secret a request shows, or raises AuthenticationFailed."""
    match scheme:
        case Header():
            where = f"header {scheme.name}"
        case Bearer():
            where = "header Authorization (Bearer)"
        case Query():
            where = f"query parameter {scheme.name}"
        case Body():
            where = f"{scheme.path} of the body"
    kind = f"{scheme.preset}: " if scheme.preset else ""
    every = isinstance(scheme, Body)

    def check(request: Request, means: Means) -> str:
        names = chosen(scheme.secret, scheme.per, means.parts)
        sent = _sent(scheme, request)
        if every:
            # Each element of a batch shows it: one that does not was put in by somebody else.
            found = {_matching([text], names, means.credential, where) for text in sent}
            return f"{kind}shared secret {', '.join(sorted(found))} in {where}"
        return f"{kind}shared secret {_matching(sent, names, means.credential, where)} in {where}"

    return check


def _sent(scheme: Header | Bearer | Query | Body, request: Request) -> list[bytes]:
    match scheme:
        case Header():
            value = request.header(scheme.name)
            if value is None:
                raise AuthenticationFailed(f"header {scheme.name} is absent")
            return [raw(value)]
        case Bearer():
            return [authorization(request, "Bearer")]
        case Query():
            # latin-1 on both sides of the decoding keeps every byte as it was sent.
            pairs = parse_qsl(request.query, keep_blank_values=True, encoding="latin-1")
            values = [raw(value) for name, value in pairs if name == scheme.name]
            if not values:
                raise AuthenticationFailed(f"query parameter {scheme.name} is absent")
            return values
        case Body():
            texts = body_texts(request, tuple(scheme.path.split(".")))
            return [text.encode("utf-8", "surrogatepass") for text in texts]


def authorization(request: Request, wanted: str) -> bytes:
    """What stands behind ``wanted`` in the Authorization header.

    :raises AuthenticationFailed: it is absent, or of another kind.
    """
    value = request.header("authorization")
    if value is None:
        raise AuthenticationFailed(f"header Authorization is absent; {wanted} is needed")
    kind, _, rest = value.strip().partition(" ")
    if kind.lower() != wanted.lower():
        raise AuthenticationFailed(f"header Authorization holds no {wanted} credential")
    return raw(rest.strip())


def check_basic(scheme: Basic) -> Check:
    """User and password are both compared, whichever is wrong."""
    kind = f"{scheme.preset}: " if scheme.preset else ""

    def check(request: Request, means: Means) -> str:
        given = authorization(request, "Basic")
        try:
            user, colon, password = binascii.a2b_base64(given, strict_mode=True).partition(b":")
        except binascii.Error:
            raise AuthenticationFailed("header Authorization: Basic is not base64") from None
        if not colon:
            raise AuthenticationFailed("header Authorization: Basic holds no colon between user and password")
        suffix = suffix_of(scheme.per, means.parts)
        expected = user_of(scheme, means.credential, suffix)
        if expected is None:
            raise AuthenticationFailed(f"no user is set: {env_name(scheme.user)}{suffix} is unset")
        known = compare_digest(user, expected.encode("utf-8", "surrogatepass"))
        names = chosen(scheme.password, scheme.per, means.parts)
        name = _matching([password], names, means.credential, "the password of header Authorization (Basic)")
        if not known:
            raise AuthenticationFailed("the user of header Authorization (Basic) is not the one that is set")
        return f"{kind}basic authentication, password {name}"

    return check


def user_of(scheme: Basic, credential: Credential, suffix: str = "") -> str | None:
    """The user that is expected; None where the credential is unset."""
    name = env_name(scheme.user)
    return scheme.user if name is None else (credential(name + suffix) or None)


def _matching(sent: list[bytes], names: tuple[str, ...], credential: Credential, where: str) -> str:
    """The name of the credential that one of the sent values equals."""
    unset = []
    matched = None
    for name in names:
        value = credential(name)
        if not value:
            unset.append(name)
            continue
        for text in sent:
            if compare_digest(text, value.encode("utf-8", "surrogatepass")):
                matched = name
    if matched is not None:
        return matched
    if len(unset) == len(names):
        raise AuthenticationFailed(f"no secret is set: {', '.join(unset)} unset")
    note = f"; {', '.join(unset)} unset" if unset else ""
    raise AuthenticationFailed(f"{where} equals none of the secrets ({', '.join(names)}){note}")
