"""Fetching: what a thin webhook points to is got after the acknowledgement, then its rules run.

A webhook that waits for data is ``fetching`` in the store, so a gateway that stops forgets nothing: the next one looks
for those webhooks when it starts. Each source has a line of its own, and a few of its webhooks are worked on at a time,
so that a slow API holds up nobody else's.

The rules are those that are served at the moment: each step asks them anew, and what they make of the webhook names
their version, not the one that was served when it was received. Its commands join their customers' lines when it is
translated. State, commands and answers are written in one transaction.

What fails is tried again with backoff and full jitter, not before ``Retry-After``, for a day from when it began. Then,
and at once where asking again would change nothing (a credential that is refused, an answer that is not JSON), the
webhook is ``untranslatable`` with the reason; a replay asks again.
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

import msgspec

from gateway.backoff import Backoff, jittered
from gateway.errors import FetchError, FetchRefused, NotFound, StoreError, UnknownSource
from gateway.inbound.api_client import Asked
from gateway.inbound.arrival import retranslated
from gateway.inbound.thin import is_final
from gateway.model import Command, Fetched, Fetching, Webhook, WebhookState
from gateway.rules import Ruleset
from gateway.rules.fetches import FetchRequest
from gateway.store import Reception, Store

AT_A_TIME = 8
"""Webhooks of one source that are worked on together."""
MAX_TOGETHER = 5_000_000
"""Bytes of all the answers that one webhook gets."""
_STORE_AGAIN = timedelta(seconds=5)
_STUMBLED_AGAIN = timedelta(minutes=1)


class FetchMade(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at fetching something ended."""

    source: str
    name: str
    outcome: str
    """``answered``, ``missing``, ``kept`` (an answer that was kept served), ``again``, ``refused`` or ``given_up``."""
    webhook_id: str
    message: str | None = None
    seconds: float = 0.0


class ThinTranslated(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that was ``fetching`` became something else."""

    source: str
    webhook_id: str
    state: WebhookState
    commands: int = 0
    ended: tuple[Command, ...] = ()
    """Those of them that will never leave."""
    errors: int = 0


class FetchStumbled(msgspec.Struct, frozen=True, kw_only=True):
    """The store could not be used, or a defect showed. The webhook is taken up again."""

    source: str
    webhook_id: str
    error: Exception


Record = FetchMade | ThinTranslated | FetchStumbled


class Asker(Protocol):
    """What fetching needs of the client."""

    async def ask(self, request: FetchRequest) -> Asked: ...

    def closed_for(self, origin: str) -> float: ...


class _Line:
    """The webhooks of one source that wait: when each is due. Those that are worked on are not in it."""

    def __init__(self) -> None:
        self._heap: list[tuple[datetime, int, str]] = []
        self._due: dict[str, datetime] = {}
        self._numbers = count()
        self.working: set[str] = set()
        self.again: set[str] = set()
        """Asked for while they are worked on."""

    def __len__(self) -> int:
        return len(self._due)

    def put(self, id: str, due: datetime) -> None:
        """Due at ``due``, or sooner where it is so already."""
        if id in self.working:
            self.again.add(id)
        elif id not in self._due or due < self._due[id]:
            self._due[id] = due
            heapq.heappush(self._heap, (due, next(self._numbers), id))

    def take(self, now: datetime) -> str | None:
        """The next one that is due."""
        while self._heap:
            due, _, id = self._heap[0]
            if self._due.get(id) != due:
                heapq.heappop(self._heap)  # it was put again, sooner
            elif due > now or len(self.working) >= AT_A_TIME:
                return None
            else:
                heapq.heappop(self._heap)
                del self._due[id]
                self.working.add(id)
                return id
        return None

    def next_due(self) -> datetime | None:
        return self._heap[0][0] if self._heap and len(self.working) < AT_A_TIME else None


class Fetcher:
    """Works on what is ``fetching`` in a store, until told to stop.

    ``ruleset`` gives the rules that are served at the moment of the call; ``wake`` is told the destinations of commands
    that were just stored; ``emit`` gets a record per outcome, and must be quick. ``poll`` is how many seconds pass
    between looks for what others wrote to the store. ``backoff.give_up_after`` counts from the receipt, or from the
    replay that asked again.
    """

    def __init__(
        self,
        store: Store,
        client: Asker,
        *,
        ruleset: Callable[[], Ruleset],
        wake: Callable[[Collection[str]], None],
        emit: Callable[[Record], None],
        seen: Callable[[Reception], None] = lambda reception: None,
        backoff: Backoff = Backoff(),  # noqa: B008  (frozen)
        poll: float = 10.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._client = store, client
        self._ruleset, self._wake, self._emit, self._seen = ruleset, wake, emit, seen
        self._backoff, self._poll, self._now, self._rng = backoff, poll, now, rng
        self._lines: dict[str, _Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._look = True
        self._loop: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up what is ``fetching`` in the store, and what comes."""
        self._look = True
        self._loop = asyncio.create_task(self._run(), name="fetching")

    async def stop(self) -> None:
        """Break off what is under way: it is still ``fetching`` in the store. Idempotent."""
        working = [*self._tasks, *([self._loop] if self._loop is not None else [])]
        self._loop = None
        for task in working:
            task.cancel()
        if working:
            await asyncio.wait(working)
        self._lines.clear()

    def add(self, source: str, id: str) -> None:
        """A webhook of this source was stored as ``fetching``. Never blocks."""
        if self._loop is not None:
            self._lines.setdefault(source, _Line()).put(id, self._now())
            self._woken.set()

    def look(self) -> None:
        """Others may have written to the store. Never blocks."""
        self._look = True
        self._woken.set()

    def status(self) -> dict[str, dict[str, int]]:
        """By source: ``{"waiting": webhooks, "in_flight": webhooks}``."""
        return {
            name: {"waiting": len(line), "in_flight": len(line.working)} for name, line in sorted(self._lines.items())
        }

    # -- the loop ------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        looked = -self._poll
        while True:
            self._woken.clear()
            if self._look or loop.time() - looked >= self._poll:
                self._look = False
                looked = loop.time()
                try:
                    await self._look_for_more()
                except Exception as error:  # the loop must go on: nobody else would
                    self._emit(FetchStumbled(source="", webhook_id="", error=error))
            for source, line in self._lines.items():
                while (id := line.take(self._now())) is not None:
                    task = asyncio.create_task(self._work(source, line, id))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            timer = loop.call_later(self._pause(looked + self._poll - loop.time()), self._woken.set)
            try:
                await self._woken.wait()
            finally:
                timer.cancel()

    def _pause(self, most: float) -> float:
        now = self._now()
        due = [(at - now).total_seconds() for line in self._lines.values() if (at := line.next_due()) is not None]
        return max(0.0, min([most, *due]))

    async def _look_for_more(self) -> None:
        cursor: str | None = None
        while True:
            page = await self._store.unfetched(cursor=cursor)
            for found in page.items:
                self._lines.setdefault(found.source, _Line()).put(found.id, found.due_at or self._now())
            cursor = page.next
            if cursor is None:
                return

    # -- one webhook ---------------------------------------------------------------------------------------------------

    async def _work(self, source: str, line: _Line, id: str) -> None:
        due: datetime | None = None
        try:
            due = await self._fetched(id)
        except NotFound:
            due = None  # it was erased
        except StoreError as error:
            self._emit(FetchStumbled(source=source, webhook_id=id, error=error))
            due = self._now() + _STORE_AGAIN
        except Exception as error:  # a defect must not lose the webhook
            self._emit(FetchStumbled(source=source, webhook_id=id, error=error))
            due = self._now() + _STUMBLED_AGAIN
        finally:
            line.working.discard(id)
            if id in line.again:
                line.again.discard(id)
                line.put(id, self._now())
            elif due is not None:
                line.put(id, due)
            self._woken.set()

    async def _fetched(self, id: str) -> datetime | None:
        """Do what can be done for a webhook now; when to go on, or None where it is done."""
        webhook = await self._store.webhook(id)
        if webhook.state is not WebhookState.FETCHING:
            return None
        fetching = await self._store.fetching(id) or Fetching(since=webhook.received_at)
        while True:
            now = self._now()
            try:
                step = retranslated(self._ruleset(), webhook, now=now, fetching=fetching)
            except UnknownSource as error:
                await self._give_up(webhook, fetching, str(error))
                return None
            if isinstance(step, Reception):
                await self._translated(step, now=now)
                return None
            closed = self._client.closed_for(step.fetch.origin)
            if closed:
                # Those that were told the same time together would come back together.
                return now + timedelta(seconds=closed) + jittered(1, self._rng, self._backoff)
            fetching = await self._asked(webhook, fetching, step)
            last = fetching.fetches[-1]
            if not is_final(last):
                return fetching.due_at

    async def _translated(self, reception: Reception, *, now: datetime) -> None:
        webhook = reception.webhook
        done = await self._store.retranslate(reception, now=now)
        if reception.commands:
            self._wake({command.destination for command in reception.commands})
        self._seen(reception)
        self._emit(
            ThinTranslated(
                source=webhook.source,
                webhook_id=webhook.id,
                state=webhook.state,
                commands=len(reception.commands),
                ended=done.ended,
                errors=len(webhook.errors),
            )
        )

    async def _asked(self, webhook: Webhook, fetching: Fetching, request: FetchRequest) -> Fetching:
        """How far the fetching has come after one attempt, which stands last. What failed is written at once."""
        name, began = request.fetch.name, asyncio.get_running_loop().time()
        others = tuple(one for one in fetching.fetches if one.name != name)
        before = next((one for one in fetching.fetches if one.name == name and one.digest == request.digest), None)
        tried = Fetched(
            name=name,
            url=request.shown,
            method=request.fetch.method,
            digest=request.digest,
            attempts=0 if before is None else before.attempts,
        )
        error: FetchError | None = None
        try:
            asked = await self._client.ask(request)
            held = sum(len(one.answer or b"") for one in others) + len(asked.answer or b"")
            if held > MAX_TOGETHER:
                raise FetchRefused(
                    f"the answers together have {held:,} bytes; allowed: {MAX_TOGETHER:,}", status=asked.status
                )
            tried = msgspec.structs.replace(
                tried,
                status=asked.status,
                at=self._now(),
                attempts=tried.attempts + (not asked.kept),
                missing=asked.answer is None,
                answer=asked.answer,
            )
            outcome = "missing" if tried.missing else "kept" if asked.kept else "answered"
        except FetchError as failed:
            error = failed
            tried = msgspec.structs.replace(
                tried, status=failed.status, at=self._now(), attempts=tried.attempts + 1, message=failed.message
            )
            outcome = "refused" if isinstance(failed, FetchRefused) else "again"
        fetching = msgspec.structs.replace(fetching, due_at=None, fetches=(*others, tried))
        if error is not None:
            fetching, outcome = await self._failed(webhook, fetching, tried, error, outcome)
        self._emit(
            FetchMade(
                source=webhook.source,
                name=name,
                outcome=outcome,
                webhook_id=webhook.id,
                message=tried.message,
                seconds=asyncio.get_running_loop().time() - began,
            )
        )
        return fetching

    async def _failed(
        self, webhook: Webhook, fetching: Fetching, tried: Fetched, error: FetchError, outcome: str
    ) -> tuple[Fetching, str]:
        """Write that an attempt failed: when it is tried again, or that it is given up."""
        now, last = self._now(), fetching.since + self._backoff.give_up_after
        if isinstance(error, FetchRefused):
            await self._give_up(webhook, fetching, f"fetch {tried.name}: {error.message}")
            return fetching, outcome
        if now >= last:
            hours = self._backoff.give_up_after.total_seconds() / 3600
            attempts = "1 attempt" if tried.attempts == 1 else f"{tried.attempts} attempts"
            reason = f"fetch {tried.name}: given up after {hours:g} h and {attempts}: {error.message}"
            await self._give_up(webhook, fetching, reason)
            return fetching, "given_up"
        # On top of Retry-After, not instead of it: what was told the same time together would come back together.
        wait = timedelta(seconds=error.retry_after or 0.0) + jittered(tried.attempts, self._rng, self._backoff)
        fetching = msgspec.structs.replace(fetching, due_at=min(now + wait, last))
        await self._store.note_fetching(webhook.id, fetching)
        return fetching, outcome

    async def _give_up(self, webhook: Webhook, fetching: Fetching, reason: str) -> None:
        state = WebhookState.UNTRANSLATABLE
        fetching = msgspec.structs.replace(fetching, due_at=None)
        if await self._store.note_fetching(webhook.id, fetching, state=state, reason=reason):
            self._emit(ThinTranslated(source=webhook.source, webhook_id=webhook.id, state=state))
