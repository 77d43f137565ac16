"""How a source proves itself, and secrets."""

# ruff: noqa: E501 - a message stands in one line, as it is printed

from __future__ import annotations

from gateway.inbound.presets import PRESETS
from tests.rules.mistakes.mistake import DESTINATIONS, GOOD, Mistake, two

VERIFICATION = (
    Mistake(
        "verify missing",
        "source: shop\nrules: []\n",
        ("1:1: the source has no verify; name a preset (verify: shopify), a scheme, or say verify: none",),
    ),
    Mistake(
        "verify misspelt", "source: shop\nverify: strpe\n", ("2:9: unknown verification 'strpe'; did you mean stripe?",)
    ),
    Mistake(
        "verify unknown",
        "source: shop\nverify: acmecorp\n",
        ("2:9: unknown verification 'acmecorp'; allowed: " + ", ".join(PRESETS),),
    ),
    Mistake(
        "verify empty",
        "source: shop\nverify:\n",
        ("2:1: verify: found nothing; allowed: a preset's name, a mapping, a list, none",),
    ),
    Mistake(
        "verify true",
        "source: shop\nverify: true\n",
        ("2:9: verify: found a boolean; allowed: a preset's name, a mapping, a list, none",),
    ),
    Mistake(
        "verify secret text",
        "source: shop\nverify: {bearer: {secret: hunter2}}\n",
        ("2:27: a secret never stands in a rules file: name it as $env.NAME",),
    ),
    Mistake(
        "verify secret list",
        "source: shop\nverify:\n  stripe:\n    secret: [$env.A, whsec_123]\n",
        ("4:22: a secret never stands in a rules file: name it as $env.NAME",),
    ),
    Mistake(
        "verify key",
        "source: shop\nverify: {hmac: {header: X, secrt: $env.A}}\n",
        ("2:28: unknown key 'secrt'; did you mean secret?",),
    ),
    Mistake(
        "verify missing secret",
        "source: shop\nverify: {hmac: {header: X}}\n",
        ("2:16: secret is missing: name it as $env.NAME",),
    ),
    Mistake(
        "verify algorithm",
        "source: shop\nverify: {hmac: {header: X, secret: $env.A, algorithm: sha255}}\n",
        ("2:55: unknown algorithm 'sha255'; allowed: sha1, sha256, sha384, sha512, md5; did you mean sha256?",),
    ),
    Mistake(
        "verify none beside",
        "source: shop\nverify: [none, stripe]\n",
        ("2:10: none may only stand alone: beside a secret it would let unsigned requests in",),
    ),
    Mistake(
        "verify env braces",
        "source: shop\nverify: {bearer: {secret: ${TOKEN}}}\n",
        (
            "2:27: '${TOKEN}' is not filled in; a secret is $env.TOKEN, and stands only where credentials do (verify, fetch); write: verify: {bearer: {secret: $env.TOKEN}}",
        ),
    ),
    Mistake(
        "verify env braces block",
        "source: shop\nverify:\n  bearer:\n    secret: ${TOKEN}\n",
        (
            "4:13: '${TOKEN}' is not filled in; a secret is $env.TOKEN, and stands only where credentials do (verify, fetch); write: secret: $env.TOKEN",
        ),
    ),
    Mistake(
        "verify empty map",
        "source: shop\nverify: {}\n",
        ("2:9: an empty mapping verifies nothing; for that write none",),
    ),
    Mistake(
        "verify tolerance",
        "source: shop\nverify: {hmac: {header: X, secret: $env.A, tolerance: soon}}\n",
        ("2:55: found 'soon'; allowed: a length such as 5m or 300s, or none",),
    ),
    Mistake(
        "verify signed",
        "source: shop\nverify: {hmac: {header: X, secret: $env.A, signed: '{bdy}'}}\n",
        (
            "2:53: unknown placeholder {bdy}; allowed: {timestamp} {body} {url} {id} {method} {path} {query} {target} {sorted_form} {sha256(body)} {crc32(body)} {header.X} {body.a.b} {body.a.b?} {raw.a.b} {lines(A, B)} {env.NAME}; did you mean {body}?",
        ),
    ),
    Mistake(
        "token text",
        two(GOOD, DESTINATIONS.replace("$env.UK_TOKEN", "abc123")),
        (
            "destinations.yaml:4:17: auth_token is never written in a file; it takes $env.NAME, such as $env.INTILERY_UK_TOKEN",
        ),
    ),
)
