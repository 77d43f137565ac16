"""Quarantine: requests that failed authentication, kept for when the secret turns out to have been wrong.

A stranger can send such requests without end, so they cost as little as possible. They wait in memory, within bounds,
and are written in the background: one small commit at a time, with a pause behind it that is the longer the more was
written. What does not fit is dropped, the oldest of the source that has most. The sender has its 401 before any of this
begins. A kill loses what was not written yet, a second or two of it; a clean stop writes it.

Why each failed is looked into at a limited rate, on a thread of its own: see :mod:`gateway.inbound.diagnosis`.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final, TypeAlias

import msgspec

from gateway.errors import StoreError
from gateway.inbound.body import without_redacted
from gateway.inbound.diagnosis import BUDGET, diagnose
from gateway.inbound.rates import Rates
from gateway.inbound.request import Request
from gateway.inbound.schemes import Credential, Means, Parts, Published
from gateway.inbound.sealing import sealed
from gateway.inbound.trials import Cause, Diagnosis
from gateway.model import Webhook, WebhookState
from gateway.rules import Ruleset, Source
from gateway.store import Quarantined, QuarantineLimits, Store, quarantined_size

KEY: Final = "quarantine"
"""The name of the store's key for the hashes of credentials."""
WAITING: Final = 256
WAITING_BYTES: Final = 8_000_000
"""What waits in memory to be written, at most; a single larger request may."""
TOGETHER: Final = 64
TOGETHER_BYTES: Final = 1_000_000
"""What one commit takes, at most; a single larger request goes alone."""
PAUSE: Final = 1.0
"""Seconds before a commit; for each :data:`TOGETHER_BYTES` of it, so that large ones come seldom."""
DIAGNOSES: Final = 2.0
ALL_DIAGNOSES: Final = 4.0
"""A second, of one source and of all together; twice as many at once after a quiet time."""
_OTHERS: Final = 40
"""Other credentials that are tried, at most."""
_log = logging.getLogger(__name__)


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """How much may be kept: each source has an equal share of it, whatever comes to the others."""

    count: int
    bytes: int
    age: timedelta

    def limits(self, *, sources: int, now: datetime) -> QuarantineLimits:
        """With so many sources."""
        share = max(1, sources)
        return QuarantineLimits(
            count=self.count,
            bytes=self.bytes,
            source_count=max(1, self.count // share),
            source_bytes=max(1, self.bytes // share),
            since=now - self.age,
        )


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A request that failed authentication."""

    source: Source
    request: Request
    parts: Parts
    id: str = ""
    """That it has from now on."""
    reason: str = ""
    """What the verification said."""


class RefusedDiagnosed(msgspec.Struct, frozen=True, kw_only=True):
    """Why a request failed authentication."""

    source: str
    id: str
    reason: str
    """What the verification said."""
    diagnosis: Diagnosis


class QuarantineWritten(msgspec.Struct, frozen=True, kw_only=True):
    """Some of it was written, or could not be."""

    kept: int = 0
    taken_out: int = 0
    """Over the limits, of these or of older ones."""
    lost: int = 0
    """What was never written: there was no room, or the store failed."""
    error: StoreError | None = None


Record: TypeAlias = RefusedDiagnosed | QuarantineWritten


class Quarantine:
    """Takes refused requests and keeps them in a store, until told to stop.

    ``ruleset`` gives the rules that are served at the moment of the call, ``names`` the names of all credentials that
    are set; ``emit`` gets a record of each diagnosis and of each write.
    """

    def __init__(
        self,
        store: Store,
        *,
        ruleset: Callable[[], Ruleset],
        credential: Credential,
        names: Callable[[], Iterable[str]],
        allowed: Allowed,
        emit: Callable[[Record], None],
        now: Callable[[], datetime],
        published: Published | None = None,
        pause: float = PAUSE,
    ) -> None:
        self._store, self._ruleset = store, ruleset
        self._credential, self._names = credential, names
        self._allowed, self._published = allowed, published
        self._emit, self._now, self.pause = emit, now, pause
        self._rates = Rates()
        self._last: dict[str, tuple[str, ...]] = {}
        """By source: what was found last."""
        self._key: bytes | None = None
        self._waiting: dict[str, _Waiting] = {}
        self._count = self._bytes = self._lost = 0
        self._writing: asyncio.Task[None] | None = None
        self._lock = asyncio.Lock()

    async def start(self) -> None:
        """:raises StoreError: the store gives no key."""
        self._key = await self._store.key(KEY)

    async def stop(self) -> None:
        """Write what waits. Idempotent."""
        async with self._lock:  # what is being written is written whole
            writing, self._writing = self._writing, None
            if writing is not None:
                writing.cancel()
        if writing is not None:
            await asyncio.gather(writing, return_exceptions=True)
        while self._count:
            await self._write()
        self._key = None

    @property
    def waiting(self) -> tuple[int, int]:
        """How many wait to be written, and their bytes."""
        return self._count, self._bytes

    def limits(self) -> QuarantineLimits:
        """With the sources that are served now."""
        return self._allowed.limits(sources=len(self._ruleset().sources), now=self._now())

    async def take(self, refused: Refused) -> None:
        """Look into a request and keep it. Its sender was answered."""
        diagnosis = await self._diagnosis(refused)
        self._emit(
            RefusedDiagnosed(source=refused.source.name, id=refused.id, reason=refused.reason, diagnosis=diagnosis)
        )
        if self._key is not None and self._allowed.count:
            self._add(self._quarantined(refused, diagnosis, self._key))

    async def _diagnosis(self, refused: Refused) -> Diagnosis:
        # The rate of all is looked at first: a token of the source's own is not spent where there is none for all.
        name = refused.source.name
        if self._rates.lack("", ALL_DIAGNOSES) or self._rates.wait(name, DIAGNOSES):
            last = "; ".join(self._last.get(name, ()))
            told = f"; of the last one that was: {last}" if last else ""
            return Diagnosis(cause=Cause.UNDIAGNOSED, findings=(f"too many failed at once to look into each{told}",))
        self._rates.wait("", ALL_DIAGNOSES)
        try:
            found = await asyncio.to_thread(
                diagnosed,
                refused,
                self._ruleset(),
                credential=self._credential,
                names=self._names,
                published=self._published,
            )
        except Exception:
            # A defect of the debugger: the request is kept all the same.
            _log.exception("%s: a failed authentication could not be looked into", name)
            return Diagnosis(cause=Cause.UNDIAGNOSED)
        self._last[name] = found.findings
        return found

    def _quarantined(self, refused: Refused, diagnosis: Diagnosis, key: bytes) -> Quarantined:
        source = refused.source
        request, lacking = sealed(refused.request, source.verify, key)
        if any(redaction.by == "redact" and redaction.header is None for redaction in source.redact):
            lacking = "the source says redact, and a body that is not authentic is not taken apart"
        webhook = Webhook(
            id=refused.id,
            source=source.name,
            received_at=request.received_at,
            method=request.method,
            path=request.path,
            query=request.query,
            headers=without_redacted(source, request.headers) if source.redact else request.headers,
            body=b"" if lacking else request.body,
            state=WebhookState.QUARANTINED,
            reason=refused.reason,
            rules_version=self._ruleset().version.version,
        )
        room = self.limits().source_bytes
        if quarantined_size(webhook) > room:
            lacking = f"it has {len(webhook.body):,} bytes; a source's share of the quarantine is {room:,}"
            webhook = msgspec.structs.replace(webhook, body=b"")
        return Quarantined(
            webhook=webhook,
            cause=diagnosis.cause,
            findings=diagnosis.findings,
            lacking=lacking,
            client=request.client,
            proxied=request.proxied,
        )

    # -- what waits -------------------------------------------------------------------------------------------------

    def _add(self, request: Quarantined) -> None:
        size = quarantined_size(request.webhook)
        self._waiting.setdefault(request.webhook.source, _Waiting()).add(request, size)
        self._count += 1
        self._bytes += size
        while self._count > 1 and (self._count > WAITING or self._bytes > WAITING_BYTES):
            measure = attrgetter("bytes" if self._bytes > WAITING_BYTES else "count")
            self._take_from(max(self._waiting, key=lambda source: measure(self._waiting[source])))
            self._lost += 1
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_all(), name="quarantine")

    def _take_from(self, source: str) -> tuple[Quarantined, int]:
        """The oldest of a source, and its size."""
        waiting = self._waiting[source]
        request, size = waiting.take()
        if not waiting.count:
            del self._waiting[source]
        self._count -= 1
        self._bytes -= size
        return request, size

    def _portion(self) -> tuple[list[Quarantined], int]:
        """What is written together, and its size: the oldest of each source, by turns."""
        portion: list[Quarantined] = []
        size = 0
        while self._waiting:
            for source in list(self._waiting):
                more = self._waiting[source].next_size
                if portion and (len(portion) == TOGETHER or size + more > TOGETHER_BYTES):
                    return portion, size
                portion.append(self._take_from(source)[0])
                size += more
        return portion, size

    # -- writing ----------------------------------------------------------------------------------------------------

    async def _write_all(self) -> None:
        size = 0
        try:
            while self._count:
                await asyncio.sleep(self.pause * max(1.0, size / TOGETHER_BYTES))
                size = await self._write()
        except Exception:
            _log.exception("quarantine: what waited could not be written")
        finally:
            if self._writing is asyncio.current_task():
                self._writing = None

    async def _write(self) -> int:
        """Write one portion; its size."""
        async with self._lock:
            portion, size = self._portion()
            lost, self._lost = self._lost, 0
            try:
                taken_out = await self._store.quarantine(portion, limits=self.limits())
            except StoreError as error:  # a full disk, say: webhooks matter more
                self._emit(QuarantineWritten(lost=lost + len(portion), error=error))
            else:
                self._emit(QuarantineWritten(kept=len(portion), taken_out=taken_out, lost=lost))
            return size


class _Waiting:
    """What waits of one source."""

    __slots__ = ("_requests", "bytes")

    def __init__(self) -> None:
        self._requests: deque[tuple[Quarantined, int]] = deque()
        self.bytes = 0

    @property
    def count(self) -> int:
        return len(self._requests)

    @property
    def next_size(self) -> int:
        return self._requests[0][1]

    def add(self, request: Quarantined, size: int) -> None:
        self._requests.append((request, size))
        self.bytes += size

    def take(self) -> tuple[Quarantined, int]:
        request, size = self._requests.popleft()
        self.bytes -= size
        return request, size


def diagnosed(
    refused: Refused,
    ruleset: Ruleset,
    *,
    credential: Credential,
    names: Callable[[], Iterable[str]],
    published: Published | None = None,
    budget: int = BUDGET,
) -> Diagnosis:
    """Why it was refused, by what is configured now, as of the moment of its receipt."""
    source = refused.source
    return diagnose(
        source.verify,
        refused.request,
        Means(credential, refused.request.received_at, refused.parts, published),
        others=other_credentials(ruleset, source, names()),
        budget=budget,
    )


def other_credentials(ruleset: Ruleset, source: Source, names: Iterable[str]) -> Sequence[tuple[str, str]]:
    """The names of credentials that may have been meant instead of a source's own, and whose they are: those that are
    set under a longer name (an old secret, another value of ``per``), then those of other sources."""
    own = source.secrets
    found: dict[str, str] = {}
    for name in sorted(set(names) - set(own)):
        if any(name.startswith(f"{known}_") for known in own):
            found[name] = "which is set and not the one that is asked for here"
    for other in ruleset.sources.values():
        for name in other.secrets:
            if name not in own:
                found.setdefault(name, f"the secret of source {other.name}")
    return list(found.items())[:_OTHERS]
