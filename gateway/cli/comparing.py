"""``gateway replay --diff``: what candidate rules would make of stored webhooks otherwise, for people and for CI."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import click

from gateway.cli.output import cut, local_time, print_json, print_table, printable, shown_value, styled_state, zone_name
from gateway.cli.reader import Reader, View

_AT_ONCE = 1_000
_KINDS = {"appears": "green", "vanishes": "red", "changes": "yellow"}
_SIGNS = {"appears": "+", "vanishes": "-", "changes": "~"}
_VALUE = 60
"""Columns of a value that differs."""


def compare_rules(where: Reader, wanted: Mapping[str, Any], *, limit: int, as_json: bool) -> bool:
    """Compare page by page, at most ``limit`` webhooks; whether there are differences."""
    whole: View | None = None
    cursor: str | None = None
    while True:
        left = limit - (0 if whole is None else whole["compared"] + whole["not_compared"])
        most = min(left, _AT_ONCE)
        page = where.diff({**wanted, "limit": most, "samples": most, "cursor": cursor})
        if not as_json:
            for item in page["items"]:
                for line in _item_lines(item):
                    click.echo(line)
        whole = page if whole is None else _added(whole, page)
        cursor = page["next"]
        if cursor is None or whole["compared"] + whole["not_compared"] >= limit:
            break
    if as_json:
        print_json(whole)
    else:
        _summary(whole)
    return bool(whole["differing"])


def _added(whole: View, page: View) -> View:
    rules = {(row["source"], row["rule"], row["command"]): dict(row) for row in whole["rules"]}
    for row in page["rules"]:
        known = rules.setdefault((row["source"], row["rule"], row["command"]), {**row, **dict.fromkeys(_KINDS, 0)})
        for kind in _KINDS:
            known[kind] += row[kind]
    return {
        **page,
        **{name: whole[name] + page[name] for name in ("compared", "differing", "not_compared", "items")},
        "counts": {kind: whole["counts"][kind] + page["counts"][kind] for kind in _KINDS},
        "rules": [rules[key] for key in sorted(rules)],
        "back_to": page["back_to"] or whole["back_to"],
    }


def _item_lines(item: View) -> Iterable[str]:
    kind = f"  {printable(item['event_type'])}" if "event_type" in item else ""
    state = styled_state(item["would_be"])
    became = f"  {styled_state(item['state'])}, would be {state}" if item["state"] != item["would_be"] else ""
    yield f"{click.style('webhook', bold=True)} {item['webhook']}  {item['source']}{kind}{became}"
    if "reason" in item:
        yield f"    {printable(item['reason'])}"
    for problem in item.get("errors", ()):
        yield f"    {printable(problem['rule'])}: {printable(problem['message'])}"
    for found in item["differences"]:
        kind = found["kind"]
        user = f" to {printable(found['user_id'])}" if "user_id" in found else ""
        element = f" (element {printable(found['element'])})" if "element" in found else ""
        unsent = ", not sent (dry run)" if found.get("state") == "dry_run" else ""
        what = f"{found['command']}{user} by rule {printable(found['rule'])}{element}{unsent}"
        yield click.style(f"  {_SIGNS[kind]} {kind:<8}  {what}", fg=_KINDS[kind])
        for change in found.get("changes", ()):
            yield f"      {printable(change['path'])}{_sides(change)}"


def _sides(change: View) -> str:
    if "was" not in change and "now" not in change:
        return ""
    was, now = (cut(shown_value(change[side]), _VALUE) if side in change else "nothing" for side in ("was", "now"))
    return f": {was} -> {now}"


def _summary(whole: View) -> None:
    if whole["rules"]:
        click.echo()
        print_table(
            ("SOURCE", "RULE", "COMMAND", "APPEARS", "VANISHES", "CHANGES"),
            (
                (row["source"], printable(row["rule"]), row["command"], *(f"{row[kind]:,}" for kind in _KINDS))
                for row in whole["rules"]
            ),
            flexible=("RULE",),
        )
        click.echo()
    compared = whole["compared"]
    back = f", received since {local_time(whole['back_to'])} {zone_name()}" if whole["back_to"] else ""
    webhooks = "1 webhook" if compared == 1 else f"{compared:,} webhooks"
    differing = "none differs" if not whole["differing"] else f"{whole['differing']:,} would become something else"
    click.echo(f"{webhooks} compared with rules version {whole['candidate']}{back}: {differing}")
    if whole["not_compared"]:
        click.echo(f"{whole['not_compared']:,} not compared: what they point to would have to be fetched", err=True)
    if whole["next"] is not None:
        click.echo("older ones were not compared; --limit says how many are", err=True)
