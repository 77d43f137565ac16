"""Why an address or a client certificate is refused: mostly because a proxy was not declared."""

from __future__ import annotations

import msgspec

from gateway.inbound.schemes import IPAllow
from gateway.inbound.trials import Cause, Diagnosis, Trials

_HOPS = 8
"""Of a forwarding header, from its end, that are looked at."""
_HEADERS = ("x-forwarded-for", "x-real-ip", "cf-connecting-ip", "true-client-ip", "fly-client-ip")


def diagnose_origin(scheme: IPAllow, trials: Trials) -> Diagnosis:
    """Of a request from an address that is not allowed."""
    request = trials.request
    for header in _HEADERS:
        for hop in reversed((request.header(header) or "").split(",")[-_HOPS:]):
            if hop.strip() and trials.holds(request=msgspec.structs.replace(request, client=hop.strip())):
                told = f"header {header} tells an address that is allowed"
                if request.proxied:
                    text = f"{told}, and it is not the header that is read, or stands before one that is no proxy's"
                else:
                    peer = request.client or "the connection"
                    text = f"{told}, and {peer} is no declared proxy (GATEWAY_TRUSTED_PROXIES)"
                return Diagnosis(cause=Cause.ORIGIN, findings=(text,))
    return Diagnosis(
        cause=Cause.ORIGIN,
        findings=("the sender has other addresses than the rules file, or it is somebody else (ip_allow)",),
    )


def diagnose_certificate(trials: Trials) -> Diagnosis:
    """Of a request whose client certificate is not allowed."""
    request = trials.request
    if not request.proxied and trials.holds(request=msgspec.structs.replace(request, proxied=True)):
        peer = request.client or "the connection"
        text = f"the certificate is allowed, and {peer} is no declared proxy (GATEWAY_TRUSTED_PROXIES)"
        return Diagnosis(cause=Cause.ORIGIN, findings=(text,))
    return Diagnosis(cause=Cause.ORIGIN)
