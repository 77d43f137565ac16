"""Schemes that many senders share."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.inbound.senders.sender import Preset, public, standard

_SPEC: Final = "github.com/standard-webhooks/standard-webhooks, specification 1.0.0"

ROWS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "standard_webhooks": Preset(
            title="Standard Webhooks",
            keys=standard(),
            source=_SPEC,
            dedup_key="$header.webhook-id",
        ),
        "standard_webhooks_v1a": Preset(
            title="Standard Webhooks with a public key",
            kind="ed25519",
            keys={**public(standard()), "prefix": "v1a,"},
            source=_SPEC,
            dedup_key="$header.webhook-id",
            note="the key is whpk_…; signatures of version v1 beside it are ignored",
        ),
        "svix": Preset(
            title="Svix",
            keys=standard("svix"),
            source="github.com/svix/svix-webhooks",
            dedup_key="$header.svix-id",
            note="Standard Webhooks under its own header names",
        ),
    }
)
