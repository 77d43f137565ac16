"""``gateway retry``, ``cancel`` and ``settle``: what a person decides about commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gateway.cli.group import FOUND
from gateway.cli.output import json_option, print_json, print_table, printable, styled_state
from gateway.cli.reader import View, reader, reader_options
from gateway.cli.short_ids import whole_id


def _acting(command: Callable[..., Any]) -> Callable[..., Any]:
    """The ids, the filters and the rest that all three have."""
    for decorate in (
        json_option,
        reader_options,
        click.option("--dry-run", is_flag=True, help="Only say which commands these are."),
        click.option("--all", "everything", is_flag=True, help="All that it is possible for, without a filter."),
        click.option("--text", metavar="TEXT", help="Only those that hold this text in the body or the reason."),
        click.option("--until", metavar="MOMENT", help="Only those made before this moment."),
        click.option(
            "--since", metavar="MOMENT", help="Only those made from this moment on: 2026-01-05T10:00:00Z, 2h."
        ),
        click.option("--user", metavar="ID", help="Only those of this customer (userId)."),
        click.option("--rules-version", metavar="VERSION", help="Only those of this version of the rules."),
        click.option("--type", metavar="TYPE", help="Only those of webhooks of this event type."),
        click.option("--webhook", metavar="ID", help="Only those of this webhook."),
        click.option("--command", metavar="NAME", help="Only send_email, start_journey, identify, track ..."),
        click.option("--destination", metavar="NAME", help="Only those for this destination."),
        click.option("--rule", metavar="ID", help="Only those of this rule."),
        click.option("--source", metavar="NAME", help="Only those of this source."),
        click.option("--state", metavar="STATE", help="Only those in this state."),
        click.argument("ids", nargs=-1, metavar="[ID]..."),
    ):
        command = decorate(command)
    return command


@click.command(short_help="Send commands again.")
@_acting
def retry(**options: Any) -> None:
    """Send commands again that are held, have failed or have an unknown outcome, by their IDs or by a filter.

    They join their customers' lines again, where their place is. What is given up counts anew.

    \b
    Examples:
      gateway retry 01a20801fbba709ebb356cc2fafeb402-82232336b9ad
      gateway retry --state failed --since 1d --dry-run
    """
    _act("retry", options)


@click.command(short_help="Drop commands that have not left or did not arrive.")
@_acting
def cancel(**options: Any) -> None:
    """Drop commands that have not left, are held, have failed or have an unknown outcome, by their IDs or by a filter.

    \b
    Examples:
      gateway cancel 01a20801fbba709ebb356cc2fafeb402-82232336b9ad
      gateway cancel --rule Reminder --state waiting
    """
    _act("cancel", options)


@click.command(short_help="Say what became of commands that are held or unknown.")
@_acting
@click.option(
    "--delivered/--not-delivered",
    default=None,
    help="They arrived, and are delivered; or they did not, and are sent again.",
)
def settle(delivered: bool | None, **options: Any) -> None:
    """Say what became of commands that are held or have an unknown outcome, by their IDs or by a filter.

    \b
    Examples:
      gateway settle 01a20801fbba709ebb356cc2fafeb402-82232336b9ad --delivered
      gateway settle --state held --rule Reminder --not-delivered
    """
    if delivered is None:
        raise click.UsageError("did they arrive? Give --delivered or --not-delivered")
    _act("settle", options, delivered=delivered)


def _act(verb: str, options: dict[str, Any], **more: Any) -> None:
    as_json, server, store = (options.pop(name) for name in ("as_json", "server", "store"))
    asked = {
        "ids": list(options.pop("ids")),
        "all": options.pop("everything"),
        "dry_run": options.pop("dry_run"),
        "filter": {name: value for name, value in options.items() if value is not None},
        **more,
    }
    if sum(map(bool, (asked["ids"], asked["filter"], asked["all"]))) != 1:
        raise click.UsageError("which commands? Give IDs, or a filter, or --all; one of the three")
    where = reader(server=server, store=store)
    asked["ids"] = [whole_id(where, id) for id in asked["ids"]]
    if "webhook" in asked["filter"]:
        asked["filter"]["webhook"] = whole_id(where, asked["filter"]["webhook"])
    view = where.act(verb, asked)
    if as_json:
        print_json(view)
    else:
        _show(view)
    if view["refused"]:
        click.get_current_context().exit(FOUND)


def _show(view: View) -> None:
    if view["commands"]:
        print_table(
            ("STATE" if view["dry_run"] else "STATE NOW", "COMMAND", "USER", "DESTINATION", "ID"),
            (
                (styled_state(row["state"]), row["command"], printable(row["user_id"]), row["destination"], row["id"])
                for row in view["commands"]
            ),
        )
    for row in view["refused"]:
        click.echo(f"left out: {printable(row['reason'])}", err=True)
    if not view["commands"] and not view["refused"]:
        click.echo("nothing found", err=True)
    elif view["dry_run"]:
        click.echo(f"{view['count']} found; nothing was done (--dry-run)", err=True)
