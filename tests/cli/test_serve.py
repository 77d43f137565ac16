"""``gateway serve`` and ``gateway sandbox`` as processes: what they print, how they end, what they refuse."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.cli.protocol import HEAD_SECONDS, GuardedProtocol
from tests import shop
from tests.postgres import Databases
from tests.servers import running

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def gateway(*words: str, environ: dict[str, str] | None = None, python: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *python, "-m", "gateway", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environ or {})},
    )


@contextmanager
def served(folder: Path, *words: str, **more: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """A gateway as a process, and the banner that it printed as JSON."""
    if not (folder / "rules").exists():
        shop.write_rules(folder / "rules")
    process = gateway("serve", "--port", "0", "--json", *words, environ=shop.environ(folder, **more))
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()
        yield process, json.loads(line)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def post(address: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    request = urllib.request.Request(f"{address}/hooks/shop", data=body, headers=headers)
    answer: dict[str, Any] = json.load(OPENER.open(request, timeout=10))
    return answer


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_until_it_is_told_to_stop_and_keeps_what_it_took(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path) as (process, banner):
        assert {source["name"]: source["hook"] for source in banner["sources"]} == {
            "shop": "/hooks/shop",
            "brands": "/hooks/brands/{brand}",
        }
        assert "admin_token" not in banner
        body = shop.order()
        id = post(banner["address"], body, shop.headers(body))["id"]
        # Beside the gateway that serves it, the store can be read.
        beside = gateway("show", id, "--json", environ=shop.environ(tmp_path))
        out, err = beside.communicate(timeout=30)
        assert json.loads(out)["state"] == "translated", err
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert out == ""
        logged = [json.loads(line) for line in err.splitlines()]
        assert logged[-1]["message"] == "stopped"
    with served(tmp_path) as (_, banner):
        assert post(banner["address"], body, shop.headers(body)) == {"id": id, "status": "duplicate"}


def test_without_an_admin_token_it_makes_one_for_its_lifetime(tmp_path: Path) -> None:
    with served(tmp_path, GATEWAY_ADMIN_TOKEN="") as (_, banner):
        request = urllib.request.Request(
            f"{banner['address']}/api/status", headers={"Authorization": f"Bearer {banner['admin_token']}"}
        )
        assert json.load(OPENER.open(request, timeout=10))["unready"] == []
        with pytest.raises(urllib.error.HTTPError, match="401"):
            OPENER.open(f"{banner['address']}/api/status", timeout=10)


def test_the_banner_for_people_says_where_to_post_and_what_is_wanting(tmp_path: Path) -> None:
    shop.write_rules(tmp_path / "rules")
    environ = shop.environ(tmp_path, SHOP_SECRET="", GATEWAY_ADMIN_TOKEN="", INTILERY_AUTH_TOKEN="")
    process = gateway("serve", "--port", "0", environ=environ)
    assert process.stdout is not None
    lines = [process.stdout.readline().rstrip() for _ in range(9)]
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    text = "\n".join(lines)
    address = lines[0].split()[-1]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", address)
    assert f"POST {address}/hooks/brands/{{brand}}  ready" in text
    assert f"POST {address}/hooks/shop  disabled: SHOP_SECRET is not set" in text
    assert "default  its commands wait: INTILERY_AUTH_TOKEN is not set" in text
    token = re.search(r"admin token   (\S+)", text)
    assert token is not None
    assert f"curl -H 'Authorization: Bearer {token[1]}' {address}/api/status" in text
    assert "\x1b" not in text


def test_who_only_delivers_names_no_hook_as_ready(tmp_path: Path) -> None:
    shop.write_rules(tmp_path / "rules")
    process = gateway("serve", "--port", "0", "--role", "deliver", environ=shop.environ(tmp_path))
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(6)]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    text = "".join(lines)
    assert "/hooks/shop  not here: the role is deliver" in text
    assert "ready" not in text


def test_a_bad_rules_folder_ends_it_with_every_problem(tmp_path: Path) -> None:
    rules = {"a.yaml": "source: a\nverify: none\nrules:\n  - nmae: A\n", "b.yaml": "source: b\nrules: []\nextra: 1\n"}
    shop.write_rules(tmp_path / "rules", rules=rules)
    process = gateway("serve", "--port", "0", environ=shop.environ(tmp_path))
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert out == ""
    for name in rules:
        assert re.search(rf"^{re.escape(str(tmp_path / 'rules' / name))}:\d+:\d+: ", err, re.MULTILINE)
    assert not (tmp_path / "gateway.db").exists()


def test_a_taken_port_a_taken_store_and_a_bad_setting_end_it(tmp_path: Path) -> None:
    with served(tmp_path) as (_, banner):
        port = banner["address"].rpartition(":")[2]
        environ = shop.environ(tmp_path)
        for words, status, says in (
            (("--port", port), 2, "Address already in use"),
            (("--port", "0"), 1, "gateway.db"),
            (("--port", "0", "--role", "none"), 2, "--role: 'none'"),
            (("--port", "0", "--store", "mysql://x"), 2, "is not a store"),
        ):
            process = gateway("serve", *words, environ=environ)
            out, err = process.communicate(timeout=30)
            assert process.returncode == status, (words, err)
            assert says in err
            assert "Traceback" not in err
            assert out == ""


@pytest.mark.parametrize("python", [("-O",), ("-OO",)])
def test_python_without_assertions_is_refused(tmp_path: Path, python: tuple[str, ...]) -> None:
    process = gateway("check", environ=shop.environ(tmp_path), python=python)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "PYTHONOPTIMIZE" in err
    assert out == ""


def test_headers_without_end_are_refused(tmp_path: Path) -> None:
    with served(tmp_path) as (_, banner):
        port = int(banner["address"].rpartition(":")[2])
        for head in (b"X-Long: " + b"a" * 1_000_000, b"".join(b"X-%d: a\r\n" % n for n in range(100_000))):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as sender:
                answer = b""
                try:
                    sender.sendall(b"POST /hooks/shop HTTP/1.1\r\nHost: x\r\n" + head)
                    while part := sender.recv(4096):
                        answer += part
                except ConnectionError:
                    pass  # closed while it was still sending
                assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
        body = shop.order()
        assert post(banner["address"], body, {**shop.headers(body), "X-Big": "a" * 8000})["status"] == "accepted"


async def closes(port: int, *pieces: bytes, every: float = 0.0) -> bytes:
    """What a connection gets that sends these pieces and then nothing, until the server closes it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(every)
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_a_connection_without_a_whole_head_is_closed(tmp_path: Path) -> None:
    class Hasty(GuardedProtocol):
        head_seconds = 0.2

    assert GuardedProtocol.head_seconds == HEAD_SECONDS == 10
    app = shop.shop_app(tmp_path, GATEWAY_ROLE="receive")
    # Longer than this test waits, so that whatever closes is not uvicorn's wait for the next request.
    async with running(app, http=Hasty, timeout_keep_alive=100) as url:
        port = int(url.rpartition(":")[2])
        assert await closes(port) == b""
        assert await closes(port, b"POST /hooks/shop HTTP/1.1\r\nHost:") == b""
        assert await closes(port, *[b"GET / HTTP/1.1\r\n", *[b"X: a\r\n"] * 10], every=0.05) == b""
        # The second request of a connection, and line ends that begin none.
        for rest in (b"POST /hooks", b"\r\n"):
            answer = await closes(port, REQUEST, rest, every=0.05)
            assert answer.startswith(b"HTTP/1.1 200")
            assert answer.count(b"HTTP/1.1") == 1
        # A connection between whole requests stays.
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(REQUEST)
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"}")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.6)
        writer.close()


def test_the_sandbox_alone_says_how_to_send_to_it() -> None:
    process = gateway("sandbox", "--port", "0", "--token", "t1", "--faults", '{"refuse_users": ["u9"]}', "--json")
    assert process.stdout is not None
    banner = json.loads(process.stdout.readline())
    call = {"userId": "u9", "event": "identify", "traits": {}}
    request = urllib.request.Request(
        f"{banner['address']}/track/acme/acme/ACME/v1/identify",
        data=json.dumps(call).encode(),
        headers={"content-type": "application/json", "auth-token": banner["token"]},
    )
    with pytest.raises(urllib.error.HTTPError, match="400"):
        OPENER.open(request, timeout=10)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err


def test_the_sandbox_refuses_faults_that_it_does_not_know() -> None:
    process = gateway("sandbox", "--faults", '{"explode": true}')
    out, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "explode" in err
    assert out == ""


def test_several_workers_on_one_sqlite_file_are_refused(tmp_path: Path) -> None:
    shop.write_rules(tmp_path / "rules")
    process = gateway("serve", "--port", "0", "--workers", "2", environ=shop.environ(tmp_path))
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (2, "")
    assert "--workers 2: an SQLite file is for one serving process; allowed: 1, or a --store postgresql://" in err


def test_a_database_that_is_not_set_up_is_a_setting(tmp_path: Path, databases: Databases) -> None:
    shop.write_rules(tmp_path / "rules")
    url = databases.bare()
    store = f"{url}{'&' if '?' in url else '?'}options=-c%20search_path%3Dnowhere"
    process = gateway("serve", "--port", "0", environ=shop.environ(tmp_path, GATEWAY_STORE=store))
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2, said
    assert "no schema of its search_path is there" in said
