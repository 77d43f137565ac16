"""Ids as lists print them, and what a person types of one: its beginning is enough where it is the only one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from gateway.cli.reader import Reader
from gateway.errors import UnreadableRequest

SHORT = 16
"""Hex digits of a webhook's short id: the first 12 are the millisecond of its receipt."""
SHORT_END = 4
"""Of what a command's id has behind its webhook's."""
_TIMED = 12
_NEAR = timedelta(seconds=1)
"""How far the moment in an id may be from that of receipt."""
_TOO_SHORT = re.compile(r"[0-9a-f]{1,11}")
_SHORTENED = re.compile(r"([0-9a-f]{12,32})(?:-([0-9a-f]*))?")


def short_ids(ids: Iterable[str], *, wide: bool = False) -> dict[str, str]:
    """Each id with its shortest form, of at least :data:`SHORT` digits, that is of no other of these."""
    known = list(dict.fromkeys(ids))
    if wide:
        return {id: id for id in known}
    for more in range(0, 32 - SHORT, 2):
        shown = {id: _short(id, more) for id in known}
        if len(set(shown.values())) == len(known):
            return shown
    return {id: id for id in known}


def _short(id: str, more: int) -> str:
    webhook, dash, end = id.partition("-")
    return webhook[: SHORT + more] + dash + end[: SHORT_END + more]


def whole_id(reader: Reader, given: str) -> str:
    """The id that begins as ``given``: of a webhook, or with a dash of a command. What can't be one stays as it is.

    :raises UnreadableRequest: several begin so, or it is too short to be looked for.
    """
    if _TOO_SHORT.fullmatch(given.lower()):
        raise UnreadableRequest(f"{given} is too short; allowed: an id, or its first {_TIMED} digits or more")
    found = _SHORTENED.fullmatch(given.lower())
    if found is None or (len(found[1]) == 32 and (found[2] is None or len(found[2]) == 12)):
        return given
    webhook, end = found[1], found[2]
    if len(webhook) < 32:
        webhook = _only(given, webhook, (id for id in _received_then(reader, webhook)))
    if end is None or len(webhook) < 32:
        return webhook if end is None else given
    return _only(given, f"{webhook}-{end}", _commands_of(reader, webhook))


def _only(given: str, start: str, ids: Iterable[str]) -> str:
    found = sorted({id for id in ids if id.startswith(start)})
    if len(found) > 1:
        shown = ", ".join(found[:5]) + (" and more" if len(found) > 5 else "")
        raise UnreadableRequest(f"{given} is the beginning of {len(found)} ids: {shown}")
    return found[0] if found else given


def _received_then(reader: Reader, start: str) -> Iterator[str]:
    """The webhooks that were received about when the id says."""
    at = datetime.fromtimestamp(int(start[:_TIMED], 16) / 1000, UTC)
    near = {"since": (at - _NEAR).isoformat(), "until": (at + _NEAR).isoformat(), "limit": "500"}
    for asked in (near, near | {"state": "quarantined"}):
        while True:
            page = reader.webhooks(asked)
            yield from (row["id"] for row in page["items"])
            if page["next"] is None:
                break
            asked = asked | {"cursor": page["next"]}


def _commands_of(reader: Reader, webhook: str) -> Iterator[str]:
    asked = {"webhook": webhook, "limit": "500"}
    while True:
        page = reader.commands(asked)
        yield from (row["id"] for row in page["items"])
        if page["next"] is None:
            return
        asked = asked | {"cursor": page["next"]}
