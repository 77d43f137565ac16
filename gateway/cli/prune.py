"""``gateway prune``: take out what is old and over, now, instead of waiting for the serving gateway to do it."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from gateway.cli.output import json_option, print_json
from gateway.errors import SettingsError
from gateway.settings import Settings
from gateway.store import Pruned, open_store

_WORDS = {
    "webhooks": "webhooks, with their bodies",
    "commands": "commands",
    "attempts": "attempts",
    "dedup_keys": "dedup keys whose time was over",
    "once_claims": "once claims whose time was over",
    "rules_versions": "versions of the rules that nothing names",
    "quarantined": "requests in quarantine",
}


@click.command(short_help="Take out what is older than its retention.")
@click.option("--dry-run", is_flag=True, help="Only count what would go.")
@click.option("--rules", metavar="DIR", help="Folder of rules files, for the retention of each source [GATEWAY_RULES].")
@click.option("--retention", metavar="LENGTH", help="Of sources that say nothing [GATEWAY_RETENTION; default 30d].")
@click.option("--store", metavar="URL", help="The store [GATEWAY_STORE].")
@json_option
def prune(dry_run: bool, rules: str | None, retention: str | None, store: str | None, as_json: bool) -> None:
    """Take out webhooks that are older than their source's retention, with bodies, commands and attempts.

    What is not over (a command that waits, is held or on its way) stays, and so do dedup keys and once claims that are
    in force. A serving gateway does the same every ten minutes; this may run beside it.

    \b
    Example:
      gateway prune --dry-run
    """
    from gateway.folders import load_rules
    from gateway.pruning import retentions

    settings = Settings.from_environ(os.environ, rules=rules, store=store, retention=retention)
    path = settings.store.removeprefix("sqlite:///")
    if path != settings.store and not Path(path).exists():
        raise SettingsError(
            f"--store {settings.store}: no such file (gateway serve makes it); give --store, or GATEWAY_STORE"
        )
    by_source = retentions(load_rules(settings))

    async def run() -> Pruned:
        opened = open_store(settings.store)
        await opened.open(serving=False)
        try:
            return await opened.prune(
                now=datetime.now(UTC),
                default=settings.retention,
                by_source=by_source,
                quarantined=settings.quarantine_age,
                dry_run=dry_run,
            )
        finally:
            await opened.close()

    pruned = msgspec.to_builtins(asyncio.run(run()))
    if as_json:
        print_json({**pruned, "dry_run": dry_run})
        return
    click.echo("would take out" if dry_run else "took out")
    for name, words in _WORDS.items():
        click.echo(f"  {pruned[name]:>9,}  {words}")
