"""Why a request failed authentication: the signature debugger.

A pure function, run only after a failure and for the operator's eyes alone; the sender gets a plain 401 whatever is
found. It tries what goes wrong in practice (another secret, another encoding, a body that a proxy re-encoded) by
verifying again with one thing changed, so what it says is proved by the sender's own signature. One thing at a time:
where two are wrong at once it finds neither, and says so.

It names credentials and never shows one, nor a signature that it computed. Its cost is bounded by a budget in bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.errors import Rejected
from gateway.inbound.authentication import compiled
from gateway.inbound.origin_trials import diagnose_certificate, diagnose_origin
from gateway.inbound.request import Request
from gateway.inbound.schemes import (
    AllOf,
    AnyOf,
    Basic,
    Bearer,
    Body,
    ClientCertificate,
    Header,
    IPAllow,
    Jwt,
    Means,
    NoVerification,
    Query,
    Scheme,
    Signature,
)
from gateway.inbound.secret_trials import diagnose_secret
from gateway.inbound.signature_trials import diagnose_signature
from gateway.inbound.token_trials import diagnose_token
from gateway.inbound.trials import Cause, Diagnosis, Trials

BUDGET: Final = 16_000_000
"""Bytes that one diagnosis may hash; rewriting one counts for many. Measured: 1.5 ms for a body of 1 KB, at most some
50 ms for one that is made to be slow."""
GENEROUS: Final = 40 * BUDGET
"""For a person who waits for it."""

_SPECIFIC: Final = (
    Cause.OTHER_SECRET,
    Cause.SECRET,
    Cause.BODY_CHANGED,
    Cause.ADDRESS,
    Cause.FORM,
    Cause.TIMESTAMP,
    Cause.ORIGIN,
    Cause.OTHER_SCHEME,
    Cause.UNSIGNED,
    Cause.MISMATCH,
    Cause.ABSENT,
)
"""Of several schemes that any could hold, the one that came furthest tells why."""


def diagnose(
    scheme: Scheme,
    request: Request,
    means: Means,
    *,
    others: Sequence[tuple[str, str]] = (),
    budget: int = BUDGET,
) -> Diagnosis:
    """What is wrong with a request that ``scheme`` refuses. ``means.now`` is the moment that it was judged at.

    ``others`` are the names of other credentials that may have been meant, each with words for whose it is.
    """
    trials = Trials(scheme, request, means, budget=budget)
    match scheme:
        case AllOf():
            for part in scheme.schemes:
                try:
                    compiled(part)(request, means)
                except Rejected:
                    return diagnose(part, request, means, others=others, budget=budget)
            return Diagnosis(cause=Cause.MISMATCH)
        case AnyOf():
            share = budget // len(scheme.schemes)
            found = [diagnose(part, request, means, others=others, budget=share) for part in scheme.schemes]
            findings = tuple(f"{number}) {text}" for number, one in enumerate(found, 1) for text in one.findings)
            return Diagnosis(cause=min((one.cause for one in found), key=_SPECIFIC.index), findings=findings)
        case Signature():
            return diagnose_signature(scheme, trials, others)
        case Jwt():
            return diagnose_token(scheme, trials, others)
        case Header() | Bearer() | Basic() | Query() | Body():
            return diagnose_secret(scheme, trials, others)
        case IPAllow():
            return diagnose_origin(scheme, trials)
        case ClientCertificate():
            return diagnose_certificate(trials)
        case NoVerification():
            return Diagnosis(cause=Cause.MISMATCH)
