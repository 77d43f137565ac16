"""``gateway pause``, ``resume`` and ``probe``: stop what leaves, and let it go on."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from typing import Any

import click

from gateway.cli.group import FOUND
from gateway.cli.output import json_option, local_time, print_json, print_table, printable
from gateway.cli.reader import View, reader, reader_options


def _what_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is to be paused or resumed: a destination, or a source, or a rule of a source."""
    for decorate in (
        json_option,
        reader_options,
        click.option("--rule", metavar="ID", help="With --source: only this rule of it."),
        click.option("--source", metavar="NAME", help="A source, instead of a destination."),
        click.argument("destination", required=False),
    ):
        command = decorate(command)
    return command


def _what(destination: str | None, source: str | None, rule: str | None) -> tuple[str, str]:
    """The scope, and the name in it."""
    if (destination is None) == (source is None):
        raise click.UsageError("what? Give a DESTINATION, or --source NAME, or --source NAME --rule ID")
    if destination is not None:
        if rule is not None:
            raise click.UsageError("--rule goes with --source: rules belong to sources")
        return "destination", destination
    assert source is not None
    return ("source", source) if rule is None else ("rule", f"{source}/{rule}")


@click.command(short_help="Stop what leaves for a destination, or for a source or rule.")
@_what_options
@click.option("--reason", metavar="TEXT", help="Why, for those who wonder later.")
@click.option("--by", metavar="NAME", help="Who; your login name if not given.")
def pause(
    destination: str | None,
    source: str | None,
    rule: str | None,
    reason: str | None,
    by: str | None,
    as_json: bool,
    server: str | None,
    store: str | None,
) -> None:
    """Send nothing more to a destination, or no more commands of a source or of one of its rules, until resumed.

    Webhooks are taken in and translated as ever. The commands wait, over restarts and for all gateways that share the
    store; those of a paused source or rule let others of their customers go first. What is on its way ends.

    \b
    Examples:
      gateway pause uk --reason 'Intilery moves house tonight'
      gateway pause --source shopify
      gateway pause --source shopify --rule 'Order confirmation'
    """
    scope, name = _what(destination, source, rule)
    asked = {"by": by or _login(), "reason": reason}
    view = reader(server=server, store=store).pause(scope, name, asked)
    if as_json:
        print_json(view)
    else:
        click.echo(f"{scope} {name} is paused since {local_time(view['since'])} by {printable(view['by'])}")


@click.command(short_help="Let a destination, source or rule go on.")
@_what_options
@click.option("--preview", is_flag=True, help="Only say how many commands would go, or have expired meanwhile.")
def resume(
    destination: str | None,
    source: str | None,
    rule: str | None,
    preview: bool,
    as_json: bool,
    server: str | None,
    store: str | None,
) -> None:
    """End a pause. Where the gateway paused a destination itself, because it refuses the token, one command tries.

    \b
    Examples:
      gateway resume uk --preview
      gateway resume --source shopify
    """
    scope, name = _what(destination, source, rule)
    view = reader(server=server, store=store).resume(scope, name, preview=preview)
    if as_json:
        print_json(view)
    elif preview:
        _show_preview(view)
    else:
        click.echo(f"{scope} {name} is resumed" if view["resumed"] else f"{scope} {name} was not paused")
    if not preview and not view["resumed"]:
        click.get_current_context().exit(FOUND)


def _show_preview(view: View) -> None:
    if view["rules"]:
        print_table(
            ("WOULD GO", "WOULD EXPIRE", "WAIT ON", "SOURCE", "COMMAND", "RULE"),
            (
                (
                    f"{row['go']:,}",
                    f"{row['expire']:,}",
                    f"{row['later']:,}",
                    row["source"],
                    row["command"],
                    printable(row["rule"]),
                )
                for row in view["rules"]
            ),
        )
    rate = f", in about {view['seconds']:,} s" if view.get("seconds") else ""
    not_paused = "" if view["paused"] else "; it is not paused"
    told = f"{view['go']:,} would go{rate}, {view['expire']:,} would expire, {view['later']:,} wait on{not_paused}"
    click.echo(f"{told}; nothing was done (--preview)", err=True)


@click.command(short_help="Ask a destination whether its address and token are good.")
@click.argument("destination")
@reader_options
@json_option
def probe(destination: str, as_json: bool, server: str | None, store: str | None) -> None:
    """Read one event of a destination's account. Sends nothing; where it works, a pause for a refused token ends.

    \b
    Example:
      gateway probe default
    """
    view = reader(server=server, store=store).probe(destination)
    if as_json:
        print_json(view)
    elif view["passed"]:
        click.echo(f"{destination}: its address and its token are good")
    else:
        click.echo(f"{destination}: {printable(view['message'])}", err=True)
    if not view["passed"]:
        click.get_current_context().exit(FOUND)


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "somebody at the command line"
