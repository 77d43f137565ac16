"""Secrets that a sender shows as they are: in a header, the query, the body, or as basic or bearer credentials."""

from __future__ import annotations

import binascii
from datetime import datetime
from hmac import compare_digest
from urllib.parse import parse_qsl

from gateway.errors import AuthenticationFailed, SettingsError
from gateway.inbound.request import Request
from gateway.inbound.schemes import Basic, Bearer, Body, Check, Credential, Header, Parts, Query, env_name
from gateway.inbound.signed import body_text, raw


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

    def check(request: Request, credential: Credential, now: datetime, parts: Parts) -> str:
        name = _matching(_sent(scheme, request), scheme.secret, credential, where)
        return f"shared secret {name} in {where}"

    return check


def _sent(scheme: Header | Bearer | Query | Body, request: Request) -> list[bytes]:
    match scheme:
        case Header():
            value = request.header(scheme.name)
            if value is None:
                raise AuthenticationFailed(f"header {scheme.name} is absent")
            return [raw(value)]
        case Bearer():
            return [_authorization(request, "Bearer")]
        case Query():
            # latin-1 on both sides of the decoding keeps every byte as it was sent.
            pairs = parse_qsl(request.query, keep_blank_values=True, encoding="latin-1")
            values = [raw(value) for name, value in pairs if name == scheme.name]
            if not values:
                raise AuthenticationFailed(f"query parameter {scheme.name} is absent")
            return values
        case Body():
            return [body_text(request, tuple(scheme.path.split("."))).encode("utf-8", "surrogatepass")]


def _authorization(request: Request, wanted: str) -> bytes:
    value = request.header("authorization")
    if value is None:
        raise AuthenticationFailed(f"header Authorization is absent; {wanted} is needed")
    kind, _, rest = value.strip().partition(" ")
    if kind.lower() != wanted.lower():
        raise AuthenticationFailed(f"header Authorization holds no {wanted} credential")
    return raw(rest.strip())


def check_basic(scheme: Basic) -> Check:
    """User and password are both compared, whichever is wrong."""

    def check(request: Request, credential: Credential, now: datetime, parts: Parts) -> str:
        given = _authorization(request, "Basic")
        try:
            user, colon, password = binascii.a2b_base64(given, strict_mode=True).partition(b":")
        except binascii.Error:
            raise AuthenticationFailed("header Authorization: Basic is not base64") from None
        if not colon:
            raise AuthenticationFailed("header Authorization: Basic holds no colon between user and password")
        expected = user_of(scheme, credential)
        if expected is None:
            raise AuthenticationFailed(f"no user is set: {env_name(scheme.user)} is unset")
        known = compare_digest(user, expected.encode())
        name = _matching([password], scheme.password, credential, "the password of header Authorization (Basic)")
        if not known:
            raise AuthenticationFailed("the user of header Authorization (Basic) is not the one that is set")
        return f"basic authentication, password {name}"

    return check


def user_of(scheme: Basic, credential: Credential) -> str | None:
    """The user that is expected; None where the credential is unset."""
    name = env_name(scheme.user)
    return scheme.user if name is None else (credential(name) or None)


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


def first_set(names: tuple[str, ...], credential: Credential) -> str:
    """The value of the first credential that is set, to sign with."""
    for name in names:
        if value := credential(name):
            return value
    raise SettingsError(f"can't sign: {', '.join(names)} unset")
