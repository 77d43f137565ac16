"""What a payload would become, without sending or storing anything: behind ``gateway try`` and ``POST /api/try``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from gateway.admin.quarantine import diagnosis_row
from gateway.admin.views import tried, wanted_row
from gateway.credentials import Credentials
from gateway.errors import NotVerifiable, Rejected, UnknownSource, Unparseable, UnreadableRequest
from gateway.inbound.arrival import arrival_of, filled_url, source_of
from gateway.inbound.authentication import NoVerification, compiled
from gateway.inbound.body import read_body
from gateway.inbound.diagnosis import BUDGET
from gateway.inbound.quarantine import Refused, diagnosed
from gateway.inbound.request import as_received
from gateway.inbound.schemes import Means, Published
from gateway.inbound.trials import Cause
from gateway.model import Webhook, new_webhook_id
from gateway.rules import Arrival, Ruleset, Source, Translation
from gateway.rules.batch import translate_request
from gateway.rules.fetches import FetchRequest
from gateway.rules.fetching import translate_canned
from gateway.rules.reads import missing_paths


def attempt_translation(
    ruleset: Ruleset,
    source: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    query: str,
    path: str,
    now: datetime,
    credential: Credentials,
    published: Published | None = None,
    budget: int = BUDGET,
    fetched: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The shape of ``gateway try --json``. Rules are run over it whether it is authentic or not, for a person shows the
    payload, not a sender. Where it shows anything like a proof, ``verification`` says whether the hook would take it.

    Without a content type ``body`` is read as JSON where it looks like it. Nothing is fetched: ``fetched`` holds
    answers by the fetch's name (None: it is not there), and a fetch without one is missing for the rules. Of a batch
    it is all that the elements become, in order.

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
    verdict = _verdict(
        ruleset, found, webhook, Means(credential, now, parts, published), names=credential.names, budget=budget
    )
    try:
        parsed = read_body(webhook, found)
    except Unparseable as error:
        return tried(source, error) | verdict
    arrival = arrival_of(webhook, body=parsed, path=parts)
    given, asked = fetched or {}, list[FetchRequest]()
    for name in given:
        if all(fetch.name != name for fetch in found.fetches):
            known = ", ".join(fetch.name for fetch in found.fetches) or "nothing"
            raise UnreadableRequest(f"source {source} does not fetch {name[:60]!a}; it fetches: {known}")

    def run(one: Arrival) -> Translation:
        return translate_canned(found, one, given, asked, now=now)

    translation = translate_request(found, arrival, now=now, run=run)
    view = tried(source, translation, [wanted_row(one, given=one.fetch.name in given) for one in asked]) | verdict
    if found.events is None and translation.matched:
        lines = frozenset(rule.line for rule in found.rules if rule.id in translation.matched)
        missing = missing_paths(ruleset.version.files.get(found.file, ""), lines=lines, body=parsed)
        if missing:
            view["missing"] = [{"path": path, "line": line} for path, line in missing]
    return view


def _verdict(
    ruleset: Ruleset, source: Source, webhook: Webhook, means: Means, *, names: Callable[[], Iterable[str]], budget: int
) -> dict[str, Any]:
    """``{"verification": …}``; nothing where the source asks for no proof or none is shown, as most who try do."""
    if isinstance(source.verify, NoVerification):
        return {}
    request = as_received(webhook, url=filled_url(source.public_url, means.parts))
    try:
        words = compiled(source.verify)(request, means)
    except NotVerifiable as error:
        return {"verification": {"verified": False, "reason": str(error)}}
    except Rejected as error:
        refused = Refused(source=source, request=request, parts=means.parts)
        found = diagnosed(
            refused,
            ruleset,
            credential=means.credential,
            names=names,
            published=means.published,
            budget=budget,
        )
        if found.cause is Cause.ABSENT:
            return {}
        return {"verification": {"verified": False, "reason": str(error), **diagnosis_row(found)}}
    return {"verification": {"verified": True, "words": words}}
