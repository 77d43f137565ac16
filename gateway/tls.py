"""Whom this process believes when it opens a connection."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache

import httpx


def trusted() -> ssl.SSLContext:
    """The certificate authorities of ``SSL_CERT_FILE`` or ``SSL_CERT_DIR``, else those of ``certifi``.

    One for all that ask: to read some hundred certificates takes longer than all else of a client's making.
    """
    return _trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@lru_cache(maxsize=1)
def _trusted(file: str | None, folder: str | None) -> ssl.SSLContext:
    """httpx reads the same two variables; here they only say whether what is remembered still holds."""
    return httpx.create_ssl_context()
