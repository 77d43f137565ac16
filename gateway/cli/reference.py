"""``gateway reference``: what a key, a filter, an operator or a preset does, without leaving the terminal."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from gateway.errors import SettingsError


@click.command()
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
        near = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "gateway reference lists what there is"
        raise SettingsError(f"the rules language has no '{name}'; {hint}")
    click.echo(found)
