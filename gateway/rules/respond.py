"""``respond``: what the sender gets for a webhook that is on disk, where it wants more than a 200 with our JSON.

Adyen once wanted ``[accepted]``, Salesforce's outbound messages want a SOAP envelope. Values are those of rules; what
is nothing, or can't be had, is left out: the webhook is stored by then, and a refusal would only bring it again.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec

from gateway.rules.budget import OverBudget
from gateway.rules.keys import RESPOND_KEYS, check_keys
from gateway.rules.mapping import Report, compile_text, compile_value
from gateway.rules.nodes import Node
from gateway.rules.scope import Evaluate, EvaluationFailed, Names, Scope
from gateway.rules.values import MISSING, as_text

MAX_HEADER = 4_096
"""Characters of a header's value; a longer one is left out."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}\Z")  # RFC 9110, 5.6.2
_UNFIT = re.compile(r"[^\x20-\x7e\xa0-\xff]")
_OURS = ("content-length", "transfer-encoding", "connection", "keep-alive", "upgrade", "trailer", "date", "server")
_BODILESS = (204, 205)
_encode = msgspec.json.Encoder(decimal_format="number").encode


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent back."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case; with a content type where there is a body of ours to describe."""
    body: bytes | None
    """None: the usual JSON with the webhook's id."""


class Respond(msgspec.Struct, frozen=True, kw_only=True):
    """A ``respond``, compiled."""

    status: int
    headers: tuple[tuple[str, Evaluate], ...]
    body: Evaluate | None


def answer(respond: Respond, scope: Scope) -> Answer:
    """The answer to one webhook. Never raises."""
    headers: list[tuple[str, str]] = []
    for name, evaluate in respond.headers:
        value = _evaluated(evaluate, scope)
        text = None if value is MISSING or value is None else as_text(value)
        if text is not None and len(text) <= MAX_HEADER and not _UNFIT.search(text):
            headers.append((name, text))
    if respond.body is None:
        return Answer(status=respond.status, headers=tuple(headers), body=None)
    body, kind = _written(_evaluated(respond.body, scope))
    if body and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", kind))
    if body:
        # What a payload gave is sent back: no browser may take it for a page.
        headers.append(("x-content-type-options", "nosniff"))
    return Answer(status=respond.status, headers=tuple(headers), body=body)


def _evaluated(evaluate: Evaluate, scope: Scope) -> Any:
    try:
        return evaluate(scope)
    except (EvaluationFailed, OverBudget):
        return MISSING


def _written(value: Any) -> tuple[bytes, str]:
    """The bytes of a body and its content type."""
    if value is MISSING or value is None:
        return b"", ""
    if type(value) in (bool, int, Decimal):
        value = as_text(value)
    if isinstance(value, str):
        xml = value.lstrip().startswith("<")
        return value.encode("utf-8", "replace"), "text/xml; charset=utf-8" if xml else "text/plain; charset=utf-8"
    return _encode(value), "application/json"


# -- compiling -----------------------------------------------------------------------------------------------------


def compile_respond(key: Node, node: Node, names: Names, report: Report, *, events: bool) -> Respond | None:
    """Compile the value of ``respond``; None after reporting what is wrong. ``events``: ``$`` is one element."""
    entries = check_keys(node, RESPOND_KEYS, "respond", report)
    if node.kind != "map":
        return None
    names.reads.clear()
    status = 200
    if "status" in entries:
        given = entries["status"][1]
        if type(given.value) is int and 200 <= given.value <= 299:
            status = given.value
        else:
            report(given, f"status takes a number from 200 to 299, for it is stored by then; found {given.describe()}")
    headers = _headers(entries["headers"][1], names, report) if "headers" in entries else ()
    body = None
    if "body" in entries:
        given = entries["body"][1]
        if given.kind == "list" or (given.kind == "scalar" and not isinstance(given.value, str)):
            hint = "; text such as '[accepted]' stands in quotes" if given.kind == "list" else ""
            report(given, f"body takes text or a mapping; found {given.describe()}{hint}")
        elif status in _BODILESS and given.text:
            report(given, f"an answer of status {status} has no body (RFC 9110); leave body out, or take 200")
        else:
            body = compile_value(given, names, report) if given.kind == "map" else compile_text(given, names, report)
    reads = names.all_reads()
    if events and "$" in reads:
        report(key, "respond speaks of the whole request, and $ is one element of it; write $batch for the body")
    if "fetch" in reads:
        report(key, "respond is sent at once, and what is fetched comes later; leave $fetch out")
    return Respond(status=status, headers=headers, body=body)


def _headers(node: Node, names: Names, report: Report) -> tuple[tuple[str, Evaluate], ...]:
    if node.kind != "map":
        report(node, f"headers takes a mapping of names to values; found {node.describe()}")
        return ()
    found: list[tuple[str, Evaluate]] = []
    for key, value in node.entries:
        name = key.text.lower()
        if not _TOKEN.match(name):
            report(key, f"'{key.text}' is not the name of a header; allowed: letters, digits and -, as in X-Request-Id")
        elif name in _OURS:
            report(key, f"the header {key.text} is the gateway's own; leave it out")
        elif value.kind != "scalar" or not value.text:
            report(value, f"a header takes text, an expression or a template; found {value.describe()}")
        elif not value.text.startswith("$") and "{{" not in value.text and _UNFIT.search(value.text):
            report(value, "a header holds one line of Latin letters, digits and signs")
        else:
            found.append((name, compile_text(value, names, report)))
    return tuple(found)
