"""Who sent this? Known senders by their headers or the shape of a body; else how the sender seems to prove itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from gateway.inbound.declared import scheme_from
from gateway.inbound.needs import needs_url
from gateway.inbound.presets import PRESETS, default_secret

_PREFIXES: Final[Mapping[str, str]] = {
    "x-acuity-": "acuity", "x-bookeo-": "bookeo", "x-cal-signature": "cal_com", "calendly-webhook-": "calendly",
    "x-ecwid-": "ecwid", "x-github-": "github", "x-hubspot-signature-v3": "hubspot", "x-shopify-": "shopify",
    "x-slack-": "slack", "x-square-hmac": "square", "squarespace-signature": "squarespace",
    "stripe-signature": "stripe", "svix-": "svix", "tickettailor-webhook-": "ticket_tailor",
    "typeform-signature": "typeform",
    "x-wc-webhook-": "woocommerce", "x-xero-signature": "xero", "x-zendesk-webhook-": "zendesk", "x-zm-": "zoom",
    "ms-signature": "lodgify", "hmacsignature": "adyen",
}  # fmt: skip
"""The beginnings of header names that one sender alone uses."""
_HEADERS: Final = Counter(str(row.keys.get("header", "")).lower() for row in PRESETS.values())
_BY_HEADER: Final[Mapping[str, str]] = {
    header.replace("*", "1"): name
    for name, row in PRESETS.items()
    if (header := str(row.keys.get("header", "")).lower()) and _HEADERS[header] == 1 and row.kind != "jwt"
}
"""The headers that one preset alone reads."""


def _has(body: Any, *keys: str) -> bool:
    return isinstance(body, dict) and all(key in body for key in keys)


def _starts(body: Any, key: str, *beginnings: str) -> bool:
    return isinstance(body, dict) and isinstance(body.get(key), str) and body[key].startswith(beginnings)


def _first(body: Any, key: str) -> Any:
    inner = body.get(key) if isinstance(body, dict) else None
    return inner[0] if isinstance(inner, list) and inner else None


_SHAPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "stripe": lambda body: _has(body, "object", "type", "data") and body["object"] == "event",
    "shopify": lambda body: _starts(body, "admin_graphql_api_id", "gid://shopify/"),
    "woocommerce": lambda body: _starts(body, "order_key", "wc_order_"),
    "calendly": lambda body: _has(body, "event", "payload") and _starts(body["payload"], "uri", "https://api.calendly.com/"),
    "cal_com": lambda body: _has(body, "triggerEvent", "payload"),
    "typeform": lambda body: _has(body, "event_type", "form_response"),
    "square": lambda body: _has(body, "merchant_id", "event_id", "type", "data"),
    "zoom": lambda body: _has(body, "event", "payload", "event_ts"),
    "slack": lambda body: _has(body, "team_id", "api_app_id"),
    "bigcommerce": lambda body: _starts(body, "producer", "stores/") and _has(body, "scope", "hash"),
    "gocardless": lambda body: _has(_first(body, "events"), "resource_type", "action", "links"),
    "hubspot": lambda body: isinstance(body, list) and bool(body) and _has(body[0], "subscriptionType", "portalId"),
    "xero": lambda body: _has(body, "events", "entropy"),
    "ecwid": lambda body: _has(body, "eventId", "storeId", "eventType", "entityId"),
    "squarespace": lambda body: _has(body, "websiteId", "subscriptionId", "topic"),
    "intercom": lambda body: _has(body, "type", "app_id", "topic") and body["type"] == "notification_event",
    "github": lambda body: _has(body, "repository", "sender"),
    "meta": lambda body: _has(body, "object", "entry"),
}  # fmt: skip
"""Bodies that look like those of one sender."""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """How the drafted source verifies what comes."""

    lines: tuple[str, ...]
    """The value of ``verify``, in YAML: the first line stands beside the key."""
    why: str
    """In words, for the file and for the person."""
    sender: str | None = None
    """The preset that was recognised."""
    by_address: bool = False
    """Whether the secret travels in the address that is pasted at the sender."""
    needs_url: bool = False


def sender_of(body: Any, headers: Mapping[str, str]) -> tuple[str, str] | None:
    """A preset and how it was recognised, or None. ``headers`` are in lower case."""
    for name in headers:
        for beginning, preset in _PREFIXES.items():
            if name.startswith(beginning):
                return preset, f"the header {name}"
        if name in _BY_HEADER:
            return _BY_HEADER[name], f"the header {name}"
    shaped = next((preset for preset, fits in _SHAPES.items() if fits(body)), None)
    if "webhook-signature" in headers:
        if shaped in ("bigcommerce", "gocardless"):
            return shaped, "the header webhook-signature and the shape of the body"
        return ("standard_webhooks", "the header webhook-signature") if "webhook-id" in headers else None
    if shaped is not None:
        header = str(PRESETS[shaped].keys.get("header", "")).lower()
        told = f" and the header {header}" if header in headers else ""
        return shaped, f"the shape of the body{told}"
    return None


def proof_of(source: str, body: Any, headers: Mapping[str, str]) -> Proof:
    """How a source should verify. Never by nothing: what can't be told gets a secret in its address."""
    secret = f"$env.{source.upper().replace('-', '_')}_SECRET"
    known = sender_of(body, headers)
    if known is not None:
        preset, how = known
        own = default_secret(preset).removeprefix(f"{preset.upper()}_")
        named = secret.removesuffix("SECRET") + own
        # What is known beside a secret (a user, a webhook's id) keeps the names that the preset gives it.
        plain = named == f"$env.{default_secret(preset)}" or PRESETS[preset].kind == "basic"
        return Proof(
            lines=(preset,) if plain else ("", f"  {preset}: {{{own.lower()}: {named}}}"),
            why=f"{how} is {preset}'s",
            sender=preset,
            needs_url=needs_url(scheme_from(preset)),
        )
    return _guessed(secret, headers) or Proof(
        lines=("", f"  query: {{name: token, secret: {secret}}}"),
        why="how this sender proves itself could not be told, so the address holds a secret",
        by_address=True,
    )


_SIGNATURE = re.compile(r"signature|hmac|digest", re.IGNORECASE)
_TOKEN = re.compile(r"^x-.*(?:token|secret|api-?key|auth)$", re.IGNORECASE)
_FORMS: Final = (
    (re.compile(r"[0-9a-f]{64}\Z"), "sha256", "hex"),
    (re.compile(r"[0-9a-f]{40}\Z"), "sha1", "hex"),
    (re.compile(r"[0-9a-f]{128}\Z"), "sha512", "hex"),
    (re.compile(r"[A-Za-z0-9+/]{43}=\Z"), "sha256", "base64"),
    (re.compile(r"[A-Za-z0-9+/]{27}=\Z"), "sha1", "base64"),
    (re.compile(r"[A-Za-z0-9+/]{86}==\Z"), "sha512", "base64"),
)


def _guessed(secret: str, headers: Mapping[str, str]) -> Proof | None:
    for name, value in headers.items():
        if not _SIGNATURE.search(name) or not re.fullmatch(r"[a-z0-9_-]+", name):
            continue
        prefixed = re.match(r"((?:v0|sha[0-9]+)=)(.*)\Z", value)
        prefix, rest = (prefixed[1], prefixed[2]) if prefixed else ("", value)
        for form, algorithm, encoding in _FORMS:
            if form.match(rest):
                mark = f", prefix: {prefix}" if prefix else ""
                hashed = f"algorithm: {algorithm}, encoding: {encoding}{mark}"
                return Proof(
                    lines=("", f"  hmac: {{header: {name}, {hashed}, secret: {secret}}}"),
                    why=f"the header {name} looks like {algorithm} in {encoding}, taken to be of the whole body",
                )
    authorization = headers.get("authorization", "")
    if authorization.lower().startswith("bearer "):
        return Proof(lines=("", f"  bearer: {{secret: {secret}}}"), why="the Authorization header holds a token")
    if authorization.lower().startswith("basic "):
        user = secret.removesuffix("_SECRET") + "_USER"
        return Proof(
            lines=("", f"  basic: {{user: {user}, password: {secret}}}"), why="the Authorization header is basic"
        )
    for name in headers:
        if _TOKEN.match(name) and re.fullmatch(r"[a-z0-9_-]+", name):
            return Proof(
                lines=("", f"  header: {{name: {name}, secret: {secret}}}"),
                why=f"the header {name} looks like a shared secret",
            )
    return None
