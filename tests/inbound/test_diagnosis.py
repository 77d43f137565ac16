"""The signature debugger: each thing that goes wrong in practice, and what it says of it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.errors import AuthenticationFailed, GatewayError, Rejected
from gateway.inbound import signed
from gateway.inbound.authentication import PRESETS, scheme_from, sign, verify
from gateway.inbound.diagnosis import BUDGET, diagnose
from gateway.inbound.documents import form_fields
from gateway.inbound.reencodings import reencodings
from gateway.inbound.request import Request
from gateway.inbound.schemes import Means
from gateway.inbound.signing import SignedRequest
from gateway.inbound.trials import Cause, Diagnosis
from tests.effort import tries

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = "a-secret-of-the-shop-7f1e"
BODY = b'{"id": 7, "name": "Ada"}'
HMAC = {"hmac": {"header": "X-Sig", "secret": "$env.S"}}


def hexmac(message: bytes, secret: str = SECRET, algorithm: str = "sha256") -> str:
    return hmac.new(secret.encode(), message, algorithm).hexdigest()


def base64mac(message: bytes, secret: str = SECRET, algorithm: str = "sha256") -> str:
    return base64.b64encode(hmac.new(secret.encode(), message, algorithm).digest()).decode()


def diagnosed(
    how: object,
    headers: Mapping[str, str],
    *,
    body: bytes = BODY,
    secrets: Mapping[str, str] | None = None,
    others: tuple[tuple[str, str], ...] = (),
    parts: Mapping[str, str] | None = None,
    now: datetime = NOW,
    budget: int = BUDGET,
    **request: Any,
) -> Diagnosis:
    """What is said of a request that is refused; nothing of it may show a secret."""
    scheme = scheme_from(how)
    set_ = {"S": SECRET} if secrets is None else secrets
    sent = Request(
        source="shop",
        headers=tuple((name.lower(), value) for name, value in headers.items()),
        body=body,
        received_at=now,
        **request,
    )
    with pytest.raises(AuthenticationFailed):
        verify(scheme, sent, credential=set_.get, now=now, parts=parts or {})
    found = diagnose(scheme, sent, Means(set_.get, now, parts or {}), others=others, budget=budget)
    told = " ".join(found.findings)
    assert not [name for name, value in set_.items() if len(value) > 3 and value.strip() in told]
    assert not [value for value in headers.values() if len(value) > 30 and value in told]
    return found


def assert_found(found: Diagnosis, cause: Cause, *words: str) -> None:
    assert found.cause is cause, found
    assert found.findings, found
    for word in words:
        assert word in " | ".join(found.findings), found


# -- there is no signature ----------------------------------------------------------------------------------------


def test_nothing_looks_like_a_signature() -> None:
    assert_found(diagnosed(HMAC, {"content-type": "text/plain"}), Cause.ABSENT, "a proxy drops it")


def test_headers_that_are_named_like_one_are_listed() -> None:
    found = diagnosed(HMAC, {"x-acme-signature": "abc", "x-request-hash": "def", "x-other": "1"})
    assert_found(found, Cause.ABSENT, "x-acme-signature, x-request-hash")


def test_credentials_are_listed_where_no_signature_is() -> None:
    assert_found(diagnosed(HMAC, {"x-acme-token": "abc"}), Cause.ABSENT, "credentials are in: x-acme-token")


def test_the_signature_stands_in_another_header() -> None:
    assert_found(diagnosed(HMAC, {"x-acme-signature": hexmac(BODY)}), Cause.FORM, "header: x-acme-signature")


def test_another_sender_s_header_that_matches_names_the_preset() -> None:
    headers = {"stripe-signature": f"t=1772366400,v1={hexmac(b'1772366400.' + BODY)}"}
    assert_found(diagnosed(HMAC, headers), Cause.OTHER_SCHEME, "it matches: verify: stripe")


def test_another_sender_s_header_is_named_even_if_it_does_not_match() -> None:
    found = diagnosed({"stripe": {"secret": "$env.S"}}, {"x-hub-signature-256": "sha256=00"})
    assert_found(found, Cause.OTHER_SCHEME, "looks like that of", "github")


def test_the_secret_itself_is_shown_instead_of_a_signature() -> None:
    found = diagnosed(HMAC, {"authorization": f"Bearer {SECRET}"})
    assert_found(found, Cause.OTHER_SCHEME, "header authorization", "holds S itself")


@pytest.mark.parametrize("value", ["", "  ", "no-secret-provided", "undefined"])
def test_a_signature_that_says_that_there_is_none(value: str) -> None:
    found = diagnosed({"cal_com": {"secret": "$env.S"}}, {"x-cal-signature-256": value})
    assert_found(found, Cause.UNSIGNED, "no secret set")


# -- the clock ----------------------------------------------------------------------------------------------------


def slack(at: datetime, *, unit: int = 1) -> dict[str, str]:
    moment = str(int(at.timestamp() * unit))
    return {
        "x-slack-request-timestamp": moment,
        "x-slack-signature": "v0=" + hexmac(f"v0:{moment}:".encode() + BODY),
    }


@pytest.mark.parametrize("age", [timedelta(minutes=40), -timedelta(hours=3)])
def test_only_the_time_is_wrong(age: timedelta) -> None:
    found = diagnosed({"slack": {"secret": "$env.S"}}, slack(NOW - age))
    assert_found(found, Cause.TIMESTAMP, "the signature matches: only its time is refused")


def test_the_time_is_in_milliseconds() -> None:
    found = diagnosed({"slack": {"secret": "$env.S"}}, slack(NOW, unit=1000))
    assert_found(found, Cause.TIMESTAMP, "milliseconds (timestamp_unit: ms)")


def test_the_time_is_absent() -> None:
    headers = slack(NOW)
    del headers["x-slack-request-timestamp"]
    found = diagnosed({"slack": {"secret": "$env.S"}}, headers)
    assert_found(found, Cause.TIMESTAMP, "header X-Slack-Request-Timestamp is absent: a proxy drops it")


def test_the_time_is_wrong_as_well() -> None:
    found = diagnosed(
        {"slack": {"secret": "$env.S"}},
        slack(NOW - timedelta(hours=1)),
        secrets={"S": "wrong", "OLD": SECRET},
        others=(("OLD", "which is old"),),
    )
    assert_found(found, Cause.OTHER_SECRET, "it matches with OLD, which is old", "outside the tolerance as well")


# -- the secret ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("configured", "words"),
    [
        (f"{SECRET}\n", "without the whitespace around it"),
        (f" {SECRET}", "without the whitespace around it"),
        (f'"{SECRET}"', "without the quotes around it"),
        (SECRET[:-1], "with a newline at its end"),
    ],
)
def test_the_secret_was_copied_badly(configured: str, words: str) -> None:
    used = f"{configured}\n" if "newline" in words else SECRET
    found = diagnosed(HMAC, {"x-sig": hexmac(BODY, used)}, secrets={"S": configured})
    assert_found(found, Cause.SECRET, "it matches if S is taken", words)


KEY = b"0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("configured", "form"),
    [
        (KEY.hex(), "hex"),
        (base64.b64encode(KEY).decode(), "base64"),
        ("whsec_" + base64.b64encode(KEY).decode(), "whsec"),
    ],
)
def test_the_secret_is_read_in_another_form(configured: str, form: str) -> None:
    signature = hmac.new(KEY, BODY, "sha256").hexdigest()
    found = diagnosed(HMAC, {"x-sig": signature}, secrets={"S": configured})
    assert_found(found, Cause.SECRET, f"read as {form} (key: {form})")


def test_the_secret_is_a_plain_one_where_a_form_was_expected() -> None:
    how = {"hmac": {"header": "X-Sig", "secret": "$env.S", "key": "hex"}}
    assert_found(diagnosed(how, {"x-sig": hexmac(BODY)}), Cause.SECRET, "(key: utf8)")


def test_the_old_secret_or_another_source_s_or_another_brand_s() -> None:
    how = {"hmac": {"header": "X-Sig", "secret": "$env.S", "per": "$path.brand"}}
    secrets = {"S_UK": "the-uk-one", "S_DE": SECRET, "OTHER": "something"}
    others = (("OTHER", "the secret of source other"), ("S_DE", "which is set"))
    found = diagnosed(how, {"x-sig": hexmac(BODY)}, secrets=secrets, others=others, parts={"brand": "uk"})
    assert_found(found, Cause.OTHER_SECRET, "it matches with S_DE, which is set")


def test_the_brand_s_secret_is_not_set() -> None:
    how = {"hmac": {"header": "X-Sig", "secret": "$env.S", "per": "$path.brand"}}
    found = diagnosed(how, {"x-sig": hexmac(BODY)}, secrets={}, parts={"brand": "uk"})
    assert_found(found, Cause.SECRET, "not set: S_UK")


# -- how it is written --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "more", "words"),
    [
        (base64mac(BODY), {}, "it is base64 where hex was expected (encoding: base64)"),
        (hexmac(BODY), {"encoding": "base64"}, "it is hex where base64 was expected (encoding: hex)"),
        (base64mac(BODY).replace("+", "-").replace("/", "_").rstrip("="), {"encoding": "base64"}, ""),
        (hexmac(BODY, algorithm="sha1"), {}, "it is sha1 where sha256 was expected (algorithm: sha1)"),
        ("sha256=" + hexmac(BODY), {}, "it begins with 'sha256=', not with '' (prefix)"),
        (hexmac(BODY), {"prefix": "v0="}, "it begins with '', not with 'v0=' (prefix)"),
        ("sha512=" + base64mac(BODY, algorithm="sha512"), {"prefix": "sha256="}, "algorithm: sha512"),
        (base64mac(BODY).rstrip("="), {"encoding": "base64"}, "it lacks its padding"),
    ],
)
def test_it_is_right_and_written_otherwise(value: str, more: dict[str, str], words: str) -> None:
    found = diagnosed({"hmac": {"header": "X-Sig", "secret": "$env.S", **more}}, {"x-sig": value})
    assert_found(found, Cause.FORM, "the signature is right, but", words)


def test_it_is_hex_in_a_header_with_entries() -> None:
    value = f"t=1772366400,v1={base64mac(b'1772366400.' + BODY)}"
    found = diagnosed({"stripe": {"secret": "$env.S"}}, {"stripe-signature": value})
    assert_found(found, Cause.FORM, "it is base64 where hex was expected")


def test_it_covers_something_else() -> None:
    how = {"hmac": {"header": "X-Sig", "secret": "$env.S", "signed": "{method}{body}"}}
    assert_found(diagnosed(how, {"x-sig": hexmac(BODY)}), Cause.FORM, "it matches over {body}", "{method}{body}")


# -- the body -----------------------------------------------------------------------------------------------------

TREE = {"a": [1, 2, {"url": "https://x/ü😀", "e": {}, "l": []}], "b": 'q"', "c": None}
COMPACT = json.dumps(TREE, separators=(",", ":"), ensure_ascii=False)


@pytest.mark.parametrize(
    ("sent", "signed", "words"),
    [
        (BODY + b"\n", BODY, "without the newline at its end"),
        (BODY, BODY + b"\n", "with a newline at its end"),
        (b"a\nb", b"a\r\nb", "CRLF, not LF"),
        (b"a\r\nb", b"a\nb", "LF, not CRLF"),
        (b" x ", b"x", "without the spaces around it"),
        (b"\xef\xbb\xbf{}", b"{}", "without the byte order mark"),
        ("é".encode(), "é".encode("latin-1"), "in ISO 8859-1"),
        ("é".encode("latin-1"), "é".encode(), "in UTF-8"),
        (json.dumps(TREE, indent=2, ensure_ascii=False).encode(), COMPACT.encode(), "(minified)"),
        (COMPACT.encode(), json.dumps(TREE, ensure_ascii=False).encode(), "a space behind each comma and colon"),
        (COMPACT.encode(), json.dumps(TREE, indent=2, ensure_ascii=False).encode(), "indented by 2"),
        (COMPACT.encode(), json.dumps(TREE, indent=4, ensure_ascii=False).encode(), "indented by 4"),
        (COMPACT.encode(), json.dumps(TREE, separators=(",", ":")).encode(), "as \\u escapes"),
        (json.dumps(TREE, separators=(",", ":")).encode(), COMPACT.encode(), "not as \\u escapes"),
        (COMPACT.encode(), COMPACT.replace("/", "\\/").encode(), "its slashes escaped"),
        (json.dumps(TREE).encode(), COMPACT.replace("/", "\\/").encode(), "(minified) and with its special characters"),
    ],
)
def test_the_body_was_re_encoded(sent: bytes, signed: bytes, words: str) -> None:
    found = diagnosed(HMAC, {"x-sig": hexmac(signed)}, body=sent)
    assert_found(found, Cause.BODY_CHANGED, "it matches the body", words)


@pytest.mark.parametrize(
    ("sent", "signed", "words"),
    [
        (b"b=2&a=1", b"a=1&b=2", "in the order of their names"),
        (b"a=x+y", b"a=x%20y", "its spaces as %20"),
        (b"a=x%20y", b"a=x+y", "its spaces as +"),
        (b"a=%C3%BC", b"a=%c3%bc", "in small letters"),
    ],
)
def test_a_form_was_re_encoded(sent: bytes, signed: bytes, words: str) -> None:
    headers = {"x-sig": hexmac(signed), "content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    assert_found(diagnosed(HMAC, headers, body=sent), Cause.BODY_CHANGED, words)


def test_it_was_signed_before_it_was_compressed() -> None:
    headers = {"x-sig": hexmac(BODY), "content-encoding": "gzip"}
    found = diagnosed(HMAC, headers, body=gzip.compress(BODY))
    assert_found(found, Cause.BODY_CHANGED, "as it was before the gzip compression")


def test_a_proxy_decompressed_it_and_left_the_header() -> None:
    headers = {"x-sig": hexmac(gzip.compress(BODY)), "content-encoding": "gzip"}
    assert_found(diagnosed(HMAC, headers), Cause.MISMATCH, "a proxy decompressed what was signed")


@given(st.binary(max_size=300), st.sampled_from(["", "application/json", "application/x-www-form-urlencoded"]))
@settings(max_examples=tries(200), deadline=None)
def test_no_body_is_too_odd_to_be_rewritten(body: bytes, content_type: str) -> None:
    for start in (b"", b"{", b'["\\'):
        headers = (("content-type", content_type), ("content-encoding", "gzip"))
        request = Request(source="s", headers=headers, body=start + body, received_at=NOW)
        seen = [rewritten for _, rewritten in reencodings(request)]
        assert start + body not in seen
        assert len(seen) == len(set(seen)) < 100


# -- the address --------------------------------------------------------------------------------------------------

SQUARE = {"square": {"secret": "$env.S"}}


@pytest.mark.parametrize(
    ("registered", "signed", "words"),
    [
        ("https://a.example/hooks/shop", "http://a.example/hooks/shop?x=1", "with http://"),
        ("https://a.example/hooks/shop", "https://a.example/hooks/shop/?x=1", "with a slash at its end"),
        ("https://a.example/hooks/shop/", "https://a.example/hooks/shop?x=1", "without the slash at its end"),
        ("https://a.example/hooks/shop", "https://a.example:443/hooks/shop?x=1", "with port 443"),
        ("https://a.example:8443/hooks/shop", "https://a.example/hooks/shop?x=1", "without its port"),
        ("https://a.example/hooks/shop", "https://a.example/hooks/shop", "without the query"),
        ("https://a.example/hooks/shop", "https://b.example/hooks/shop?x=1", "at the host of header x-forwarded-host"),
        ("https://a.example/in", "http://c.example:8080/hooks/shop?x=1", "with http://, at the host of header host"),
    ],
)
def test_it_was_registered_elsewhere(registered: str, signed: str, words: str) -> None:
    headers = {
        "x-square-hmacsha256-signature": base64mac(signed.encode() + BODY),
        "host": "c.example:8080",
        "x-forwarded-host": "b.example",
    }
    found = diagnosed(SQUARE, headers, url=registered, query="x=1")
    assert_found(found, Cause.ADDRESS, f"it matches the address {words}", "public_url")


# -- nothing is found ---------------------------------------------------------------------------------------------


def test_another_secret_is_the_likeliest() -> None:
    found = diagnosed(HMAC, {"x-sig": hexmac(BODY, "something else")})
    assert_found(found, Cause.MISMATCH, "most likely the sender's secret is not the one in S")


def test_a_large_body_is_not_tried_in_every_way_and_that_is_said() -> None:
    body = json.dumps({"text": "x" * 60_000}).encode()
    signed = json.dumps({"text": "x" * 60_000}, indent=4).encode()
    headers = {"x-sig": hexmac(signed)}
    assert_found(diagnosed(HMAC, headers, body=body, budget=500_000), Cause.MISMATCH, "not everything was tried")
    assert_found(diagnosed(HMAC, headers, body=body, budget=100 * BUDGET), Cause.BODY_CHANGED, "indented by 4")


# -- shared secrets -----------------------------------------------------------------------------------------------

TOKEN = {"header": {"name": "X-Token", "secret": "$env.S"}}
QUERY = {"query": {"name": "token", "secret": "$env.S"}}
BASIC = {"basic": {"user": "ada", "password": "$env.S"}}
BEARER = {"bearer": {"secret": "$env.S"}}


def basic(user: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("sent", "configured", "cause", "words"),
    [
        (f" {SECRET}", SECRET, Cause.FORM, "but for the spaces around what was sent"),
        (SECRET, f"{SECRET}\n", Cause.SECRET, "but for the whitespace around what is set here"),
        (SECRET, f'"{SECRET}"', Cause.SECRET, "but for the quotes"),
        (SECRET.upper(), SECRET, Cause.FORM, "but for capital letters"),
        (f"Bearer {SECRET}", SECRET, Cause.FORM, "behind the word 'Bearer'"),
        (SECRET, f"Bearer {SECRET}", Cause.SECRET, "without the word that it begins with here"),
        (SECRET.replace("-", "%2D"), SECRET, Cause.FORM, "percent-encoded once too often"),
        (base64.b64encode(SECRET.encode()).decode(), SECRET, Cause.FORM, "in base64"),
        ("another", SECRET, Cause.MISMATCH, "most likely the sender's secret is not the one in S"),
    ],
)
def test_a_shared_secret_is_written_otherwise(sent: str, configured: str, cause: Cause, words: str) -> None:
    assert_found(diagnosed(TOKEN, {"x-token": sent}, secrets={"S": configured}), cause, words)


def test_a_plus_in_an_address_is_a_space() -> None:
    found = diagnosed(QUERY, {}, secrets={"S": "a+b+secret"}, query="token=a+b+secret")
    assert_found(found, Cause.FORM, "write %2B")


def test_it_equals_another_secret() -> None:
    found = diagnosed(
        TOKEN, {"x-token": "other-secret"}, secrets={"S": SECRET, "O": "other-secret"}, others=(("O", "of source o"),)
    )
    assert_found(found, Cause.OTHER_SECRET, "it equals O, of source o")


@pytest.mark.parametrize(
    ("how", "headers", "query", "words"),
    [
        (TOKEN, {"x-api-key": SECRET}, "", "header x-api-key holds S itself"),
        (TOKEN, {}, f"key={SECRET}", "query parameter 'key' holds S itself"),
        (TOKEN, {"authorization": f"Bearer {SECRET}"}, "", "header authorization, behind the word 'Bearer'"),
        (BEARER, {"authorization": SECRET}, "", "header authorization holds S itself"),
        (TOKEN, basic(SECRET, ""), "", "the user of header authorization (Basic)"),
        (QUERY, {"x-token": SECRET}, "", "header x-token holds S itself"),
    ],
)
def test_it_stands_elsewhere(how: object, headers: dict[str, str], query: str, words: str) -> None:
    assert_found(diagnosed(how, headers, query=query), Cause.OTHER_SCHEME, words)


def test_another_sender_s_header_where_a_shared_secret_is_asked_for() -> None:
    found = diagnosed(TOKEN, {"stripe-signature": "t=1,v1=00"})
    assert_found(found, Cause.OTHER_SCHEME, "looks like that of stripe: verify: stripe?")


def test_a_parameter_but_for_its_capitals() -> None:
    assert_found(diagnosed(QUERY, {}, query="Token=guess"), Cause.FORM, "'Token'", "capitals")


@pytest.mark.parametrize(
    ("headers", "query", "words"),
    [
        ({}, "", "nothing in the request looks like a credential"),
        ({"x-key-auth": "1"}, "secret=2", "x-key-auth, secret"),
    ],
)
def test_it_is_absent(headers: dict[str, str], query: str, words: str) -> None:
    assert_found(diagnosed(TOKEN, headers, query=query), Cause.ABSENT, words)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        (("ada", "wrong"), "the user is right, and the password is another one"),
        (("eve", SECRET), "the password is right, and the user is another one"),
        ((SECRET, "ada"), "the password stands where the user belongs"),
        (("eve", "wrong"), "most likely"),
    ],
)
def test_user_or_password(pair: tuple[str, str], words: str) -> None:
    found = diagnosed(BASIC, basic(*pair))
    assert words in found.findings[0]


def test_what_is_kept_as_a_hash_can_only_be_compared() -> None:
    found = diagnosed(TOKEN, {"x-token": "[sealed:00112233445566778899aabbccddeeff]"})
    assert_found(found, Cause.MISMATCH, "it equals none of the secrets that are set now")


# -- tokens, public keys, addresses -------------------------------------------------------------------------------

JWT = {"jwt": {"algorithms": ["HS256"], "secret": "$env.S", "prefix": "Bearer "}}
LONG = "a-secret-that-is-long-enough-for-HS256"


def token(secret: str = LONG, **claims: Any) -> str:
    return jwt.encode({"exp": int(NOW.timestamp()) + 60} | claims, secret, algorithm="HS256")


@pytest.mark.parametrize(
    ("headers", "cause", "words"),
    [
        ({"authorization": f"Bearer {token('another-secret-that-is-long-enough-too')}"}, Cause.OTHER_SECRET, "with O"),
        ({"authorization": f"Bearer {token(exp=int(NOW.timestamp()) - 3600)}"}, Cause.TIMESTAMP, "its time is over"),
        ({"authorization": f"Bearer {token(f'{LONG}x')}"}, Cause.MISMATCH, "the key of this sender"),
        ({"x-token": f"Bearer {token()}"}, Cause.FORM, "header x-token holds a token, and it is right"),
        ({"x-hub-signature-256": "sha256=00"}, Cause.OTHER_SCHEME, "verify: "),
        ({}, Cause.ABSENT, "no header holds a token"),
    ],
)
def test_a_token(headers: dict[str, str], cause: Cause, words: str) -> None:
    secrets = {"S": LONG, "O": "another-secret-that-is-long-enough-too"}
    assert_found(diagnosed(JWT, headers, secrets=secrets, others=(("O", "of another"),)), cause, words)


@pytest.mark.parametrize(
    ("signed", "words"), [(BODY + b"\n", "with a newline at its end"), (b"{}", "all of it is right but the claim")]
)
def test_a_token_over_another_body(signed: bytes, words: str) -> None:
    how = {"jwt": {**JWT["jwt"], "body_claim": "body"}}
    headers = {"authorization": f"Bearer {token(body=hashlib.sha256(signed).hexdigest())}"}
    assert_found(diagnosed(how, headers, secrets={"S": LONG}), Cause.BODY_CHANGED, words)


def test_a_signature_with_a_private_key() -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    public = base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    how = {"ed25519": {"header": "X-Sig", "public_key": "$env.S"}}
    newline = base64.b64encode(key.sign(BODY + b"\n")).decode()
    found = diagnosed(how, {"x-sig": newline}, secrets={"S": public})
    assert_found(found, Cause.BODY_CHANGED, "with a newline at its end")
    found = diagnosed(how, {"x-sig": key.sign(BODY).hex()}, secrets={"S": public})
    assert_found(found, Cause.FORM, "it is hex where base64 was expected")


def test_a_proxy_that_is_not_declared() -> None:
    how = {"ip_allow": ["203.0.113.0/24"]}
    found = diagnosed(how, {"x-forwarded-for": "10.1.1.1, 203.0.113.7"}, client="10.0.0.2")
    assert_found(found, Cause.ORIGIN, "10.0.0.2 is no declared proxy (GATEWAY_TRUSTED_PROXIES)")
    found = diagnosed(how, {"x-real-ip": "203.0.113.7"}, client="10.0.0.2", proxied=True)
    assert_found(found, Cause.ORIGIN, "not the header that is read")
    assert_found(diagnosed(how, {}, client="198.51.100.1"), Cause.ORIGIN, "somebody else")


def test_a_client_certificate_from_a_proxy_that_is_not_declared() -> None:
    how = {"client_certificate": {"header": "X-Client", "subject": "CN=a"}}
    found = diagnosed(how, {"x-client": "CN=a"}, client="10.0.0.2")
    assert_found(found, Cause.ORIGIN, "the certificate is allowed, and 10.0.0.2 is no declared proxy")


# -- several ------------------------------------------------------------------------------------------------------


def test_of_several_that_must_hold_the_one_that_fails() -> None:
    how = {"header": {"name": "X-Token", "secret": "$env.S"}, "hmac": {"header": "X-Sig", "secret": "$env.S"}}
    headers = {"x-token": SECRET, "x-sig": hexmac(BODY + b"\n")}
    assert_found(diagnosed(how, headers), Cause.BODY_CHANGED, "with a newline")


def test_of_several_that_may_hold_each_with_its_number() -> None:
    found = diagnosed([TOKEN, HMAC], {"x-sig": hexmac(BODY + b"\n")})
    assert found.cause is Cause.BODY_CHANGED
    assert [text[:3] for text in found.findings] == ["1) ", "2) "]


@given(
    preset=st.sampled_from(list(PRESETS)),
    headers=st.dictionaries(
        st.sampled_from(["x-sig", "authorization", "host", "stripe-signature", "x-hub-signature-256", "webhook-id"]),
        st.text(st.characters(max_codepoint=255), max_size=80),
        max_size=4,
    ),
    own=st.text(st.characters(max_codepoint=255), max_size=100),
    body=st.binary(max_size=200),
    query=st.text("ab=&%+2", max_size=30),
)
@settings(max_examples=tries(300), deadline=None)
def test_no_request_is_too_odd_to_be_diagnosed(
    preset: str, headers: dict[str, str], own: str, body: bytes, query: str
) -> None:
    scheme = scheme_from(preset)
    name = getattr(scheme, "header", None) or getattr(scheme, "name", "x")
    request = Request(
        source="s",
        headers=tuple((headers | {name.lower(): own}).items()),
        body=body,
        query=query,
        url="https://a.example/hooks/s",
        received_at=NOW,
    )
    credential = lambda name: SECRET  # noqa: E731
    try:
        verify(scheme, request, credential=credential, now=NOW)
    except Rejected:
        found = diagnose(scheme, request, Means(credential, NOW, {}), others=(("O", "of another"),))
        assert SECRET not in str(found)
        assert found.cause in set(Cause)


SIGNED_BODY = b'{"eventCreated": 1, "eventId": "a", "data": {"a": 1}, "notificationItems": []}'
SIGNED_URL = "https://a.example/hooks/s"


def signed_by(preset: str) -> SignedRequest | None:
    """A request as this sender signs it; None where it signs something else than these, or not in a header."""
    scheme = scheme_from(preset)
    key = KEY.hex() if getattr(scheme, "key", "") == "hex" else base64.b64encode(KEY).decode()
    try:
        right = sign(scheme, body=SIGNED_BODY, headers={}, credential=lambda name: key, now=NOW, url=SIGNED_URL)
    except GatewayError:
        return None
    return right if any(len(value) > 20 for value in right.headers.values()) else None


SIGNED = {name: right for name in PRESETS if PRESETS[name].kind == "hmac" and (right := signed_by(name)) is not None}


@pytest.mark.parametrize("preset", SIGNED)
def test_a_signature_that_was_expected_is_never_shown(preset: str) -> None:
    """Refused for its secret alone: what would be right is not in the words."""
    right = SIGNED[preset]
    headers = tuple((name.lower(), value) for name, value in right.headers.items())
    request = Request(source="s", headers=headers, body=right.body, query=right.query, url=SIGNED_URL, received_at=NOW)
    means = Means(lambda name: "6f746865722d736563726574", NOW, {})
    found = diagnose(scheme_from(preset), request, means)
    assert found.cause in (Cause.MISMATCH, Cause.TIMESTAMP)
    for name, value in right.headers.items():
        assert len(value) <= 20 or value[-20:] not in str(found), name


def test_many_senders_are_among_them() -> None:
    assert len(SIGNED) > 25


def test_a_form_of_many_fields_is_taken_apart_few_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its bytes are few, and each verification of it takes milliseconds: anybody may send such forms."""
    taken_apart = []

    def counted(request: Request) -> list[tuple[str, str]]:
        taken_apart.append(request)
        return form_fields(request)

    monkeypatch.setattr(signed, "form_fields", counted)
    body = "&".join(f"a{number}=%20+" for number in range(9_000)).encode()
    headers = {"X-Twilio-Signature": "a" * 27 + "=", "Content-Type": "application/x-www-form-urlencoded"}
    found = diagnosed(
        "twilio", headers, body=body, secrets={"TWILIO_SECRET": SECRET}, url="https://hooks.example.com/hooks/shop"
    )
    assert found.cause is Cause.MISMATCH
    assert len(taken_apart) <= 4


def test_a_public_key_is_no_secret_of_the_senders() -> None:
    key = base64.b64encode(Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    how = {"ed25519": {"header": "X-Sig", "signed": "{body}", "public_key": "$env.K"}}
    found = diagnosed(how, {"X-Sig": "00" * 64}, secrets={"K": key.decode()})
    assert_found(found, Cause.MISMATCH, "most likely it was signed with another key")
