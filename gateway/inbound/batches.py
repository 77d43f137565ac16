"""A request that holds many webhooks (``events``): each element is stored as a webhook of its own.

An element is kept as the exact JSON of its value, with an id, a dedup key, a state and commands of its own: a bad one
fails alone, and a repeat of the request stores only what is not there yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime

import msgspec

from gateway.errors import StoreError, Unparseable
from gateway.inbound.arrival import arrival_of, element_translated, kept_as_it_is, source_of
from gateway.inbound.body import Taken, exactly, is_whole, read_body, unreadable
from gateway.model import Webhook, WebhookState, new_webhook_id
from gateway.rules import Ruleset, Source
from gateway.rules.batch import NotTakenApart, element_arrivals
from gateway.rules.values import MISSING
from gateway.store import Inbox, Receipt, Reception

AT_ONCE = 1_000
"""Elements that wait for the disk together: a batch of thousands leaves room in the queue for other senders."""
SLICE = 0.005
"""Seconds after which translating the elements gives way to other requests."""


def receptions(source: Source, taken: Taken, *, parts: Mapping[str, str], now: datetime) -> Iterator[Reception]:
    """What one request of a source with ``events`` becomes: a reception for each element, in order.

    Where there are no elements, or too many, the request is kept whole, as one webhook with the reason.
    """
    if taken.body is MISSING:
        yield kept_as_it_is(source, taken.webhook, now=now)
        return
    try:
        yield from _elements(source, taken, parts=parts, now=now, first_id=taken.webhook.id)
    except NotTakenApart as found:
        if found.state is WebhookState.IGNORED:
            whole = msgspec.structs.replace(taken.webhook, state=found.state, reason=str(found))
        else:
            whole = unreadable(source, taken.webhook, str(found), state=found.state)
        yield kept_as_it_is(source, whole, now=now)


def taken_apart(ruleset: Ruleset, webhook: Webhook, *, now: datetime) -> Iterator[Reception] | None:
    """The elements of a stored webhook that was kept whole, where the rules of today can take it apart; else None.

    :raises UnknownSource: the rules no longer have its source, or its source is elsewhere.
    """
    source, parts = source_of(ruleset, webhook)
    if not is_whole(source, webhook):
        return None
    try:
        body = read_body(webhook, source)
    except Unparseable:
        return None
    whole = msgspec.structs.replace(
        webhook, rules_version=ruleset.version.version, reason=None, errors=(), matched=(), repeats=0
    )
    found = _elements(source, Taken(webhook=whole, body=body), parts=parts, now=now, first_id=new_webhook_id())
    try:
        first = next(found)
    except NotTakenApart:
        return None
    return _chained(first, found)


def _chained(first: Reception, others: Iterator[Reception]) -> Iterator[Reception]:
    yield first
    yield from others


def _elements(
    source: Source, taken: Taken, *, parts: Mapping[str, str], now: datetime, first_id: str
) -> Iterator[Reception]:
    whole = taken.webhook
    arrivals = list(element_arrivals(source, arrival_of(whole, body=taken.body, path=parts)))
    batch = exactly(taken.body) if source.keeps_batch else None
    for arrival in arrivals:
        id = new_webhook_id() if arrival.index else first_id
        element = msgspec.structs.replace(
            whole, id=id, body=exactly(arrival.body), parsed=True, batch_id=whole.id, batch=batch
        )
        yield element_translated(source, element, msgspec.structs.replace(arrival, webhook_id=id), now=now)


class Stored(msgspec.Struct, frozen=True):
    """One element that is on disk."""

    reception: Reception
    receipt: Receipt


async def store_all(store: Inbox, found: Iterator[Reception]) -> tuple[list[Stored], StoreError | None]:
    """Store receptions together, a bounded number of them at a time.

    :return: those that are on disk, in order, and why others are not, if so.
    """
    loop = asyncio.get_running_loop()
    stored: list[Stored] = []
    waiting: list[tuple[Reception, asyncio.Task[Receipt]]] = []
    began = loop.time()
    failed: StoreError | None = None
    try:
        for reception in found:
            waiting.append((reception, loop.create_task(store.receive(reception))))
            if len(waiting) >= AT_ONCE:
                failed = await _settled(waiting, stored)
                if failed is not None:
                    break
                began = loop.time()
            elif loop.time() - began > SLICE:
                await asyncio.sleep(0)
                began = loop.time()
    finally:
        failed = await _settled(waiting, stored) or failed
    return stored, failed


async def _settled(waiting: list[tuple[Reception, asyncio.Task[Receipt]]], stored: list[Stored]) -> StoreError | None:
    results = await asyncio.gather(*(task for _, task in waiting), return_exceptions=True)
    failed: StoreError | None = None
    for (reception, _), result in zip(waiting, results, strict=True):
        if isinstance(result, StoreError):
            failed = failed or result
        elif isinstance(result, BaseException):
            raise result
        else:
            stored.append(Stored(reception, result))
    waiting.clear()
    return failed
