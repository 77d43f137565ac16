"""Candidate rules beside the live ones: every webhook is translated by both, and the candidate's commands go nowhere.

What the candidate would have made otherwise is counted and listed in the store. All of it happens after the sender was
answered, in slices of 2 ms between which other work gets its turn. A pause that ends late says that others wanted the
processor, and makes the next one ten times as much longer; so a gateway that is busy to its limit compares only a few
of its webhooks. Those that it does not come to are left out, the oldest first, and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from gateway.candidate import outcome
from gateway.differences import differences
from gateway.errors import StoreError
from gateway.model import RulesVersion, WebhookState
from gateway.rules import Ruleset
from gateway.store import Reception, ShadowDifference, Store

MOST = 10_000
MOST_BYTES = 32 * 2**20
"""What may wait to be compared."""
SLICE = 0.002
"""Seconds of comparing without a pause."""
PAUSE = 0.004
"""Seconds between slices of a gateway that has little to do."""
PER_LAG = 10.0
"""How many times as long as the last pause was late the next one is: so late were others who wanted the processor."""
LONGEST_PAUSE = 0.25
WRITE_EVERY = 1.0
"""Seconds."""
_log = logging.getLogger(__name__)

NONE = Ruleset(
    version=RulesVersion(version="", files={}, loaded_at=datetime.min.replace(tzinfo=UTC)), sources={}, destinations={}
)
"""Before the folder was loaded: nothing is compared."""


class ShadowCompared(msgspec.Struct, frozen=True, kw_only=True):
    """Some webhooks were compared; the store has it."""

    candidate: str
    compared: dict[str, int]
    """By source."""
    differences: tuple[ShadowDifference, ...]


class ShadowLeftOut(msgspec.Struct, frozen=True, kw_only=True):
    """Webhooks that were not compared."""

    count: int
    reason: str
    """``busy``, ``fetch`` (the candidate would have to ask for more) or ``error``."""


ShadowRecord = ShadowCompared | ShadowLeftOut


class Shadow:
    """Compares what webhooks became with what the candidate makes of them.

    :meth:`add` is called with what was just received and is on disk; it never blocks. ``emit`` gets the records of this
    module.
    """

    def __init__(self, store: Store, *, emit: Callable[[ShadowRecord], None], now: Callable[[], datetime]) -> None:
        self._store, self._emit, self._now = store, emit, now
        self.ruleset = NONE
        """The candidate rules."""
        self._waiting: deque[Reception] = deque()
        self._bytes = 0
        self._woken = asyncio.Event()
        self._stopping = False
        self._compared: dict[str, int] = {}
        self._found: list[ShadowDifference] = []
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="shadow")

    async def stop(self) -> None:
        """Compare no more; what was compared is written. Idempotent."""
        self._stopping = True
        self._woken.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait({task})

    async def serve(self, ruleset: Ruleset) -> None:
        """Compare with these rules from now on. Their text is kept, so that they can be looked at later.

        :raises StoreError: it can't be kept; those before go on.
        """
        await self._store.remember_rules(ruleset.version)
        await self._write()
        self.ruleset = ruleset

    def add(self, reception: Reception) -> None:
        """Compare this one when there is time for it."""
        if self.ruleset is NONE or self._stopping or reception.webhook.state is WebhookState.FETCHING:
            return
        self._waiting.append(reception)
        self._bytes += _size(reception)
        left_out = 0
        while len(self._waiting) > MOST or self._bytes > MOST_BYTES:
            self._bytes -= _size(self._waiting.popleft())
            left_out += 1
        if left_out:
            self._emit(ShadowLeftOut(count=left_out, reason="busy"))
        self._woken.set()

    def status(self) -> dict[str, object]:
        """``{"version": str | None, "waiting": how many webhooks wait to be compared}``."""
        return {"version": self.ruleset.version.version or None, "waiting": len(self._waiting)}

    async def _run(self) -> None:
        written, pause = time.monotonic(), PAUSE
        while not self._stopping:
            if not self._waiting:
                await self._write()
                self._woken.clear()
                await self._woken.wait()
                written = time.monotonic()
                continue
            self._slice()
            if time.monotonic() - written >= WRITE_EVERY:
                await self._write()
                written = time.monotonic()
            began = time.monotonic()
            await asyncio.sleep(pause)
            lag = time.monotonic() - began - pause
            pause = min(PAUSE + PER_LAG * max(0.0, lag), LONGEST_PAUSE)
        await self._write()

    def _slice(self) -> None:
        end = time.monotonic() + SLICE
        while self._waiting:
            reception = self._waiting.popleft()
            self._bytes -= _size(reception)
            try:
                self._compare(reception)
            except Exception:  # a defect; the live rules have made their commands, and the others go on
                _log.exception("a webhook could not be compared with the shadow rules")
                self._emit(ShadowLeftOut(count=1, reason="error"))
            if time.monotonic() >= end:
                return

    def _compare(self, reception: Reception) -> None:
        webhook, commands = reception.webhook, reception.commands
        moment = commands[0].created_at if commands else webhook.received_at
        made = outcome(self.ruleset, webhook, fetching=reception.fetching, now=moment)
        if made.fetch is not None:
            self._emit(ShadowLeftOut(count=1, reason="fetch"))
            return
        self._compared[webhook.source] = self._compared.get(webhook.source, 0) + 1
        now = self._now()
        self._found += [
            ShadowDifference(
                candidate=self.ruleset.version.version,
                served=webhook.rules_version,
                at=now,
                webhook_id=webhook.id,
                source=webhook.source,
                rule=found.command.rule,
                command=found.command.command,
                kind=found.kind,
                paths=tuple(change.path for change in found.changes),
            )
            for found in differences(commands, made.commands)
        ]

    async def _write(self) -> None:
        compared, found = self._compared, tuple(self._found)
        if not compared:
            return
        self._compared, self._found = {}, []
        candidate = self.ruleset.version.version
        with contextlib.suppress(StoreError):  # it is told elsewhere; counts of what nobody gets may be lost
            await self._store.note_shadow(candidate, compared, found, now=self._now())
            self._emit(ShadowCompared(candidate=candidate, compared=compared, differences=found))


def _size(reception: Reception) -> int:
    return 1024 + len(reception.webhook.body) + sum(len(command.body) for command in reception.commands)
