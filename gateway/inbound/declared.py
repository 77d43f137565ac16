"""The ``verify`` key of a rules file, read into a scheme, with a precise word for whatever is wrong in it."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, Final

from gateway.inbound import declared_signatures
from gateway.inbound import declared_values as read
from gateway.inbound.declared_signatures import signature
from gateway.inbound.declared_tokens import token
from gateway.inbound.declared_values import KEY_FILES, Files, Given, Path, SchemeProblem
from gateway.inbound.presets import PRESETS, defaults
from gateway.inbound.schemes import (
    STRUCTS,
    AllOf,
    AnyOf,
    Basic,
    Bearer,
    Body,
    ClientCertificate,
    Header,
    IPAllow,
    NoVerification,
    Query,
    Scheme,
    env_name,
)

__all__ = ["KEY_FILES", "KINDS", "SchemeProblem", "scheme_from"]

KINDS: Final = tuple(STRUCTS)
"""The schemes that a rules file can spell out."""

_BARE: Final[Mapping[str, tuple[str, ...]]] = {
    "basic": ("user", "password"),
    "bearer": ("secret",),
    "header": ("name", "secret"),
    "query": ("name", "secret"),
    "body": ("path", "secret"),
}
"""What the shared secrets need."""


def scheme_from(value: object, *, files: Files | None = None) -> Scheme:
    """The scheme that the plain YAML value of a ``verify`` key describes; :class:`SchemeProblem` where it does not.

    A preset's name; a mapping, which needs all that it names; a list, which needs any; ``none``. ``files`` are the
    texts of the rules folder: public keys may stand there.
    """
    return NoVerification() if value == "none" else _scheme(value, (), files or {})


def _scheme(value: object, path: Path, files: Files) -> Scheme:
    match value:
        case "none":
            raise SchemeProblem(path, "none may only stand alone: beside a secret it would let unsigned requests in")
        case str():
            if value in KINDS:
                raise SchemeProblem(path, f"{value} needs its keys: write it as a mapping, {value}: {{…}}")
            read.known(value, PRESETS, path, "verification")
            return _named(value, None, path, files)
        case Mapping():
            if not value:
                raise SchemeProblem(path, "an empty mapping verifies nothing; for that write none")
            schemes = tuple(_named(str(name), inner, (*path, str(name)), files) for name, inner in value.items())
            return schemes[0] if len(schemes) == 1 else AllOf(schemes)
        case list() | tuple():
            if not value:
                raise SchemeProblem(path, "an empty list verifies nothing; for that write none")
            schemes = tuple(_scheme(inner, (*path, index), files) for index, inner in enumerate(value))
            return schemes[0] if len(schemes) == 1 else AnyOf(schemes)
        case _:
            raise SchemeProblem(path, f"found {read.kind_of(value)}; allowed: a preset's name, a mapping, a list, none")


def _named(name: str, value: object, path: Path, files: Files) -> Scheme:
    if name == "none":
        raise SchemeProblem(path, "none may only stand alone, as in verify: none")
    read.known(name, (*KINDS, *PRESETS), path, "verification")
    if name == "ip_allow":
        return _networks(value, path)
    if name not in PRESETS:
        return _spelt_out(name, read.mapping(value, path, name), path, files, preset=None)
    given = {} if value is None else read.mapping(value, path, name)
    return _spelt_out(PRESETS[name].kind, {**defaults(name, given), **given}, path, files, preset=name)


def _spelt_out(kind: str, given: Given, path: Path, files: Files, *, preset: str | None) -> Scheme:
    if kind in declared_signatures.KINDS:
        return signature(kind, given, path, files=files, preset=preset)
    if kind == "jwt":
        return token(given, path, files=files, preset=preset)
    if kind == "client_certificate":
        return _certificate(given, path)
    return _shared_secret(kind, given, path, preset=preset)


def _shared_secret(kind: str, given: Given, path: Path, *, preset: str | None) -> Scheme:
    read.check_keys(given, (*_BARE[kind], "per"), path, required=_BARE[kind])
    known: dict[str, Any] = {"preset": preset}
    if "per" in given:
        known["per"] = read.path_part(given["per"], (*path, "per"))
    if kind == "basic":
        user = read.text(given, "user", path)
        if user.startswith("$") and env_name(user) is None:
            raise SchemeProblem((*path, "user"), f"found {user!r}; allowed: the user as text, or $env.NAME")
        return Basic(user=user, password=read.secrets(given, "password", path), **known)
    secret = read.secrets(given, "secret", path)
    match kind:
        case "bearer":
            return Bearer(secret=secret, **known)
        case "header":
            return Header(name=read.text(given, "name", path), secret=secret, **known)
        case "query":
            return Query(name=read.text(given, "name", path), secret=secret, **known)
        case _:
            place = read.dotted(read.text(given, "path", path), (*path, "path"), stars=True)
            return Body(path=place, secret=secret, **known)


def _networks(value: object, path: Path) -> IPAllow:
    found = read.texts({"ip_allow": value}, "ip_allow", path[:-1])
    for index, one in enumerate(found):
        try:
            ip_network(one)
        except ValueError as error:
            place = (*path, index) if isinstance(value, list | tuple) else path
            why = "its address has bits behind the prefix" if "host bits" in str(error) else "it is no network"
            raise SchemeProblem(
                place, f"found {one!r}: {why}; allowed: 192.0.2.0/24, 2001:db8::/32, or one address"
            ) from None
    return IPAllow(found)


def _certificate(given: Given, path: Path) -> ClientCertificate:
    read.check_keys(given, ("header", "subject", "fingerprint", "verified"), path, required=("header",))
    if not {"subject", "fingerprint"} & {*given}:
        raise SchemeProblem(path, "say whose certificate it is: subject or fingerprint")
    return ClientCertificate(
        header=read.text(given, "header", path),
        subject=read.texts(given, "subject", path) if "subject" in given else (),
        fingerprint=read.texts(given, "fingerprint", path) if "fingerprint" in given else (),
        verified=read.text(given, "verified", path) if "verified" in given else None,
    )
