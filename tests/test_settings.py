"""Settings: every row is read, a bad value says where, what and what is allowed."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from gateway.errors import SettingsError
from gateway.quantities import length, size
from gateway.settings import SETTINGS, Settings


def test_every_row_is_a_field_and_every_field_a_row_but_for_secrets() -> None:
    fields = {field.name for field in msgspec.structs.fields(Settings)} - {"environ", "warnings"}
    assert fields == {setting.attribute for setting in SETTINGS if not setting.secret}
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


def test_the_defaults_are_those_that_users_rely_on() -> None:
    settings = Settings.from_environ({})
    assert settings.rules == Path("rules")
    assert settings.store == "sqlite:///gateway.db"
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.role == "all"
    assert settings.retention == timedelta(days=30)
    assert (settings.log_format, settings.log_level) == ("auto", "info")
    assert settings.intilery_url == "https://tracking.intilery.com"
    assert (settings.intilery_rate, settings.intilery_burst) == (100, 500)
    assert settings.admin_token is None
    assert settings.warnings == ()


def test_an_option_wins_over_its_variable_and_reaches_the_rules() -> None:
    environ = {"GATEWAY_PORT": "1", "INTILERY_CLIENT_ID": "acme"}
    settings = Settings.from_environ(environ, port=9000, intilery_client_id="other", host=None)
    assert settings.port == 9000
    assert settings.environ["INTILERY_CLIENT_ID"] == "other"
    assert environ == {"GATEWAY_PORT": "1", "INTILERY_CLIENT_ID": "acme"}


def test_an_empty_variable_is_an_unset_one() -> None:
    assert Settings.from_environ({"GATEWAY_PORT": "", "GATEWAY_ADMIN_TOKEN": ""}) == msgspec.structs.replace(
        Settings.from_environ({}), environ={"GATEWAY_PORT": "", "GATEWAY_ADMIN_TOKEN": ""}
    )


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from the file\n")
    settings = Settings.from_environ({"GATEWAY_ADMIN_TOKEN_FILE": str(tmp_path / "token")})
    assert settings.admin_token == "from the file"
    assert settings.warnings == ()


@pytest.mark.parametrize("token", ["admin", "read"])
def test_a_token_whose_file_cannot_be_read_is_no_unset_one(token: str, tmp_path: Path) -> None:
    name = f"GATEWAY_{token.upper()}_TOKEN_FILE"
    settings = Settings.from_environ({name: str(tmp_path / "none")})
    with pytest.raises(SettingsError, match=rf"{name}: .*none can't be read: No such file or directory"):
        getattr(settings, f"{token}_token")


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("GATEWAY_PORT", "eighty", "a number from 0 to 65535"),
        ("GATEWAY_PORT", "65536", "a number from 0 to 65535"),
        ("GATEWAY_PORT", "-1", "a number from 0 to 65535"),
        ("GATEWAY_ROLE", "both", "all, receive, deliver"),
        ("GATEWAY_RETENTION", "30", "30d"),
        ("GATEWAY_RETENTION", "36501d", "at most 36500d"),
        ("GATEWAY_GIVE_UP", "9" * 400 + "d", "at most 36500d"),
        ("GATEWAY_MAX_BODY", "9" * 400, "1MB"),
        ("GATEWAY_MAX_BODY", "1 gigabyte", "1MB"),
        ("GATEWAY_TRUSTED_PROXIES", "10.0.0.1/8", "networks such as 10.0.0.0/8"),
        ("GATEWAY_TRUSTED_PROXIES", "the proxy", "networks such as 10.0.0.0/8"),
        ("GATEWAY_LOG_LEVEL", "loud", "debug, info"),
        ("GATEWAY_CONNECTIONS", "0", "above 0"),
        ("GATEWAY_URL", "gateway.example", "http://"),
        ("INTILERY_RATE", "fast", "a number above 0"),
        ("INTILERY_RATE", "0", "a number above 0"),
        ("INTILERY_BURST", "1.5", "a whole number above 0"),
    ],
)
def test_a_bad_value_says_where_what_and_what_is_allowed(name: str, value: str, allowed: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({name: value})
    text = str(caught.value)
    assert text.startswith(f"{name}: {value!r}")
    assert allowed in text.partition("allowed: ")[2]


def test_all_bad_values_are_said_at_once_and_an_option_by_its_own_name() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ({"GATEWAY_ROLE": "none"}, port="x")
    first, second = str(caught.value).splitlines()
    assert first.startswith("--port: ")
    assert second.startswith("GATEWAY_ROLE: ")


def test_a_misspelt_variable_is_warned_of() -> None:
    settings = Settings.from_environ({"GATEWAY_RULLES": "x", "GATEWAY_FROBNICATE": "y", "OTHER": "z"})
    assert settings.warnings == (
        "GATEWAY_FROBNICATE is not a setting of the gateway",
        "GATEWAY_RULLES is not a setting of the gateway; did you mean GATEWAY_RULES?",
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("30d", timedelta(days=30)),
        ("1.5h", timedelta(minutes=90)),
        ("10m", timedelta(minutes=10)),
        ("5 s", timedelta(seconds=5)),
        ("500MS", timedelta(milliseconds=500)),
    ],
)
def test_lengths(text: str, meant: timedelta) -> None:
    assert length(text) == meant


@pytest.mark.parametrize(("text", "meant"), [("1MB", 1_000_000), ("512KiB", 524_288), ("10", 10), ("1.5 kb", 1500)])
def test_sizes(text: str, meant: int) -> None:
    assert size(text) == meant
