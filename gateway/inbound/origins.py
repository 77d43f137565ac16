"""Where a request comes from: its network address, and the certificate of mutual TLS that a proxy tells.

Behind a proxy the connection is the proxy's. What it says in headers is believed only where it is declared
(``GATEWAY_TRUSTED_PROXIES``): anybody can write ``X-Forwarded-For``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from gateway.errors import AuthenticationFailed
from gateway.inbound.request import Request
from gateway.inbound.schemes import Check, ClientCertificate, IPAllow, Means
from gateway.inbound.signatures import present

Network: TypeAlias = IPv4Network | IPv6Network
Address: TypeAlias = IPv4Address | IPv6Address

_BRACKETED = re.compile(r"\[([^\]]+)\](?::\d+)?")
_MAX_HOPS = 64
_LONGEST = 100
"""Characters of an address with its port and zone, and spaces around it."""


def check_origin(scheme: IPAllow) -> Check:
    """A function that says from which network a request came, or raises AuthenticationFailed."""
    networks = tuple(ip_network(text) for text in scheme.networks)

    def check(request: Request, means: Means) -> str:
        address = address_in(request.client)
        if address is None:
            raise AuthenticationFailed("the sender's address is not known")
        for network in networks:
            if address.version == network.version and address in network:
                return f"the address {address} of {network}"
        raise AuthenticationFailed(f"the address {address} is in none of {', '.join(scheme.networks)}")

    return check


def check_certificate(scheme: ClientCertificate) -> Check:
    """A function that says which client certificate a proxy saw, or raises AuthenticationFailed."""
    prints = frozenset(map(plain_fingerprint, scheme.fingerprint))

    def check(request: Request, means: Means) -> str:
        if not request.proxied:
            # Anybody else could write the header.
            raise AuthenticationFailed(
                f"header {scheme.header} counts only from a declared proxy (GATEWAY_TRUSTED_PROXIES), "
                "and the request came from none"
            )
        if scheme.verified is not None and present(request, scheme.verified).strip() != "SUCCESS":
            raise AuthenticationFailed(f"header {scheme.verified} does not say SUCCESS: the proxy verified nothing")
        value = present(request, scheme.header).strip()
        if value in scheme.subject or plain_fingerprint(value) in prints:
            return f"the client certificate in header {scheme.header}"
        raise AuthenticationFailed(f"the client certificate in header {scheme.header} is not one that is allowed")

    return check


def plain_fingerprint(text: str) -> str:
    """Hex digits in lower case, without colons and without the hash's name before them."""
    return re.sub(r"\A(?:sha-?\d+[:=])", "", text.strip().lower()).replace(":", "")


def address_in(text: str) -> Address | None:
    """The address in a text: bare, in brackets, or with a port; an IPv4 address in IPv6's clothes is IPv4."""
    # What is longer is none, and would fill the memory with whatever strangers write into a header.
    return _address_in(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _address_in(text: str) -> Address | None:
    text = text.strip().strip('"')
    if bracketed := _BRACKETED.fullmatch(text):
        text = bracketed[1]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


class Proxies:
    """The proxies that stand before the gateway, and the header in which they put the sender's address."""

    def __init__(self, networks: Iterable[Network] = (), header: str = "x-forwarded-for") -> None:
        self._networks = tuple(networks)
        self._header = header.lower()

    def origin(self, peer: str, headers: Sequence[tuple[str, str]]) -> tuple[str, bool]:
        """The sender's address, and whether a declared proxy passed the request on.

        The header is read from its end, which the nearest proxy wrote: the first address that is not a proxy's own is
        the sender's. What stands before it is whatever the sender liked to write.
        """
        if not self._networks or not self._is_proxy(peer):
            return peer, False
        hops = [hop for name, value in headers if name == self._header for hop in value.split(",")]
        client = peer
        for hop in reversed(hops[-_MAX_HOPS:]):
            found = address_in(hop)
            if found is None:
                # Not an address: nothing before it can be believed either.
                return "", True
            client = str(found)
            if not self._is_proxy(client):
                break
        return client, True

    def _is_proxy(self, text: str) -> bool:
        address = address_in(text)
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )
