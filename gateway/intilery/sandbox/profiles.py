"""The customers that the sandbox knows: those who were identified."""

from __future__ import annotations

from typing import Any

import msgspec
import uuid_utils

PROFILES_KEPT = 200_000
"""Identified customers; the oldest is forgotten beyond that."""


class Profile(msgspec.Struct, kw_only=True):
    """A customer who was identified."""

    id: str
    """The platform's own id of the customer."""
    identified_at: float
    """When first, in seconds since the epoch."""
    traits: dict[str, Any]


class Profiles:
    """Profiles by account and customer. ``delay`` is how long the platform takes to process an identify, in seconds."""

    def __init__(self, *, delay: float, keep: int = PROFILES_KEPT) -> None:
        self.delay = delay
        self._keep = keep
        self._known: dict[tuple[str, str], Profile] = {}

    def clear(self) -> None:
        """Forget everybody."""
        self._known.clear()

    def identify(self, account: str, user: str, traits: dict[str, Any], *, now: float) -> None:
        """Make a profile, or add traits to it. An object or array trait is replaced whole."""
        known = self._known.get((account, user))
        if known is not None:
            known.traits.update(traits)
            return
        if len(self._known) >= self._keep:
            del self._known[next(iter(self._known))]
        self._known[account, user] = Profile(id=uuid_utils.uuid4().hex[:24], identified_at=now, traits=dict(traits))

    def unreachable(self, account: str, user: str, *, now: float) -> str | None:
        """Why a command would reach nobody now, or None."""
        profile = self._known.get((account, user))
        if profile is None:
            return "customer was never identified"
        if (since := now - profile.identified_at) < self.delay:
            return f"customer was identified {since * 1000:.0f} ms before; processing takes {self.delay:g} s"
        return None

    def user(self, account: str, identity: str) -> str | None:
        """The customer whom ``userId:…``, ``email:…`` or ``id:…`` names, or None."""
        kind, _, wanted = identity.partition(":")
        if kind == "userId":
            return wanted if (account, wanted) in self._known else None
        for (where, user), known in self._known.items():
            if where == account and wanted == (known.id if kind == "id" else known.traits.get("email")):
                return user
        return None
