"""Out of quarantine: a request is verified again, by the rules and secrets of now and as of the moment of its receipt.

What passes goes the way of every webhook: parsed, translated, stored with its commands and its dedup key, delivered. A
repeat of what the sender has sent successfully since then makes nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from gateway.errors import NotVerifiable, Rejected, UnknownSource
from gateway.inbound.arrival import filled_url, source_of, translated
from gateway.inbound.authentication import verify
from gateway.inbound.batches import Stored, receptions, store_all
from gateway.inbound.body import taken
from gateway.inbound.challenges import first_answer, hashed_for_strangers
from gateway.inbound.diagnosis import BUDGET
from gateway.inbound.hooks import unset_credentials
from gateway.inbound.quarantine import Refused, diagnosed
from gateway.inbound.request import Verified, as_received
from gateway.inbound.schemes import Credential, Parts, Published
from gateway.inbound.sealing import unsealed
from gateway.inbound.secret_trials import KEPT_AS_HASH
from gateway.inbound.trials import Cause, Diagnosis
from gateway.model import WebhookState
from gateway.rules import Ruleset, Source
from gateway.store import Quarantined, Receipt, Reception, Store


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """It verifies now."""

    source: Source
    parts: Parts
    verified: Verified


class StillRefused(msgspec.Struct, frozen=True, kw_only=True):
    """It does not, and why."""

    reason: str
    diagnosis: Diagnosis
    lacks_key: bool = False
    """What its sender publishes is not here."""


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one that was released."""

    status: str
    """``accepted``, ``duplicate`` (of a webhook that came in meanwhile), or ``challenge``: it asked for an answer that
    nobody waits for any more, and is no webhook."""
    webhooks: tuple[str, ...] = ()
    """Ids: its own, of a repeat the first one's; of a batch those of its elements."""
    state: WebhookState | None = None
    """Of what was stored now: of a batch its first element's."""
    commands: int = 0


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What a request in quarantine is looked at with."""

    ruleset: Ruleset
    credential: Credential
    names: Callable[[], Iterable[str]]
    """The names of all credentials that are set."""
    key: bytes
    """The store's key for the hashes of credentials."""
    published: Published | None = None
    """The keys that senders publish."""


async def look_again(one: Quarantined, bench: Bench, *, budget: int = BUDGET) -> Passed | StillRefused:
    """Verify it by the rules and secrets of now, as of the moment of its receipt. Nothing is written."""
    # Hashing and the debugger would hold up webhooks that come in meanwhile.
    looked = await asyncio.to_thread(_look_again, one, bench, budget)
    if isinstance(looked, StillRefused) and looked.lacks_key:
        # Here, where it is asked for: the next try finds it.
        return _look_again(one, bench, budget)
    return looked


def _look_again(one: Quarantined, bench: Bench, budget: int) -> Passed | StillRefused:
    webhook = one.webhook
    same = Diagnosis(cause=Cause(one.cause), findings=one.findings)
    if one.lacking is not None:
        return StillRefused(reason=f"its body was not kept: {one.lacking}", diagnosis=same)
    try:
        source, parts = source_of(bench.ruleset, webhook)
    except UnknownSource as error:
        return StillRefused(reason=str(error), diagnosis=same)
    if unset := unset_credentials(source, bench.credential):
        reason = f"source {source.name} is disabled: {', '.join(unset)} is not set"
        return StillRefused(reason=reason, diagnosis=Diagnosis(cause=Cause.SECRET))
    url = filled_url(source.public_url, parts)
    kept = as_received(webhook, url=url, client=one.client, proxied=one.proxied)
    request = unsealed(kept, source.verify, bench.key, credential=bench.credential, parts=parts)
    try:
        verified = verify(
            source.verify,
            request,
            credential=bench.credential,
            now=webhook.received_at,
            parts=parts,
            published=bench.published,
        )
    except NotVerifiable as error:
        return StillRefused(reason=f"{error}; try again in a moment", diagnosis=same, lacks_key=True)
    except Rejected as error:
        found = diagnosed(
            Refused(source=source, request=request, parts=parts),
            bench.ruleset,
            credential=bench.credential,
            names=bench.names,
            published=bench.published,
            budget=budget,
        )
        # Of a credential that is kept as a hash less can be found out than at its receipt.
        less = any(KEPT_AS_HASH in text for text in found.findings) and same.cause is not Cause.UNDIAGNOSED
        return StillRefused(reason=str(error), diagnosis=same if less else found)
    if source.challenges and hashed_for_strangers(source.challenges, request):
        return StillRefused(reason="the body is like a token of the challenge", diagnosis=same)
    return Passed(source=source, parts=parts, verified=verified)


async def release(
    store: Store, one: Quarantined, bench: Bench, *, now: datetime, dry_run: bool = False
) -> Released | StillRefused:
    """Release it if it verifies now; else it stays, with the new reason. With ``dry_run`` nothing is written, and the
    answer says what would be.

    :raises NotFound: it is not in quarantine any more.
    :raises StoreError: it could not be written; it is in quarantine as before, or a part of a batch is stored already
        and is known when it is released again.
    """
    looked = await look_again(one, bench)
    if isinstance(looked, StillRefused):
        if not dry_run:
            await store.still_quarantined(
                one.webhook.id,
                reason=looked.reason,
                cause=looked.diagnosis.cause,
                findings=looked.diagnosis.findings,
                rules_version=bench.ruleset.version.version,
            )
        return looked
    source, id = looked.source, one.webhook.id
    if source.challenges and first_answer(source.challenges, looked.verified.request, bench.credential, signed=True):
        if not dry_run:
            await store.release(id, None)
        return Released(status="challenge")
    read = taken(bench.ruleset, source, looked.verified, id=id, cap=max(source.max_body, len(one.webhook.body)))
    if source.events is not None:
        made = receptions(source, read, parts=looked.parts, now=now)
        if dry_run:
            return _released([Stored(reception, Receipt(reception.webhook.id)) for reception in made])
        stored, failed = await store_all(store, made)
        if failed is not None:
            raise failed
        # The elements are on disk, and known by their dedup keys should this be cut off here.
        await store.release(id, None)
        return _released(stored)
    reception = translated(source, read, parts=looked.parts, now=now)
    receipt = Receipt(id) if dry_run else await store.release(id, reception)
    assert receipt is not None  # a reception was given
    return _released([Stored(reception, receipt)])


def _released(stored: list[Stored]) -> Released:
    fresh: list[Reception] = [one.reception for one in stored if not one.receipt.duplicate]
    return Released(
        status="accepted" if fresh else "duplicate",
        webhooks=tuple(one.receipt.webhook_id for one in stored),
        state=fresh[0].webhook.state if fresh else None,
        commands=sum(len(reception.commands) for reception in fresh),
    )
