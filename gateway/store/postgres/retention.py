"""Taking out, step by step: what is over, and a person. Readers look for it, a writer deletes a little at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime, timedelta

from gateway.errors import StoreUnavailable
from gateway.store import Forgotten, Pruned
from gateway.store.forgotten import Erasing, Named, Person, added, erased
from gateway.store.postgres import forgetting, operations, pruning, quarantine
from gateway.store.postgres.connections import Connections
from gateway.store.rows import micros


async def prune(
    connections: Connections,
    *,
    now: datetime,
    default: timedelta,
    by_source: Mapping[str, timedelta],
    quarantined: timedelta | None,
    dry_run: bool,
) -> Pruned:
    read, house = connections.reader.read, connections.house
    pruned = Pruned()
    given_up: StoreUnavailable | None = None
    for one in await read(pruning.past, now=now, default=default, by_source=by_source):
        try:
            pruned += await _prune_part(connections, one, dry_run=dry_run)
        except StoreUnavailable as error:  # somebody reads this day, say: the rest is pruned all the same
            given_up = error
    if quarantined is not None:
        for source in await read(quarantine.sources):
            old = source, micros(now - min(quarantined, by_source.get(source, default)))
            if dry_run:
                pruned += Pruned(quarantined=await read(quarantine.count_old, *old))
            else:
                pruned += Pruned(quarantined=await house.submit(operations.drop_quarantined, old))
    if dry_run:
        pruned += await read(pruning.count_expired, micros(now))
    more = not dry_run
    while more:
        dropped, more = await house.submit(operations.drop_expired, micros(now))
        pruned += dropped
    longest = max((default, *by_source.values()))
    for version in await read(pruning.old_versions, micros(now - longest)):
        pruned += Pruned(rules_versions=1) if dry_run else await house.submit(operations.drop_version, version)
    if given_up is not None:
        raise given_up
    return pruned


async def _prune_part(connections: Connections, one: pruning.Past, *, dry_run: bool) -> Pruned:
    read, house = connections.reader.read, connections.house
    if one.whole and dry_run:
        return await read(pruning.count_day, one.part)
    while one.whole:
        if ids := await read(pruning.unfinished, one.part):
            await house.submit(operations.move_out, pruning.Doomed(part=one.part, ids=ids))
        else:
            dropped: Pruned | None = await house.submit(operations.drop_day, one.part)
            if dropped is not None:
                return dropped
    pruned, place = Pruned(), 0
    for source in one.sources:
        while found := await read(pruning.look, one, source, place):
            place = found[-1][0]
            for doomed in pruning.portions(found, one.part):
                pruned += await (read(pruning.measure, doomed) if dry_run else house.submit(operations.prune, doomed))
        place = 0
    return pruned


async def forget(
    connections: Connections, user: str, texts: Sequence[str], *, now: datetime, dry_run: bool
) -> Forgotten:
    person = Person(user=user, texts=tuple(texts))

    def look(after: int) -> Awaitable[Named]:
        return connections.reader.read(forgetting.look, person, after)

    def erase(erasing: Erasing) -> Awaitable[Forgotten]:
        return connections.house.submit(operations.erase, erasing)

    forgotten = await erased(look, erase, now=micros(now), dry_run=dry_run)
    return forgotten if dry_run else added(forgotten, await connections.house.submit(operations.erase_rest, person))
