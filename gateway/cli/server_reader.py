"""What the commands ask of a running gateway, over its API."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import msgspec

from gateway.cli.reader import View
from gateway.errors import GatewayError, NotFound, SettingsError, UnreadableRequest
from gateway.settings import Settings

_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class ServerReader:
    """Asks a running gateway over its API."""

    def __init__(self, url: str, token: str, settings: Settings) -> None:
        self._url, self._token, self._settings = url, token, settings
        self._files: dict[str, str] | None = None

    def webhooks(self, asked: Mapping[str, str]) -> View:
        return self._ask("GET", "/api/webhooks", asked=asked)

    def webhook(self, id: str) -> View:
        return self._ask("GET", f"/api/webhooks/{quote(id, safe='')}")

    def commands(self, asked: Mapping[str, str]) -> View:
        return self._ask("GET", "/api/commands", asked=asked)

    def replay(self, asked: Mapping[str, Any]) -> View:
        return self._ask("POST", "/api/replay", body=asked, timeout=600)

    def replays(self) -> View:
        return self._ask("GET", "/api/replays")

    def forget(self, asked: Mapping[str, Any]) -> View:
        return self._ask("POST", "/api/forget", body=asked, timeout=600)

    def shadow(self, asked: Mapping[str, str]) -> View:
        return self._ask("GET", "/api/shadow", asked=asked)

    def find(self, asked: Mapping[str, str]) -> View:
        return self._ask("GET", "/api/find", asked=asked, timeout=600)

    def diff(self, asked: Mapping[str, Any]) -> View:
        if self._files is None:
            self._files = _texts(self._settings)
        return self._ask("POST", "/api/diff", body={**asked, "files": self._files}, timeout=600)

    def act(self, verb: str, asked: Mapping[str, Any]) -> View:
        return self._ask("POST", f"/api/commands/{verb}", body=asked, timeout=600)

    def release(self, asked: Mapping[str, Any]) -> View:
        return self._ask("POST", "/api/quarantine/release", body=asked, timeout=600)

    def rules_versions(self, asked: Mapping[str, str]) -> View:
        return self._ask("GET", "/api/rules", asked=asked)

    def rules_version(self, version: str) -> View:
        return self._ask("GET", f"/api/rules/{quote(version, safe='')}")

    def status(self) -> View:
        return self._ask("GET", "/api/status")

    def pause(self, scope: str, name: str, asked: Mapping[str, Any]) -> View:
        return self._ask("POST", f"{_address(scope, name)}/pause", body=asked)

    def resume(self, scope: str, name: str, *, preview: bool) -> View:
        return self._ask("POST", f"{_address(scope, name)}/resume", body={"preview": preview}, timeout=600)

    def probe(self, name: str) -> View:
        return self._ask("POST", f"{_address('destination', name)}/probe", body={}, timeout=120)

    def try_(self, asked: Mapping[str, Any]) -> View:
        """``POST /api/try``."""
        return self._ask("POST", "/api/try", body=asked)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        asked: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        timeout: float = 30,
    ) -> View:
        import httpx

        try:
            answer = httpx.request(
                method,
                self._url + path,
                params=dict(asked or {}),
                content=None if body is None else msgspec.json.encode(body),
                headers={"authorization": f"Bearer {self._token}", "content-type": "application/json"},
                timeout=timeout,
            )
        except httpx.HTTPError as error:
            raise SettingsError(f"{self._url} can't be asked: {error}") from error
        try:
            view = _decode(answer.content)
        except msgspec.DecodeError as error:
            raise SettingsError(f"{self._url}{path} is no gateway: it answered {answer.status_code}") from error
        if answer.is_success and isinstance(view, dict):
            return view
        detail = view.get("detail", answer.reason_phrase) if isinstance(view, dict) else answer.reason_phrase
        kind = {400: UnreadableRequest, 401: SettingsError, 404: NotFound}.get(answer.status_code, GatewayError)
        raise kind(f"{detail} ({self._url} answered {answer.status_code})")


def _texts(settings: Settings) -> dict[str, str]:
    """The files of a rules folder by name, as they are sent to a gateway that compiles them.

    :raises SettingsError: they can't be read.
    """
    from gateway.rules import paths_of

    try:
        paths = paths_of(settings.rules, destinations=settings.destinations)
        return {name: path.read_text(encoding="utf-8-sig") for name, path in paths.items()}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--rules {settings.rules}: can't be read: {error}") from error


def _address(scope: str, name: str) -> str:
    """The route of what can be paused; a rule is named by its source and its id."""
    return f"/api/{scope}s/" + quote(name, safe="/" if scope == "rule" else "")
