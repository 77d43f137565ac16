"""Answers of senders' APIs that may be used again for a while: in memory, bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

MAX_KEPT = 1_000
MAX_KEPT_BYTES = 16_000_000
"""Answers, and their bytes, that are kept; the longest unused go first."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What an API answered."""

    status: int
    answer: bytes | None
    """JSON; None: it is not there."""
    kept: bool = False
    """It was asked before, and the answer was kept."""


class KeptAnswers:
    """Answers by the digest of their request."""

    def __init__(self, *, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._kept: OrderedDict[str, tuple[float, Asked]] = OrderedDict()
        self._bytes = 0

    def find(self, digest: str) -> Asked | None:
        """The answer, if it may still be used."""
        found = self._kept.get(digest)
        if found is None or found[0] <= self._monotonic():
            return None
        self._kept.move_to_end(digest)
        return msgspec.structs.replace(found[1], kept=True)

    def keep(self, digest: str, asked: Asked, *, seconds: int) -> None:
        """Keep an answer for so long, in place of an older one."""
        self._drop(digest)
        self._kept[digest] = (self._monotonic() + seconds, asked)
        self._bytes += len(asked.answer or b"")
        while len(self._kept) > MAX_KEPT or self._bytes > MAX_KEPT_BYTES:
            self._drop(next(iter(self._kept)))

    def _drop(self, digest: str) -> None:
        dropped = self._kept.pop(digest, None)
        if dropped is not None:
            self._bytes -= len(dropped[1].answer or b"")
