"""Keyed hashes: an :class:`~gateway.inbound.schemes.Hmac` compiled to a check, and used as its sender uses it.

The comparison is over the encoded signature as text, in constant time: base64 has several spellings of the same bytes,
and only the one that a sender makes is taken. Hex digits count in either case.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from gateway.errors import AuthenticationFailed, SettingsError
from gateway.inbound.request import Request
from gateway.inbound.schemes import Check, Credential, Encoding, Hmac, KeyForm, Parts, TimestampUnit
from gateway.inbound.signed import body_text, compile_signed, placeholders_of, raw

_DIGEST_LENGTH: Final = {"md5": 16, "sha1": 20, "sha256": 32, "sha512": 64}
_MAX_SIGNATURES: Final = 32
_PART = re.compile(r"[A-Za-z0-9_-]+")
_HEX = re.compile(rb"[0-9a-fA-F]+")
_BASE64 = re.compile(rb"[0-9A-Za-z+/_-]+={0,2}")


class _UnusableKey(ValueError):
    """A secret is not of the form that the scheme's ``key`` says."""


def check_hmac(scheme: Hmac) -> Check:
    """A function that says in words how a request was proved, or raises AuthenticationFailed."""
    message_of = compile_signed(scheme.signed)
    algorithm, encoding = scheme.algorithm, scheme.encoding
    where = f"header {scheme.header}" if scheme.header is not None else f"{scheme.signature_path} of the body"
    names_id = "id" in placeholders_of(scheme.signed)
    names_time = "timestamp" in placeholders_of(scheme.signed) or scheme.tolerance is not None
    kind = f"{scheme.preset}: " if scheme.preset else ""
    words = f"{kind}HMAC-{algorithm.upper()} of {scheme.signed} in {where}, secret "

    def check(request: Request, credential: Credential, now: datetime, parts: Parts) -> str:
        signatures, timestamp = _signatures(scheme, request, where)
        if names_time:
            timestamp = _timestamp(scheme, request, timestamp, where)
            if scheme.tolerance is not None:
                _in_time(timestamp, scheme.timestamp_unit, scheme.tolerance, now)
        id_ = ""
        if names_id:
            id_ = _present(request, scheme.id_header or "")
        message = message_of(request, timestamp, id_)
        matched = None
        keys, unusable = _keys(scheme, credential, parts)
        for name, key in keys:
            expected = encode(hmac.digest(key, message, algorithm), encoding)
            for signature in signatures:
                if hmac.compare_digest(expected, signature):
                    matched = name
        if matched is not None:
            return words + matched
        raise AuthenticationFailed(_mismatch(scheme, where, signatures, [name for name, _ in keys], unusable))

    return check


def sign_hmac(
    scheme: Hmac,
    request: Request,
    *,
    credential: Credential,
    now: datetime,
    parts: Parts,
    id_: str | None,
) -> dict[str, str]:
    """The headers that the sender would add, signed with the first secret that is set."""
    if scheme.header is None:
        raise SettingsError(f"the signature travels in the body: put it at {scheme.signature_path}")
    keys, unusable = _keys(scheme, credential, parts)
    if not keys:
        raise SettingsError(f"can't sign: {'; '.join(unusable)}")
    added: dict[str, str] = {}
    timestamp = format_timestamp(now, scheme.timestamp_unit)
    if scheme.timestamp_header is not None:
        added[scheme.timestamp_header] = timestamp
    if scheme.timestamp_path is not None:
        timestamp = body_text(request, tuple(scheme.timestamp_path.split(".")))
    id_ = id_ if id_ is not None else f"msg_{uuid4().hex}"
    if scheme.id_header is not None:
        added[scheme.id_header] = id_
    sent = (*request.headers, *((name.lower(), value) for name, value in added.items()))
    whole = Request(
        source=request.source,
        method=request.method,
        path=request.path,
        query=request.query,
        headers=sent,
        body=request.body,
        received_at=now,
        url=request.url,
    )
    try:
        message = compile_signed(scheme.signed)(whole, timestamp, id_)
    except AuthenticationFailed as error:
        raise SettingsError(f"can't sign: {error}") from None
    digest = hmac.digest(keys[0][1], message, scheme.algorithm)
    signature = scheme.prefix + encode(digest, scheme.encoding).decode()
    if scheme.parse is not None:
        entries = [f"{scheme.parse.signature}={signature}"]
        if scheme.parse.timestamp is not None:
            entries.insert(0, f"{scheme.parse.timestamp}={timestamp}")
        signature = (scheme.separator or ",").join(entries)
    return {**added, scheme.header: signature}


def encode(digest: bytes, encoding: Encoding) -> bytes:
    """A digest as it is written in a header: lower-case hex digits, base64, or base64url without its padding."""
    match encoding:
        case "hex":
            return binascii.hexlify(digest)
        case "base64":
            return binascii.b2a_base64(digest, newline=False)
        case "base64url":
            return base64.urlsafe_b64encode(digest).rstrip(b"=")


def format_timestamp(moment: datetime, unit: TimestampUnit) -> str:
    """A moment as senders write it: Unix seconds, Unix milliseconds, or ISO 8601 in UTC."""
    match unit:
        case "s":
            return str(int(moment.timestamp()))
        case "ms":
            return str(int(moment.timestamp() * 1000))
        case "iso":
            return moment.astimezone(UTC).replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _present(request: Request, name: str) -> str:
    value = request.header(name)
    if value is None:
        others = [key for key, _ in request.headers if "signature" in key or "hmac" in key]
        note = f" (present: {', '.join(others)})" if others else ""
        raise AuthenticationFailed(f"header {name} is absent{note}")
    return value


def _signatures(scheme: Hmac, request: Request, where: str) -> tuple[list[bytes], str]:
    """The signatures that were sent, as text to compare with, and the timestamp that stands beside them, if any."""
    if scheme.header is not None:
        value = _present(request, scheme.header)
    else:
        value = body_text(request, tuple((scheme.signature_path or "").split(".")))
    timestamp = ""
    if scheme.parse is not None:
        entries = []
        for entry in value.split(scheme.separator or ","):
            name, _, text = entry.partition("=")
            name = name.strip()
            if name == scheme.parse.signature:
                entries.append(text.strip())
            elif name == scheme.parse.timestamp and not timestamp:
                timestamp = text.strip()
        if not entries:
            raise AuthenticationFailed(f"{where} holds no entry {scheme.parse.signature}=…")
    elif scheme.separator is not None:
        entries = [entry.strip() for entry in value.split(scheme.separator)]
    else:
        entries = [value.strip()]
    if len(entries) > _MAX_SIGNATURES:
        raise AuthenticationFailed(f"{where} holds {len(entries)} signatures; at most {_MAX_SIGNATURES} are read")
    prefix = scheme.prefix
    found = [raw(entry[len(prefix) :]) for entry in entries if entry.startswith(prefix)]
    if not found:
        raise AuthenticationFailed(f"{where} does not begin with {prefix!r}")
    if scheme.encoding == "hex":
        found = [text.lower() for text in found]
    elif scheme.encoding == "base64url":
        found = [text.rstrip(b"=") for text in found]
    return found, timestamp


def _timestamp(scheme: Hmac, request: Request, beside: str, where: str) -> str:
    if scheme.timestamp_header is not None:
        return _present(request, scheme.timestamp_header).strip()
    if scheme.timestamp_path is not None:
        return body_text(request, tuple(scheme.timestamp_path.split(".")))
    if not beside:
        entry = scheme.parse.timestamp if scheme.parse else None
        raise AuthenticationFailed(f"the timestamp is missing: {where} holds no entry {entry}=…")
    return beside


def _in_time(text: str, unit: TimestampUnit, tolerance: int, now: datetime) -> None:
    if unit == "iso":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise AuthenticationFailed("the timestamp is not an ISO 8601 time") from None
        if moment.tzinfo is None:
            raise AuthenticationFailed("the timestamp has no time zone")
        age = (now - moment).total_seconds()
    else:
        if not (text.isascii() and text.isdecimal() and len(text) <= 16):
            raise AuthenticationFailed("the timestamp is not a number")
        age = now.timestamp() - (int(text) / 1000 if unit == "ms" else int(text))
    if abs(age) > tolerance:
        side = "past" if age > 0 else "future"
        raise AuthenticationFailed(
            f"the timestamp is {_length(abs(age))} in the {side}; {_length(tolerance)} are allowed"
        )


def _length(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * 86400:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def _keys(scheme: Hmac, credential: Credential, parts: Parts) -> tuple[list[tuple[str, bytes]], list[str]]:
    """Name and key of each secret that is set, and why the others can't be used."""
    names = scheme.secret
    if scheme.per is not None:
        part = parts.get(scheme.per)
        if not part:
            raise AuthenticationFailed(f"the path holds no {scheme.per}, which chooses the secret")
        suffix = part.upper().replace("-", "_")
        # A stranger chooses this part, and NAME_UK_FILE holds no secret: it is the address of the file that does.
        if not _PART.fullmatch(part) or suffix == "FILE" or suffix.endswith("_FILE"):
            raise AuthenticationFailed(
                f"{scheme.per} of the path names no secret; allowed: letters, digits, - and _, not FILE at the end"
            )
        names = tuple(f"{name}_{suffix}" for name in names)
    usable: list[tuple[str, bytes]] = []
    unusable: list[str] = []
    for name in names:
        value = credential(name)
        if not value:
            unusable.append(f"{name} is unset")
            continue
        try:
            usable.append((name, _key(value, scheme.key)))
        except _UnusableKey as error:
            unusable.append(f"{name} {error}")
    return usable, unusable


def _key(value: str, form: KeyForm) -> bytes:
    match form:
        case "utf8":
            key = value.encode("utf-8", "surrogatepass")
        case "hex":
            try:
                key = binascii.unhexlify(value.strip())
            except ValueError:
                raise _UnusableKey("is not hex digits, as key: hex says") from None
        case "base64" | "whsec":
            text = value.strip().removeprefix("whsec_" if form == "whsec" else "")
            try:
                key = binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
            except ValueError:
                raise _UnusableKey(f"is not base64, as key: {form} says") from None
    if not key:
        raise _UnusableKey("holds an empty key")
    return key


def _mismatch(scheme: Hmac, where: str, signatures: list[bytes], names: list[str], unusable: list[str]) -> str:
    note = f"; {'; '.join(unusable)}" if unusable else ""
    if not names:
        return f"no secret can be used{note}"
    hints = {hint for hint in (_hint(scheme, signature) for signature in signatures) if hint}
    if len(hints) == 1:
        note = f": {hints.pop()}{note}"
    count = "the secret" if len(names) == 1 else f"any of {len(names)} secrets"
    return f"the signature in {where} does not match with {count} ({', '.join(names)}){note}"


def _hint(scheme: Hmac, signature: bytes) -> str | None:
    """What is odd about a signature that did not match, from its form alone."""
    if not signature:
        return "it is empty"
    length = _DIGEST_LENGTH[scheme.algorithm]
    for algorithm, size in _DIGEST_LENGTH.items():
        if _HEX.fullmatch(signature) and len(signature) == 2 * size:
            found = "hex"
        elif _BASE64.fullmatch(signature) and len(signature.rstrip(b"=")) == (size * 4 + 2) // 3:
            found = "base64"
        else:
            continue
        if found != ("hex" if scheme.encoding == "hex" else "base64"):
            return f"it is {found} where {scheme.encoding} was expected"
        if size != length:
            return f"it is as long as {algorithm}, not {scheme.algorithm}"
        return None
    return f"it is no {scheme.encoding} of {scheme.algorithm}"
