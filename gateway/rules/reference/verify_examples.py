"""The words and examples of ``verify``: what the reference shows of schemes and their keys, and what a test signs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KIND_WORDS: Final[Mapping[str, str]] = {
    "hmac": "a keyed hash over the request, in a header: what most senders do",
    "digest": "a plain hash over a text that holds the secret itself; what a few older senders do",
    "ecdsa": "a signature with an elliptic-curve key, verified with its public half",
    "ed25519": "a signature with an Ed25519 key, verified with its public half",
    "rsa": "a signature with an RSA key, verified with its public half or the sender's certificate",
    "jwt": "a JSON Web Token in a header, or as the whole body",
    "basic": "a user and a password in the Authorization header (HTTP basic authentication)",
    "bearer": "a token in the Authorization header: Bearer TOKEN",
    "header": "a shared secret as the whole value of a header",
    "query": "a shared secret in the address: https://…/hooks/shop?token=SECRET",
    "body": "a shared secret at a place of the JSON body",
    "ip_allow": "the networks that the sender sends from, in CIDR notation; best beside a secret",
    "client_certificate": "the client certificate of mutual TLS, which a declared proxy tells in a header",
}
KEY_WORDS: Final[Mapping[str, str]] = {
    "secret": "the credential's name, $env.NAME; a list while a secret is rotated: any of them may match",
    "header": "the header that holds the signature; X-Signature-* is a row of numbered ones",
    "signature_path": "instead of header: the dotted path in the JSON body, or the field of a form",
    "signature_query": "instead of header: the parameter of the query",
    "read_as": "json (unless given) or form: what the paths of the body are read in",
    "each": "a dotted path such as items.*: every element there is signed on its own, and paths begin in it",
    "algorithm": "the hash: sha256 unless given",
    "encoding": "how the signature is written: hex for hashes and base64 for public keys, unless given",
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
    "port": "either: the sender signs its address with or without the port, whatever was registered",
    "body_query": "the parameter of the address that holds the SHA-256 of a body that is no form",
    "public_key": "$env.NAME, or a file beside this one such as sender.pem: a public key or a certificate; or a list",
    "published": "instead of public_key: the request names its certificate's address, in a header or at a path of the "
    "body; hosts are those that may be asked, and an address with a query is refused",
    "form": "der (unless given), or raw: both numbers one after the other",
    "padding": "pkcs1 (unless given), or pss",
    "name": "the name of the header or of the query's parameter",
    "user": "the user: as text, or $env.NAME",
    "password": "the credential's name, $env.NAME, or a list of them",
    "path": "the dotted path in the JSON body; items.*.token is that of every element",
    "jwt.algorithms": "those that are taken: HS256, RS256, ES256, PS256, EdDSA and their like; a token never chooses",
    "jwt.header": "the header that holds the token: Authorization unless given",
    "jwt.whole_body": "true: the body is the token",
    "jwt.prefix": "what stands before the token: Bearer in Authorization, unless given",
    "jwt.jwks": "a set of public keys: a file beside this one such as sender.jwks, or an https:// address, which is "
    "fetched beforehand and kept",
    "jwt.issuer": "the token's iss, or a list of which one must be it",
    "jwt.audience": "the token's aud, or a list of which one must be in it",
    "jwt.claims": "what else must stand in the token: {email: sender@example.com}",
    "jwt.body_claim": "the claim that holds the SHA-256 of the body, in hex or base64: without it a token in a header "
    "says nothing of the body",
    "jwt.tolerance": "how long ago the token may have been issued (iat); without it the token must have an end (exp)",
    "client_certificate.header": "the header in which the proxy tells the subject or the fingerprint",
    "client_certificate.subject": "the subject, exactly as the proxy writes it, or a list",
    "client_certificate.fingerprint": "the fingerprint in hex, or a list; colons and case count for nothing",
    "client_certificate.verified": "the header that must say SUCCESS, where the proxy passes on what it did not verify",
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
    "digest": """\
verify:
  digest: {header: X-Shop-Signature, signed: "{secret}{method}{body}", secret: $env.SHOP_SECRET}
""",
    "ecdsa": """\
verify:
  ecdsa:
    header: X-Shop-Signature
    signed: "{timestamp}{body}"
    timestamp_header: X-Shop-Time
    tolerance: 5m
    public_key: $env.SHOP_PUBLIC_KEY
""",
    "ed25519": """\
verify:
  ed25519: {header: X-Shop-Signature, encoding: hex, public_key: $env.SHOP_PUBLIC_KEY}
""",
    "rsa": """\
verify:
  rsa: {header: X-Shop-Signature, algorithm: sha256, public_key: $env.SHOP_PUBLIC_KEY}
""",
    "jwt": """\
verify:
  jwt:
    algorithms: [RS256]
    public_key: $env.SHOP_PUBLIC_KEY
    issuer: https://shop.example.com
    audience: our-gateway
    body_claim: body_sha256
""",
    "basic": "verify:\n  basic: {user: shop, password: $env.SHOP_PASSWORD}\n",
    "bearer": "verify:\n  bearer: {secret: $env.SHOP_SECRET}\n",
    "header": "verify:\n  header: {name: X-Shop-Token, secret: $env.SHOP_SECRET}\n",
    "query": "verify:\n  query: {name: token, secret: $env.SHOP_SECRET}\n",
    "body": "verify:\n  body: {path: meta.token, secret: $env.SHOP_SECRET}\n",
    "ip_allow": """\
verify:
  ip_allow: [192.0.2.0/24, 2001:db8::/32]
  header: {name: X-Shop-Token, secret: $env.SHOP_SECRET}
""",
    "client_certificate": """\
verify:
  client_certificate: {header: X-Client-Subject, subject: "CN=hooks.shop.example.com"}
""",
}
"""By scheme: what a rules file says."""


def words_for(kind: str, key: str) -> str:
    """What a key of a scheme means."""
    return KEY_WORDS.get(f"{kind}.{key}") or KEY_WORDS.get(key, "")
