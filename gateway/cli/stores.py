"""``gateway backup``, ``inspect`` and ``migrate``: the store itself."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import click

from gateway.cli.output import json_option, local_time, print_json, print_table, progress_bar, styled_state, zone_name
from gateway.cli.reader import View
from gateway.errors import SettingsError
from gateway.settings import Settings

_SQLITE = "sqlite:///"


@click.command(short_help="Copy the store, also while it is served.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--store", metavar="URL", help="The store [GATEWAY_STORE].")
@json_option
def backup(file: Path, store: str | None, as_json: bool) -> None:
    """Copy the store to FILE, also while a gateway serves from it, and check the copy.

    The copy is the database as it is at one moment, readable by its owner only. It is written over no other file. For
    PostgreSQL use its own means: pg_dump, or base backups with the log.

    \b
    Example:
      gateway backup /backups/gateway-2026-01-05.db
    """
    from gateway.store.sqlite.backup import back_up

    settings = Settings.from_environ(os.environ, store=store)
    if not settings.store.startswith(_SQLITE):
        raise SettingsError("backup copies an SQLite store; of PostgreSQL make one with pg_dump or pg_basebackup")
    source = Path(settings.store.removeprefix(_SQLITE))
    with progress_bar("copying", hidden=as_json or not sys.stderr.isatty()) as progress:
        size = back_up(source, file, progress=progress)
    if as_json:
        print_json({"file": str(file), "bytes": size, "checked": True})
    else:
        click.echo(f"{file}: {size:,} bytes, checked; it holds customers' data")


@click.command(short_help="Say what the store holds.")
@click.option("--store", metavar="URL", help="The store [GATEWAY_STORE].")
@json_option
def inspect(store: str | None, as_json: bool) -> None:
    """Say what the store holds: webhooks and commands by state, sources, versions of the rules, quarantine, its size.

    It counts everything, which takes some seconds with millions of webhooks; a serving gateway goes on meanwhile.

    \b
    Example:
      gateway inspect
    """
    from gateway.admin.inspection import inspection
    from gateway.store import open_store

    settings = Settings.from_environ(os.environ, store=store)
    path = Path(settings.store.removeprefix(_SQLITE)) if settings.store.startswith(_SQLITE) else None
    if path is not None and not path.exists():
        raise SettingsError(
            f"--store {settings.store}: no such file (gateway serve makes it); give --store, or GATEWAY_STORE"
        )

    async def look() -> View:
        opened = open_store(settings.store)
        await opened.open(serving=False)
        try:
            return await inspection(opened)
        finally:
            await opened.close()

    view = {"store": _shown(settings), **asyncio.run(look()), "files": {} if path is None else _sizes(path)}
    if as_json:
        print_json(view)
    else:
        _show(view)


@click.command(short_help="Bring the store's schema up to this gateway's.")
@click.option("--store", metavar="URL", help="The store [GATEWAY_STORE].")
@json_option
def migrate(store: str | None, as_json: bool) -> None:
    """Apply the migrations that the store lacks. A gateway does so itself when it starts; this is for doing it before.

    Migrations only go forward: make a backup first. An older gateway refuses a newer schema. Several at once take
    turns; where nothing is missing, nothing is done.

    \b
    Example:
      gateway migrate --store postgresql://gateway@db/gateway
    """
    from gateway.store.migrating import bring_up

    settings = Settings.from_environ(os.environ, store=store)
    before, now = asyncio.run(bring_up(settings.store))
    if as_json:
        print_json({"store": _shown(settings), "before": before, "now": now})
    elif before == now:
        click.echo(f"{_shown(settings)}: its schema is {now}; nothing was missing")
    else:
        click.echo(f"{_shown(settings)}: its schema was {before} and is {now}")


def _shown(settings: Settings) -> str:
    from gateway.admin.status import shown_store

    return shown_store(settings.store)


def _sizes(path: Path) -> dict[str, int]:
    """The database and what stands beside it, in bytes."""
    files = (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm"))
    return {file.name: file.stat().st_size for file in files if file.exists()}


def _show(view: View) -> None:
    click.echo(click.style(view["store"], bold=True))
    for name, size in view["files"].items():
        click.echo(f"  {size:>14,}  bytes in {name}")
    for noun in ("webhooks", "commands"):
        click.echo(f"  {view[noun]['count']:>14,}  {noun}")
        for state, count in view[noun]["by_state"].items():
            click.echo(f"  {count:>14,}    {styled_state(state)}")
    for name, words in (
        ("quarantined", "requests in quarantine"),
        ("rules_versions", "versions of the rules"),
        ("shadow_candidates", "versions of shadow rules"),
        ("replays", "replays of many"),
    ):
        unfinished = view["unfinished_replays"] if name == "replays" else 0
        more = f", {unfinished:,} of them not finished" if unfinished else ""
        click.echo(f"  {view[name]:>14,}  {words}{more}")
    if view["sources"]:
        click.echo()
        print_table(
            ("SOURCE", "WEBHOOKS", f"LAST HEARD ({zone_name()})"),
            (
                (row["name"], f"{row['webhooks']:,}", local_time(row["last_heard"]) if row["last_heard"] else "-")
                for row in view["sources"]
            ),
        )
