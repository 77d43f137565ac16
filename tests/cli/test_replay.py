"""``gateway replay`` of many webhooks, and the lists that say which: on the store itself and over a running gateway."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.store_reader import StoreReader
from gateway.model import WebhookState
from gateway.store import Reception, open_store
from tests import shop
from tests.cli.test_reader import Past, past, read, run, server
from tests.store.making import webhook

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


async def _unmatched(url: str, count: int) -> None:
    store = open_store(url)
    await store.open(serving=False)
    now = datetime.now(UTC)
    for number in range(count):
        body = shop.order(customer={"id": f"c{number}"})
        headers = (("content-type", "application/json"), ("x-shop-topic", "x/y"))
        hook = webhook(received_at=now, body=body, headers=headers, state=WebhookState.UNMATCHED)
        await store.receive(Reception(webhook=hook))
    await store.close()


def test_one_that_was_killed_goes_on_and_makes_each_command_once(corrected: Past) -> None:
    asyncio.run(_unmatched(os.environ["GATEWAY_STORE"], 40))
    words = (sys.executable, "-m", "gateway", "replay", "--unmatched", "--yes", "--rate", "20", "--json")
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=dict(os.environ), text=True) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        while read("replay", "--list")["items"][0]["done"] < 5:
            assert process.poll() is None
        process.kill()
    [row] = read("replay", "--list")["items"]
    assert (row["replay"], row["total"], row["finished"]) == (first["replay"], 41, False)
    assert 5 <= row["done"] < 41
    [*_, last] = lines("replay", "--resume", first["replay"])
    assert (last["done"], last["finished"], last["counts"]["webhooks"]) == (41, True, 41)
    # Where it was killed between a webhook and its note, that one was translated a second time: to the same command.
    assert last["counts"]["created"] + last["counts"].get("replaced", 0) == 41
    found = read("commands", "--command", "send_sms", "--limit", "500")["items"]
    assert len(found) == len({row["webhook"] for row in found}) == 41


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


@pytest.fixture
def candidate(past: Past, tmp_path: Path) -> Path:
    """A folder of rules that match what those that were served did not, and change what they made."""
    text = shop.RULES.replace("orders/fulfilled", "x/y").replace("total: $.total}", "total: 1, vat: {rate: 19}}")
    return shop.write_rules(tmp_path / "candidate", rules={"shop.yaml": text, "destinations.yaml": shop.DESTINATIONS})


def test_diff_says_what_would_be_otherwise_and_does_nothing(past: Past, candidate: Path) -> None:
    before = read("commands")
    result = run("replay", "--diff", "--rules", str(candidate))
    assert result.exit_code == 1, result.output
    for part in (
        f"webhook {past.unmatched}  shop  x/y  unmatched, would be translated",
        "+ appears   send_sms to 115310627314723954 by rule Parcel on its way",
        "~ changes   send_email to 115310627314723954 by rule Order confirmation",
        "body.order.total: 49.9 -> 1",
        'body.order.vat: nothing -> {"rate":19}',
        "3 webhooks compared with rules version",
        "2 would become something else",
    ):
        assert part in result.stdout, result.stdout
    assert read("commands") == before
    assert read("show", past.unmatched)["state"] == "unmatched"


def test_diff_finds_none_in_the_rules_that_were_served(past: Past) -> None:
    result = run("replay", "--diff")
    assert (result.exit_code, "none differs" in result.stdout) == (0, True), result.output
    assert read("replay", "--diff", "--state", "unmatched")["differing"] == 0


def test_diff_in_pages_adds_up(past: Past, candidate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = json.loads(run("replay", "--diff", "--rules", str(candidate), "--json").stdout)
    monkeypatch.setattr("gateway.cli.comparing._AT_ONCE", 1)
    result = run("replay", "--diff", "--rules", str(candidate), "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (1, whole)
    assert whole["counts"] == {"appears": 1, "vanishes": 0, "changes": 1}
    some = run("replay", "--diff", "--rules", str(candidate), "--limit", "1")
    assert "1 webhook compared" in some.stdout
    assert "older ones were not compared" in some.stderr
    assert run("replay", past.delivered[:16], "--diff", "--rules", str(candidate)).exit_code == 1
    assert run("replay", "--diff", "--since", "1h", "--max-age", "0s", "--rules", str(candidate)).exit_code == 1
    assert run("replay", "--diff", "--max-age", "0s", "--rules", str(candidate)).exit_code == 0


def test_diff_on_a_server_needs_no_store_and_shows_no_values(
    past: Past, server: str, candidate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_STORE", "sqlite:///nowhere.db")
    monkeypatch.delenv("GATEWAY_ADMIN_TOKEN")
    words = ("replay", "--diff", "--rules", str(candidate), "--server", server)
    result = run(*words)
    assert result.exit_code == 1, result.output
    assert "~ changes   send_email by rule Order confirmation" in result.stdout
    assert "body.order.total" in result.stdout
    assert "49.9" not in result.stdout
    assert "115310627314723954" not in result.stdout
    refused = run(*words, "--values")
    assert (refused.exit_code, "may look and not act" in refused.stderr) == (2, True)
    monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", shop.ADMIN)
    assert "49.9 -> 1" in run(*words, "--values").stdout
    assert "can't be read" in run("replay", "--diff", "--rules", "nowhere", "--server", server).stderr
