"""Mail, messages, forms and customers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.inbound.senders.sender import Preset, as_read, plain, stamped, timed

_HUBSPOT_KEY: Final = "[$.eventId, $.subscriptionId, $.occurredAt]"


def _twilio(algorithm: str) -> dict[str, Any]:
    return {
        "header": "X-Twilio-Signature",
        "algorithm": algorithm,
        "encoding": "base64",
        "signed": "{url}{sorted_form}",
        "port": "either",
        "body_query": "bodySHA256",
    }


ROWS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "ashby": Preset(
            title="Ashby",
            keys=plain("Ashby-Signature", prefix="sha256="),
            source=as_read("developers.ashbyhq.com/docs/authenticating-webhooks"),
        ),
        "attentive": Preset(
            title="Attentive",
            keys=plain("x-attentive-hmac-sha256"),
            source=as_read("docs.attentive.com/docs/webhook-authentication"),
        ),
        "courier": Preset(
            title="Courier",
            keys=timed("courier-signature", tolerance=None, names=("t", "signature"), timestamp_unit="ms"),
            source=as_read("courier.com/docs/platform/workspaces/outbound-webhooks"),
        ),
        "customer_io": Preset(
            title="Customer.io",
            keys=stamped("X-CIO-Signature", "X-CIO-Timestamp", "v0:{timestamp}:{body}", tolerance=None),
            source=as_read("docs.customer.io/integrations/api/webhooks"),
            dedup_key="$.event_id",
        ),
        "discord": Preset(
            title="Discord",
            kind="ed25519",
            keys={
                "header": "X-Signature-Ed25519",
                "encoding": "hex",
                "timestamp_header": "X-Signature-Timestamp",
                "signed": "{timestamp}{body}",
            },
            source=as_read("docs.discord.com, validating security request headers"),
            note="the key in hex, as the portal shows it",
        ),
        "fireflies": Preset(
            title="Fireflies",
            keys=plain("X-Hub-Signature", prefix="sha256="),
            source=as_read("docs.fireflies.ai/graphql-api/webhooks-v2"),
            dedup_key="[$.meeting_id, $.event]",
        ),
        "front": Preset(
            title="Front, application webhooks",
            keys=stamped(
                "X-Front-Signature",
                "X-Front-Request-Timestamp",
                "{timestamp}:{body}",
                tolerance=None,
                encoding="base64",
                timestamp_unit="ms",
            ),
            source="dev.frontapp.com/docs/application-webhooks",
            dedup_key="$.id",
            note="it is saved only where the answer repeats a header: "
            "respond: {body: {challenge: $header.X-Front-Challenge}}",
        ),
        "hubspot": Preset(
            title="HubSpot, version 3",
            keys={
                "header": "X-HubSpot-Signature-v3",
                "encoding": "base64",
                "signed": "{method}{url}{body}{timestamp}",
                "timestamp_header": "X-HubSpot-Request-Timestamp",
                "timestamp_unit": "ms",
                "tolerance": "5m",
            },
            source="github.com/HubSpot/hubspot-api-python, utils/signature",
            dedup_key=_HUBSPOT_KEY,
            note="with events: $[*] each is a webhook",
        ),
        "hubspot_v1": Preset(
            title="HubSpot, version 1",
            kind="digest",
            keys={"header": "X-HubSpot-Signature", "signed": "{secret}{body}"},
            source="github.com/HubSpot/hubspot-api-python, utils/signature",
            dedup_key=_HUBSPOT_KEY,
            note="X-HubSpot-Signature-Version says which; no time is signed",
        ),
        "hubspot_v2": Preset(
            title="HubSpot, version 2",
            kind="digest",
            keys={"header": "X-HubSpot-Signature", "signed": "{secret}{method}{url}{body}"},
            source="github.com/HubSpot/hubspot-api-python, utils/signature",
            dedup_key=_HUBSPOT_KEY,
            note="no time is signed",
        ),
        "intercom": Preset(
            title="Intercom",
            keys={"header": "X-Hub-Signature", "algorithm": "sha1", "prefix": "sha1="},
            source=as_read("developers.intercom.com/docs/webhooks"),
            dedup_key="$.id",
            challenge="intercom",
            note="the key is the app's client secret",
        ),
        "klaviyo": Preset(
            title="Klaviyo, system webhooks",
            keys={
                "header": "Klaviyo-Signature",
                "signed": "{body}{timestamp}",
                "timestamp_header": "Klaviyo-Timestamp",
            },
            source="developers.klaviyo.com/en/docs/working_with_system_webhooks; what is signed: another's reading",
        ),
        "knock": Preset(
            title="Knock",
            keys=timed("x-knock-signature", names=("t", "s"), encoding="base64", timestamp_unit="ms"),
            source=as_read("docs.knock.app/developer-tools/outbound-webhooks/overview"),
            dedup_key="$.id",
        ),
        "linkedin": Preset(
            title="LinkedIn",
            keys=plain("X-LI-Signature", signed="hmacsha256={body}"),
            source=as_read("learn.microsoft.com/en-us/linkedin, webhook validation"),
            dedup_key="$.notificationId",
            note="the key is the client secret",
        ),
        "mailgun": Preset(
            title="Mailgun",
            keys={
                "signature_path": "signature.signature",
                "timestamp_path": "signature.timestamp",
                "signed": "{timestamp}{body.signature.token}",
            },
            source=as_read("documentation.mailgun.com, securing webhooks"),
            dedup_key="$.signature.token",
            note="signs its own token and not the body; the token is the dedup key that stops repeats",
        ),
        "mandrill": Preset(
            title="Mandrill (Mailchimp Transactional)",
            keys={
                "header": "X-Mandrill-Signature",
                "algorithm": "sha1",
                "encoding": "base64",
                "signed": "{url}{sorted_form}",
            },
            source="mandrill.zendesk.com, how to authenticate webhook requests",
            challenge="mandrill",
        ),
        "meta": Preset(
            title="Meta: WhatsApp, lead ads, pages",
            keys={"header": "X-Hub-Signature-256", "prefix": "sha256="},
            source=as_read("developers.facebook.com/docs/graph-api/webhooks/getting-started"),
            challenge="meta",
            note="the key is the app secret",
        ),
        "nylas": Preset(
            title="Nylas",
            keys=plain("x-nylas-signature"),
            source=as_read("developer.nylas.com, verify webhook signatures"),
            dedup_key="$.id",
        ),
        "pipedrive": Preset(
            title="Pipedrive",
            kind="basic",
            keys={},
            source=as_read("pipedrive.readme.io/docs/guide-for-webhooks-v2"),
        ),
        "postmark": Preset(
            title="Postmark",
            kind="basic",
            keys={},
            source=as_read("postmarkapp.com/developer/webhooks/webhooks-overview"),
        ),
        "pylon": Preset(
            title="Pylon",
            keys=stamped(
                "Pylon-Webhook-Signature",
                "Pylon-Webhook-Timestamp",
                "{timestamp}.{body}",
                tolerance=None,
                prefix="hs256=",
            ),
            source=as_read("getpylon.com/developers/guides/using-webhooks"),
        ),
        "retell": Preset(
            title="Retell AI",
            keys=timed("X-Retell-Signature", "{body}{timestamp}", names=("v", "d"), timestamp_unit="ms"),
            source=as_read("docs.retellai.com/features/secure-webhook"),
            dedup_key="[$.event, $.call.call_id]",
            note="the key is the API key with the webhook badge",
        ),
        "ringcentral": Preset(
            title="RingCentral",
            kind="header",
            keys={"name": "Verification-Token"},
            source=as_read("developers.ringcentral.com/guide/notifications/webhooks/receiving"),
            dedup_key="$.uuid",
            note="the first request has another header, Validation-Token, to be sent back: challenge: {echo_header: "
            "{name: Validation-Token}} while it is set up, and no longer, for that page shows it in later ones too",
        ),
        "sendgrid": Preset(
            title="SendGrid event webhook",
            kind="ecdsa",
            keys={
                "header": "X-Twilio-Email-Event-Webhook-Signature",
                "signed": "{timestamp}{body}",
                "timestamp_header": "X-Twilio-Email-Event-Webhook-Timestamp",
            },
            source="github.com/sendgrid/sendgrid-python, helpers/eventwebhook",
            dedup_key="$.sg_event_id",
            note="with events: $[*] each is a webhook",
        ),
        "slack": Preset(
            title="Slack",
            keys={
                "header": "X-Slack-Signature",
                "prefix": "v0=",
                "signed": "v0:{timestamp}:{body}",
                "timestamp_header": "X-Slack-Request-Timestamp",
                "tolerance": "5m",
            },
            source="api.slack.com, verifying requests from Slack",
            dedup_key="$.event_id",
            challenge="slack",
        ),
        "tally": Preset(
            title="Tally",
            keys=plain("Tally-Signature", encoding="base64"),
            source=as_read("tally.so/help/webhooks"),
            dedup_key="$.eventId",
        ),
        "telnyx": Preset(
            title="Telnyx",
            kind="ed25519",
            keys={
                "header": "telnyx-signature-ed25519",
                "timestamp_header": "telnyx-timestamp",
                "signed": "{timestamp}|{body}",
                "tolerance": "5m",
            },
            source=as_read("developers.telnyx.com, receiving webhooks"),
            dedup_key="$.data.id",
        ),
        "tiktok": Preset(
            title="TikTok for Developers",
            keys=timed("TikTok-Signature", tolerance=None, names=("t", "s")),
            source=as_read("developers.tiktok.com/doc/webhooks-verification"),
        ),
        "twilio": Preset(
            title="Twilio",
            keys=_twilio("sha1"),
            source="github.com/twilio/twilio-python, request_validator.py",
            dedup_key="[$.MessageSid, $.MessageStatus]",
            note="the key is the auth token; what is no form is signed by bodySHA256 in the address",
        ),
        "twilio_shared_key": Preset(
            title="Twilio, with a shared key",
            keys=_twilio("sha256"),
            source="github.com/twilio/twilio-python, request_validator.py",
            dedup_key="[$.MessageSid, $.MessageStatus]",
            note="where X-Twilio-Webhooks-Signature-Settings says algorithm=HMAC_SHA256",
        ),
        "twitch": Preset(
            title="Twitch EventSub",
            keys={
                "header": "Twitch-Eventsub-Message-Signature",
                "prefix": "sha256=",
                "id_header": "Twitch-Eventsub-Message-Id",
                "timestamp_header": "Twitch-Eventsub-Message-Timestamp",
                "timestamp_unit": "iso",
                "tolerance": "10m",
                "signed": "{id}{timestamp}{body}",
            },
            source=as_read("dev.twitch.tv/docs/eventsub/handling-webhook-events"),
            dedup_key="$header.Twitch-Eventsub-Message-Id",
        ),
        "typeform": Preset(
            title="Typeform",
            keys={"header": "Typeform-Signature", "encoding": "base64", "prefix": "sha256="},
            source="developer.typeform.com, secure your webhooks",
            dedup_key="$.event_id",
        ),
        "x": Preset(
            title="X (Twitter)",
            keys=plain("x-twitter-webhooks-signature", encoding="base64", prefix="sha256="),
            source=as_read("docs.x.com/x-api/webhooks/quickstart"),
            challenge="x",
            note="the key is the consumer secret",
        ),
        "zendesk": Preset(
            title="Zendesk",
            keys={
                "header": "X-Zendesk-Webhook-Signature",
                "encoding": "base64",
                "signed": "{timestamp}{body}",
                "timestamp_header": "X-Zendesk-Webhook-Signature-Timestamp",
                "timestamp_unit": "iso",
            },
            source="developer.zendesk.com, verifying webhooks",
            dedup_key="$header.X-Zendesk-Webhook-Invocation-Id",
            note="no tolerance is documented",
        ),
        "zoom": Preset(
            title="Zoom",
            keys={
                "header": "x-zm-signature",
                "prefix": "v0=",
                "signed": "v0:{timestamp}:{body}",
                "timestamp_header": "x-zm-request-timestamp",
                "tolerance": "5m",
            },
            source=as_read("developers.zoom.us/docs/api/webhooks, verify webhook events"),
            challenge="zoom",
        ),
    }
)
