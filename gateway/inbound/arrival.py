"""What rules see of a webhook: the same at receipt and, long after, from what the store kept.

Receiving, replaying and tracing all come through here, so that a rule that is run again meets what it met first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qs, quote, unquote

import msgspec

from gateway.errors import MappingError, UnknownSource, Unparseable
from gateway.inbound.body import Taken, is_whole, joined_headers, read_body
from gateway.inbound.exact_json import read_json
from gateway.inbound.thin import kept_answers
from gateway.model import JSON, Fetching, Webhook, WebhookState
from gateway.rules import Arrival, Ruleset, Source, Translation, translate
from gateway.rules.batch import NotTakenApart, elements
from gateway.rules.fetches import FetchRequest
from gateway.rules.fetching import fetched_for, first_look
from gateway.rules.values import MISSING
from gateway.store import Reception

FALLBACK_WINDOW = timedelta(hours=24)
"""How long the hash that stands for a missing dedup key answers a repeat, where the source does not say."""


def named_parts(template: str | None, path: str) -> dict[str, str] | None:
    """The named parts of a path, or None where it is not of the template's form.

    ``template`` is a source's ``path`` (``"{brand}"``, ``"shops/{shop}/orders"``) or None; ``path`` is what stands
    behind ``/hooks/{source}/``, still percent-encoded, so that an encoded slash does not part it. A named part is
    never empty; one slash at the end is allowed.
    """
    if not template and not path:
        return {}
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


def filled_url(template: str | None, parts: Mapping[str, str]) -> str | None:
    """A source's ``public_url`` with the named parts of the path in it, as they stand in an address."""
    if template is None or "{" not in template:
        return template
    for name, value in parts.items():
        template = template.replace(f"{{{name}}}", quote(value, safe=""))
    return template


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


def translated(source: Source, taken: Taken, *, parts: Mapping[str, str], now: datetime) -> Reception:
    """What one request becomes, ready to be stored in one transaction: the webhook and its commands.

    ``parts`` is the result of :func:`named_parts`. Of a batch see :func:`gateway.inbound.batches.receptions`.
    """
    if taken.body is MISSING:
        return kept_as_it_is(source, taken.webhook, now=now)
    return element_translated(source, taken.webhook, arrival_of(taken.webhook, body=taken.body, path=parts), now=now)


def element_translated(source: Source, webhook: Webhook, arrival: Arrival, *, now: datetime) -> Reception:
    """As :func:`translated`, of one request or of one element of a batch."""
    translation = first_look(source, arrival) or translate(source, arrival, now=now)
    key = translation.dedup_key
    until = None if source.dedup_window is None else now + source.dedup_window
    if key is None:
        key, until = fallback_key(webhook, index=arrival.index), until or now + FALLBACK_WINDOW
    return Reception(
        webhook=outcome(webhook, translation, dedup_key=key),
        commands=translation.commands,
        cancellations=translation.cancellations,
        dedup_until=until,
    )


def kept_as_it_is(source: Source, webhook: Webhook, *, now: datetime) -> Reception:
    """A webhook that no rule can be run over. One whose body may not be kept has nothing to know a repeat by."""
    if not webhook.body:
        return Reception(webhook=webhook)
    return Reception(
        webhook=msgspec.structs.replace(webhook, dedup_key=fallback_key(webhook)),
        dedup_until=now + (source.dedup_window or FALLBACK_WINDOW),
    )


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


def _whole(source: Source, webhook: Webhook, body: JSON) -> Webhook:
    try:
        reason = f"events: its {len(elements(source, body))} elements are to be webhooks of their own; replay it"
        state = WebhookState.UNTRANSLATABLE
    except NotTakenApart as found:
        state, reason = found.state, str(found)
    return msgspec.structs.replace(webhook, state=state, reason=reason, errors=(), matched=())


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
