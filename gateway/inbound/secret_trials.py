"""Why a shared secret is refused: it stands elsewhere, is written otherwise, or is another one."""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence
from hmac import compare_digest
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote

from gateway.errors import AuthenticationFailed
from gateway.inbound.chosen import suffix_of
from gateway.inbound.documents import body_texts
from gateway.inbound.request import Request
from gateway.inbound.schemes import Basic, Bearer, Body, Header, Query
from gateway.inbound.sealing import SEALED, is_credential
from gateway.inbound.shared_secrets import user_of
from gateway.inbound.trials import Cause, Diagnosis, Trials, presets_by_header

KEPT_AS_HASH: Final = "what was sent is kept as a keyed hash; it equals none of the secrets that are set now"
"""All that can be said of a credential after its receipt."""
SharedSecret: TypeAlias = Header | Bearer | Basic | Query | Body


def diagnose_secret(scheme: SharedSecret, trials: Trials, others: Sequence[tuple[str, str]]) -> Diagnosis:
    """Of a request that a scheme with a shared secret refuses."""
    sent = list(_sent(scheme, trials.request))
    if not sent:
        return _absent(scheme, trials)
    if not trials.secrets:
        return _diagnosis(Cause.SECRET, f"not set: {', '.join(trials.names)}")
    if any(SEALED.search(text) for text in sent):
        return _diagnosis(Cause.MISMATCH, KEPT_AS_HASH)
    for text in sent:
        for name, value in trials.secrets:
            if (found := _written_otherwise(text, name, value)) is not None:
                return found
        for name, whose in others:
            if _equal(text, trials.value(name)):
                return _diagnosis(Cause.OTHER_SECRET, f"it equals {name}, {whose}")
    if isinstance(scheme, Basic) and (found := _swapped(trials, scheme)) is not None:
        return found
    names = " or ".join(trials.names)
    return _diagnosis(Cause.MISMATCH, f"most likely the sender's secret is not the one in {names}")


def found_elsewhere(trials: Trials) -> str | None:
    """Where in the request a configured secret stands as it is, in words."""
    for place, text in _places(trials.request):
        for name, value in trials.secrets:
            if _equal(text, value):
                return f"{place} holds {name} itself"
    return None


def _sent(scheme: SharedSecret, request: Request) -> Iterator[str]:
    match scheme:
        case Header():
            if (value := request.header(scheme.name)) is not None:
                yield value
        case Bearer():
            kind, _, rest = (request.header("authorization") or "").strip().partition(" ")
            if kind.lower() == "bearer":
                yield rest.strip()
        case Basic():
            if (pair := _basic(request)) is not None:
                yield pair[1]
        case Query():
            yield from (value for name, value in _parameters(request) if name == scheme.name)
        case Body():
            try:
                yield from body_texts(request, tuple(scheme.path.split(".")))
            except AuthenticationFailed:
                return


def _absent(scheme: SharedSecret, trials: Trials) -> Diagnosis:
    request = trials.request
    if (place := found_elsewhere(trials)) is not None:
        return _diagnosis(Cause.OTHER_SCHEME, f"{place}: verify reads it in another place")
    names = [name for name, _ in request.headers]
    for name in names:
        if senders := presets_by_header().get(name):
            preset = senders[0][0]
            return _diagnosis(Cause.OTHER_SCHEME, f"header {name} looks like that of {preset}: verify: {preset}?")
    if isinstance(scheme, Query):
        for name, _ in _parameters(request):
            if name.lower() == scheme.name.lower():
                return _diagnosis(Cause.FORM, f"the query has {name[:60]!a}; names are told apart by their capitals")
    credentials = [name for name in names if is_credential(name)]
    credentials += [f"{name} of the query" for name, _ in _parameters(request) if is_credential(name)]
    if credentials:
        listed = ", ".join(name[:60] for name in dict.fromkeys(credentials[:4]))
        return _diagnosis(Cause.ABSENT, f"credentials are in: {listed}; they equal none of the secrets")
    return _diagnosis(Cause.ABSENT, "nothing in the request looks like a credential: none is set at the sender?")


def _written_otherwise(text: str, name: str, value: str) -> Diagnosis | None:
    if _equal(text, value):  # a password that is right, beside a user who is not
        return None
    if _equal(text.strip(), value):
        return _diagnosis(Cause.FORM, f"it equals {name} but for the spaces around what was sent")
    if _equal(text, value.strip()):
        return _diagnosis(Cause.SECRET, f"it equals {name} but for the whitespace around what is set here")
    if _equal(text, value.strip().strip("\"'")):
        return _diagnosis(Cause.SECRET, f"it equals {name} but for the quotes around what is set here")
    if _equal(text.lower(), value.lower()):
        return _diagnosis(Cause.FORM, f"it equals {name} but for capital letters")
    kind, _, rest = text.partition(" ")
    if rest and _equal(rest.strip(), value):
        return _diagnosis(
            Cause.FORM, f"it is {name} behind the word {kind[:20]!a}: verify: {{bearer: …}}, or set it with that word"
        )
    if _equal(text, value.partition(" ")[2].strip() or None):
        return _diagnosis(Cause.SECRET, f"it equals {name} without the word that it begins with here")
    if _equal(text.replace(" ", "+"), value):
        return _diagnosis(Cause.FORM, f"it equals {name} but for a +, which means a space in an address: write %2B")
    if _equal(unquote(text), value):
        return _diagnosis(Cause.FORM, f"it is {name} percent-encoded once too often")
    try:
        decoded = binascii.a2b_base64(text, strict_mode=True).decode()
    except (ValueError, UnicodeDecodeError):
        return None
    return _diagnosis(Cause.FORM, f"it is {name} in base64") if _equal(decoded, value) else None


def _swapped(trials: Trials, scheme: Basic) -> Diagnosis | None:
    pair = _basic(trials.request)
    if pair is None:
        return None
    user = user_of(scheme, trials.means.credential, suffix_of(scheme.per, trials.means.parts))
    passwords = [value for _, value in trials.secrets]
    known = _equal(pair[0], user)
    if any(_equal(pair[0], password) for password in passwords):
        return _diagnosis(Cause.FORM, "the password stands where the user belongs")
    if any(_equal(pair[1], password) for password in passwords):
        return _diagnosis(Cause.MISMATCH, "the password is right, and the user is another one")
    return _diagnosis(Cause.MISMATCH, "the user is right, and the password is another one") if known else None


def _places(request: Request) -> Iterator[tuple[str, str]]:
    """Every text of the request that could be a shared secret."""
    for name, value in request.headers:
        yield f"header {name}", value.strip()
        kind, _, rest = value.strip().partition(" ")
        if rest:
            yield f"header {name}, behind the word {kind[:20]!a},", rest.strip()
    pair = _basic(request)
    if pair is not None:
        yield "the user of header authorization (Basic)", pair[0]
        yield "the password of header authorization (Basic)", pair[1]
    for name, value in _parameters(request):
        yield f"query parameter {name[:60]!a}", value


def _parameters(request: Request) -> list[tuple[str, str]]:
    return parse_qsl(request.query, keep_blank_values=True, errors="replace")[:100]


def _basic(request: Request) -> tuple[str, str] | None:
    kind, _, rest = (request.header("authorization") or "").strip().partition(" ")
    if kind.lower() != "basic":
        return None
    try:
        user, _, password = binascii.a2b_base64(rest.strip()).decode("utf-8", "replace").partition(":")
    except binascii.Error:
        return None
    return user, password


def _equal(text: str, value: str | None) -> bool:
    """In constant time, as everywhere where a secret is compared."""
    if not text or not value:
        return False
    return compare_digest(text.encode("utf-8", "surrogatepass"), value.encode("utf-8", "surrogatepass"))


def _diagnosis(cause: Cause, finding: str) -> Diagnosis:
    return Diagnosis(cause=cause, findings=(finding,))
