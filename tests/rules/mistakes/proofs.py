"""How a source proves itself: keys, tokens, addresses, and what must stand beside them."""

# ruff: noqa: E501 - a message stands in one line, as it is printed

from __future__ import annotations

from tests.inbound.pairs import pair_for
from tests.rules.mistakes.mistake import Files, Mistake

EC_KEY = pair_for("ecdsa")[1]


def beside(text: str) -> Files:
    """A rules file with an elliptic-curve key and a set of no keys beside it."""
    return {"shop.yaml": text, "sender.pem": EC_KEY, "keys.jwks": "{}"}


PROOFS = (
    Mistake(
        "digest without a secret",
        "source: shop\nverify: {digest: {header: X, signed: '{body}', secret: $env.A}}\n",
        ("2:39: a digest is a hash over the secret too: {secret} stands once in signed",),
    ),
    Mistake(
        "hmac with a secret in it",
        "source: shop\nverify: {hmac: {header: X, signed: '{secret}{body}', secret: $env.A}}\n",
        ("2:37: {secret} stands only in a digest: it is the key here",),
    ),
    Mistake(
        "rsa without a key",
        "source: shop\nverify: {rsa: {header: X}}\n",
        ("2:15: say where the key is: public_key, or published for one that the request names",),
    ),
    Mistake(
        "rsa with another key",
        beside("source: shop\nverify: {rsa: {header: X, public_key: sender.pem}}\n"),
        ("shop.yaml:2:39: sender.pem holds an elliptic-curve key; rsa takes an RSA key",),
    ),
    Mistake(
        "rsa with a lost file",
        beside("source: shop\nverify: {rsa: {header: X, public_key: sendr.pem}}\n"),
        ("shop.yaml:2:39: there is no file 'sendr.pem' beside this one; did you mean sender.pem?",),
    ),
    Mistake(
        "rsa per brand from a file",
        beside(
            "source: shop\nverify: {rsa: {header: X, public_key: [$env.A, sender.pem], per: $path.brand}}\npath: '{brand}'\n"
        ),
        ("shop.yaml:2:48: per chooses among credentials, and sender.pem is a file; name it as $env.NAME",),
    ),
    Mistake(
        "rsa with a key in the file",
        "source: shop\nverify: {rsa: {header: X, public_key: MIIBIjANBgkqhkiG9w0BAQEFAAOC}}\n",
        (
            "2:39: a key stands in a credential or a file (.pem, .crt, .jwks); allowed: $env.NAME, or the name of a file beside this one such as sender.pem",
        ),
    ),
    Mistake(
        "rsa with a secret",
        "source: shop\nverify: {rsa: {header: X, public_key: $env.A, secret: $env.B}}\n",
        ("2:55: rsa is verified with a public key: public_key, and no secret",),
    ),
    Mistake(
        "published at no host",
        "source: shop\nverify: {rsa: {header: X, published: {header: Y, hosts: paypal}}}\n",
        ("2:57: found 'paypal'; allowed: a whole host in lower case, such as api.paypal.com",),
    ),
    Mistake(
        "published nowhere",
        "source: shop\nverify: {rsa: {header: X, published: {hosts: api.paypal.com}}}\n",
        ("2:38: say where the certificate's address stands: either header or path",),
    ),
    Mistake(
        "jwt of none",
        "source: shop\nverify: {jwt: {algorithms: [none], secret: $env.A}}\n",
        (
            "2:29: unknown algorithm 'none'; allowed: HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA",
        ),
    ),
    Mistake(
        "jwt of both kinds",
        "source: shop\nverify: {jwt: {algorithms: [HS256, RS256], secret: $env.A}}\n",
        ("2:28: HS… takes a secret and nothing else: a public key must never be used as a secret",),
    ),
    Mistake(
        "jwt hashed with a public key",
        "source: shop\nverify: {jwt: {algorithms: [HS256], public_key: $env.A}}\n",
        ("2:28: HS… takes a secret and nothing else: a public key must never be used as a secret",),
    ),
    Mistake(
        "jwt with another key",
        beside("source: shop\nverify: {jwt: {algorithms: RS256, public_key: sender.pem}}\n"),
        ("shop.yaml:2:47: sender.pem holds an elliptic-curve key; rsa takes an RSA key",),
    ),
    Mistake(
        "jwt without a key",
        "source: shop\nverify: {jwt: {algorithms: RS256}}\n",
        ("2:15: say what it is verified with: one of secret, public_key, jwks",),
    ),
    Mistake(
        "jwks without tls",
        "source: shop\nverify: {jwt: {algorithms: RS256, jwks: 'http://keys.example.com/keys'}}\n",
        ("2:42: found 'http://keys.example.com/keys'; allowed: a literal address with https://",),
    ),
    Mistake(
        "jwks that is none",
        beside("source: shop\nverify: {jwt: {algorithms: RS256, jwks: keys.jwks}}\n"),
        ("shop.yaml:2:41: keys.jwks is no set of keys (JWKS) that can be read",),
    ),
    Mistake(
        "jwt twice",
        "source: shop\nverify: {jwt: {algorithms: RS256, public_key: $env.A, whole_body: true, header: X}}\n",
        ("2:81: the token is the whole body; it does not stand in a header too",),
    ),
    Mistake(
        "ip_allow with bits",
        "source: shop\nverify: {ip_allow: [10.0.0.0/8, 10.0.0.1/8]}\n",
        (
            "2:33: found '10.0.0.1/8': its address has bits behind the prefix; allowed: 192.0.2.0/24, 2001:db8::/32, or one address",
        ),
    ),
    Mistake(
        "ip_allow with a name",
        "source: shop\nverify: {ip_allow: example.com}\n",
        ("2:20: found 'example.com': it is no network; allowed: 192.0.2.0/24, 2001:db8::/32, or one address",),
    ),
    Mistake(
        "certificate of nobody",
        "source: shop\nverify: {client_certificate: {header: X}}\n",
        ("2:30: say whose certificate it is: subject or fingerprint",),
    ),
    Mistake(
        "per without a path",
        "source: shop\nverify: {bearer: {secret: $env.A, per: $path.brand}}\n",
        ("2:9: per names $path.brand, and the source's path names no part",),
    ),
    Mistake(
        "public_url without the part",
        "source: shop\nverify: square\npath: '{brand}'\npublic_url: https://hooks.example.com/hooks/shop\n",
        ("4:13: public_url lacks {brand}: each brand is registered with an address of its own",),
    ),
    Mistake(
        "public_url with another part",
        "source: shop\nverify: square\npublic_url: https://hooks.example.com/hooks/{brnd}\n",
        ("3:45: public_url names {brnd}, and the source's path names no part",),
    ),
    Mistake(
        "public_url that is none",
        "source: shop\nverify: square\npublic_url: hooks.example.com\n",
        ("3:13: public_url takes an address such as https://hooks.example.com/hooks/shop; found 'hooks.example.com'",),
    ),
    Mistake(
        "public_url missing",
        "source: shop\nverify: square\n",
        ("2:9: this scheme signs the address; public_url: must hold it as it is registered at the sender",),
    ),
    Mistake(
        "header with a star inside",
        "source: shop\nverify: {hmac: {header: X-*-Sig, secret: $env.A}}\n",
        ("2:25: * may stand only at the end, for the number: X-Signature-*",),
    ),
    Mistake(
        "each without a path",
        "source: shop\nverify: {hmac: {header: X, each: items.*, secret: $env.A}}\n",
        ("2:34: each is for signatures that stand in the elements: add signature_path",),
    ),
    Mistake(
        "body path with a root",
        "source: shop\nverify: {body: {path: $.token, secret: $env.A}}\n",
        ("2:23: found '$.token'; allowed: a plain dotted path such as items.*.token",),
    ),
    Mistake(
        "preset misspelt",
        "source: shop\nverify: twiliio\n",
        ("2:9: unknown verification 'twiliio'; did you mean twilio?",),
    ),
    Mistake(
        "preset with a secret",
        "source: shop\nverify: {sendgrid: {secret: $env.A}}\n",
        ("2:29: ecdsa is verified with a public key: public_key, and no secret",),
    ),
    Mistake(
        "lines without commas",
        "source: shop\nverify: {hmac: {header: X, signed: '{lines(A B)}', secret: $env.A}}\n",
        (
            "2:37: unknown placeholder {lines(A B)}; allowed: {timestamp} {body} {url} {id} {method} {path} {query} {target} {sorted_form} {sha256(body)} {crc32(body)} {header.X} {body.a.b} {body.a.b?} {raw.a.b} {lines(A, B)} {env.NAME}; did you mean {lines(A, B)}?",
        ),
    ),
    Mistake(
        "a form where JSON is signed",
        "source: shop\nverify: mailgun\nbody: form\n",
        ("2:9: verify reads values of a body that is json, and body says it is something else",),
    ),
    Mistake(
        "JSON where a form is signed",
        "source: shop\nverify: quoter\nbody: json\n",
        ("2:9: verify reads values of a body that is form, and body says it is something else",),
    ),
    Mistake(
        "a private key beside the rules",
        {"shop.yaml": "source: shop\nverify: none\n", "ours.pem": pair_for("ecdsa")[0]},
        ("ours.pem:1:1: holds a private key; only public ones stand beside rules",),
    ),
)
