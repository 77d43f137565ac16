"""What a row about a sender holds, and the shapes that several senders share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """One way in which one sender proves itself.

    ``verify: NAME`` in a rules file means these keys. The defaults of a kind (sha256, hex, signed ``{body}``) are left
    out of them.
    """

    title: str
    """The sender, as it calls itself, and which of its schemes this is where it has several."""
    keys: Mapping[str, Any]
    source: str
    """Where the fact stands: the sender's documentation or code, or who read it there."""
    kind: str = "hmac"
    dedup_key: str = ""
    """What tells repeats apart, as the value of ``dedup_key``; empty where the sender gives no such id."""
    challenge: str | None = None
    """The preset of ``challenge`` that the sender needs."""
    note: str = ""
    """What else there is to know: what is not covered, which secret is the key."""


def timed(header: str, signed: str = "{timestamp}.{body}", *, tolerance: str | None = "5m") -> dict[str, Any]:
    """``t=…,v1=…`` in one header, as Stripe began it."""
    keys = {"header": header, "signed": signed, "parse": {"timestamp": "t", "signature": "v1"}}
    return keys if tolerance is None else {**keys, "tolerance": tolerance}


STANDARD: Final[Mapping[str, Any]] = {
    "encoding": "base64",
    "separator": " ",
    "prefix": "v1,",
    "signed": "{id}.{timestamp}.{body}",
    "tolerance": "5m",
    "key": "whsec",
}


def standard(headers: str = "webhook") -> dict[str, Any]:
    """Standard Webhooks under a prefix of its own: ``webhook-`` or ``svix-``."""
    return {
        **STANDARD,
        "header": f"{headers}-signature",
        "id_header": f"{headers}-id",
        "timestamp_header": f"{headers}-timestamp",
    }


def public(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The same without what only a keyed hash has."""
    return {name: value for name, value in keys.items() if name != "key"}
