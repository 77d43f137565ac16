"""How a source proves itself, as data: frozen schemes, and the reading of them from the ``verify`` key of a rules file.

Secrets stand here by credential *name* only (``SHOPIFY_SECRET``); the value is looked up when a request is verified.

The keys of ``hmac`` beyond those that every sender needs:

=================== =====================================================================================
``separator``       the header holds several entries, split at this text; an entry counts if it begins with
                    ``prefix`` (Standard Webhooks: ``separator: " "``, ``prefix: "v1,"``)
``parse``           the entries are ``name=value``; ``signature`` names those that hold a signature, ``timestamp`` the
                    one that holds the time (Stripe: ``{timestamp: t, signature: v1}``); the separator is then ``,``
``timestamp_header``, ``id_header``  the headers that ``{timestamp}`` and ``{id}`` are read from
``timestamp_unit``  ``s`` (default), ``ms`` or ``iso`` (ISO 8601 text with a zone)
``signature_path``, ``timestamp_path``  for senders that put them into the JSON body: dotted paths
``per``             ``$path.NAME``: one secret per value of that part of the address (``SECRET`` + ``_`` + VALUE)
=================== =====================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final, Literal, TypeAlias

import msgspec

from gateway.inbound.request import Request

Credential: TypeAlias = Callable[[str], str | None]
"""From a credential's name to its value; None where it is unset."""
Parts: TypeAlias = Mapping[str, str]
"""The named parts of the path."""
Check: TypeAlias = Callable[[Request, Credential, datetime, Parts], str]
"""A compiled scheme: says in words how a request was proved, or raises AuthenticationFailed."""

Algorithm = Literal["sha1", "sha256", "sha512", "md5"]
Encoding = Literal["hex", "base64", "base64url"]
KeyForm = Literal["utf8", "hex", "base64", "whsec"]
TimestampUnit = Literal["s", "ms", "iso"]


class Parse(msgspec.Struct, frozen=True, kw_only=True):
    """The names of the ``name=value`` entries of a signature header."""

    signature: str
    timestamp: str | None = None


class Hmac(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A keyed hash over a template of the request."""

    secret: tuple[str, ...]
    """Credential names; any of them may match, so that secrets can be rotated."""
    header: str | None = None
    signature_path: str | None = None
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: str = ""
    separator: str | None = None
    parse: Parse | None = None
    signed: str = "{body}"
    """The template; see :mod:`gateway.inbound.signed` for its placeholders."""
    timestamp_header: str | None = None
    timestamp_path: str | None = None
    timestamp_unit: TimestampUnit = "s"
    id_header: str | None = None
    tolerance: int | None = None
    """Seconds, into the past and into the future; None does not look at the clock."""
    key: KeyForm = "utf8"
    per: str | None = None
    """The named path part that chooses the secret, without ``$path.``."""
    preset: str | None = None


class Header(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A shared secret as the whole value of a header."""

    name: str
    secret: tuple[str, ...]


class Basic(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """HTTP basic authentication (RFC 7617)."""

    user: str
    """Literal, or ``$env.NAME``."""
    password: tuple[str, ...]


class Bearer(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """``Authorization: Bearer SECRET`` (RFC 6750)."""

    secret: tuple[str, ...]


class Query(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A shared secret in the query of the address."""

    name: str
    secret: tuple[str, ...]


class Body(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A shared secret at a dotted path of the JSON body."""

    path: str
    secret: tuple[str, ...]


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


Scheme: TypeAlias = Hmac | Header | Basic | Bearer | Query | Body | NoVerification | AllOf | AnyOf

ENV: Final = re.compile(r"\$env\.([A-Za-z_][A-Za-z0-9_]*)")
"""How a rules file names a credential."""


def env_name(text: str) -> str | None:
    """The credential's name in ``$env.NAME``, or None where the text is no such thing."""
    match = ENV.fullmatch(text)
    return match.group(1) if match else None


def secrets_of(scheme: Scheme) -> tuple[str, ...]:
    """The names of all the credentials that a scheme reads, each once, in order.

    With ``per`` these are the first halves of the names: the value of the path part completes them.
    """
    match scheme:
        case Hmac() | Header() | Bearer() | Query() | Body():
            names: tuple[str, ...] = scheme.secret
        case Basic():
            user = env_name(scheme.user)
            names = (*((user,) if user else ()), *scheme.password)
        case AllOf() | AnyOf():
            names = tuple(name for part in scheme.schemes for name in secrets_of(part))
        case NoVerification():
            names = ()
    return tuple(dict.fromkeys(names))


def body_secrets(scheme: Scheme) -> tuple[str, ...]:
    """The dotted paths of the body at which shared secrets stand."""
    match scheme:
        case Body():
            return (scheme.path,)
        case AllOf() | AnyOf():
            return tuple(dict.fromkeys(path for part in scheme.schemes for path in body_secrets(part)))
        case _:
            return ()


def needs_url(scheme: Scheme) -> bool:
    """Whether the source must say its ``public_url``, because the sender signs it."""
    match scheme:
        case Hmac():
            return "{url}" in scheme.signed
        case AllOf() | AnyOf():
            return any(needs_url(part) for part in scheme.schemes)
        case _:
            return False
