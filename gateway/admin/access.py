"""Who may ask: bearer tokens, compared in constant time. No address is trusted for being local."""

from __future__ import annotations

import hmac

from gateway.errors import AuthenticationFailed


class Access:
    """The tokens of one gateway. ``admin`` may look and act; ``read``, where there is one, may only look."""

    def __init__(self, *, admin: str, read: str | None = None) -> None:
        self._admin = admin.encode()
        self._read = read.encode() if read else None

    def admit(self, authorization: str | None, *, acting: bool) -> None:
        """Return where the ``Authorization`` header allows it.

        :raises AuthenticationFailed: no token, an unknown one, or one that may only look.
        """
        scheme, _, shown = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not shown:
            raise AuthenticationFailed("no bearer token; send Authorization: Bearer GATEWAY_ADMIN_TOKEN")
        token = shown.strip().encode("utf-8", "surrogateescape")
        # Both are compared whatever the first says: the time tells nothing.
        is_admin = hmac.compare_digest(token, self._admin)
        is_reader = self._read is not None and hmac.compare_digest(token, self._read)
        if is_admin or (is_reader and not acting):
            return
        if is_reader:
            raise AuthenticationFailed("this token may look and not act; GATEWAY_ADMIN_TOKEN is needed")
        raise AuthenticationFailed("the bearer token is not that of this gateway")
