"""``gateway pause``, ``resume``, ``probe`` and ``status``: on the store itself, and over a running gateway."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.folders import load_rules
from gateway.model import Command, CommandState
from gateway.reload import rules_of
from gateway.settings import Settings
from gateway.store import Store, open_store
from tests import shop
from tests.cli.test_reader import Served
from tests.store.making import NOW, after, received


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="gateway")


def read(*words: str, code: int = 0) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == code, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


async def _fill(store: Store, settings: Settings) -> list[Command]:
    await store.open()
    ruleset = load_rules(settings)
    await store.serve_rules(ruleset.version, rules_of(ruleset), now=NOW)
    made = await received(
        store,
        {"rule": "Order confirmation", "user_id": "a"},
        {"rule": "Order confirmation", "user_id": "b", "expires_at": after(60)},
        {"rule": "Parcel on its way", "user_id": "c", "state": CommandState.WAITING, "not_before": after(1e9)},
    )
    await store.close()
    return made


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """Three commands that wait, and the rules that were served last."""
    shop.write_rules(tmp_path / "rules")
    environ = shop.environ(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    return asyncio.run(_fill(open_store(environ["GATEWAY_STORE"]), Settings.from_environ(environ)))


@pytest.mark.parametrize(
    ("words", "scope", "name"),
    [
        (("uk",), "destination", "uk"),
        (("--source", "shop"), "source", "shop"),
        (("--source", "shop", "--rule", "Order confirmation"), "rule", "shop/Order confirmation"),
    ],
)
def test_what_is_paused_stays_so_until_it_is_resumed(
    past: list[Command], words: tuple[str, ...], scope: str, name: str
) -> None:
    made = read("pause", *words, "--by", "anna", "--reason", "why not")
    assert {key: made[key] for key in ("scope", "name", "by", "reason")} == {
        "scope": scope, "name": name, "by": "anna", "reason": "why not"
    }  # fmt: skip
    told = run("status")
    assert told.exit_code == 1
    assert f"{scope} {name} is paused since" in told.stdout
    assert "by anna: why not" in told.stdout
    assert run("resume", *words).stdout == f"{scope} {name} is resumed\n"
    again = run("resume", *words)
    assert (again.exit_code, again.stdout) == (1, f"{scope} {name} was not paused\n")
    assert run("status").exit_code == 0


def test_who_paused_is_the_one_who_is_logged_in(past: list[Command], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "bert")
    assert read("pause", "uk")["by"] == "bert"


def test_a_preview_says_what_would_go_or_expire_and_does_nothing(past: list[Command]) -> None:
    read("pause", "default")
    view = read("resume", "default", "--preview")
    assert {key: view[key] for key in ("paused", "go", "expire", "later", "seconds")} == {
        "paused": True, "go": 1, "expire": 1, "later": 1, "seconds": 0
    }  # fmt: skip
    told = run("resume", "default", "--preview")
    assert told.exit_code == 0
    assert "1 would go, 1 would expire, 1 wait on; nothing was done (--preview)" in told.stderr
    assert [line.split()[:3] for line in told.stdout.splitlines()[1:]] == [["1", "1", "0"], ["0", "0", "1"]]
    assert read("status", code=1)["destinations"][0]["state"] == "paused"
    assert not read("resume", "--source", "shop", "--preview")["paused"]


def test_the_status_of_a_store(past: list[Command]) -> None:
    view = read("status")
    default, uk = view["destinations"]
    assert (default["name"], default["state"], default["backlog"]) == ("default", "open", {"pending": 2, "waiting": 1})
    assert default["oldest_due"] == "2026-03-01T12:00:00.123Z"
    assert (uk["name"], uk["backlog"], uk["oldest_due"]) == ("uk", {}, None)
    assert [(row["name"], row["last_heard"]) for row in view["sources"]] == [
        ("brands", None), ("shop", "2026-03-01T12:00:00.123Z")
    ]  # fmt: skip
    told = run("status").stdout
    assert f"rules: version {view['rules']['version']}" in told
    assert "2 pending, 1 waiting" in told
    assert "never" in told


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("pause",), 2, "what? Give a DESTINATION"),
        (("pause", "uk", "--source", "shop"), 2, "what? Give a DESTINATION"),
        (("resume", "uk", "--rule", "x"), 2, "--rule goes with --source"),
        (("pause", "nope"), 1, "there are: default, uk"),
        (("resume", "--source", "nope"), 1, "there are: brands, shop"),
        (("probe", "nope"), 2, "the rules name no such destination"),
        (("probe", "default"), 1, "no connection"),
    ],
)
def test_what_cannot_be_done_is_said_on_stderr(
    past: list[Command], words: tuple[str, ...], status: int, says: str
) -> None:
    result = run(*words)
    assert result.exit_code == status, result.output
    assert says in result.stderr
    assert result.stdout == ""


def test_a_running_gateway_is_asked(past: list[Command], tmp_path: Path) -> None:
    with Served(tmp_path) as url:
        there = ("--server", url)
        assert read("pause", "--source", "shop", "--rule", "Order confirmation", *there)["scope"] == "rule"
        view = read("status", *there, code=1)
        assert view["gateway"]
        told = run("status", *there)
        assert "role all" in told.stdout
        assert "open, 1 rule paused" in told.stdout
        assert read("resume", "--source", "shop", "--preview", *there)["later"] >= 1
        assert read("resume", "--source", "shop", "--rule", "Order confirmation", *there)["resumed"]
        assert not read("probe", "default", *there, code=1)["passed"]
        assert "no such" not in run("pause", "nope", *there).stdout
