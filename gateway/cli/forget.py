"""``gateway forget``: erase one person, and print the proof."""

from __future__ import annotations

import sys
from typing import Any

import click

from gateway.cli.group import FOUND
from gateway.cli.output import json_option, local_time, print_json, printable, zone_name
from gateway.cli.reader import View, reader, reader_options

_WORDS = {
    "webhooks": "webhooks, with their bodies and what was fetched for them",
    "commands": "commands, with their bodies",
    "attempts": "attempts",
    "keys": "dedup keys, once claims, names and uses of limits",
    "quarantined": "requests in quarantine",
    "replays": "replays whose filter named the person",
}


@click.command(short_help="Erase one person, and print the proof.")
@click.argument("user")
@click.option("--also", multiple=True, metavar="TEXT", help="What else names the person: an e-mail address, a phone.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--dry-run", is_flag=True, help="Only count.")
@reader_options
@json_option
def forget(
    user: str, also: tuple[str, ...], yes: bool, dry_run: bool, as_json: bool, server: str | None, store: str | None
) -> None:
    """Erase the person whose userId is USER from the store, and print the proof.

    Out go the webhooks with a command to USER, and those in which USER, or a text of --also, is a whole word, with
    their commands (what waits is not sent), attempts and keys, and requests in quarantine that hold it. What is on its
    way at the moment is left and told, with exit status 1: run it again.

    Not reached are backups, logs of proxies, and Intilery: erase the person there, too.

    \b
    Example:
      gateway forget 4711 --also ada@example.com --also '+44 20 7946 0958'
    """
    where = reader(server=server, store=store)
    asked: dict[str, Any] = {"user": user, "also": list(also)}
    if not (yes or dry_run):
        count = where.forget({**asked, "dry_run": True})
        question = f"Erase {count['webhooks']:,} webhooks with {count['commands']:,} commands for good?"
        if not sys.stdin.isatty():
            raise click.UsageError(f"{question} Nobody is there to answer; give --yes")
        if not click.confirm(question, err=True):
            click.echo("nothing was done", err=True)
            return
    view = where.forget({**asked, "dry_run": dry_run})
    if as_json:
        print_json(view)
    else:
        _show(view)
    if view["left"] or (view["remaining"] and not dry_run):
        click.get_current_context().exit(FOUND)


def _show(view: View) -> None:
    verb = "would erase" if view["dry_run"] else "erased"
    click.echo(f"{verb} {printable(view['user'])}, {local_time(view['at'])} {zone_name()}")
    if view["texts"]:
        click.echo(f"  looked for   {printable(', '.join(view['texts']))}")
    if view["user"] not in view["texts"]:
        click.echo(f"  not looked for in payloads: {printable(view['user'])}, which is too short", err=True)
    for name, words in _WORDS.items():
        if not view["dry_run"] or name in ("webhooks", "commands"):
            click.echo(f"  {view[name]:>11,}  {words}")
    for id in view["left"]:
        click.echo(f"left: webhook {id}: a command of it is on its way or being looked up; run this again", err=True)
    if not view["dry_run"]:
        count = view["remaining"]
        proof = "nothing that names the person is left" if not count else f"{count:,} webhooks name the person still"
        click.echo(f"  looked again: {proof}")
