"""Settings: one table of rows, each with a name, a default and help, and the typed values read from it.

A setting is an environment variable (``GATEWAY_PORT``) and an option of ``gateway serve`` (``--port``), which wins.
A secret may stand in a file instead, which ``NAME_FILE`` names (see :mod:`gateway.credentials`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any

import msgspec

from gateway.credentials import secret_setting
from gateway.errors import SettingsError
from gateway.quantities import length, size


def _port(text: str) -> int:
    if not text.strip().isdecimal() or int(text) > 65535:
        raise ValueError("a number from 0 to 65535 (0: any free port)")
    return int(text)


def _count(text: str) -> int:
    if not text.strip().isdecimal() or not int(text):
        raise ValueError("a whole number above 0")
    return int(text)


def _whole(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError("a whole number; 0 is one")
    return int(text)


def _rate(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text.strip()) or not float(text):
        raise ValueError("a number above 0")
    return float(text)


def _one_of(*allowed: str) -> Callable[[str], str]:
    def choose(text: str) -> str:
        if text.strip().lower() not in allowed:
            raise ValueError(", ".join(allowed))
        return text.strip().lower()

    return choose


def _switch(text: str) -> bool:
    if text.strip().lower() not in ("on", "off"):
        raise ValueError("on, off")
    return text.strip().lower() == "on"


def _web_address(text: str) -> str:
    if not re.match(r"https?://[^/\s]+", text.strip()):
        raise ValueError("an address that starts with http:// or https://")
    return text.strip().rstrip("/")


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("networks such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.1") from None


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table."""

    name: str
    """The environment variable."""
    default: str | None
    """As text; None where there is none, and ``help`` says what then happens."""
    help: str
    read: Callable[[str], Any] = str
    """Text to value; raises ValueError with what is allowed."""
    secret: bool = False
    """Also as ``NAME_FILE``; never shown, and read by those that need it only."""

    @property
    def attribute(self) -> str:
        """The name in :class:`Settings`: ``port``, ``intilery_url``."""
        return self.name.removeprefix("GATEWAY_").lower()

    @property
    def option(self) -> str:
        """The option of ``gateway serve``: ``--port``, ``--intilery-url``."""
        return "--" + self.attribute.replace("_", "-")


SETTINGS: tuple[Setting, ...] = (
    Setting(name="GATEWAY_RULES", default="rules", read=Path, help="Folder of rules files."),
    Setting(
        name="GATEWAY_DESTINATIONS",
        default=None,
        read=Path,
        help="The destinations file; without it destinations.yaml in the rules folder.",
    ),
    Setting(
        name="GATEWAY_SHADOW_RULES",
        default=None,
        read=Path,
        help="Folder of candidate rules that every webhook is translated by, too; they send nothing.",
    ),
    Setting(
        name="GATEWAY_RELOAD",
        default="on",
        read=_switch,
        help="on: rules files are watched and served as soon as they change; off: only SIGHUP loads them again.",
    ),
    Setting(
        name="GATEWAY_STORE",
        default="sqlite:///gateway.db",
        help="Where webhooks and commands are kept: sqlite:///FILE, or postgresql://USER@HOST/DATABASE.",
    ),
    Setting(name="GATEWAY_HOST", default="127.0.0.1", help="Address to listen on; 0.0.0.0 for all."),
    Setting(name="GATEWAY_PORT", default="8080", read=_port, help="Port to listen on; 0 for any free one."),
    Setting(
        name="GATEWAY_ROLE",
        default="all",
        read=_one_of("all", "receive", "deliver"),
        help="all; receive only takes webhooks in; deliver only sends commands.",
    ),
    Setting(
        name="GATEWAY_WORKERS",
        default="1",
        read=_count,
        help="Serving processes on this machine, one for each core; more than 1 need PostgreSQL.",
    ),
    Setting(
        name="GATEWAY_ADMIN_TOKEN",
        default=None,
        secret=True,
        help="Bearer token of /api and /metrics; without it serve makes one for its lifetime and prints it.",
    ),
    Setting(
        name="GATEWAY_READ_TOKEN",
        default=None,
        secret=True,
        help="Bearer token that may look and not act; without it there is none.",
    ),
    Setting(
        name="GATEWAY_RETENTION",
        default="30d",
        read=length,
        help="How long webhooks are kept with all that became of them, once that is over; "
        "a rules file may say retention.",
    ),
    Setting(
        name="GATEWAY_QUARANTINE_COUNT",
        default="1000",
        read=_whole,
        help="Requests that failed authentication and are kept for a release, shared out among the sources; 0: none.",
    ),
    Setting(
        name="GATEWAY_QUARANTINE_BYTES",
        default="50MB",
        read=size,
        help="What these may hold together, shared out as well.",
    ),
    Setting(
        name="GATEWAY_QUARANTINE_AGE",
        default="7d",
        read=length,
        help="How long they are kept.",
    ),
    Setting(
        name="GATEWAY_LOG_FORMAT",
        default="auto",
        read=_one_of("auto", "text", "json"),
        help="text, json (one object a line), or auto: text on a terminal, else json.",
    ),
    Setting(
        name="GATEWAY_LOG_LEVEL",
        default="info",
        read=_one_of("debug", "info", "warning", "error"),
        help="debug, info, warning or error.",
    ),
    Setting(
        name="GATEWAY_MAX_BODY",
        default="10MB",
        read=size,
        help="Largest webhook body of any source, whatever its own limit (1 MB where a rules file sets none) is.",
    ),
    Setting(
        name="GATEWAY_MAX_REQUESTS",
        default="1000",
        read=_count,
        help="Webhooks that are being received at a time, nine tenths of them of one source; what is over it gets 503.",
    ),
    Setting(
        name="GATEWAY_BODY_MEMORY",
        default="64MB",
        read=size,
        help="Bytes of bodies over 64 KiB that are held at a time; what is over it is answered 503.",
    ),
    Setting(
        name="GATEWAY_BODY_TIMEOUT",
        default="10s",
        read=length,
        help="A webhook's body that takes longer to arrive is answered 408.",
    ),
    Setting(
        name="GATEWAY_TRUSTED_PROXIES",
        default=None,
        read=_networks,
        help="The proxies before the gateway, in CIDR notation with commas between: what they say of the sender's "
        "address and certificate is believed; without it no header is.",
    ),
    Setting(
        name="GATEWAY_CLIENT_HEADER",
        default="X-Forwarded-For",
        help="The header in which those proxies put the sender's address.",
    ),
    Setting(
        name="GATEWAY_CONNECTIONS",
        default="32",
        read=_count,
        help="Commands on their way to one destination at a time.",
    ),
    Setting(
        name="GATEWAY_TIMEOUT",
        default="30s",
        read=length,
        help="How long Intilery may take to answer a command, before its outcome is unknown.",
    ),
    Setting(
        name="GATEWAY_GIVE_UP",
        default="24h",
        read=length,
        help="A command that could not be delivered for so long has failed.",
    ),
    Setting(
        name="GATEWAY_IDENTIFY_GAP",
        default="500ms",
        read=length,
        help="How long a command waits after its identify was accepted: Intilery needs a moment to know the customer.",
    ),
    Setting(
        name="GATEWAY_GRACE",
        default="10s",
        read=length,
        help="At a stop, how long requests and commands on their way may take to end.",
    ),
    Setting(
        name="GATEWAY_URL",
        default=None,
        read=_web_address,
        help="For the reading commands: the gateway to ask; without it they read the store themselves.",
    ),
    Setting(
        name="INTILERY_URL",
        default="https://tracking.intilery.com",
        read=_web_address,
        help="Intilery's tracking API.",
    ),
    Setting(
        name="INTILERY_CLIENT_ID",
        default=None,
        help="The label before intilery.com in the login address; with it there is a destination named default.",
    ),
    Setting(
        name="INTILERY_ACCOUNT_ID",
        default=None,
        help="The label before the client id in the login address; without it the client id.",
    ),
    Setting(
        name="INTILERY_BRAND_ID",
        default=None,
        help="The brand, in upper case; without it the account id in upper case.",
    ),
    Setting(
        name="INTILERY_AUTH_TOKEN",
        default=None,
        secret=True,
        help="Intilery's auth-token of the destination named default.",
    ),
    Setting(name="INTILERY_RATE", default="100", read=_rate, help="Requests a second to the destination default."),
    Setting(name="INTILERY_BURST", default="500", read=_count, help="Requests at once to the destination default."),
)
"""Every setting, in the order of the documentation."""

_BY_ATTRIBUTE = {setting.attribute: setting for setting in SETTINGS}
_KNOWN = {setting.name for setting in SETTINGS} | {f"{setting.name}_FILE" for setting in SETTINGS if setting.secret}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The values. Each field is the row of the same name in :data:`SETTINGS`; secrets are properties."""

    rules: Path
    destinations: Path | None
    shadow_rules: Path | None
    reload: bool
    store: str
    host: str
    port: int
    role: str
    workers: int
    retention: timedelta
    quarantine_count: int
    quarantine_bytes: int
    quarantine_age: timedelta
    log_format: str
    log_level: str
    max_body: int
    max_requests: int
    body_memory: int
    body_timeout: timedelta
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] | None
    client_header: str
    connections: int
    timeout: timedelta
    give_up: timedelta
    identify_gap: timedelta
    grace: timedelta
    url: str | None
    intilery_url: str
    intilery_client_id: str | None
    intilery_account_id: str | None
    intilery_brand_id: str | None
    intilery_rate: float
    intilery_burst: int
    environ: Mapping[str, str]
    """The environment with the options laid over it: what rules and credentials are read from."""
    warnings: tuple[str, ...] = ()
    """What looks like a mistake and stops nothing: a ``GATEWAY_`` variable that is no setting."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], **options: object) -> Settings:
        """Read every row; an option that is not None wins over its variable, an empty variable is an unset one.

        :raises SettingsError: one line for each bad value: where, what was found, what is allowed.
        """
        merged = dict(environ)
        origin: dict[str, str] = {}
        for attribute, value in options.items():
            row = _BY_ATTRIBUTE[attribute]
            if value is not None:
                merged[row.name] = str(value)
                origin[row.name] = row.option
        values: dict[str, Any] = {}
        problems: list[str] = []
        for row in SETTINGS:
            if row.secret:
                continue
            text = merged.get(row.name, "").strip() or row.default
            try:
                values[row.attribute] = None if text is None else row.read(text)
            except (ValueError, OverflowError) as error:
                problems.append(f"{origin.get(row.name, row.name)}: {text!r} is not possible; allowed: {error}")
        if problems:
            raise SettingsError("\n".join(problems))
        return cls(**values, environ=merged, warnings=tuple(_unknown(environ)))

    @property
    def admin_token(self) -> str | None:
        """:raises SettingsError: its file can't be read."""
        return secret_setting(self.environ, "GATEWAY_ADMIN_TOKEN")

    @property
    def read_token(self) -> str | None:
        """:raises SettingsError: its file can't be read."""
        return secret_setting(self.environ, "GATEWAY_READ_TOKEN")


def _unknown(environ: Mapping[str, str]) -> list[str]:
    warnings = []
    # Without the prefix, which would make all names look alike.
    known = [name.removeprefix("GATEWAY_") for name in _KNOWN]
    for name in sorted(environ):
        if name.startswith("GATEWAY_") and name not in _KNOWN:
            near = difflib.get_close_matches(name.removeprefix("GATEWAY_"), known, n=1, cutoff=0.6)
            hint = f"; did you mean GATEWAY_{near[0]}?" if near else ""
            warnings.append(f"{name} is not a setting of the gateway{hint}")
    return warnings
