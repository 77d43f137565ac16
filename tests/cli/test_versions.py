"""``gateway rules``: versions and what met them, from the store itself, and the same from a running gateway."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from gateway.admin.openapi import openapi
from gateway.cli import main
from tests import shop
from tests.servers import running

# Order confirmation is there and stopped matching, Parcel on its way is gone, Refund is new.
LATER = """\
source: shop
title: A shop
verify:
  hmac: {header: X-Shop-Signature, encoding: base64, secret: $env.SHOP_SECRET}
dedup_key: $header.X-Shop-Event
rules:
  - name: Order confirmation
    when: {$header.X-Shop-Topic: orders/created}
    send_email:
      userId: $.customer.id
      assetId: $asset.order-confirmation
  - name: Refund
    when: {$header.X-Shop-Topic: orders/refunded}
    send_sms:
      userId: $.customer.id
      assetId: SMS-2
"""


async def _posted(client: httpx.AsyncClient, name: str, count: int) -> None:
    for number in range(count):
        body = shop.order()
        answer = await client.post("/hooks/shop", content=body, headers=shop.headers(body, event=f"{name}-{number}"))
        assert answer.status_code == 200


async def _happened(folder: Path) -> tuple[str, str]:
    """Two versions: under the first 4 orders came, under the second 6."""
    app = shop.shop_app(folder)
    parts = shop.gateway_of(app)
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
        first = parts.ruleset.version.version
        await _posted(client, "before", 4)
        shop.write_rules(parts.settings.rules, rules={"shop.yaml": LATER})

        async def taken() -> bool:
            return parts.ruleset.version.version != first

        await shop.until(taken)
        await _posted(client, "after", 6)
        return first, parts.ruleset.version.version


@pytest.fixture
def versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    for name, value in shop.environ(tmp_path).items():
        monkeypatch.setenv(name, value)
    return asyncio.run(_happened(tmp_path))


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="gateway")


def asked(*words: str) -> Any:
    result = run("rules", *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def server(tmp_path: Path, versions: tuple[str, str]) -> Iterator[str]:
    """A gateway that runs in a thread, on the store of the two versions."""
    started, stop = threading.Event(), threading.Event()
    found: list[str] = []

    async def serve() -> None:
        app = shop.shop_app(tmp_path)
        async with running(app) as url:
            found.append(url)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(30)
    yield found[0]
    stop.set()
    thread.join(30)


def test_a_reviewer_sees_the_rule_that_stopped_matching(versions: tuple[str, str]) -> None:
    first, second = versions
    newest, oldest = asked()["items"]
    assert (newest["version"], newest["before"], newest["webhooks"]) == (second, first, 6)
    assert (oldest["version"], oldest["before"], oldest["webhooks"]) == (first, None, 4)
    assert newest["served"] == [{"since": oldest["served"][0]["until"], "until": None}]
    rows = {(row["source"], row["rule"]): row for row in newest["rules"]}
    assert rows["shop", "Order confirmation"] == {
        "source": "shop",
        "rule": "Order confirmation",
        "matches": 0,
        "webhooks": 6,
        "matches_before": 4,
        "webhooks_before": 4,
        "change": "stopped",
    }
    assert (rows["shop", "Refund"]["matches"], rows["shop", "Refund"]["matches_before"]) == (0, None)
    assert rows["shop", "Refund"]["change"] == "new"
    assert rows["shop", "Parcel on its way"]["matches"] is None
    assert rows["shop", "Parcel on its way"]["change"] == "removed"
    assert "change" not in rows["brands", "Welcome"]
    assert {(row["rule"], row["matches"]) for row in oldest["rules"]} == {
        ("Order confirmation", 4),
        ("Parcel on its way", 0),
        ("Welcome", 0),
    }


def test_the_list_for_people(versions: tuple[str, str]) -> None:
    first, second = versions
    result = run("rules")
    assert result.exit_code == 0, result.output
    head, newest, oldest, blank, rules, *rows = result.stdout.splitlines()
    assert head.split()[:2] == ["VERSION", "SERVED"]
    assert newest.split()[0] == second
    assert newest.split()[3:] == ["now", "6", "-"]
    assert oldest.split()[0] == first
    assert oldest.split()[-2:] == ["4", "-"]
    assert blank == ""
    assert f"MATCHES UNDER {second}" in rules
    assert f"UNDER {first} BEFORE" in rules
    cells = [" ".join(row.split()) for row in rows]
    assert "shop Order confirmation 0 of 6 4 of 4 stopped" in cells
    assert "shop Parcel on its way - 0 of 4 removed" in cells
    assert "shop Refund 0 of 6 - new" in cells
    one = run("rules", "--version", first).stdout
    assert second not in one
    assert "shop Order confirmation 4 of 4" in [" ".join(row.split()) for row in one.splitlines()]


def test_a_list_has_pages(versions: tuple[str, str]) -> None:
    first, second = versions
    page = asked("--limit", "1")
    assert [item["version"] for item in page["items"]] == [second]
    assert page["items"][0]["before"] == first
    page = asked("--limit", "1", "--cursor", page["next"])
    assert [item["version"] for item in page["items"]] == [first]
    assert page["next"] is None
    for words, says in (
        (("--limit", "0"), "allowed: 1 to 500"),
        (("--cursor", "x"), "not one that a list gave"),
    ):
        result = run("rules", *words)
        assert result.exit_code == 2
        assert says in result.stderr


def test_the_files_of_a_version_are_printed_as_they_were(versions: tuple[str, str]) -> None:
    first, second = versions
    assert asked("--version", first, "--show")["files"] == {
        "shop.yaml": shop.RULES,
        "brands.yaml": shop.BRANDS,
        "destinations.yaml": shop.DESTINATIONS,
    }
    shown = run("rules", "--version", second, "--show").stdout
    assert f"# shop.yaml of version {second}\n{LATER}" in shown
    assert f"# brands.yaml of version {second}\n{shop.BRANDS}" in shown


def test_the_difference_of_two_versions(versions: tuple[str, str]) -> None:
    first, second = versions
    lines = run("rules", "--diff", first, second).stdout.splitlines()
    assert lines[:2] == [f"--- {first}/shop.yaml", f"+++ {second}/shop.yaml"]
    assert "-    when: {$header.X-Shop-Topic: orders/create}" in lines
    assert "+    when: {$header.X-Shop-Topic: orders/created}" in lines
    assert not any("brands.yaml" in line for line in lines)
    assert asked("--diff", first, second)["diff"].splitlines() == lines
    assert run("rules", "--diff", first, first).stdout == ""


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("--show",), 2, "--show needs --version"),
        (("--version", "x", "--diff", "a", "b"), 2, "leave --version out"),
        (("--version", "cccccccccccc"), 1, "rules version cccccccccccc: no such version"),
        (("--diff", "cccccccccccc", "dddddddddddd"), 1, "cccccccccccc"),
    ],
)
def test_what_is_asked_for_wrongly(versions: tuple[str, str], words: tuple[str, ...], status: int, says: str) -> None:
    result = run("rules", *words)
    assert result.exit_code == status
    assert says in result.stderr


def test_a_server_gives_the_same(versions: tuple[str, str], server: str) -> None:
    first, second = versions
    assert asked("--server", server) == asked()
    assert asked("--server", server, "--version", first) == asked("--version", first)
    assert asked("--server", server, "--diff", first, second) == asked("--diff", first, second)
    for words in (("--version", "cccccccccccc"), ("--limit", "0")):
        assert run("rules", "--server", server, *words).exit_code == run("rules", *words).exit_code != 0
    refused = httpx.get(f"{server}/api/rules?limti=3", headers=shop.bearer())
    assert refused.status_code == 400
    assert "did you mean limit?" in refused.json()["detail"]
    schemas = openapi()["components"]["schemas"]
    for answered, schema in ((asked()["items"][0], "RulesVersionRow"), (asked("--version", first), "RulesVersion")):
        assert set(answered) == set(schemas[schema]["properties"])
        rule = schemas[schema]["properties"]["rules"]["items"]
        for row in answered["rules"]:
            assert set(rule["required"]) <= set(row) <= set(rule["properties"])


def test_files_that_end_without_a_newline_and_files_that_come_and_go() -> None:
    from gateway.cli.versions import difference

    before = {"version": "aaaa", "files": {"a.yaml": "one\ntwo", "gone.csv": "x\n"}}
    after = {"version": "bbbb", "files": {"a.yaml": "one\ntwo\n", "new.csv": "y\n"}}
    text = "".join(difference(before, after))
    assert text == (
        "--- aaaa/a.yaml\n+++ bbbb/a.yaml\n@@ -1,2 +1,2 @@\n one\n-two\n\\ No newline at end of file\n+two\n"
        "--- aaaa/gone.csv\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
        "--- /dev/null\n+++ bbbb/new.csv\n@@ -0,0 +1 @@\n+y\n"
    )
