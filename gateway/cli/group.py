"""The group that all commands are in: what it reports, and with which exit status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gateway.errors import GatewayError, RulesError, SettingsError, UnknownSource, UnreadableRequest

FOUND = 1
"""Exit status: something is wrong with what was looked at."""
WRONG_USAGE = 2
"""Exit status: the command was called wrongly, or its settings are wrong."""


class ReportingGroup(click.Group):
    """Says every :class:`~gateway.errors.GatewayError` on stderr, without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which they were added: that of a first day."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; turn its errors into messages and exit statuses."""
        try:
            return super().invoke(ctx)
        except RulesError as error:
            report_problems(error)
            ctx.exit(FOUND)
        except (SettingsError, UnreadableRequest) as error:
            click.echo(f"gateway: {error}", err=True)
            ctx.exit(WRONG_USAGE)
        except UnknownSource as error:
            click.echo(f"gateway: {error}", err=True)
            ctx.exit(WRONG_USAGE)
        except GatewayError as error:
            click.echo(f"gateway: {error}", err=True)
            ctx.exit(FOUND)


def report_problems(error: RulesError) -> None:
    """Every problem of a rules folder, with the line that it is in, on stderr."""
    for problem in error.problems:
        # What is wrong with a folder has no line.
        told = str(problem) if problem.source or Path(problem.file).is_file() else f"{problem.file}: {problem.message}"
        click.echo(click.style(told, fg="red"), err=True)
        if problem.excerpt:
            click.echo(problem.excerpt, err=True)
    count = len(error.problems)
    click.echo(f"{count} problem{'' if count == 1 else 's'}; these rules can't be served", err=True)
