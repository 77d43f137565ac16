"""``gateway move``: from an SQLite file to PostgreSQL."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime

import click

from gateway.cli.group import FOUND
from gateway.cli.output import json_option, print_json, progress_bar
from gateway.errors import SettingsError
from gateway.store import without_driver


@click.command(short_help="Move everything from an SQLite file to PostgreSQL.")
@click.option("--from", "source", metavar="URL", required=True, help="What there is: sqlite:///FILE.")
@click.option("--to", "target", metavar="URL", help="An empty database: postgresql://…")
@click.option("--abandon", is_flag=True, help="Give the move up: let the file serve again, as it was when it began.")
@json_option
def move(source: str, target: str | None, abandon: bool, as_json: bool) -> None:
    """Move webhooks, commands and all else that is remembered from an SQLite file to PostgreSQL.

    Stop the gateway first: what arrives meanwhile, its senders send again. A move that broke off goes on where it
    stopped when it is run again. In the end the counts of both sides are compared, table by table; before they are
    equal, nothing can be served from the database. The file serves no more from the beginning on, so that nothing is
    sent from both; --abandon takes that back.

    \b
    Example:
      gateway move --from sqlite:///gateway.db --to postgresql://gateway@db.internal/gateway
    """
    try:
        from gateway.store import moving
    except ImportError as error:
        raise without_driver(error) from error

    if abandon:
        was = moving.abandon(source)
        if as_json:
            print_json({"abandoned": was})
        else:
            click.echo(f"{source} may serve again" if was else f"{source} was not being moved")
        raise SystemExit(0 if was else FOUND)
    if target is None:
        raise SettingsError("--to is missing; allowed: postgresql://…, or --abandon")
    with progress_bar("moving", hidden=as_json or not sys.stderr.isatty(), show_pos=True) as progress:
        moved = asyncio.run(moving.move(source, target, now=datetime.now(UTC), progress=progress))
    if as_json:
        print_json({"moved": {one.table: one.rows for one in moved}})
        return
    for one in moved:
        click.echo(f"  {one.rows:>14,}  {one.table}")
    click.echo("the counts of both sides are equal; serve from there now")
