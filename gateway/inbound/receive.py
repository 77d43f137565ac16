"""Receiving: the verb of the inbound side, as an ASGI application of its own.

Read the body under a cap, verify, parse, translate, write webhook and commands in one transaction, acknowledge. Every
request on its way in passes here, so this file works on the raw ASGI scope: no request object, no middleware, answers
made beforehand.

What is answered ``200`` is on disk. A webhook that is authentic and can't be read or translated is kept and answered
``200`` too: repeated errors make senders switch a hook off, and a corrected rule can be run over what was kept.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta

import msgspec
from starlette.types import Receive, Scope, Send

from gateway.errors import (
    AuthenticationFailed,
    MethodNotAllowed,
    NotStored,
    Rejected,
    StoreError,
    TooManyRequests,
    UnreadableRequest,
)
from gateway.inbound.answers import answer_to
from gateway.inbound.arrival import filled_url, translated
from gateway.inbound.authentication import verify
from gateway.inbound.batches import receptions, store_all
from gateway.inbound.body import Taken, taken
from gateway.inbound.challenge_kinds import Challenge, EmptyList, methods_of
from gateway.inbound.challenges import ChallengeAnswer, first_answer, hashed_for_strangers
from gateway.inbound.exchange import Gone, acknowledge, declared_length, receive_body, refuse, reply
from gateway.inbound.hooks import addressed, unset_credentials
from gateway.inbound.origins import Proxies
from gateway.inbound.places import Place, Places
from gateway.inbound.quarantine import Refused
from gateway.inbound.rates import Rates
from gateway.inbound.received import Received, in_words, record_of
from gateway.inbound.request import Request
from gateway.inbound.schemes import Published
from gateway.model import WebhookState, new_webhook_id
from gateway.rules import Ruleset, Source
from gateway.rules.respond import Answer
from gateway.store import Inbox, Receipt, Reception

RETRY_AFTER = 10
"""Seconds, in answers that ask the sender to come back."""
RETRY_AFTER_SETUP = 300
"""Seconds, where a person has to do something first."""
LINGER_TOGETHER = 200
"""Refused requests whose rest is read and dropped at a time."""


_log = logging.getLogger(__name__)


class Receiver:
    """The ASGI application behind ``/hooks/``.

    ``ruleset`` gives the rules that are served at the moment of the call; ``wake`` is told the destinations of
    commands that were just stored, ``fetch`` the source and the id of a webhook that waits for data; ``visit`` the
    source and an address to be opened, and says whether there is room for that; ``seen`` gets what was stored, and must
    be quick; ``quarantine`` takes what failed authentication, ``emit`` gets one record per request, both after the
    answer. ``max_body`` (bytes) bounds every source, whatever its own limit is; ``max_requests`` and ``body_memory``
    (bytes, at least one body) bound them all together.
    ``proxies`` are those that stand before the gateway, ``published`` the keys that senders publish.
    """

    def __init__(
        self,
        *,
        ruleset: Callable[[], Ruleset],
        store: Inbox,
        credential: Callable[[str], str | None],
        wake: Callable[[Collection[str]], None],
        emit: Callable[[Received], None],
        fetch: Callable[[str, str], None] = lambda source, id: None,
        visit: Callable[[str, str], bool] = lambda source, address: False,
        quarantine: Callable[[Refused], Awaitable[None]],
        seen: Callable[[Reception], None] = lambda reception: None,
        max_body: int = 10_000_000,
        max_requests: int = 1_000,
        body_memory: int = 64_000_000,
        body_timeout: timedelta = timedelta(seconds=10),
        proxies: Proxies | None = None,
        published: Published | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ruleset = ruleset
        self._store = store
        self._credential = credential
        self._wake = wake
        self._fetch = fetch
        self._visit = visit
        self._quarantine = quarantine
        self._seen = seen
        self._emit = emit
        self._max_body = max_body
        self._body_timeout = body_timeout.total_seconds()
        self._proxies = proxies or Proxies()
        self._published = published
        self._now = now
        self._rates = Rates()
        self.places = Places(requests=max_requests, memory=max(body_memory, max_body))
        """What is under way now."""
        self._lingering = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        progress = _Progress()
        try:
            done = await self._receive(scope, receive, progress)
        except Rejected as rejected:
            await self._refuse(rejected, receive, send, progress)
            refused = progress.refused if isinstance(rejected, AuthenticationFailed) else None
            if refused is not None:
                refused = msgspec.structs.replace(refused, id=new_webhook_id(), reason=str(rejected))
            self._emit(
                Received(
                    source=progress.source,
                    status=rejected.status,
                    answer=in_words(rejected),
                    webhook_id="" if refused is None else refused.id,
                    reason=str(rejected),
                )
            )
            if refused is not None:
                await self._quarantine(refused)
            return
        except Gone:
            self._emit(Received(source=progress.source, status=499, answer="disconnected"))
            return
        except Exception:
            _log.exception("%s: a webhook could not be taken in", progress.source or "hooks")
            failure = NotStored("see the traceback", detail="The webhook was not stored.", retry_after=RETRY_AFTER)
            await self._refuse(failure, receive, send, progress)
            self._emit(Received(source=progress.source, status=503, answer="not_stored", reason=str(failure)))
            return
        if isinstance(done, ChallengeAnswer):
            await reply(done.status, done.headers, done.body, send)
            self._emit(Received(source=progress.source, status=done.status, answer="challenge"))
            return
        self._go_on(done)
        await acknowledge(done.receipt, send, webhooks=done.webhooks, answer=done.answer)
        for record in done.records:
            self._emit(record)

    async def _refuse(self, rejected: Rejected, receive: Receive, send: Send, progress: _Progress) -> None:
        was_ended = progress.place is not None and progress.place.ended_by is not None
        linger = progress.unread and not was_ended and self._lingering < LINGER_TOGETHER
        bare = isinstance(rejected, AuthenticationFailed) and any(
            # Xero tries wrong signatures, and takes a 401 only without a body.
            isinstance(one, EmptyList)
            for one in progress.challenges
        )
        self._lingering += linger
        try:
            await refuse(rejected, receive, send, unread=progress.unread, linger=linger, bare=bare)
        finally:
            self._lingering -= linger

    def _check_set_up(self, source: Source) -> None:
        if unset := unset_credentials(source, self._credential):
            raise NotStored(
                f"source {source.name} is disabled: {', '.join(unset)} is not set",
                detail="This source is not set up yet.",
                retry_after=RETRY_AFTER_SETUP,
            )

    def _check_rate(self, source: Source, seconds: Callable[[str, float], float]) -> None:
        """Refuse what is over the source's rate; ``seconds`` says how long it has to wait."""
        if source.max_rate is not None and (wait := seconds(source.name, source.max_rate)):
            raise TooManyRequests(
                f"more than {source.max_rate:g} requests a second; the rest is told to come again",
                detail="Too many requests to this source.",
                retry_after=math.ceil(wait),
            )

    async def _receive(self, scope: Scope, receive: Receive, progress: _Progress) -> _Done | ChallengeAnswer:
        ruleset = self._ruleset()
        headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in scope["headers"]]
        progress.unread = True  # where even that can't be told
        declared = declared_length(headers)
        progress.unread = declared != 0
        source, path, parts = addressed(ruleset, scope)
        progress.source, progress.challenges = source.name, source.challenges
        method = scope["method"]
        if method != "POST" and method not in methods_of(source.challenges):
            allowed = ("POST", *methods_of(source.challenges))
            raise MethodNotAllowed(f"{method} is not answered here; allowed: {', '.join(allowed)}", allowed=allowed)
        place = progress.place = self.places.take(source.name)
        try:
            if not source.challenges:
                self._check_set_up(source)
            # Only what is proved counts: otherwise strangers could keep the sender out. The look spares the work.
            self._check_rate(source, self._rates.lack)
            cap = min(source.max_body, self._max_body)
            body = b""
            if declared != 0:
                body = await receive_body(
                    receive, declared, cap=cap, seconds=self._body_timeout, places=self.places, place=place
                )
            progress.unread = False
            peer = scope.get("client")
            client, proxied = self._proxies.origin(peer[0] if peer else "", headers)
            request = Request(
                source=source.name,
                method=method,
                path=path,
                query=scope["query_string"].decode("latin-1"),
                headers=tuple(headers),
                body=body,
                received_at=self._now(),
                url=filled_url(source.public_url, parts),
                client=client,
                proxied=proxied,
            )
            progress.refused = Refused(source=source, request=request, parts=parts)
            return await self._arrived(ruleset, source, request, parts, cap=cap, place=place)
        finally:
            self.places.leave(place)

    async def _arrived(
        self, ruleset: Ruleset, source: Source, request: Request, parts: Mapping[str, str], *, cap: int, place: Place
    ) -> _Done | ChallengeAnswer:
        """Answer, or verify and store, what is whole."""
        now = request.received_at
        if source.challenges:
            # Before the secrets: some senders tell theirs only once they were answered.
            if answer := first_answer(source.challenges, request, self._credential, signed=False):
                return answer
            if request.method != "POST":
                raise UnreadableRequest(f"{request.method} is answered here only as a challenge, and this is none")
            self._check_set_up(source)
        verified = verify(
            source.verify, request, credential=self._credential, now=now, parts=parts, published=self._published
        )
        if source.challenges and hashed_for_strangers(source.challenges, request):
            raise AuthenticationFailed("the body is like a token of the challenge, whose hash anybody gets here")
        self._check_rate(source, self._rates.wait)
        if source.challenges and (answer := first_answer(source.challenges, request, self._credential, signed=True)):
            if answer.visit and not self._visit(source.name, answer.visit):
                raise NotStored("too many addresses wait to be opened", retry_after=RETRY_AFTER)
            return answer
        read = taken(ruleset, source, verified, id=new_webhook_id(), cap=cap)
        self.places.hold(place, len(read.webhook.body))
        if source.events is not None:
            return await self._receive_batch(source, read, parts, now)
        reception = translated(source, read, parts=parts, now=now)
        if source.respond is None:
            # A parsed value is many times its text: while the disk is waited for it need not be there.
            read = read.without_value()
        try:
            receipt = await self._store.receive(reception)
        except StoreError as error:
            raise _not_stored(error) from error
        return _Done(
            receipt=receipt,
            records=(record_of(reception, receipt),),
            destinations=() if receipt.duplicate else {command.destination for command in reception.commands},
            receptions=() if receipt.duplicate else (reception,),
            answer=None
            if source.respond is None
            else answer_to(source, read, receipt, parts=parts, event_type=reception.webhook.event_type),
        )

    async def _receive_batch(self, source: Source, read: Taken, parts: Mapping[str, str], now: datetime) -> _Done:
        """Each element is a webhook of its own; the sender is told that it is done when all are on disk."""
        stored, failed = await store_all(self._store, receptions(source, read, parts=parts, now=now))
        records = tuple(record_of(one.reception, one.receipt) for one in stored)
        destinations = {
            command.destination for one in stored if not one.receipt.duplicate for command in one.reception.commands
        }
        fresh = tuple(one.reception for one in stored if not one.receipt.duplicate)
        if failed is not None:
            # What is on disk goes its way; the sender's repeat finds it there and adds the rest.
            self._go_on(_Done(receipt=Receipt(""), records=records, destinations=destinations, receptions=fresh))
            for record in records:
                self._emit(record)
            raise _not_stored(failed) from failed
        duplicate = all(one.receipt.duplicate for one in stored)
        receipt = Receipt(stored[0].receipt.webhook_id, duplicate=duplicate)
        return _Done(
            receipt=receipt,
            records=records,
            destinations=destinations,
            receptions=fresh,
            webhooks=len(stored),
            answer=answer_to(source, read, receipt, parts=parts, event_type=stored[0].reception.webhook.event_type),
        )

    def _go_on(self, done: _Done) -> None:
        """Tell those who go on with what is on disk."""
        if done.destinations:
            self._wake(done.destinations)
        for record in done.records:
            if record.state is WebhookState.FETCHING:
                self._fetch(record.source, record.webhook_id)
        for reception in done.receptions:
            self._seen(reception)


class _Done(msgspec.Struct, frozen=True, kw_only=True):
    """A request whose webhooks are on disk."""

    receipt: Receipt
    """What is answered: of a batch the first element's id."""
    records: tuple[Received, ...]
    """To be emitted: of a batch one for each element."""
    destinations: Collection[str]
    """Where the commands go that were stored with it."""
    receptions: tuple[Reception, ...] = ()
    """What was stored now; nothing of a repeat."""
    webhooks: int | None = None
    """Of a batch: how many elements it has."""
    answer: Answer | None = None


def _not_stored(error: StoreError) -> NotStored:
    return NotStored(str(error), detail="The webhook can't be stored now.", retry_after=RETRY_AFTER)


class _Progress:
    """How far a request came: what its refusal needs to know."""

    __slots__ = ("challenges", "place", "refused", "source", "unread")

    def __init__(self) -> None:
        self.source = ""
        self.challenges: tuple[Challenge, ...] = ()
        self.place: Place | None = None
        self.unread = False
        self.refused: Refused | None = None
        """What is kept of it if it fails authentication."""
