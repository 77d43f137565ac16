"""The body of a webhook, read: at receipt, and long after out of what the store kept, without what is redacted."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gateway.errors import Unparseable
from gateway.inbound.authentication import NoVerification, redact_headers, redact_query, verify
from gateway.inbound.compression import CODINGS, BadCompression, TooLarge, decompressed
from gateway.inbound.exact_json import read_json
from gateway.inbound.payloads import parse
from gateway.inbound.request import Verified, as_received
from gateway.model import JSON, Webhook, WebhookState
from gateway.rules import Ruleset, Source
from gateway.rules.batch import erase
from gateway.rules.redaction import REDACTED
from gateway.rules.values import MISSING

_encode = msgspec.json.Encoder(decimal_format="number").encode
_AT_RECEIPT = NoVerification(because="verified when it was received: nothing else is stored")


def _nothing(name: str) -> None:
    """No credential: what the store holds needs none."""


def joined_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """By name, in lower case; several of one name are joined by a comma, as HTTP does (RFC 9110, 5.3)."""
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """One verified request, read: what of it may be kept."""

    webhook: Webhook
    """As it is stored if its body can't be read: ``unparseable``, with the reason."""
    body: JSON = MISSING
    """The parsed body, what is redacted taken out of it, but for the elements of a batch; MISSING: unreadable."""

    def without_value(self) -> Taken:
        """The same, for where the parsed value is no longer needed."""
        return Taken(webhook=self.webhook)


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


def unreadable(
    source: Source, webhook: Webhook, reason: str, *, state: WebhookState = WebhookState.UNPARSEABLE
) -> Webhook:
    """A webhook whose parts can't be told, with the reason. What may not be kept can't be taken out of its body, so
    nothing of that is kept where the source says ``redact``, or shows its secret there."""
    if hides_body(source) and webhook.body:
        asked = any(redaction.by == "redact" and redaction.header is None for redaction in source.redact)
        why = "the source says redact" if asked else "it may hold the secret of verify"
        return msgspec.structs.replace(
            webhook, state=state, body=b"", reason=f"{reason}; its body is not kept, for {why}"
        )
    return msgspec.structs.replace(webhook, state=state, reason=reason)


def hides_body(source: Source) -> bool:
    """Whether there is something in bodies that may not be kept."""
    return any(redaction.header is None for redaction in source.redact)


def without_redacted(source: Source, headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """The headers with what the source redacts taken out."""
    hidden = {redaction.header for redaction in source.redact}
    return tuple((name, REDACTED if name in hidden else value) for name, value in headers)


def _parsed(webhook: Webhook, source: Source) -> JSON:
    """The body out of its bytes."""
    request = as_received(webhook, url=source.public_url)
    verified = verify(_AT_RECEIPT, request, credential=_nothing, now=webhook.received_at)
    return parse(verified, body_type=source.body)


def _decompressed(webhook: Webhook, *, cap: int) -> Webhook:
    """The webhook with its body as it was before its sender compressed it, and without the header that said so.

    :raises Unparseable: it is not compressed as it says, or becomes larger than ``cap`` bytes.
    """
    if not any([name == "content-encoding" for name, _ in webhook.headers]):  # noqa: C419 - half the time of a generator
        return webhook
    coding = joined_headers(webhook.headers)["content-encoding"].strip().lower()
    if coding in ("", "identity"):
        return webhook
    if coding not in CODINGS:
        raise Unparseable(f"Content-Encoding is {coding[:40]!a}; allowed: gzip, deflate")
    try:
        body = decompressed(webhook.body, coding, most=cap)
    except BadCompression as error:
        raise Unparseable(str(error)) from None
    except TooLarge:
        raise Unparseable(f"the body has over {cap:,} bytes when decompressed; allowed: {cap:,}") from None
    kept = tuple((name, value) for name, value in webhook.headers if name != "content-encoding")
    return msgspec.structs.replace(webhook, body=body, headers=kept)
