"""What arrived, and what is known to come from the source: two types, because they deserve different trust.

The parser and everything after it take a :class:`Verified`; only
:func:`gateway.inbound.authentication.verify` makes one.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from gateway.model import Webhook


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a hook, as it was received. Nothing in it may be believed yet."""

    source: str
    method: str = "POST"
    path: str = ""
    """Behind ``/hooks/{source}``, without the leading slash."""
    query: str = ""
    """The raw query string, without the question mark."""
    headers: tuple[tuple[str, str], ...] = ()
    """Names in lower case, values decoded as latin-1 (as ASGI carries them), in the order of arrival."""
    body: bytes = b""
    """The raw body: signatures cover these bytes and no others."""
    received_at: datetime
    """Aware, UTC."""
    url: str | None = None
    """The public URL as it was registered at the sender, for schemes that sign it; never rebuilt behind a proxy."""
    client: str = ""
    """The sender's address: of the connection, or as a declared proxy tells it. Empty where it is not known."""
    proxied: bool = False
    """Whether a declared proxy passed it on, so that what the proxy says in headers may be believed."""

    def header(self, name: str) -> str | None:
        """The value of a header in any case; several of one name are joined by ``", "`` (RFC 9110, 5.3)."""
        wanted = name.lower()
        found: str | None = None
        for key, value in self.headers:
            if key == wanted:
                found = value if found is None else f"{found}, {value}"
        return found


def as_received(webhook: Webhook, *, url: str | None, client: str = "", proxied: bool = False) -> Request:
    """The request that a webhook came in, out of what is kept of it. ``url`` is the one registered at the sender."""
    return Request(
        source=webhook.source,
        method=webhook.method,
        path=webhook.path,
        query=webhook.query,
        headers=webhook.headers,
        body=webhook.body,
        received_at=webhook.received_at,
        url=url,
        client=client,
        proxied=proxied,
    )


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """A request that proved to come from its source, or whose source says that no proof is needed."""

    request: Request
    scheme: str
    """How it was proved, in words, for the trace; names the credential and never shows it."""
