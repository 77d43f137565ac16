"""Known senders: ``verify: NAME`` in a rules file means a row of data, with the secret in ``$env.NAME_SECRET``.

The rows stand in :mod:`gateway.inbound.senders`, each with the source of the fact. A row is built from the sender's
documentation or code; where only somebody else's reading of it was to be had, its source says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from gateway.inbound.senders import booking, commerce, messaging, payments, specs, work
from gateway.inbound.senders.sender import Preset

__all__ = ["PRESETS", "SUBJECTS", "Preset", "default_secret", "defaults"]

SUBJECTS: Final[Mapping[str, Mapping[str, Preset]]] = MappingProxyType(
    {
        "Shops": commerce.ROWS,
        "Payments and accounts": payments.ROWS,
        "Appointments, stays and tickets": booking.ROWS,
        "Mail, messages, forms and customers": messaging.ROWS,
        "Code, calendars, boards and clouds": work.ROWS,
        "Shared schemes": specs.ROWS,
    }
)
"""The presets by the kind of business."""

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    dict(sorted(((name, row) for rows in SUBJECTS.values() for name, row in rows.items()), key=lambda pair: pair[0]))
)
"""Every preset, by its name."""

_PUBLIC: Final = ("ecdsa", "ed25519", "rsa")


def defaults(name: str, given: Mapping[Any, object]) -> dict[str, Any]:
    """The keys of a preset, with the credential that it reads where ``given`` names none."""
    preset = PRESETS[name]
    keys: dict[str, Any] = dict(preset.keys)
    match preset.kind:
        case "basic":
            keys.setdefault("user", f"$env.{name.upper()}_USER")
            keys.setdefault("password", f"$env.{name.upper()}_PASSWORD")
        case kind if kind in _PUBLIC:
            if "published" not in given:
                keys.setdefault("public_key", f"$env.{default_secret(name)}")
        case "jwt":
            if not {"secret", "public_key", "jwks"} & {*given, *keys}:
                keys["secret" if _keyed(preset) else "public_key"] = f"$env.{default_secret(name)}"
        case _:
            keys.setdefault("secret", f"$env.{default_secret(name)}")
    return keys


def default_secret(name: str) -> str:
    """The credential that a preset reads when its ``verify`` names none: ``STRIPE_SECRET`` for ``stripe``."""
    preset = PRESETS[name]
    if preset.kind == "basic":
        return f"{name.upper()}_PASSWORD"
    public = preset.kind in _PUBLIC or (preset.kind == "jwt" and not _keyed(preset))
    return f"{name.upper()}_{'PUBLIC_KEY' if public else 'SECRET'}"


def _keyed(preset: Preset) -> bool:
    return any(str(one).startswith("HS") for one in preset.keys.get("algorithms", ()))
