"""``gateway try``, ``test``, ``show`` and ``replay`` with a source that fetches."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.app import create_app
from gateway.cli import main
from gateway.settings import Settings
from tests import shop
from tests.servers import running

RULES = """\
source: thin
verify: none
fetch:
  order:
    get: https://api.example.com/orders/{{ $.id }}
    bearer: $env.API_TOKEN
    query: {key: $env.API_KEY}
    when: {$.kind: order}
rules:
  - name: Order
    send_email: {userId: $fetch.order.customer, assetId: E-1, total: $fetch.order.total}
examples:
  - name: an order
    request: {body: {kind: order, id: 7}}
    fetched: {order: {customer: u1}}
    expect: [{send_email: {userId: u1}}]
"""
SECRETS = {"API_TOKEN": "hush-token", "API_KEY": "hush-key"}
WANTED = "GET https://api.example.com/orders/7?key=$env.API_KEY (with bearer $env.API_TOKEN, query key $env.API_KEY)"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in shop.environ(tmp_path, **SECRETS).items():
        monkeypatch.setenv(name, value)
    shop.write_rules(tmp_path / "rules", rules={"thin.yaml": RULES, "destinations.yaml": shop.DESTINATIONS})
    (tmp_path / "order.json").write_text('{"kind": "order", "id": 7}')
    (tmp_path / "answer.json").write_text('{"customer": 12345678901234567890123456, "total": 0.10}')


def run(*words: str) -> Result:
    result = CliRunner().invoke(main, words, prog_name="gateway")
    assert "hush" not in result.output
    return result


def test_try_says_what_it_would_fetch_and_sends_nothing(tmp_path: Path) -> None:
    result = run("try", "thin", str(tmp_path / "order.json"))
    assert result.exit_code == 0, result.output
    assert f"would fetch order: {WANTED}; give its answer with --fetched order=FILE" in result.output
    assert "thin: untranslatable" in result.output
    assert "$fetch.order.customer is missing" in result.output


def test_try_takes_answers(tmp_path: Path) -> None:
    words = ("try", "thin", str(tmp_path / "order.json"), "--fetched", f"order={tmp_path / 'answer.json'}")
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert f"would fetch order: {WANTED}\n" in result.output
    assert "send_email to default by rule Order" in result.output
    result = run(*words, "--json")
    assert '"total":0.10' in result.output.replace('": ', '":')
    view = json.loads(result.output)
    assert view["commands"][0]["body"]["userId"] == "12345678901234567890123456"
    assert view["fetches"] == [
        {
            "name": "order",
            "method": "GET",
            "url": "https://api.example.com/orders/7?key=$env.API_KEY",
            "with": "bearer $env.API_TOKEN, query key $env.API_KEY",
            "given": True,
        }
    ]


def test_try_says_why_a_request_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text('{"kind": "order", "id": ".."}')
    view = json.loads(run("try", "thin", str(tmp_path / "order.json"), "--json").output)
    assert (view["state"], view["commands"]) == ("untranslatable", [])
    assert view["errors"][0]["field"] == "fetch.order"
    (tmp_path / "order.json").write_text('{"kind": "other"}')
    assert "fetches" not in json.loads(run("try", "thin", str(tmp_path / "order.json"), "--json").output)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("order", "names no file"),
        ("order=nowhere.json", "names no file"),
        ("customer=answer.json", "does not fetch 'customer'; it fetches: order"),
        ("order=bad.json", "is not JSON"),
    ],
)
def test_try_refuses_an_answer_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.json").write_text("{")
    result = run("try", "thin", "order.json", "--fetched", given)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.split())


def test_test_runs_examples_with_canned_answers(tmp_path: Path) -> None:
    assert run("test").exit_code == 0
    file = tmp_path / "rules" / "thin.yaml"
    file.write_text(RULES.replace("    fetched: {order: {customer: u1}}\n", ""))
    result = run("test")
    assert result.exit_code == 1
    assert "fetch order applies (GET https://api.example.com/orders/7?key=$env.API_KEY)" in result.output


def test_check_lists_the_secrets_with_their_lines() -> None:
    rows = {row["name"]: row for row in json.loads(run("check", "--secrets", "--json").output)["secrets"]}
    assert (rows["API_TOKEN"]["at"], rows["API_TOKEN"]["set"]) == ("thin.yaml:6", True)


async def _gone_wrong(folder: Path) -> tuple[str, str]:
    """A webhook whose order could not be fetched, then the same replayed while the gateway is down."""
    answers = [JSONResponse({}, 400), JSONResponse({"customer": "u9"})]

    async def order(request: Request) -> JSONResponse:
        return answers.pop(0)

    async with running(Starlette(routes=[Route("/orders/{id}", order)])) as api:
        rules = RULES.replace("https://api.example.com", api)
        (folder / "rules" / "thin.yaml").write_text(rules)
        settings = Settings.from_environ(shop.environ(folder, **SECRETS))

        async def ended(client: httpx.AsyncClient, id: str) -> bool:
            found = await client.get(f"/api/webhooks/{id}", headers=shop.bearer())
            return bool(found.json()["state"] != "fetching")

        async with running(create_app(settings)) as url, httpx.AsyncClient(base_url=url) as client:
            id = (await client.post("/hooks/thin", json={"kind": "order", "id": 7})).json()["id"]
            await shop.until(lambda: ended(client, id))
        shown = (await asyncio.to_thread(run, "show", id)).output
        result = await asyncio.to_thread(run, "replay", id)
        assert "fetching" in result.output
        assert "next try" in (await asyncio.to_thread(run, "show", id)).output
        async with running(create_app(settings)) as url, httpx.AsyncClient(base_url=url) as client:
            await shop.until(lambda: ended(client, id))
            # Over --server as over the store.
            asked: Any = await asyncio.to_thread(run, "replay", id, "--server", url)
            assert "kept" in asked.output or "replaced" in asked.output
            words = ("try", "thin", str(folder / "order.json"), "--server", url)
            tried = await asyncio.to_thread(run, *words, "--fetched", f"order={folder / 'answer.json'}", "--json")
            assert '"total":0.10' in tried.output.replace('": ', '":')
        return shown, (await asyncio.to_thread(run, "show", id)).output


def test_show_tells_what_was_fetched_and_a_replay_asks_again(tmp_path: Path) -> None:
    failed, mended = asyncio.run(_gone_wrong(tmp_path))
    assert "answered 400 at " in failed
    assert ", 1 attempt: 127.0.0.1 answered 400" in failed
    assert "none: what it points to was not fetched" in failed
    assert "/orders/7?key=$env.API_KEY" in mended
    assert "answered 200 at " in mended
    assert '"customer": "u9"' in mended
    assert "send_email to default by rule Order" in mended
