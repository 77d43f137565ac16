"""The kinds of challenges: what a sender may ask of an address, as data. What each is answered:
:mod:`gateway.inbound.challenges`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

import msgspec

Form: TypeAlias = Literal["text", "json"]
Method: TypeAlias = Literal["GET", "HEAD", "OPTIONS", "POST"]
Pairs: TypeAlias = tuple[tuple[str, str], ...]


class EchoQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Send a parameter of the query back."""

    name: str
    as_: Form = "text"
    """Alone, or as ``{name: value}``."""
    method: Literal["GET", "POST"] = "GET"
    where: Pairs = ()
    """Other parameters, and what they must be."""
    token: str | None = None
    """The parameter that must equal the secret."""
    secret: tuple[str, ...] = ()
    """Credential names: any of them may match."""


class EchoField(msgspec.Struct, frozen=True, kw_only=True):
    """Send a text of the JSON body back."""

    field: str
    """A dotted path."""
    as_: Form = "text"
    where: Pairs = ()
    """Dotted paths of the body, and what must stand there."""
    signed: bool = True


class EchoHeader(msgspec.Struct, frozen=True, kw_only=True):
    """Send a header back, as a header. What it says is not kept."""

    name: str


class HashToken(msgspec.Struct, frozen=True, kw_only=True):
    """Answer a token with its HMAC."""

    secret: tuple[str, ...]
    """Credential names: the first that is set."""
    answer: Pairs
    """The JSON object of the answer; ``{token}`` and ``{hmac}`` in its texts stand for what they say."""
    query: str | None = None
    """The parameter of a GET that holds the token; or"""
    field: str | None = None
    """the dotted path of a POST's JSON body."""
    where: Pairs = ()
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    signed: bool = False


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """The sender only looks whether somebody answers 200."""

    methods: tuple[Literal["GET", "HEAD"], ...] = ("HEAD",)


class FormPing(msgspec.Struct, frozen=True, kw_only=True):
    """An unsigned form with one field, a number, answered 200."""

    field: str


class EmptyList(msgspec.Struct, frozen=True, kw_only=True):
    """A signed body that is about nothing, answered 200 without a body; whatever is signed wrongly gets 401."""

    field: str
    """The dotted path of the list that is empty."""


class AllowOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """CloudEvents' web hooks: the sender asks by OPTIONS whether it may send."""

    origins: tuple[str, ...] = ()
    """Those that may; all where there are none."""
    rate: int | None = None
    """Requests per minute, told to a sender that asks for a rate; None allows any."""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """Open an address that a signed body names, and so confirm a subscription."""

    field: str
    """The dotted path of the address."""
    hosts: tuple[str, ...]
    """Where it may lead: names of hosts in which ``*`` stands for one label, ``sns.*.amazonaws.com``."""
    where: Pairs = ()
    """Dotted paths of the body, and what must stand there."""


Challenge: TypeAlias = (
    EchoQuery | EchoField | EchoHeader | HashToken | Probe | FormPing | EmptyList | AllowOrigin | Visit
)


def is_signed(challenge: Challenge) -> bool:
    """Whether the sender signs it, so that it is answered only after its signature was checked."""
    match challenge:
        case EchoField() | HashToken():
            return challenge.signed
        case EmptyList() | Visit():
            return True
        case _:
            return False


def methods_of(challenges: Iterable[Challenge]) -> tuple[str, ...]:
    """The methods that challenges need, POST left out: every hook takes that."""
    methods: set[str] = set()
    for challenge in challenges:
        match challenge:
            case EchoQuery():
                methods.add(challenge.method)
            case HashToken(query=str()):
                methods.add("GET")
            case Probe():
                methods.update(challenge.methods)
            case AllowOrigin():
                methods.add("OPTIONS")
            case _:
                pass
    return tuple(sorted(methods - {"POST"}))


def challenge_secrets(challenges: Iterable[Challenge]) -> tuple[str, ...]:
    """The names of the credentials that challenges read, each once, in order."""
    names: list[str] = []
    for challenge in challenges:
        if isinstance(challenge, (EchoQuery, HashToken)):
            names.extend(challenge.secret)
    return tuple(dict.fromkeys(names))
