"""Verifying and signing: good requests pass, anything else is refused with a reason that shows no secret."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import AuthenticationFailed, SettingsError
from gateway.inbound.authentication import (
    Hmac,
    NoVerification,
    Scheme,
    redact_headers,
    redact_query,
    scheme_from,
    sign,
    verify,
)
from gateway.inbound.request import Request

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
STAMP = str(int(NOW.timestamp()))
SECRETS = {
    "S": "first secret",
    "OLD": "second secret",
    "HEX": "00112233445566778899aabbccddeeff",
    "B64": "AAECAwQFBgcICQ==",
    "EMPTY": "",
    "SHOP_NORTH_SHOP": "secret of the north",
    "U": "user",
    "BARE": "whsec_",
}
BODY = b'{"id": 1, "email": "zo\xc3\xab@example.com", "meta": {"at": "1767607200", "list": [{"n": 0.10}], "ok": true}}'


def request_of(
    headers: dict[str, str] | None = None,
    *,
    body: bytes = BODY,
    query: str = "",
    path: str = "",
    url: str | None = None,
) -> Request:
    return Request(
        source="shop",
        headers=tuple((name.lower(), value) for name, value in (headers or {}).items()),
        body=body,
        query=query,
        path=path,
        url=url,
        received_at=NOW,
    )


def proved(scheme: Scheme, request: Request, *, now: datetime = NOW, parts: dict[str, str] | None = None) -> str:
    verified = verify(scheme, request, credential=SECRETS.get, now=now, parts=parts)
    assert verified.request is request
    return verified.scheme


def refusal(scheme: Scheme, request: Request, *, now: datetime = NOW, parts: dict[str, str] | None = None) -> str:
    with pytest.raises(AuthenticationFailed) as failed:
        proved(scheme, request, now=now, parts=parts)
    assert failed.value.detail == "The request could not be authenticated."
    message = str(failed.value)
    assert not [secret for name, secret in SECRETS.items() if name not in ("EMPTY", "U", "BARE") and secret in message]
    return message


def mac(message: bytes, *, key: bytes = b"first secret", algorithm: str = "sha256") -> str:
    return hmac.new(key, message, algorithm).hexdigest()


def scheme_of(**keys: Any) -> Scheme:
    return scheme_from({"hmac": {"header": "X-Sig", "secret": "$env.S", **keys}})


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512", "md5"])
def test_each_algorithm(algorithm: str) -> None:
    request = request_of({"X-Sig": mac(BODY, algorithm=algorithm)})
    assert f"HMAC-{algorithm.upper()}" in proved(scheme_of(algorithm=algorithm), request)


@pytest.mark.parametrize(
    ("key", "name", "value"),
    [
        ("utf8", "S", b"first secret"),
        ("hex", "HEX", bytes.fromhex(SECRETS["HEX"])),
        ("base64", "B64", bytes(range(10))),
    ],
)
def test_each_form_of_key(key: str, name: str, value: bytes) -> None:
    request = request_of({"X-Sig": mac(BODY, key=value)})
    proved(scheme_of(key=key, secret=f"$env.{name}"), request)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("hex", mac(BODY)),
        ("hex", mac(BODY).upper()),
        ("base64", base64.b64encode(bytes.fromhex(mac(BODY))).decode()),
        ("base64url", base64.urlsafe_b64encode(bytes.fromhex(mac(BODY))).decode()),
        ("base64url", base64.urlsafe_b64encode(bytes.fromhex(mac(BODY))).decode().rstrip("=")),
    ],
)
def test_each_encoding(encoding: str, text: str) -> None:
    proved(scheme_of(encoding=encoding), request_of({"X-Sig": text}))


@pytest.mark.parametrize(
    ("signed", "message"),
    [
        ("{body}", BODY),
        ("v0:{method}:{body}", b"v0:POST:" + BODY),
        ("{url}|{path}|{query}", b"https://x.example/a/b?q=%20&r|/a/b|q=%20&r"),
        ("{sha256(body)}", hashlib.sha256(BODY).hexdigest().encode()),
        ("{header.X-One}{header.x-two}", b"1\xe92"),
        ("{body.id}.{body.email}", "1.zoë@example.com".encode()),
        ("{body.meta.list.0.n},{body.meta.ok}", b"0.10,true"),
        ("line\n{id}", b"line\nmsg_1"),
    ],
)
def test_what_can_be_signed(signed: str, message: bytes) -> None:
    headers = {"X-Sig": mac(message), "X-One": "1\xe9", "X-Two": "2", "X-Id": "msg_1"}
    request = request_of(headers, query="q=%20&r", url="https://x.example/a/b?c=1")
    proved(scheme_of(signed=signed, id_header="X-Id"), request)
    assert "does not match" in refusal(scheme_of(signed=signed + "!", id_header="X-Id"), request)


def test_without_a_public_address_the_path_is_the_one_received() -> None:
    proved(scheme_of(signed="{path}"), request_of({"X-Sig": mac(b"/hooks/shop")}))
    proved(scheme_of(signed="{path}"), request_of({"X-Sig": mac(b"/hooks/shop/uk")}, path="uk"))


def test_a_form_is_signed_by_its_sorted_fields() -> None:
    body = b"b=2&a=%C3%AB&b=1&b=1&c="
    headers = {"X-Sig": mac("aëb1b2c".encode()), "Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    scheme = scheme_of(signed="{sorted_form}")
    proved(scheme, request_of(headers, body=body))
    assert "does not match" in refusal(scheme, request_of(headers, body=body + b"d"))


def test_a_body_that_no_form_covers_is_refused() -> None:
    scheme = scheme_of(signed="{url}{sorted_form}")
    headers = {"X-Sig": mac(b"https://x.example/"), "Content-Type": "application/json"}
    said = refusal(scheme, request_of(headers, url="https://x.example/"))
    assert said == "the scheme signs form fields; the content type is application/json"
    proved(scheme, request_of(headers, body=b"", url="https://x.example/"))
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    for body in (b'{"a": 1}', b" [1]", b"<a/>", b"--x"):
        text = "".join(name + value for name, value in parse_qsl(body.decode(), keep_blank_values=True))
        said = refusal(scheme_of(signed="{sorted_form}"), request_of({**form, "X-Sig": mac(text.encode())}, body=body))
        assert said == "the scheme signs form fields; the body is no form, whatever its content type says"


def test_any_of_several_secrets_matches_and_is_named() -> None:
    scheme = scheme_of(secret=["$env.S", "$env.OLD", "$env.UNSET"])
    assert proved(scheme, request_of({"X-Sig": mac(BODY)})).endswith("secret S")
    assert proved(scheme, request_of({"X-Sig": mac(BODY, key=b"second secret")})).endswith("secret OLD")
    said = refusal(scheme, request_of({"X-Sig": mac(BODY, key=b"another")}))
    assert said == "the signature in header X-Sig does not match with any of 2 secrets (S, OLD); UNSET is unset"


TIMED: dict[str, Any] = {
    "signed": "{timestamp}.{body}",
    "parse": {"timestamp": "t", "signature": "v1"},
    "tolerance": "5m",
}


@pytest.mark.parametrize(
    "header",
    [
        "t={t},v1={good}",
        "t={t}, v1={good}",
        "v1={good},t={t}",
        "t={t},v1={bad},v1={good},v0=x",
        "t={t},v2=x,nonsense,v1={good},,",
        "t={t},v1={good},t=0",
    ],
)
def test_a_header_of_several_entries(header: str) -> None:
    good = mac(STAMP.encode() + b"." + BODY)
    text = header.format(t=STAMP, good=good, bad="0" * 64)
    proved(scheme_of(**TIMED), request_of({"X-Sig": text}))


@pytest.mark.parametrize(
    ("keys", "headers", "reason"),
    [
        ({}, {}, "header X-Sig is absent"),
        ({}, {"X-Hub-Signature": "x"}, "header X-Sig is absent (present: x-hub-signature)"),
        ({}, {"X-Sig": ""}, "does not match with the secret (S): it is empty"),
        ({}, {"X-Sig": "no-secret-provided"}, "does not match with the secret (S): it is no hex of sha256"),
        ({}, {"X-Sig": "ü" * 64}, "it is no hex of sha256"),
        ({}, {"X-Sig": "a" * 64}, "the signature in header X-Sig does not match with the secret (S)"),
        ({}, {"X-Sig": "a" * 40}, "it is as long as sha1, not sha256"),
        ({}, {"X-Sig": base64.b64encode(bytes(32)).decode()}, "it is base64 where hex was expected"),
        ({"encoding": "base64"}, {"X-Sig": mac(BODY)}, "it is hex where base64 was expected"),
        ({"prefix": "sha256="}, {"X-Sig": mac(BODY)}, "header X-Sig does not begin with 'sha256='"),
        ({"prefix": "v1,", "separator": " "}, {"X-Sig": "v2,aa v3,bb"}, "does not begin with 'v1,'"),
        ({"separator": " "}, {"X-Sig": " ".join(["a" * 64] * 33)}, "holds 33 signatures; at most 32"),
        (TIMED, {"X-Sig": f"v1={mac(BODY)}"}, "the timestamp is missing: header X-Sig holds no entry t="),
        (TIMED, {"X-Sig": f"t={STAMP}"}, "header X-Sig holds no entry v1="),
        (TIMED, {"X-Sig": "t=now,v1=aa"}, "the timestamp is not a number"),
        (TIMED, {"X-Sig": "t=١٢٣,v1=aa"}, "the timestamp is not a number"),
        (TIMED, {"X-Sig": "t=-5,v1=aa"}, "the timestamp is not a number"),
        (TIMED, {"X-Sig": f"t={'9' * 17},v1=aa"}, "the timestamp is not a number"),
        (TIMED, {"X-Sig": f"t={int(STAMP) - 2400},v1=aa"}, "the timestamp is 40 min in the past; 5 min are allowed"),
        (TIMED, {"X-Sig": f"t={int(STAMP) + 301},v1=aa"}, "the timestamp is 5 min in the future"),
        (TIMED, {"X-Sig": f"t={int(STAMP) - 86400},v1=aa"}, "the timestamp is 24 h in the past"),
        (TIMED, {"X-Sig": "t=0,v1=aa"}, "days in the past"),
        ({"signed": "{url}"}, {"X-Sig": "aa"}, "does not say its public_url"),
        ({"signed": "{id}", "id_header": "X-Id"}, {"X-Sig": "aa"}, "header X-Id is absent"),
        ({"signed": "{header.X-Other}"}, {"X-Sig": "aa"}, "header X-Other, a part of what is signed, is absent"),
        ({"signed": "{body.none}"}, {"X-Sig": "aa"}, "none is absent from the body"),
        ({"signed": "{body.meta}"}, {"X-Sig": "aa"}, "meta of the body is dict; a text or a number is needed"),
        ({"signed": "{body.meta.list.9}"}, {"X-Sig": "aa"}, "meta.list.9 is absent"),
        ({"secret": "$env.UNSET"}, {"X-Sig": mac(BODY)}, "no secret can be used; UNSET is unset"),
        ({"secret": "$env.EMPTY"}, {"X-Sig": mac(BODY, key=b"")}, "no secret can be used; EMPTY is unset"),
        ({"key": "hex"}, {"X-Sig": mac(BODY)}, "S is not hex digits, as key: hex says"),
        ({"key": "base64"}, {"X-Sig": mac(BODY)}, "S is not base64, as key: base64 says"),
        ({"key": "whsec", "secret": "$env.BARE"}, {"X-Sig": mac(BODY)}, "BARE holds an empty key"),
        ({"per": "$path.shop"}, {"X-Sig": mac(BODY)}, "the path holds no shop, which chooses the secret"),
    ],
)
def test_a_refusal_says_which_part_failed(keys: dict[str, Any], headers: dict[str, str], reason: str) -> None:
    assert reason in refusal(scheme_of(**keys), request_of(headers))


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff", b"[" * 100_000, b'{"a": "\\ud800}', b"9" * 5000, b"[]"])
def test_a_signed_field_of_an_unreadable_body_is_a_refusal(body: bytes) -> None:
    assert "body" in refusal(scheme_of(signed="{body.a}"), request_of({"X-Sig": "aa"}, body=body))


@pytest.mark.parametrize(
    ("unit", "text"),
    [("ms", STAMP + "250"), ("iso", "2026-01-05T10:00:01Z"), ("iso", "2026-01-05T12:00:00.5+02:00")],
)
def test_other_ways_to_write_the_time(unit: str, text: str) -> None:
    scheme = scheme_of(signed="{timestamp}{body}", timestamp_header="X-Time", timestamp_unit=unit, tolerance="1m")
    request = request_of({"X-Time": text, "X-Sig": mac(text.encode() + BODY)})
    proved(scheme, request)
    assert "in the past; 60 s are allowed" in refusal(scheme, request, now=NOW + timedelta(seconds=90))


@pytest.mark.parametrize(
    ("text", "reason"), [("yesterday", "not an ISO 8601 time"), ("2026-01-05T10:00:00", "no time zone")]
)
def test_an_iso_time_that_is_none(text: str, reason: str) -> None:
    scheme = scheme_of(signed="{timestamp}", timestamp_header="X-Time", timestamp_unit="iso", tolerance="1m")
    assert reason in refusal(scheme, request_of({"X-Time": text, "X-Sig": "aa"}))


def test_a_signature_in_the_body() -> None:
    scheme = scheme_from(
        {
            "hmac": {
                "signature_path": "sig.mac",
                "timestamp_path": "sig.at",
                "signed": "{timestamp}{body.sig.token}",
                "tolerance": "5m",
                "secret": "$env.S",
            }
        }
    )
    body = f'{{"sig": {{"at": {STAMP}, "token": "abc", "mac": "{mac(STAMP.encode() + b"abc")}"}}}}'.encode()
    assert "sig.mac of the body" in proved(scheme, request_of(body=body))
    assert "does not match" in refusal(scheme, request_of(body=body.replace(b"abc", b"abd", 1)))
    assert "sig.mac is absent from the body" in refusal(scheme, request_of(body=b"{}"))
    made = sign(scheme, body=b'{"sig": {"token": "t"}, "n": 0.10}', headers={}, credential=SECRETS.get, now=NOW)
    proved(scheme, request_of(body=made.body))
    assert made.body.endswith(b',"n":0.10}')


UNEVEN = [
    rb'{"meta": {"token": "first secret"}, "text": "cut \ud83d"}',
    b'{"meta": {"token": "first secret"}, "text": "caf\xe9"}',
    b'\xef\xbb\xbf{"meta": {"token": "first secret"}}',
    '{"meta": {"token": "first secret"}, "text": "\u20ac"}'.encode("utf-16"),
]


@pytest.mark.parametrize("body", UNEVEN)
def test_an_authentic_body_may_hold_what_is_no_clean_json(body: bytes) -> None:
    assert "meta.token of the body" in proved(IN_BODY, request_of(body=body))
    signed = scheme_of(signed="{body.meta.token}")
    proved(signed, request_of({"X-Sig": mac(b"first secret")}, body=body))
    wrong = body.replace(b"i", b"a")
    assert "equals none of the secrets" in refusal(IN_BODY, request_of(body=wrong))


def test_a_signature_and_a_time_beside_half_an_emoji() -> None:
    places = {"signature_path": "sig", "timestamp_path": "at", "signed": "{timestamp}.{body.id}"}
    scheme = scheme_from({"hmac": {**places, "tolerance": "5m", "secret": "$env.S"}})
    body = f'{{"id": 7, "at": {STAMP}, "sig": "{mac(STAMP.encode() + b".7")}", "text": "\\ud83d"}}'.encode()
    assert "sig of the body" in proved(scheme, request_of(body=body))


def test_a_time_in_the_body_is_signed_as_it_stands_there() -> None:
    scheme = scheme_of(signed="{timestamp}.{body}", timestamp_path="meta.at", tolerance="5m")
    headers = sign(scheme, body=BODY, headers={}, credential=SECRETS.get, now=NOW).headers
    assert headers == {"X-Sig": mac(b"1767607200." + BODY)}
    proved(scheme, request_of(headers))


def test_a_form_with_too_many_fields_is_not_sorted() -> None:
    headers = {"X-Sig": "aa", "Content-Type": "application/x-www-form-urlencoded"}
    said = refusal(scheme_of(signed="{sorted_form}"), request_of(headers, body=b"a&" * 10_000))
    assert said == "the form has more than 10000 fields"


def test_a_part_of_the_path_chooses_the_secret() -> None:
    scheme = scheme_from({"shopify": {"secret": "$env.SHOP", "per": "$path.brand"}})
    parts = {"brand": "north-shop"}
    headers = sign(scheme, body=BODY, headers={}, credential=SECRETS.get, now=NOW, parts=parts).headers
    assert proved(scheme, request_of(headers), parts=parts).endswith("secret SHOP_NORTH_SHOP")
    assert "SHOP_SOUTH is unset" in refusal(scheme, request_of(headers), parts={"brand": "south"})


@pytest.mark.parametrize(
    "part", ["north-file", "north_FILE", "file", "_file", "north.file", "north/x", "no\u0301rth", "a\n"]
)
def test_a_part_of_the_path_never_names_where_a_secret_is_mounted(part: str) -> None:
    scheme = scheme_from({"shopify": {"secret": "$env.SHOP", "per": "$path.brand"}})
    mounted = {"SHOP_NORTH_FILE": "/run/secrets/north", "SHOP_FILE": "/run/secrets/shop"}
    guessed = base64.b64encode(hmac.digest(b"/run/secrets/north", BODY, "sha256")).decode()
    with pytest.raises(AuthenticationFailed, match="brand of the path names no secret"):
        verify(
            scheme,
            request_of({"X-Shopify-Hmac-Sha256": guessed}),
            credential=mounted.get,
            now=NOW,
            parts={"brand": part},
        )


BASIC = scheme_from({"basic": {"user": "$env.U", "password": ["$env.S", "$env.OLD"]}})
BEARER = scheme_from({"bearer": {"secret": "$env.S"}})
HEADER = scheme_from({"header": {"name": "X-Token", "secret": ["$env.S", "$env.UNSET"]}})
QUERY = scheme_from({"query": {"name": "token", "secret": "$env.S"}})
IN_BODY = scheme_from({"body": {"path": "meta.token", "secret": "$env.S"}})


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("scheme", "request_", "words"),
    [
        (BASIC, request_of(basic("user", "first secret")), "basic authentication, password S"),
        (BASIC, request_of(basic("user", "second secret")), "basic authentication, password OLD"),
        (
            BEARER,
            request_of({"Authorization": "bearer first secret"}),
            "shared secret S in header Authorization (Bearer)",
        ),
        (HEADER, request_of({"X-Token": "first secret"}), "shared secret S in header X-Token"),
        (QUERY, request_of(query="a=1&token=first+secret"), "shared secret S in query parameter token"),
        (QUERY, request_of(query="token=x&token=first%20secret"), "shared secret S in query parameter token"),
        (IN_BODY, request_of(body=b'{"meta": {"token": "first secret"}}'), "shared secret S in meta.token of the body"),
        (NoVerification(), request_of(), "none: the rules file asks for no proof"),
        (NoVerification(because="verified at receipt"), request_of(), "verified at receipt"),
    ],
)
def test_a_shared_secret_that_is_right(scheme: Scheme, request_: Request, words: str) -> None:
    assert proved(scheme, request_) == words


@pytest.mark.parametrize(
    ("scheme", "request_", "reason"),
    [
        (BASIC, request_of(), "header Authorization is absent; Basic is needed"),
        (BASIC, request_of({"Authorization": "Bearer first secret"}), "holds no Basic credential"),
        (BASIC, request_of({"Authorization": "Basic !"}), "is not base64"),
        (BASIC, request_of({"Authorization": "Basic " + base64.b64encode(b"user").decode()}), "holds no colon"),
        (BASIC, request_of(basic("user", "wrong")), "equals none of the secrets (S, OLD)"),
        (BASIC, request_of(basic("someone", "first secret")), "the user of header Authorization (Basic) is not"),
        (BEARER, request_of({"Authorization": "Bearer"}), "equals none of the secrets (S)"),
        (HEADER, request_of(), "header X-Token is absent"),
        (
            HEADER,
            request_of({"X-Token": "first secret "}),
            "header X-Token equals none of the secrets (S, UNSET); UNSET unset",
        ),
        (HEADER, request_of({"X-Token": "\u2603"}), "equals none"),
        (QUERY, request_of(query="other=first+secret"), "query parameter token is absent"),
        (QUERY, request_of(query="token="), "equals none"),
        (IN_BODY, request_of(), "meta.token is absent from the body"),
        (IN_BODY, request_of(body=b'{"meta": {"token": "wrong"}}'), "meta.token of the body equals none"),
        (IN_BODY, request_of(body=b"token=first+secret"), "the body is not JSON"),
        (scheme_from({"bearer": {"secret": "$env.EMPTY"}}), request_of({"Authorization": "Bearer "}), "EMPTY unset"),
        (
            scheme_from({"basic": {"user": "$env.NOBODY", "password": "$env.S"}}),
            request_of(basic("", "first secret")),
            "NOBODY is unset",
        ),
    ],
)
def test_a_shared_secret_that_is_wrong(scheme: Scheme, request_: Request, reason: str) -> None:
    assert reason in refusal(scheme, request_)


def test_a_mapping_needs_all_and_a_list_needs_any() -> None:
    parts: dict[str, object] = {
        "bearer": {"secret": "$env.S"},
        "header": {"name": "X-Token", "secret": "$env.OLD"},
    }
    both = scheme_from(parts)
    either = scheme_from([{name: value} for name, value in parts.items()])
    bearer, token = {"Authorization": "Bearer first secret"}, {"X-Token": "second secret"}
    assert " and " in proved(both, request_of({**bearer, **token}))
    assert refusal(both, request_of(bearer)) == "header X-Token is absent"
    assert "Authorization is absent" in refusal(both, request_of(token))
    assert "Bearer" in proved(either, request_of(bearer))
    assert "X-Token" in proved(either, request_of(token))
    said = refusal(either, request_of())
    assert said.startswith("none of 2 schemes holds: 1) header Authorization is absent")
    assert said.endswith("2) header X-Token is absent")


def test_what_is_sent_by_header_can_be_signed() -> None:
    for scheme in (
        BASIC,
        BEARER,
        HEADER,
        scheme_from({"bearer": {"secret": "$env.S"}, "github": {"secret": "$env.S"}}),
    ):
        headers = sign(scheme, body=BODY, headers={}, credential=SECRETS.get, now=NOW).headers
        proved(scheme, request_of(headers))
    assert sign(NoVerification(), body=BODY, headers={}, credential=SECRETS.get, now=NOW).headers == {}
    first_that_can = scheme_from([{"bearer": {"secret": "$env.UNSET"}}, {"bearer": {"secret": "$env.S"}}])
    assert list(sign(first_that_can, body=BODY, headers={}, credential=SECRETS.get, now=NOW).headers) == [
        "Authorization"
    ]


def test_what_is_sent_by_query_or_body_can_be_signed() -> None:
    query = scheme_from({"query": {"name": "t", "secret": "$env.S"}, "bearer": {"secret": "$env.S"}})
    made = sign(query, body=BODY, headers={}, credential=SECRETS.get, now=NOW, query="a=1&t=old")
    assert made.query == "a=1&t=first%20secret"
    proved(query, request_of(dict(made.headers), query=made.query))
    body = scheme_from({"hmac": {"header": "X-Sig", "secret": "$env.S"}, "body": {"path": "a.b", "secret": "$env.S"}})
    made = sign(body, body=b'{"total": 0.10}', headers={}, credential=SECRETS.get, now=NOW)
    assert made.body == b'{"total":0.10,"a":{"b":"first secret"}}'
    proved(body, request_of(dict(made.headers), body=made.body))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"body": {"path": "meta.list.b", "secret": "$env.S"}}, "the body has no place b for the proof"),
        ({"ecdsa": {"header": "X", "public_key": "$env.S"}}, "the sender signs with a private key"),
        ({"bearer": {"secret": "$env.UNSET"}}, "UNSET unset"),
        ({"basic": {"user": "$env.NOBODY", "password": "$env.S"}}, "NOBODY is unset"),
        ([{"bearer": {"secret": "$env.UNSET"}}, {"github": {"secret": "$env.UNSET"}}], "none of 2 schemes can sign"),
        ("stripe", "STRIPE_SECRET is unset"),
        ({"square": {"secret": "$env.S"}}, "can't sign: the sender signs its address"),
    ],
)
def test_what_cannot_be_signed_says_why(value: object, reason: str) -> None:
    with pytest.raises(SettingsError) as problem:
        sign(scheme_from(value), body=BODY, headers={}, credential=SECRETS.get, now=NOW)
    assert reason in str(problem.value)


def test_static_credentials_are_taken_out_of_what_is_stored() -> None:
    scheme = scheme_from(
        {"header": {"name": "X-Token", "secret": "$env.S"}, "query": {"name": "key", "secret": "$env.S"}}
    )
    headers = (
        ("host", "h"),
        ("x-token", "s"),
        ("cookie", "c"),
        ("authorization", "a"),
        ("x-sig", "v"),
        ("x-token", "2"),
    )
    assert redact_headers(headers, scheme) == (
        ("host", "h"),
        ("x-token", "[redacted]"),
        ("cookie", "[redacted]"),
        ("authorization", "[redacted]"),
        ("x-sig", "v"),
        ("x-token", "[redacted]"),
    )
    assert redact_headers((("x-token", "s"), ("proxy-authorization", "p")), NoVerification()) == (
        ("x-token", "s"),
        ("proxy-authorization", "[redacted]"),
    )
    assert redact_query("a=%20&key=s&k%65y=t&key&b", scheme) == "a=%20&key=[redacted]&k%65y=[redacted]&key=[redacted]&b"
    assert redact_query("key=s", BEARER) == "key=s"
    assert redact_query("", scheme) == ""


SAMPLES = [
    scheme_from({name: {"secret": "$env.S", "key": "utf8"}})
    for name in ("shopify", "stripe", "github", "slack", "standard_webhooks", "ticket_tailor", "intercom", "square")
]


@given(
    scheme=st.sampled_from(SAMPLES),
    body=st.binary(max_size=200),
    seconds=st.integers(-60, 60),
    url=st.from_regex(r"https://[a-z]{1,9}\.example/[a-z0-9?=&%]{0,20}", fullmatch=True),
)
def test_what_is_signed_verifies(scheme: Scheme, body: bytes, seconds: int, url: str) -> None:
    headers = sign(scheme, body=body, headers={}, credential=SECRETS.get, now=NOW, url=url).headers
    proved(scheme, request_of(headers, body=body, url=url), now=NOW + timedelta(seconds=seconds))


@given(scheme=st.sampled_from(SAMPLES), body=st.binary(min_size=1, max_size=60), data=st.data())
def test_any_changed_byte_of_the_body_is_refused(scheme: Scheme, body: bytes, data: st.DataObject) -> None:
    url = "https://x.example/"
    headers = sign(scheme, body=body, headers={}, credential=SECRETS.get, now=NOW, url=url).headers
    place = data.draw(st.integers(0, len(body) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != body[place]))
    changed = body[:place] + bytes([other]) + body[place + 1 :]
    assert "does not match" in refusal(scheme, request_of(headers, body=changed, url=url))
    refusal(scheme, request_of(headers, body=body + b"\n", url=url))
    refusal(scheme, request_of(headers, body=body[:-1], url=url))


@given(scheme=st.sampled_from(SAMPLES), data=st.data())
def test_any_changed_character_of_the_signature_is_refused(scheme: Scheme, data: st.DataObject) -> None:
    url = "https://x.example/"
    headers = sign(scheme, body=BODY, headers={}, credential=SECRETS.get, now=NOW, url=url).headers
    name, text = data.draw(st.sampled_from(sorted(headers.items())))
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(max_codepoint=255).filter(lambda found: found != text[place]))
    changed = text[:place] + other + text[place + 1 :]
    # White space around a header's value means nothing, nor does the case of hex digits.
    in_hex = isinstance(scheme, Hmac) and scheme.encoding == "hex" and changed.lower() == text.lower()
    if changed.strip() != text.strip() and not in_hex:
        refusal(scheme, request_of({**headers, name: changed}, url=url))


@given(
    scheme=st.sampled_from([*SAMPLES, BASIC, BEARER, HEADER, QUERY, IN_BODY]),
    body=st.binary(max_size=50) | st.just(BODY),
    value=st.text(max_size=40) | st.sampled_from(["t=1,v1=", "Basic ", "Bearer ", "v1,", "sha256=", "Basic dTpw"]),
    query=st.text(max_size=30) | st.just("token=%FF"),
)
def test_nothing_but_a_refusal_comes_of_a_stranger(scheme: Scheme, body: bytes, value: str, query: str) -> None:
    names = "x-shopify-hmac-sha256 stripe-signature x-hub-signature-256 x-slack-signature x-slack-request-timestamp"
    names += " webhook-id webhook-timestamp webhook-signature authorization x-token x-hub-signature content-type"
    names += " tickettailor-webhook-signature x-square-hmacsha256-signature"
    headers = dict.fromkeys(names.split(), value)
    refusal(scheme, request_of(headers, body=body, query=query, url="https://x.example/"))


def test_a_reason_holds_little_of_what_a_stranger_wrote() -> None:
    strange = {f"x-signature-{number}-{'a' * 500}": "1" for number in range(50)}
    assert len(refusal(scheme_from({"hmac": {"header": "X-Sig", "secret": "$env.S"}}), request_of(strange))) < 400


def test_a_user_of_odd_bytes_in_the_environment_is_just_another() -> None:
    odd = {"U": "\udce9", "S": "secret"}  # as os.environ tells a byte that is no UTF-8
    scheme = scheme_from({"basic": {"user": "$env.U", "password": "$env.S"}})
    given = request_of({"authorization": "Basic " + base64.b64encode(b"e:secret").decode()})
    with pytest.raises(AuthenticationFailed):
        verify(scheme, given, credential=odd.get, now=NOW)
