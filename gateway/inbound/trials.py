"""What the signature debugger works with: its verdict, and verifying again with one thing changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from functools import cache

import msgspec

from gateway.errors import AuthenticationFailed, Rejected
from gateway.inbound.authentication import verify
from gateway.inbound.chosen import chosen
from gateway.inbound.declared import scheme_from
from gateway.inbound.needs import per_of, reads
from gateway.inbound.presets import PRESETS
from gateway.inbound.request import Request
from gateway.inbound.schemes import (
    Basic,
    Bearer,
    Body,
    Credential,
    Digest,
    Header,
    Hmac,
    Jwt,
    Means,
    Query,
    Scheme,
    Signature,
)

_OVERHEAD = 2000
"""What one verification costs besides the body, in bytes hashed."""
_READING = 12
_FIELD = 1_500
"""What a byte and a field cost where the body is taken apart: 10,000 fields of a form take some 20 ms."""


class Cause(StrEnum):
    """What kind of thing is wrong: few words, to be counted by."""

    ABSENT = "absent"
    """Nothing in the request looks like the proof that is asked for."""
    UNSIGNED = "unsigned"
    """The signature is empty, or says that there is none."""
    OTHER_SCHEME = "other_scheme"
    """It proves itself in another way than the rules file says."""
    SECRET = "secret"  # noqa: S105 - a word
    """The configured secret is unset, is read in the wrong form, or has something around it."""
    OTHER_SECRET = "other_secret"  # noqa: S105 - a word
    """It was signed with another secret that is configured here."""
    TIMESTAMP = "timestamp"
    """Its time is absent, unreadable or outside the tolerance; all else matches, as far as it can be told."""
    FORM = "form"
    """Encoding, algorithm, prefix, capitals: the right thing, written otherwise."""
    BODY_CHANGED = "body_changed"
    """The signature matches the body as it was before something re-encoded it."""
    ORIGIN = "origin"
    """It comes from an address, or with a client certificate, that is not allowed."""
    ADDRESS = "address"
    """The signature matches another address than ``public_url``."""
    MISMATCH = "mismatch"
    """Nothing that was tried matches."""
    UNDIAGNOSED = "undiagnosed"
    """Too much failed at once to look at each."""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request failed authentication, for the operator. Names credentials and shows none."""

    cause: Cause
    findings: tuple[str, ...] = ()


class Trials:
    """One refused request, and verifying it again until the budget (bytes) is spent."""

    def __init__(self, scheme: Scheme, request: Request, means: Means, *, budget: int) -> None:
        self.scheme, self.request, self.means = scheme, request, means
        self._left = budget
        self.short = False
        """Whether the budget did not allow everything."""

    def holds(
        self,
        *,
        scheme: Scheme | None = None,
        request: Request | None = None,
        secret: str | None = None,
        now: datetime | None = None,
        effort: int = 0,
    ) -> bool:
        """Whether it verifies with these instead: ``secret`` is the value of whichever credential is its secret.

        ``effort`` is what making them has cost, in bytes.
        """
        request = request or self.request
        cost = _cost(scheme or self.scheme, request.body) + _OVERHEAD + effort
        if cost > self._left:
            self.short = True
            return False
        self._left -= cost
        means = self.means
        try:
            verify(
                scheme or self.scheme,
                request,
                credential=means.credential if secret is None else self._instead(secret),
                now=now or means.now,
                parts=means.parts,
                published=means.published,
            )
        except Rejected:
            return False
        return True

    def value(self, name: str) -> str | None:
        """A credential's value; None where it is unset."""
        return self.means.credential(name) or None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the secrets that it is verified with, as the path chooses them."""
        match self.scheme:
            case Hmac() | Digest() | Header() | Bearer() | Query() | Body() | Jwt():
                names = self.scheme.secret
            case Basic():
                names = self.scheme.password
            case _:
                return ()
        try:
            return chosen(names, per_of(self.scheme), self.means.parts)
        except AuthenticationFailed:
            return ()

    @property
    def secrets(self) -> list[tuple[str, str]]:
        """Name and value of those that are set."""
        return [(name, value) for name in self.names if (value := self.value(name))]

    def _instead(self, secret: str) -> Credential:
        names = self.names
        return lambda name: secret if name in names else self.means.credential(name)


def _cost(scheme: Scheme, body: bytes) -> int:
    """What one verification costs for its body, in bytes hashed."""
    if reads(scheme) or (isinstance(scheme, Signature) and "{sorted_form}" in scheme.signed):
        return len(body) * _READING + body.count(b"&") * _FIELD
    return len(body)


@cache
def presets_by_header() -> Mapping[str, Sequence[tuple[str, Scheme]]]:
    """The presets, by the name (in lower case) of the header that only they put their proof into."""
    found: dict[str, list[tuple[str, Scheme]]] = {}
    for name in PRESETS:
        scheme = scheme_from(name)
        match scheme:
            case Signature() | Jwt():
                header = scheme.header
            case Header():
                header = scheme.name
            case _:
                continue
        if header is not None and header.lower() != "authorization" and not header.endswith("*"):
            found.setdefault(header.lower(), []).append((name, scheme))
    return found


def mended_secrets(value: str) -> Iterator[tuple[str, str]]:
    """What may have gone wrong when a secret was copied."""
    stripped = value.strip()
    if stripped != value:
        yield "without the whitespace around it", stripped
    if len(stripped) > 2 and stripped[0] == stripped[-1] and stripped[0] in "\"'":
        yield "without the quotes around it", stripped[1:-1]
    if not value.endswith("\n"):
        yield "with a newline at its end: the sender's ends in one", f"{value}\n"
