"""Shops."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.inbound.senders.sender import Preset, standard

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
        "bigcommerce": Preset(
            title="BigCommerce",
            keys={**standard(), "key": "utf8"},
            source="github.com/bigcommerce/docs, docs/integrations/webhooks/https-webhook-overview.mdx",
            dedup_key="$header.webhook-id",
            note="Standard Webhooks, with the plain client secret as key",
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
        "shopify": Preset(
            title="Shopify",
            keys={"header": "X-Shopify-Hmac-Sha256", "encoding": "base64"},
            source="github.com/Shopify/shopify-api-js and shopify-api-php; shopify.dev, ignore duplicates",
            dedup_key="[$header.X-Shopify-Topic, $header.X-Shopify-Event-Id]",
            note="no time is signed: repeats are caught by the dedup key",
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
        "wix": Preset(
            title="Wix",
            kind="jwt",
            keys={"whole_body": True, "algorithms": ["RS256"]},
            source="dev.wix.com, event data is received as a JWT; hookdeck/webhook-skills (another's reading)",
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
