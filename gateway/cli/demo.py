"""``gateway demo``: a gateway, the sandbox as its destination, and the library's samples, all on this machine."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.output import json_option


@click.command(short_help="Gateway and sandbox on this machine, with sample webhooks.")
@click.option("--once", is_flag=True, help="Send every sample, wait until all is delivered, print a summary and end.")
@click.option(
    "--port", default=8080, show_default=True, type=click.IntRange(1, 65535), help="Port; if taken, the next."
)
@json_option
def demo(once: bool, port: int, as_json: bool) -> None:
    """Run the gateway against the sandbox and send it the samples of the library. Nothing leaves this machine.

    Store, rules and secrets are made for this run and gone after it. Ends at Ctrl-C. With --once the exit status is 1
    if something was not delivered.

    \b
    Example:
      gateway demo --once
    """
    from gateway.cli.demonstration import demonstrate
    from gateway.cli.server import run
    from gateway.telemetry import configure_logging

    configure_logging(format="text", level="warning")
    status: Any = run(demonstrate(once=once, port=port, as_json=as_json))
    raise SystemExit(status)
