"""Payments and accounts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.inbound.senders.sender import Preset, timed

_PAYPAL: Final = (
    "{header.paypal-transmission-id}|{header.paypal-transmission-time}|{env.PAYPAL_WEBHOOK_ID}|{crc32(body)}"
)

ROWS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "adyen": Preset(
            title="Adyen, platform, management and banking webhooks",
            keys={"header": "HmacSignature", "encoding": "base64", "key": "hex"},
            source="github.com/Adyen/adyen-node-api-library, hmacValidator",
            note="the key is hex digits; payment notifications are adyen_payments",
        ),
        "adyen_payments": Preset(
            title="Adyen, standard payment notifications",
            keys={
                "each": "notificationItems.*.NotificationRequestItem",
                "signature_path": "additionalData.hmacSignature",
                "encoding": "base64",
                "key": "hex",
                "signed": "{body.pspReference?}:{body.originalReference?}:{body.merchantAccountCode?}:"
                "{body.merchantReference?}:{body.amount.value?}:{body.amount.currency?}:{body.eventCode?}:{body.success?}",
            },
            source="github.com/Adyen/adyen-python-api-library, util.py; adyen-node-api-library, hmacValidator",
            dedup_key="[$.pspReference, $.eventCode, $.success]",
            note="every item is signed, and only these fields of it; with events: $.notificationItems[*] each is a "
            "webhook, and the key begins $.NotificationRequestItem",
        ),
        "gocardless": Preset(
            title="GoCardless",
            keys={"header": "Webhook-Signature"},
            source="github.com/gocardless/gocardless-pro-python, tests/webhooks_test.py",
            dedup_key="$.id",
            note="with events: $.events[*] each is a webhook with an id",
        ),
        "paypal": Preset(
            title="PayPal",
            kind="rsa",
            keys={"header": "paypal-transmission-sig", "signed": _PAYPAL},
            source="hookdeck/webhook-skills (another's reading of developer.paypal.com)",
            dedup_key="$.id",
            note="the webhook's id stands in PAYPAL_WEBHOOK_ID; the certificate in PAYPAL_PUBLIC_KEY, or, with "
            "published, at the address that the request names",
        ),
        "quickbooks": Preset(
            title="QuickBooks Online",
            keys={"header": "intuit-signature", "encoding": "base64"},
            source="hookdeck/webhook-skills (another's reading of developer.intuit.com)",
            note="the key is the verifier token",
        ),
        "stripe": Preset(
            title="Stripe",
            keys=timed("Stripe-Signature"),
            source="github.com/stripe/stripe-dotnet and stripe-python, webhook signatures",
            dedup_key="$.id",
            note="whsec_… is used as it stands; any v1 may match, v0 is ignored",
        ),
        "xero": Preset(
            title="Xero",
            keys={"header": "x-xero-signature", "encoding": "base64"},
            source="github.com/NangoHQ/nango, xero-webhook-routing.ts",
            challenge="xero",
            note="a wrong signature must be answered 401",
        ),
    }
)
