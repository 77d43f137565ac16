"""``gateway serve``: the service."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

import click

from gateway.cli.group import FOUND, WRONG_USAGE
from gateway.cli.output import json_option, print_line
from gateway.errors import GatewayError, SettingsError
from gateway.settings import SETTINGS, Settings

if TYPE_CHECKING:
    from gateway.rules import Ruleset

_HERE = {"url"}
"""Settings of other commands."""


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Every setting as an option of the same name; secrets are not options: command lines are seen by everybody."""
    for setting in reversed(SETTINGS):
        if setting.secret or setting.attribute in _HERE:
            continue
        default = f" [{setting.name}; default {setting.default}]" if setting.default else f" [{setting.name}]"
        command = click.option(setting.option, setting.attribute, metavar="VALUE", help=setting.help + default)(command)
    return command


@click.command(short_help="Serve webhooks and deliver their commands.")
@setting_options
@click.option("--listening", type=int, hidden=True, help="A worker's: the file descriptor to serve.")
@json_option
def serve(as_json: bool, listening: int | None, **options: str | None) -> None:
    """Serve webhooks and deliver their commands, until Ctrl-C or SIGTERM.

    Rules files are watched, and served as soon as they change; SIGHUP loads them at once. A change that has problems is
    not served: the log, /api/status and the metrics say what is wrong, and the rules before it go on.

    Every option is also an environment variable, in brackets. Secrets are only read from the environment, or from the
    file that NAME_FILE names: GATEWAY_ADMIN_TOKEN, INTILERY_AUTH_TOKEN and those of the rules files.

    \b
    Example:
      gateway serve --rules rules --store sqlite:///gateway.db --port 8080
    """
    from gateway.cli.server import bind, run
    from gateway.folders import load_rules
    from gateway.telemetry import configure_logging

    settings = Settings.from_environ(os.environ, **options)
    configure_logging(format=settings.log_format, level=settings.log_level)
    if listening is not None:
        bound = socket.socket(fileno=listening)
        raise SystemExit(run(_serve(settings, load_rules(settings), bound, as_json=as_json, parent=sys.stdin)))
    for warning in settings.warnings:
        logging.getLogger("gateway").warning("%s", warning)
    ruleset = load_rules(settings)
    made = None if settings.admin_token else secrets.token_urlsafe(24)
    if settings.workers == 1:
        bound = bind(settings.host, settings.port)
        raise SystemExit(run(_serve(settings, ruleset, bound, made_token=made, as_json=as_json)))
    refuse_workers(settings)
    raise SystemExit(run(_serve_workers(settings, bind(settings.host, settings.port), made, as_json=as_json)))


def refuse_workers(settings: Settings) -> None:
    """:raises SettingsError: a store that is for one serving process."""
    if settings.store.startswith("sqlite:"):
        raise SettingsError(
            f"--workers {settings.workers}: an SQLite file is for one serving process; allowed: 1, or a "
            "--store postgresql://…"
        )


async def _serve_workers(settings: Settings, bound: socket.socket, made_token: str | None, *, as_json: bool) -> int:
    from gateway.cli.server import address_of
    from gateway.cli.workers import Workers

    # The workers take every setting from the environment. Their number is this process's affair.
    environ = {**settings.environ, "GATEWAY_WORKERS": "1"}
    if made_token is not None:
        environ["GATEWAY_ADMIN_TOKEN"] = made_token

    def ready(banner: dict[str, Any]) -> None:
        _banner(banner | {"workers": settings.workers}, address_of(bound), made_token=made_token, as_json=as_json)

    workers = Workers(settings.workers, bound=bound, environ=environ, grace=settings.grace, ready=ready)
    return await workers.run()


async def _serve(
    settings: Settings,
    ruleset: Ruleset,
    bound: socket.socket,
    *,
    as_json: bool,
    made_token: str | None = None,
    parent: TextIO | None = None,
) -> int:
    """``parent`` is the pipe that closes with the process that this one is a worker of."""
    from gateway.app import create_app
    from gateway.cli.server import address_of, reload_signal, serving, stop_signals

    app = create_app(settings, ruleset=ruleset, admin_token=made_token)
    log = logging.getLogger("gateway")
    try:
        with stop_signals() as stopped, reload_signal(app.state.gateway.reload, closed=stopped.set):
            if parent is not None:
                asyncio.get_running_loop().add_reader(parent, stopped.set)
            async with app.router.lifespan_context(app), serving(app, bound, grace=settings.grace):
                status = await app.state.gateway.status()
                _banner(status, address_of(bound), made_token=made_token, as_json=as_json)
                await stopped.wait()
                log.info("stopping: what is on its way has %g s", settings.grace.total_seconds())
    except GatewayError as error:
        log.critical("%s", error)
        return WRONG_USAGE if isinstance(error, SettingsError) else FOUND
    log.info("stopped")
    return 0


def _banner(status: dict[str, Any], address: str, *, made_token: str | None, as_json: bool) -> None:
    if as_json:
        token = {"admin_token": made_token} if made_token else {}
        print_line({"address": address, **token, **status})
        return
    rules = status["rules"]
    revision = f", git {rules['revision']}" if rules["revision"] else ""
    click.echo(f"gateway {status['gateway']} at {click.style(address, bold=True)}")
    click.echo(f"  rules         version {rules['version']}{revision}")
    for source in status["sources"]:
        state = click.style("ready", fg="green")
        if status["role"] == "deliver":
            state = "not here: the role is deliver"
        elif source["unset"]:
            state = click.style(f"disabled: {', '.join(source['unset'])} is not set", fg="red")
        click.echo(f"  source        {source['name']}: POST {address}{source['hook']}  {state}")
    if not status["sources"]:
        click.echo("  source        none; see gateway library and gateway add")
    for destination in status["destinations"]:
        # Its address was not reached yet: the first command does that.
        state = click.style("token set", fg="green")
        if destination["disabled"]:
            state = click.style(f"its commands wait: {destination['disabled']}", fg="red")
        click.echo(f"  destination   {destination['name']}  {state}")
    click.echo(f"  store         {status['store']}")
    if status.get("workers"):
        click.echo(f"  workers       {status['workers']}")
    if made_token:
        click.echo(f"  admin token   {made_token}  (made for this run; set GATEWAY_ADMIN_TOKEN to keep one)")
        click.echo(f"                curl -H 'Authorization: Bearer {made_token}' {address}/api/status")
