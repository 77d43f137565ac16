"""Challenges: what a sender asks an address to answer before, or between, its webhooks. Data, and one pure function.

A challenge is never a webhook: nothing is stored. Those that a sender can't sign are answered before anything is
verified, so whatever is sent back is bounded: printable characters that mean nothing in HTML, at most
:data:`LONGEST_ECHO`, as ``text/plain`` that no browser may take for something else. Those that are signed are answered
only after their signature was checked.

A keyed hash of a token that a stranger chooses is a signature that a stranger can ask for. So a token that is hashed
holds letters, digits and ``_+/.~-`` only: nothing in it can be the object, or the timestamp and object, that the same
secret signs. ``true`` and a body that is empty it can be, so a source that hashes for strangers takes none like these.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from gateway.errors import AuthenticationFailed, NotStored, Unparseable, UnreadableRequest
from gateway.inbound.challenge_kinds import (
    AllowOrigin,
    Challenge,
    EchoField,
    EchoHeader,
    EchoQuery,
    EmptyList,
    Form,
    FormPing,
    HashToken,
    Pairs,
    Probe,
    Visit,
    is_signed,
)
from gateway.inbound.exact_json import read_json
from gateway.inbound.request import Request
from gateway.inbound.schemes import Credential

LONGEST_ECHO: Final = 1_024
LONGEST_TOKEN: Final = 256
"""Characters of a token that is hashed."""
LONGEST_ADDRESS: Final = 2_048
LONGEST_BODY: Final = 8_192
"""Bytes of a body that may be a challenge."""
_MOST_PARAMETERS: Final = 50
_RETRY_AFTER: Final = 300

# Printable ASCII without < > & " ' ` and \: Microsoft Graph's token is a sentence with colons and spaces.
_ECHO: Final = re.compile(r"[ !#-%(-;=?-\[\]-_a-z{-~]*")
_TOKEN: Final = re.compile(r"[A-Za-z0-9_+/.~-]+={0,2}")
_LIKE_A_TOKEN: Final = re.compile(rb"[A-Za-z0-9_+/.~=-]*")
_SECRET: Final = re.compile(r"[A-Za-z0-9_+/.~=-]+")
_ORIGIN: Final = re.compile(r"[A-Za-z0-9.:/_-]{1,253}")
# Nothing that two readers of addresses have ever understood differently: no user, no port but 443, no backslash, no @.
_ADDRESS: Final = re.compile(
    r"https://((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63})(?::443)?/[A-Za-z0-9?&=:;%_+~.,/-]*"
)
_NUMBER: Final = re.compile(rb"[0-9]{1,20}")
_PLAIN: Final = (
    (b"content-type", b"text/plain; charset=utf-8"),
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
)
_JSON: Final = ((b"content-type", b"application/json"), *_PLAIN[1:])


class ChallengeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a challenge is answered."""

    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    body: bytes = b""
    visit: str = ""
    """The address that is to be opened afterwards, if there is one."""


def answer(challenge: Challenge, request: Request, credential: Credential) -> ChallengeAnswer | None:
    """The answer to a request that is this challenge; None where it is not.

    :raises AuthenticationFailed: it is, and its token is not the secret, or it comes from elsewhere.
    :raises UnreadableRequest: it asks to send back what is never sent back.
    :raises NotStored: its secret is not set.
    """
    match challenge:
        case EchoQuery():
            return _echo_query(challenge, request, credential)
        case EchoField():
            return _echo_field(challenge, request)
        case EchoHeader():
            return _echo_header(challenge, request)
        case HashToken():
            return _hash_token(challenge, request, credential)
        case Probe():
            return ChallengeAnswer(headers=_PLAIN) if request.method in challenge.methods else None
        case FormPing():
            return _form_ping(challenge, request)
        case EmptyList():
            body = _json_body(request) if request.method == "POST" else None
            return ChallengeAnswer() if body is not None and _at(body, challenge.field) == [] else None
        case AllowOrigin():
            return _allow_origin(challenge, request)
        case Visit():
            return _visit(challenge, request)


def first_answer(
    challenges: Iterable[Challenge], request: Request, credential: Credential, *, signed: bool
) -> ChallengeAnswer | None:
    """The answer of the first challenge that a request is. ``signed``: those that are answered once it is verified."""
    for challenge in challenges:
        if is_signed(challenge) is signed and (found := answer(challenge, request, credential)) is not None:
            return found
    return None


def hashed_for_strangers(challenges: Iterable[Challenge], request: Request) -> bool:
    """Whether a webhook's body might have been signed by a challenge: alone, or behind a timestamp, as its token."""
    return any(isinstance(one, HashToken) and not one.signed for one in challenges) and (
        _LIKE_A_TOKEN.fullmatch(request.body) is not None
    )


# -- one each ------------------------------------------------------------------------------------------------------


def _echo_query(challenge: EchoQuery, request: Request, credential: Credential) -> ChallengeAnswer | None:
    if request.method != challenge.method or f"{challenge.name}=" not in request.query:
        return None
    found = _parameters(request)
    value = found.get(challenge.name)
    if value is None or any(found.get(name) != wanted for name, wanted in challenge.where):
        return None
    if challenge.token is not None:
        secrets = _secrets(challenge.secret, credential)
        given = found.get(challenge.token, "").encode("utf-8", "surrogatepass")
        if not any(hmac.compare_digest(given, secret) for secret in secrets):
            raise AuthenticationFailed(
                f"challenge: query parameter {challenge.token} equals none of {', '.join(challenge.secret)}"
            )
    return _echoed(challenge.name, value, challenge.as_)


def _echo_field(challenge: EchoField, request: Request) -> ChallengeAnswer | None:
    if request.method != "POST" or (body := _json_body(request)) is None or not _holds(body, challenge.where):
        return None
    value = _at(body, challenge.field)
    return _echoed(challenge.field.rpartition(".")[2], value, challenge.as_) if isinstance(value, str) else None


def _echo_header(challenge: EchoHeader, request: Request) -> ChallengeAnswer | None:
    value = request.header(challenge.name)
    if request.method != "POST" or value is None:
        return None
    if len(value) > LONGEST_TOKEN or not _SECRET.fullmatch(value):
        raise UnreadableRequest(f"challenge: header {challenge.name} holds what is not sent back")
    return ChallengeAnswer(headers=((challenge.name.lower().encode(), value.encode()), *_PLAIN))


def _hash_token(challenge: HashToken, request: Request, credential: Credential) -> ChallengeAnswer | None:
    if challenge.query is not None:
        if request.method != "GET" or f"{challenge.query}=" not in request.query:
            return None
        found = _parameters(request)
        token: Any = found.get(challenge.query)
        if any(found.get(name) != wanted for name, wanted in challenge.where):
            return None
    else:
        if request.method != "POST" or (body := _json_body(request)) is None or not _holds(body, challenge.where):
            return None
        token = _at(body, challenge.field or "")
    if not isinstance(token, str):
        return None
    if len(token) > LONGEST_TOKEN or not _TOKEN.fullmatch(token):
        raise UnreadableRequest(
            "challenge: the token holds what is never hashed; allowed: letters, digits, _ + / . ~ -"
        )
    key = _secrets(challenge.secret, credential)[0]
    digest = hmac.new(key, token.encode(), getattr(hashlib, challenge.algorithm)).digest()
    encoded = digest.hex() if challenge.encoding == "hex" else base64.b64encode(digest).decode()
    filled = {name: text.replace("{token}", token).replace("{hmac}", encoded) for name, text in challenge.answer}
    return ChallengeAnswer(headers=_JSON, body=msgspec.json.encode(filled))


def _form_ping(challenge: FormPing, request: Request) -> ChallengeAnswer | None:
    name, _, value = request.body.strip().partition(b"=")
    if request.method != "POST" or name != challenge.field.encode() or not _NUMBER.fullmatch(value):
        return None
    return ChallengeAnswer(headers=_PLAIN)


def _allow_origin(challenge: AllowOrigin, request: Request) -> ChallengeAnswer | None:
    origin = request.header("webhook-request-origin")
    if request.method != "OPTIONS" or origin is None:
        return None
    if not _ORIGIN.fullmatch(origin):
        raise UnreadableRequest("challenge: WebHook-Request-Origin is not the name of a host")
    if challenge.origins and origin.lower() not in challenge.origins:
        raise AuthenticationFailed(f"challenge: the origin {origin!a} is not among {', '.join(challenge.origins)}")
    headers = [(b"allow", b"POST"), (b"webhook-allowed-origin", origin.encode())]
    if request.header("webhook-request-rate") is not None:
        rate = "*" if challenge.rate is None else str(challenge.rate)
        headers.append((b"webhook-allowed-rate", rate.encode()))
    return ChallengeAnswer(headers=(*headers, *_PLAIN[1:]))


def _visit(challenge: Visit, request: Request) -> ChallengeAnswer | None:
    if request.method != "POST" or (body := _json_body(request)) is None or not _holds(body, challenge.where):
        return None
    value = _at(body, challenge.field)
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) and len(value) <= LONGEST_ADDRESS else None
    if found is None or not any(_is_host(found[1], pattern) for pattern in challenge.hosts):
        raise UnreadableRequest(
            f"challenge: {challenge.field} is not an address that is opened; "
            f"allowed: https:// and {' or '.join(challenge.hosts)}"
        )
    return ChallengeAnswer(headers=_PLAIN, visit=value)


def _is_host(host: str, pattern: str) -> bool:
    """``*`` in a pattern stands for one label of the name, whatever it is."""
    labels, wanted = host.split("."), pattern.split(".")
    return len(labels) == len(wanted) and all(want in ("*", label) for label, want in zip(labels, wanted, strict=True))


# -- reading -------------------------------------------------------------------------------------------------------


def _parameters(request: Request) -> Mapping[str, str]:
    """The query's parameters; of several with one name the first, as it is the one that the sender's own code set."""
    try:
        pairs = parse_qsl(request.query, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS)
    except ValueError:
        raise UnreadableRequest(f"challenge: the query has over {_MOST_PARAMETERS} parameters") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


def _json_body(request: Request) -> dict[str, Any] | None:
    if len(request.body) > LONGEST_BODY or not request.body:
        return None
    try:
        body = read_json(request.body)
    except Unparseable:
        return None
    return body if isinstance(body, dict) else None


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body


def _holds(body: dict[str, Any], where: Pairs) -> bool:
    return all(_at(body, path) == wanted for path, wanted in where)


def _secrets(names: tuple[str, ...], credential: Credential) -> list[bytes]:
    found = [value.encode("utf-8", "surrogatepass") for name in names if (value := credential(name))]
    if not found:
        raise NotStored(
            f"challenge: {', '.join(names)} is not set",
            detail="This source is not set up yet.",
            retry_after=_RETRY_AFTER,
        )
    return found


def _echoed(name: str, value: str, form: Form) -> ChallengeAnswer:
    if len(value) > LONGEST_ECHO or not _ECHO.fullmatch(value):
        raise UnreadableRequest(
            f"challenge: {name} is over {LONGEST_ECHO:,} characters, or holds some that are not sent back"
        )
    if form == "json":
        return ChallengeAnswer(headers=_JSON, body=msgspec.json.encode({name: value}))
    return ChallengeAnswer(headers=_PLAIN, body=value.encode())
