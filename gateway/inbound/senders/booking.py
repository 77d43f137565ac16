"""Appointments, stays and tickets."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.inbound.senders.sender import Preset, standard, timed

ROWS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "acuity": Preset(
            title="Acuity Scheduling",
            keys={"header": "X-Acuity-Signature", "encoding": "base64"},
            source="developers.acuityscheduling.com/docs/webhooks",
            note="the key is the API key of the account's owner; signed is the raw form text",
        ),
        "bookeo": Preset(
            title="Bookeo",
            keys={
                "header": "X-Bookeo-Signature",
                "signed": "{timestamp}{id}{url}{body}",
                "id_header": "X-Bookeo-MessageId",
                "timestamp_header": "X-Bookeo-Timestamp",
                "timestamp_unit": "ms",
                "tolerance": "2m",
            },
            source="bookeo.com/api/webhooks",
            dedup_key="$header.X-Bookeo-MessageId",
        ),
        "cal_com": Preset(
            title="Cal.com",
            keys={"header": "X-Cal-Signature-256"},
            source="github.com/calcom/cal.com, packages/features/webhooks/lib/sendPayload.ts",
            dedup_key="[$.payload.uid, $.triggerEvent, $.createdAt]",
            note="without a secret there the header says no-secret-provided, which never verifies",
        ),
        "calendly": Preset(
            title="Calendly",
            keys=timed("Calendly-Webhook-Signature", tolerance="3m"),
            source="developer.calendly.com, webhook signatures",
            dedup_key="[$.payload.uri, $.event, $.created_at]",
        ),
        "google_calendar": Preset(
            title="Google Calendar",
            kind="header",
            keys={"name": "X-Goog-Channel-Token"},
            source="public code (another's reading)",
            dedup_key="[$header.X-Goog-Channel-ID, $header.X-Goog-Message-Number]",
            note="the token that was given when the channel was made; the body is empty",
        ),
        "guesty": Preset(
            title="Guesty",
            keys=standard("svix"),
            source="a public project's correction (another's reading): Guesty delivers through Svix",
            dedup_key="$header.svix-id",
        ),
        "lodgify": Preset(
            title="Lodgify",
            keys={"header": "ms-signature", "prefix": "sha256="},
            source="docs.lodgify.com/reference/webhooks",
            note="only 200 counts as success",
        ),
        "mindbody": Preset(
            title="Mindbody",
            keys={"header": "X-Mindbody-Signature", "encoding": "base64", "prefix": "sha256="},
            source="another's reading of developers.mindbodyonline.com",
            dedup_key="$.messageId",
            challenge="mindbody",
            note="the key is the subscription's messageSignatureKey",
        ),
        "ratehawk": Preset(
            title="RateHawk (ETG)",
            keys={
                "signature_path": "signature.signature",
                "timestamp_path": "signature.timestamp",
                "signed": "{timestamp}{body.signature.token}",
            },
            source="docs.emergingtravel.com",
            dedup_key="$.signature.token",
            note="signs its own token and not the body: what else stands in it is unproved",
        ),
        "ticket_tailor": Preset(
            title="Ticket Tailor",
            keys=timed("Tickettailor-Webhook-Signature", "{timestamp}{body}"),
            source="developers.tickettailor.com/docs/webhook/security",
            dedup_key="$.id",
            note="no dot between the two",
        ),
        "vagaro": Preset(
            title="Vagaro",
            kind="header",
            keys={"name": "X-Vagaro-Signature"},
            source="public code (another's reading)",
            note="a static token, whatever the header is called",
        ),
    }
)
