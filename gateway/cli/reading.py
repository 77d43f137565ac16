"""``gateway webhooks``, ``commands``, ``show`` and ``replay``: what came in and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import click

from gateway.cli.output import (
    json_option,
    local_time,
    pretty,
    print_json,
    print_table,
    printable,
    styled_state,
    zone_name,
)
from gateway.cli.reader import View, reader, reader_options
from gateway.cli.short_ids import short_ids, whole_id

BODY_LINES = 20
"""Lines of a body that ``show`` prints."""

_SINCE = "From this moment on: 2026-01-05T10:00:00Z, or a length of time ago: 2h, 7d."


def _page_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--cursor", metavar="TEXT", help="The next page, as the page before said."),
        click.option("--limit", metavar="N", default="50", show_default=True, help="Rows of a page."),
        click.option("--text", metavar="TEXT", help="Only those that hold this text."),
        click.option("--until", metavar="MOMENT", help="Before this moment."),
        click.option("--since", metavar="MOMENT", help=_SINCE),
        click.option("--user", metavar="ID", help="Only those of this customer (userId)."),
        click.option("--rule", metavar="ID", help="Only those of this rule."),
        click.option("--source", metavar="NAME", help="Only those of this source."),
        click.option("--state", metavar="STATE", help="Only those in this state."),
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
@click.option("--wide", is_flag=True, help="Whole ids.")
@reader_options
@json_option
def webhooks(
    wide: bool, as_json: bool, server: str | None, store: str | None, errors: bool | None, **options: str | None
) -> None:
    """List webhooks, newest first.

    States: translated, unmatched, untranslatable, unparseable, ignored, fetching, quarantined.

    \b
    Example:
      gateway webhooks --source shopify --state unmatched --since 2d
    """
    asked = _asked(options)
    if errors is not None:
        asked["errors"] = "true" if errors else "false"
    page = reader(server=server, store=store).webhooks(asked)
    if as_json:
        print_json(page)
        return
    shown = short_ids((row["id"] for row in page["items"]), wide=wide)
    print_table(
        (f"RECEIVED ({zone_name()})", "SOURCE", "TYPE", "STATE", "ERRORS", "REPEATS", "ID"),
        (
            (
                local_time(row["received_at"]),
                row["source"],
                printable(row["event_type"] or "-"),
                styled_state(row["state"]),
                str(len(row["errors"])),
                str(row["repeats"]),
                shown[row["id"]],
            )
            for row in page["items"]
        ),
    )
    _more(page)


@click.command()
@_page_options
@click.option("--destination", metavar="NAME", help="Only those for this destination.")
@click.option("--command", metavar="NAME", help="Only send_email, start_journey, identify, track ...")
@click.option("--webhook", metavar="ID", help="Only those of this webhook.")
@click.option("--wide", is_flag=True, help="Whole ids, users and rules, and the destination.")
@reader_options
@json_option
def commands(wide: bool, as_json: bool, server: str | None, store: str | None, **options: str | None) -> None:
    """List commands, newest first.

    States: waiting, pending, delivering, delivered, failed, held, unknown, expired, suppressed, dry_run, cancelled.

    \b
    Example:
      gateway commands --state failed --since 1d
    """
    asked = reader(server=server, store=store)
    if options["webhook"] is not None:
        options["webhook"] = whole_id(asked, options["webhook"])
    page = asked.commands(_asked(options))
    if as_json:
        print_json(page)
        return
    shown = short_ids((row["id"] for row in page["items"]), wide=wide)
    headers = (f"CREATED ({zone_name()})", "STATE", "COMMAND", "USER", "RULE", "DESTINATION", "ID", "REASON")
    rows = [
        (
            local_time(row["created_at"])[0 if wide else len("2026-") :],
            styled_state(row["state"]),
            row["command"],
            _cut(printable(row["user_id"]), None if wide else 12),
            _cut(row["rule"], None if wide else 18),
            row["destination"],
            shown[row["id"]],
            _reason(row),
        )
        for row in page["items"]
    ]
    columns = range(8) if wide else (0, 1, 2, 3, 4, 6, 7)
    print_table([headers[column] for column in columns], ([row[column] for column in columns] for row in rows))
    _more(page)


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else f"{text[: width - 1]}…"


def _reason(row: View) -> str:
    """Why a command is in its state; of a waiting one, until when."""
    if row.get("reason") or row["state"] != "waiting":
        return printable(row.get("reason", ""))
    if "due_at" not in row and "not_before" not in row:
        return "for its identify"
    due = datetime.fromisoformat(max(row[name] for name in ("due_at", "not_before") if name in row)).astimezone()
    today = due.date() == datetime.now(due.tzinfo).date()
    return f"until {due.strftime('%H:%M' if today else '%Y-%m-%d %H:%M')} {zone_name()}"


@click.command()
@click.argument("id")
@click.option("--body", "whole", is_flag=True, help=f"The whole body, not only its first {BODY_LINES} lines.")
@reader_options
@json_option
def show(id: str, whole: bool, as_json: bool, server: str | None, store: str | None) -> None:
    """Show one webhook: trace, commands, attempts, request. ID is that of a webhook, or of one of its commands.

    A short id, as the lists print it, is enough.

    \b
    Example:
      gateway show 019a2f6e7c4d7d0c
    """
    asked = reader(server=server, store=store)
    view = asked.webhook(whole_id(asked, id.partition("-")[0]))
    if as_json:
        print_json(view)
        return
    for line in _webhook_lines(view, whole=whole):
        click.echo(line)


@click.command()
@click.argument("id")
@click.option("--fetch", is_flag=True, help="Ask anew for what it points to, instead of using what was fetched.")
@click.option("--rules", metavar="DIR", help="The rules to run where no server is given [GATEWAY_RULES].")
@reader_options
@json_option
def replay(id: str, fetch: bool, rules: str | None, as_json: bool, server: str | None, store: str | None) -> None:
    """Run the rules of today over one stored webhook. What was delivered stays and is never sent again.

    What a thin webhook points to is fetched only where it is not there yet: the gateway then goes on with it.

    \b
    Example:
      gateway replay 019a2f6e7c4d7d0c8f5b1e2d3c4b5a69
    """
    asked = reader(server=server, store=store, rules=rules)
    view = asked.replay(whole_id(asked, id), fetch=fetch)
    if as_json:
        print_json(view)
        return
    click.echo(f"webhook {view['id']}: {styled_state(view['state'])} by rules version {view['rules_version']}")
    for problem in view["errors"]:
        click.echo(f"  {click.style('error', fg='red')}  {problem_line(problem)}")
    for what in ("created", "replaced", "withdrawn", "kept"):
        for command in view[what]:
            click.echo(f"  {what:<9}  {command}")


def _more(page: View) -> None:
    if page["next"] is not None:
        click.echo(f"there are more: --cursor {page['next']}", err=True)
    elif not page["items"]:
        click.echo("nothing found", err=True)


def _repeated(times: int) -> str:
    return f", repeated {'once' if times == 1 else f'{times} times'}" if times else ""


def _webhook_lines(view: View, *, whole: bool) -> Iterable[str]:
    yield f"{click.style('webhook', bold=True)} {view['id']}"
    yield f"  source     {view['source']}" + (f"  {printable(view['event_type'])}" if view["event_type"] else "")
    yield f"  received   {local_time(view['received_at'])} {zone_name()}{_repeated(view['repeats'])}"
    if "event_time" in view:
        yield f"  happened   {local_time(view['event_time'])} {zone_name()}"
    if "batch" in view:
        yield f"  batch      {view['batch']}"
    reason = f": {printable(view['reason'])}" if view.get("reason") else ""
    yield f"  state      {styled_state(view['state'])}{reason}"
    yield f"  dedup key  {printable(view['dedup_key'] or '-')}"
    yield f"  rules      version {view['rules_version']}"
    if "next_try" in view:
        yield f"  next try   {local_time(view['next_try'])} {zone_name()}"
    for problem in view["errors"]:
        yield f"  {click.style('error', fg='red')}      {problem_line(problem)}"
    yield click.style("trace", bold=True)
    for line in trace_lines(view["trace"]):
        yield line
    if "trace_missing" in view:
        yield f"  none: {view['trace_missing']}"
    for warning in view.get("warnings", ()):
        yield f"  {click.style('warning', fg='yellow')}    {problem_line(warning)}"
    for command in view["commands"]:
        yield from _command_lines(command)
    for fetched in view.get("fetches", ()):
        yield from _fetched_lines(fetched)
    yield click.style("request", bold=True)
    behind = "/".join(part for part in (view["source"], view["path"]) if part)
    query = f"?{view['query']}" if view["query"] else ""
    yield f"  {view['method']} /hooks/{printable(behind + query)}"
    for name, value in view["headers"]:
        yield f"  {printable(name)}: {printable(value)}"
    text = pretty(view["body"]) if view["body_encoding"] == "json" else str(view["body"])
    lines = text.splitlines()
    shown = lines if whole or len(lines) <= BODY_LINES + 1 else lines[:BODY_LINES]
    for line in shown:
        yield f"  {printable(line)}"
    if len(shown) < len(lines):
        yield f"  … {len(lines) - len(shown)} more lines: --body prints them all"


def _fetched_lines(fetched: View) -> Iterable[str]:
    yield f"{click.style('fetch', bold=True)} {fetched['name']}"
    yield f"  {fetched['method']} {printable(fetched['url'])}"
    status = f"answered {fetched['status']}" if "status" in fetched else "no answer"
    message = f": {printable(fetched['message'])}" if "message" in fetched else ""
    count = fetched["attempts"]
    how = "an answer that was kept" if not count else "1 attempt" if count == 1 else f"{count} attempts"
    at = f" at {local_time(fetched['at'])}" if "at" in fetched else ""
    yield f"  {status}{at}, {how}{'; it is not there' if 'missing' in fetched else ''}{message}"
    for line in pretty(fetched["answer"]).splitlines() if "answer" in fetched else ():
        yield f"  {printable(line)}"


def _command_lines(command: View) -> Iterable[str]:
    reason = f": {printable(command['reason'])}" if command.get("reason") else ""
    yield f"{click.style('command', bold=True)} {command['id']}"
    yield f"  {command['command']} to {command['destination']} by rule {command['rule']}"
    yield f"  {styled_state(command['state'])}{reason}"
    for name, label in (("not_before", "not before"), ("expires_at", "expires"), ("due_at", "due")):
        if name in command and command["state"] not in ("delivered", "failed", "cancelled"):
            yield f"  {label} {local_time(command[name])} {zone_name()}"
    if "intilery_event_id" in command:
        yield f"  eventId {printable(command['intilery_event_id'])}"
    for line in pretty(command["body"]).splitlines():
        yield f"  {printable(line)}"
    for attempt in command["attempts"]:
        status = f" {attempt['status']}" if "status" in attempt else ""
        message = f": {printable(attempt['message'])}" if "message" in attempt else ""
        yield (
            f"  attempt at {local_time(attempt['at'])}: {styled_state(attempt['outcome'])}{status}"
            f" in {attempt['duration_ms']} ms{message}"
        )


def trace_lines(trace: Iterable[View]) -> Iterable[str]:
    """What each rule did, one line a rule."""
    for line in trace:
        sign = click.style("yes", fg="green") if line["matched"] else click.style("no ", dim=True)
        yield f"  {sign}  {line['rule']}: {printable(line['why'])}"


def problem_line(problem: View) -> str:
    """Why a rule made no command: rule, field, path and what stood there."""
    place = ", ".join(problem[name] for name in ("rule", "field", "path") if problem.get(name))
    return printable(f"{place}: {problem['message']}" if place else problem["message"])
