"""The senders' own libraries, both ways and at the hook of a real application: what they sign is taken in, what we sign
they take, and one changed character is refused by both. No scheme is tested only against ourselves."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import Adyen.util as adyen
import gocardless_pro.webhooks as gocardless
import pytest
import slack_sdk.signature as slack
import standardwebhooks
import stripe
import twilio.request_validator as twilio
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gocardless_pro.errors import InvalidSignatureError
from hubspot.utils.signature import Signature as HubSpot
from sendgrid.helpers.eventwebhook import EventWebhook
from square.utils.webhooks_helper import verify_signature as square_verifies

from gateway.inbound.authentication import SignedRequest, scheme_from, sign
from tests.inbound.hooks import Hooks, serving
from tests.inbound.pairs import pair_for

SECRET = "s3cret-of-the-shop-that-is-long-enough"
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
HEX = "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"
PRIVATE, PUBLIC = pair_for("ecdsa")
BARE_PUBLIC = "".join(line for line in PUBLIC.splitlines() if "-----" not in line)
URL = "https://hooks.example.com/hooks/"
BODY = '{"id": "evt_1", "name": "Zoë", "total": 0.10}'
FORM = "From=%2B4412&Body=caf%C3%A9+au+lait&To=%2B4413&Body=again"
ITEM = {
    "pspReference": "7914073381342284",
    "merchantAccountCode": "Test:Merchant",
    "merchantReference": "order 1",
    "amount": {"currency": "EUR", "value": 1130},
    "eventCode": "AUTHORISATION",
    "success": "true",
}


@lru_cache(maxsize=1)
def now() -> datetime:
    """When the test began. Their libraries look at the real clock, so the hook does too."""
    return datetime.now(UTC).replace(microsecond=0)


@cache
def svix() -> Any:
    """Their library takes a second to import, so whoever only collects this file does not."""
    from svix import webhooks

    return webhooks


def stamp() -> int:
    return int(now().timestamp())


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def ms(moment: datetime) -> str:
    return str(int(moment.timestamp() * 1000))


# -- how each library signs: body to (body, headers, query) ---------------------------------------------------------

Sent = tuple[str, Mapping[str, str], str]


def by_stripe(body: str) -> Sent:
    made = stripe.WebhookSignature._compute_signature(f"{stamp()}.{body}", SECRET)
    return body, {"Stripe-Signature": f"t={stamp()},v1={made}"}, ""


def by_standard_webhooks(body: str) -> Sent:
    made = standardwebhooks.Webhook(WHSEC).sign("msg_1", now(), body)
    return body, {"webhook-id": "msg_1", "webhook-timestamp": str(stamp()), "webhook-signature": made}, ""


def by_svix(body: str) -> Sent:
    made = svix().Webhook(WHSEC).sign("msg_1", now(), body)
    return body, {"svix-id": "msg_1", "svix-timestamp": str(stamp()), "svix-signature": made}, ""


def by_slack(body: str) -> Sent:
    made = slack.SignatureVerifier(SECRET).generate_signature(timestamp=str(stamp()), body=body)
    return body, {"X-Slack-Signature": str(made), "X-Slack-Request-Timestamp": str(stamp())}, ""


def by_twilio(body: str, *, algorithm: str | None = None, source: str = "twilio") -> Sent:
    validator = twilio.RequestValidator(SECRET)
    if body.startswith("{"):
        query = f"shop=1&bodySHA256={validator.compute_hash(body)}"
        made = validator.compute_signature(f"{URL}{source}?{query}", {}, algorithm)
        return body, {"X-Twilio-Signature": made, "Content-Type": "application/json"}, query
    made = validator.compute_signature(f"{URL}{source}", Form(body), algorithm)
    return body, {"X-Twilio-Signature": made, "Content-Type": "application/x-www-form-urlencoded"}, ""


class Form(dict[str, Any]):
    """A form as a web framework hands it to Twilio's library: with the repeated values."""

    def __init__(self, body: str) -> None:
        super().__init__(parse_qs(body, keep_blank_values=True))

    def getlist(self, name: str) -> list[str]:
        values: list[str] = self[name]
        return values


def by_adyen(body: str) -> Sent:
    made = adyen.generate_payload_sig(body.encode(), HEX).decode()
    return body, {"HmacSignature": made}, ""


def by_adyen_payments(body: str) -> Sent:
    document = json.loads(body)
    for one in document["notificationItems"]:
        item = one["NotificationRequestItem"]
        made = adyen.generate_notification_sig(item, HEX).decode()
        item["additionalData"] = {"hmacSignature": made}
    return compact(document), {}, ""


def by_hubspot(version: str, source: str) -> Callable[[str], Sent]:
    def made(body: str) -> Sent:
        at = ms(now())
        signature = HubSpot.get_signature(SECRET, body, version, URL + source, "POST", at)
        if version == "v3":
            return body, {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": at}, ""
        return body, {"X-HubSpot-Signature": signature, "X-HubSpot-Signature-Version": version}, ""

    return made


def by_sendgrid(body: str) -> Sent:
    """Their library only verifies; this is the signature that its own tests hold."""
    key = serialization.load_pem_private_key(PRIVATE.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    made = key.sign(f"{stamp()}{body}".encode(), ec.ECDSA(hashes.SHA256()))
    header = "X-Twilio-Email-Event-Webhook"
    return body, {f"{header}-Signature": b64encode(made).decode(), f"{header}-Timestamp": str(stamp())}, ""


# -- what each library says of a request ------------------------------------------------------------------------------


def stripe_takes(body: str, headers: Mapping[str, str], query: str) -> bool:
    try:
        return bool(stripe.WebhookSignature.verify_header(body, headers["Stripe-Signature"], SECRET, tolerance=300))
    except stripe.SignatureVerificationError:
        return False


def standard_takes(body: str, headers: Mapping[str, str], query: str) -> bool:
    try:
        standardwebhooks.Webhook(WHSEC).verify(body, dict(headers))
    except standardwebhooks.WebhookVerificationError:
        return False
    return True


def svix_takes(body: str, headers: Mapping[str, str], query: str) -> bool:
    try:
        svix().Webhook(WHSEC).verify(body, dict(headers))
    except svix().WebhookVerificationError:
        return False
    return True


def slack_takes(body: str, headers: Mapping[str, str], query: str) -> bool:
    return bool(slack.SignatureVerifier(SECRET).is_valid_request(body, dict(headers)))


def twilio_takes(
    body: str, headers: Mapping[str, str], query: str, *, algorithm: str | None = None, source: str = "twilio"
) -> bool:
    address = f"{URL}{source}" + (f"?{query}" if query else "")
    params: object = body if body.startswith("{") else Form(body)
    return bool(twilio.RequestValidator(SECRET).validate(address, params, headers["X-Twilio-Signature"], algorithm))


def adyen_takes(body: str, headers: Mapping[str, str], query: str) -> bool:
    return bool(adyen.is_valid_hmac_payload(headers["HmacSignature"], HEX, body.encode()))


def adyen_payments_takes(body: str, headers: Mapping[str, str], query: str) -> bool:
    items = [one["NotificationRequestItem"] for one in json.loads(body)["notificationItems"]]
    return all(adyen.is_valid_hmac_notification(item, HEX) for item in items)


def gocardless_takes(body: str, headers: Mapping[str, str], query: str) -> bool:
    try:
        gocardless.parse(body, SECRET, headers["Webhook-Signature"])
    except InvalidSignatureError:
        return False
    return True


def hubspot_takes(version: str, source: str) -> Callable[[str, Mapping[str, str], str], bool]:
    def takes(body: str, headers: Mapping[str, str], query: str) -> bool:
        header = "X-HubSpot-Signature-v3" if version == "v3" else "X-HubSpot-Signature"
        at = headers.get("X-HubSpot-Request-Timestamp")
        return bool(HubSpot.is_valid(headers[header], SECRET, body, URL + source, "POST", version, at))

    return takes


def sendgrid_takes(body: str, headers: Mapping[str, str], query: str) -> bool:
    header = "X-Twilio-Email-Event-Webhook"
    return bool(
        EventWebhook(BARE_PUBLIC).verify_signature(body, headers[f"{header}-Signature"], headers[f"{header}-Timestamp"])
    )


def square_takes(body: str, headers: Mapping[str, str], query: str) -> bool:
    return square_verifies(
        request_body=body,
        signature_header=headers["x-square-hmacsha256-signature"],
        signature_key=SECRET,
        notification_url=f"{URL}square",
    )


ITEMS = compact({"live": "false", "notificationItems": [{"NotificationRequestItem": ITEM}]})
EVENTS = '{"events": [{"id": "EV1", "resource_type": "payments", "action": "paid", "created_at": "", "links": {}}]}'
TWILIO_256 = {"algorithm": "HMAC_SHA256", "source": "twilio_shared_key"}

Library = tuple[str, str, Callable[[str], Sent] | None, Callable[[str, Mapping[str, str], str], bool]]
LIBRARIES: dict[str, Library] = {
    "stripe": ("stripe", BODY, by_stripe, stripe_takes),
    "standardwebhooks": ("standard_webhooks", BODY, by_standard_webhooks, standard_takes),
    "svix": ("svix", BODY, by_svix, svix_takes),
    "slack-sdk": ("slack", BODY, by_slack, slack_takes),
    "twilio, a form": ("twilio", FORM, by_twilio, twilio_takes),
    "twilio, JSON": ("twilio", BODY, by_twilio, twilio_takes),
    "twilio, a shared key": (
        "twilio_shared_key",
        FORM,
        lambda body: by_twilio(body, **TWILIO_256),
        lambda body, headers, query: twilio_takes(body, headers, query, **TWILIO_256),
    ),
    "adyen": ("adyen", BODY, by_adyen, adyen_takes),
    "adyen, items": ("adyen_payments", ITEMS, by_adyen_payments, adyen_payments_takes),
    "gocardless-pro": ("gocardless", EVENTS, None, gocardless_takes),
    "hubspot, version 1": ("hubspot_v1", BODY, by_hubspot("v1", "hubspot_v1"), hubspot_takes("v1", "hubspot_v1")),
    "hubspot, version 2": ("hubspot_v2", BODY, by_hubspot("v2", "hubspot_v2"), hubspot_takes("v2", "hubspot_v2")),
    "hubspot, version 3": ("hubspot", BODY, by_hubspot("v3", "hubspot"), hubspot_takes("v3", "hubspot")),
    "sendgrid": ("sendgrid", BODY + "\r\n", by_sendgrid, sendgrid_takes),
    "squareup": ("square", BODY, None, square_takes),
}
"""The preset, a body, how the library signs (where it does), and what it says of a request."""

SECRETS = {
    "ADYEN_SECRET": HEX, "ADYEN_PAYMENTS_SECRET": HEX, "STANDARD_WEBHOOKS_SECRET": WHSEC, "SVIX_SECRET": WHSEC,
    "SENDGRID_PUBLIC_KEY": BARE_PUBLIC,
    **{
        f"{preset.upper()}_SECRET": SECRET
        for preset in ("stripe", "slack", "twilio", "twilio_shared_key", "gocardless", "hubspot", "hubspot_v1",
                       "hubspot_v2", "square")
    },
}  # fmt: skip
RULES = {
    f"{preset}.yaml": f"source: {preset}\nverify: {preset}\npublic_url: {URL}{preset}\n"
    for preset, *_ in LIBRARIES.values()
}


@pytest.fixture
async def hooks(tmp_path: Path) -> AsyncIterator[Hooks]:
    now.cache_clear()
    async with serving(tmp_path, RULES, **SECRETS) as made:
        made.now = now()
        yield made


def by_us(preset: str, body: str) -> SignedRequest:
    kind = "application/json" if body.startswith("{") else "application/x-www-form-urlencoded"
    return sign(
        scheme_from(preset), body=body.encode(), headers={"content-type": kind}, credential=SECRETS.get, now=now(),
        url=f"{URL}{preset}", id="msg_1", private_key=PRIVATE,
    )  # fmt: skip


def changed(body: str) -> str:
    """One covered character is another."""
    for before, after in (("1130", "9130"), ("evt_1", "evt_2"), ("EV1", "EV2"), ("4412", "4419")):
        body = body.replace(before, after)
    return body


@pytest.mark.parametrize("library", [name for name, (_, _, signs, _) in LIBRARIES.items() if signs is not None])
async def test_what_the_library_signs_is_taken_in_and_nothing_else(library: str, hooks: Hooks) -> None:
    preset, text, signs, takes = LIBRARIES[library]
    assert signs is not None
    body, headers, query = signs(text)
    assert takes(body, headers, query)
    assert await hooks.status(preset, body.encode(), headers, query=query) == 200
    assert changed(body) != body
    assert not takes(changed(body), headers, query)
    assert await hooks.status(preset, changed(body).encode(), headers, query=query) == 401


@pytest.mark.parametrize("library", LIBRARIES)
async def test_the_library_takes_what_we_sign_and_nothing_else(library: str, hooks: Hooks) -> None:
    preset, text, _, takes = LIBRARIES[library]
    made = by_us(preset, text)
    body = made.body.decode()
    assert takes(body, made.headers, made.query)
    kind = "application/json" if text.startswith("{") else "application/x-www-form-urlencoded"
    headers = {"content-type": kind, **made.headers}
    assert await hooks.status(preset, made.body, headers, query=made.query) == 200
    assert not takes(changed(body), made.headers, made.query)
    assert await hooks.status(preset, changed(body).encode(), headers, query=made.query) == 401


@pytest.mark.parametrize(
    ("library", "minutes"),
    [("stripe", 5), ("standardwebhooks", 5), ("svix", 5), ("slack-sdk", 5), ("hubspot, version 3", 5)],
)
async def test_a_replay_is_refused_after_the_tolerance(library: str, minutes: int, hooks: Hooks) -> None:
    preset, text, signs, _ = LIBRARIES[library]
    assert signs is not None
    body, headers, query = signs(text)
    hooks.now = now() + timedelta(minutes=minutes)
    assert await hooks.status(preset, body.encode(), headers, query=query) == 200
    hooks.now += timedelta(seconds=1)
    assert await hooks.status(preset, body.encode(), headers, query=query) == 401


@pytest.mark.parametrize("address", [f"{URL}twilio:443", "https://hooks.example.com:443/hooks/twilio"])
async def test_twilio_signs_its_address_with_or_without_the_port(address: str, hooks: Hooks) -> None:
    made = twilio.RequestValidator(SECRET).compute_signature(address, Form(FORM))
    headers = {"X-Twilio-Signature": made, "Content-Type": "application/x-www-form-urlencoded"}
    expected = 200 if ":443/" in address else 401
    assert await hooks.status("twilio", FORM.encode(), headers) == expected
