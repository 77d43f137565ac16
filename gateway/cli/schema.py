"""``gateway schema``: what an editor needs to complete and check a rules file while it is typed."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.errors import SettingsError


@click.command()
@click.option("--destinations", is_flag=True, help="The schema of destinations.yaml instead.")
@click.option("--write", "folder", metavar="DIR", help="Write both schemas into this rules folder instead.")
@click.option("--json", "as_json", is_flag=True, help="As without it: what is printed is JSON.")
def schema(destinations: bool, folder: str | None, as_json: bool) -> None:
    """Print the JSON Schema of a rules file, for editors.

    With --write, both schemas go into a rules folder, where the first line of a rules file names them:
    # yaml-language-server: $schema=.schema.json

    \b
    Example:
      gateway schema --write rules
    """
    from gateway.rules.schema import MODELINE, destinations_schema, json_schema, written

    if folder is None:
        click.echo(written(destinations_schema() if destinations else json_schema()), nl=False)
        return
    if not Path(folder).is_dir():
        raise SettingsError(f"--write {folder}: there is no such folder")
    for path in write_schemas(Path(folder)):
        click.echo(f"wrote {path}")
    click.echo(f"let a rules file begin with: {MODELINE}", err=True)


def write_schemas(folder: Path) -> list[Path]:
    """Put both schemas of this version into a rules folder, over older ones; the paths that were written anew."""
    from gateway.rules.schema import DESTINATIONS_FILE, RULES_FILE, destinations_schema, json_schema, written

    made: list[Path] = []
    for name, content in ((RULES_FILE, json_schema()), (DESTINATIONS_FILE, destinations_schema())):
        path, text = folder / name, written(content)
        try:
            if path.exists() and path.read_text(encoding="utf-8") == text:
                continue
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"{path} can't be written: {error.strerror}") from error
        made.append(path)
    return made
