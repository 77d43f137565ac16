"""What the reference shows: a piece of a rules file, a webhook and what it becomes. A test runs every one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

DESTINATIONS = """\
destinations:
  default:
    client_id: acme
    auth_token: $env.INTILERY_AUTH_TOKEN
    assets: {welcome: 202601-WELCOME, order: 202601-ORDER, reminder: 202601-REMINDER}
    journeys: {onboarding: 6046429d73096e3b2dca973d}
  uk:
    client_id: acme
    account_id: acmeuk
    auth_token: $env.INTILERY_UK_TOKEN
    assets: {welcome: 202601-UK-WELCOME}
"""
"""The destinations file that stands beside every example."""

RECEIVED = "2026-01-05T10:00:00Z"
"""When the webhook of every example is received: a Monday, 10:00 in London."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a rules file at work."""

    says: str
    """What it shows, in a sentence."""
    rules: str
    """What stands at the top level of the file; ``source: shop`` and ``verify: none`` are added where absent."""
    becomes: str = "[]"
    """The commands, as the value of ``expect`` in YAML."""
    body: Any = msgspec.field(default_factory=dict)
    headers: Mapping[str, str] = {}
    query: Mapping[str, str] = {}
    path: str = ""
    state: str | None = None
    """The webhook's state, where it says more than its commands."""
    fetched: Mapping[str, Any] = {}
    """What was fetched, by name."""
    error: Mapping[str, str] = {}
    """The mapping error that is expected: rule, field, path."""
    facts: Mapping[str, str] = {}
    """What else comes of it: ``dedup_key``, ``event_type`` and ``event_time`` of the webhook; ``once``, ``limit``,
    ``name``, ``priority`` and ``on_unknown`` of its last command; ``cancelled``, the name of the command that is
    withdrawn."""
    files: Mapping[str, str] = {}
    """Files beside the rules file, by name."""
    environ: Mapping[str, str] = {}


def file_of(shown: Shown) -> str:
    """The whole rules file of an example, with the webhook and what it becomes as its ``examples``."""
    text = shown.rules
    if "verify:" not in text:
        text = "verify: none\n" + text
    if not text.startswith("source:") and "\nsource:" not in text:
        text = "source: shop\n" + text
    if "\nexamples:" in text:
        return text
    request = {"body": shown.body, "headers": dict(shown.headers), "query": dict(shown.query)}
    if shown.path:
        request["path"] = shown.path
    lines = [
        "examples:",
        "  - name: shown",
        f"    now: {RECEIVED}",
        f"    request: {json.dumps(request, ensure_ascii=False)}",
    ]
    if shown.fetched:
        lines.append(f"    fetched: {json.dumps(dict(shown.fetched))}")
    if shown.state is not None:
        lines.append(f"    expect_state: {shown.state}")
    if shown.error:
        lines.append(f"    expect_error: {json.dumps(dict(shown.error))}")
    body = shown.becomes.rstrip("\n")
    lines += ["    expect:", *(f"      {line}" for line in body.split("\n"))] if "\n" in body else [
        f"    expect: {body}" if body.startswith("[") else f"    expect:\n      {body}"
    ]  # fmt: skip
    return text.rstrip("\n") + "\n" + "\n".join(lines) + "\n"


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """An operator, and values for which it holds and does not."""

    written: str
    """The test, as the value of a condition."""
    holds: tuple[Any, ...]
    fails: tuple[Any, ...]
