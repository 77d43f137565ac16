"""The processes that deliver from one database, and share the rate of every destination."""

from __future__ import annotations

from gateway.store.postgres.statements import Connection, fetch_one, run

_SAY = """
INSERT INTO sharers (process, seen_at) VALUES (%s, %s)
ON CONFLICT (process) DO UPDATE SET seen_at = greatest(sharers.seen_at, excluded.seen_at)
"""
_COUNT = "SELECT count(*) FROM sharers WHERE seen_at > %s OR process = %s"
_SIGN_OFF = "DELETE FROM sharers WHERE process = %s OR seen_at < (SELECT max(seen_at) - 86400000000 FROM sharers)"


async def say(db: Connection, asked: tuple[str, int, int]) -> int:
    """``(process, now, since when others count)`` in microseconds; how many there are."""
    process, now, since = asked
    await run(db, _SAY, (process, now))
    row = await fetch_one(db, _COUNT, (since, process))
    assert row is not None
    return int(row[0])


async def sign_off(db: Connection, process: str) -> None:
    """Forget it, and those that died a day ago or longer."""
    await run(db, _SIGN_OFF, (process,))
