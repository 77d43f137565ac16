"""``gateway shadow``: what shadow rules would have done otherwise."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.output import json_option, local_time, print_json, print_table, printable, zone_name
from gateway.cli.reader import View, reader, reader_options
from gateway.cli.short_ids import short_ids

_KINDS = {"appears": "green", "vanishes": "red", "changes": "yellow"}


@click.command(short_help="What shadow rules would have done otherwise.")
@click.option("--candidate", metavar="VERSION", help="Only under this version of the shadow rules.")
@click.option("--source", metavar="NAME", help="Only those of this source.")
@click.option("--rule", metavar="ID", help="Only those of this rule.")
@click.option("--kind", metavar="KIND", help="Only appears, vanishes or changes.")
@click.option("--limit", metavar="N", default="20", show_default=True, help="Differences of a page.")
@click.option("--cursor", metavar="TEXT", help="The next page, as the page before said.")
@reader_options
@json_option
def shadow(as_json: bool, server: str | None, store: str | None, **options: str | None) -> None:
    """List what the shadow rules (serve --shadow-rules DIR) would have done otherwise: counts by rule, then the newest
    differences. They sent nothing.

    See one with its values: gateway replay --diff --rules DIR ID

    \b
    Examples:
      gateway shadow
      gateway shadow --rule 'Order confirmation' --kind changes
    """
    asked = {name: value for name, value in options.items() if value is not None}
    view = reader(server=server, store=store).shadow(asked)
    if as_json:
        print_json(view)
        return
    if options["cursor"] is None:
        _print_counts(view, options)
    _print_differences(view)
    if view["next"] is not None:
        click.echo(f"there are more: --cursor {view['next']}", err=True)
    elif not view["candidates"]:
        click.echo("nothing was compared yet; see gateway serve --shadow-rules DIR", err=True)


def _print_counts(view: View, options: dict[str, Any]) -> None:
    for number, candidate in enumerate(view["candidates"]):
        rules = [
            row
            for row in candidate["rules"]
            if options["source"] in (None, row["source"]) and options["rule"] in (None, row["rule"])
        ]
        compared = f"{candidate['webhooks']:,} webhook{'' if candidate['webhooks'] == 1 else 's'} compared"
        until = f"the last at {local_time(candidate['last_at'])} {zone_name()}"
        head = click.style(f"shadow rules {candidate['candidate']}", bold=True)
        click.echo(f"{head}: {compared}, {until}{'' if rules else '; no differences'}")
        if rules and number == 0:
            print_table(
                ("SOURCE", "RULE", "APPEARS", "VANISHES", "CHANGES"),
                (
                    (
                        row["source"],
                        printable(row["rule"]),
                        *(f"{row[kind]:,}" if row[kind] else "-" for kind in _KINDS),
                    )
                    for row in rules
                ),
                flexible=("RULE",),
            )


def _count(count: int) -> str:
    return f"{count:,}" if count else "-"


def _print_differences(view: View) -> None:
    if not view["items"]:
        return
    click.echo()
    shown = short_ids(row["webhook"] for row in view["items"])
    print_table(
        (f"AT ({zone_name()})", "KIND", "COMMAND", "SOURCE", "RULE", "WEBHOOK", "WHERE"),
        (
            (
                local_time(row["at"])[len("2026-") :],
                click.style(row["kind"], fg=_KINDS[row["kind"]]),
                row["command"],
                row["source"],
                printable(row["rule"]),
                shown[row["webhook"]],
                printable(", ".join(row["paths"])),
            )
            for row in view["items"]
        ),
        flexible=("SOURCE", "RULE", "WHERE"),
    )
