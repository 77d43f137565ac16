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


def as_read(url: str) -> str:
    """The source of a fact that was read in hookdeck/webhook-skills, which read it in the sender's documentation."""
    return f"another's reading of {url} (hookdeck/webhook-skills)"


def plain(header: str, **more: str) -> dict[str, Any]:
    """A keyed hash of the body in a header; sha256 in hex unless ``more`` says otherwise."""
    return {"header": header, **more}


def timed(
    header: str,
    signed: str = "{timestamp}.{body}",
    *,
    tolerance: str | None = "5m",
    names: tuple[str, str] = ("t", "v1"),
    **more: str,
) -> dict[str, Any]:
    """``t=…,v1=…`` in one header, as Stripe began it; ``names`` are those of the time and the signature."""
    keys = {"header": header, "signed": signed, "parse": dict(zip(("timestamp", "signature"), names, strict=True))}
    return {**keys, **more} if tolerance is None else {**keys, **more, "tolerance": tolerance}


def stamped(
    header: str, timestamp_header: str, signed: str, *, tolerance: str | None = "5m", **more: str
) -> dict[str, Any]:
    """The time in a header of its own."""
    keys = {"header": header, "timestamp_header": timestamp_header, "signed": signed, **more}
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
