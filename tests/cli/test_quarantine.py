"""``gateway quarantine``, and what ``show``, ``try`` and ``status`` say of a proof that fails.

From the store itself, and from a running gateway.
"""

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

from gateway.cli import main
from gateway.cli.quarantine import _why
from tests import shop
from tests.servers import running


class Refusals:
    """An order that was signed with the old secret, and a request without any proof."""

    def __init__(self, ids: list[str]) -> None:
        self.order, self.bare = ids


async def _happened(folder: Path) -> Refusals:
    app = shop.shop_app(folder, SHOP_SECRET="not-yet-the-secret", SHOP_SECRET_OLD=shop.SECRET)
    quarantine = shop.gateway_of(app).quarantine
    quarantine.pause = 0.0
    body = shop.order()
    async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
        for count, headers in enumerate((shop.headers(body), {"x-shop-token": "guess"}), 1):
            assert (await client.post("/hooks/shop", content=body, headers=headers)).status_code == 401

            async def kept(wanted: int = count) -> bool:
                page = await client.get("/api/webhooks?state=quarantined", headers=shop.bearer())
                return len(page.json()["items"]) == wanted

            await shop.until(kept)
        page = await client.get("/api/webhooks?state=quarantined", headers=shop.bearer())
        return Refusals([row["id"] for row in reversed(page.json()["items"])])


@pytest.fixture
def refusals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Refusals:
    for name, value in shop.environ(tmp_path).items():
        monkeypatch.setenv(name, value)
    return asyncio.run(_happened(tmp_path))


@pytest.fixture
def server(refusals: Refusals, tmp_path: Path) -> Iterator[str]:
    """A gateway that runs on the store, in a thread of its own: the commands have loops of theirs."""
    serving: list[str] = []
    started, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        async with running(shop.shop_app(tmp_path)) as url:
            serving.append(url)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(30)
    yield serving[0]
    stop.set()
    thread.join()


@pytest.fixture(params=["store", "server"])
def where(request: pytest.FixtureRequest, refusals: Refusals) -> list[str]:
    """The options that say where to look."""
    return [] if request.param == "store" else ["--server", request.getfixturevalue("server")]


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words, catch_exceptions=False)


def as_json(result: Result) -> dict[str, Any]:
    view: dict[str, Any] = json.loads(result.stdout)
    return view


def test_they_are_listed_with_what_is_wrong(refusals: Refusals, where: list[str]) -> None:
    view = as_json(run("quarantine", "--json", *where))
    assert [(row["id"], row["cause"]) for row in view["items"]] == [
        (refusals.bare, "absent"),
        (refusals.order, "other_secret"),
    ]
    listed = run("quarantine", *where)
    assert listed.exit_code == 0
    lines = listed.stdout.splitlines()
    assert lines[0].split() == ["RECEIVED", "(UTC)", "SOURCE", "ID", "CAUSE", "WHY"]
    assert "other_secret  it matches with SHOP_SECRET_OLD" in lines[2]
    assert refusals.order[:16] in lines[2]
    assert "gateway quarantine release" in listed.stderr
    assert run("quarantine", "--source", "brands", *where).stdout.splitlines()[1:] == []


def test_a_page_says_where_the_next_one_begins(refusals: Refusals, where: list[str]) -> None:
    first = run("quarantine", "--limit", "1", *where)
    cursor = first.stderr.split()[-1]
    second = run("quarantine", "--limit", "1", "--cursor", cursor, "--wide", *where)
    assert refusals.order in second.stdout


def test_show_says_what_failed_and_what_would_become_of_it_now(refusals: Refusals, where: list[str]) -> None:
    shown = run("show", refusals.order[:16], *where).stdout
    assert "state      quarantined: the signature in header X-Shop-Signature does not match" in shown
    assert "found      it matches with SHOP_SECRET_OLD" in shown
    assert "now        verified: HMAC-SHA256 of {body} in header X-Shop-Signature, secret SHOP_SECRET" in shown
    assert "no rule sees it before it is released" in shown
    shown = run("show", refusals.bare, *where).stdout
    assert "now        refused, as it was then" in shown
    assert "guess" not in shown
    assert "x-shop-token: [sealed:" in shown


def test_show_looks_again_with_the_secrets_of_now(refusals: Refusals, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_SECRET", "still-another")
    shown = run("show", refusals.order).stdout
    assert "now        refused: the signature in header X-Shop-Signature does not match" in shown
    assert "found      nothing that was tried matches" in shown


def test_a_time_that_is_off_is_told_with_how_far(refusals: Refusals) -> None:
    late = "the timestamp is 40 min in the past; 5 min are allowed"
    assert _why({"cause": "timestamp", "findings": ["the signature matches"], "reason": late}) == late


def test_release_takes_in_what_passes_and_says_what_stays(refusals: Refusals, where: list[str]) -> None:
    would = run("quarantine", "release", "shop", "--dry-run", *where)
    assert would.exit_code == 1
    assert would.stdout.splitlines()[0].split() == ["WOULD", "BE", "STATE", "COMMANDS", "SOURCE", "ID"]
    assert "1 would be released, 1 would stay" in would.stderr
    assert as_json(run("webhooks", "--json", *where))["items"] == []

    done = run("quarantine", "release", refusals.order[:16], *where)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines()[1].split() == ["accepted", "translated", "2", "shop", refusals.order]
    assert [row["id"] for row in as_json(run("webhooks", "--json", *where))["items"]] == [refusals.order]

    left = run("quarantine", "release", "--all", *where)
    assert left.exit_code == 1
    assert f"stays  shop  {refusals.bare}" in left.stderr
    assert "credentials are in: x-shop-token" in left.stderr
    assert "0 released, 1 stay" in left.stderr


def test_release_as_json(refusals: Refusals, where: list[str]) -> None:
    done = run("quarantine", "release", "shop", "--json", *where)
    view = as_json(done)
    assert done.exit_code == 1
    assert [row["status"] for row in view["released"]] == ["accepted"]
    assert [row["cause"] for row in view["stay"]] == ["absent"]


def test_a_repeat_names_the_first_one(refusals: Refusals, server: str) -> None:
    body = shop.order()
    first = httpx.post(f"{server}/hooks/shop", content=body, headers=shop.headers(body)).json()["id"]
    done = run("quarantine", "release", refusals.order, "--server", server)
    assert f"{refusals.order}, a repeat of {first}" in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ([], 2, "which requests? Give sources or IDs, or --all"),
        (["nobody"], 2, "no rules file has source: 'nobody'"),
        (["0123456789ab"], 1, "is not in quarantine"),
    ],
)
def test_what_is_asked_for_has_to_be_there(
    refusals: Refusals, where: list[str], words: list[str], status: int, told: str
) -> None:
    result = run("quarantine", "release", *words, *where)
    assert result.exit_code == status
    assert told in result.stderr


def test_status_counts_them(refusals: Refusals, where: list[str]) -> None:
    rows = {row["name"]: row["quarantined"] for row in as_json(run("status", "--json", *where))["sources"]}
    assert rows == {"shop": 2, "brands": 0}
    assert "IN QUARANTINE" in run("status", *where).stdout


def test_the_list_can_be_read_where_the_rules_can_not(refusals: Refusals, tmp_path: Path) -> None:
    (tmp_path / "rules" / "shop.yaml").write_text("source: [")
    assert "it matches with SHOP_SECRET_OLD" in run("quarantine").stdout
    shown = run("show", refusals.order)
    assert "found      it matches with SHOP_SECRET_OLD" in shown.stdout
    assert "  now " not in shown.stdout
    assert run("quarantine", "release", "shop").exit_code == 1


# -- gateway try --------------------------------------------------------------------------------------------------


def tried(tmp_path: Path, *headers: str, body: bytes | None = None, where: list[str] | None = None) -> Result:
    (tmp_path / "order.json").write_bytes(shop.order() if body is None else body)
    options = [word for header in ("X-Shop-Topic: orders/create", *headers) for word in ("--header", header)]
    return run("try", "shop", str(tmp_path / "order.json"), *options, *(where or []))


def test_try_says_whether_the_hook_would_take_it(refusals: Refusals, tmp_path: Path, where: list[str]) -> None:
    good = tried(tmp_path, f"X-Shop-Signature: {shop.signature(shop.order())}", where=where)
    assert "  signature  verified: HMAC-SHA256 of {body} in header X-Shop-Signature, secret SHOP_SECRET" in good.stdout
    assert "yes  Order confirmation" in good.stdout


def test_try_says_why_the_hook_would_refuse_it_and_runs_the_rules(
    refusals: Refusals, tmp_path: Path, where: list[str]
) -> None:
    signature = shop.signature(shop.order())
    bad = tried(tmp_path, f"X-Shop-Signature: {signature}", body=shop.order() + b"\n", where=where)
    assert bad.exit_code == 0
    assert "signature  refused: the signature in header X-Shop-Signature does not match" in bad.stdout
    assert "found      it matches the body without the newline at its end" in bad.stdout
    assert "yes  Order confirmation" in bad.stdout
    assert signature not in bad.stdout


def test_try_without_a_signature_says_nothing_of_it(refusals: Refusals, tmp_path: Path, where: list[str]) -> None:
    assert "signature" not in tried(tmp_path, where=where).stdout
