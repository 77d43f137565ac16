"""``gateway webhooks``, ``commands``, ``show`` and ``replay``: from the store itself, and from a running gateway."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from gateway.cli.lists import reason_of
from gateway.cli.short_ids import short_ids, whole_id
from gateway.cli.show import _webhook_lines
from gateway.errors import UnreadableRequest
from gateway.intilery.sandbox import create_sandbox
from tests import shop
from tests.servers import running


class Past:
    """Three webhooks that came in before: an order that was delivered, one nobody wanted, one that is unreadable."""

    def __init__(self, ids: list[str]) -> None:
        self.delivered, self.unmatched, self.unparseable = ids


async def _happened(folder: Path) -> Past:
    ids = []
    async with running(create_sandbox(identify_delay=0.0)) as intilery:
        app = shop.shop_app(folder, intilery=intilery)
        async with running(app) as url, httpx.AsyncClient(base_url=url) as client:
            requests = [
                (shop.order(), "e1", "orders/create"),
                (shop.order(), "e2", "x/y\x1b[31m"),
                (b'{"broken', "e3", "orders/create"),
            ]
            for body, event, topic in requests:
                headers = shop.headers(body, event=event, topic="orders/create")
                headers["x-shop-topic"] = topic.replace("\x1b[31m", "")
                ids.append((await client.post("/hooks/shop", content=body, headers=headers)).json()["id"])

            async def delivered() -> bool:
                found = await client.get(f"/api/webhooks/{ids[0]}", headers=shop.bearer())
                return {command["state"] for command in found.json()["commands"]} == {"delivered"}

            await shop.until(delivered)
    return Past(ids)


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Past:
    for name, value in shop.environ(tmp_path).items():
        monkeypatch.setenv(name, value)
    return asyncio.run(_happened(tmp_path))


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words, prog_name="gateway")


def read(*words: str) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


def test_webhooks_are_listed_and_filtered(past: Past) -> None:
    page = read("webhooks")
    assert [row["id"] for row in page["items"]] == [past.unparseable, past.unmatched, past.delivered]
    assert page["next"] is None
    assert [row["id"] for row in read("webhooks", "--state", "unmatched")["items"]] == [past.unmatched]
    assert [row["id"] for row in read("webhooks", "--type", "orders/create")["items"]] == [past.delivered]
    assert read("webhooks", "--errors")["items"] == []
    assert len(read("webhooks", "--no-errors", "--since", "1h")["items"]) == 3


def test_a_list_for_people_has_headers_and_says_where_it_goes_on(past: Past) -> None:
    result = run("webhooks", "--limit", "2")
    assert result.exit_code == 0
    head, *rows = result.stdout.splitlines()
    assert head.startswith("RECEIVED (")
    shown = [row.split()[-1] for row in rows]
    assert [len(id) for id in shown] == [16, 16]
    assert past.unparseable.startswith(shown[0])
    assert past.unmatched.startswith(shown[1])
    wide = run("webhooks", "--limit", "2", "--wide").stdout.splitlines()[1:]
    for row, id in zip(wide, (past.unparseable, past.unmatched), strict=True):
        assert id in row.split()
    assert "not JSON" in wide[0]
    assert "--cursor " in result.stderr
    cursor = result.stderr.split()[-1]
    assert past.delivered[:16] in run("webhooks", "--cursor", cursor).stdout
    assert "\x1b" not in result.stdout


def test_commands_are_listed_and_filtered(past: Past) -> None:
    rows = read("commands", "--webhook", past.delivered)["items"]
    assert [row["command"] for row in rows] == ["send_email", "identify"]
    assert read("commands", "--command", "send_sms")["items"] == []
    text = run("commands", "--user", "115310627314723954").stdout
    assert "Order confirmation" in text
    assert "delivered" in text


def test_nothing_found_is_said_on_stderr(past: Past) -> None:
    result = run("commands", "--state", "failed")
    assert result.exit_code == 0
    assert result.stderr == "nothing found\n"


def test_show_tells_the_whole_story(past: Past) -> None:
    result = run("show", past.delivered)
    assert result.exit_code == 0, result.output
    for part in (
        "orders/create",
        "POST /hooks/shop",
        "x-shop-event: e1",
        '"number": "#1001"',
        "Order confirmation: matched",
        "send_email to default",
        "eventId ",
        "accepted 200",
    ):
        assert part in result.stdout, part
    parts = ("trace\n", "command ", "attempt at", "request\n", '"customer"')
    places = [result.stdout.index(part) for part in parts]
    assert places == sorted(places)
    assert read("show", past.delivered)["trace"][0]["matched"] is True


def test_show_shortens_a_long_body(past: Past) -> None:
    view = read("show", past.delivered) | {"body": {"lines": list(range(50))}}
    short = list(_webhook_lines(view, whole=False))
    assert short[-1] == "  … 34 more lines: --body prints them all"
    assert short[-2] == "      17,"
    assert list(_webhook_lines(view, whole=True))[-1] == "  }"


def test_a_short_id_is_enough(past: Past) -> None:
    row = run("commands", "--limit", "1").stdout.splitlines()[1].split()
    short = next(cell for cell in row if re.fullmatch(r"[0-9a-f]{16}-[0-9a-f]{4}", cell))
    whole = read("commands", "--limit", "1")["items"][0]["id"]
    assert whole.startswith(past.delivered)
    assert read("show", short)["id"] == read("show", past.delivered[:16])["id"] == past.delivered
    assert {row["webhook"] for row in read("commands", "--webhook", past.delivered[:16])["items"]} == {past.delivered}
    assert read("replay", past.delivered[:16])["id"] == past.delivered
    refused = run("retry", short, "--dry-run")
    assert refused.exit_code == 1
    assert whole in refused.stderr  # delivered, and so nothing to send again
    of_all = run("show", past.delivered[:8])
    assert of_all.exit_code == 2
    assert "is too short; allowed: an id, or its first 12 digits or more" in of_all.stderr
    webhook = run("retry", past.delivered)
    assert "its id is that of its webhook, a dash and 12 digits" in webhook.stderr


def test_an_ambiguous_id_says_so(past: Past) -> None:
    class Two:
        """A reader that knows two webhooks of one millisecond."""

        def webhooks(self, asked: Any) -> Any:
            return {"items": [{"id": past.delivered}, {"id": past.delivered[:-1] + "x"}], "next": None}

    with pytest.raises(UnreadableRequest, match="is the beginning of 2 ids"):
        whole_id(cast("Any", Two()), past.delivered[:16])


def test_short_ids_differ_as_whole_ones_do() -> None:
    ids = ["0" * 18 + "1" * 14, "0" * 32, "a" * 32 + "-" + "b" * 12]
    assert list(short_ids(ids).values()) == ["0" * 18 + "11", "0" * 20, "a" * 20 + "-" + "b" * 8]
    assert list(short_ids(ids, wide=True).values()) == ids


def test_a_waiting_command_says_until_when() -> None:
    assert reason_of({"state": "waiting"}) == "for its identify"
    assert reason_of({"state": "waiting", "due_at": "2031-01-05T08:00:00.000Z"}).startswith("until 2031-01-0")
    assert (
        reason_of({"state": "waiting", "due_at": "2031-01-05T08:00:00.000Z", "reason": "quiet hours"}) == "quiet hours"
    )
    assert reason_of({"state": "pending"}) == ""


def test_show_takes_the_id_of_a_command_too(past: Past) -> None:
    command = read("commands")["items"][0]["id"]
    assert read("show", command)["id"] == past.delivered


def test_show_says_why_a_body_could_not_be_read(past: Past) -> None:
    assert "unparseable: " in run("show", past.unparseable).stdout


def test_replay_runs_the_rules_of_today(past: Past, tmp_path: Path) -> None:
    rules = tmp_path / "rules" / "shop.yaml"
    rules.write_text(shop.RULES.replace("orders/fulfilled", "x/y"))
    view = read("replay", past.unmatched)
    assert view["state"] == "translated"
    assert len(view["created"]) == 1
    shown = read("show", past.unmatched)
    assert shown["state"] == "translated"
    assert [command["command"] for command in shown["commands"]] == ["send_sms"]
    assert shown["trace"][1]["matched"] is True

    done = run("replay", past.delivered)
    assert done.exit_code == 0
    assert done.stdout.count("kept") == 2


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("show", "0" * 32), 1, "0" * 32),
        (("replay", "0" * 32), 1, "0" * 32),
        (("webhooks", "--state", "sleeping"), 2, "allowed: fetching"),
        (("webhooks", "--since", "whenever"), 2, "a length of time ago"),
        (("webhooks", "--store", "sqlite:///nowhere.db"), 2, "no such file"),
        (("webhooks", "--store", "mysql://x"), 2, "is not a store"),
    ],
)
def test_what_cannot_be_done_is_said_on_stderr(past: Past, words: tuple[str, ...], status: int, says: str) -> None:
    result = run(*words, "--json")
    assert result.exit_code == status
    assert says in result.stderr
    assert result.stdout == ""


class Served:
    """A gateway in a thread of its own, so that the command line is used as from another machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.url = ""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with running(shop.shop_app(self._folder)) as self.url:
            self._ready.set()
            await self._stop.wait()

    def __enter__(self) -> str:
        self._thread.start()
        assert self._ready.wait(10)
        return self.url

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


@pytest.fixture
def server(past: Past, tmp_path: Path) -> Iterator[str]:
    with Served(tmp_path) as url:
        yield url


def test_a_server_gives_the_same_as_the_store(past: Past, server: str) -> None:
    for words in (("webhooks",), ("commands",), ("show", past.delivered)):
        assert read(*words, "--server", server) == read(*words)
    assert read("webhooks", "--server", server, "--state", "unmatched")["items"][0]["id"] == past.unmatched


def test_a_server_is_asked_to_replay_and_to_try(past: Past, server: str, tmp_path: Path) -> None:
    assert len(read("replay", past.delivered, "--server", server)["kept"]) == 2
    (tmp_path / "order.json").write_bytes(shop.order())
    words = ("try", "shop", str(tmp_path / "order.json"), "--header", "x-shop-topic:orders/create")
    there, here = read(*words, "--server", server), read(*words)
    assert [command["command"] for command in there["commands"]] == ["identify", "send_email"]
    assert there["trace"] == here["trace"]


def test_the_environment_may_name_the_server(past: Past, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_URL", server)
    monkeypatch.setenv("GATEWAY_STORE", "sqlite:///nowhere.db")
    assert len(read("webhooks")["items"]) == 3


@pytest.mark.parametrize(
    ("token", "words", "status", "says"),
    [
        ("wrong", ("webhooks",), 2, "answered 401"),
        ("", ("webhooks",), 2, "GATEWAY_ADMIN_TOKEN"),
        (shop.READER, ("replay", "x"), 2, "may look and not act"),
        (shop.ADMIN, ("show", "x"), 1, "answered 404"),
        (shop.ADMIN, ("webhooks", "--state", "x"), 2, "allowed: fetching"),
    ],
)
def test_what_a_server_refuses_is_said(
    server: str, monkeypatch: pytest.MonkeyPatch, token: str, words: tuple[str, ...], status: int, says: str
) -> None:
    monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", token)
    if token == "":
        monkeypatch.delenv("GATEWAY_READ_TOKEN")
    result = run(*words, "--server", server)
    assert result.exit_code == status, result.output
    assert says in result.stderr
