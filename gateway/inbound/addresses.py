"""Which addresses may be asked: what a name resolves to has to be public.

A rules file names its hosts itself, yet what a name resolves to is for others to say: a DNS server that answers
``169.254.169.254`` or ``10.0.0.5`` would make the gateway ask what stands behind it (server-side request forgery). So
the check is where the connection is made, and what was checked is what is connected to. A file that means such a host
writes it as it is: ``localhost``, ``127.0.0.1``, ``10.0.0.5``.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_NAT64 = IPv6Network("64:ff9b::/96")
"""The last four bytes are an IPv4 address (RFC 6052)."""


class NotPublic(OSError):
    """A name of the public world that resolves to an address that is not part of it."""


def is_public(address: str) -> bool:
    """Whether an address is reached over the internet: not private, link-local, loopback, multicast or reserved."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner = found if isinstance(found, IPv4Address) else _embedded(found)
    if inner is not None and not _is_global(inner):
        return False
    return _is_global(found) or (inner is not None and isinstance(found, IPv6Address) and found.ipv4_mapped is not None)


def _is_global(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_multicast


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a packet to ``address`` would end at, where it is such a one."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    if address.teredo is not None:
        return address.teredo[1]
    return address.ipv4_mapped or address.sixtofour


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses those of which any address is not public. ``localhost`` is what it says.

    aiohttp does not ask for hosts that are written as addresses.
    """

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if host.lower() != "localhost":
            for one in found:
                if not is_public(one["host"]):
                    raise NotPublic(f"{host} resolves to {one['host']}, which is not a public address")
        return found

    async def close(self) -> None:
        await self._resolver.close()
