"""``gateway replay``: one webhook again, or the many that a filter finds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import click

from gateway.cli.comparing import compare_rules
from gateway.cli.group import FOUND
from gateway.cli.lists import SINCE
from gateway.cli.output import (
    counted,
    json_option,
    local_time,
    print_json,
    print_line,
    print_table,
    printable,
    styled_state,
    zone_name,
)
from gateway.cli.reader import Reader, View, reader, reader_options
from gateway.cli.server_reader import ServerReader
from gateway.cli.short_ids import whole_id
from gateway.cli.show import problem_line

_SHORTHANDS = {
    "failed": {"command_state": "failed"},
    "unmatched": {"state": "unmatched"},
    "untranslatable": {"state": "untranslatable"},
    "errors": {"errors": "true"},
}
_WORDS = {
    "created": "commands created",
    "replaced": "commands replaced",
    "withdrawn": "commands withdrawn",
    "kept": "commands kept, as they were delivered or are on their way",
    "sent_again": "commands sent again",
    "not_done": "left as they were",
}


def _which(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--max-age", metavar="LENGTH", help="None that are older [7d, unless --since is given]."),
        click.option("--text", metavar="TEXT", help="Those that hold this text."),
        click.option("--until", metavar="MOMENT", help="Before this moment."),
        click.option("--since", metavar="MOMENT", help=SINCE),
        click.option("--user", metavar="ID", help="Those with a command to this customer (userId)."),
        click.option("--rules-version", metavar="VERSION", help="Those that met this version of the rules."),
        click.option("--rule", metavar="ID", help="Those that this rule matched."),
        click.option("--type", "type", metavar="TYPE", help="Those of this event type."),
        click.option("--source", metavar="NAME", help="Those of this source."),
        click.option("--state", metavar="STATE", help="Those in this state."),
        click.option("--all", "everything", is_flag=True, help="Every webhook."),
        click.option("--errors", is_flag=True, help="Those with mapping errors."),
        click.option("--untranslatable", is_flag=True, help="Those that rules matched and could not translate."),
        click.option("--unmatched", is_flag=True, help="Those that no rule matched."),
        click.option("--failed", is_flag=True, help="Those with a command that has failed."),
    ):
        command = option(command)
    return command


@click.command(short_help="Run today's rules again over stored webhooks.")
@click.argument("ids", nargs=-1, metavar="[ID]...")
@_which
@click.option(
    "--retranslate",
    is_flag=True,
    help="Run today's rules; with --failed, instead of sending what failed as it is.",
)
@click.option("--rate", type=float, metavar="N", help="Commands a second at most [half of what a destination takes].")
@click.option("--yes", is_flag=True, help="Don't ask before acting on many.")
@click.option("--dry-run", is_flag=True, help="Only count which webhooks these are.")
@click.option("--resume", metavar="ID", help="Go on with an interrupted replay; last: the newest that is not finished.")
@click.option("--diff", "compare", is_flag=True, help="Say what --rules would make of them otherwise; do nothing.")
@click.option("--values", is_flag=True, help="With --diff and --server: the values that differ, too [admin token].")
@click.option(
    "--limit", type=click.IntRange(1), default=10_000, show_default=True, help="With --diff: so many at most."
)
@click.option("--list", "listed", is_flag=True, help="The newest replays of many, and how far each has come.")
@click.option("--fetch", is_flag=True, help="Of IDs: ask anew for what they point to; don't use what was fetched.")
@click.option("--rules", metavar="DIR", help="The rules to run where no server is given [GATEWAY_RULES].")
@reader_options
@json_option
def replay(
    ids: tuple[str, ...],
    fetch: bool,
    rules: str | None,
    resume: str | None,
    listed: bool,
    compare: bool,
    values: bool,
    limit: int,
    as_json: bool,
    server: str | None,
    store: str | None,
    **options: Any,
) -> None:
    """Run the rules of today over stored webhooks: those with these IDs, or those that a filter finds.

    What was delivered stays and is never sent again. What waits is made anew or taken back; what has failed, expired,
    was held or cancelled goes again. With --failed the failed commands are sent again as they are.

    Many are run the oldest first, behind live traffic: their commands have the lowest priority, and come no faster than
    half of what a destination takes. An interrupted replay goes on with --resume, and no webhook is run twice.

    With --diff nothing is written and nothing is sent: it says for each webhook which commands would appear, vanish or
    change under the rules of --rules, and the exit status is 1 where there are any.

    \b
    Examples:
      gateway replay 019a2f6e7c4d7d0c8f5b1e2d3c4b5a69
      gateway replay --unmatched --source shopify --since 2d
      gateway replay --failed --yes
      gateway replay --diff --rules candidate --since 7d
    """
    yes, dry_run = options.pop("yes"), options.pop("dry_run")
    asked = _asked(options)
    if compare:
        if resume is not None or listed or fetch:
            raise click.UsageError("--diff compares; without --resume, --list and --fetch")
        where = reader(server=server, store=store, rules=rules)
        filter = asked["filter"]
        if "max_age" in asked and "since" not in filter:
            filter["since"] = asked["max_age"]
        # Who reads the store itself sees all that is in it.
        shown = values or not isinstance(where, ServerReader)
        wanted = {"ids": [whole_id(where, id) for id in ids], "filter": filter, "values": shown}
        if compare_rules(where, wanted, limit=limit, as_json=as_json):
            click.get_current_context().exit(FOUND)
        return
    many = bool(asked["filter"] or asked.get("all"))
    if sum((bool(ids), many, resume is not None, listed)) != 1:
        raise click.UsageError("which webhooks? Give IDs, or a filter, or --all, or --resume; one of these")
    where = reader(server=server, store=store, rules=rules)
    if listed:
        _list(where.replays(), as_json=as_json)
    elif ids:
        for id in ids:
            _show(where.replay({"id": whole_id(where, id), "fetch": fetch}), as_json=as_json, alone=len(ids) == 1)
    elif resume is not None:
        _run(where, {"resume": _last(where) if resume == "last" else resume}, as_json=as_json)
    else:
        count = where.replay({**asked, "dry_run": True})
        if dry_run or not count["total"]:
            _count(count, as_json=as_json)
        elif yes or _confirmed(count, asked):
            _run(where, asked, as_json=as_json)


def _asked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The request for many; its filter is empty where nothing says which."""
    given = {name: value for name, value in options.items() if value is not None and value is not False}
    filter: dict[str, str] = {}
    for name, meaning in _SHORTHANDS.items():
        if name in given:
            if filter.keys() & meaning.keys() or (meaning.keys() & given.keys() and name != "errors"):
                raise click.UsageError(f"--{name} names a state, and so does another option; give one of them")
            filter |= meaning
    for name in ("state", "source", "type", "rule", "rules_version", "user", "since", "until", "text"):
        if name in given:
            filter[name] = str(given[name])
    asked: dict[str, Any] = {"filter": filter}
    if "everything" in given or (not filter and "retranslate" in given):
        if filter:
            raise click.UsageError("--all, and a filter; give one of them")
        asked = {"all": True, "filter": {}}
    if "failed" in given and "retranslate" not in given:
        asked["do"] = "retry"
    for name in ("max_age", "rate"):
        if name in given:
            asked[name] = given[name]
    return asked


def _confirmed(count: View, asked: Mapping[str, Any]) -> bool:
    what = "send the failed commands again of" if asked.get("do") == "retry" else "run today's rules again over"
    total, older = count["total"], count["older"]
    left_out = f" ({older:,} older ones are left out: --max-age)" if older else ""
    webhooks = "1 webhook" if total == 1 else f"{total:,} webhooks"
    question = f"{what.capitalize()} {webhooks}{left_out}, at most {count['rate']:g} commands a second?"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody is there to answer; give --yes")
    if not click.confirm(question, err=True):
        click.echo("nothing was done", err=True)
        return False
    return True


def _run(where: Reader, asked: Mapping[str, Any], *, as_json: bool) -> None:
    """Portion by portion, until it is finished."""
    view: View | None = None
    problems = list[View]()
    quiet = as_json or not sys.stderr.isatty()
    try:
        view = where.replay({**asked, "seconds": 0} if "resume" not in asked else asked)
        with click.progressbar(
            length=view["total"], label="replaying", file=sys.stderr, hidden=quiet, show_pos=True
        ) as bar:
            bar.update(view["done"])
            while True:
                problems += view["problems"]
                if as_json:
                    print_line(view)
                if view["finished"]:
                    break
                before = view["done"]
                view = where.replay({"resume": view["replay"]})
                bar.update(view["done"] - before)
    except KeyboardInterrupt:
        if view is None:
            raise
        click.echo(f"\ninterrupted at {view['done']:,} of {view['total']:,} webhooks; to go on:", err=True)
        click.echo(f"  gateway replay --resume {view['replay']}", err=True)
        click.get_current_context().exit(FOUND)
    if not as_json:
        _summary(view, problems)


def _summary(view: View, problems: list[View]) -> None:
    counts = view["counts"]
    click.echo(
        f"replay {view['replay']}: {counted(counts.get('webhooks', 0), 'webhook')} by rules version "
        f"{view['rules_version']}"
    )
    for word, count in counts.items():
        if word.startswith("now_"):
            are = "webhook is" if count == 1 else "webhooks are"
            click.echo(f"  {count:>9,}  {are} {styled_state(word.removeprefix('now_'))} now")
    for word, words in _WORDS.items():
        if counts.get(word):
            click.echo(f"  {counts[word]:>9,}  {words}")
    for problem in problems[:10]:
        click.echo(f"{problem['id']}: {printable(problem['reason'])}", err=True)
    if len(problems) > 10:
        click.echo("and more: gateway webhooks --errors --group cause", err=True)


def _count(count: View, *, as_json: bool) -> None:
    if as_json:
        print_json(count)
        return
    older = f"; {count['older']:,} older ones are left out (--max-age)" if count["older"] else ""
    click.echo(f"{count['total']:,} webhooks{older}; nothing was done")


def _last(where: Reader) -> str:
    for row in where.replays()["items"]:
        if not row["finished"]:
            return str(row["replay"])
    raise click.UsageError("no replay is unfinished")


def _list(view: View, *, as_json: bool) -> None:
    if as_json:
        print_json(view)
        return
    print_table(
        (f"BEGAN ({zone_name()})", "DONE", "OF", "FINISHED", "ID", "ASKED"),
        (
            (
                local_time(row["began_at"]),
                f"{row['done']:,}",
                f"{row['total']:,}",
                "yes" if row["finished"] else "no",
                row["replay"],
                _asked_words(row["asked"]),
            )
            for row in view["items"]
        ),
        flexible=("ASKED",),
    )
    if not view["items"]:
        click.echo("nothing found", err=True)


def _asked_words(asked: View) -> str:
    filter = {name: value for name, value in asked.get("filter", {}).items() if name != "until"}
    if "since" in filter:
        filter["since"] = local_time(filter["since"]).replace(" ", "T")
    return printable(" ".join((asked["do"], *(f"{name}={value}" for name, value in filter.items()))))


def _show(view: View, *, as_json: bool, alone: bool) -> None:
    if as_json:
        (print_json if alone else print_line)(view)
        return
    click.echo(f"webhook {view['id']}: {styled_state(view['state'])} by rules version {view['rules_version']}")
    for problem in view["errors"]:
        click.echo(f"  {click.style('error', fg='red')}  {problem_line(problem)}")
    for what in ("created", "replaced", "withdrawn", "kept"):
        for command in view[what]:
            click.echo(f"  {what:<9}  {command}")
