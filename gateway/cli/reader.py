"""Whom the commands ask: a running gateway (``--server``), else the store itself. Both give the same JSON."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import click

from gateway.errors import SettingsError
from gateway.settings import Settings

View = dict[str, Any]


class Reader(Protocol):
    """The questions that commands ask, and what they ask to be done."""

    def webhooks(self, asked: Mapping[str, str]) -> View: ...
    def webhook(self, id: str) -> View: ...
    def commands(self, asked: Mapping[str, str]) -> View: ...
    def replay(self, asked: Mapping[str, Any]) -> View: ...
    def replays(self) -> View: ...
    def diff(self, asked: Mapping[str, Any]) -> View: ...
    def find(self, asked: Mapping[str, str]) -> View: ...
    def forget(self, asked: Mapping[str, Any]) -> View: ...
    def shadow(self, asked: Mapping[str, str]) -> View: ...
    def act(self, verb: str, asked: Mapping[str, Any]) -> View: ...
    def release(self, asked: Mapping[str, Any]) -> View: ...
    def rules_versions(self, asked: Mapping[str, str]) -> View: ...
    def rules_version(self, version: str) -> View: ...
    def status(self) -> View: ...
    def pause(self, scope: str, name: str, asked: Mapping[str, Any]) -> View: ...
    def resume(self, scope: str, name: str, *, preview: bool) -> View: ...
    def probe(self, name: str) -> View: ...


def reader_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--server`` and ``--store``."""
    command = click.option(
        "--store", metavar="URL", help="The store to read where no server is given [GATEWAY_STORE]."
    )(command)
    return click.option(
        "--server",
        metavar="URL",
        help="A running gateway to ask [GATEWAY_URL], with GATEWAY_ADMIN_TOKEN or GATEWAY_READ_TOKEN.",
    )(command)


def reader(*, server: str | None, store: str | None, rules: str | None = None) -> Reader:
    """A server where one is named, else the store. ``--store`` on the command line wins over ``GATEWAY_URL``.

    :raises SettingsError: neither is there.
    """
    settings = Settings.from_environ(os.environ, url=server, store=store, rules=rules)
    if settings.url is not None and (server is not None or store is None):
        token = settings.admin_token or settings.read_token
        if token is None:
            raise SettingsError("--server needs GATEWAY_ADMIN_TOKEN, or GATEWAY_READ_TOKEN to look only")
        from gateway.cli.server_reader import ServerReader

        return ServerReader(settings.url, token, settings)
    from gateway.cli.store_reader import StoreReader

    return StoreReader(settings)
