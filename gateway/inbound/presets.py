"""Known senders: a row of data each. ``verify: NAME`` in a rules file means this row, with ``$env.NAME_SECRET``.

A row holds the keys of ``hmac`` that differ from their defaults (sha256, hex, signed ``{body}``, key utf8). The comment
above a row is the source of the fact; a row is built from the sender's documentation or code, never from somebody
else's integration.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_STANDARD: Final[Mapping[str, Any]] = {
    "encoding": "base64",
    "separator": " ",
    "prefix": "v1,",
    "signed": "{id}.{timestamp}.{body}",
    "tolerance": "5m",
    "key": "whsec",
}


def _standard(headers: str) -> dict[str, Any]:
    """Standard Webhooks under a prefix of its own: ``webhook-`` or ``svix-``."""
    return {
        **_STANDARD,
        "header": f"{headers}-signature",
        "id_header": f"{headers}-id",
        "timestamp_header": f"{headers}-timestamp",
    }


PRESETS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        # developers.acuityscheduling.com/docs/webhooks: the key is the API key; signed is the raw form text
        "acuity": {"header": "X-Acuity-Signature", "encoding": "base64"},
        # github.com/Adyen libraries, the newer platform and management webhooks: over the body, the key in hex digits.
        # (Standard payment notifications carry a signature per item inside the body and are not this.)
        "adyen": {"header": "HmacSignature", "encoding": "base64", "key": "hex"},
        # bigcommerce/docs docs/integrations/webhooks/https-webhook-overview.mdx: Standard Webhooks, with the plain
        # client secret as key
        "bigcommerce": {**_standard("webhook"), "key": "utf8"},
        # bookeo.com/api/webhooks: no separators, milliseconds, the registered address
        "bookeo": {
            "header": "X-Bookeo-Signature",
            "signed": "{timestamp}{id}{url}{body}",
            "id_header": "X-Bookeo-MessageId",
            "timestamp_header": "X-Bookeo-Timestamp",
            "timestamp_unit": "ms",
            "tolerance": "2m",
        },
        # calcom/cal.com packages/features/webhooks/lib/sendPayload.ts; without a secret the header says
        # no-secret-provided, which never verifies
        "cal_com": {"header": "X-Cal-Signature-256"},
        # developer.calendly.com, webhook signatures; a tolerance of 3 minutes is recommended there
        "calendly": {
            "header": "Calendly-Webhook-Signature",
            "signed": "{timestamp}.{body}",
            "parse": {"timestamp": "t", "signature": "v1"},
            "tolerance": "3m",
        },
        # docs.ecwid.com, how to process webhooks: signs two fields and NOT the body; what else stands in it is unproved
        "ecwid": {
            "header": "X-Ecwid-Webhook-Signature",
            "encoding": "base64",
            "signed": "{body.eventCreated}.{body.eventId}",
        },
        # docs.github.com, validating webhook deliveries
        "github": {"header": "X-Hub-Signature-256", "prefix": "sha256="},
        # gocardless/gocardless-pro-python tests/webhooks_test.py
        "gocardless": {"header": "Webhook-Signature"},
        # HubSpot/hubspot-api-python utils/signature: version 3
        "hubspot": {
            "header": "X-HubSpot-Signature-v3",
            "encoding": "base64",
            "signed": "{method}{url}{body}{timestamp}",
            "timestamp_header": "X-HubSpot-Request-Timestamp",
            "timestamp_unit": "ms",
            "tolerance": "5m",
        },
        # developers.intercom.com, webhook notifications: the key is the app's client secret; SHA-1 still
        "intercom": {"header": "X-Hub-Signature", "algorithm": "sha1", "prefix": "sha1="},
        # docs.lodgify.com/reference/webhooks
        "lodgify": {"header": "ms-signature", "prefix": "sha256="},
        # developers.facebook.com, webhooks: the key is the app secret
        "meta": {"header": "X-Hub-Signature-256", "prefix": "sha256="},
        # Shopify/shopify-api-js and shopify-api-php; no timestamp is signed, so repeats are caught by the dedup key
        "shopify": {"header": "X-Shopify-Hmac-Sha256", "encoding": "base64"},
        # api.slack.com, verifying requests from Slack
        "slack": {
            "header": "X-Slack-Signature",
            "prefix": "v0=",
            "signed": "v0:{timestamp}:{body}",
            "timestamp_header": "X-Slack-Request-Timestamp",
            "tolerance": "5m",
        },
        # square/square-python-sdk tests: the address exactly as registered, then the body
        "square": {"header": "x-square-hmacsha256-signature", "encoding": "base64", "signed": "{url}{body}"},
        # developers.squarespace.com/webhooks/verifying-notifications: the secret is hex digits of the key
        "squarespace": {"header": "Squarespace-Signature", "key": "hex"},
        # standard-webhooks/standard-webhooks spec 1.0.0
        "standard_webhooks": _standard("webhook"),
        # stripe/stripe-dotnet, webhook signatures: whsec_… is used as it stands; any v1 may match, v0 is ignored
        "stripe": {
            "header": "Stripe-Signature",
            "signed": "{timestamp}.{body}",
            "parse": {"timestamp": "t", "signature": "v1"},
            "tolerance": "5m",
        },
        # svix/svix-webhooks: Standard Webhooks under its own header names
        "svix": _standard("svix"),
        # developers.tickettailor.com/docs/webhook/security: no dot between the two
        "ticket_tailor": {
            "header": "Tickettailor-Webhook-Signature",
            "signed": "{timestamp}{body}",
            "parse": {"timestamp": "t", "signature": "v1"},
            "tolerance": "5m",
        },
        # developer.typeform.com, secure your webhooks
        "typeform": {"header": "Typeform-Signature", "encoding": "base64", "prefix": "sha256="},
        # woocommerce/woocommerce class-wc-webhook.php generate_signature(); a shop may filter the algorithm
        "woocommerce": {"header": "X-WC-Webhook-Signature", "encoding": "base64"},
        # NangoHQ/nango xero-webhook-routing.ts; a wrong signature must be answered 401
        "xero": {"header": "x-xero-signature", "encoding": "base64"},
        # developer.zendesk.com, verifying webhooks: the timestamp is ISO 8601 text. No tolerance is documented.
        "zendesk": {
            "header": "X-Zendesk-Webhook-Signature",
            "encoding": "base64",
            "signed": "{timestamp}{body}",
            "timestamp_header": "X-Zendesk-Webhook-Signature-Timestamp",
            "timestamp_unit": "iso",
        },
        # developers.zoom.us, verify with Zoom's header
        "zoom": {
            "header": "x-zm-signature",
            "prefix": "v0=",
            "signed": "v0:{timestamp}:{body}",
            "timestamp_header": "x-zm-request-timestamp",
            "tolerance": "5m",
        },
    }
)
"""Preset name to the keys of its ``hmac``."""


def default_secret(preset: str) -> str:
    """The credential that a preset reads when its ``verify`` names none: ``STRIPE_SECRET`` for ``stripe``."""
    return f"{preset.upper()}_SECRET"
