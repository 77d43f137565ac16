"""Every preset against the vectors of the corpus and the senders' own libraries, so that none is tested only against
itself."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import stripe

from gateway.errors import AuthenticationFailed
from gateway.inbound.authentication import PRESETS, Hmac, needs_url, scheme_from, secrets_of, sign, verify
from gateway.inbound.presets import default_secret
from gateway.inbound.request import Request

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
BODY = b'{"eventId": "e1", "eventCreated": 1767607200, "name": "Zo\\u00eb", "total": 0.10}'
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

# What no preset carries yet, spelt out: the same keys describe it.
SPELT_OUT: dict[str, Any] = {
    "klaviyo": {
        "header": "Klaviyo-Signature",
        "signed": "{body}{timestamp}",
        "timestamp_header": "Klaviyo-Timestamp",
        "tolerance": "5m",
    },
    "mindbody": {"header": "X-Mindbody-Signature", "encoding": "base64", "prefix": "sha256="},
    "quickbooks": {"header": "intuit-signature", "encoding": "base64"},
    "trello": {"header": "x-trello-webhook", "algorithm": "sha1", "encoding": "base64", "signed": "{body}{url}"},
    "mandrill": {
        "header": "X-Mandrill-Signature",
        "algorithm": "sha1",
        "encoding": "base64",
        "signed": "{url}{sorted_form}",
    },
    "twilio": {
        "header": "X-Twilio-Signature",
        "algorithm": "sha1",
        "encoding": "base64",
        "signed": "{url}{sorted_form}",
    },
    "mailgun": {
        "signature_path": "signature.signature",
        "timestamp_path": "signature.timestamp",
        "signed": "{timestamp}{body.signature.token}",
        "tolerance": "5m",
    },
}
OTHER_SCHEMES = {
    "hubspot/v1": "a plain digest",
    "hubspot/v2-get": "a plain digest",
    "twilio/form-signed-with-port-443": "another spelling of the address than the one that was registered",
    "adyen/python-item": "a signature per item",
    "adyen/python-item-amount-tampered": "a signature per item",
    "adyen/colon-in-reference": "a signature per item",
    "twitter/crc-challenge-response": "a challenge",
    "standard-webhooks/ed25519-v1a-and-v1-mixed": "a public key",
    "sendgrid/valid": "a public key",
    "sendgrid/other-public-key": "a public key",
    "sendgrid/bad-timestamp": "a public key",
}


def vectors() -> list[Any]:
    path = CORPUS / "vectors.json"
    if not path.is_file():
        return []
    return [vector for vector in json.loads(path.read_bytes()) if vector["name"] not in OTHER_SCHEMES]


def declared_for(provider: str) -> object:
    preset = provider.replace("-", "_").replace(".", "_")
    if preset in PRESETS:
        return {preset: {"secret": "$env.SECRET"}}
    return {"hmac": {**SPELT_OUT[provider], "secret": "$env.SECRET"}}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus lies outside the project")
def test_the_corpus_is_all_accounted_for() -> None:
    names = [vector["name"] for vector in json.loads((CORPUS / "vectors.json").read_bytes())]
    assert set(OTHER_SCHEMES) <= set(names)
    assert len(vectors()) == len(names) - len(OTHER_SCHEMES)


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: str(vector["name"]))
def test_a_vector_of_the_corpus_gets_its_verdict(vector: dict[str, Any]) -> None:
    request = Request(
        source="s",
        method=vector.get("method") or "POST",
        headers=tuple((name.lower(), value) for name, value in vector["headers"].items()),
        body=vector["body"].encode(),
        received_at=NOW,
        url=vector.get("url"),
    )
    scheme = scheme_from(declared_for(vector["provider"]))
    now = datetime.fromtimestamp(vector.get("now") or 1_700_000_000, UTC)
    credential = {"SECRET": vector["secret"]}.get
    if vector["valid"]:
        assert verify(scheme, request, credential=credential, now=now).request is request
    else:
        with pytest.raises(AuthenticationFailed) as failed:
            verify(scheme, request, credential=credential, now=now)
        assert vector["secret"] not in str(failed.value)


def secret_for(preset: str) -> str:
    scheme = scheme_from(preset)
    assert isinstance(scheme, Hmac)
    return {"hex": "00ff" * 16, "whsec": WHSEC}.get(scheme.key, "s3cret-of-the-shop")


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_verifies_what_it_signs_and_nothing_else(preset: str) -> None:
    scheme = scheme_from(preset)
    assert secrets_of(scheme) == (f"{preset.upper()}_SECRET",) == (default_secret(preset),)
    credential = {default_secret(preset): secret_for(preset)}.get
    url = "https://hooks.example/hooks/s?account=1" if needs_url(scheme) else None
    headers = sign(scheme, body=BODY, headers={}, credential=credential, now=NOW, url=url)
    request = Request(
        source="s",
        headers=tuple((name.lower(), value) for name, value in headers.items()),
        body=BODY,
        received_at=NOW,
        url=url,
    )
    verified = verify(scheme, request, credential=credential, now=NOW)
    assert verified.scheme.startswith(f"{preset}: HMAC-SHA")
    assert default_secret(preset) in verified.scheme
    assert secret_for(preset) not in verified.scheme
    other = {default_secret(preset): "11" * 16 if secret_for(preset) != WHSEC else WHSEC.replace("MDEy", "MDEz")}.get
    with pytest.raises(AuthenticationFailed, match="does not match with the secret"):
        verify(scheme, request, credential=other, now=NOW)


def signed_request(body: bytes, headers: dict[str, str]) -> Request:
    return Request(
        source="s", headers=tuple((name.lower(), value) for name, value in headers.items()), body=body, received_at=NOW
    )


def test_stripes_own_library_accepts_what_we_sign() -> None:
    credential = {"STRIPE_SECRET": "whsec_test"}.get
    # Its library looks at the real clock.
    now = datetime.now(UTC)
    body = b'{"id": "evt_1", "object": "event", "name": "Zo\xc3\xab"}'
    headers = sign(scheme_from("stripe"), body=body, headers={}, credential=credential, now=now)
    assert stripe.WebhookSignature.verify_header(
        body.decode(), headers["Stripe-Signature"], "whsec_test", tolerance=300
    )


def test_stripes_own_library_signs_what_we_accept() -> None:
    body = b'{"id": "evt_1"}'
    stamp = int(NOW.timestamp())
    signature = stripe.WebhookSignature._compute_signature(f"{stamp}.{body.decode()}", "whsec_test")
    request = signed_request(body, {"Stripe-Signature": f"t={stamp},v1={'0' * 64},v1={signature},v0=abc"})
    credential = {"STRIPE_SECRET": "whsec_test"}.get
    assert verify(scheme_from("stripe"), request, credential=credential, now=NOW).request.body == body


def test_the_standard_webhooks_library_accepts_what_we_sign() -> None:
    now = datetime.now(UTC)
    credential = {"STANDARD_WEBHOOKS_SECRET": WHSEC}.get
    headers = sign(
        scheme_from("standard_webhooks"), body=b'{"a": 1}', headers={}, credential=credential, now=now, id="msg_1"
    )
    assert headers["webhook-id"] == "msg_1"
    assert standardwebhooks.Webhook(WHSEC).verify(b'{"a": 1}', headers) == {"a": 1}


def test_the_standard_webhooks_library_signs_what_we_accept() -> None:
    signature = standardwebhooks.Webhook(WHSEC).sign("msg_1", NOW, '{"a": 1}')
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": f"v1a,AAAA {signature}",
    }
    credential = {"STANDARD_WEBHOOKS_SECRET": WHSEC}.get
    scheme = scheme_from("standard_webhooks")
    verified = verify(scheme, signed_request(b'{"a": 1}', headers), credential=credential, now=NOW)
    assert verified.request.header("webhook-id") == "msg_1"
    for changed in ("webhook-id", "webhook-timestamp"):
        with pytest.raises(AuthenticationFailed):
            verify(
                scheme,
                signed_request(b'{"a": 1}', {**headers, changed: headers[changed] + "0"}),
                credential=credential,
                now=NOW,
            )


@pytest.mark.parametrize(
    ("preset", "minutes"), [("calendly", 3), ("stripe", 5), ("standard_webhooks", 5), ("hubspot", 5)]
)
def test_a_preset_refuses_a_replay_after_its_tolerance(preset: str, minutes: int) -> None:
    scheme = scheme_from(preset)
    credential = {default_secret(preset): secret_for(preset)}.get
    url = "https://hooks.example/"
    headers = sign(scheme, body=b"{}", headers={}, credential=credential, now=NOW, url=url)
    request = Request(
        source="s", headers=tuple((k.lower(), v) for k, v in headers.items()), body=b"{}", received_at=NOW, url=url
    )
    for side in (1, -1):
        at_the_edge = NOW + side * timedelta(minutes=minutes)
        assert verify(scheme, request, credential=credential, now=at_the_edge).request is request
        with pytest.raises(AuthenticationFailed, match="past" if side > 0 else "future"):
            verify(scheme, request, credential=credential, now=at_the_edge + side * timedelta(seconds=1))
