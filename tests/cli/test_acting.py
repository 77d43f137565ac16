"""``gateway retry``, ``cancel`` and ``settle``: on the store itself, and over a running gateway."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.model import Command, CommandState
from gateway.store import Store, open_store
from tests import shop
from tests.cli.test_reader import Served
from tests.store.making import after, ended, one, received

STATES = (CommandState.HELD, CommandState.FAILED, CommandState.DELIVERED)


async def _fill(store: Store) -> list[Command]:
    await store.open()
    commands = []
    for state in STATES:
        [command] = await received(store, {"rule": state.value, "user_id": f"u-{state.value}"})
        await ended(store, await one(store), state, reason="because")
        commands.append(command)
    await store.close()
    return commands


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A held, a failed and a delivered command: ids by state."""
    environ = shop.environ(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    commands = asyncio.run(_fill(open_store(environ["GATEWAY_STORE"])))
    return {state.value: command.id for state, command in zip(STATES, commands, strict=True)}


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="gateway")


def read(*words: str) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


def states() -> dict[str, str]:
    return {row["id"]: row["state"] for row in read("commands")["items"]}


def test_one_is_sent_again_by_its_id(past: dict[str, str]) -> None:
    view = read("retry", past["failed"])
    assert [(row["id"], row["state"]) for row in view["commands"]] == [(past["failed"], "pending")]
    assert states()[past["failed"]] == "pending"


def test_many_are_sent_again_by_a_filter(past: dict[str, str]) -> None:
    assert read("retry", "--user", "u-held", "--since", "2026-01-01")["count"] == 1
    assert read("retry", "--state", "failed", "--source", "shop", "--rule", "failed")["count"] == 1
    assert set(states().values()) == {"pending", "delivered"}


def test_all_has_to_be_said(past: dict[str, str]) -> None:
    result = run("cancel")
    assert result.exit_code == 2
    assert "Give IDs, or a filter, or --all" in result.stderr
    assert read("cancel", "--all")["count"] == 2
    assert sorted(states().values()) == ["cancelled", "cancelled", "delivered"]


def test_a_dry_run_does_nothing(past: dict[str, str]) -> None:
    before = states()
    result = run("cancel", "--all", "--dry-run")
    assert result.exit_code == 0
    assert past["held"] in result.stdout
    assert past["failed"] in result.stdout
    assert result.stderr == "2 found; nothing was done (--dry-run)\n"
    assert states() == before


def test_settling_wants_to_know_what_became_of_it(past: dict[str, str]) -> None:
    result = run("settle", past["held"])
    assert result.exit_code == 2
    assert "Give --delivered or --not-delivered" in result.stderr
    assert read("settle", past["held"], "--delivered")["commands"][0]["state"] == "delivered"


def test_what_was_not_delivered_goes_again(past: dict[str, str]) -> None:
    result = run("settle", past["held"], "--not-delivered")
    assert result.exit_code == 0
    head, row = result.stdout.splitlines()
    assert head.split() == ["STATE", "NOW", "COMMAND", "USER", "DESTINATION", "ID"]
    assert row.split() == ["pending", "send_email", "u-held", "default", past["held"]]


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("retry", "{delivered}"), 1, "was delivered"),
        (("settle", "{failed}", "--delivered"), 1, "gateway retry sends it again"),
        (("retry", "nope"), 1, "command nope: no such command"),
        (("retry", "--state", "delivered"), 2, "allowed: held, failed, unknown"),
        (("retry", "--since", "whenever"), 2, "a length of time ago"),
        (("retry", "{held}", "--all"), 2, "one of the three"),
    ],
)
def test_what_cannot_be_done_is_said_on_stderr(
    past: dict[str, str], words: tuple[str, ...], status: int, says: str
) -> None:
    before = states()
    result = run(*(word.format(**past) for word in words), "--json")
    assert result.exit_code == status, result.output
    assert says in result.stderr
    assert result.stdout == ""
    assert states() == before


def test_what_was_left_out_is_a_finding(past: dict[str, str], tmp_path: Path) -> None:
    async def expire() -> str:
        store = open_store(shop.environ(tmp_path)["GATEWAY_STORE"])
        await store.open()
        [command] = await received(store, {"expires_at": after(60)})
        await ended(store, await one(store), CommandState.HELD)
        await store.close()
        return command.id

    id = asyncio.run(expire())
    result = run("retry", "--state", "held")
    assert result.exit_code == 1
    assert past["held"] in result.stdout
    assert f"left out: command {id} was only to be sent before" in result.stderr


def test_nothing_found_is_said(past: dict[str, str]) -> None:
    result = run("retry", "--state", "unknown")
    assert (result.exit_code, result.stderr) == (0, "nothing found\n")


def test_a_running_gateway_is_asked(past: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.write_rules(tmp_path / "rules")
    with Served(tmp_path) as url:
        view = read("settle", past["held"], "--delivered", "--server", url)
        assert view["commands"][0]["state"] == "delivered"
        again = run("settle", past["held"], "--delivered", "--server", url)
        assert again.exit_code == 1
        assert "was delivered" in again.stderr
        assert read("cancel", "--state", "failed", "--server", url)["count"] == 1
        monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", "")
        looking = run("cancel", "--all", "--server", url)
        assert "may look and not act" in looking.stderr
