"""Whether a destination may be sent to: it is named and has a token, and takes that token.

A refused token (401, 403, 404) is the destination's fault or the payload's, and a probe tells which. Where the probe
is refused too, the gate closes, and the queue stays as it is; probes go on, ever less often, and at once when the
token or the address changes. Where it passes, something in front dislikes this one payload, and only that command is
held, unless it is the third in a row: then the gate closes all the same. A gate that opens again lets one command
through at a time, until one is answered by something other than a refusal.

A gate that closed for that says so to the store (:mod:`gateway.delivery.pauses`), and closes where the store says that
another one did. And it is closed as long as a person has paused the destination.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from gateway.delivery import DestinationPaused, DestinationResumed, Record, Stumbled
from gateway.errors import DeliveryError, SettingsError, Unauthorised, UnknownOutcome
from gateway.intilery.contract import Destination
from gateway.store import Pause

IN_A_ROW = 3
"""So many different commands refused one after the other are the destination's fault, whatever a probe says."""


class Where(NamedTuple):
    """Where to send, with which token, and since which opening of the gate."""

    destination: Destination
    token: str
    opening: int


class Prober(Protocol):
    """What a gate needs of the client."""

    async def probe(self, destination: Destination, *, token: str) -> None: ...


class Gate:
    """The gate before one destination. ``find`` gives the destination as the rules name it now, or None.

    ``spend`` waits for a token of the destination's bucket and takes it: reads count against the same limits. ``held``
    gives a person's pause of it, or None. ``note`` is told why the gate has closed for a refused token, and None when
    that is over. ``changed`` is called when the gate may have opened or closed. ``every`` and ``at_most`` are seconds
    between probes.
    """

    def __init__(
        self,
        name: str,
        *,
        client: Prober,
        find: Callable[[], Destination | None],
        credential: Callable[[str], str | None],
        spend: Callable[[Destination], Awaitable[None]],
        held: Callable[[], Pause | None],
        note: Callable[[str | None], None],
        changed: Callable[[], None],
        emit: Callable[[Record], None],
        every: float,
        at_most: float,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._name, self._client, self._find, self._credential = name, client, find, credential
        self._spend, self._held, self._note, self._changed, self._emit = spend, held, note, changed, emit
        self._every, self._at_most = every, at_most
        self._clock, self._monotonic = clock, monotonic
        self.where: Where | None = None
        """As of the last look."""
        self.paused: str | None = None
        """Why nothing is sent, in words, or None."""
        self.paused_at: datetime | None = None
        """Since when nothing is sent."""
        self.trial = False
        """Only one command at a time may go through."""
        self.resumed_at: datetime | None = None
        """When it last opened again."""
        self._opening = 0
        """How often it has opened again: what was refused before that says nothing of now."""
        self._refused: Where | None = None
        """What was refused, while the gate is closed until a probe passes."""
        self._why = ""
        """Why it is closed until then."""
        self._adopting: str | None = None
        """Why another gate closed, until this one has closed too."""
        self._commands: set[str] = set()
        """The commands refused since anything else was answered."""
        self._probe: asyncio.Task[DeliveryError | None] | None = None
        self._probe_at = 0.0
        self._delay = every
        self._stopping = False

    @property
    def open(self) -> bool:
        """Whether commands may go through, as of the last look."""
        ready = self.where is not None and self._held() is None
        return ready and not self._stopping and self._refused is None and self._probe is None

    def look(self, now: float) -> float | None:
        """See whether the gate is open; begin a probe when it is time for one.

        :return: None where it is open, else the seconds until the next probe (infinity where a change ends it).
        """
        destination = self._find()
        token = None if destination is None else self._credential(destination.auth_token)
        if destination is None or not token:
            self.where = self._refused = self._adopting = None
            self._pause(
                f"the rules name no destination {self._name}; its commands wait"
                if destination is None
                else f"{destination.auth_token} is not set; the commands for {self._name} wait"
            )
            return float("inf")
        self.where = Where(destination, token, self._opening)
        if self._adopting is not None:
            self._refused, self._why, self._adopting = self.where, self._adopting, None
            self._probe_at = now
        if (held := self._held()) is not None:
            self._pause(_told(held))
            return float("inf")
        if self._probe is not None:
            return float("inf")
        if self._refused is None:
            if self.paused is not None:
                self._resume()
            return None
        self._pause(self._why)
        if self._refused == self.where and now < self._probe_at:
            return self._probe_at - now
        self._begin_probe(self.where, resuming=True)
        return float("inf")

    def authorised(self) -> None:
        """A command was answered by something other than a refused token."""
        self._commands.clear()
        self.trial = False
        self._delay = self._every

    async def unauthorised(self, command_id: str, error: Unauthorised, where: Where, *, patience: float) -> bool:
        """A command was refused as if by its token. Ask whose fault it is, for at most ``patience`` seconds.

        :return: True where it is the command's: it is the odd one out. False where the gate is closed now, or was
            since it was sent, or the token was no longer the one in use.
        """
        if self._stopping or self._refused is not None or where != self.where:
            return False
        self._commands.add(command_id)
        if len(self._commands) >= IN_A_ROW:
            self._close(where, f"{len(self._commands)} different commands in a row were refused: {error.message}")
            return False
        probe = self._probe or self._begin_probe(where, resuming=False)
        done, _ = await asyncio.wait({probe}, timeout=max(0.0, patience))
        if not done:
            self._close(where, f"{error.message}; a probe had no answer in time")
            return False
        passed = not probe.cancelled() and probe.result() is None
        return passed and len(self._commands) < IN_A_ROW

    def adopt(self, reason: str) -> None:
        """Another gate of this destination has closed: this one does too, and probes at once. Never blocks."""
        self._adopting = reason
        self._changed()

    def lift(self) -> None:
        """The pause was ended elsewhere, by a person or by a probe: let one command through, and see. Never blocks."""
        self._adopting = self._refused = None
        self.trial = True
        self._opens()
        self._commands.clear()
        self._changed()

    async def ask(self) -> DeliveryError | None:
        """Probe now, because a person asks, paused or not: None where it passes, which also opens a gate that was
        closed for a refused token.

        :raises SettingsError: the destination is not named, or has no token.
        """
        if self._held() is None:
            self.look(self._monotonic())
        destination = self._find()
        token = None if destination is None else self._credential(destination.auth_token)
        if destination is None or not token:
            missing = "the rules name no such destination" if destination is None else "its token is not set"
            raise SettingsError(f"destination {self._name}: {missing}")
        where = Where(destination, token, self._opening)
        if self._refused is not None and self._held() is None:
            probe = self._probe or self._begin_probe(where, resuming=True)
            await asyncio.wait({probe})
            return UnknownOutcome("the probe was cut off") if probe.cancelled() else probe.result()
        failure = await self._ask(where)
        if failure is None:
            self._refused = None
            self._note(None)
        elif isinstance(failure, Unauthorised) and self._refused is None:
            self._close(where, failure.message)
        self._changed()
        return failure

    def stop(self) -> None:
        """Probe no more; a probe that is on its way is cut off."""
        self._stopping = True
        if self._probe is not None:
            self._probe.cancel()

    def _begin_probe(self, where: Where, *, resuming: bool) -> asyncio.Task[DeliveryError | None]:
        def ended(task: asyncio.Task[DeliveryError | None]) -> None:
            # Before those who wait for the task: nothing is claimed between its end and what it means.
            self._probe = None
            if not task.cancelled() and not self._stopping:
                failure = task.result()
                if failure is not None:
                    self._commands.clear()  # it was the destination, not they
                    self._close(where, failure.message)
                elif resuming:
                    self._resume()
                    self.trial = True
            self._changed()

        self._probe = asyncio.create_task(self._ask(where), name=f"probe {self._name}")
        self._probe.add_done_callback(ended)
        return self._probe

    async def _ask(self, where: Where) -> DeliveryError | None:
        try:
            await self._spend(where.destination)
            await self._client.probe(where.destination, token=where.token)
        except DeliveryError as error:
            return error
        except Exception as error:  # a defect; the gate stays closed, and is tried again
            self._emit(Stumbled(where=f"probing {self._name}", error=error))
            return UnknownOutcome(f"probing broke off: {type(error).__name__}")
        return None

    def _close(self, where: Where, reason: str) -> None:
        self._refused, self._why = where, reason
        self._probe_at = self._monotonic() + self._delay
        self._delay = min(self._delay * 2, self._at_most)
        self._note(reason)
        if self._held() is None:
            self._pause(reason)
        self._changed()

    def _pause(self, reason: str) -> None:
        if self.paused != reason:
            self.paused_at = self.paused_at or self._clock()
            self.paused = reason
            self._emit(DestinationPaused(name=self._name, reason=reason))

    def _resume(self) -> None:
        self.paused = self.paused_at = self._refused = None
        self.resumed_at = self._clock()
        self._opens()
        self._note(None)
        self._emit(DestinationResumed(name=self._name))

    def _opens(self) -> None:
        self._opening += 1
        if self.where is not None:
            self.where = self.where._replace(opening=self._opening)


def _told(pause: Pause) -> str:
    """A person's pause in words."""
    return f"paused by {pause.by}" + (f": {pause.reason}" if pause.reason else "")
