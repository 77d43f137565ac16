"""What governs a command besides its body: how often, to whom, and at what hours. Frozen values and pure decisions.

Rules make these, the store enforces those that need memory (once, limit, names), the dispatcher asks for the hours.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import msgspec


class Once(msgspec.Struct, frozen=True, kw_only=True):
    """At most one command per key. The first claims the key; it is given back when that command fails, expires, is
    cancelled or suppressed, unless an attempt with an unknown outcome may have reached the customer."""

    scope: str
    """The rule's (``source/rule id``) or a name that rules share (``shared/NAME``)."""
    key: str
    until: datetime | None = None
    """When the key is free again; None: never."""


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """At most so many commands per key within a length of time, counted when they leave."""

    scope: str
    """``source/rule id``, ``source`` for a limit of all the file's rules, ``shared/NAME`` for one that rules share."""
    key: str
    at_most: int
    within: int
    """Seconds."""


class Same(msgspec.Struct, frozen=True, kw_only=True):
    """An identify that need not be sent where the last one of its customer said the same a short while ago."""

    digest: str
    """Of all that it says but for ``messageId`` and ``timestamp``."""
    within: int
    """Seconds, from the acceptance of the last one."""


class QuietHours(msgspec.Struct, frozen=True, kw_only=True):
    """Hours of the day in which a customer is left alone."""

    start: int
    """Minutes after midnight, by the clock of ``zone``; these hours may go over midnight."""
    end: int
    zone: str

    def ends_at(self, moment: datetime) -> datetime | None:
        """When the quiet hours that ``moment`` falls into end, in UTC; None where it falls into none.

        By the wall clock, so a day with 23 or 25 hours keeps its morning. A clock time that a day does not have (the
        hour that is skipped in spring) counts as the same time by the offset before it.
        """
        local = moment.astimezone(ZoneInfo(self.zone))
        minute = local.hour * 60 + local.minute
        over_midnight = self.start > self.end
        inside = minute >= self.start or minute < self.end if over_midnight else self.start <= minute < self.end
        if not inside:
            return None
        day = local.date() + timedelta(days=1 if over_midnight and minute >= self.start else 0)
        wakes = datetime.combine(day, time(self.end // 60, self.end % 60), tzinfo=local.tzinfo)
        return wakes.astimezone(UTC)


class Cancellation(msgspec.Struct, frozen=True, kw_only=True):
    """Withdraws the command of a name while it waits."""

    source: str
    """Names belong to their source."""
    name: str
    rule: str
    """The id of the rule that says so."""
