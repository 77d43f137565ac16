"""Code, calendars, boards and clouds."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.inbound.senders.sender import Preset, as_read, plain, stamped, timed

_SNS: Final = "{lines(Message, MessageId, Subject, SubscribeURL, Timestamp, Token, TopicArn, Type)}"


def _sns(algorithm: str) -> dict[str, Any]:
    return {"signature_path": "Signature", "signed": _SNS, "algorithm": algorithm}


ROWS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "airtable": Preset(
            title="Airtable",
            keys=plain("X-Airtable-Content-MAC", prefix="hmac-sha256=", key="base64"),
            source=as_read("airtable.com/developers/web/api/webhooks-overview"),
            note="the secret is macSecretBase64; the body only says that something changed",
        ),
        "asana": Preset(
            title="Asana",
            keys={"header": "X-Hook-Signature"},
            source=as_read("developers.asana.com/docs/webhooks-guide, security"),
            challenge="asana",
            note="the key is the X-Hook-Secret of the handshake; an empty list of events is a heartbeat",
        ),
        "auth0": Preset(
            title="Auth0 log streams",
            kind="header",
            keys={"name": "Authorization"},
            source=as_read("auth0.com/docs/customize/log-streams/custom-log-streams"),
            note="the whole value of the header, as it was set there",
        ),
        "aws_sns": Preset(
            title="Amazon SNS, signature version 2",
            kind="rsa",
            keys=_sns("sha256"),
            source=as_read("docs.aws.amazon.com/sns, verifying the signatures of messages"),
            dedup_key="$.MessageId",
            challenge="aws_sns",
            note="the certificate in AWS_SNS_PUBLIC_KEY, or, with published, at SigningCertURL",
        ),
        "aws_sns_v1": Preset(
            title="Amazon SNS, signature version 1",
            kind="rsa",
            keys=_sns("sha1"),
            source=as_read("docs.aws.amazon.com/sns, verifying the signatures of messages"),
            dedup_key="$.MessageId",
            challenge="aws_sns",
            note="SHA-1, the default of a topic until its SignatureVersion is set to 2",
        ),
        "bitbucket": Preset(
            title="Bitbucket",
            keys=plain("X-Hub-Signature", prefix="sha256="),
            source=as_read("support.atlassian.com/bitbucket-cloud/docs/manage-webhooks"),
            dedup_key="$header.X-Request-UUID",
        ),
        "clio": Preset(
            title="Clio",
            keys=plain("X-Hook-Signature"),
            source=as_read("docs.developers.clio.com/api-reference"),
            challenge="asana",
            note="the same handshake as that of Asana",
        ),
        "cloudinary": Preset(
            title="Cloudinary",
            kind="digest",
            keys={
                "header": "x-cld-signature",
                "algorithm": "sha1",
                "timestamp_header": "x-cld-timestamp",
                "signed": "{body}{timestamp}{secret}",
                "tolerance": "2h",
            },
            source=as_read("cloudinary.com/documentation/notification_signatures"),
            note="the secret is the API secret; algorithm: sha256 where the account says so",
        ),
        "cloudprinter": Preset(
            title="Cloudprinter CloudSignal",
            kind="body",
            keys={"path": "apikey"},
            source=as_read("docs.cloudprinter.com/client/cloudsignal-webhooks-v2-0"),
        ),
        "docusign": Preset(
            title="DocuSign Connect",
            keys=plain("X-DocuSign-Signature-*", encoding="base64"),
            source=as_read("developers.docusign.com/platform/webhooks/connect/validate"),
            note="a header for each active key; one that matches is enough",
        ),
        "favro": Preset(
            title="Favro",
            keys=plain("X-Favro-Webhook", algorithm="sha1", encoding="base64", signed="{body.payloadId}{url}"),
            source=as_read("favro.com/developer"),
            dedup_key="$.payloadId",
            note="signs an id and the address, and not the body",
        ),
        "fusionauth": Preset(
            title="FusionAuth",
            kind="jwt",
            keys={
                "header": "X-FusionAuth-Signature-JWT",
                "algorithms": ["HS256", "HS384", "HS512"],
                "body_claim": "request_body_sha256",
            },
            source=as_read("fusionauth.io/docs/extend/events-and-webhooks/signing"),
            dedup_key="$.event.id",
            note="with another kind of key: algorithms and public_key",
        ),
        "github": Preset(
            title="GitHub",
            keys={"header": "X-Hub-Signature-256", "prefix": "sha256="},
            source="docs.github.com, validating webhook deliveries",
            dedup_key="$header.X-GitHub-Delivery",
        ),
        "gitlab": Preset(
            title="GitLab",
            kind="header",
            keys={"name": "X-Gitlab-Token"},
            source=as_read("docs.gitlab.com/ee/user/project/integrations/webhooks.html"),
            dedup_key="$header.X-Gitlab-Event-UUID",
        ),
        "hugging_face": Preset(
            title="Hugging Face",
            kind="header",
            keys={"name": "X-Webhook-Secret"},
            source=as_read("huggingface.co/docs/hub/webhooks"),
        ),
        "jira": Preset(
            title="Jira",
            keys=plain("X-Hub-Signature", prefix="sha256="),
            source=as_read("developer.atlassian.com/cloud/jira/platform/webhooks"),
            dedup_key="$header.X-Atlassian-Webhook-Identifier",
            note="only where a secret was set",
        ),
        "linear": Preset(
            title="Linear",
            keys=plain("Linear-Signature"),
            source=as_read("linear.app/developers/webhooks"),
            dedup_key="$header.Linear-Delivery",
        ),
        "meraki": Preset(
            title="Cisco Meraki",
            kind="body",
            keys={"path": "sharedSecret"},
            source=as_read("developer.cisco.com/meraki/webhooks/introduction"),
            dedup_key="$.alertId",
        ),
        "microsoft_graph": Preset(
            title="Microsoft Graph",
            kind="body",
            keys={"path": "value.*.clientState"},
            source="github.com/NangoHQ/nango (another's reading of learn.microsoft.com)",
            dedup_key="$.id",
            challenge="microsoft_graph",
            note="no signature: every notification must hold the clientState that was set",
        ),
        "monday": Preset(
            title="monday.com",
            kind="jwt",
            keys={"header": "Authorization", "prefix": "", "algorithms": ["HS256"]},
            source=as_read("developer.monday.com/apps/docs/integration-authorization"),
            dedup_key="$.event.triggerUuid",
            note="the key is the signing secret; the token says nothing of the body",
        ),
        "notion": Preset(
            title="Notion",
            keys=plain("X-Notion-Signature", prefix="sha256="),
            source=as_read("developers.notion.com/reference/webhooks"),
            dedup_key="$.id",
            note="the key is the verification_token of the first request",
        ),
        "okta": Preset(
            title="Okta event hooks",
            kind="header",
            keys={"name": "Authorization"},
            source=as_read("developer.okta.com/docs/guides/event-hook-implementation"),
            dedup_key="$.eventId",
            note="the whole value of the header, as it was set there",
        ),
        "oura": Preset(
            title="Oura",
            keys=stamped("x-oura-signature", "x-oura-timestamp", "{timestamp}{body}", tolerance=None),
            source=as_read("cloud.ouraring.com/v2/docs"),
        ),
        "sanity": Preset(
            title="Sanity",
            keys=timed("sanity-webhook-signature", tolerance=None, encoding="base64url", timestamp_unit="ms"),
            source=as_read("github.com/sanity-io/webhook-toolkit"),
            dedup_key="$header.idempotency-key",
        ),
        "scrapfly": Preset(
            title="Scrapfly",
            keys=plain("X-Scrapfly-Webhook-Signature"),
            source=as_read("scrapfly.io/docs/scrape-api/webhook"),
            dedup_key="$header.X-Scrapfly-Webhook-Job-Id",
        ),
        "statsig": Preset(
            title="Statsig",
            keys=stamped(
                "X-Statsig-Signature",
                "X-Statsig-Request-Timestamp",
                "v0:{timestamp}:{body}",
                tolerance=None,
                prefix="v0=",
                timestamp_unit="ms",
            ),
            source=as_read("docs.statsig.com/integrations/event_webhook"),
        ),
        "trello": Preset(
            title="Trello",
            keys={
                "header": "x-trello-webhook",
                "algorithm": "sha1",
                "encoding": "base64",
                "signed": "{body}{url}",
            },
            source=as_read("developer.atlassian.com/cloud/trello/guides/rest-api/webhooks"),
            dedup_key="$.action.id",
            challenge="trello",
            note="the address is the callbackURL as it was given",
        ),
        "usps": Preset(
            title="USPS tracking",
            keys=plain("X-HMAC", encoding="base64", signed="{body.timestamp}{body.payload}"),
            source=as_read("developers.usps.com/subscriptions-trackingv3r2"),
        ),
        "vercel": Preset(
            title="Vercel",
            keys=plain("x-vercel-signature", algorithm="sha1"),
            source=as_read("vercel.com/docs/observability/webhooks"),
            dedup_key="$.id",
        ),
        "webflow": Preset(
            title="Webflow",
            keys=stamped(
                "x-webflow-signature", "x-webflow-timestamp", "{timestamp}:{body}", tolerance=None, timestamp_unit="ms"
            ),
            source=as_read("developers.webflow.com/data/docs/working-with-webhooks"),
        ),
        "workos": Preset(
            title="WorkOS",
            keys=timed("WorkOS-Signature", tolerance="3m", timestamp_unit="ms"),
            source="github.com/workos/workos-python, workos/webhooks.py",
            dedup_key="$.id",
        ),
    }
)
