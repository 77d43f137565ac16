"""From an SQLite file to PostgreSQL: all that is remembered, table by table, resumable, with counts proven equal.

While it moves, and after, the file refuses to serve (table ``moved``), so that nothing is sent from both. The database
refuses to serve until all has come (table ``moving``). Portions are copied in transactions that also say how far they
came, so a move that broke off goes on where it stopped.

Both schemas use one vocabulary: a column goes to the column of the same name, and its type there says in which form.
Only what the tables differ in is written out here, as SQL over the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from gateway.errors import Conflict, SettingsError, StoreUnavailable
from gateway.model import FINAL_STATES
from gateway.store.postgres import parts
from gateway.store.postgres.database import address_of, migrate, name_of
from gateway.store.postgres.database import connect as connect_postgres
from gateway.store.postgres.rows import DAY, OPEN, digest
from gateway.store.postgres.statements import Connection, fetch
from gateway.store.rows import micros, octets
from gateway.store.sqlite.database import ServingLock
from gateway.store.sqlite.database import connect as connect_sqlite
from gateway.store.sqlite.database import migrate as migrate_sqlite

PORTION = 5_000
"""Rows in one transaction."""
FINAL = ", ".join(f"'{state.value}'" for state in sorted(FINAL_STATES))
FOR_EVER = 100 * 365 * 86_400
"""Seconds that a use of a limit counts whose command is not kept any more."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known of a table beyond its columns."""

    name: str
    join: str = ""
    """SQL behind ``FROM name AS t``, for what other tables know."""
    more: Mapping[str, str] = {}
    """Columns of PostgreSQL that the file has not, as SQL over the file."""
    digests: Mapping[str, str] = {}
    """Columns of PostgreSQL that hold the SHA-256 of a column of the file."""
    sequence: str | None = None
    """What hands out ``seq``."""


def _day(webhook: str) -> str:
    """The part that a webhook belongs to; that of the oldest where it is not kept any more."""
    return f"max(1, coalesce({webhook}.received_at, 0) / {DAY})"


_ITS_WEBHOOK = "LEFT JOIN webhooks AS w ON w.id = t.webhook_id"
TABLES = (
    Table(name="rules_versions"),
    Table(name="rules_served", sequence="rules_served"),
    Table(name="rule_counts", more={"slot": "0"}),
    Table(name="webhooks", more={"part": _day("t")}, sequence="webhook_seq"),
    Table(name="batches"),
    Table(name="quarantine", sequence="quarantine"),
    Table(name="keys"),
    Table(name="fetched"),
    Table(name="dedup", join=_ITS_WEBHOOK, more={"part": _day("w")}, digests={"key": "key"}),
    Table(
        name="commands",
        join=f"{_ITS_WEBHOOK} JOIN bodies AS b ON b.command_seq = t.seq",
        more={
            "part": f"iif(t.state IN ({FINAL}), {_day('w')}, {OPEN})",
            "day": _day("w"),
            "body": "b.body",
        },
        sequence="command_seq",
    ),
    Table(
        name="attempts",
        join="LEFT JOIN commands AS c ON c.seq = t.command_seq LEFT JOIN webhooks AS w ON w.id = c.webhook_id",
        more={"part": _day("w")},
    ),
    Table(name="once", digests={"key": "key"}),
    Table(name="names", digests={"name": "name"}),
    Table(
        name="uses",
        join="LEFT JOIN commands AS c ON c.id = t.command_id",
        more={"until": f"t.at + 1000000 * coalesce(json_extract(CAST(c.terms AS TEXT), '$.limit.within'), {FOR_EVER})"},
        digests={"key": "key"},
    ),
    Table(name="pauses"),
    Table(name="identified", digests={"customer": "user_id"}),
    Table(name="markers"),
    Table(name="replays"),
    Table(name="shadow_counts"),
    Table(name="shadow_differences", sequence="shadow_differences"),
)
LEFT_BEHIND = frozenset({"bodies", "pulse", "moved", "sqlite_sequence"})
"""Tables of the file that have no like: bodies go with their commands, the others hold nothing to remember."""


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A table that has come."""

    table: str
    rows: int
    """In the database."""
    of: int
    """In the file."""


Progress = Callable[[int, int], None]
"""Is told how many rows of all tables have come, and how many there are."""


async def move(source: str, target: str, *, now: datetime, progress: Progress) -> Sequence[Moved]:
    """Move all from ``sqlite:///FILE`` to ``postgresql://…``, or go on where a move of the same two broke off. One that
    is done is only told again: the database may be in use since.

    ``progress`` is told after each portion.

    :return: each table with its count, the same on both sides.
    :raises SettingsError: not such addresses, or no such file.
    :raises StoreInUse: a gateway serves from the file.
    :raises Conflict: the database holds something else; or the counts differ in the end, and nothing is served.
    """
    path = file_of(source)
    name = name_of(target)
    lock = ServingLock(path)
    try:
        file = connect_sqlite(path)
        try:
            migrate_sqlite(file, path)
            async with _database(target) as db:
                await _begin(file, db, path=path, name=name, now=now)
                counts = {table.name: _count(file, table) for table in TABLES}
                if came := await _done(db):
                    return [Moved(table=table, rows=rows, of=counts[table]) for table, rows in came.items()]
                moved: list[Moved] = []
                for table in TABLES:
                    before = sum(one.rows for one in moved)
                    count = partial(_count_up, progress, before, sum(counts.values()))
                    rows = await _move_table(file, db, table, count)
                    moved.append(Moved(table=table.name, rows=rows, of=counts[table.name]))
                await _end(db, moved, name=name)
                return moved
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{path}: {error}") from error
        finally:
            file.close()
    finally:
        lock.release()


def abandon(source: str) -> bool:
    """Let the file serve again, as it was when the move began. What came to the database stays there.

    :return: Whether it was being moved, or had been.
    """
    path = file_of(source)
    lock = ServingLock(path)
    try:
        file = connect_sqlite(path)
        try:
            migrate_sqlite(file, path)
            return file.execute("DELETE FROM moved").rowcount > 0
        finally:
            file.close()
    finally:
        lock.release()


def file_of(source: str) -> Path:
    """:raises SettingsError: not an SQLite file that is there."""
    if not source.startswith("sqlite:///"):
        raise SettingsError(f"--from {source.split(':', 1)[0]}: moves begin at an SQLite file; allowed: sqlite:///FILE")
    path = Path(source.removeprefix("sqlite:///"))
    if not path.is_file():
        raise SettingsError(f"--from {source}: there is no such file")
    return path


@asynccontextmanager
async def _database(target: str) -> AsyncIterator[Connection]:
    if not target.startswith(("postgresql://", "postgres://")):
        raise SettingsError(f"--to {target.split(':', 1)[0]}: moves end at PostgreSQL; allowed: postgresql://…")
    name = name_of(target)
    try:
        async with await connect_postgres(address_of(target)) as db:
            await migrate(db, name)
            yield db
    except (psycopg.Error, OSError) as error:
        raise StoreUnavailable(f"{name}: {' '.join(str(error).split())}") from error


async def _begin(file: sqlite3.Connection, db: Connection, *, path: Path, name: str, now: datetime) -> None:
    """Mark both sides; refuse a database that holds what did not come from this file."""
    file.execute("BEGIN IMMEDIATE")
    try:
        file.execute("INSERT OR IGNORE INTO moved (at, target) VALUES (?, ?)", (micros(now), name))
        mark, marked_for = file.execute("SELECT at, target FROM moved").fetchone()
        if marked_for != name:
            raise Conflict(f"{path}: is being moved to {marked_for}; finish that, or let it go with --abandon")
        async with db.transaction():
            await _reserve(db, mark, name=name)
            # Before the database: where only the file knows of the move, it is begun again.
            file.execute("COMMIT")
    except BaseException:
        if file.in_transaction:
            file.execute("ROLLBACK")
        raise


async def _reserve(db: Connection, mark: int, *, name: str) -> None:
    """Keep the database for the move with this mark."""
    await db.execute("SELECT pg_advisory_xact_lock(%s)", [parts.LOCK])
    begun = await fetch(db, "SELECT DISTINCT mark FROM moving")
    if not begun:
        for table in TABLES:
            ((rows,),) = await fetch(db, _query("SELECT count(*) FROM {}", table.name))
            if rows:
                raise Conflict(f"{name}: {table.name} has {rows} rows already; a move needs an empty database")
    elif begun != [(mark,)]:
        raise Conflict(f"{name}: another move into it was begun; finish that one, or empty the database")
    for table in TABLES:
        await db.execute(
            "INSERT INTO moving (name, mark, rows, done) VALUES (%s, %s, 0, false) ON CONFLICT DO NOTHING",
            [table.name, mark],
        )


async def _done(db: Connection) -> dict[str, int]:
    """How many rows of each table came, where all have; else nothing."""
    came = await fetch(db, "SELECT name, rows, done FROM moving")
    rows = {name: rows for name, rows, done in came if done}
    return {table.name: rows[table.name] for table in TABLES} if len(rows) == len(came) else {}


def _count_up(progress: Progress, before: int, total: int, rows: int) -> None:
    progress(before + rows, total)


def _count(file: sqlite3.Connection, table: Table) -> int:
    (count,) = file.execute(f"SELECT count(*) FROM {table.name}").fetchone()  # noqa: S608  a name of this module
    return int(count)


async def _move_table(file: sqlite3.Connection, db: Connection, table: Table, progress: Callable[[int], None]) -> int:
    """Copy what has not come yet; how many rows there are then."""
    ((rows, after),) = await fetch(db, "SELECT rows, after FROM moving WHERE name = %s", [table.name])
    types = await _types(db, table.name)
    read, key = _reading(file, table, types)
    at = None if after is None else _unpacked(after)
    while portion := file.execute(*read(at)).fetchall():
        at = portion[-1][: len(key)]
        rows += len(portion)
        converted = [_converted(row[len(key) :], types, table) for row in portion]
        async with db.transaction():
            if "part" in types and table.name != "dedup":
                place = list(types).index("part")
                await parts.make(db, {row[place] for row in converted} - {OPEN})
            await _copy(db, table.name, types, converted)
            await db.execute("UPDATE moving SET rows = %s, after = %s WHERE name = %s", [rows, _packed(at), table.name])
        progress(rows)
    if table.sequence is not None:
        await _continue_sequence(db, table)
    ((there,),) = await fetch(db, _query("SELECT count(*) FROM {}", table.name))
    return int(there)


async def _end(db: Connection, moved: Sequence[Moved], *, name: str) -> None:
    """Let the database serve, where all has come."""
    if unlike := [one for one in moved if one.rows != one.of]:
        what = ", ".join(f"{one.table} {one.rows} of {one.of}" for one in unlike)
        raise Conflict(f"{name}: the counts differ, so it is not served: {what}")
    await db.execute("UPDATE moving SET done = true")
    await db.execute("ANALYZE")


async def _types(db: Connection, table: str) -> dict[str, str]:
    """The columns of a table with their types, in their order."""
    found = await fetch(
        db,
        "SELECT attname::text, format_type(atttypid, NULL) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        [table],
    )
    return dict(found)


Read = Callable[[Sequence[Any] | None], tuple[str, Sequence[Any]]]


def _reading(file: sqlite3.Connection, table: Table, types: Mapping[str, str]) -> tuple[Read, list[str]]:
    """The query of the portion behind a key, and the columns of that key, with which each row begins."""
    info = file.execute(f"PRAGMA table_info({table.name})").fetchall()
    here = {row[1] for row in info}
    key = [f"t.{name}" for number, name in sorted((row[5], row[1]) for row in info if row[5])] or ["t.rowid"]
    columns = [table.more.get(column) or f"t.{table.digests.get(column, column)}" for column in types]
    missing = [column for column in types if column not in table.more and column not in table.digests]
    assert here.issuperset(missing), f"{table.name}: the file has no {set(missing) - here}"
    keys = ", ".join(key)
    select = f"SELECT {keys}, {', '.join(columns)} FROM {table.name} AS t {table.join}"  # noqa: S608  as above
    behind = f"WHERE ({keys}) > ({', '.join('?' * len(key))})"
    order = f"ORDER BY {keys} LIMIT {PORTION}"

    def read(after: Sequence[Any] | None) -> tuple[str, Sequence[Any]]:
        return (f"{select} {order}", ()) if after is None else (f"{select} {behind} {order}", after)

    return read, key


def _converted(row: Sequence[Any], types: Mapping[str, str], table: Table) -> list[Any]:
    """A row of the file in the forms of PostgreSQL."""
    return [
        digest(value) if column in table.digests else _form(value, type_)
        for value, (column, type_) in zip(row, types.items(), strict=True)
    ]


def _form(value: Any, type_: str) -> Any:
    if value is None:
        return None
    match type_:
        case "boolean":
            return bool(value)
        case "bytea":
            return octets(value) if isinstance(value, str) else value
        case "double precision":
            return float(value)
        case _:
            return value


async def _copy(db: Connection, table: str, types: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> None:
    columns = sql.SQL(", ").join(map(sql.Identifier, types))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(sql.Identifier(table), columns)
    async with db.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(list(types.values()))
        for row in rows:
            await copy.write_row(row)


async def _continue_sequence(db: Connection, table: Table) -> None:
    """The next ``seq`` is behind all that came."""
    sequence = table.sequence
    if sequence == table.name:
        ((sequence,),) = await fetch(db, "SELECT pg_get_serial_sequence(%s, 'seq')", [table.name])
    query = _query("SELECT setval(%s::regclass, coalesce(max(seq), 0) + 1, false) FROM {}", table.name)
    await db.execute(query, [sequence])


def _query(text: str, table: str) -> Any:
    return sql.SQL(text).format(sql.Identifier(table))


def _packed(key: Sequence[Any]) -> bytes:
    return msgspec.msgpack.encode(list(key))


def _unpacked(packed: bytes) -> list[Any]:
    key: list[Any] = msgspec.msgpack.decode(packed)
    return key
