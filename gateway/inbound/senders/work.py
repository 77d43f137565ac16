"""Code, calendars, boards and clouds."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.inbound.senders.sender import Preset

_SNS: Final = "{lines(Message, MessageId, Subject, SubscribeURL, Timestamp, Token, TopicArn, Type)}"


def _sns(algorithm: str) -> dict[str, Any]:
    return {"signature_path": "Signature", "signed": _SNS, "algorithm": algorithm}


ROWS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "asana": Preset(
            title="Asana",
            keys={"header": "X-Hook-Signature"},
            source="developers.asana.com/docs/webhooks-guide, security",
            challenge="asana",
            note="the key is the X-Hook-Secret of the handshake; an empty list of events is a heartbeat",
        ),
        "aws_sns": Preset(
            title="Amazon SNS, signature version 2",
            kind="rsa",
            keys=_sns("sha256"),
            source="docs.aws.amazon.com/sns, verifying the signatures of Amazon SNS messages",
            dedup_key="$.MessageId",
            note="the certificate in AWS_SNS_PUBLIC_KEY, or, with published, at SigningCertURL",
        ),
        "aws_sns_v1": Preset(
            title="Amazon SNS, signature version 1",
            kind="rsa",
            keys=_sns("sha1"),
            source="docs.aws.amazon.com/sns, verifying the signatures of Amazon SNS messages",
            dedup_key="$.MessageId",
            note="SHA-1, the default of a topic until its SignatureVersion is set to 2",
        ),
        "github": Preset(
            title="GitHub",
            keys={"header": "X-Hub-Signature-256", "prefix": "sha256="},
            source="docs.github.com, validating webhook deliveries",
            dedup_key="$header.X-GitHub-Delivery",
        ),
        "microsoft_graph": Preset(
            title="Microsoft Graph",
            kind="body",
            keys={"path": "value.*.clientState"},
            source="github.com/NangoHQ/nango; hookdeck/webhook-skills (another's reading of learn.microsoft.com)",
            dedup_key="$.id",
            challenge="microsoft_graph",
            note="no signature: every notification must hold the clientState that was set",
        ),
        "trello": Preset(
            title="Trello",
            keys={
                "header": "x-trello-webhook",
                "algorithm": "sha1",
                "encoding": "base64",
                "signed": "{body}{url}",
            },
            source="developer.atlassian.com/cloud/trello/guides/rest-api/webhooks",
            dedup_key="$.action.id",
            challenge="trello",
            note="the address is the callbackURL as it was given",
        ),
    }
)
