"""Receiving: the verb of the inbound side, as an ASGI application of its own.

Read the body under a cap, verify, parse, translate, write webhook and commands in one transaction, acknowledge. Every
request on its way in passes here, so this file works on the raw ASGI scope: no request object, no middleware, answers
made beforehand.

What is answered ``200`` is on disk. A webhook that is authentic and can't be read or translated is kept and answered
``200`` too: repeated errors make senders switch a hook off, and a corrected rule can be run over what was kept.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from urllib.parse import unquote

import msgspec
from starlette.types import Receive, Scope, Send

from gateway.errors import (
    MethodNotAllowed,
    NotStored,
    Rejected,
    StoreError,
    UnknownSource,
)
from gateway.inbound.arrival import named_parts, translated
from gateway.inbound.authentication import AllOf, AnyOf, Basic, Hmac, Scheme, secrets_of, verify
from gateway.inbound.exchange import Gone, acknowledge, declared_length, receive_body, refuse
from gateway.inbound.request import Request
from gateway.inbound.schemes import env_name
from gateway.model import WebhookState, new_webhook_id
from gateway.rules import Ruleset, Source
from gateway.store import Receipt, Store

RETRY_AFTER = 10
"""Seconds, in answers that ask the sender to come back."""
RETRY_AFTER_SETUP = 300
"""Seconds, where a person has to do something first."""
HOOKS = "/hooks/"
"""The beginning of every path that is answered here."""


_log = logging.getLogger(__name__)


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """How one request at a hook ended."""

    source: str
    """A name from the rules, or ``""`` where the request named none: never text of the sender's choosing."""
    status: int
    """Of the answer; 499 where the sender went away before its request was whole, and nothing was kept."""
    answer: str
    """``accepted``, ``duplicate``, ``disconnected``, or the refusal's error in words: ``authentication_failed``."""
    webhook_id: str = ""
    """Empty where nothing was stored; the first one's where this one repeats it."""
    state: WebhookState | None = None
    """Of what was stored now; None for repeats and refusals."""
    event_type: str | None = None
    matched: tuple[str, ...] = ()
    commands: int = 0
    errors: int = 0
    reason: str | None = None
    """Why it was refused or can't be read, for the operator."""


class Receiver:
    """The ASGI application behind ``/hooks/``.

    ``ruleset`` gives the rules that are served at the moment of the call; ``wake`` is told the destinations of
    commands that were just stored, ``fetch`` the source and the id of a webhook that waits for data; ``emit`` gets one
    record per request, after the answer. ``max_body`` (bytes) bounds every source, whatever its own limit is.
    """

    def __init__(
        self,
        *,
        ruleset: Callable[[], Ruleset],
        store: Store,
        credential: Callable[[str], str | None],
        wake: Callable[[Collection[str]], None],
        emit: Callable[[Received], None],
        fetch: Callable[[str, str], None] = lambda source, id: None,
        max_body: int = 10_000_000,
        body_timeout: timedelta = timedelta(seconds=10),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ruleset = ruleset
        self._store = store
        self._credential = credential
        self._wake = wake
        self._fetch = fetch
        self._emit = emit
        self._max_body = max_body
        self._body_timeout = body_timeout.total_seconds()
        self._now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        progress = _Progress()
        try:
            receipt, record, destinations = await self._receive(scope, receive, progress)
        except Rejected as rejected:
            await refuse(rejected, receive, send, unread=progress.unread)
            self._emit(
                Received(
                    source=progress.source, status=rejected.status, answer=_in_words(rejected), reason=str(rejected)
                )
            )
            return
        except Gone:
            self._emit(Received(source=progress.source, status=499, answer="disconnected"))
            return
        except Exception:
            _log.exception("%s: a webhook could not be taken in", progress.source or "hooks")
            failure = NotStored("see the traceback", detail="The webhook was not stored.", retry_after=RETRY_AFTER)
            await refuse(failure, receive, send, unread=progress.unread)
            self._emit(Received(source=progress.source, status=503, answer="not_stored", reason=str(failure)))
            return
        if destinations:
            self._wake(destinations)
        elif record.state is WebhookState.FETCHING:
            self._fetch(record.source, record.webhook_id)
        await acknowledge(receipt, send)
        self._emit(record)

    async def _receive(
        self, scope: Scope, receive: Receive, progress: _Progress
    ) -> tuple[Receipt, Received, Collection[str]]:
        """The receipt, the record to emit, and where the commands go that were stored with it."""
        ruleset = self._ruleset()
        headers = [(key.decode("latin-1"), value.decode("latin-1")) for key, value in scope["headers"]]
        declared = declared_length(headers)
        progress.unread = declared != 0
        source, path, parts = _find(ruleset, scope)
        progress.source = source.name
        if scope["method"] != "POST":
            raise MethodNotAllowed(f"{scope['method']} is not answered here; allowed: POST")
        if unset := unset_credentials(source, self._credential):
            raise NotStored(
                f"source {source.name} is disabled: {', '.join(unset)} is not set",
                detail="This source is not set up yet.",
                retry_after=RETRY_AFTER_SETUP,
            )
        cap = min(source.max_body, self._max_body)
        body = await receive_body(receive, declared, cap=cap, seconds=self._body_timeout) if declared != 0 else b""
        progress.unread = False
        now = self._now()
        request = Request(
            source=source.name,
            method="POST",
            path=path,
            query=scope["query_string"].decode("latin-1"),
            headers=tuple(headers),
            body=body,
            received_at=now,
            url=source.public_url,
        )
        verified = verify(source.verify, request, credential=self._credential, now=now, parts=parts)
        reception = translated(
            ruleset,
            source,
            verified,
            id=new_webhook_id(),
            parts=parts,
            cap=cap,
            now=now,
        )
        try:
            receipt = await self._store.receive(reception)
        except StoreError as error:
            raise NotStored(str(error), detail="The webhook can't be stored now.", retry_after=RETRY_AFTER) from error
        if receipt.duplicate:
            repeat = Received(source=source.name, status=200, answer="duplicate", webhook_id=receipt.webhook_id)
            return receipt, repeat, ()
        webhook = reception.webhook
        record = Received(
            source=source.name,
            status=200,
            answer="accepted",
            webhook_id=webhook.id,
            state=webhook.state,
            event_type=webhook.event_type,
            matched=webhook.matched,
            commands=len(reception.commands),
            errors=len(webhook.errors),
            reason=webhook.reason if webhook.state is WebhookState.UNPARSEABLE else None,
        )
        return receipt, record, {command.destination for command in reception.commands}


class _Progress:
    """How far a request came: what its refusal needs to know."""

    __slots__ = ("source", "unread")

    def __init__(self) -> None:
        self.source = ""
        self.unread = False


def unset_credentials(source: Source, credential: Callable[[str], str | None]) -> tuple[str, ...]:
    """The credentials for want of which a source is disabled: what it sends could not be verified, or not fetched."""
    unset = unset_secrets(source.verify, credential)
    for fetch in source.fetches:
        unset += tuple(name for name in fetch.secrets if not credential(name))
    return unset


def unset_secrets(scheme: Scheme, credential: Callable[[str], str | None]) -> tuple[str, ...]:
    """The credentials for want of which nothing could be verified; a source is disabled while there are any.

    Of several secrets for one thing (rotation) one is enough. With ``per``, which secrets there are is only known when
    a request names its path part.
    """
    match scheme:
        case AllOf():
            unset = [name for part in scheme.schemes for name in unset_secrets(part, credential)]
            return tuple(dict.fromkeys(unset))
        case AnyOf():
            each = [unset_secrets(part, credential) for part in scheme.schemes]
            return () if () in each else tuple(dict.fromkeys(name for unset in each for name in unset))
        case Hmac(per=str()):
            return ()
        case Basic():
            user = env_name(scheme.user)
            lacking = (user,) if user is not None and not credential(user) else ()
            return lacking + (() if any(map(credential, scheme.password)) else scheme.password)
        case _:
            names = secrets_of(scheme)
            return () if not names or any(map(credential, names)) else names


def _find(ruleset: Ruleset, scope: Scope) -> tuple[Source, str, dict[str, str]]:
    """The source that a path names, what stands behind its name, still encoded, and the named parts of that."""
    raw: bytes | None = scope.get("raw_path")
    path = raw.decode("latin-1") if raw is not None else scope["path"]
    name, _, rest = path.partition(HOOKS)[2].partition("/")
    source = ruleset.sources.get(unquote(name))
    if source is None:
        raise UnknownSource(f"no rules file has source: {name[:60]!a}", detail="There is no such source here.")
    parts = named_parts(source.path, rest)
    if parts is None:
        wanted = hook_path(source)
        raise UnknownSource(
            f"source {source.name} takes no path {rest[:60]!a}; allowed: {wanted}",
            detail=f"This source is at {wanted}.",
        )
    return source, rest, parts


def hook_path(source: Source) -> str:
    """Where a source posts to, its named parts in braces: ``/hooks/shopify/{brand}``."""
    return f"{HOOKS}{source.name}/{source.path}" if source.path else f"{HOOKS}{source.name}"


_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def _in_words(rejected: Rejected) -> str:
    """``AuthenticationFailed`` is ``authentication_failed``."""
    return _CAPITAL.sub("_", type(rejected).__name__).lower()
