"""The processes that deliver from one database, and have their part of the places in flight to every address.

The server's clock says how long ago each was heard of: those of the processes may differ by more than that.
"""

from __future__ import annotations

from gateway.store.postgres.statements import Connection, fetch_one, run

_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_SAY = f"""
INSERT INTO sharers (process, seen_at) VALUES (%s, {_NOW})
ON CONFLICT (process) DO UPDATE SET seen_at = excluded.seen_at
"""  # noqa: S608 - made of constants
_COUNT = f"SELECT count(*) FROM sharers WHERE seen_at > {_NOW} - %s OR process = %s"  # noqa: S608 - as above
_SIGN_OFF = f"DELETE FROM sharers WHERE process = %s OR seen_at < {_NOW} - 86400000000"  # noqa: S608 - as above
RECENTLY = 10_000_000
"""Microseconds within which whoever delivers has said so."""


async def say(db: Connection, asked: tuple[str, int]) -> int:
    """``(process, within how many microseconds others count)``; how many there are."""
    process, within = asked
    await run(db, _SAY, (process,))
    return await count(db, process=process, within=within)


async def count(db: Connection, *, process: str = "", within: int = RECENTLY) -> int:
    """How many deliver, ``process`` in any case."""
    row = await fetch_one(db, _COUNT, (within, process))
    assert row is not None
    return int(row[0])


async def sign_off(db: Connection, process: str) -> None:
    """Forget it, and those that died a day ago or longer."""
    await run(db, _SIGN_OFF, (process,))
