"""``gateway library`` and ``gateway add``: the ready sources."""

from __future__ import annotations

import os

import click

from gateway.cli.output import json_option, print_json
from gateway.errors import SettingsError
from gateway.settings import Settings


@click.command()
@json_option
def library(as_json: bool) -> None:
    """List the ready sources and what each handles.

    \b
    Example:
      gateway library
    """
    from gateway.cli.packs import packs

    found = packs()
    if as_json:
        print_json(
            [
                {
                    "name": pack.name,
                    "title": pack.title,
                    "rules": list(pack.rules),
                    "hook": pack.hook,
                    "secrets": list(pack.secrets),
                    "assets": list(pack.assets),
                    "journeys": list(pack.journeys),
                }
                for pack in found
            ]
        )
        return
    width = max((len(pack.name) for pack in found), default=0)
    for pack in found:
        click.echo(f"{click.style(pack.name.ljust(width), bold=True)}  {pack.title}")
        for rule in pack.rules:
            click.echo(f"{' ' * width}  - {rule}")
    click.echo("gateway add NAME copies one into the rules folder", err=True)


@click.command(short_help="Copy a ready source into the rules folder.")
@click.argument("name")
@click.option("--rules", metavar="DIR", help="The rules folder [GATEWAY_RULES].")
@json_option
def add(name: str, rules: str | None, as_json: bool) -> None:
    """Copy a ready source into the rules folder; print the variables to set and the URL to paste.

    A file that is there already is never overwritten.

    \b
    Example:
      gateway add shopify --rules rules
    """
    from gateway.cli.packs import copy_pack, packs
    from gateway.cli.schema import write_schemas

    known = {pack.name: pack for pack in packs()}
    if name not in known:
        raise SettingsError(f"{name} is no ready source; allowed: {', '.join(known)}")
    pack = known[name]
    folder = Settings.from_environ(os.environ, rules=rules).rules
    made = copy_pack(pack, folder)
    write_schemas(folder)
    if as_json:
        print_json(
            {
                "name": name,
                "files": [str(path) for path in made],
                "secrets": list(pack.secrets),
                "assets": list(pack.assets),
                "journeys": list(pack.journeys),
                "hook": pack.hook,
            }
        )
        return
    click.echo(f"added {made[0]}")
    if pack.secrets:
        click.echo("set what you agreed with the sender:")
        for secret in pack.secrets:
            click.echo(f"  {secret}=...        (or {secret}_FILE, a file that holds it)")
    if pack.assets or pack.journeys:
        click.echo(f"give these their codes in {folder / 'destinations.yaml'}:")
        click.echo("  destinations:\n    default:\n      client_id: YOURS\n      auth_token: $env.INTILERY_AUTH_TOKEN")
        for kind, names in (("assets", pack.assets), ("journeys", pack.journeys)):
            if names:
                click.echo("\n".join([f"      {kind}:", *(f"        {name}: CODE" for name in names)]))
    click.echo("paste this address at the sender:")
    click.echo(f"  https://YOUR-GATEWAY{pack.hook}")
    click.echo("then: gateway check", err=True)
