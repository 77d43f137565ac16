"""``gateway reference``: what a key, a filter, an operator or a preset does, without leaving the terminal."""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path

import click

from gateway.errors import SettingsError

_BAR = re.compile(r"(?<!\\)\|")
"""Between two cells of a table."""


@click.command(short_help="Explain a word of the rules language.")
@click.argument("name", required=False)
@click.option("--write", "folder", metavar="DIR", help="Write every page into this folder, as Markdown.")
def reference(name: str | None, folder: str | None) -> None:
    """Explain a key, filter, operator or preset of the rules language, with an example; without NAME, list them.

    \b
    Example:
      gateway reference quiet_hours
    """
    from gateway.rules.reference.lookup import entry, names
    from gateway.rules.reference.pages import pages

    if folder is not None:
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        for file, text in pages().items():
            (target / file).write_text(text, encoding="utf-8")
            click.echo(f"wrote {target / file}")
        return
    if name is None:
        click.echo("\n".join(names()))
        click.echo("gateway reference NAME explains one", err=True)
        return
    found = entry(name)
    if found is None:
        near = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.7)
        hint = f"did you mean {' or '.join(near)}?" if near else "gateway reference lists what there is"
        raise SettingsError(f"the rules language has no '{name}'; {hint}")
    click.echo(plain(found) if sys.stdout.isatty() else found)


def plain(markdown: str) -> str:
    """Markdown as text for a terminal: code indented, tables as columns, no marks."""
    lines: list[str] = []
    table: list[list[str]] = []
    fenced = False
    for line in [*markdown.splitlines(), ""]:
        if table and not line.startswith("|"):
            lines += _columns(table)
            table = []
        if line.startswith("```"):
            fenced = not fenced
        elif fenced:
            lines.append(f"    {line}".rstrip())
        elif line.startswith("|"):
            cells = [_text(cell.strip()) for cell in _BAR.split(line.strip()[1:-1])]
            if set("".join(cells)) - set("-: "):
                table.append(cells)
        elif line.startswith("#"):
            lines.append(click.style(_text(line.lstrip("#").strip()), bold=True))
        else:
            lines.append(_text(line))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")


def _columns(table: list[list[str]]) -> list[str]:
    widths = [min(30, max(len(cell) for cell in column)) for column in zip(*table, strict=False)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in table
    ]


def _text(line: str) -> str:
    line = re.sub(r"\[([^\]]+)\]\([^)]+\)", r"\1", line)
    return line.replace("\\|", "|").replace("**", "").replace("`", "")
