"""One page of a list, as every list of the store gives it."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list, newest first; ``next`` is the cursor of the page after it."""

    items: tuple[T, ...]
    next: str | None = None
