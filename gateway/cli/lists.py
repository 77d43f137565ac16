"""``gateway webhooks`` and ``gateway commands``: what came in, and what became of it, in lists."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import click

from gateway.cli.output import (
    cut,
    json_option,
    local_time,
    print_json,
    print_line,
    print_table,
    printable,
    styled_state,
    zone_name,
)
from gateway.cli.reader import View, reader, reader_options
from gateway.cli.short_ids import short_ids, whole_id

FOLLOW_EVERY = 1.0
"""Seconds between looks of ``--follow``."""
_WATCHED = {"limit": "500"}
"""So many of the newest are watched."""
SINCE = "From this moment on: 2026-01-05T10:00:00Z, or a length of time ago: 2h, 7d."


def _page_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--cursor", metavar="TEXT", help="The next page, as the page before said."),
        click.option("--limit", metavar="N", default="50", show_default=True, help="Rows of a page."),
        click.option("--text", metavar="TEXT", help="Only those that hold this text."),
        click.option("--until", metavar="MOMENT", help="Before this moment."),
        click.option("--since", metavar="MOMENT", help=SINCE),
        click.option("--user", metavar="ID", help="Only those of this customer (userId)."),
        click.option("--rule", metavar="ID", help="Only those of this rule."),
        click.option("--source", metavar="NAME", help="Only those of this source."),
        click.option("--state", metavar="STATE", help="Only those in this state."),
    ):
        command = option(command)
    return command


def _list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--follow", is_flag=True, help="Go on: print what comes in or changes, until Ctrl-C."),
        click.option("--group", type=click.Choice(["cause"]), help="Count by state and cause, with an example each."),
    ):
        command = option(command)
    return command


def _asked(options: dict[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in options.items() if value is not None}


@click.command()
@_page_options
@click.option("--type", "type", metavar="TYPE", help="Only those of this event type.")
@click.option("--rules-version", metavar="VERSION", help="Only those that met this version of the rules.")
@click.option("--errors/--no-errors", default=None, help="Only those with mapping errors, or only those without.")
@_list_options
@click.option("--wide", is_flag=True, help="Whole ids, and the reason.")
@reader_options
@json_option
def webhooks(
    wide: bool,
    as_json: bool,
    server: str | None,
    store: str | None,
    errors: bool | None,
    group: str | None,
    follow: bool,
    **options: str | None,
) -> None:
    """List webhooks, newest first.

    States: translated, unmatched, untranslatable, unparseable, ignored, fetching, quarantined.

    \b
    Examples:
      gateway webhooks --source shopify --state unmatched --since 2d
      gateway webhooks --errors --group cause
    """
    asked = _asked(options)
    if errors is not None:
        asked["errors"] = "true" if errors else "false"
    where = reader(server=server, store=store)
    columns = _WEBHOOKS_WIDE if wide else _WEBHOOKS
    _list(where.webhooks, asked, columns, wide=wide, as_json=as_json, group=group, follow=follow)


@click.command()
@_page_options
@click.option("--destination", metavar="NAME", help="Only those for this destination.")
@click.option("--command", metavar="NAME", help="Only send_email, start_journey, identify, track ...")
@click.option("--webhook", metavar="ID", help="Only those of this webhook.")
@click.option("--type", "type", metavar="TYPE", help="Only those of webhooks of this event type.")
@click.option("--rules-version", metavar="VERSION", help="Only those of webhooks that met this version of the rules.")
@_list_options
@click.option("--wide", is_flag=True, help="Whole ids, users and rules, and the destination.")
@reader_options
@json_option
def commands(
    wide: bool,
    as_json: bool,
    server: str | None,
    store: str | None,
    group: str | None,
    follow: bool,
    **options: str | None,
) -> None:
    """List commands, newest first.

    States: waiting, pending, delivering, delivered, failed, held, unknown, expired, suppressed, dry_run, cancelled.

    \b
    Examples:
      gateway commands --state failed --since 1d
      gateway commands --state failed --group cause
    """
    where = reader(server=server, store=store)
    if options["webhook"] is not None:
        options["webhook"] = whole_id(where, options["webhook"])
    columns = _COMMANDS_WIDE if wide else _COMMANDS
    _list(where.commands, _asked(options), columns, wide=wide, as_json=as_json, group=group, follow=follow)


Column = tuple[str, Callable[[View, Callable[[str], str]], str]]
"""A header, and how a row's cell is made; given the row and what shortens an id."""

_WEBHOOKS: tuple[Column, ...] = (
    ("RECEIVED", lambda row, short: local_time(row["received_at"])[len("2026-") :]),
    ("SOURCE", lambda row, short: row["source"]),
    ("TYPE", lambda row, short: printable(row["event_type"] or "-")),
    ("STATE", lambda row, short: styled_state(row["state"])),
    ("ERRORS", lambda row, short: str(len(row["errors"]) or "-")),
    ("REPEATS", lambda row, short: str(row["repeats"] or "-")),
    ("ID", lambda row, short: short(row["id"])),
)
_WEBHOOKS_WIDE: tuple[Column, ...] = (
    ("RECEIVED", lambda row, short: local_time(row["received_at"])),
    *_WEBHOOKS[1:],
    ("REASON", lambda row, short: printable(row.get("reason") or (row["errors"] or [{"message": ""}])[0]["message"])),
)
_SELDOM = ("ERRORS", "REPEATS")
_COMMANDS: tuple[Column, ...] = (
    ("CREATED", lambda row, short: local_time(row["created_at"])[len("2026-") :]),
    ("STATE", lambda row, short: styled_state(row["state"])),
    ("COMMAND", lambda row, short: row["command"]),
    ("USER", lambda row, short: cut(printable(row["user_id"]), 12)),
    ("RULE", lambda row, short: cut(row["rule"], 18)),
    ("ID", lambda row, short: short(row["id"])),
    ("REASON", lambda row, short: reason_of(row)),
)
_COMMANDS_WIDE: tuple[Column, ...] = (
    ("CREATED", lambda row, short: local_time(row["created_at"])),
    ("STATE", lambda row, short: styled_state(row["state"])),
    ("COMMAND", lambda row, short: row["command"]),
    ("USER", lambda row, short: printable(row["user_id"])),
    ("RULE", lambda row, short: row["rule"]),
    ("DESTINATION", lambda row, short: row["destination"]),
    ("ID", lambda row, short: short(row["id"])),
    ("REASON", lambda row, short: reason_of(row)),
)


def _list(
    ask: Callable[[dict[str, str]], View],
    asked: dict[str, str],
    columns: Sequence[Column],
    *,
    wide: bool,
    as_json: bool,
    group: str | None,
    follow: bool,
) -> None:
    """One page, or what comes after it too, or causes instead."""
    if follow and (group or "cursor" in asked):
        raise click.UsageError("--follow goes on from the newest: without --group and --cursor")
    if follow:
        _follow(ask, asked, columns, wide=wide, as_json=as_json)
        return
    page = ask(asked | ({"group": group} if group else {}))
    if as_json:
        print_json(page)
    elif group:
        _causes(page["items"], wide=wide)
    else:
        shown = short_ids((row["id"] for row in page["items"]), wide=wide)
        if not wide:
            # Most pages have neither, and a terminal has room for other things.
            columns = [column for column in columns if column[0] not in _SELDOM or _any(column, page["items"])]
        _print_rows(page["items"], columns, lambda id: shown[id])
        _more(page)


def _any(column: Column, rows: Iterable[View]) -> bool:
    _, cell = column
    return any(cell(row, str) != "-" for row in rows)


def _print_rows(
    rows: Iterable[View], columns: Sequence[Column], short: Callable[[str], str], widths: Sequence[int] | None = None
) -> list[int]:
    headers = [header if number else f"{header} ({zone_name()})" for number, (header, _) in enumerate(columns)]
    cells = [[cell(row, short) for _, cell in columns] for row in rows]
    return print_table(headers, cells, widths=widths, flexible=("TYPE", "USER", "RULE", "DESTINATION", "REASON"))


def _follow(
    ask: Callable[[dict[str, str]], View],
    asked: dict[str, str],
    columns: Sequence[Column],
    *,
    wide: bool,
    as_json: bool,
) -> None:
    """Print a page, the oldest first, and then each row that is new or in another state than before."""
    items = ask(asked)["items"][::-1]
    # More than the page is there already, and no news.
    known: dict[str, Any] = {row["id"]: row["state"] for row in ask(asked | _WATCHED)["items"]}
    widths: list[int] | None = None
    try:
        while True:
            if as_json:
                for row in items:
                    print_line(row)
            elif items or widths is None:
                shown = short_ids((row["id"] for row in items), wide=wide)
                widths = _print_rows(items, columns, shown.__getitem__, widths)
            time.sleep(FOLLOW_EVERY)
            page = ask(asked | _WATCHED)["items"]
            items = [row for row in reversed(page) if known.get(row["id"]) != row["state"]]
            known = {row["id"]: row["state"] for row in page}
    except KeyboardInterrupt:
        click.echo(err=True)


def _causes(items: Sequence[View], *, wide: bool) -> None:
    shown = short_ids((row["example"] for row in items), wide=wide)
    print_table(
        ("COUNT", "STATE", "SOURCE", "RULE", f"NEWEST ({zone_name()})", "EXAMPLE", "CAUSE"),
        (
            (
                f"{row['count']:>5,}",
                styled_state(row["state"]),
                row["source"],
                cut(row["rule"] or "-", None if wide else 18),
                local_time(row["newest"])[0 if wide else len("2026-") :],
                shown[row["example"]],
                printable(row["cause"]),
            )
            for row in items
        ),
        flexible=("RULE", "SOURCE", "CAUSE"),
    )
    if not items:
        click.echo("nothing found", err=True)


def reason_of(row: View) -> str:
    """Why a command is in its state; of a waiting one, until when."""
    if row.get("reason") or row["state"] != "waiting":
        return printable(row.get("reason", ""))
    if "due_at" not in row and "not_before" not in row:
        return "for its identify"
    due = datetime.fromisoformat(max(row[name] for name in ("due_at", "not_before") if name in row)).astimezone()
    today = due.date() == datetime.now(due.tzinfo).date()
    return f"until {due.strftime('%H:%M' if today else '%Y-%m-%d %H:%M')} {zone_name()}"


def _more(page: View) -> None:
    if page["next"] is not None:
        click.echo(f"there are more: --cursor {page['next']}", err=True)
    elif not page["items"]:
        click.echo("nothing found", err=True)
