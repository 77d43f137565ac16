"""The words and examples of ``verify``: what the reference shows of schemes and their keys, and what a test signs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KIND_WORDS: Final[Mapping[str, str]] = {
    "hmac": "a keyed hash over the request, in a header: what most senders do",
    "basic": "a user and a password in the Authorization header (HTTP basic authentication)",
    "bearer": "a token in the Authorization header: Bearer TOKEN",
    "header": "a shared secret as the whole value of a header",
    "query": "a shared secret in the address: https://…/hooks/shop?token=SECRET",
    "body": "a shared secret at a place of the JSON body",
}
KEY_WORDS: Final[Mapping[str, str]] = {
    "secret": "the credential's name, $env.NAME; a list while a secret is rotated: any of them may match",
    "header": "the header that holds the signature",
    "signature_path": "instead of header: the dotted path in the JSON body",
    "algorithm": "the hash: sha256 unless given",
    "encoding": "how the signature is written: hex unless given",
    "prefix": "what stands before the signature: sha256=",
    "separator": "the header holds several signatures, split at this text",
    "parse": "the header holds name=value entries: {timestamp: t, signature: v1}",
    "signed": "what is signed, as a template: '{timestamp}.{body}'; the raw body unless given",
    "timestamp_header": "the header that holds the time",
    "timestamp_path": "the dotted path of the time in the JSON body",
    "timestamp_unit": "s (Unix seconds, unless given), ms, or iso",
    "id_header": "the header that {id} is read from",
    "tolerance": "how old a signed time may be: 5m; none does not look",
    "key": "how the secret becomes a key: utf8 (unless given), hex, base64, or whsec (Standard Webhooks)",
    "per": "one secret for each value of a part of the path: $path.brand reads NAME_UK for uk",
    "name": "the name of the header or of the query's parameter",
    "user": "the user: as text, or $env.NAME",
    "password": "the credential's name, $env.NAME, or a list of them",
    "path": "the dotted path in the JSON body",
}
KIND_EXAMPLES: Final[Mapping[str, str]] = {
    "hmac": """\
verify:
  hmac:
    header: X-Shop-Signature
    algorithm: sha256
    encoding: hex
    prefix: sha256=
    signed: "{timestamp}.{body}"
    timestamp_header: X-Shop-Time
    tolerance: 5m
    secret: [$env.SHOP_SECRET, $env.SHOP_SECRET_OLD]
""",
    "basic": "verify:\n  basic: {user: shop, password: $env.SHOP_PASSWORD}\n",
    "bearer": "verify:\n  bearer: {secret: $env.SHOP_SECRET}\n",
    "header": "verify:\n  header: {name: X-Shop-Token, secret: $env.SHOP_SECRET}\n",
    "query": "verify:\n  query: {name: token, secret: $env.SHOP_SECRET}\n",
    "body": "verify:\n  body: {path: meta.token, secret: $env.SHOP_SECRET}\n",
}
"""By scheme: what a rules file says."""
