"""What a person decides about commands: send again, cancel, settle. One transaction for all that are named together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from gateway.errors import Conflict, NotFound
from gateway.model import FINAL_STATES, Command, CommandState
from gateway.store import Act, Acted
from gateway.store.acting import REASONS, SENDS_AGAIN, Asked, Place, again, missing, problem
from gateway.store.line import HELD_WITH, line_of
from gateway.store.postgres.endings import ending_row, finish, reopen
from gateway.store.postgres.line import hold, release, settle
from gateway.store.postgres.reception import find_identify
from gateway.store.postgres.rows import OPEN, command
from gateway.store.postgres.statements import Connection, fetch, run, sql
from gateway.store.postgres.terms import claim_once, give_back, once_claims
from gateway.store.rows import maybe_octets, micros, octets

# In the order of the lines, as everybody who locks them.
_FIND_OPEN = sql("""
SELECT part, seq, {command}, body FROM commands_open WHERE id = ANY(%s::text[])
ORDER BY destination, sha256(user_id) FOR NO KEY UPDATE
""")
_FIND_FINISHED = sql("""
SELECT part, seq, {command}, body FROM commands WHERE part >= 0 AND id = ANY(%s::text[]) FOR NO KEY UPDATE
""")
# A command waits for an identify of its own webhook only, so the webhook's few commands are all that is looked at. (If
# it asked for the state, or for an order, the index of all that is held would serve too.)
_HELD_FOR = sql("""
SELECT seq, {command}, body FROM commands_open WHERE webhook_id = %s AND after_id = %s AND substr(reason, 1, %s) = %s
FOR NO KEY UPDATE
""")
# Who is looked up stands at the head of the line and stays there while it is pending.
_WRITE = """
UPDATE commands_open SET state = %s, head = head AND %s = 'pending', blocked_by = %s, due_at = %s,
    reason = %s, finished_at = NULL, retried_at = %s, lease = NULL, leased_until = NULL, priority = %s
WHERE seq = %s
"""


async def act(db: Connection, asked: Asked, *, gap: timedelta) -> Acted:
    """Do it to each that it is possible for, in the order of translation.

    :raises StoreError: without ``skip``, at the first that it is not possible for; the transaction is to be undone.
    """
    ids = list(asked.ids)
    rows = await fetch(db, _FIND_OPEN, (ids,)) + await fetch(db, _FIND_FINISHED, (ids,))
    found = {one.id: (part, seq, one) for part, seq, one in ((row[0], row[1], command(row[2:])) for row in rows)}
    refused: list[tuple[str, str]] = []
    for id in asked.ids:
        if id in found:
            continue
        if not asked.skip:
            raise NotFound(missing(id))
        refused.append((id, missing(id)))
    done: list[Command] = []
    # An identify stands before what waits for it, and two with one once key find one another.
    for part, seq, one in sorted(found.values(), key=lambda place: place[1]):
        reason = await _problem(db, one, asked)
        if reason is None:
            done.append(await _do(db, part, seq, one, asked, gap=gap))
        elif asked.skip:
            refused.append((one.id, reason))
        else:
            raise Conflict(reason)
    await settle(db, [line_of(one) for one in done], micros(asked.now))
    return Acted(done=tuple(done), refused=tuple(refused))


async def _problem(db: Connection, one: Command, asked: Asked) -> str | None:
    """Why it is not possible for this command, or None."""
    if (reason := problem(one, asked)) is not None or asked.act not in SENDS_AGAIN:
        return reason
    fresh = msgspec.structs.replace(one, state=CommandState.PENDING, created_at=asked.now)
    settled = (await once_claims(db, [fresh])).settled(fresh)
    return None if settled.state is CommandState.PENDING else f"command {one.id} can't be sent again: {settled.reason}"


async def _do(db: Connection, part: int, seq: int, one: Command, asked: Asked, *, gap: timedelta) -> Command:
    now = asked.now
    changes: dict[str, Any] = {"reason": REASONS[asked.act], "due_at": None, "finished_at": now}
    place: Place | None = None
    if asked.act is Act.DELIVERED:
        changes["state"] = CommandState.DELIVERED
    elif asked.act is Act.CANCEL:
        changes["state"] = CommandState.CANCELLED
    else:
        place = await _again(db, one, now, gap=gap)
        changes.update(state=place.state, due_at=place.due_at, finished_at=None, retried_at=now)
        changes["priority"] = one.priority if asked.priority is None else asked.priority
    changed = msgspec.structs.replace(one, **changes)
    if part != OPEN:
        await reopen(db, part, seq)
    if place is not None:
        claims = await once_claims(db, [changed])
        claims.settled(changed)
        await claim_once(db, claims)
        await _write(db, seq, changed, place, now)
    else:
        await finish(db, [ending_row(seq, changed)])
        if asked.act is Act.DELIVERED:
            await release(db, [one.id], micros(now + gap))
            for dependent_seq, dependent in await _held_for(db, one):
                await _let_go(db, dependent_seq, dependent, now, gap=gap)
        else:
            await give_back(db, [one.id])
            await hold(db, [(one.id, CommandState.CANCELLED, changed.reason)])
    assert (changed.state in FINAL_STATES) == (place is None)
    return changed


async def _write(db: Connection, seq: int, changed: Command, place: Place, now: datetime) -> None:
    """Put a command at its place."""
    state = place.state.value
    row = (state, state, place.blocked_by, micros(place.due_at), maybe_octets(changed.reason), micros(now))
    await run(db, _WRITE, (*row, changed.priority, seq))


async def _held_for(db: Connection, identify: Command) -> Sequence[tuple[int, Command]]:
    """What is held for no other reason than that this identify did not arrive."""
    reason = octets(HELD_WITH)
    rows = await fetch(db, _HELD_FOR, (identify.webhook_id, identify.id, len(reason), reason))
    found = sorted((row[0], command(row[1:])) for row in rows)
    return [(seq, one) for seq, one in found if one.state is CommandState.HELD]


async def _let_go(db: Connection, seq: int, one: Command, now: datetime, *, gap: timedelta) -> None:
    """It waits for its time, as if its identify had been accepted now. What expired meanwhile does so in its line."""
    place = await _again(db, one, now, gap=gap)
    await _write(db, seq, msgspec.structs.replace(one, reason=None), place, now)


async def _again(db: Connection, one: Command, now: datetime, *, gap: timedelta) -> Place:
    """Where it stands when it is to be sent again."""
    return again(one, None if one.after is None else await find_identify(db, one.after), now, gap=gap)
