"""Hot reload: the rules folder is watched, and what changed is loaded, checked whole and handed over to be served.

A set that has problems is never served: the one before goes on, and :attr:`Reloader.failure` says why. What only looks
bad while somebody saves gets a second look before it is reported, and so does what would take rules away: an editor
that deletes a file and writes it again must not leave its source unknown in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from gateway.errors import RulesError, StoreError
from gateway.rules import Problem, Ruleset, paths_of, renames, version_of
from gateway.watch import Watch

QUIET = 0.2
"""Seconds for which the files must have stayed as they are before they are loaded."""
LONGEST_QUIET = 2.0
"""Seconds after which they are loaded though they still change."""
AGAIN = 1.0
"""Seconds until the second look at what is bad, or would take rules away."""
POLL = 2.0
"""Seconds between looks for what no notice comes of: a network's file system, a folder that was replaced."""
GIVE_WAY = 0.0005
"""Seconds for which loading may keep the interpreter from the rest of the gateway."""

_log = logging.getLogger(__name__)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why what stands in the folder is not what is served."""

    since: datetime
    """When it was first found."""
    problems: tuple[Problem, ...] = ()
    """All that is wrong with the files."""
    reason: str = ""
    """Where the files are not to blame."""

    def __str__(self) -> str:
        if not self.problems:
            return self.reason
        first, count = self.problems[0], len(self.problems)
        what = "1 problem" if count == 1 else f"{count} problems, the first"
        return f"{what} at {Path(first.file).name}:{first.line}:{first.column}"


class RulesServed(msgspec.Struct, frozen=True, kw_only=True):
    """A set of rules is served from now on, or was confirmed."""

    ruleset: Ruleset
    at: datetime
    changed: tuple[str, ...] = ()
    """The files in which it differs from the one before; none where it is the first, or the same again."""
    renamed: tuple[Problem, ...] = ()
    """Its rules that have another id than in the one before."""


class RulesRefused(msgspec.Struct, frozen=True, kw_only=True):
    """What was found is not served; the set before goes on."""

    served: str
    """The version that goes on."""
    failure: Failure


ReloadRecord = RulesServed | RulesRefused


class Reloader:
    """Keeps what is served equal to what stands in the folder.

    ``load`` reads and checks the folder, on a thread. ``serve`` keeps the new set in the store and swaps it in; where
    it raises :class:`~gateway.errors.StoreError` the set before goes on, and it is tried again. ``emit`` gets the
    records of this module. Without ``watch`` only :meth:`ask` makes it look. ``again`` and ``poll`` are seconds.
    """

    def __init__(
        self,
        folder: Path,
        *,
        destinations: Path | None = None,
        load: Callable[[], Ruleset],
        served: Callable[[], Ruleset],
        serve: Callable[[Ruleset], Awaitable[None]],
        emit: Callable[[ReloadRecord], None],
        now: Callable[[], datetime],
        watch: bool = True,
        again: float = AGAIN,
        poll: float = POLL,
    ) -> None:
        self._folder, self._destinations = folder, destinations
        self._load, self._served, self._serve = load, served, serve
        self._emit, self._now = emit, now
        self._again, self._poll = again, poll
        self.failure: Failure | None = None
        """Why the folder is not what is served, or None."""
        self._woken = asyncio.Event()
        self._asked = False
        self._noticed = watch
        """From the start: what was changed since the set was loaded is found too."""
        self._owing = False
        """The store could not keep what was found: it is to be tried again."""
        self._seen: object = None
        """The files as they were at the last look."""
        self._watching = Watch(folder, destinations, notice=self._notice, poll=poll) if watch else None
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Look now: what SIGHUP does. Who asks has finished writing, so there is no second look. Never blocks."""
        self._asked = True
        self._woken.set()

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.create_task(self._run(), name="reload")
        if self._watching is not None:
            self._watching.start()

    async def stop(self) -> None:
        """Look no more. Idempotent."""
        if self._watching is not None:
            await self._watching.stop()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            self._task = None

    def _notice(self) -> None:
        self._noticed = True
        self._woken.set()

    # -- looking -------------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            try:
                if await self._reason():
                    at_once, self._asked, self._noticed = self._asked, False, False
                    await self._look(at_once=at_once)
            except Exception:  # it must go on: nobody else would find what is mended
                _log.exception("the rules folder could not be looked at")
                await asyncio.sleep(self._poll)

    async def _reason(self) -> bool:
        """Wait for a reason to look, or for the time to see whether there is one."""
        if not (self._asked or self._noticed):
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._poll if self._watching or self._owing else None):
                    await self._woken.wait()
        return self._asked or self._noticed or self._owing or await self._state() != self._seen

    async def _look(self, *, at_once: bool) -> None:
        at_once = at_once or await self._settle()
        served = self._served()
        last: tuple[str | None, Ruleset | Failure] | None = None
        while True:
            self._seen = await self._state()
            version = await asyncio.to_thread(version_of, self._folder, destinations=self._destinations)
            if version == served.version.version and not at_once:
                self._confirm(served)
                return
            if last is not None and version is not None and version == last[0]:
                found = last[1]  # the same at the second look
                break
            found = await self._loaded()
            # Files that changed while they were read may be some of before and some of after.
            torn = await self._state() != self._seen
            doubtful = torn or isinstance(found, Failure) or takes_away(served, found)
            second = last is not None and isinstance(last[1], Failure) and isinstance(found, Failure)
            if at_once or second or not doubtful:
                break
            last = (version, found)
            at_once = await self._pause(self._again)
        if isinstance(found, Failure):
            self._refuse(found, aloud=at_once)
        elif found.version.version == served.version.version and found.version.revision == served.version.revision:
            self._confirm(served, aloud=at_once)
        else:
            await self._take(found)

    async def _loaded(self) -> Ruleset | Failure:
        try:
            with _giving_way():
                return await asyncio.to_thread(self._load)
        except RulesError as error:
            return Failure(since=self._now(), problems=error.problems)
        except Exception as error:  # a defect of the loader must not stop what is served
            _log.exception("loading the rules broke off")
            return Failure(since=self._now(), reason=f"loading broke off: {type(error).__name__}: {error}")

    async def _take(self, found: Ruleset) -> None:
        before = self._served().version
        try:
            await self._serve(found)
        except StoreError as error:
            self._owing = True
            self._refuse(Failure(since=self._now(), reason=f"the text could not be kept: {error}"))
            return
        self.failure, self._owing = None, False
        files = dict.fromkeys(sorted({*before.files, *found.version.files}))
        changed = tuple(name for name in files if before.files.get(name) != found.version.files.get(name))
        with _giving_way():
            renamed = await asyncio.to_thread(renames, before.files, found.version.files)
        self._emit(RulesServed(ruleset=found, at=self._now(), changed=changed, renamed=renamed))

    def _confirm(self, served: Ruleset, *, aloud: bool = False) -> None:
        """The folder holds what is served."""
        self._owing = False
        if self.failure is not None or aloud:
            self.failure = None
            self._emit(RulesServed(ruleset=served, at=self._now()))

    def _refuse(self, failure: Failure, *, aloud: bool = False) -> None:
        known = self.failure
        if known is not None:
            failure = msgspec.structs.replace(failure, since=known.since)
        self.failure = failure
        if failure != known or aloud:
            self._emit(RulesRefused(served=self._served().version.version, failure=failure))

    async def _settle(self) -> bool:
        """Wait until nobody writes any more; True where somebody asks meanwhile."""
        deadline = asyncio.get_running_loop().time() + LONGEST_QUIET
        seen = await self._state()
        while True:
            if await self._pause(QUIET):
                return True
            now = await self._state()
            if now == seen or asyncio.get_running_loop().time() > deadline:
                return False
            seen = now

    async def _pause(self, seconds: float) -> bool:
        """True where somebody asks meanwhile. Notices are dropped: after it the files are read in any case."""
        try:
            async with asyncio.timeout(seconds):
                while not self._asked:
                    self._woken.clear()
                    await self._woken.wait()
        except TimeoutError:
            return False
        self._asked = False
        return True

    async def _state(self) -> object:
        """What tells one state of the files from another without reading them."""
        return await asyncio.to_thread(_stat, self._folder, self._destinations)


@contextlib.contextmanager
def _giving_way() -> Iterator[None]:
    """Let others have the interpreter after half a millisecond, not after Python's five, while a thread computes.

    A webhook changes threads a few times on its way to the disk and back, and each time it would wait that long.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(min(usual, GIVE_WAY))
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def takes_away(before: Ruleset, after: Ruleset) -> bool:
    """Whether a source, a rule or a destination of one set is not in the other."""
    return not (
        before.sources.keys() <= after.sources.keys()
        and before.destinations.keys() <= after.destinations.keys()
        and set(rules_of(before)) <= set(rules_of(after))
    )


def rules_of(ruleset: Ruleset) -> list[tuple[str, str]]:
    """Source and id of each rule."""
    return [(source.name, rule.id) for source in ruleset.sources.values() for rule in source.rules]


def _stat(folder: Path, destinations: Path | None) -> object:
    try:
        found = {
            name: path.stat(follow_symlinks=path.exists())
            for name, path in paths_of(folder, destinations=destinations).items()
        }
    except OSError as error:
        return str(error)
    return [(name, stat.st_mtime_ns, stat.st_size, stat.st_ino) for name, stat in found.items()]
