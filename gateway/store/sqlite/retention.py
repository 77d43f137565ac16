"""Taking out, step by step: what is over, and a person. Readers look for it, the writer deletes a little at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.store import Forgotten, Pruned
from gateway.store.forgotten import Erasing, Named, Person, added, erased
from gateway.store.rows import micros
from gateway.store.sqlite import forgetting, operations, pruning, quarantine
from gateway.store.sqlite.connections import Connections

_CUTS = 3
"""How often the log is tried to be cut off, where others read."""


async def prune(
    connections: Connections,
    *,
    now: datetime,
    default: timedelta,
    by_source: Mapping[str, timedelta],
    quarantined: timedelta | None,
    dry_run: bool,
) -> Pruned:
    lists, writer = connections.lists, connections.writer
    at, pruned = micros(now), Pruned()
    for source in await lists.read(pruning.sources):
        before, place = micros(now - by_source.get(source, default)), pruning.START
        while True:
            found = await lists.read(pruning.look, source, before, place)
            if dry_run:
                pruned += await lists.read(pruning.measure, found)
            for seqs in () if dry_run else pruning.portions(found):
                pruned += await writer.submit(operations.prune, pruning.Doomed(seqs=seqs, now=at))
            if found.next is None:
                break
            place = found.next
    if quarantined is not None:
        for source in await lists.read(quarantine.sources):
            old = source, micros(now - min(quarantined, by_source.get(source, default)))
            gone = (
                lists.read(quarantine.count_old, *old) if dry_run else writer.submit(operations.drop_quarantined, old)
            )
            pruned += Pruned(quarantined=await gone)
    if dry_run:
        pruned += await lists.read(pruning.count_expired, at)
    while not dry_run:
        dropped = await writer.submit(operations.drop_expired, at)
        pruned += dropped
        if dropped.dedup_keys < pruning.KEYS and dropped.once_claims < pruning.KEYS:
            break
    longest = max((default, *by_source.values()))
    for version in await lists.read(pruning.old_versions, micros(now - longest)):
        pruned += Pruned(rules_versions=1) if dry_run else await writer.submit(operations.drop_version, version)
    return pruned


async def forget(
    connections: Connections, user: str, texts: Sequence[str], *, now: datetime, dry_run: bool
) -> Forgotten:
    person = Person(user=user, texts=tuple(texts))

    def look(after: int) -> Awaitable[Named]:
        return connections.lists.read(forgetting.look, person, after)

    def erase(erasing: Erasing) -> Awaitable[Forgotten]:
        return connections.writer.submit(operations.erase, erasing)

    forgotten = await erased(look, erase, now=micros(now), dry_run=dry_run)
    if not dry_run:
        forgotten = added(forgotten, await connections.writer.submit(operations.erase_rest, person))
        for _ in range(_CUTS):
            if await connections.lists.read(forgetting.cut_log):
                break
    return forgotten
