"""What kind of webhook it is, and what its repeats have in common."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.rules.draft.payload import expression, leaves, normal
from gateway.rules.values import as_text

_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{1,79}\Z")
_CUSTOM = re.compile(r"x-[a-z0-9-]*\Z")
_ENDINGS = ("topic", "event-type", "event-name", "event-key", "event", "trigger")
_KEYS = (
    "eventtype", "event", "type", "topic", "triggerevent", "eventname", "webhookevent", "trigger", "notificationtype",
    "subscriptiontype", "scope", "action", "kind", "webhooktype",
)  # fmt: skip
_ENVELOPES = frozenset(("event", "meta", "webhook", "eventdata", "notification", "header", "metadata"))
_ID_HEADER = re.compile(
    r"(?:x-[a-z0-9-]*(?:event|delivery|message|notification)-?(?:id|uuid)|svix-id|webhook-id|x-github-delivery)\Z"
)
_UNIQUE = ("eventid", "webhookid", "notificationid", "messageid", "deliveryid", "eventuuid")
_CHANGED = ("updatedat", "datemodifiedgmt", "updated", "modifiedat", "lastmodified")
_KNOWN: Mapping[str, tuple[str, tuple[str, ...] | None]] = {
    "shopify": ("X-Shopify-Topic", ("X-Shopify-Topic", "X-Shopify-Event-Id")),
    "github": ("X-GitHub-Event", ("X-GitHub-Delivery",)),
    "woocommerce": ("X-WC-Webhook-Topic", None),
}
"""By sender: the header that names the kind, and those that name the webhook."""


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """The kind of a webhook."""

    path: str
    value: str | None
    """Here; None where the header did not come with the payload."""
    why: str


def kind_of(body: Any, headers: Mapping[str, str], sender: str | None) -> Kind | None:
    """By a header that the sender is known for, by a header of a fitting name, else by a key."""
    if sender is not None and sender in _KNOWN:
        name = _KNOWN[sender][0]
        return Kind(path=f"$header.{name}", value=headers.get(name.lower()), why=f"{sender} says it in this header")
    for ending in _ENDINGS:
        for name, value in headers.items():
            if _CUSTOM.match(name) and name.endswith(f"-{ending}") and _TYPE.match(value):
                return Kind(path=f"$header.{name}", value=value, why="by the header's name")
    found = [
        (len(leaf.steps) * 20 + _KEYS.index(leaf.key), leaf)
        for leaf in leaves(body)
        if leaf.key in _KEYS and len(leaf.steps) <= 2 and isinstance(leaf.value, str) and _TYPE.match(leaf.value)
        and not leaf.in_list and (len(leaf.steps) == 1 or leaf.around[0] in _ENVELOPES)
    ]  # fmt: skip
    for _, leaf in sorted(found, key=lambda pair: pair[0]):
        path = expression(leaf.steps, body)
        if path is not None:
            return Kind(path=path, value=leaf.value, why="by its key")
    return None


def dedup_key_of(
    body: Any, headers: Mapping[str, str], *, kind: str | None, sender: str | None
) -> tuple[tuple[str, ...], str] | None:
    """What is equal in every repeat of one webhook, and why.

    A wrong key would make two webhooks one and lose the second, so only what names the webhook itself is taken: a
    header or key of such a name, the id of an envelope, or the kind with an id and the time of its last change.
    """
    if sender is not None and sender in _KNOWN and (named := _KNOWN[sender][1]) is not None:
        return tuple(f"$header.{name}" for name in named), f"{sender} says it in headers"
    for name in headers:
        if _ID_HEADER.match(name):
            return (f"$header.{name}",), "by the header's name"
    if not isinstance(body, dict):
        return None
    by_key = {normal(key): key for key in body}

    def path(key: str) -> str | None:
        value = body[by_key[key]] if key in by_key else None
        text = as_text(value)
        if text is None or isinstance(value, bool) or not text.strip():
            return None
        return expression((by_key[key],), body)

    for key in _UNIQUE:
        if (found := path(key)) is not None:
            return (found,), "by its key"
    own = path("id")
    if own is None or kind is None:
        return None
    envelope = kind.startswith("$.") and kind.count(".") == 1
    if envelope and any(
        key in by_key and isinstance(body[by_key[key]], dict) for key in ("data", "payload", "resource")
    ):
        return (own,), "the id beside the kind, with the data in an object of its own"
    changed = next((found for key in _CHANGED if (found := path(key)) is not None), None)
    return None if changed is None else ((kind, own, changed), "the id with the time of the last change")
