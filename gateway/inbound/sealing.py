"""What is kept of a request that failed authentication: its credentials as keyed hashes, all else as it was sent.

A stranger's guess and a sender's old password are secrets of somebody, so none is stored in clear. To verify again
after a correction they need not be known: a secret that is configured now is hashed with the same key, and where the
hashes are equal it is what was sent, and is put back in its place.

Sealed are the headers and parameters that the source's scheme reads a shared secret from, ``Authorization`` and cookies
always, and whatever is named like a credential, since a sender that is set up wrongly shows it in the wrong place. A
signature is good for one body only and stays as it is.
"""

from __future__ import annotations

import binascii
import hmac
import json
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qsl, quote

import msgspec

from gateway.errors import AuthenticationFailed
from gateway.inbound.authentication import redact_headers, redact_query
from gateway.inbound.chosen import suffix_of
from gateway.inbound.documents import body_texts
from gateway.inbound.needs import body_secrets, parts_of, per_of, secrets_of
from gateway.inbound.request import Request
from gateway.inbound.schemes import (
    Basic,
    ClientCertificate,
    Credential,
    Ecdsa,
    Ed25519,
    Jwt,
    Parts,
    Rsa,
    Scheme,
    Signature,
)
from gateway.inbound.shared_secrets import user_of
from gateway.inbound.signed import placeholders_of, raw

_CREDENTIAL_NAME: Final = re.compile(
    r"(?:^|[-_.])(?:token|secret|password|passwd|pwd|credentials?|auth|authorization|cookie|api[-_]?key)(?:$|[-_.])",
    re.IGNORECASE,
)
SEALED: Final = re.compile(r"\[sealed:([0-9a-f]{32})\]")
MAX_SHOWN: Final = 16
"""Different secrets in one body: a sender has one, or two while it changes."""
MAX_SEALS: Final = 4_000
"""Places of a body, some 170 kB of hashes."""
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{1,19} +")
"""The kind of credential at the beginning of an ``Authorization`` header; it says much and reveals nothing."""


def sealed(request: Request, scheme: Scheme, key: bytes) -> tuple[Request, str | None]:
    """The request as it may be stored, and why it is without its body, if it is: the scheme reads a secret there that
    can't be told from the rest."""
    lacking = None
    try:
        body = _sealed_body(request, scheme, key)
    except AuthenticationFailed as error:
        body, lacking = b"", f"it may hold the secret of verify, which could not be taken out: {error}"
    headers, query = _sealed_headers(request, scheme, key), _sealed_query(request.query, scheme, key)
    return msgspec.structs.replace(request, headers=headers, query=query, body=body), lacking


def unsealed(request: Request, scheme: Scheme, key: bytes, *, credential: Credential, parts: Parts) -> Request:
    """The request with each sealed credential put back that equals one of those that the scheme reads now."""
    known = {_hash(key, value): value for value in _expected(scheme, credential, parts)}
    encoded = {_hash(key, form): form for value in known.values() for form in _json_forms(value)}

    def in_header(found: re.Match[str]) -> str:
        value = known.get(found[1])
        return found[0] if value is None else value.decode("latin-1")

    def in_query(found: re.Match[str]) -> str:
        value = known.get(found[1])
        return found[0] if value is None else quote(value, safe="")

    def in_body(found: re.Match[bytes]) -> bytes:
        return encoded.get(found[1].decode(), found[0])

    return msgspec.structs.replace(
        request,
        headers=tuple((name, SEALED.sub(in_header, value)) for name, value in request.headers),
        query=SEALED.sub(in_query, request.query),
        body=re.sub(SEALED.pattern.encode(), in_body, request.body) if body_secrets(scheme) else request.body,
    )


def is_credential(name: str) -> bool:
    """Whether a header or parameter is named like one that holds a credential."""
    return _CREDENTIAL_NAME.search(name) is not None


def _hash(key: bytes, value: bytes) -> str:
    return hmac.digest(key, value, "sha256").hex()[:32]


def _seal(key: bytes, value: bytes) -> str:
    return f"[sealed:{_hash(key, value)}]"


def _sealed_headers(request: Request, scheme: Scheme, key: bytes) -> tuple[tuple[str, str], ...]:
    headers = []
    for sent, shown in zip(request.headers, redact_headers(request.headers, scheme), strict=True):
        name, value = sent
        if (shown != sent or is_credential(name)) and not _is_signature(name, scheme):
            word = _WORD.match(value) if name == "authorization" else None
            kept = word[0] if word is not None else ""
            value = kept + _seal(key, raw(value[len(kept) :].strip()))
        headers.append((name, value))
    return tuple(headers)


def _is_signature(name: str, scheme: Scheme) -> bool:
    """Whether a header is one that a signature is verified with: to seal it would make that impossible. A token is one
    too, though it is good for a while: it can't be verified by a hash."""
    for part in parts_of(scheme):
        read: list[str | None] = []
        match part:
            case Signature():
                read = [part.header, part.timestamp_header, part.id_header]
                read += [text.removeprefix("header.") for text in placeholders_of(part.signed) if "header." in text]
                if isinstance(part, Ecdsa | Ed25519 | Rsa) and part.published is not None:
                    read.append(part.published.header)
            case Jwt():
                read = [part.header]
            case ClientCertificate():
                read = [part.header, part.verified]
        for one in filter(None, read):
            if name == one.lower() or (one.endswith("*") and name.startswith(one[:-1].lower())):
                return True
    return False


def _sealed_query(query: str, scheme: Scheme, key: bytes) -> str:
    if not query:
        return query
    kept = []
    for piece in query.split("&"):
        name, equals, _ = piece.partition("=")
        pairs = parse_qsl(piece, keep_blank_values=True, encoding="latin-1")
        if equals and pairs and (redact_query(piece, scheme) != piece or is_credential(pairs[0][0])):
            piece = f"{name}={_seal(key, raw(pairs[0][1]))}"
        kept.append(piece)
    return "&".join(kept)


def _sealed_body(request: Request, scheme: Scheme, key: bytes) -> bytes:
    body = request.body
    found: set[bytes] = set()
    for path in body_secrets(scheme):
        shown = set(body_texts(request, tuple(path.split("."))))
        if len(shown) > MAX_SHOWN:
            # Each is looked for in all of the body: a stranger could make that take for ever.
            raise AuthenticationFailed(f"{path} of the body shows {len(shown):,} secrets; at most {MAX_SHOWN} are")
        for text in shown:
            forms = [form for form in _json_forms(text.encode("utf-8", "surrogatepass")) if form and form in body]
            if not forms:
                raise AuthenticationFailed(f"{path} of the body is written in an unusual way")
            found.update(forms)
    if not found:
        return body
    longest_first = sorted(found, key=len, reverse=True)
    if sum(map(body.count, longest_first)) > MAX_SEALS:
        # A hash is longer than a letter, and the body would become many times what it was.
        raise AuthenticationFailed(f"it stands there over {MAX_SEALS:,} times")
    pattern = re.compile(b"|".join(map(re.escape, longest_first)))
    return pattern.sub(lambda match: _seal(key, match[0]).encode(), body)


def _json_forms(value: bytes) -> Iterator[bytes]:
    """A text as JSON may write it, without its quotes."""
    text = value.decode("utf-8", "surrogatepass")
    forms = [json.dumps(text)[1:-1]]
    try:
        text.encode()
        forms.append(json.dumps(text, ensure_ascii=False)[1:-1])
    except UnicodeEncodeError:
        pass
    forms += [form.replace("/", "\\/") for form in forms]
    yield from (form.encode() for form in dict.fromkeys(forms))


def _expected(scheme: Scheme, credential: Credential, parts: Parts) -> Iterator[bytes]:
    """What a sender with the right secrets shows, by each of those that are set."""
    for part in parts_of(scheme):
        try:
            suffix = suffix_of(per_of(part), parts)
        except AuthenticationFailed:
            continue
        for name in secrets_of(part):
            if value := credential(name + suffix):
                yield value.encode("utf-8", "surrogatepass")
        if isinstance(part, Basic) and (user := user_of(part, credential, suffix)) is not None:
            for name in part.password:
                pair = f"{user}:{credential(name + suffix) or ''}"
                yield binascii.b2a_base64(pair.encode("utf-8", "surrogatepass"), newline=False)
