"""The payload of a JSON Web Token (RFC 7519) in its compact form: what ``body: jwt`` reads.

This decodes and proves nothing: the signature is not looked at here. Where the token itself is the proof (Wix), its
rules file must prove the sender in another way.
"""

from __future__ import annotations

import binascii
import re
from base64 import urlsafe_b64decode

from gateway.errors import Unparseable
from gateway.inbound.charsets import text_of
from gateway.inbound.exact_json import read_json
from gateway.model import JSON

_PART = re.compile(rb"[A-Za-z0-9_-]*+")


def read_jwt(body: bytes, charset: str | None = None) -> JSON:
    """The payload's value, alone or as a JSON string; :class:`~gateway.errors.Unparseable` says why there is none."""
    token = text_of(body, charset).encode().strip()
    if token.startswith(b'"') and token.endswith(b'"'):
        token = token[1:-1]
    parts = token.split(b".", 5)
    if len(parts) == 5:
        raise Unparseable("the body is an encrypted token (five parts); only signed ones (three parts) are read")
    if len(parts) != 3:
        raise Unparseable(f"the body is no JSON Web Token: it has {len(parts)} parts between dots; needed: three")
    payload = parts[1]
    if not payload or not _PART.fullmatch(payload):
        raise Unparseable("the body is no JSON Web Token: its second part is not base64url")
    try:
        decoded = urlsafe_b64decode(payload + b"=" * (-len(payload) % 4))
    except binascii.Error:
        raise Unparseable("the body is no JSON Web Token: its second part is not base64url") from None
    try:
        return read_json(decoded)
    except Unparseable as error:
        raise Unparseable(str(error).replace("the body", "the token's payload")) from None
