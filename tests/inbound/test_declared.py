"""The ``verify`` key of a rules file: what it means, and where it is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.inbound.authentication import (
    AllOf,
    AnyOf,
    Basic,
    Bearer,
    Body,
    Header,
    Hmac,
    NoVerification,
    Parse,
    Query,
    SchemeProblem,
    needs_url,
    scheme_from,
    secrets_of,
)

S = "$env.S"


def test_the_example_of_the_language_page() -> None:
    scheme = scheme_from(
        {
            "hmac": {
                "header": "Stripe-Signature",
                "algorithm": "sha256",
                "encoding": "hex",
                "signed": "{timestamp}.{body}",
                "parse": {"timestamp": "t", "signature": "v1"},
                "tolerance": "5m",
                "key": "utf8",
                "secret": ["$env.STRIPE_SECRET", "$env.STRIPE_SECRET_OLD"],
            }
        }
    )
    assert scheme == Hmac(
        header="Stripe-Signature",
        signed="{timestamp}.{body}",
        parse=Parse(timestamp="t", signature="v1"),
        tolerance=300,
        secret=("STRIPE_SECRET", "STRIPE_SECRET_OLD"),
    )
    assert secrets_of(scheme) == ("STRIPE_SECRET", "STRIPE_SECRET_OLD")


@pytest.mark.parametrize(
    ("value", "scheme"),
    [
        ("none", NoVerification()),
        (
            "shopify",
            Hmac(header="X-Shopify-Hmac-Sha256", encoding="base64", secret=("SHOPIFY_SECRET",), preset="shopify"),
        ),
        (
            {"shopify": {"secret": S, "per": "$path.brand"}},
            Hmac(header="X-Shopify-Hmac-Sha256", encoding="base64", secret=("S",), per="brand", preset="shopify"),
        ),
        (
            {"github": None},
            Hmac(header="X-Hub-Signature-256", prefix="sha256=", secret=("GITHUB_SECRET",), preset="github"),
        ),
        (
            {"github": {"header": "X-Hub-Signature", "algorithm": "sha1", "prefix": "sha1=", "secret": S}},
            Hmac(header="X-Hub-Signature", algorithm="sha1", prefix="sha1=", secret=("S",), preset="github"),
        ),
        ({"basic": {"user": "mews", "password": S}}, Basic(user="mews", password=("S",))),
        ({"basic": {"user": "$env.U", "password": S}}, Basic(user="$env.U", password=("S",))),
        ({"bearer": {"secret": [S, "$env.T"]}}, Bearer(secret=("S", "T"))),
        ({"header": {"name": "X-Token", "secret": S}}, Header(name="X-Token", secret=("S",))),
        ({"query": {"name": "token", "secret": S}}, Query(name="token", secret=("S",))),
        ({"body": {"path": "meta.token", "secret": S}}, Body(path="meta.token", secret=("S",))),
        (
            {"bearer": {"secret": S}, "query": {"name": "t", "secret": S}},
            AllOf((Bearer(secret=("S",)), Query(name="t", secret=("S",)))),
        ),
        (
            [{"bearer": {"secret": S}}, {"query": {"name": "t", "secret": S}}],
            AnyOf((Bearer(secret=("S",)), Query(name="t", secret=("S",)))),
        ),
        ([{"bearer": {"secret": S}}], Bearer(secret=("S",))),
    ],
)
def test_a_value_and_its_scheme(value: object, scheme: object) -> None:
    assert scheme_from(value) == scheme


@pytest.mark.parametrize(
    ("tolerance", "seconds"), [("90s", 90), ("5m", 300), ("1h", 3600), ("1d", 86400), (45, 45), ("none", None)]
)
def test_a_tolerance(tolerance: object, seconds: int | None) -> None:
    scheme = scheme_from({"stripe": {"tolerance": tolerance}})
    assert isinstance(scheme, Hmac)
    assert scheme.tolerance == seconds


def test_every_credential_is_named_once() -> None:
    scheme = scheme_from([{"basic": {"user": "$env.U", "password": S}, "bearer": {"secret": S}}, "stripe"])
    assert secrets_of(scheme) == ("U", "S", "STRIPE_SECRET")
    assert secrets_of(NoVerification()) == ()


def test_a_scheme_says_whether_it_needs_the_public_address() -> None:
    assert needs_url(scheme_from("square"))
    assert needs_url(scheme_from(["stripe", "square"]))
    assert not needs_url(scheme_from(["stripe", {"bearer": {"secret": S}}]))


def hmac(**keys: Any) -> dict[str, Any]:
    return {"hmac": {"header": "X-S", "secret": S, **keys}}


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        (None, (), "found nothing; allowed: a preset's name, a mapping, a list, none"),
        ("", (), "unknown verification ''"),
        ("shopfy", (), "did you mean shopify?"),
        ("Stripe", (), "did you mean stripe?"),
        ("hmac", (), "hmac needs its keys"),
        (7, (), "found a number"),
        (True, (), "found a boolean"),
        ({}, (), "an empty mapping verifies nothing"),
        ([], (), "an empty list verifies nothing"),
        ({"none": None}, ("none",), "none may only stand alone"),
        (["stripe", "none"], (1,), "none may only stand alone"),
        ([["stripe", "none"]], (0, 1), "none may only stand alone"),
        ({"bearr": {"secret": S}}, ("bearr",), "unknown verification 'bearr'; allowed: hmac, digest,"),
        ({"bearer": S}, ("bearer",), "found a text; bearer takes a mapping"),
        ({"bearer": None}, ("bearer",), "found nothing; bearer takes a mapping"),
        ({"bearer": {}}, ("bearer",), "secret is missing; needed: secret"),
        (
            {"bearer": {"secrt": S}},
            ("bearer", "secrt"),
            "unknown key 'secrt'; allowed: secret, per; did you mean secret?",
        ),
        ({"bearer": {"secret": "hunter2hunter2"}}, ("bearer", "secret"), "name it as $env.NAME"),
        ({"bearer": {"secret": "${S}"}}, ("bearer", "secret"), "name it as $env.NAME"),
        ({"bearer": {"secret": 5}}, ("bearer", "secret"), "name it as $env.NAME"),
        ({"bearer": {"secret": []}}, ("bearer", "secret"), "an empty list of secrets"),
        ({"bearer": {"secret": [S, "hunter2"]}}, ("bearer", "secret", 1), "name it as $env.NAME"),
        ({"basic": {"user": "u"}}, ("basic",), "password is missing; needed: user, password"),
        ({"header": {"name": "", "secret": S}}, ("header", "name"), "found an empty text; name takes a text"),
        ({"query": {"name": ["t"], "secret": S}}, ("query", "name"), "found a list; name takes a text"),
        ({"body": {"path": "a..b", "secret": S}}, ("body", "path"), "a plain dotted path"),
        ({"body": {"path": "$.token", "secret": S}}, ("body", "path"), "a plain dotted path"),
        ({"hmac": {"header": "X-S"}}, ("hmac",), "secret is missing"),
        ({"hmac": {"secret": S}}, ("hmac",), "one of header, signature_path, signature_query"),
        (hmac(signature_path="a.b"), ("hmac",), "one of header, signature_path, signature_query"),
        (
            hmac(algorithm="sha265"),
            ("hmac", "algorithm"),
            "allowed: sha1, sha256, sha384, sha512, md5; did you mean sha256?",
        ),
        (hmac(algorithm=256), ("hmac", "algorithm"), "unknown algorithm a number"),
        (hmac(encoding="Hex"), ("hmac", "encoding"), "did you mean hex?"),
        (hmac(key="raw"), ("hmac", "key"), "allowed: utf8, hex, base64, whsec"),
        (hmac(timestamp_unit="min"), ("hmac", "timestamp_unit"), "allowed: s, ms, iso"),
        (hmac(tolerence="5m"), ("hmac", "tolerence"), "did you mean tolerance?"),
        (hmac(signed="{bdy}"), ("hmac", "signed"), "unknown placeholder {bdy}; allowed: {timestamp} {body}"),
        (hmac(signed="{bdy}"), ("hmac", "signed"), "did you mean {body}?"),
        (hmac(signed="{body"), ("hmac", "signed"), "a brace without its partner"),
        (hmac(signed="{body}}"), ("hmac", "signed"), "a brace without its partner"),
        (hmac(signed="{header.}"), ("hmac", "signed"), "unknown placeholder {header.}"),
        (hmac(signed="{body.a..b}"), ("hmac", "signed"), "unknown placeholder {body.a..b}"),
        (hmac(signed="constant"), ("hmac", "signed"), "no placeholder"),
        (hmac(signed="{id}{body}"), ("hmac", "signed"), "{id} has no source: add id_header"),
        (hmac(signed="{timestamp}{body}"), ("hmac", "signed"), "{timestamp} has no source"),
        (hmac(tolerance="5m"), ("hmac", "tolerance"), "tolerance needs a timestamp"),
        (hmac(tolerance="5m", timestamp_header="X-T"), ("hmac", "signed"), "a timestamp that is not signed"),
        (hmac(tolerance="soon", timestamp_header="X-T"), ("hmac", "tolerance"), "a length such as 5m"),
        (hmac(tolerance=0, timestamp_header="X-T"), ("hmac", "tolerance"), "a length such as 5m"),
        (hmac(tolerance=True, timestamp_header="X-T"), ("hmac", "tolerance"), "a length such as 5m"),
        (hmac(tolerance=None, timestamp_header="X-T"), ("hmac", "tolerance"), "a length such as 5m"),
        (hmac(parse="v1"), ("hmac", "parse"), "parse takes a mapping"),
        (hmac(parse={"timestamp": "t"}), ("hmac", "parse"), "signature is missing; needed: signature"),
        (hmac(parse={"signature": "v1", "id": "i"}), ("hmac", "parse", "id"), "allowed: signature, timestamp"),
        (hmac(parse={"signature": "v1", "timestamp": "t"}, timestamp_header="T"), ("hmac",), "has one place"),
        (hmac(per="brand"), ("hmac", "per"), "allowed: $path.NAME"),
        (hmac(per=5), ("hmac", "per"), "allowed: $path.NAME"),
        (hmac(prefix=None), ("hmac", "prefix"), "found nothing; prefix takes a text"),
        ({"shopify": "secret"}, ("shopify",), "shopify takes a mapping"),
        ({"shopify": {"sekret": S}}, ("shopify", "sekret"), "did you mean secret?"),
        (["stripe", {"shopify": {"sekret": S}}], (1, "shopify", "sekret"), "did you mean secret?"),
    ],
)
def test_a_problem_says_where_and_what_is_allowed(value: object, path: tuple[str | int, ...], words: str) -> None:
    with pytest.raises(SchemeProblem) as problem:
        scheme_from(value)
    assert problem.value.path == path
    assert words in problem.value.message
    assert "hunter2" not in problem.value.message


@pytest.mark.parametrize(
    "more",
    [
        {"signed": "{header.x-t}.{body}", "timestamp_header": "X-T"},
        {"signed": "{body}", "timestamp_path": "meta.at"},
        {"signed": "{body.meta.at}{body.id}", "timestamp_path": "meta.at"},
        {"signed": "{timestamp}{body}", "parse": {"signature": "s", "timestamp": "t"}},
    ],
)
def test_a_signed_timestamp_may_be_trusted(more: dict[str, Any]) -> None:
    assert isinstance(scheme_from(hmac(tolerance="5m", **more)), Hmac)
