"""``gateway replay`` of many webhooks, and the lists that say which: on the store itself and over a running gateway."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.reader import StoreReader
from tests import shop
from tests.cli.test_reading import Past, past, read, run, server

__all__ = ["past", "server"]  # fixtures


@pytest.fixture
def corrected(past: Past, tmp_path: Path) -> Past:
    """The webhooks of before, and rules that one of them matches now."""
    rules = tmp_path / "rules" / "shop.yaml"
    rules.write_text(shop.RULES.replace("orders/fulfilled", "x/y"))
    return past


def lines(*words: str) -> list[Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_what_no_rule_matched_is_run_again(corrected: Past) -> None:
    first, *_, last = lines("replay", "--unmatched", "--yes")
    assert (first["total"], first["finished"], last["finished"]) == (1, False, True)
    assert last["counts"] == {"webhooks": 1, "now_translated": 1, "created": 1}
    assert read("show", corrected.unmatched)["state"] == "translated"
    told = run("replay", "--retranslate", "--yes")
    assert told.exit_code == 0, told.output
    assert "webhooks are translated now" in told.stdout
    assert "2  commands kept, as they were delivered or are on their way" in told.stdout
    assert f"{corrected.unparseable}: unparseable: " in told.stderr
    assert "\x1b" not in told.stdout


def test_over_a_server_too(corrected: Past, server: str) -> None:
    [*_, last] = lines("replay", "--unmatched", "--yes", "--server", server)
    assert last["counts"] == {"webhooks": 1, "now_translated": 1, "created": 1}
    assert read("replay", "--list", "--server", server)["items"][0]["finished"] is True


def test_nobody_there_to_answer_has_to_say_yes(corrected: Past) -> None:
    result = run("replay", "--unmatched")
    assert result.exit_code == 2
    assert "1 webhook" in result.stderr
    assert "give --yes" in result.stderr
    assert read("show", corrected.unmatched)["state"] == "unmatched"


def test_a_dry_run_counts(corrected: Past) -> None:
    assert read("replay", "--unmatched", "--dry-run") == {"dry_run": True, "total": 1, "older": 0, "rate": 50.0}
    assert run("replay", "--all", "--max-age", "0s", "--dry-run").stdout == (
        "0 webhooks; 3 older ones are left out (--max-age); nothing was done\n"
    )
    assert run("replay", "--failed").stdout == "0 webhooks; nothing was done\n"


def test_an_interrupted_one_says_how_it_goes_on(corrected: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = StoreReader.replay

    def interrupted(self: StoreReader, asked: Any) -> Any:
        if "resume" in asked:
            raise KeyboardInterrupt
        return whole(self, asked)

    with monkeypatch.context() as patched:
        patched.setattr(StoreReader, "replay", interrupted)
        result = run("replay", "--all", "--yes")
    assert result.exit_code == 1
    assert "interrupted at 1 of 3 webhooks" in result.stderr
    [row] = read("replay", "--list")["items"]
    assert (row["done"], row["finished"]) == (1, False)
    assert row["replay"] in result.stderr
    assert row["replay"] in run("replay", "--list").stdout
    [*_, last] = lines("replay", "--resume", "last")
    assert (last["replay"], last["done"], last["finished"]) == (row["replay"], 3, True)
    assert "no replay is unfinished" in run("replay", "--resume", "last").stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ((), "which webhooks?"),
        (("x", "--all"), "one of these"),
        (("--max-age", "7d"), "which webhooks?"),
        (("--unmatched", "--state", "translated"), "--unmatched names a state"),
        (("--unmatched", "--untranslatable"), "names a state"),
        (("--all", "--source", "shop"), "--all, and a filter"),
        (("--unmatched", "--since", "whenever"), "a length of time ago"),
    ],
)
def test_what_can_not_be_asked_is_said(corrected: Past, words: tuple[str, ...], says: str) -> None:
    result = run("replay", *words)
    assert result.exit_code == 2, result.output
    assert says in result.stderr


def test_lists_are_grouped_by_cause(corrected: Past) -> None:
    items = read("webhooks", "--group", "cause")["items"]
    assert {(row["state"], row["count"], row["example"]) for row in items} == {
        ("translated", 1, corrected.delivered),
        ("unmatched", 1, corrected.unmatched),
        ("unparseable", 1, corrected.unparseable),
    }
    head, *rows = run("webhooks", "--group", "cause", "--state", "unparseable").stdout.splitlines()
    assert head.split()[:4] == ["COUNT", "STATE", "SOURCE", "RULE"]
    assert corrected.unparseable[:16] in rows[0]
    assert [row["count"] for row in read("commands", "--group", "cause", "--type", "orders/create")["items"]] == [2]
    assert run("commands", "--group", "cause", "--state", "failed").stderr == "nothing found\n"
    assert run("commands", "--group", "cause", "--follow").exit_code == 2


def test_follow_prints_what_comes_and_what_changes(corrected: Past) -> None:
    words = (sys.executable, "-m", "gateway", "webhooks", "--follow", "--json", "--limit", "2")
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=dict(os.environ), text=True) as process:
        try:
            assert process.stdout is not None
            shown = [json.loads(process.stdout.readline())["id"] for _ in range(2)]
            assert shown == [corrected.unmatched, corrected.unparseable]
            read("replay", corrected.unmatched)
            changed = json.loads(process.stdout.readline())
            assert (changed["id"], changed["state"]) == (corrected.unmatched, "translated")
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        finally:
            process.kill()
