"""Shops."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.inbound.senders.sender import Preset, as_read, plain, stamped, standard, timed

ROWS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "adobe_commerce": Preset(
            title="Adobe Commerce webhooks",
            kind="rsa",
            keys={"header": "x-adobe-commerce-webhook-signature"},
            source="adobedocs.github.io/commerce-extensibility/webhooks/signature-verification",
            note="called HMAC there, and is a key pair; the public key is shown in the admin",
        ),
        "adobe_io": Preset(
            title="Adobe I/O Events",
            kind="rsa",
            keys={"header": "x-adobe-digital-signature-*"},
            source="developer.adobe.com/events/docs/guides/sdk/sdk_signature_verification",
            dedup_key="$.event_id",
            challenge="adobe",
            note="two signatures, either of which is enough; compare recipient_client_id in a rule's when",
        ),
        "akeneo": Preset(
            title="Akeneo events API",
            keys=stamped("x-akeneo-request-signature", "x-akeneo-request-timestamp", "{timestamp}.{body}"),
            source=as_read("api.akeneo.com/events-documentation/security.html"),
            dedup_key="$.event_id",
            note="with events: $.events[*] each is a webhook",
        ),
        "bigcommerce": Preset(
            title="BigCommerce",
            keys={**standard(), "key": "utf8"},
            source="github.com/bigcommerce/docs, docs/integrations/webhooks/https-webhook-overview.mdx",
            dedup_key="$header.webhook-id",
            note="Standard Webhooks, with the plain client secret as key",
        ),
        "commercelayer": Preset(
            title="Commerce Layer",
            keys=plain("X-CommerceLayer-Signature", encoding="base64"),
            source=as_read("docs.commercelayer.io/core/callbacks-security"),
        ),
        "ecwid": Preset(
            title="Ecwid (Lightspeed E-Series)",
            keys={
                "header": "X-Ecwid-Webhook-Signature",
                "encoding": "base64",
                "signed": "{body.eventCreated}.{body.eventId}",
            },
            source="docs.ecwid.com, how to process webhooks",
            dedup_key="$.eventId",
            note="signs two fields and not the body: what else stands in it is unproved, so fetch the entity",
        ),
        "fastspring": Preset(
            title="FastSpring",
            keys=plain("X-FS-Signature", encoding="base64"),
            source=as_read("developer.fastspring.com/reference/message-security"),
            dedup_key="$.id",
            note="with events: $.events[*] each is a webhook",
        ),
        "nuvemshop": Preset(
            title="Nuvemshop (Tiendanube)",
            keys=plain("x-linkedstore-hmac-sha256"),
            source=as_read("tiendanube.github.io/api-documentation/resources/webhook"),
        ),
        "picqer": Preset(
            title="Picqer",
            keys=plain("X-Picqer-Signature", encoding="base64"),
            source=as_read("picqer.com/en/api/webhooks"),
        ),
        "recharge": Preset(
            title="Recharge",
            keys=timed("X-Recharge-Webhook-Signature", tolerance="48h"),
            source=as_read("docs.getrecharge.com/docs/webhooks-overview"),
        ),
        "recharge_legacy": Preset(
            title="Recharge, the older header",
            kind="digest",
            keys={"header": "X-Recharge-Hmac-Sha256", "signed": "{secret}{body}"},
            source=as_read("docs.getrecharge.com/docs/webhooks-overview"),
            note="a plain hash, whatever the header is called",
        ),
        "shipbob": Preset(
            title="ShipBob",
            keys=standard(),
            source=as_read("developer.shipbob.com/2026-01/webhooks"),
            dedup_key="$header.webhook-id",
        ),
        "shiphero": Preset(
            title="ShipHero",
            keys=plain("x-shiphero-hmac-sha256", encoding="base64"),
            source=as_read("developer.shiphero.com/webhooks"),
            dedup_key="$header.X-Shiphero-Message-ID",
        ),
        "shopify": Preset(
            title="Shopify",
            keys={"header": "X-Shopify-Hmac-Sha256", "encoding": "base64"},
            source="github.com/Shopify/shopify-api-js and shopify-api-php; shopify.dev, ignore duplicates",
            dedup_key="[$header.X-Shopify-Topic, $header.X-Shopify-Event-Id]",
            note="no time is signed: repeats are caught by the dedup key",
        ),
        "shopline": Preset(
            title="SHOPLINE",
            keys=plain("X-Shopline-Hmac-Sha256"),
            source=as_read("developer.shopline.com, generate and verify signatures"),
            dedup_key="$header.X-Shopline-Webhook-Id",
        ),
        "square": Preset(
            title="Square",
            keys={"header": "x-square-hmacsha256-signature", "encoding": "base64", "signed": "{url}{body}"},
            source="github.com/square/square-python-sdk, tests",
            dedup_key="$.event_id",
        ),
        "square_sha1": Preset(
            title="Square, the older header",
            keys={
                "header": "x-square-signature",
                "algorithm": "sha1",
                "encoding": "base64",
                "signed": "{url}{body}",
            },
            source="npm square-utils (another's reading)",
            dedup_key="$.event_id",
        ),
        "squarespace": Preset(
            title="Squarespace",
            keys={"header": "Squarespace-Signature", "key": "hex"},
            source="developers.squarespace.com/webhooks/verifying-notifications",
            dedup_key="$.id",
            note="the secret is hex digits of the key",
        ),
        "tebex": Preset(
            title="Tebex",
            keys=plain("X-Signature", signed="{sha256(body)}"),
            source=as_read("docs.tebex.io/developers/webhooks/overview"),
            dedup_key="$.id",
        ),
        "tiktok_shop": Preset(
            title="TikTok Shop",
            keys=plain("Authorization", signed="{env.TIKTOK_SHOP_APP_KEY}{body}"),
            source=as_read("partner.tiktokshop.com, webhooks overview"),
            dedup_key="$.tts_notification_id",
            note="the app key stands in TIKTOK_SHOP_APP_KEY",
        ),
        "uber_eats": Preset(
            title="Uber Eats",
            keys=plain("X-Uber-Signature"),
            source=as_read("developer.uber.com/docs/eats/guides/webhooks"),
            note="the key is the client secret",
        ),
        "walmart": Preset(
            title="Walmart Marketplace",
            keys=stamped(
                "WM_SEC.SIGNATURE",
                "WM_SEC.TIMESTAMP",
                "{method}\n{target}\n{timestamp}\n{sha256(body)}",
                encoding="base64",
            ),
            source=as_read("developer.walmart.com/us-marketplace/docs/security-and-authenticity"),
        ),
        "wix": Preset(
            title="Wix",
            kind="jwt",
            keys={"whole_body": True, "algorithms": ["RS256"]},
            source="dev.wix.com, event data is received as a JWT; what is in it: another's reading",
            note="the body is the token; say body: jwt, and parse_json what is JSON in it",
        ),
        "woocommerce": Preset(
            title="WooCommerce",
            keys={"header": "X-WC-Webhook-Signature", "encoding": "base64"},
            source="github.com/woocommerce/woocommerce, class-wc-webhook.php, generate_signature()",
            challenge="woocommerce",
            note="X-WC-Webhook-Delivery-ID is the same for two orders of one second: it is no dedup key",
        ),
    }
)
