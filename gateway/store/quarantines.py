"""Requests in quarantine as rows, and back: the same for both stores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.model import Webhook, WebhookState
from gateway.store import Quarantined, QuarantineLimits, Reception, quarantined_size
from gateway.store.arrivals import Arrival, arrival_of
from gateway.store.rows import Row, dumped, loaded, maybe_octets, maybe_text, micros, moment, octets, text

QUARANTINE_COLUMNS = (
    "id, source, received_at, method, path, query, headers, reason, cause, findings, lacking, client, proxied, "
    "rules_version, size, body"
)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Requests as rows, and how much may be kept."""

    rows: tuple[Row, ...]
    limits: QuarantineLimits

    @property
    def size(self) -> int:
        return sum(row[-2] for row in self.rows)


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One that leaves, and what became of it."""

    id: str
    arrival: Arrival | None

    @property
    def size(self) -> int:
        return 0 if self.arrival is None else self.arrival.size


class Stays(msgspec.Struct, frozen=True, kw_only=True):
    """Why one that was looked at again stays: (reason, cause, findings, version of the rules, id)."""

    row: Row


def kept_of(requests: Sequence[Quarantined], limits: QuarantineLimits) -> Kept:
    return Kept(rows=tuple(map(_row, requests)), limits=limits)


def release_of(id: str, reception: Reception | None) -> Release:
    return Release(id=id, arrival=None if reception is None else arrival_of(reception))


def stays_of(id: str, *, reason: str, cause: str, findings: Sequence[str], rules_version: str) -> Stays:
    return Stays(row=(octets(reason), cause, dumped(tuple(findings)), rules_version, id))


def _row(request: Quarantined) -> Row:
    webhook = request.webhook
    return (
        webhook.id,
        webhook.source,
        micros(webhook.received_at),
        webhook.method,
        octets(webhook.path),
        octets(webhook.query),
        dumped(webhook.headers),
        octets(webhook.reason or ""),
        request.cause,
        dumped(request.findings),
        maybe_octets(request.lacking),
        request.client,
        int(request.proxied),
        webhook.rules_version,
        quarantined_size(webhook),
        webhook.body,
    )


def quarantined_of(row: Sequence[Any]) -> Quarantined:
    (
        id, source, received_at, method, path, query, headers, reason, cause, findings, lacking, client, proxied,
        rules_version, _, body,
    ) = row  # fmt: skip
    webhook = Webhook(
        id=id,
        source=source,
        received_at=moment(received_at),
        method=method,
        path=text(path),
        query=text(query),
        headers=tuple((name, value) for name, value in loaded(headers)),
        body=body,
        state=WebhookState.QUARANTINED,
        reason=text(reason),
        rules_version=rules_version,
    )
    return Quarantined(
        webhook=webhook,
        cause=cause,
        findings=tuple(loaded(findings)),
        lacking=maybe_text(lacking),
        client=client,
        proxied=bool(proxied),
    )
