"""Payments and accounts."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.inbound.senders.sender import Preset, as_read, plain, stamped, timed

_PAYPAL: Final = (
    "{header.paypal-transmission-id}|{header.paypal-transmission-time}|{env.PAYPAL_WEBHOOK_ID}|{crc32(body)}"
)

_PAYMOB: Final = "".join(
    f"{{body.obj.{name}}}"
    for name in (
        "amount_cents", "created_at", "currency", "error_occured", "has_parent_transaction", "id", "integration_id",
        "is_3d_secure", "is_auth", "is_capture", "is_refunded", "is_standalone_payment", "is_voided", "order.id",
        "owner", "pending", "source_data.pan", "source_data.sub_type", "source_data.type", "success",
    )
)  # fmt: skip
_PAYPRO: Final = (
    "{body.ORDER_ID}{body.ORDER_STATUS}{body.ORDER_TOTAL_AMOUNT}{body.CUSTOMER_EMAIL}{secret}{body.TEST_MODE}"
    "{body.IPN_TYPE_NAME}"
)
_PRAXIS: Final = (
    "{body.merchant_id}{body.application_key}{body.timestamp}{body.customer.customer_token}{body.session.order_id}"
    "{body.transaction.tid}{body.transaction.currency}{body.transaction.amount}{body.transaction.conversion_rate}"
    "{body.transaction.processed_currency}{body.transaction.processed_amount}{secret}"
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
        "airwallex": Preset(
            title="Airwallex",
            keys=stamped("x-signature", "x-timestamp", "{timestamp}{body}", tolerance=None, timestamp_unit="ms"),
            source=as_read("airwallex.com/docs/developer-tools/webhooks/listen-for-webhook-events"),
            dedup_key="$.id",
        ),
        "ascend": Preset(
            title="Ascend",
            keys=timed("X-Ascend-Signature", "{timestamp}:{body}", tolerance=None),
            source=as_read("developers.useascend.com/docs/webhooks"),
            dedup_key="$.id",
        ),
        "bridge_api": Preset(
            title="Bridge API (open banking)",
            keys={"header": "BridgeApi-Signature", "separator": ",", "prefix": "v1="},
            source=as_read("docs.bridgeapi.io/docs/secure-your-webhooks"),
        ),
        "chargebee": Preset(
            title="Chargebee",
            kind="basic",
            keys={},
            source=as_read("chargebee.com/docs/2.0/events_and_webhooks.html"),
            dedup_key="$.id",
        ),
        "circle": Preset(
            title="Circle",
            kind="ecdsa",
            keys={"header": "X-Circle-Signature"},
            source="developers.circle.com/api-reference/verify-webhook-signatures",
            challenge="circle",
            note="X-Circle-Key-Id names the key; put those that are in use into CIRCLE_PUBLIC_KEY",
        ),
        "exact_online": Preset(
            title="Exact Online",
            keys={"signature_path": "HashCode", "signed": "{raw.Content}"},
            source=as_read("support.exactonline.com, content webhooks"),
            note="the key is the webhook secret of the app; its first request is empty and not signed",
        ),
        "gocardless": Preset(
            title="GoCardless",
            keys={"header": "Webhook-Signature"},
            source="github.com/gocardless/gocardless-pro-python, tests/webhooks_test.py",
            dedup_key="$.id",
            note="with events: $.events[*] each is a webhook with an id",
        ),
        "mollie": Preset(
            title="Mollie, next-gen webhooks",
            keys=plain("X-Mollie-Signature", prefix="sha256="),
            source="github.com/mollie/mollie-api-php, src/Webhooks/SignatureValidator.php",
            dedup_key="$.id",
            note="classic webhooks are not signed: they say an id, and the payment is fetched",
        ),
        "nmi": Preset(
            title="NMI",
            keys=timed("Webhook-Signature", tolerance=None, names=("t", "s")),
            source=as_read("docs.nmi.com/reference/overview"),
            dedup_key="$.event_id",
            note="t is a nonce and no time",
        ),
        "orb": Preset(
            title="Orb",
            keys=stamped(
                "X-Orb-Signature",
                "X-Orb-Timestamp",
                "v1:{timestamp}:{body}",
                tolerance=None,
                prefix="v1=",
                timestamp_unit="iso",
            ),
            source=as_read("docs.withorb.com/integrations-and-exports/webhooks"),
            dedup_key="$.id",
        ),
        "paddle": Preset(
            title="Paddle",
            keys=timed("Paddle-Signature", "{timestamp}:{body}", tolerance=None, names=("ts", "h1"), separator=";"),
            source="developer.paddle.com/webhooks/signature-verification",
            dedup_key="$.event_id",
        ),
        "paymob": Preset(
            title="Paymob transaction callback",
            keys={"signature_query": "hmac", "algorithm": "sha512", "signed": _PAYMOB},
            source=as_read("developers.paymob.com, hmac transaction callback"),
            dedup_key="[$.obj.id, $.obj.success, $.obj.pending]",
            note="signs twenty fields and not the body",
        ),
        "paypal": Preset(
            title="PayPal",
            kind="rsa",
            keys={"header": "paypal-transmission-sig", "signed": _PAYPAL},
            source=as_read("developer.paypal.com/api/rest/webhooks"),
            dedup_key="$.id",
            note="the webhook's id stands in PAYPAL_WEBHOOK_ID; the certificate in PAYPAL_PUBLIC_KEY, or, with "
            "published, at the address that the request names",
        ),
        "paypro": Preset(
            title="PayPro Global",
            kind="digest",
            keys={"signature_path": "SIGNATURE", "read_as": "form", "signed": _PAYPRO},
            source=as_read("developers.payproglobal.com, webhook IPN"),
            dedup_key="[$.ORDER_ID, $.IPN_TYPE_NAME]",
            note="the secret is the validation key; signs seven fields of the form",
        ),
        "paystack": Preset(
            title="Paystack",
            keys=plain("x-paystack-signature", algorithm="sha512"),
            source=as_read("paystack.com/docs/payments/webhooks"),
            dedup_key="[$.event, $.data.id]",
            note="the key is the secret key",
        ),
        "praxis": Preset(
            title="Praxis, payment notification",
            kind="digest",
            keys={"header": "gt-authentication", "algorithm": "sha384", "signed": _PRAXIS},
            source=as_read("docs.praxis.tech/reference/webhooks"),
            note="signs eleven fields and not the body; it wants a signed answer, which is not made here",
        ),
        "quickbooks": Preset(
            title="QuickBooks Online",
            keys={"header": "intuit-signature", "encoding": "base64"},
            source="developer.intuit.com, managing webhooks notifications",
            note="the key is the verifier token",
        ),
        "quoter": Preset(
            title="Quoter",
            kind="digest",
            keys={
                "signature_path": "hash",
                "read_as": "form",
                "algorithm": "md5",
                "timestamp_path": "timestamp",
                "signed": "{secret}{timestamp}{body.data}",
            },
            source=as_read("help.quoter.com, integrate with webhooks"),
            note="body: {form_field: data, as: json} reads what is signed",
        ),
        "razorpay": Preset(
            title="Razorpay",
            keys=plain("X-Razorpay-Signature"),
            source=as_read("razorpay.com/docs/webhooks/validate-test"),
            dedup_key="$header.X-Razorpay-Event-Id",
        ),
        "recurly": Preset(
            title="Recurly",
            kind="basic",
            keys={},
            source=as_read("recurly.com/developers/guides/webhooks.html"),
        ),
        "revolut": Preset(
            title="Revolut",
            keys=stamped(
                "Revolut-Signature",
                "Revolut-Request-Timestamp",
                "v1.{timestamp}.{body}",
                separator=",",
                prefix="v1=",
                timestamp_unit="ms",
            ),
            source=as_read("developer.revolut.com, verify the payload signature"),
        ),
        "solidgate": Preset(
            title="Solidgate",
            keys={
                "header": "signature",
                "algorithm": "sha512",
                "encoding": "hex_base64",
                "signed": "{header.merchant}{body}{header.merchant}",
            },
            source=as_read("docs.solidgate.com/payments/integrate/webhooks"),
            dedup_key="$header.solidgate-event-id",
        ),
        "stripe": Preset(
            title="Stripe",
            keys=timed("Stripe-Signature"),
            source="github.com/stripe/stripe-dotnet and stripe-python, webhook signatures",
            dedup_key="$.id",
            note="whsec_… is used as it stands; any v1 may match, v0 is ignored",
        ),
        "synctera": Preset(
            title="Synctera",
            keys=stamped("Synctera-Signature", "Request-Timestamp", "{timestamp}.{body}", separator="."),
            source=as_read("docs.synctera.com/docs/webhooks-guide"),
        ),
        "utila": Preset(
            title="Utila",
            kind="rsa",
            keys={"header": "x-utila-signature", "algorithm": "sha512", "padding": "pss"},
            source=as_read("docs.utila.io/reference/webhooks"),
            dedup_key="$.id",
        ),
        "wechat_pay": Preset(
            title="WeChat Pay",
            kind="rsa",
            keys={
                "header": "Wechatpay-Signature",
                "timestamp_header": "Wechatpay-Timestamp",
                "signed": "{timestamp}\n{header.Wechatpay-Nonce}\n{body}\n",
                "tolerance": "5m",
            },
            source=as_read("pay.weixin.qq.com/doc/global/v3/en/4012357149"),
            dedup_key="$.id",
            note="what is in resource is encrypted, and is not decrypted here",
        ),
        "wise": Preset(
            title="Wise",
            kind="rsa",
            keys={"header": "X-Signature-SHA256"},
            source="docs.wise.com/guides/developer/webhooks/event-handling",
            dedup_key="$header.X-Delivery-Id",
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
