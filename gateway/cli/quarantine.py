"""``gateway quarantine``: what failed authentication, why, and taking it in once the secret is mended."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import click

from gateway.cli.group import FOUND
from gateway.cli.output import (
    json_option,
    local_time,
    print_json,
    print_table,
    printable,
    styled_state,
    zone_name,
)
from gateway.cli.reader import View, reader, reader_options
from gateway.cli.short_ids import short_ids, whole_id

_ID = re.compile(r"[0-9a-fA-F]{12,32}")


@click.group(invoke_without_command=True, short_help="List requests that failed authentication, and why.")
@click.option("--source", metavar="NAME", help="Only those of this source.")
@click.option(
    "--since", metavar="MOMENT", help="From this moment on: 2026-01-05T10:00:00Z, or a length of time ago: 2h."
)
@click.option("--until", metavar="MOMENT", help="Before this moment.")
@click.option("--text", metavar="TEXT", help="Only those that hold this text in the body or the reason.")
@click.option("--limit", metavar="N", default="50", show_default=True, help="Rows of a page.")
@click.option("--cursor", metavar="TEXT", help="The next page, as the page before said.")
@click.option("--wide", is_flag=True, help="Whole ids.")
@reader_options
@json_option
@click.pass_context
def quarantine(
    context: click.Context, /, wide: bool, as_json: bool, server: str | None, store: str | None, **options: str | None
) -> None:
    """List requests that failed authentication, newest first, with what is wrong with each.

    They were answered 401 and made nothing. gateway show ID has all about one; gateway quarantine release takes them in
    once the secret, or the rules file, is mended.

    \b
    Examples:
      gateway quarantine
      gateway quarantine --source shopify --since 1h
    """
    if context.invoked_subcommand is not None:
        return
    asked = {name: value for name, value in options.items() if value is not None}
    page = reader(server=server, store=store).webhooks({"state": "quarantined"} | asked)
    if as_json:
        print_json(page)
        return
    shown = short_ids((row["id"] for row in page["items"]), wide=wide)
    print_table(
        (f"RECEIVED ({zone_name()})", "SOURCE", "ID", "CAUSE", "WHY"),
        (
            (
                local_time(row["received_at"]),
                row["source"],
                shown[row["id"]],
                row["cause"],
                printable(_why(row)),
            )
            for row in page["items"]
        ),
    )
    if page["next"] is not None:
        click.echo(f"more: --cursor {page['next']}", err=True)
    elif page["items"]:
        click.echo("once that is mended: gateway quarantine release SOURCE, or an ID", err=True)


def _why(row: View) -> str:
    """What was found; of a time that is off, how far."""
    found = row["findings"] and row["cause"] != "timestamp"
    return str(row["findings"][0] if found else row.get("reason", ""))


@quarantine.command(short_help="Verify requests again, and take in what passes.")
@click.argument("targets", nargs=-1, metavar="[SOURCE|ID]...")
@click.option("--all", "everything", is_flag=True, help="All that is in quarantine.")
@click.option("--dry-run", is_flag=True, help="Only say what would become of them.")
@click.option("--rules", metavar="DIR", help="Folder of rules files, where the store is read itself [GATEWAY_RULES].")
@reader_options
@json_option
def release(
    targets: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    rules: str | None,
    as_json: bool,
    server: str | None,
    store: str | None,
) -> None:
    """Verify requests again, by the rules and secrets of now, and take in those that pass.

    Each is judged as of the moment when it came, so an old timestamp is no hindrance. What passes is translated and
    delivered like any webhook, and what the sender has repeated successfully since then makes nothing twice. What does
    not pass stays, with the new reason; the exit status is then 1.

    Without --server the secrets are read from this shell: use --server where only the running gateway has them.

    \b
    Examples:
      gateway quarantine release shopify --dry-run
      gateway quarantine release 01a20801fbba709e
    """
    if not targets and not everything:
        raise click.UsageError("which requests? Give sources or IDs, or --all")
    where = reader(server=server, store=store, rules=rules)
    ids = [target for target in targets if _ID.fullmatch(target)]
    asked = {
        "ids": [whole_id(where, id) for id in ids],
        "sources": [target for target in targets if target not in ids],
        "all": everything,
        "dry_run": dry_run,
    }
    view = where.release(asked)
    if as_json:
        print_json(view)
    else:
        _show(view)
    if view["stay"]:
        click.get_current_context().exit(FOUND)


def _show(view: View) -> None:
    released, stay = view["released"], view["stay"]
    if released:
        print_table(
            ("WOULD BE" if view["dry_run"] else "RELEASED", "STATE", "COMMANDS", "SOURCE", "ID"),
            (
                (
                    row["status"],
                    styled_state(row.get("state", "-")),
                    str(row["commands"]),
                    row["source"],
                    _released_id(row),
                )
                for row in released
            ),
        )
    for row in stay:
        click.echo(f"{click.style('stays', fg='red')}  {row['source']}  {row['id']}", err=True)
        for text in (row["reason"], *row["findings"]):
            click.echo(f"  {printable(text)}", err=True)
    verb = "would be released" if view["dry_run"] else "released"
    click.echo(f"{len(released)} {verb}, {len(stay)} {'would stay' if view['dry_run'] else 'stay'}", err=True)


def _released_id(row: View) -> str:
    if row["webhooks"] in ([], [row["id"]]):
        return str(row["id"])
    if row["status"] == "duplicate":
        return f"{row['id']}, a repeat of {row['webhooks'][0]}"
    return f"{row['id']}, {len(row['webhooks'])} webhooks"


def quarantine_lines(found: View) -> Iterable[str]:
    """What is wrong with one request in quarantine, and what would become of it now."""
    yield click.style("authentication", bold=True)
    yield f"  {'cause':<10} {found['cause']}"
    for text in found["findings"]:
        yield f"  {'found':<10} {printable(text)}"
    if "lacking" in found:
        yield f"  {'body':<10} not kept: {printable(found['lacking'])}"
    now = found.get("now")
    if now is not None and (now.get("cause"), now.get("findings")) == (found["cause"], found["findings"]):
        yield f"  {'now':<10} {click.style('refused', fg='red')}, as it was then"
    elif now is not None:
        yield from verdict_lines(now, label="now")


def verdict_lines(verdict: Any, *, label: str = "signature") -> Iterable[str]:
    """Whether a request verifies, and how, or why not."""
    if verdict["verified"]:
        yield f"  {label:<10} {click.style('verified', fg='green')}: {printable(verdict['words'])}"
        return
    yield f"  {label:<10} {click.style('refused', fg='red')}: {printable(verdict['reason'])}"
    for text in verdict.get("findings", ()):
        yield f"  {'found':<10} {printable(text)}"
