"""``hmac``, ``digest``, ``ecdsa``, ``ed25519`` and ``rsa`` under ``verify``, read into schemes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec

from gateway.inbound import declared_values as read
from gateway.inbound.declared_values import Files, Given, Path, SchemeProblem
from gateway.inbound.hashes import UnusableKey
from gateway.inbound.public_keys import key_for
from gateway.inbound.schemes import (
    STRUCTS,
    Digest,
    Ecdsa,
    Ed25519,
    Hmac,
    Parse,
    PublicKey,
    PublishedAt,
    Rsa,
    Scheme,
    Signature,
)
from gateway.inbound.signed import PLACEHOLDERS, SECRET, TemplateProblem, compile_signed, placeholders_of

KINDS: Final = ("hmac", "digest", "ecdsa", "ed25519", "rsa")

_PATHS: Final = ("signature_path", "timestamp_path", "each")
_SECRET_NAME = SECRET.strip("{}")
_HOST = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+(?::[0-9]{1,5})?")


def signature(kind: str, given: Given, path: Path, *, files: Files, preset: str | None) -> Scheme:
    """The scheme that a mapping describes."""
    struct = STRUCTS[kind]
    fields = {field.name: field for field in msgspec.structs.fields(struct) if field.name != "preset"}
    if "secret" in given and "secret" not in fields:
        raise SchemeProblem((*path, "secret"), f"{kind} is verified with a public key: public_key, and no secret")
    read.check_keys(given, fields, path)
    found: dict[str, Any] = {"preset": preset}
    for key in (key for key in fields if key in given):
        match key:
            case "secret":
                found[key] = read.secrets(given, key, path)
            case "public_key":
                found[key] = read.public_keys(given, key, path, files)
            case "published":
                found[key] = _published(given[key], (*path, key))
            case "parse":
                found[key] = _parse(given[key], (*path, key))
            case "tolerance":
                found[key] = read.length(given[key], (*path, key))
            case "per":
                found[key] = read.path_part(given[key], (*path, key))
            case "signed":
                found[key] = _signed(read.text(given, key, path), (*path, key), plain=kind == "digest")
            case _ if choices := get_args(fields[key].type):
                words = [word for word in choices if isinstance(word, str)]
                found[key] = read.choice(given, key, words, path) if words else read.text(given, key, path)
            case _:
                found[key] = read.text(given, key, path)
    for key in _PATHS:
        if key in found:
            found[key] = read.dotted(found[key], (*path, key), stars=key == "each")
    if kind in ("hmac", "digest"):
        if "secret" not in found:
            raise SchemeProblem(path, "secret is missing: name it as $env.NAME")
    else:
        _check_public(kind, struct, given, found, path)
    if kind == "digest":
        found.setdefault("signed", "{body}")
    scheme = struct(**found)
    assert isinstance(scheme, Hmac | Digest | Ecdsa | Ed25519 | Rsa)
    _sound(scheme, path)
    return scheme


def _check_public(kind: str, struct: type, given: Given, found: dict[str, Any], path: Path) -> None:
    if ("public_key" in found) == ("published" in found):
        raise SchemeProblem(path, "say where the key is: public_key, or published for one that the request names")
    keys: tuple[PublicKey, ...] = found.get("public_key", ())
    for index, key in enumerate(keys):
        place = (*path, "public_key", index) if isinstance(given["public_key"], list | tuple) else (*path, "public_key")
        if key.text is None:
            continue
        if "per" in found:
            raise SchemeProblem(place, f"per chooses among credentials, and {key.name} is a file; name it as $env.NAME")
        try:
            key_for(struct, key.text)
        except UnusableKey as error:
            raise SchemeProblem(place, f"{key.name} {error}") from None


def _sound(scheme: Signature, path: Path) -> None:
    """The keys must make sense together: each reader has its source, and a time that is trusted is signed."""
    if [scheme.header, scheme.signature_path, scheme.signature_query].count(None) != 2:
        raise SchemeProblem(path, "say where the signature stands: one of header, signature_path, signature_query")
    if scheme.header is not None and "*" in scheme.header[:-1]:
        raise SchemeProblem((*path, "header"), "* may stand only at the end, for the number: X-Signature-*")
    if scheme.each is not None and scheme.signature_path is None:
        raise SchemeProblem((*path, "each"), "each is for signatures that stand in the elements: add signature_path")
    beside = scheme.parse.timestamp if scheme.parse else None
    sources = [source for source in (scheme.timestamp_header, scheme.timestamp_path, beside) if source is not None]
    if len(sources) > 1:
        raise SchemeProblem(path, "the timestamp has one place: timestamp_header, timestamp_path or parse.timestamp")
    used = placeholders_of(scheme.signed)
    if "timestamp" in used and not sources:
        raise SchemeProblem(
            (*path, "signed"), "{timestamp} has no source: add timestamp_header, timestamp_path or parse.timestamp"
        )
    if "id" in used and scheme.id_header is None:
        raise SchemeProblem((*path, "signed"), "{id} has no source: add id_header")
    if isinstance(scheme, Digest) and used.count(_SECRET_NAME) != 1:
        raise SchemeProblem((*path, "signed"), "a digest is a hash over the secret too: {secret} stands once in signed")
    if isinstance(scheme, Hmac) and scheme.body_query is not None and not {"url", "sorted_form"} <= {*used}:
        raise SchemeProblem((*path, "body_query"), "body_query needs {url} and {sorted_form} in signed")
    if scheme.tolerance is None:
        return
    if not sources:
        raise SchemeProblem(
            (*path, "tolerance"), "tolerance needs a timestamp: timestamp_header, timestamp_path or parse.timestamp"
        )
    as_header = f"header.{scheme.timestamp_header}".lower()
    names = tuple(name for used_name in used for name in _fields_of(used_name))
    covered = (
        "timestamp" in used
        or as_header in (name.lower() for name in names)
        or (scheme.timestamp_path is not None and ("body" in used or f"body.{scheme.timestamp_path}" in names))
    )
    if not covered:
        raise SchemeProblem((*path, "signed"), "tolerance trusts a timestamp that is not signed: add {timestamp}")


def _fields_of(placeholder: str) -> tuple[str, ...]:
    """The single fields that a placeholder stands for."""
    if placeholder.startswith("lines("):
        return tuple(f"body.{name.strip()}" for name in placeholder[6:-1].split(","))
    return (placeholder,)


def _signed(template: str, path: Path, *, plain: bool) -> str:
    try:
        for piece in template.split(SECRET) if plain else [template]:
            compile_signed(piece)
    except TemplateProblem as problem:
        if problem.found == SECRET:
            raise SchemeProblem(path, "{secret} stands only in a digest: it is the key here") from None
        allowed = (*PLACEHOLDERS, SECRET) if plain else PLACEHOLDERS
        raise SchemeProblem(
            path, f"{problem}; allowed: {' '.join(allowed)}{read.meant(problem.found, allowed)}"
        ) from None
    if not set(placeholders_of(template)) - {_SECRET_NAME}:
        raise SchemeProblem(path, "the template holds no placeholder, so one signature would fit every request")
    return template


def _parse(value: object, path: Path) -> Parse:
    if not isinstance(value, Mapping):
        raise SchemeProblem(path, f"found {read.kind_of(value)}; parse takes a mapping of signature and timestamp")
    read.check_keys(value, ("signature", "timestamp"), path, required=("signature",))
    timestamp = read.text(value, "timestamp", path) if "timestamp" in value else None
    return Parse(signature=read.text(value, "signature", path), timestamp=timestamp)


def _published(value: object, path: Path) -> PublishedAt:
    given = read.mapping(value, path, "published")
    read.check_keys(given, ("header", "path", "hosts"), path, required=("hosts",))
    if ("header" in given) == ("path" in given):
        raise SchemeProblem(path, "say where the certificate's address stands: either header or path")
    hosts = read.texts(given, "hosts", path)
    for index, host in enumerate(hosts):
        if not _HOST.fullmatch(host):
            place = (*path, "hosts", index) if isinstance(given["hosts"], list | tuple) else (*path, "hosts")
            raise SchemeProblem(place, f"found {host!r}; allowed: a whole host in lower case, such as api.paypal.com")
    return PublishedAt(
        hosts=hosts,
        header=read.text(given, "header", path) if "header" in given else None,
        path=read.dotted(read.text(given, "path", path), (*path, "path")) if "path" in given else None,
    )
