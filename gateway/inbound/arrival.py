"""What rules see of a webhook: the same at receipt and, long after, from what the store kept.

Receiving, replaying and tracing all come through here, so that a rule that is run again meets what it met first.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qs, unquote

import msgspec

from gateway.errors import MappingError, UnknownSource, Unparseable
from gateway.inbound.authentication import NoVerification, redact_headers, redact_query, verify
from gateway.inbound.exact_json import read_json
from gateway.inbound.payloads import parse
from gateway.inbound.request import Request, Verified
from gateway.inbound.thin import kept_answers
from gateway.model import JSON, Fetching, Webhook, WebhookState
from gateway.rules import Arrival, Ruleset, Source, Translation, translate
from gateway.rules.batch import NotTakenApart, elements, erase
from gateway.rules.fetches import FetchRequest
from gateway.rules.fetching import fetched_for, first_look
from gateway.rules.redaction import REDACTED
from gateway.rules.values import MISSING
from gateway.store import Reception

FALLBACK_WINDOW = timedelta(hours=24)
"""How long the hash that stands for a missing dedup key answers a repeat."""

_encode = msgspec.json.Encoder(decimal_format="number").encode
_AT_RECEIPT = NoVerification(because="verified when it was received: nothing else is stored")


def _nothing(name: str) -> None:
    """No credential: what the store holds needs none."""


def named_parts(template: str | None, path: str) -> dict[str, str] | None:
    """The named parts of a path, or None where it is not of the template's form.

    ``template`` is a source's ``path`` (``"{brand}"``, ``"shops/{shop}/orders"``) or None; ``path`` is what stands
    behind ``/hooks/{source}/``, still percent-encoded, so that an encoded slash does not part it. A named part is
    never empty; one slash at the end is allowed.
    """
    path = path.removesuffix("/")
    wanted = template.strip("/").split("/") if template else []
    given = path.split("/") if path else []
    if len(wanted) != len(given):
        return None
    parts: dict[str, str] = {}
    for want, text in zip(wanted, given, strict=True):
        found = unquote(text)
        if want.startswith("{") and want.endswith("}"):
            if not found:
                return None
            parts[want[1:-1]] = found
        elif want != found:
            return None
    return parts


def joined_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By name, in lower case; several of one name are joined by a comma, as HTTP does (RFC 9110, 5.3)."""
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


def named_values(query: str) -> dict[str, str | list[str]]:
    """A query string's values: text where a name stands once, a list where it repeats."""
    if not query:
        return {}
    found = parse_qs(query, keep_blank_values=True, errors="replace")
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def arrival_of(webhook: Webhook, *, body: JSON, path: Mapping[str, str]) -> Arrival:
    """What rules see. ``body`` is the parsed body, ``path`` the result of :func:`named_parts`."""
    return Arrival(
        webhook_id=webhook.id,
        source=webhook.source,
        body=body,
        headers=joined_headers(webhook.headers),
        query=named_values(webhook.query),
        path=path,
        received_at=webhook.received_at,
        batch=MISSING if webhook.batch is None else read_json(webhook.batch),
    )


def fallback_key(webhook: Webhook, *, index: int | None = None) -> str:
    """What stands for a dedup key where a source has none: a hash of path, query and body as it is kept; of an element
    of a batch also its index.

    The parts are told apart by their lengths, so no byte can move from one into the next.
    """
    digest = hashlib.sha256()
    for part in (webhook.path.encode("utf-8", "surrogatepass"), webhook.query.encode("utf-8", "surrogatepass")):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    digest.update(webhook.body)
    return f"sha256:{digest.hexdigest()}" if index is None else f"sha256:{digest.hexdigest()}|{index}"


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One verified request, read: what of it may be kept."""

    webhook: Webhook
    """As it is stored if its body can't be read: ``unparseable``, with the reason."""
    body: JSON = MISSING
    """The parsed body, what is redacted taken out of it, but for the elements of a batch; MISSING: unreadable."""


def taken(ruleset: Ruleset, source: Source, verified: Verified, *, id: str, cap: int) -> Taken:
    """Read one verified request.

    Static credentials are taken out first, and what the source redacts, so that rules see what is kept and do the same
    when they are run again. ``cap`` bounds the body after decompression, in bytes. Never raises on what a sender sent.
    """
    request = verified.request
    webhook = Webhook(
        id=id,
        source=source.name,
        received_at=request.received_at,
        method=request.method,
        path=request.path,
        query=redact_query(request.query, source.verify),
        headers=redact_headers(request.headers, source.verify),
        body=request.body,
        state=WebhookState.UNPARSEABLE,
        rules_version=ruleset.version.version,
    )
    if source.redact:
        webhook = msgspec.structs.replace(webhook, headers=without_redacted(source, webhook.headers))
    try:
        webhook = _decompressed(webhook, cap=cap)
        as_sent = webhook.body is request.body
        body = parse(verified, body_type=source.body) if as_sent else _parsed(webhook, source)
    except Unparseable as error:
        return Taken(webhook=unreadable(source, webhook, str(error)))
    if source.redact and source.events is None:
        erase(source, body)
        if hides_body(source) and webhook.body:
            # Always: bytes may hold what the value does not, such as the first of two equal keys.
            webhook = msgspec.structs.replace(webhook, body=exactly(body), parsed=True)
    return Taken(webhook=webhook, body=body)


def translated(source: Source, taken: Taken, *, parts: Mapping[str, str], now: datetime) -> Reception:
    """What one request becomes, ready to be stored in one transaction: the webhook and its commands.

    ``parts`` is the result of :func:`named_parts`. Of a batch see :func:`gateway.inbound.batches.receptions`.
    """
    if taken.body is MISSING:
        return kept_as_it_is(taken.webhook, now=now)
    return element_translated(source, taken.webhook, arrival_of(taken.webhook, body=taken.body, path=parts), now=now)


def element_translated(source: Source, webhook: Webhook, arrival: Arrival, *, now: datetime) -> Reception:
    """As :func:`translated`, of one request or of one element of a batch."""
    translation = first_look(source, arrival) or translate(source, arrival, now=now)
    key = translation.dedup_key
    until = None if source.dedup_window is None else now + source.dedup_window
    if key is None:
        key, until = fallback_key(webhook, index=arrival.index), now + FALLBACK_WINDOW
    return Reception(
        webhook=outcome(webhook, translation, dedup_key=key),
        commands=translation.commands,
        cancellations=translation.cancellations,
        dedup_until=until,
    )


def kept_as_it_is(webhook: Webhook, *, now: datetime) -> Reception:
    """A webhook that no rule can be run over. One whose body may not be kept has nothing to know a repeat by."""
    if not webhook.body:
        return Reception(webhook=webhook)
    return Reception(
        webhook=msgspec.structs.replace(webhook, dedup_key=fallback_key(webhook)), dedup_until=now + FALLBACK_WINDOW
    )


def unreadable(
    source: Source, webhook: Webhook, reason: str, *, state: WebhookState = WebhookState.UNPARSEABLE
) -> Webhook:
    """A webhook whose parts can't be told, with the reason. What may not be kept can't be taken out of its body, so
    nothing of that is kept where the source says ``redact``."""
    if hides_body(source) and webhook.body:
        return msgspec.structs.replace(
            webhook, state=state, body=b"", reason=f"{reason}; its body is not kept, for the source says redact"
        )
    return msgspec.structs.replace(webhook, state=state, reason=reason)


def hides_body(source: Source) -> bool:
    """Whether there is something in bodies that may not be kept."""
    return any(redaction.header is None for redaction in source.redact)


def without_redacted(source: Source, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The headers with what the source redacts taken out."""
    hidden = {redaction.header for redaction in source.redact}
    return tuple((name, REDACTED if name in hidden else value) for name, value in headers)


def retranslated(
    ruleset: Ruleset, webhook: Webhook, *, now: datetime, fetching: Fetching | None = None
) -> Reception | FetchRequest:
    """What the rules of today make of a webhook that the store kept. Its id, its dedup key and its repeats stay.

    ``fetching`` is what was fetched for it; where the rules need more, that is the answer: what is to be asked next.

    :raises UnknownSource: the rules no longer have its source, or its source is elsewhere.
    """
    source, parts = source_of(ruleset, webhook)
    webhook = msgspec.structs.replace(webhook, rules_version=ruleset.version.version)
    try:
        body = read_body(webhook, source)
        if is_whole(source, webhook):
            return Reception(webhook=_whole(source, webhook, body))
    except Unparseable as error:
        return Reception(
            webhook=msgspec.structs.replace(
                webhook, state=WebhookState.UNPARSEABLE, reason=str(error), errors=(), matched=()
            )
        )
    arrival = arrival_of(webhook, body=body, path=parts)
    try:
        fetched, wanted = fetched_for(source, arrival, kept_answers(fetching)) if source.fetches else (None, None)
    except MappingError as error:
        translation = Translation(
            state=WebhookState.UNTRANSLATABLE,
            reason=error.message,
            event_type=webhook.event_type,
            event_time=webhook.event_time,
        )
    else:
        if wanted is not None:
            return wanted
        translation = translate(source, msgspec.structs.replace(arrival, fetched=fetched), now=now)
    return Reception(
        webhook=outcome(webhook, translation, dedup_key=webhook.dedup_key),
        commands=translation.commands,
        cancellations=translation.cancellations,
        fetching=None if fetching is None else msgspec.structs.replace(fetching, due_at=None),
    )


def retraced(ruleset: Ruleset, webhook: Webhook, *, fetching: Fetching | None = None) -> Translation | None:
    """The translation of a stored webhook with its trace, or None where it can't be read, or where what it points to
    was not fetched.

    :raises UnknownSource: these rules have no such source, or it is elsewhere.
    """
    source, parts = source_of(ruleset, webhook)
    try:
        body = read_body(webhook, source)
        if is_whole(source, webhook):
            return None
        arrival = arrival_of(webhook, body=body, path=parts)
        fetched, wanted = fetched_for(source, arrival, kept_answers(fetching)) if source.fetches else (None, None)
    except (Unparseable, MappingError):
        return None
    if wanted is not None:
        return None
    return translate(source, msgspec.structs.replace(arrival, fetched=fetched), now=webhook.received_at, trace=True)


def source_of(ruleset: Ruleset, webhook: Webhook) -> tuple[Source, dict[str, str]]:
    """The source of a stored webhook and the named parts of its path.

    :raises UnknownSource: these rules have no such source, or it is elsewhere.
    """
    source = ruleset.sources.get(webhook.source)
    if source is None:
        raise UnknownSource(f"webhook {webhook.id}: the rules have no source {webhook.source}")
    parts = named_parts(source.path, webhook.path)
    if parts is None:
        raise UnknownSource(
            f"webhook {webhook.id}: source {webhook.source} now has the path {source.path!r}, "
            f"and this came with {webhook.path!r}"
        )
    return source, parts


def read_body(webhook: Webhook, source: Source) -> JSON:
    """The body of a webhook that was verified when it was received, as rules see it: without what is redacted.

    Of a batch that was kept whole it is the body; see :func:`is_whole`.

    :raises Unparseable: it is not what its content type or the source says.
    """
    body = read_json(webhook.body) if webhook.parsed and webhook.body else _parsed(webhook, source)
    erase(source, body, batch=is_whole(source, webhook))
    return body


def is_whole(source: Source, webhook: Webhook) -> bool:
    """Whether a stored webhook is a whole request of a source whose requests hold many."""
    return source.events is not None and webhook.batch_id is None


def exactly(value: JSON) -> bytes:
    """The JSON text of a parsed value, its numbers exact."""
    return _encode(value)


def _whole(source: Source, webhook: Webhook, body: JSON) -> Webhook:
    try:
        reason = f"events: its {len(elements(source, body))} elements are to be webhooks of their own; replay it"
        state = WebhookState.UNTRANSLATABLE
    except NotTakenApart as found:
        state, reason = found.state, str(found)
    return msgspec.structs.replace(webhook, state=state, reason=reason, errors=(), matched=())


def _parsed(webhook: Webhook, source: Source) -> JSON:
    """The body out of its bytes."""
    request = Request(
        source=webhook.source,
        method=webhook.method,
        path=webhook.path,
        query=webhook.query,
        headers=webhook.headers,
        body=webhook.body,
        received_at=webhook.received_at,
        url=source.public_url,
    )
    verified = verify(_AT_RECEIPT, request, credential=_nothing, now=webhook.received_at)
    return parse(verified, body_type=source.body)


def outcome(webhook: Webhook, translation: Translation, *, dedup_key: str | None) -> Webhook:
    """The webhook with what its translation found out about it."""
    return msgspec.structs.replace(
        webhook,
        state=translation.state,
        reason=translation.reason,
        errors=translation.errors,
        matched=translation.matched,
        event_type=translation.event_type,
        event_time=translation.event_time,
        dedup_key=dedup_key,
    )


def _decompressed(webhook: Webhook, *, cap: int) -> Webhook:
    """The webhook with its body as it was before its sender compressed it, and without the header that said so.

    :raises Unparseable: it is not compressed as it says, or becomes larger than ``cap`` bytes.
    """
    coding = joined_headers(webhook.headers).get("content-encoding", "").strip().lower()
    if coding in ("", "identity"):
        return webhook
    if coding not in ("gzip", "x-gzip", "deflate"):
        raise Unparseable(f"Content-Encoding is {coding[:40]!a}; allowed: gzip, deflate")
    decompressor = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: gzip or zlib, by the first bytes
    try:
        body = decompressor.decompress(webhook.body, cap + 1)
    except zlib.error as error:
        raise Unparseable(f"Content-Encoding says {coding}, and the body is not that: {error}") from error
    if len(body) > cap:
        raise Unparseable(f"the body has over {cap:,} bytes when decompressed; allowed: {cap:,}")
    if not decompressor.eof:
        raise Unparseable(f"the {coding} body ends too early")
    kept = tuple((name, value) for name, value in webhook.headers if name != "content-encoding")
    return msgspec.structs.replace(webhook, body=body, headers=kept)
