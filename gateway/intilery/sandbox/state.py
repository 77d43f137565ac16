"""What the sandbox knows and how it answers: tokens, limits, customers, the log of accepted calls. No HTTP."""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
import uuid_utils

from gateway.intilery.contract import COMMANDS, MAX_BODY, violations
from gateway.intilery.sandbox.calls import Account, Call, decode, shown, subject
from gateway.intilery.sandbox.faults import Dice, Faults
from gateway.intilery.sandbox.profiles import Profiles

POSTED = frozenset({"track", "identify", "page", "screen", "batch"})
"""The actions that calls are posted to."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Answer(NamedTuple):
    """What goes back. ``dropped``: nothing does, the connection is closed."""

    status: int
    body: bytes
    retry_after: str | None = None
    dropped: bool = False


class Sandbox:
    """The platform's side of the contract, in memory. ``clock`` gives seconds since the epoch."""

    def __init__(
        self,
        *,
        rate: float | None,
        burst: int,
        token: str,
        accounts: Mapping[str, str] | None,
        identify_delay: float,
        strict_identify: bool,
        shows_message_id: bool,
        shows_after: float,
        faults: Faults,
        calls_kept: int,
        clock: Callable[[], float],
        seed: int | None,
    ) -> None:
        self.rate = rate
        self.burst = burst
        self.strict_identify = strict_identify
        self.shows_message_id = shows_message_id
        """Whether a read shows each event's ``messageId``; the documentation does not say that the platform does."""
        self.shows_after = shows_after
        """Seconds before an accepted call is seen in reads."""
        self.clock = clock
        self._token = token
        self._accounts = accounts
        self._seed = seed
        self._dice = Dice(faults, seed=seed)
        self._buckets: dict[Account, tuple[float, float]] = {}
        self._profiles = Profiles(delay=identify_delay)
        self._log: deque[Call] = deque(maxlen=calls_kept)
        self.counts: Counter[str] = Counter()
        """Since the start or the last reset: ``accepted`` and each kind of refusal or fault, and the calls by kind."""

    @property
    def faults(self) -> Faults:
        """What goes wrong now. Set it to change that; ``next`` counts anew."""
        return self._dice.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._dice = Dice(faults, seed=self._seed)

    @property
    def calls(self) -> list[Call]:
        """The accepted calls that are still kept, oldest first."""
        return list(self._log)

    def newest(self) -> Iterator[Call]:
        """The same, newest first."""
        return reversed(self._log)

    def forget_calls(self) -> None:
        """Forget the calls, and what was counted; the customers stay known."""
        self._log.clear()
        self.counts.clear()

    def reset(self) -> None:
        """Forget calls, customers, counts, used tokens and faults."""
        self._log.clear()
        self._profiles.clear()
        self._buckets.clear()
        self.counts.clear()
        self.faults = Faults()

    def post(self, account: Account, action: str, token: str | None, body: bytes | None) -> Answer:
        """Answer one call. ``body`` is None where it was over the limit and not read."""
        if (refused := self.admit(account, token, known=action in POSTED)) is not None:
            status, message, wait = refused
            return _refusal(status, message, wait)
        if body is None or len(body) > MAX_BODY:
            self.counts["too_large"] += 1
            return _refusal(413, f"body must not be over {MAX_BODY} bytes")
        if self.faults.before and self._dice.thrown():
            return self._fault()
        try:
            call = decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._refused("body must be valid JSON")
        if (problem := violations(action, call)) is not None:
            return self._refused(problem)
        calls = call["batch"] if action == "batch" else (call,)
        if self.faults.refuse_users:
            for each in calls:
                if (user := subject(each)) in self.faults.refuse_users:
                    return self._refused(f"userId {user} is refused")
        event_id = self._accept(account, action, call, body)
        if event_id is None:
            return self._refused("userId must be identified before a command")
        if self.faults.accept_then_drop and not self.faults.before and self._dice.thrown():
            self.counts["accepted_then_dropped"] += 1
            return Answer(200, b"", dropped=True)
        return Answer(200, b'{"success":true,"eventId":"' + event_id.encode() + b'"}')

    def admit(self, account: Account, token: str | None, *, known: bool = True) -> tuple[int, str, str | None] | None:
        """Check token, address and rate: None where the call may come in, else status, message and ``Retry-After``."""
        wanted = self._token if self._accounts is None else self._accounts.get(str(account))
        if not token or self.faults.unauthorised or (wanted != token and not self._anybody_has(token)):
            self.counts["unauthorised"] += 1
            return 401, "auth-token is missing or not valid", None
        client, name, brand = account
        if wanted is None or not known or client != client.lower() or name != name.lower() or brand != brand.upper():
            self.counts["not_found"] += 1
            return 404, "no such client, account, brand or action (the first two are lower case, the brand upper)", None
        if wanted != token:
            self.counts["unauthorised"] += 1
            return 403, "auth-token has no rights to this account or brand", None
        if self.rate is not None and (wait := self._spend(account, self.rate)):
            self.counts["throttled"] += 1
            return 429, f"over {self.rate:g} requests a second with a burst of {self.burst}", str(wait)
        return None

    def events(
        self, account: Account, *, profile: str | None, include: frozenset[str], span: tuple[float, float], size: int
    ) -> list[dict[str, Any]] | None:
        """The newest events of an account, or of one ``idType:id`` in it; None where that profile is unknown.

        ``include`` holds event names, none for all; ``span`` is from and to, in seconds since the epoch.
        """
        where = str(account)
        user = None
        if profile is not None and (user := self._profiles.user(where, profile)) is None:
            return None
        start, end = span
        end = min(end, self.clock() - self.shows_after)
        found = (
            call
            for call in self.newest()
            if call.account == where
            and start <= call.received_at <= end
            and (user is None or call.user_id == user)
            and (not include or call.event in include)
        )
        return [shown(call, message_id=self.shows_message_id) for call in itertools.islice(found, size)]

    def _anybody_has(self, token: str) -> bool:
        return self._accounts is not None and token in self._accounts.values()

    def _spend(self, account: Account, rate: float) -> int:
        """Take one token of the address's bucket: 0 where there was one, else whole seconds until there is."""
        now = self.clock()
        tokens, at = self._buckets.get(account, (float(self.burst), now))
        tokens = min(float(self.burst), tokens + (now - at) * rate)
        if tokens >= 1:
            self._buckets[account] = (tokens - 1, now)
            return 0
        self._buckets[account] = (tokens, now)
        return max(1, math.ceil((1 - tokens) / rate))

    def _fault(self) -> Answer:
        faults = self.faults
        if faults.drop:
            self.counts["dropped"] += 1
            return Answer(0, b"", dropped=True)
        if faults.answer_status is not None:
            self.counts["failed"] += 1
            return _refusal(faults.answer_status, "the sandbox was told to fail", faults.retry_after)
        self.counts["refused"] += 1
        return _refusal(200, "the sandbox was told to refuse")

    def _refused(self, message: str) -> Answer:
        self.counts["refused"] += 1
        return _refusal(400, message)

    def _accept(self, account: Account, action: str, call: dict[str, Any], raw: bytes) -> str | None:
        """Record the call, or each of its batch; the first's event id, or None where strictness forbids the command."""
        if action == "batch":
            ids = [
                self._record(account, "identify" if one["event"] == "identify" else "track", one, _encode(one))
                for one in call["batch"]
            ]
            return ids[0]
        return self._record(account, action, call, raw)

    def _record(self, account: Account, action: str, call: dict[str, Any], raw: bytes) -> str | None:
        where = str(account)
        user = subject(call)
        now = self.clock()
        event = kind = action
        reached = why = None
        if action == "track":
            event = call["event"]
            kind = event.lower()
            if kind in COMMANDS:
                event = kind
                why = self._profiles.unreachable(where, user, now=now)
                reached = why is None
                if why is not None:
                    if self.strict_identify:
                        return None
                    self.counts["unreached"] += 1
            else:
                kind = "track"
        elif action == "identify":
            self._profiles.identify(where, user, call.get("traits") or {}, now=now)
        event_id = str(uuid_utils.uuid4())
        self._log.append(
            Call(
                event_id=event_id,
                account=where,
                action=action,
                event=event,
                user_id=user,
                message_id=call.get("messageId"),
                received_at=now,
                raw=raw,
                reached=reached,
                why=why,
            )
        )
        self.counts["accepted"] += 1
        self.counts[kind] += 1
        return event_id


def _refusal(status: int, message: str, wait: str | None = None) -> Answer:
    return Answer(status, _encode({"success": False, "message": message}), wait)


def system_clock() -> float:
    """Seconds since the epoch."""
    return time.time()
