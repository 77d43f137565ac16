"""``gateway status``: how destinations and sources stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from gateway.cli.group import FOUND
from gateway.cli.output import json_option, local_time, print_json, print_table, printable, zone_name
from gateway.cli.reader import View, reader, reader_options

_COLOURS = {"open": "green", "paused": "yellow", "disabled": "red"}


@click.command(short_help="How destinations and sources stand.")
@reader_options
@json_option
def status(as_json: bool, server: str | None, store: str | None) -> None:
    """Destinations (state, backlog, why paused), sources (when last heard), and the version of the rules.

    MAY SEND is how much an address is sent at most now, by all gateways together, and not how much is being sent; a
    running gateway knows it as of its last claim. Of a running gateway, or of its store. The exit status is 1 where
    something is paused, disabled or not ready.

    \b
    Example:
      gateway status --server http://127.0.0.1:8080
    """
    view = reader(server=server, store=store).status()
    if as_json:
        print_json(view)
    else:
        _show(view)
    if list(_findings(view)):
        click.get_current_context().exit(FOUND)


def _show(view: View) -> None:
    rules = view["rules"]
    if "gateway" in view:
        since = local_time(view["started_at"]) if view["started_at"] else "not yet"
        click.echo(f"gateway {view['gateway']}, role {view['role']}, since {since}")
    version = "none was served yet" if rules is None else f"version {rules['version']}"
    click.echo(f"rules: {version}; store: {view['store']}\n")
    lately = f"({zone_name()})"
    print_table(
        ("DESTINATION", "STATE", "MAY SEND", "BACKLOG", f"OLDEST DUE {lately}"),
        (
            (
                row["name"],
                click.style(row["state"], fg=_COLOURS[row["state"]]),
                f"{row['rate']:g}/s" if row.get("rate") else "-",
                ", ".join(f"{count:,} {state}" for state, count in row["backlog"].items()) or "-",
                local_time(row["oldest_due"]),
            )
            for row in view["destinations"]
        ),
    )
    click.echo()
    print_table(
        ("SOURCE", "STATE", f"LAST HEARD {lately}", "IN QUARANTINE"),
        (
            (
                row["name"],
                _source_state(row),
                local_time(row["last_heard"]) if row["last_heard"] else "never",
                f"{row['quarantined']:,}" if row["quarantined"] else "-",
            )
            for row in view["sources"]
        ),
    )
    if findings := list(_findings(view)):
        click.echo()
        for finding in findings:
            click.echo(printable(finding))


def _source_state(row: View) -> str:
    state = "disabled" if row["unset"] else "paused" if row["paused"] else "open"
    rules = len(row["rules_paused"])
    also = f", {rules} rule{'' if rules == 1 else 's'} paused" if rules else ""
    return click.style(state, fg=_COLOURS[state]) + also


def _findings(view: View) -> Iterator[str]:
    """What does not go as it should, a line each."""
    for reason in view.get("unready") or ():
        yield f"not ready: {reason}"
    if (failed := (view["rules"] or {}).get("reload_failed")) is not None:
        yield f"rules: what is in the folder since {local_time(failed['since'])} is not served: {failed['reason']}"
    for row in view["destinations"]:
        if row["disabled"]:
            yield f"destination {row['name']} is disabled: {row['disabled']}"
        for pause in row["pauses"]:
            yield _told(f"destination {row['name']}", pause)
        if row["paused"] and not row["pauses"] and not row["disabled"]:
            yield f"destination {row['name']} is paused since {local_time(row['paused_since'])}: {row['paused']}"
    for row in view["sources"]:
        if row["unset"]:
            yield f"source {row['name']} is disabled: {', '.join(row['unset'])} is not set"
        if row["paused"]:
            yield _told(f"source {row['name']}", row["paused"])
        for pause in row["rules_paused"]:
            yield _told(f"rule {pause['name']}", pause)


def _told(what: str, pause: Any) -> str:
    reason = f": {pause['reason']}" if pause.get("reason") else ""
    return f"{what} is paused since {local_time(pause['since'])} by {pause['by']}{reason}"
