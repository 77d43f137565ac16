"""Rules of the past, compiled again from the text that the store kept, so that a trace can be computed long after."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping

from gateway.errors import NotFound, RulesError
from gateway.rules import Ruleset, load_files
from gateway.store import Store

_KEPT = 8


class Versions:
    """Gives the :class:`~gateway.rules.Ruleset` of a version; the last few stay compiled."""

    def __init__(self, store: Store, *, environ: Mapping[str, str]) -> None:
        self._store = store
        self._environ = environ
        self._compiled: OrderedDict[str, Ruleset | None] = OrderedDict()

    async def ruleset(self, version: str) -> Ruleset | None:
        """The rules of a version, or None where its text was not kept or no longer loads in this gateway."""
        if version in self._compiled:
            self._compiled.move_to_end(version)
            return self._compiled[version]
        try:
            kept = await self._store.rules_version(version)
        except NotFound:
            return None
        try:
            # Beside the loop: compiling a folder takes long enough to hold up webhooks.
            found = await asyncio.to_thread(load_files, kept.files, environ=self._environ)
        except RulesError:
            found = None
        self._compiled[version] = found
        if len(self._compiled) > _KEPT:
            self._compiled.popitem(last=False)
        return found
