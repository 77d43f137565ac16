"""Each way to prove oneself at the hook of a real application: what its sender makes is taken in, anything else is
refused with 401 and a reason that shows no secret."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import struct
import zlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from gateway.inbound.authentication import SignedRequest, scheme_from, sign
from gateway.store import WebhookFilter
from tests.inbound.hooks import Hooks, serving
from tests.inbound.pairs import pair_for

BODY = b'{"id": 1, "name": "Zo\xc3\xab"}'
SECRET = "s3cret-that-is-long-enough-for-any-hash"
OTHER = "an0ther-that-is-long-enough-for-any-hash"


def source(verify: object, **more: object) -> dict[str, str]:
    return {"s.yaml": json.dumps({"source": "s", "verify": verify, **more})}


def made(verify: object, hooks: Hooks, *, body: bytes = BODY, **options: Any) -> SignedRequest:
    """The request as we sign it for that source."""
    environ = options.pop("environ", {"S": SECRET})
    return sign(scheme_from(verify), body=body, headers={}, credential=environ.get, now=hooks.now, **options)


async def posted(hooks: Hooks, request: SignedRequest, *, path: str = "s") -> int:
    return await hooks.status(path, request.body, request.headers, query=request.query)


# -- hashes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512", "md5"])
@pytest.mark.parametrize("encoding", ["hex", "base64", "base64url", "hex_base64"])
async def test_a_keyed_hash_in_each_algorithm_and_encoding(algorithm: str, encoding: str, tmp_path: Path) -> None:
    digest = hmac.new(SECRET.encode(), BODY, algorithm).digest()
    text = {
        "hex": digest.hex().upper(),
        "base64": b64encode(digest).decode(),
        "base64url": urlsafe_b64encode(digest).decode().rstrip("="),
        "hex_base64": b64encode(digest.hex().encode()).decode(),
    }[encoding]
    verify = {"hmac": {"header": "X-Sig", "algorithm": algorithm, "encoding": encoding, "secret": "$env.S"}}
    async with serving(tmp_path, source(verify), S=SECRET) as hooks:
        assert await hooks.status("s", BODY, {"X-Sig": text}) == 200
        assert await hooks.status("s", BODY + b" ", {"X-Sig": text}) == 401
        assert await hooks.status("s", BODY) == 401
        assert await posted(hooks, made(verify, hooks)) == 200


@pytest.mark.parametrize("signed", ["{secret}{body}", "{method}{secret}{body}", "{body}{timestamp}{secret}"])
async def test_a_plain_hash_that_holds_the_secret(signed: str, tmp_path: Path) -> None:
    verify = {
        "digest": {
            "header": "X-Sig", "signed": signed, "timestamp_header": "X-Time", "secret": ["$env.S", "$env.OLD"],
            **({"tolerance": "5m"} if "{timestamp}" in signed else {}),
        }
    }  # fmt: skip
    async with serving(tmp_path, source(verify), S=SECRET, OLD=OTHER) as hooks:
        stamp = str(int(hooks.now.timestamp()))
        for secret in (SECRET, OTHER):
            text = (
                signed.replace("{secret}", secret).replace("{method}", "POST").replace("{timestamp}", stamp).encode()
            ).replace(b"{body}", BODY)
            headers = {"X-Sig": hashlib.sha256(text).hexdigest(), "X-Time": stamp}
            assert await hooks.status("s", BODY, headers) == 200
            assert await hooks.status("s", BODY + b" ", headers) == 401
        assert await posted(hooks, made(verify, hooks)) == 200
        hooks.now += timedelta(minutes=6)
        assert await hooks.status("s", BODY, headers) == (401 if "{timestamp}" in signed else 200)


async def test_a_row_of_numbered_headers_needs_one_that_matches(tmp_path: Path) -> None:
    good = b64encode(hmac.digest(SECRET.encode(), BODY, "sha256")).decode()
    async with serving(tmp_path, source("docusign"), DOCUSIGN_SECRET=SECRET) as hooks:
        header = "X-DocuSign-Signature"
        assert await hooks.status("s", BODY, {f"{header}-1": "x", f"{header}-2": good}) == 200
        assert await hooks.status("s", BODY, {f"{header}-1": "x", f"{header}-2": "y"}) == 401
        assert await hooks.status("s", BODY, {f"{header}-next": good}) == 401
        assert await hooks.status("s", BODY, {header: good}) == 401


async def test_a_signature_in_the_query_and_one_in_a_form(tmp_path: Path) -> None:
    fields = {"hash": "", "timestamp": "1767607200", "data": '{"total": 1}'}
    fields["hash"] = hashlib.md5(f"{SECRET}{fields['timestamp']}{fields['data']}".encode()).hexdigest()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    async with serving(tmp_path, source("quoter"), QUOTER_SECRET=SECRET) as hooks:
        assert await hooks.status("s", urlencode(fields).encode(), form) == 200
        assert await hooks.status("s", urlencode({**fields, "data": "{}"}).encode(), form) == 401
    in_query = {"hmac": {"signature_query": "hmac", "signed": "{body.a}{body.b.c}", "secret": "$env.S"}}
    (tmp_path / "query").mkdir()
    async with serving(tmp_path / "query", source(in_query), S=SECRET) as hooks:
        good = hmac.new(SECRET.encode(), b"1true", "sha256").hexdigest()
        assert await hooks.status("s", b'{"a": 1, "b": {"c": true}}', query=f"x=1&hmac={good}") == 200
        assert await hooks.status("s", b'{"a": 2, "b": {"c": true}}', query=f"x=1&hmac={good}") == 401
        assert await hooks.status("s", b'{"a": 1, "b": {"c": true}}', query="x=1") == 401


async def test_json_that_is_signed_byte_for_byte_as_it_was_sent(tmp_path: Path) -> None:
    content = b'{ "Key" : "a\\/b", "n": 1.50 }'
    good = hmac.new(SECRET.encode(), content, "sha256").hexdigest().upper().encode()
    async with serving(tmp_path, source("exact_online"), EXACT_ONLINE_SECRET=SECRET) as hooks:
        assert await hooks.status("s", b'{"Content": %s, "HashCode": "%s"}' % (content, good)) == 200
        assert await hooks.status("s", b'{"Content": %s, "HashCode": "%s"}' % (content.replace(b"0", b""), good)) == 401
        for other in (b'{"HashCode": "%s"}' % good, b"[]", b"", b'{"Content": {"a": }, "HashCode": "%s"}' % good):
            assert await hooks.status("s", other) == 401


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


async def test_a_body_that_could_be_read_in_two_ways_proves_nothing(tmp_path: Path) -> None:
    """Where a sender signs two values, the values that are verified are those that the rules read."""
    signed = {"hmac": {"header": "X-Sig", "signed": "{body.at}{body.what}", "secret": "$env.S"}}
    good = {"X-Sig": hmac.new(SECRET.encode(), b"1paid", "sha256").hexdigest()}
    polyglot = b'{"at": 1, "what": "forged", "x": "&at=1&what=paid&x="}'
    hidden = b'{"at": 1, "what": "paid", "x": "\x1b$B\x22\x1b(B", "what": "forged"}'
    async with serving(tmp_path, source(signed), S=SECRET) as hooks:
        assert await hooks.status("s", b'{"at": 1, "what": "paid"}', good) == 200
        assert await hooks.status("s", b'{"at": 1, "what": "paid"}', {**good, **FORM}) == 200, "JSON, whatever it says"
        assert await hooks.status("s", polyglot, {**good, **FORM}) == 401
        assert await hooks.status("s", b"at=1&what=paid", {**good, **FORM}) == 401
        for charset in ("iso-2022-jp", '"ISO-2022-JP"', "iso2022_jp; x=1"):
            kind = {"Content-Type": f"application/json; charset={charset}"}
            assert await hooks.status("s", b'{"at": 1, "what": "paid"}', {**good, **kind}) == 401
            assert await hooks.status("s", hidden, {**good, **kind}) == 401
    in_form = {
        "digest": {"signature_path": "hash", "read_as": "form", "signed": "{secret}{body.data}", "secret": "$env.S"}
    }
    made_of = hashlib.sha256(f"{SECRET}paid".encode()).hexdigest()
    (tmp_path / "form").mkdir()
    async with serving(tmp_path / "form", source(in_form), S=SECRET) as hooks:
        fields = f"hash={made_of}&data=paid"
        assert await hooks.status("s", fields.encode(), FORM) == 200
        assert await hooks.status("s", fields.encode(), {"Content-Type": "application/json"}) == 401
        assert await hooks.status("s", fields.encode()) == 401
        for more in ("&data=forged", "&data[x]=forged"):
            assert await hooks.status("s", (fields + more).encode(), FORM) == 401
            assert await hooks.status("s", (more[1:] + "&" + fields).encode(), FORM) == 401
        assert await hooks.status("s", b'{"x": "&%s&x="}' % fields.encode(), FORM) == 401
        assert await hooks.status("s", b"<x>&%s&x=</x>" % fields.encode(), FORM) == 401
        forged = b'{"data": "forged", "x": "&%s&x="}' % fields.encode()
        # RFC 1951, 3.2.4: a stored block after "p", whose last three bits say so, and an empty last one.
        both = b"p" + struct.pack("<HH", len(forged), len(forged) ^ 0xFFFF) + forged + b"\x01\x00\x00\xff\xff"
        assert zlib.decompress(both, -15) == forged
        assert await hooks.status("s", both, FORM) == 200, "the form that it is"
        assert await hooks.status("s", both, {**FORM, "Content-Encoding": "deflate"}) == 401
        assert await hooks.status("s", both, {**FORM, "Content-Encoding": "identity"}) == 200


async def test_a_form_of_ten_thousand_names_is_compared_in_moments(tmp_path: Path) -> None:
    """Nobody is verified yet: comparing each name with each would hold everybody up for the better part of a minute."""
    fields = "&".join(f"name{number}=1" for number in range(9_000))
    async with serving(tmp_path, source("quoter"), QUOTER_SECRET=SECRET) as hooks:
        async with asyncio.timeout(15):
            assert await hooks.status("s", fields.encode(), FORM) == 401


async def test_each_element_is_signed_and_one_forged_element_refuses_all(tmp_path: Path) -> None:
    item = {"pspReference": "1", "merchantAccountCode": "M", "amount": {"value": 100, "currency": "EUR"}}
    body = json.dumps({"notificationItems": [{"NotificationRequestItem": {**item, "n": n}} for n in range(3)]}).encode()
    rules = source("adyen_payments", events="$.notificationItems[*]")
    async with serving(tmp_path, rules, ADYEN_PAYMENTS_SECRET="00ff" * 16) as hooks:
        signed = sign(
            scheme_from("adyen_payments"), body=body, headers={}, now=hooks.now,
            credential={"ADYEN_PAYMENTS_SECRET": "00ff" * 16}.get,
        )  # fmt: skip
        assert await posted(hooks, signed) == 200
        document = msgspec.json.decode(signed.body)
        for change in ({"pspReference": "2"}, {"additionalData": {}}, {"additionalData": {"hmacSignature": ""}}):
            forged = msgspec.json.decode(signed.body)
            forged["notificationItems"][2]["NotificationRequestItem"] |= change
            assert await hooks.status("s", msgspec.json.encode(forged)) == 401
        document["notificationItems"].append({"NotificationRequestItem": "text"})
        assert await hooks.status("s", msgspec.json.encode(document)) == 401
        for nothing in (b'{"notificationItems": []}', b"{}", b"[]", b""):
            assert await hooks.status("s", nothing) == 401


# -- secrets as they are, and which of them the path chooses ----------------------------------------------------------


PER: dict[str, dict[str, Any]] = {
    "hmac": {"header": "X-Sig", "secret": "$env.S"},
    "digest": {"header": "X-Sig", "signed": "{secret}{body}", "secret": "$env.S"},
    "header": {"name": "X-Token", "secret": "$env.S"},
    "bearer": {"secret": "$env.S"},
    "basic": {"user": "$env.U", "password": "$env.S"},
    "query": {"name": "token", "secret": "$env.S"},
    "body": {"path": "meta.token", "secret": "$env.S"},
    "jwt": {"algorithms": ["HS256"], "secret": "$env.S"},
    "ed25519": {"header": "X-Sig", "public_key": "$env.K"},
}


@pytest.mark.parametrize("kind", PER)
async def test_the_path_chooses_the_secret_of_every_scheme_that_has_one(kind: str, tmp_path: Path) -> None:
    verify = {kind: {**PER[kind], "per": "$path.brand"}}
    private, public = pair_for("ed25519")
    strange, other = pair_for("ed25519", number=1)
    environ = {
        "S_UK": SECRET, "U_UK": "uk", "K_UK": public, "S_NORTH_SHOP": OTHER, "U_NORTH_SHOP": "north",
        "K_NORTH_SHOP": other, "S_UK_FILE": "/nowhere", "S_FILE": "/nowhere",
    }  # fmt: skip
    async with serving(tmp_path, source(verify, path="{brand}"), **environ) as hooks:
        uk = made(verify, hooks, environ=environ, parts={"brand": "uk"}, private_key=private)
        north = made(verify, hooks, environ=environ, parts={"brand": "north-shop"}, private_key=strange)
        assert await posted(hooks, uk, path="s/uk") == 200
        assert await posted(hooks, north, path="s/north-shop") == 200
        for request, path in ((uk, "s/north-shop"), (north, "s/uk"), (uk, "s/fr"), (uk, "s/uk_file"), (uk, "s/%2E")):
            assert await posted(hooks, request, path=path) == 401
        assert await posted(hooks, uk, path="s") == 404


async def test_the_address_that_is_signed_holds_the_part_of_the_path(tmp_path: Path) -> None:
    verify = {"square": {"secret": "$env.S"}}
    address = "https://hooks.example.com/hooks/s/{brand}"
    async with serving(tmp_path, source(verify, path="{brand}", public_url=address), S=SECRET) as hooks:
        uk = made(verify, hooks, url=address.replace("{brand}", "uk"))
        assert await posted(hooks, uk, path="s/uk") == 200
        assert await posted(hooks, uk, path="s/fr") == 401
        assert await posted(hooks, made(verify, hooks, url=address.replace("{brand}", "a%20b")), path="s/a%20b") == 200
        assert await hooks.status("s/uk", uk.body, uk.headers, query="a=1") == 401, "the query is a part of it"


async def test_the_secret_of_every_element_counts_and_is_not_kept(tmp_path: Path) -> None:
    rules = source("microsoft_graph", events="$.value[*]")
    async with serving(tmp_path, rules, MICROSOFT_GRAPH_SECRET=SECRET) as hooks:
        elements = [{"id": number, "clientState": SECRET} for number in range(2)]
        assert await hooks.status("s", json.dumps({"value": elements}).encode()) == 200
        kept = await hooks.app.state.gateway.store.webhooks(WebhookFilter())
        bodies = [(await hooks.app.state.gateway.store.webhook(row.id)).body for row in kept.items]
        assert [SECRET.encode() in body for body in bodies] == [False, False]
        assert all(b"[redacted]" in body for body in bodies)
        for wrong in ([*elements, {"id": 3}], [*elements, {"id": 3, "clientState": "x"}], [], [1]):
            assert await hooks.status("s", json.dumps({"value": wrong}).encode()) == 401


# -- public keys ------------------------------------------------------------------------------------------------------


KEYED = {
    "ecdsa, der": ("ecdsa", {}),
    "ecdsa, raw": ("ecdsa", {"form": "raw", "encoding": "base64url"}),
    "ecdsa, sha512": ("ecdsa", {"algorithm": "sha512", "encoding": "hex"}),
    "ed25519": ("ed25519", {"encoding": "hex", "signed": "{timestamp}{body}"}),
    "rsa": ("rsa", {}),
    "rsa, pss": ("rsa", {"padding": "pss", "algorithm": "sha512"}),
    "rsa, sha1": ("rsa", {"algorithm": "sha1"}),
}


@pytest.mark.parametrize("name", KEYED)
async def test_a_public_key_in_a_file_beside_the_rules_or_in_a_variable(name: str, tmp_path: Path) -> None:
    kind, keys = KEYED[name]
    private, public = pair_for(kind)
    stranger, _ = pair_for(kind, number=1)
    declared = {
        "header": "X-Sig",
        "timestamp_header": "X-Time",
        "signed": "{body}{timestamp}",
        "tolerance": "5m",
        **keys,
    }
    files = source({kind: {**declared, "public_key": ["old.pem", "$env.K"]}})
    files["old.pem"] = pair_for(kind, number=2)[1]
    verify = {kind: {**declared, "public_key": "$env.K"}}
    async with serving(tmp_path, files, K="".join(public.splitlines()[1:-1])) as hooks:
        good = made(verify, hooks, private_key=private)
        assert await posted(hooks, good) == 200
        assert await posted(hooks, made(verify, hooks, private_key=pair_for(kind, number=2)[0])) == 200
        assert await posted(hooks, made(verify, hooks, private_key=stranger)) == 401
        assert await hooks.status("s", BODY + b" ", good.headers) == 401
        for text in ("", "x", "AAAA", good.headers["X-Sig"][:-2], good.headers["X-Sig"] + "AA"):
            assert await hooks.status("s", BODY, {**good.headers, "X-Sig": text}) == 401
        hooks.now += timedelta(minutes=6)
        assert await posted(hooks, good) == 401


@pytest.mark.parametrize("form", ["pem", "der", "hex", "base64", "whpk"])
async def test_an_ed25519_key_in_each_form_that_senders_give(form: str, tmp_path: Path) -> None:
    private, public = pair_for("ed25519")
    key = serialization.load_pem_public_key(public.encode())
    assert isinstance(key, ed25519.Ed25519PublicKey)
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    text = {
        "pem": public, "der": "".join(public.splitlines()[1:-1]), "hex": raw.hex(), "base64": b64encode(raw).decode(),
        "whpk": f"whpk_{b64encode(raw).decode()}",
    }[form]  # fmt: skip
    verify = {"ed25519": {"header": "X-Sig", "public_key": "$env.K"}}
    async with serving(tmp_path, source(verify), K=text) as hooks:
        assert await posted(hooks, made(verify, hooks, private_key=private)) == 200


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (pair_for("ecdsa")[1], "with K: it holds an elliptic-curve key; rsa takes an RSA key"),
        (pair_for("rsa")[0], "with K: it holds a private key; its public half is needed"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "with K: it is no public key or certificate"),
        ("%%%", "with K: it is no public key: allowed are PEM, base64 of DER"),
        ("AAAA", "with K: it is no public key or certificate that can be read"),
    ],
)
async def test_a_variable_with_another_kind_of_key_is_told_at_the_start_and_refuses(
    key: str, said: str, tmp_path: Path
) -> None:
    verify = {"rsa": {"header": "X-Sig", "public_key": "$env.K"}}
    async with serving(tmp_path, source(verify), K=key) as hooks:
        assert any(said in str(warning) for warning in hooks.app.state.gateway.ruleset.warnings)
        assert await posted(hooks, made(verify, hooks, private_key=pair_for("rsa")[0])) == 401


async def test_paypal_signs_a_checksum_of_the_body_and_its_webhooks_id(tmp_path: Path) -> None:
    private, public = pair_for("rsa")
    environ = {"PAYPAL_PUBLIC_KEY": public, "PAYPAL_WEBHOOK_ID": "WH-1"}
    sent = {"paypal-transmission-id": "69cd13f0", "paypal-transmission-time": "2026-01-05T10:00:00Z"}
    async with serving(tmp_path, source("paypal"), **environ) as hooks:
        signed = sign(
            scheme_from("paypal"), body=BODY, headers=sent, credential=environ.get, now=hooks.now, private_key=private
        )
        headers = {**sent, **signed.headers}
        assert await hooks.status("s", BODY, headers) == 200
        assert await hooks.status("s", BODY + b" ", headers) == 401
        assert await hooks.status("s", BODY, {**headers, "paypal-transmission-id": "x"}) == 401
        assert await hooks.status("s", BODY, signed.headers) == 401


@pytest.mark.parametrize("preset", ["aws_sns", "aws_sns_v1"])
async def test_sns_signs_the_fields_that_a_message_has(preset: str, tmp_path: Path) -> None:
    private, public = pair_for("rsa")
    environ = {f"{preset.upper()}_PUBLIC_KEY": public}
    told = {"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "a\nb\u00eb"}
    async with serving(tmp_path, source(preset), **environ) as hooks:
        for more in ({}, {"Subject": "s"}, {"Token": "t", "SubscribeURL": "https://sns.eu-west-1.amazonaws.com/"}):
            body = json.dumps({**told, **more, "Timestamp": "2026-01-05T10:00:00Z", "UnsubscribeURL": "u"}).encode()
            signed = made(preset, hooks, body=body, environ=environ, private_key=private)
            assert await posted(hooks, signed) == 200
            document = json.loads(signed.body)
            for field in ("Message", "Type", "TopicArn", *more):
                assert await hooks.status("s", json.dumps({**document, field: "forged"}).encode()) == 401
            assert await hooks.status("s", json.dumps({**document, "Subject": "forged"}).encode()) == 401
            assert await hooks.status("s", json.dumps({**document, "UnsubscribeURL": "not signed"}).encode()) == 200


# -- tokens -----------------------------------------------------------------------------------------------------------


TOKENS = {
    "HS256": "hmac", "HS512": "hmac", "RS256": "rsa", "PS384": "rsa", "ES256": "ecdsa", "EdDSA": "ed25519",
}  # fmt: skip


def token_source(algorithm: str, **keys: object) -> dict[str, Any]:
    key = {"secret": "$env.S"} if algorithm.startswith("HS") else {"public_key": "$env.K"}
    return {"jwt": {"algorithms": [algorithm], **key, **keys}}


@pytest.mark.parametrize("algorithm", TOKENS)
async def test_a_token_in_each_algorithm(algorithm: str, tmp_path: Path) -> None:
    private, public = pair_for(TOKENS[algorithm])
    stranger, _ = pair_for(TOKENS[algorithm], number=1)
    keys = (SECRET * 2, OTHER * 2) if algorithm.startswith("HS") else (private, stranger)
    verify = token_source(algorithm, issuer="them", audience=["us", "others"], claims={"scope": "hooks"})
    async with serving(tmp_path, source(verify), S=SECRET * 2, K=public) as hooks:
        now = int(hooks.now.timestamp())
        good = {"iss": "them", "aud": "us", "scope": "hooks", "exp": now + 60}

        def bearer(claims: Mapping[str, Any], key: str = keys[0], name: str = algorithm) -> dict[str, str]:
            return {"Authorization": f"Bearer {jwt.encode(dict(claims), key, algorithm=name)}"}

        assert await hooks.status("s", BODY, bearer(good)) == 200
        assert await hooks.status("s", BODY, bearer({**good, "aud": ["x", "others"]})) == 200
        assert await posted(hooks, made(verify, hooks, environ={"S": keys[0]}, private_key=private)) == 200
        for wrong in (
            {**good, "iss": "x"}, {**good, "aud": "x"}, {**good, "aud": None}, {**good, "scope": "x"},
            {**good, "exp": now - 61}, {**good, "nbf": now + 61}, {k: v for k, v in good.items() if k != "exp"},
            {k: v for k, v in good.items() if k != "scope"}, {**good, "exp": "soon"}, {**good, "exp": True},
        ):  # fmt: skip
            claims = {name: value for name, value in wrong.items() if value is not None}
            forged = jwt.api_jws.encode(json.dumps(claims).encode(), keys[0], algorithm=algorithm)
            assert await hooks.status("s", BODY, {"Authorization": f"Bearer {forged}"}) == 401, wrong
        assert await hooks.status("s", BODY, bearer(good, keys[1])) == 401
        unsigned = jwt.api_jws.encode(json.dumps(good).encode(), None, algorithm="none")
        for text in ("", "Bearer", "Bearer x", "Bearer a.b.c", f"Bearer {unsigned}", bearer(good)["Authorization"][7:]):
            assert await hooks.status("s", BODY, {"Authorization": text}) == 401
        if not algorithm.startswith("HS"):
            # The public key as the secret of a keyed hash: the oldest trick against tokens.
            head, claim = (
                urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in ({"alg": "HS256"}, good)
            )
            mac = urlsafe_b64encode(hmac.digest(public.encode(), head + b"." + claim, "sha256")).rstrip(b"=")
            assert (
                await hooks.status("s", BODY, {"Authorization": f"Bearer {b'.'.join((head, claim, mac)).decode()}"})
                == 401
            )


async def test_claims_of_any_kind_are_compared_and_refused(tmp_path: Path) -> None:
    keys = {"algorithms": ["HS256"], "secret": "$env.S", "audience": ["us"], "issuer": ["them"], "tolerance": "5m"}
    async with serving(tmp_path, source({"jwt": keys}), S=SECRET) as hooks:
        good = {"aud": "us", "iss": "them", "iat": int(hooks.now.timestamp())}
        odd: list[object] = [{}, [], [{}], [["us"]], {"us": 1}, None, True, 1, "", "US"]
        for claims, status in [
            (good, 200),
            ({**good, "aud": ["others", "us"]}, 200),
            *(({**good, name: value}, 401) for name in ("aud", "iss") for value in odd),
        ]:
            token = jwt.encode({"x": 0}, SECRET, algorithm="HS256").split(".")[0]
            made = f"{token}.{urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}"
            proof = urlsafe_b64encode(hmac.digest(SECRET.encode(), made.encode(), "sha256")).rstrip(b"=").decode()
            assert await hooks.status("s", BODY, {"Authorization": f"Bearer {made}.{proof}"}) == status, claims


async def test_a_token_that_holds_the_hash_of_the_body_is_good_for_that_body(tmp_path: Path) -> None:
    async with serving(tmp_path, source("fusionauth"), FUSIONAUTH_SECRET=SECRET) as hooks:
        digest = hashlib.sha256(BODY).digest()
        for text in (digest.hex(), b64encode(digest).decode()):
            made_ = jwt.encode({"request_body_sha256": text}, SECRET, algorithm="HS256")
            assert await hooks.status("s", BODY, {"X-FusionAuth-Signature-JWT": made_}) == 200
            assert await hooks.status("s", BODY + b" ", {"X-FusionAuth-Signature-JWT": made_}) == 401
        without = jwt.encode({"exp": int(hooks.now.timestamp()) + 60}, SECRET, algorithm="HS256")
        assert await hooks.status("s", BODY, {"X-FusionAuth-Signature-JWT": without}) == 401


async def test_a_token_may_be_the_whole_body_and_rules_read_what_it_says(tmp_path: Path) -> None:
    private, public = pair_for("rsa")
    stranger, _ = pair_for("rsa", number=1)
    rules = source("wix", body="jwt", event_type="$.data | parse_json | get('eventType')")
    async with serving(tmp_path, rules, WIX_PUBLIC_KEY=public) as hooks:
        body = json.dumps({"data": json.dumps({"eventType": "order_created"})}).encode()
        signed = made("wix", hooks, body=body, environ={}, private_key=private)
        assert signed.body.count(b".") == 2
        assert await posted(hooks, signed) == 200
        (row,) = (await hooks.app.state.gateway.store.webhooks(WebhookFilter())).items
        assert row.event_type == "order_created"
        assert await posted(hooks, made("wix", hooks, body=body, environ={}, private_key=stranger)) == 401
        for text in (b"", b"{}", body, signed.body[:-4], b"a.b.c"):
            assert await hooks.status("s", text) == 401
        hooks.now += timedelta(minutes=7)
        assert await posted(hooks, signed) == 401


async def test_a_set_of_keys_in_a_file_beside_the_rules(tmp_path: Path) -> None:
    private, public = pair_for("ecdsa")
    key = jwt.algorithms.ECAlgorithm.to_jwk(serialization.load_pem_public_key(public.encode()), as_dict=True)
    files = source({"jwt": {"algorithms": ["ES256"], "jwks": "sender.jwks", "tolerance": "5m"}})
    files["sender.jwks"] = json.dumps({"keys": [{**key, "kid": "one"}]})
    async with serving(tmp_path, files) as hooks:
        now = int(hooks.now.timestamp())

        def bearer(kid: str | None, iat: object = now) -> dict[str, str]:
            head = {} if kid is None else {"kid": kid}
            claims = {} if iat is None else {"iat": iat}
            return {"Authorization": f"Bearer {jwt.encode(claims, private, algorithm='ES256', headers=head)}"}

        assert await hooks.status("s", BODY, bearer("one")) == 200
        assert await hooks.status("s", BODY, bearer(None)) == 200
        assert await hooks.status("s", BODY, bearer("two")) == 401
        assert await hooks.status("s", BODY, bearer("one", now - 301)) == 401
        assert await hooks.status("s", BODY, bearer("one", None)) == 401


# -- where a request comes from ---------------------------------------------------------------------------------------


ALLOW = {"ip_allow": ["192.0.2.0/24", "2001:db8::/32"]}


@pytest.mark.parametrize(
    ("peer", "status"),
    [("192.0.2.7", 200), ("192.0.3.7", 401), ("2001:db8::7", 200), ("2001:db9::7", 401), ("::ffff:192.0.2.7", 200)],
)
async def test_the_address_of_the_connection(peer: str, status: int, tmp_path: Path) -> None:
    async with serving(tmp_path, source(ALLOW), peer=peer) as hooks:
        assert await hooks.status("s", BODY) == status
        assert await hooks.status("s", BODY, {"X-Forwarded-For": "192.0.2.7"}) == status, "nobody declared a proxy"


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        (["192.0.2.7"], 200),
        (["192.0.2.7:50123"], 200),
        (["[2001:db8::7]:443"], 200),
        (["198.51.100.1, 192.0.2.7"], 200),
        (["192.0.2.7, 198.51.100.1"], 401),
        (["192.0.2.7, 10.1.1.1"], 200),
        (["192.0.2.7", "198.51.100.1"], 401),
        (["192.0.2.7, unknown"], 401),
        (["192.0.2.7," + " " * 200 + "10.1.1.1"], 401),
        (["192.0.2.7,"], 401),
        ([], 401),
    ],
)
async def test_behind_a_declared_proxy_the_last_address_that_is_no_proxys_counts(
    forwarded: list[str], status: int, tmp_path: Path
) -> None:
    proxies = {"GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}
    async with serving(tmp_path, source(ALLOW), peer="10.0.0.5", **proxies) as hooks:
        headers = [("X-Forwarded-For", text) for text in forwarded]
        assert (await hooks.client.post("s", content=BODY, headers=headers)).status_code == status


async def test_the_header_of_the_proxies_can_be_another(tmp_path: Path) -> None:
    settings = {"GATEWAY_TRUSTED_PROXIES": "10.0.0.5", "GATEWAY_CLIENT_HEADER": "CF-Connecting-IP"}
    async with serving(tmp_path, source(ALLOW), peer="10.0.0.5", **settings) as hooks:
        assert await hooks.status("s", BODY, {"CF-Connecting-IP": "192.0.2.7"}) == 200
        assert await hooks.status("s", BODY, {"X-Forwarded-For": "192.0.2.7"}) == 401


CERTIFICATES: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, str]]] = {
    "a subject": (
        {"header": "X-Subject", "subject": ["CN=a", "CN=hooks.example.com,O=Shop"]},
        {"X-Subject": "CN=hooks.example.com,O=Shop"},
        {"X-Subject": "CN=hooks.example.com"},
    ),
    "a fingerprint": (
        {"header": "X-Print", "fingerprint": "AB:CD:EF:01"}, {"X-Print": "abcdef01"}, {"X-Print": "abcdef02"},
    ),
    "a proxy that passes all on": (
        {"header": "X-Subject", "subject": "CN=a", "verified": "X-Verify"},
        {"X-Subject": "CN=a", "X-Verify": "SUCCESS"},
        {"X-Subject": "CN=a", "X-Verify": "FAILED:self signed"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CERTIFICATES)
async def test_a_client_certificate_counts_from_a_declared_proxy_only(name: str, tmp_path: Path) -> None:
    declared, good, bad = CERTIFICATES[name]
    rules = source({"client_certificate": declared})
    async with serving(tmp_path, rules, peer="10.0.0.5", GATEWAY_TRUSTED_PROXIES="10.0.0.0/8") as hooks:
        assert await hooks.status("s", BODY, good) == 200
        assert await hooks.status("s", BODY, bad) == 401
        assert await hooks.status("s", BODY) == 401
    (tmp_path / "undeclared").mkdir()
    async with serving(tmp_path / "undeclared", rules, peer="10.0.0.5") as hooks:
        assert await hooks.status("s", BODY, good) == 401


# -- together ---------------------------------------------------------------------------------------------------------


async def test_a_mapping_needs_all_and_a_list_needs_any(tmp_path: Path) -> None:
    both = {"ip_allow": "192.0.2.7", "bearer": {"secret": "$env.S"}}
    rules = {
        "all.yaml": json.dumps({"source": "all", "verify": both}),
        "any.yaml": json.dumps(
            {"source": "any", "verify": [{"ip_allow": "198.51.100.1"}, {"bearer": {"secret": "$env.S"}}]}
        ),
        "none.yaml": json.dumps({"source": "none", "verify": "none"}),
    }
    async with serving(tmp_path, rules, peer="192.0.2.7", S=SECRET) as hooks:
        good = {"Authorization": f"Bearer {SECRET}"}
        assert [await hooks.status(name, BODY, good) for name in ("all", "any", "none")] == [200, 200, 200]
        assert [await hooks.status(name, BODY) for name in ("all", "any", "none")] == [401, 401, 200]
