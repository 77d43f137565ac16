"""``jwt`` under ``verify``, read into a scheme."""

from __future__ import annotations

import re
from typing import Any, Final, get_args

import msgspec

from gateway.inbound import declared_values as read
from gateway.inbound.declared_values import Files, Given, Path, SchemeProblem
from gateway.inbound.hashes import UnusableKey
from gateway.inbound.public_keys import key_for
from gateway.inbound.schemes import Ecdsa, Ed25519, Jwt, PublicKey, Rsa, TokenAlgorithm
from gateway.inbound.tokens import key_set

KEYS: Final = (*(field.name for field in msgspec.structs.fields(Jwt) if field.name != "preset"), "whole_body")
_FAMILY: Final = {"RS": Rsa, "PS": Rsa, "ES": Ecdsa, "Ed": Ed25519}
_ADDRESS = re.compile(r"https://[A-Za-z0-9.-]+(?::\d{1,5})?/[^\s#]*")
_LOOPBACK = re.compile(r"http://(?:localhost|127\.0\.0\.1)(?::\d{1,5})?/[^\s#]*")


def token(given: Given, path: Path, *, files: Files, preset: str | None) -> Jwt:
    """The scheme that a mapping describes."""
    read.check_keys(given, KEYS, path, required=("algorithms",))
    algorithms = read.texts(given, "algorithms", path)
    for index, name in enumerate(algorithms):
        place = (*path, "algorithms", index) if isinstance(given["algorithms"], list | tuple) else (*path, "algorithms")
        read.known(name, get_args(TokenAlgorithm), place, "algorithm")
    found: dict[str, Any] = {"algorithms": algorithms, "preset": preset}
    if "whole_body" in given and read.flag(given, "whole_body", path):
        if "header" in given:
            raise SchemeProblem((*path, "header"), "the token is the whole body; it does not stand in a header too")
        found["header"] = None
    elif "header" in given:
        found["header"] = read.text(given, "header", path)
    if "prefix" in given:
        found["prefix"] = read.text(given, "prefix", path)
    elif "whole_body" not in given and str(given.get("header", "Authorization")).lower() == "authorization":
        found["prefix"] = "Bearer "
    if "secret" in given:
        found["secret"] = read.secrets(given, "secret", path)
    if "public_key" in given:
        found["public_key"] = read.public_keys(given, "public_key", path, files)
    if "jwks" in given:
        found["jwks"] = _set_of_keys(given["jwks"], (*path, "jwks"), files)
    for key in ("issuer", "audience"):
        if key in given:
            found[key] = read.texts(given, key, path)
    if "claims" in given:
        claims = read.mapping(given["claims"], (*path, "claims"), "claims")
        found["claims"] = tuple((str(name), read.text(claims, str(name), (*path, "claims"))) for name in claims)
    if "body_claim" in given:
        found["body_claim"] = read.text(given, "body_claim", path)
    if "tolerance" in given:
        found["tolerance"] = read.length(given["tolerance"], (*path, "tolerance"))
    if "per" in given:
        found["per"] = read.path_part(given["per"], (*path, "per"))
    _sound(found, given, path)
    return Jwt(**found)


def _sound(found: dict[str, Any], given: Given, path: Path) -> None:
    sources = [key for key in ("secret", "public_key", "jwks") if key in found]
    if len(sources) != 1:
        raise SchemeProblem(path, "say what it is verified with: one of secret, public_key, jwks")
    keyed = [name.startswith("HS") for name in found["algorithms"]]
    if any(keyed) and (not all(keyed) or sources != ["secret"]):
        raise SchemeProblem(
            (*path, "algorithms"), "HS… takes a secret and nothing else: a public key must never be used as a secret"
        )
    if sources == ["secret"] and not all(keyed):
        raise SchemeProblem((*path, "algorithms"), "a secret verifies HS256, HS384 and HS512; others take public_key")
    if found.get("header", "") is None and "body_claim" in found:
        raise SchemeProblem((*path, "body_claim"), "the token is the whole body, so no claim holds its hash")
    kinds = {_FAMILY[name[:2]] for name in found["algorithms"] if not name.startswith("HS")}
    keys: tuple[PublicKey, ...] = found.get("public_key", ())
    for index, key in enumerate(keys):
        if key.text is None:
            continue
        place = (*path, "public_key", index) if isinstance(given["public_key"], list | tuple) else (*path, "public_key")
        failures = []
        for kind in kinds:
            try:
                key_for(kind, key.text)
            except UnusableKey as error:
                failures.append(str(error))
        if len(failures) == len(kinds):
            raise SchemeProblem(place, f"{key.name} {failures[0]}")


def _set_of_keys(found: object, path: Path, files: Files) -> PublicKey:
    if isinstance(found, str) and "://" in found:
        if not _ADDRESS.fullmatch(found) and not _LOOPBACK.fullmatch(found):
            raise SchemeProblem(path, f"found {found[:60]!r}; allowed: a literal address with https://")
        return PublicKey(found)
    key = read.one_key(found, path, files)
    if key.text is not None:
        try:
            key_set(key.text)
        except UnusableKey as error:
            raise SchemeProblem(path, f"{key.name} {error}") from None
    return key
