"""``gateway rules``: the versions that were served, what their rules matched, their texts and differences."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import click

from gateway.cli.output import json_option, local_time, print_json, print_table, printable, zone_name
from gateway.cli.reader import View, reader, reader_options

_CHANGES = {"stopped": "red", "removed": "yellow", "new": "green"}


@click.command("rules", short_help="List the served versions of the rules, and what matched.")
@click.option("--version", "version", metavar="VERSION", help="Only this version, with what its rules matched.")
@click.option("--show", "show", is_flag=True, help="With --version: print its files as they were.")
@click.option("--diff", "diff", nargs=2, metavar="A B", help="Print how the files of version B differ from those of A.")
@click.option("--limit", metavar="N", default="20", show_default=True, help="Versions of a list.")
@click.option("--cursor", metavar="TEXT", help="The next versions, as the list before said.")
@reader_options
@json_option
def rules(
    version: str | None,
    show: bool,
    diff: tuple[str, str] | None,
    limit: str,
    cursor: str | None,
    as_json: bool,
    server: str | None,
    store: str | None,
) -> None:
    """List the versions of the rules that were served: from when to when, and what each rule matched before and after.

    Under the list stand the rules of the newest version, with their matches under it and under the version before:
    "stopped" is a rule that matched nothing though, going by the version before, it should have at least three times.

    \b
    Examples:
      gateway rules
      gateway rules --version 6aae620840fd --show
      gateway rules --diff 6aae620840fd ed639166947e
    """
    if show and version is None:
        raise click.UsageError("--show needs --version VERSION")
    if diff and version is not None:
        raise click.UsageError("--diff names two versions itself; leave --version out")
    asked = reader(server=server, store=store)
    if diff:
        _print_difference(asked.rules_version(diff[0]), asked.rules_version(diff[1]), as_json=as_json)
    elif version is not None:
        view = asked.rules_version(version)
        if as_json:
            print_json(view)
        elif show:
            _print_files(view)
        else:
            _print_versions([view])
            _print_rules(view)
    else:
        page = asked.rules_versions({"limit": limit, **({"cursor": cursor} if cursor else {})})
        if as_json:
            print_json(page)
            return
        _print_versions(page["items"])
        if page["items"] and cursor is None:
            _print_rules(page["items"][0])
        if page["next"] is not None:
            click.echo(f"there are more: --cursor {page['next']}", err=True)
        elif not page["items"]:
            click.echo("nothing found", err=True)


def _print_versions(views: Iterable[View]) -> None:
    def rows() -> Iterable[tuple[str, ...]]:
        for view in views:
            *before, last = view["served"] or [None]
            since = "never" if last is None else local_time(last["since"])
            until = "-" if last is None else "now" if last["until"] is None else local_time(last["until"])
            earlier = ", ".join(f"{local_time(span['since'])} to {local_time(span['until'])}" for span in before[::-1])
            yield view["version"], since, until, str(view["webhooks"]), (view["revision"] or "-")[:12], earlier

    table = list(rows())
    headers = ("VERSION", f"SERVED FROM ({zone_name()})", "TO", "WEBHOOKS", "GIT REVISION", "AND BEFORE THAT")
    shown = len(headers) if any(row[-1] for row in table) else len(headers) - 1
    print_table(headers[:shown], (row[:shown] for row in table))


def _print_rules(view: View) -> None:
    if not view["rules"]:
        return
    click.echo()
    before = view["before"]
    headers = ("SOURCE", "RULE", f"MATCHES UNDER {view['version']}")
    if before is None:
        print_table(headers, ((row["source"], printable(row["rule"]), _matches(row, "")) for row in view["rules"]))
        return
    print_table(
        (*headers, f"UNDER {before} BEFORE", ""),
        (
            (
                row["source"],
                printable(row["rule"]),
                _matches(row, ""),
                _matches(row, "_before"),
                click.style(change, fg=_CHANGES[change]) if (change := row.get("change")) else "",
            )
            for row in view["rules"]
        ),
    )


def _matches(row: View, when: str) -> str:
    matches = row[f"matches{when}"]
    return "-" if matches is None else f"{matches:,} of {row[f'webhooks{when}']:,}"


def _print_files(view: View) -> None:
    for name, text in view["files"].items():
        click.echo(click.style(f"# {name} of version {view['version']}", bold=True))
        click.echo(text, nl=not text.endswith("\n"))


def _print_difference(before: View, after: View, *, as_json: bool) -> None:
    lines = list(difference(before, after))
    if as_json:
        print_json({"before": before["version"], "after": after["version"], "diff": "".join(lines)})
        return
    for line in lines:
        colour = {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
        bold = line.startswith(("---", "+++"))
        click.echo(click.style(line, fg=None if bold else colour, bold=bold or None), nl=False)


def difference(before: View, after: View) -> Iterable[str]:
    """The unified difference of two versions' files, by lines that end in a newline."""
    texts: list[dict[str, Any]] = [before["files"], after["files"]]
    for name in sorted({*texts[0], *texts[1]}):
        old, new = (text.get(name, "").splitlines(keepends=True) for text in texts)
        was, now = (
            f"{view['version']}/{name}" if name in text else "/dev/null"
            for view, text in zip((before, after), texts, strict=True)
        )
        for line in difflib.unified_diff(old, new, was, now):
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
