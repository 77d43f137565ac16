"""``gateway find``: one story for an order, an e-mail address, a phone number, a customer or an Intilery event id."""

from __future__ import annotations

from collections.abc import Iterable

import click

from gateway.cli.lists import reason_of
from gateway.cli.output import json_option, local_time, print_json, print_table, printable, styled_state, zone_name
from gateway.cli.reader import View, reader, reader_options
from gateway.cli.short_ids import short_ids
from gateway.cli.show import problem_line, repeated


@click.command(short_help="One story for an order, a customer or an event id.")
@click.argument("text")
@click.option("--since", metavar="MOMENT", help="Only in what was received from this moment on: 2h, 2026-01-05.")
@click.option("--depth", metavar="N", help="Look through so many webhooks, the newest first [100000].")
@click.option("--rules", metavar="DIR", help="The rules, for how long each source is kept [GATEWAY_RULES].")
@reader_options
@json_option
def find(
    text: str,
    since: str | None,
    depth: str | None,
    rules: str | None,
    as_json: bool,
    server: str | None,
    store: str | None,
) -> None:
    """Tell what arrived with TEXT in it and what became of it, or that it never arrived.

    TEXT is an order number, an e-mail address, a phone number, a userId, an Intilery event id or any text of a payload.
    It is looked for in webhooks, in what was fetched for them, in their commands and in quarantine.

    \b
    Examples:
      gateway find ada@example.com
      gateway find '#1001' --since 2d
    """
    asked = {name: value for name, value in (("text", text), ("since", since), ("depth", depth)) if value is not None}
    view = reader(server=server, store=store, rules=rules).find(asked)
    if as_json:
        print_json(view)
        return
    for line in _lines(view):
        click.echo(line)
    _sources(view)


def _lines(view: View) -> Iterable[str]:
    if not view["found"]:
        arrived = "arrived, and was refused" if view["quarantined"] else "never arrived"
        how_far = "" if view["quarantined"] else _as_far(view)
        yield f"{printable(view['text'])}: {click.style(arrived, bold=True)}{how_far}"
        yield _looked(view)
    for found in view["found"]:
        yield from _story(found)
    if view["more"]:
        yield "… and more: say more, or --since"
    if view["found"]:
        yield f"{_looked(view)}"
    for row in view["quarantined"]:
        yield (
            f"{click.style('in quarantine', fg='red')}  {row['id']}  {row['source']}  "
            f"{local_time(row['received_at'])} {zone_name()}: {printable(row.get('reason', ''))}"
        )


def _looked(view: View) -> str:
    searched = view["searched"]
    webhooks = "1 webhook was" if searched["webhooks"] == 1 else f"{searched['webhooks']:,} webhooks were"
    back = f", back to {local_time(searched['back_to'])} {zone_name()}" if searched["back_to"] else ""
    older = "" if searched["whole"] else "; older ones were not (--depth)"
    return f"{webhooks} looked through{back}{older}"


def _as_far(view: View) -> str:
    searched = view["searched"]
    if not searched["webhooks"]:
        return "; nothing is kept"
    return ", in all that is kept" if searched["whole"] else ", as far as was looked"


def _story(found: View) -> Iterable[str]:
    kind = f"  {printable(found['event_type'])}" if found["event_type"] else ""
    repeats = repeated(found["repeats"])
    yield (
        f"{click.style('webhook', bold=True)} {found['id']}  {found['source']}{kind}  "
        f"{local_time(found['received_at'])} {zone_name()}{repeats}"
    )
    reason = f": {printable(found['reason'])}" if found.get("reason") else ""
    yield f"  {styled_state(found['state'])}{reason}"
    for problem in found["errors"]:
        yield f"  {click.style('error', fg='red')}  {problem_line(problem)}"
    shown = short_ids(command["id"] for command in found["commands"])
    for command in found["commands"]:
        yield f"  {command['command']} to {printable(command['user_id'])} by rule {printable(command['rule'])}"
        why = reason_of(command)
        event = f"  eventId {printable(command['intilery_event_id'])}" if "intilery_event_id" in command else ""
        yield f"    {styled_state(command['state'])}{f': {why}' if why else ''}{_when(command)}{event}"
        yield f"    {shown[command['id']]}  {command['destination']}"
    if found["more_commands"]:
        yield f"  … and more: gateway commands --webhook {found['id']}"


def _when(command: View) -> str:
    if not command["attempts"]:
        return ""
    last = command["attempts"][-1]
    count = len(command["attempts"])
    attempts = "" if count == 1 else f", {count} attempts"
    return f"  {local_time(last['at'])}{attempts}"


def _sources(view: View) -> None:
    if not view["sources"]:
        return
    click.echo()
    print_table(
        ("SOURCE", f"LAST HEARD ({zone_name()})", "KEPT FOR", "IN QUARANTINE"),
        (
            (
                row["name"] if row["in_rules"] else f"{row['name']} (not in the rules)",
                "never" if row["last_heard"] is None else local_time(row["last_heard"]),
                f"{row['kept_for_days']:g} days",
                f"{row['quarantined']:,}" if row["quarantined"] else "-",
            )
            for row in view["sources"]
        ),
    )
