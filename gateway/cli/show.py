"""``gateway show``: one webhook with all that became of it, for a person to read."""

from __future__ import annotations

from collections.abc import Iterable

import click

from gateway.cli.output import json_option, local_time, pretty, print_json, printable, styled_state, zone_name
from gateway.cli.quarantine import quarantine_lines
from gateway.cli.reader import View, reader, reader_options
from gateway.cli.short_ids import whole_id

BODY_LINES = 20
"""Lines of a body that are printed."""


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


def repeated(times: int) -> str:
    return f", repeated {'once' if times == 1 else f'{times} times'}" if times else ""


def _webhook_lines(view: View, *, whole: bool) -> Iterable[str]:
    yield f"{click.style('webhook', bold=True)} {view['id']}"
    yield f"  source     {view['source']}" + (f"  {printable(view['event_type'])}" if view["event_type"] else "")
    yield f"  received   {local_time(view['received_at'])} {zone_name()}{repeated(view['repeats'])}"
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
    if "quarantine" in view:
        yield from quarantine_lines(view["quarantine"])
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
