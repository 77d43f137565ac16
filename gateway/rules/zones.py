"""Which time zone a text that names none was meant to be."""

from __future__ import annotations

from functools import cache
from zoneinfo import available_timezones

from gateway.rules.problems import nearest


def zone_hint(found: str) -> str:
    """``"; did you mean 'Europe/London'?"`` for ``London`` or ``Europe/Lodon``; nothing where no zone is near."""
    zones = _zones()
    place = found.strip().replace(" ", "_").casefold()
    # Some cities stand in two regions: Asia/Istanbul is Europe/Istanbul.
    named = sorted(
        (name for name in zones if name.rpartition("/")[2].casefold() == place),
        key=lambda name: not name.startswith("Europe/"),
    )
    near = named[0] if named else nearest(found, zones, cutoff=0.8)
    return f"; did you mean '{near}'?" if near else ""


@cache
def _zones() -> tuple[str, ...]:
    return tuple(sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")))
