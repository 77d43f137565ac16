"""Mail, messages, forms and customers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.inbound.senders.sender import Preset

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
            source="developers.intercom.com, webhook notifications",
            dedup_key="$.id",
            note="the key is the app's client secret",
        ),
        "klaviyo": Preset(
            title="Klaviyo, system webhooks",
            keys={
                "header": "Klaviyo-Signature",
                "signed": "{body}{timestamp}",
                "timestamp_header": "Klaviyo-Timestamp",
            },
            source="hookdeck/webhook-skills (another's reading of developers.klaviyo.com)",
        ),
        "mailgun": Preset(
            title="Mailgun",
            keys={
                "signature_path": "signature.signature",
                "timestamp_path": "signature.timestamp",
                "signed": "{timestamp}{body.signature.token}",
            },
            source="documentation.mailgun.com, webhooks, securing webhooks",
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
            source="mailchimp.com/developer/transactional, authenticating webhook requests",
        ),
        "meta": Preset(
            title="Meta: WhatsApp, lead ads, pages",
            keys={"header": "X-Hub-Signature-256", "prefix": "sha256="},
            source="developers.facebook.com, webhooks",
            challenge="meta",
            note="the key is the app secret",
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
        "typeform": Preset(
            title="Typeform",
            keys={"header": "Typeform-Signature", "encoding": "base64", "prefix": "sha256="},
            source="developer.typeform.com, secure your webhooks",
            dedup_key="$.event_id",
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
            source="developers.zoom.us, verify with Zoom's header",
            challenge="zoom",
        ),
    }
)
