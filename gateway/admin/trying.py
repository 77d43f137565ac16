"""What a payload would become, without sending or storing anything: behind ``gateway try`` and ``POST /api/try``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.admin.views import tried
from gateway.errors import UnknownSource, Unparseable
from gateway.inbound.arrival import arrival_of, read_body, source_of
from gateway.model import Webhook, new_webhook_id
from gateway.rules import Ruleset, translate


def attempt_translation(
    ruleset: Ruleset,
    source: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    query: str,
    path: str,
    now: datetime,
) -> dict[str, Any]:
    """The shape of ``gateway try --json``. The signature is not looked at: a person shows the payload, not a sender.

    Without a content type ``body`` is read as JSON where it looks like it.

    :raises UnknownSource: no such source, or a path that it does not take.
    """
    if source not in ruleset.sources:
        near = difflib.get_close_matches(source, ruleset.sources, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(sorted(ruleset.sources)) or 'none'}"
        raise UnknownSource(f"no rules file has source: {source[:60]!a}{hint}")
    sent = {name.lower(): value for name, value in headers.items()}
    if body.lstrip()[:1] in (b"{", b"["):
        sent.setdefault("content-type", "application/json")
    webhook = Webhook(
        id=new_webhook_id(),
        source=source,
        received_at=now,
        path=path.strip("/"),
        query=query.removeprefix("?"),
        headers=tuple(sent.items()),
        body=body,
    )
    found, parts = source_of(ruleset, webhook)
    try:
        parsed = read_body(webhook, found)
    except Unparseable as error:
        return tried(source, error)
    return tried(source, translate(found, arrival_of(webhook, body=parsed, path=parts), now=now, trace=True))
