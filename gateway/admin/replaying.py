"""Webhooks that are run again: one, or the many that a filter finds. The API and the command line both come here.

Many are run one after the other, the oldest first, by a replay that is kept in the store: after each webhook it notes
the place, so that an interrupted one goes on behind the last that was done. It runs in portions of some seconds: who
asks for one gets how far it has come, and asks for the next.

Live traffic goes before it in two ways. What a replay has sent again gets the lowest priority, so whatever else is due
leaves first. And it makes commands no faster than :data:`SHARE` of what the slowest destination takes, so that the
other half of the tokens, and what saves up of them, stays for live commands.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Literal

import msgspec

from gateway.admin.filters import WEBHOOK_FILTERS, webhook_filter
from gateway.admin.views import View, present, problem_row
from gateway.errors import Conflict, NotFound, UnknownSource, UnreadableRequest
from gateway.inbound.arrival import retranslated
from gateway.inbound.batches import store_all, taken_apart
from gateway.inbound.thin import is_final
from gateway.intilery.contract import timestamp
from gateway.model import Command, CommandState, Fetching, Webhook, WebhookState, new_webhook_id
from gateway.quantities import length
from gateway.rules import Ruleset
from gateway.store import Act, CommandFilter, Reception, Replay, Retranslation, Store, WebhookFilter

LOWEST = -1_000_000_000
"""The priority of commands that a replay of many has sent again."""
SHARE = 0.5
"""Of a destination's rate, what a replay of many uses at most."""
MAX_AGE = "7d"
"""Older webhooks are left out where nothing else says how old they may be."""
PORTION = 2.0
"""Seconds of work in one portion, about."""
LONGEST_PORTION = 20.0
_TOLD = 20
"""Problems that are told of one portion."""


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One webhook (``id``), many (``filter`` or ``all``), or one that is to go on (``resume``)."""

    id: str | None = None
    fetch: bool = False
    """With ``id``: ask anew for what the webhook points to, instead of using what was fetched."""
    filter: dict[str, str] = {}
    """By the names of the list's query parameters."""
    all: bool = False
    """Needed to run every webhook again."""
    do: Literal["retranslate", "retry"] = "retranslate"
    """Run the rules of today, or send the failed commands of these webhooks again as they are."""
    max_age: str | None = None
    """A length of time: older webhooks are left out. ``7d`` unless this or ``since`` is given."""
    rate: float | None = None
    """Commands a second at most; half of the slowest destination's rate unless given."""
    dry_run: bool = False
    """Only count which webhooks those are."""
    resume: str | None = None
    """The id of a replay."""
    seconds: float = PORTION
    """How long to work before answering."""


class Portion(msgspec.Struct, frozen=True, kw_only=True):
    """What a replay is run with. ``wake`` is called when commands were written."""

    store: Store
    ruleset: Ruleset
    now: Callable[[], datetime]
    wake: Callable[[], None] = lambda: None


async def answer(portion: Portion, asked: ReplayRequest) -> View:
    """What ``POST /api/replay`` answers: of one webhook see :func:`replay`, of many see :func:`go_on`.

    :raises NotFound: no such webhook, no such replay.
    :raises Conflict: somebody else goes on with the replay.
    :raises UnknownSource: the rules do not have the one webhook's source.
    :raises UnreadableRequest: it says neither which webhooks, or too much.
    """
    which = (asked.id is not None, bool(asked.filter), asked.all, asked.resume is not None)
    if sum(which) != 1:
        raise UnreadableRequest("which webhooks? Give id, or filter, or all, or resume; one of the four")
    if asked.id is not None:
        done = await replay(portion.store, portion.ruleset, asked.id, now=portion.now(), fetch=asked.fetch)
        portion.wake()
        return done
    seconds = min(asked.seconds, LONGEST_PORTION)
    if asked.resume is not None:
        return await go_on(portion, await portion.store.replay(asked.resume), seconds=seconds)
    now = portion.now()
    filter = filter_of(asked, now=now)
    total = await portion.store.count(filter)
    if asked.dry_run:
        older = await _older(portion.store, asked, total, now=now)
        return {"dry_run": True, "total": total, "older": older, "rate": _rate(asked, portion.ruleset)}
    kept = msgspec.structs.replace(asked, filter={**asked.filter, "until": _moment(filter.until)}, seconds=PORTION)
    if filter.since is not None:
        kept = msgspec.structs.replace(kept, filter={**kept.filter, "since": _moment(filter.since)}, max_age=None)
    begun = Replay(id=new_webhook_id(), began_at=now, asked=msgspec.json.encode(kept), total=total)
    await portion.store.begin_replay(begun)
    return await go_on(portion, begun, seconds=seconds)


def filter_of(asked: ReplayRequest, *, now: datetime) -> WebhookFilter:
    """Which webhooks those are, with the bounds of their age; none that arrives from now on.

    :raises UnreadableRequest: a filter or an age that is not possible.
    """
    if unknown := asked.filter.keys() - WEBHOOK_FILTERS.keys():
        raise UnreadableRequest(f"{min(unknown)} is no filter; allowed: {', '.join(WEBHOOK_FILTERS)}")
    filter, _ = webhook_filter(asked.filter, now=now)
    if filter.state is WebhookState.QUARANTINED:
        raise UnreadableRequest("state: what is in quarantine is no webhook yet; it is released, not replayed")
    if asked.do == "retry":
        if filter.command_state not in (None, CommandState.FAILED):
            raise UnreadableRequest("command_state: only what has failed is sent again as it is; allowed: failed")
        filter = msgspec.structs.replace(filter, command_state=CommandState.FAILED)
    since = filter.since
    if asked.max_age is not None or since is None:
        try:
            bound = now - length(asked.max_age or MAX_AGE)
        except (ValueError, OverflowError) as error:
            raise UnreadableRequest(f"max_age: {asked.max_age!r} is not possible; allowed: {error}") from None
        since = bound if since is None else max(since, bound)
    return msgspec.structs.replace(filter, since=since, until=min(filter.until or now, now))


async def _older(store: Store, asked: ReplayRequest, total: int, *, now: datetime) -> int:
    """How many the bound of age leaves out."""
    if asked.max_age is None and "since" in asked.filter:
        return 0
    unbounded = msgspec.structs.replace(filter_of(asked, now=now), since=webhook_filter(asked.filter, now=now)[0].since)
    return await store.count(unbounded) - total


async def go_on(portion: Portion, kept: Replay, *, seconds: float = PORTION) -> View:
    """Run a replay for some seconds, from where it stands.

    ``{"replay", "asked", "total", "done", "finished", "counts": {created, replaced, withdrawn, kept, sent again, ...},
    "problems": [{"id", "reason"}], "rules_version"}``; problems are those of this portion, the first twenty.

    :raises Conflict: somebody else goes on with it.
    """
    asked = msgspec.json.decode(kept.asked, type=ReplayRequest)
    pace, problems = Pace(_rate(asked, portion.ruleset), now=time.monotonic()), list[View]()
    if asked.do == "retranslate":
        # Its text first: webhooks will name this version.
        await portion.store.remember_rules(portion.ruleset.version)
    filter = filter_of(asked, now=kept.began_at)
    end = time.monotonic() + seconds
    while kept.finished_at is None:
        found = await portion.store.walk(filter, limit=1, after=kept.cursor)
        if not found:
            kept = await _note(portion.store, kept, finished_at=portion.now())
            break
        [(cursor, webhook)] = found
        # What came of a batch since it began is no webhook of the past.
        done = {} if webhook.id > kept.id else await _again(portion, asked, webhook, problems)
        kept = await _note(portion.store, kept, cursor=cursor, counts=done)
        made = sum(done.get(word, 0) for word in ("created", "replaced", "sent_again"))
        if made:
            portion.wake()
        await asyncio.sleep(pace.wait(made, now=time.monotonic()))
        if time.monotonic() >= end:
            break
    return replay_view(kept) | {"problems": problems[:_TOLD], "rules_version": portion.ruleset.version.version}


async def _note(
    store: Store,
    kept: Replay,
    *,
    cursor: str | None = None,
    counts: dict[str, int] | None = None,
    finished_at: datetime | None = None,
) -> Replay:
    words = dict(kept.counts)
    for word, count in (counts or {}).items():
        if count:
            words[word] = words.get(word, 0) + count
    noted = msgspec.structs.replace(
        kept,
        cursor=cursor or kept.cursor,
        done=kept.done + bool(counts),
        counts=words,
        finished_at=finished_at,
    )
    await store.note_replay(noted, after=kept.cursor)
    return noted


class Pace:
    """At most ``rate`` commands a second, from ``now`` on: seconds of a monotonic clock."""

    def __init__(self, rate: float, *, now: float) -> None:
        self._rate = rate
        self._free_at = now

    def wait(self, commands: int, *, now: float) -> float:
        """Seconds until the next webhook, behind one that became so many commands."""
        self._free_at = max(now, self._free_at) + commands / self._rate
        return self._free_at - now


def _rate(asked: ReplayRequest, ruleset: Ruleset) -> float:
    if asked.rate is not None:
        if not asked.rate > 0:
            raise UnreadableRequest(f"rate: {asked.rate} is not possible; allowed: a number above 0")
        return asked.rate
    return SHARE * min((destination.rate for destination in ruleset.destinations.values()), default=100.0)


async def _again(portion: Portion, asked: ReplayRequest, webhook: Webhook, problems: list[View]) -> dict[str, int]:
    """What was done with one webhook, in words and counts."""
    if asked.do == "retry":
        return await _sent_again(portion, webhook, problems)
    try:
        done = await replay(portion.store, portion.ruleset, webhook.id, now=portion.now(), priority=LOWEST)
    except (UnknownSource, NotFound) as error:  # NotFound: it was pruned meanwhile
        problems.append({"id": webhook.id, "reason": str(error)})
        return {"webhooks": 1, "not_done": 1}
    if done["state"] in (WebhookState.UNTRANSLATABLE, WebhookState.UNPARSEABLE) or done["errors"]:
        reason = done.get("reason") or done["errors"][0]["message"]
        problems.append({"id": webhook.id, "reason": f"{done['state']}: {reason}"})
    lists = {word: len(done[word]) for word in ("created", "replaced", "withdrawn", "kept")}
    return {"webhooks": 1, f"now_{done['state']}": 1} | lists


async def _sent_again(portion: Portion, webhook: Webhook, problems: list[View]) -> dict[str, int]:
    commands, cursor = list[Command](), None
    while True:
        page = await portion.store.commands(CommandFilter(webhook=webhook.id), limit=500, cursor=cursor)
        commands += page.items
        cursor = page.next
        if cursor is None:
            break
    failed = [command.id for command in commands if command.state is CommandState.FAILED]
    # What is held for no other reason than that its identify was refused.
    failed += [one.id for one in commands if one.state is CommandState.HELD and one.after in failed]
    acted = await portion.store.act(Act.RETRY, failed, now=portion.now(), skip=True, priority=LOWEST)
    problems += [{"id": id, "reason": reason} for id, reason in acted.refused]
    return {"webhooks": 1, "sent_again": len(acted.done), "not_done": len(acted.refused)}


def replay_view(kept: Replay) -> View:
    """A replay of many as it stands in a list."""
    asked: dict[str, Any] = msgspec.json.decode(kept.asked)
    return present(
        {
            "replay": kept.id,
            "began_at": timestamp(kept.began_at),
            "finished_at": None if kept.finished_at is None else timestamp(kept.finished_at),
            "asked": {name: asked[name] for name in ("do", "filter", "all", "rate") if asked.get(name)},
            "total": kept.total,
            "done": kept.done,
            "finished": kept.finished_at is not None,
            "counts": dict(kept.counts),
        }
    )


async def replays(store: Store) -> View:
    """``{"items": [replay], "next": null}``: the newest twenty."""
    return {"items": [replay_view(kept) for kept in await store.replays()], "next": None}


# -- one webhook -------------------------------------------------------------------------------------------------------


async def replay(
    store: Store, ruleset: Ruleset, id: str, *, now: datetime, fetch: bool = False, priority: int | None = None
) -> View:
    """Run the rules of today over a stored webhook; what has not left is replaced, what was delivered stays.

    What was fetched for it is used again, unless ``fetch`` says to ask anew. Where something has to be asked, the
    webhook is ``fetching`` again, its commands stay as they are until it is there, and the gateway goes on with it.

    A batch that was kept whole, and that the rules of today can take apart, becomes a webhook for each element.

    ``priority`` is for what leaves again; without it each command has that of its rule.

    ``{"id", "state", "reason"?, "errors", "rules_version", "webhooks"?, "created", "replaced", "withdrawn", "kept"}``,
    ``webhooks`` as ids of the elements, the last four as ids of commands.

    :raises NotFound: no such webhook.
    :raises UnknownSource: the rules have no such source.
    :raises Conflict: it is in quarantine: nobody knows yet that its source sent it.
    """
    webhook = await store.webhook(id)
    if webhook.state is WebhookState.QUARANTINED:
        raise Conflict(
            f"webhook {id} failed authentication and is in quarantine; once that is mended: "
            f"gateway quarantine release {id}"
        )
    if (apart := taken_apart(ruleset, webhook, now=now)) is not None:
        return await _replay_apart(store, ruleset, webhook, _lowered(apart, priority), now=now)
    kept = None if fetch else await store.fetching(id)
    reception = retranslated(ruleset, webhook, now=now, fetching=kept)
    if isinstance(reception, Reception):
        [reception] = _lowered(iter((reception,)), priority)
        done = await store.retranslate(reception, now=now)
        webhook = reception.webhook
    else:
        answered = () if kept is None else tuple(one for one in kept.fetches if is_final(one))
        await store.note_fetching(id, Fetching(since=now, due_at=now, fetches=answered), again=True)
        done = Retranslation()
        webhook = msgspec.structs.replace(webhook, state=WebhookState.FETCHING, reason=None, errors=())
    return _replayed(webhook, done)


def _lowered(receptions: Iterator[Reception], priority: int | None) -> Iterator[Reception]:
    for reception in receptions:
        if priority is None:
            yield reception
        else:
            commands = [msgspec.structs.replace(command, priority=priority) for command in reception.commands]
            yield msgspec.structs.replace(reception, commands=tuple(commands))


async def _replay_apart(
    store: Store, ruleset: Ruleset, webhook: Webhook, apart: Iterator[Reception], *, now: datetime
) -> View:
    stored, failed = await store_all(store, apart)
    if failed is not None:
        raise failed
    whole = msgspec.structs.replace(
        webhook,
        state=WebhookState.IGNORED,
        reason=f"its {len(stored)} elements are webhooks of their own now",
        errors=(),
        matched=(),
        rules_version=ruleset.version.version,
    )
    done = await store.retranslate(Reception(webhook=whole), now=now)
    created = [command.id for one in stored if not one.receipt.duplicate for command in one.reception.commands]
    view = _replayed(whole, msgspec.structs.replace(done, created=tuple(created)))
    return view | {"webhooks": [one.receipt.webhook_id for one in stored]}


def _replayed(webhook: Webhook, done: Retranslation) -> View:
    return present(
        {
            "id": webhook.id,
            "state": webhook.state.value,
            "reason": webhook.reason,
            "errors": [problem_row(problem) for problem in webhook.errors],
            "rules_version": webhook.rules_version,
            "created": list(done.created),
            "replaced": list(done.replaced),
            "withdrawn": list(done.withdrawn),
            "kept": list(done.kept),
        }
    )


def _moment(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()
