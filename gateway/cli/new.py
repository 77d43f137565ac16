"""``gateway new``: a rules file drafted from a payload, for a person to correct."""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.output import json_option, pretty, print_json
from gateway.cli.reader import reader_options
from gateway.errors import RulesError, SettingsError
from gateway.settings import Settings

if TYPE_CHECKING:
    from gateway.rules.draft import Draft

_SOURCE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")


@click.command()
@click.argument("source")
@click.option("--from", "file", metavar="FILE", help="The payload; - for stdin.")
@click.option("--webhook", metavar="ID", help="A webhook that the gateway has received: its body and headers.")
@click.option("--header", "headers", metavar="NAME:VALUE", multiple=True, help="A header it came with; repeatable.")
@click.option("--rules", metavar="DIR", help="The rules folder [GATEWAY_RULES].")
@reader_options
@json_option
def new(
    source: str,
    file: str | None,
    webhook: str | None,
    headers: Sequence[str],
    rules: str | None,
    server: str | None,
    store: str | None,
    as_json: bool,
) -> None:
    """Draft a rules file from a payload, with a mark at every guess.

    The draft refuses what is unsigned and sends nothing until you say so. Of a file that is there already and has no
    rules, everything is kept and the rest is drafted; a file with rules is left alone.

    \b
    Example:
      gateway new shop --from order.json --header X-Shop-Topic:orders/create
    """
    from gateway.cli.packs import packs
    from gateway.cli.schema import write_schemas
    from gateway.rules.draft import draft

    if (file is None) == (webhook is None):
        raise click.UsageError("say where the payload is: --from FILE, or --webhook ID")
    if not _SOURCE.match(source):
        raise click.BadParameter(f"{source!r}; allowed: lower-case letters, digits, - and _", param_hint="SOURCE")
    settings = Settings.from_environ(os.environ, rules=rules, store=store)
    target = settings.rules / f"{source}.yaml"
    beginning = _kept(target) if target.exists() else ""
    sent, path = dict(_header(text) for text in headers), ""
    if webhook is not None:
        body, came, path = _received(webhook, server=server, store=store)
        sent = {**came, **sent}
    else:
        assert file is not None
        body = _read(file)
        if not body.strip():
            raise SettingsError(f"--from {file}: the payload is empty; save one that your sender sent")
    drafted = draft(
        source,
        body,
        headers=sent,
        now=datetime.now(UTC),
        ready=frozenset(pack.name for pack in packs()),
        path=path,
        destination=_destination(settings),
        beginning=beginning,
    )
    sample = settings.rules / drafted.sample
    sample.parent.mkdir(parents=True, exist_ok=True)
    sample.write_bytes(body)
    target.write_text(drafted.text, encoding="utf-8")
    write_schemas(settings.rules)
    if as_json:
        print_json(
            {
                "file": str(target),
                "sample": str(sample),
                "sender": drafted.proof.sender,
                "verify": drafted.proof.why,
                "has_rule": drafted.has_rule,
                "secrets": list(drafted.secrets),
                "guesses": [{"what": one.what, "value": one.value, "why": one.why} for one in drafted.guesses],
            }
        )
        return
    click.echo(f"wrote {target} and {sample}")
    _told(drafted, target, source, kept=bool(beginning))


def _told(drafted: Draft, target: Path, source: str, *, kept: bool) -> None:
    """What was guessed, and the three next steps."""
    proof = drafted.proof
    width = max((len(one.what) for one in drafted.guesses), default=0)
    for one in drafted.guesses:
        click.echo(f"  {one.what.ljust(width)}  {one.value}")
    if kept:
        click.echo("verify: as it stood in the file")
    elif proof.sender is None:
        click.echo(click.style(f"verify was guessed: {proof.why}", fg="yellow"))
    else:
        click.echo(f"verify: {proof.why}")
    if not drafted.has_rule:
        click.echo(click.style("no customer was found in it, so there is no rule yet: the source records", fg="yellow"))
    click.echo("next:")
    click.echo(f"  1. look at every line marked '# guess:' in {target}")
    where = f"/hooks/{source}" + ("?token=THE-SECRET" if proof.by_address and not kept else "")
    secrets = f"set {' and '.join(drafted.secrets)}, and " if drafted.secrets else ""
    click.echo(f"  2. {secrets}paste https://YOUR-GATEWAY{where} at the sender")
    click.echo(f"  3. gateway check {target.parent}, gateway test {target.parent}; then take out mode: dry_run")
    if "# " + f"{proof.sender} has ready rules" in drafted.text:
        click.echo(f"there are ready rules for it: gateway add {proof.sender}")


def _read(file: str) -> bytes:
    if file == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise SettingsError(f"--from {file}: {error.strerror}") from error


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise click.BadParameter(f"{text!r} is no header; allowed: NAME:VALUE", param_hint="--header")
    return name.strip(), value.strip()


def _received(id: str, *, server: str | None, store: str | None) -> tuple[bytes, dict[str, str], str]:
    """The body, the headers and the path of a stored webhook."""
    from gateway.cli.reader import reader

    view = reader(server=server, store=store).webhook(id)
    body, encoding = view["body"], view["body_encoding"]
    if encoding == "json":
        data = pretty(body).encode()
    else:
        data = base64.b64decode(body) if encoding == "base64" else body.encode()
    return data, {name.lower(): value for name, value in view["headers"]}, view["path"]


def _kept(file: Path) -> str:
    """The text of a rules file that only records; what is drafted is added to it.

    :raises SettingsError: it has rules or examples, or can't be read.
    """
    from gateway.rules.nodes import YAMLFile

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} can't be read: {error}") from error
    root = YAMLFile(file.name, text).root
    if root is None or root.get("rules") is not None or root.get("examples") is not None:
        raise SettingsError(f"{file} is there already and stays as it is; choose another name, or move it away")
    return text


def _destination(settings: Settings) -> str | None:
    """A destination to name, where the folder has several and none is the default."""
    from gateway.folders import load_rules

    try:
        found = list(load_rules(settings).destinations)
    except RulesError:
        return None
    return None if "default" in found or len(found) < 2 else found[0]
