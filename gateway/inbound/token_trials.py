"""Why a JSON Web Token is refused."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.inbound.reencodings import reencodings
from gateway.inbound.schemes import Jwt
from gateway.inbound.trials import Cause, Diagnosis, Trials, mended_secrets, presets_by_header

_TOKEN_BEGINS: Final = "eyJ"  # noqa: S105 - how base64 of {" begins


def diagnose_token(scheme: Jwt, trials: Trials, others: Sequence[tuple[str, str]]) -> Diagnosis:
    """Of a request whose token is refused."""
    request = trials.request
    sent = request.body.decode("latin-1") if scheme.header is None else request.header(scheme.header)
    if sent is None:
        return _absent(scheme, trials)
    for name, secret in trials.secrets:
        for words, meant in mended_secrets(secret):
            if trials.holds(secret=meant):
                return _diagnosis(Cause.SECRET, f"it verifies if {name} is taken {words}")
    for name, whose in others:
        if (value := trials.value(name)) is not None and trials.holds(secret=value):
            return _diagnosis(Cause.OTHER_SECRET, f"it verifies with {name}, {whose}")
    for moment in _moments(sent):
        if trials.holds(now=moment):
            return _diagnosis(
                Cause.TIMESTAMP,
                "the token is right: only its time is over, or not yet come. An old request that was sent again, or a "
                "clock that is wrong, here or there",
            )
    if scheme.body_claim is not None and trials.holds(scheme=msgspec.structs.replace(scheme, body_claim=None)):
        for words, body in reencodings(request):
            if trials.holds(request=msgspec.structs.replace(request, body=body)):
                return _diagnosis(Cause.BODY_CHANGED, f"its claim {scheme.body_claim} is of the body {words}")
        return _diagnosis(Cause.BODY_CHANGED, f"all of it is right but the claim {scheme.body_claim}: another body")
    return _diagnosis(Cause.MISMATCH, "nothing that was tried makes it right: is it the key of this sender?")


def _absent(scheme: Jwt, trials: Trials) -> Diagnosis:
    for header in dict.fromkeys(name for name, _ in trials.request.headers):
        value = trials.request.header(header) or ""
        word, _, rest = value.strip().rpartition(" ")
        if rest.startswith(_TOKEN_BEGINS):
            meant = msgspec.structs.replace(scheme, header=header, prefix=f"{word} " if word else "")
            right = ", and it is right" if trials.holds(scheme=meant) else ""
            return _diagnosis(Cause.FORM, f"header {header} holds a token{right} (header: {header})")
        if senders := presets_by_header().get(header):
            name = senders[0][0]
            return _diagnosis(Cause.OTHER_SCHEME, f"header {header} looks like that of {name}: verify: {name}?")
    return _diagnosis(Cause.ABSENT, "no header holds a token")


def _moments(sent: str) -> list[datetime]:
    """Moments at which a token says that it is good."""
    payload = sent.strip().rpartition(" ")[2].strip('"').split(".")[1:2]
    if not payload:
        return []
    try:
        text = binascii.a2b_base64(payload[0].replace("-", "+").replace("_", "/") + "==")
        claims: Any = msgspec.json.decode(text)
        told = [claims.get("iat"), claims.get("nbf"), (claims.get("exp") or 0) - 1]
        return [datetime.fromtimestamp(one, UTC) for one in told if isinstance(one, int | float) and one > 0]
    except (ValueError, TypeError, AttributeError, OverflowError, OSError, RecursionError):
        return []


def _diagnosis(cause: Cause, finding: str) -> Diagnosis:
    return Diagnosis(cause=cause, findings=(finding,))
