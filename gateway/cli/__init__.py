"""The command line, ``gateway``: one group, one file per family of commands.

Errors go to stderr. The exit status is 0 where all is good, 1 for a finding, 2 for wrong usage. With ``--json``, stdout
is JSON and nothing else.
"""

from __future__ import annotations

import os
import sys

import click

from gateway import __version__
from gateway.cli.acting import cancel, retry, settle
from gateway.cli.demo import demo
from gateway.cli.find import find
from gateway.cli.forget import forget
from gateway.cli.group import ReportingGroup
from gateway.cli.library import add, library
from gateway.cli.lists import commands, webhooks
from gateway.cli.move import move
from gateway.cli.new import new
from gateway.cli.pausing import pause, probe, resume
from gateway.cli.prune import prune
from gateway.cli.quarantine import quarantine
from gateway.cli.reference import reference
from gateway.cli.replay import replay
from gateway.cli.rules import check, test, try_
from gateway.cli.sandbox import sandbox
from gateway.cli.schema import schema
from gateway.cli.send import send
from gateway.cli.serve import serve
from gateway.cli.shadow import shadow
from gateway.cli.show import show
from gateway.cli.status import status
from gateway.cli.stores import backup, inspect, migrate
from gateway.cli.versions import rules


@click.group(cls=ReportingGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="gateway")
@click.pass_context
def main(context: click.Context) -> None:
    """Turn webhooks into Intilery commands by declarative rules.

    First steps: gateway demo, then gateway library and gateway add, or gateway new for any other sender.
    """
    if not __debug__:
        # Also said where an application is created; here it comes before anything that needs assertions.
        click.echo("gateway: python runs with -O or PYTHONOPTIMIZE; run it without: assertions are needed", err=True)
        sys.exit(2)
    if os.environ.get("NO_COLOR"):
        context.color = False


for _command in (
    serve,
    demo,
    sandbox,
    check,
    test,
    try_,
    send,
    schema,
    library,
    add,
    new,
    webhooks,
    commands,
    show,
    find,
    replay,
    quarantine,
    shadow,
    retry,
    cancel,
    settle,
    status,
    pause,
    resume,
    probe,
    rules,
    prune,
    forget,
    backup,
    inspect,
    migrate,
    move,
    reference,
):
    main.add_command(_command)
