"""Gateways wake one another: LISTEN and NOTIFY, so that nobody has to ask again and again what others wrote.

A notification says for which destination something was committed, and by whom. It goes after the commit, in a
transaction of its own that waits for no disk: PostgreSQL commits those that notify one after the other, so one that
went with the receptions would make all gateways commit in turn. What was lost on the way (a gateway that died between,
a pooler that swallows LISTEN) is found by the dispatchers' slow look-out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable
from datetime import timedelta

import psycopg

from gateway.backoff import Backoff
from gateway.store.postgres.statements import Connection

CHANNEL = "gateway_due"
APART = 0.02
"""Seconds between two notifications of one gateway; what comes between goes together."""
_TELL = """
SELECT set_config('synchronous_commit', 'off', true), pg_notify('gateway_due', %s || ' ' || name)
FROM unnest(%s::text[]) AS name
"""
LONGEST = 7000
"""Characters of a name that a notification takes: the server's limit is 8,000 bytes, and names are of ASCII mostly."""

Connect = Callable[[], Awaitable[Connection]]


class Waker:
    """Tells others of what this gateway wrote, and hears what they wrote. Both on a connection that is made anew."""
