"""Every preset against the vectors of the corpus and the senders' own libraries, so that none is tested only against
itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import standardwebhooks
import stripe

from gateway.errors import AuthenticationFailed
from gateway.inbound.authentication import PRESETS, needs_url, scheme_from, secrets_of, sign, verify
from gateway.inbound.presets import default_secret
from gateway.inbound.request import Request
from tests.inbound.pairs import pair_for

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
BODY = b'{"eventId": "e1", "eventCreated": 1767607200, "name": "Zo\\u00eb", "total": 0.10}'
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


def secret_for(preset: str) -> str:
    key = str(PRESETS[preset].keys.get("key", "utf8"))
    return {"hex": "00ff" * 16, "whsec": WHSEC}.get(key, "s3cret-of-the-shop-that-is-long-enough")


BODIES = {
    "adyen_payments": b'{"notificationItems": [{"NotificationRequestItem": {"pspReference": "7", "success": "true"}}]}',
    "microsoft_graph": b'{"value": [{"id": "1"}, {"id": "2"}]}',
}
URL = "https://hooks.example/hooks/s"


def credentials_for(preset: str, *, other: bool = False) -> tuple[dict[str, str], str | None]:
    """What a preset reads from the environment, and the private key that signs."""
    if default_secret(preset).endswith("_PUBLIC_KEY"):
        private, public = pair_for(PRESETS[preset].kind, number=int(other))
        return {default_secret(preset): public, "PAYPAL_WEBHOOK_ID": "WH-1"}, private
    value = secret_for(preset)
    if other:
        value = value.replace("00", "11").replace("MDEy", "MDEz").replace("s3cret", "sECRET")
    return {default_secret(preset): value, f"{preset.upper()}_USER": "user"}, None


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_verifies_what_it_signs_and_nothing_else(preset: str) -> None:
    scheme = scheme_from(preset)
    assert default_secret(preset) in secrets_of(scheme)
    environ, private = credentials_for(preset)
    body = BODIES.get(preset, BODY)
    content_type = "application/x-www-form-urlencoded" if preset == "mandrill" else "application/json"
    headers = {"content-type": content_type, "paypal-transmission-id": "1", "paypal-transmission-time": "now"}
    url = URL if needs_url(scheme) else None
    made = sign(scheme, body=body, headers=headers, credential=environ.get, now=NOW, url=url, private_key=private)
    request = Request(
        source="s",
        headers=tuple((name.lower(), value) for name, value in {**headers, **made.headers}.items()),
        body=made.body,
        query=made.query,
        received_at=NOW,
        url=url,
    )
    words = verify(scheme, request, credential=environ.get, now=NOW).scheme
    assert words.startswith(f"{preset}: ")
    assert default_secret(preset) in words
    assert not any(value in words for value in environ.values() if len(value) > 8)
    wrong, _ = credentials_for(preset, other=True)
    with pytest.raises(AuthenticationFailed, match=r"does not match|equals none|does not verify"):
        verify(scheme, request, credential=wrong.get, now=NOW)


def signed_request(body: bytes, headers: dict[str, str]) -> Request:
    return Request(
        source="s", headers=tuple((name.lower(), value) for name, value in headers.items()), body=body, received_at=NOW
    )


def test_stripes_own_library_accepts_what_we_sign() -> None:
    credential = {"STRIPE_SECRET": "whsec_test"}.get
    # Its library looks at the real clock.
    now = datetime.now(UTC)
    body = b'{"id": "evt_1", "object": "event", "name": "Zo\xc3\xab"}'
    headers = sign(scheme_from("stripe"), body=body, headers={}, credential=credential, now=now).headers
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
    ).headers
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
    headers = sign(scheme, body=b"{}", headers={}, credential=credential, now=NOW, url=url).headers
    request = Request(
        source="s", headers=tuple((k.lower(), v) for k, v in headers.items()), body=b"{}", received_at=NOW, url=url
    )
    for side in (1, -1):
        at_the_edge = NOW + side * timedelta(minutes=minutes)
        assert verify(scheme, request, credential=credential, now=at_the_edge).request is request
        with pytest.raises(AuthenticationFailed, match="past" if side > 0 else "future"):
            verify(scheme, request, credential=credential, now=at_the_edge + side * timedelta(seconds=1))
