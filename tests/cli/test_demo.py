"""The demo, run as a person runs it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import msgspec
import pytest

from gateway.cli.demonstration import demo_settings
from gateway.cli.samples import Sample, commands_of, dedup_key_of, freshened, samples
from gateway.folders import load_rules


def demo(*words: str) -> subprocess.Popen[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return subprocess.Popen(
        [sys.executable, "-m", "gateway", "demo", "--port", str(port), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_once_delivers_every_sample_and_says_so() -> None:
    out, err = demo("--once").communicate(timeout=60)
    lines = out.splitlines()
    assert " 0 not delivered" in lines[-1], out + err
    assert err == ""
    delivered = [line for line in lines if "delivered  eventId " in line]
    for source in ("shopify", "woocommerce", "calendly"):
        assert any(f" {source} " in line for line in delivered)
    assert any("start_journey" in line for line in delivered)


def test_once_as_json_is_a_line_for_each_webhook_and_one_for_all() -> None:
    process = demo("--once", "--json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    *webhooks, summary = [json.loads(line) for line in out.splitlines()]
    assert summary["webhooks"] == len(webhooks)
    assert summary["not_delivered"] == 0
    commands = [command for told in webhooks for command in told["commands"]]
    assert len(commands) == summary["commands"] == summary["delivered"]
    assert all(command["intilery_event_id"] for command in commands)
    assert {"identify", "send_email", "send_sms", "start_journey"} <= {command["command"] for command in commands}


def test_it_goes_on_until_ctrl_c_and_shows_where_to_look() -> None:
    process = demo()
    assert process.stdout is not None
    head = [process.stdout.readline() for _ in range(3)]
    address = head[0].split()[1]
    token = head[1].partition("Bearer ")[2].partition("'")[0]
    sandbox = head[2].split()[1]
    first = process.stdout.readline()
    assert "eventId" in first or "ignored" in first, first
    asked = urllib.request.Request(f"{address}/api/webhooks", headers={"Authorization": f"Bearer {token}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert json.load(opener.open(asked, timeout=10))["items"]
    assert "calls" in json.load(opener.open(sandbox, timeout=10))
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert out.endswith("stopped; what the demo made is gone\n")
    assert err == ""


def test_a_taken_port_is_no_obstacle() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-m", "gateway", "demo", "--once", "--port", str(port)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"port {port} is taken")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    folder: Path = tmp_path_factory.mktemp("demo")
    settings = demo_settings(folder, sandbox="http://127.0.0.1:1", token="t")
    return list(samples(load_rules(settings), settings.rules))


def test_every_sample_file_of_the_library_is_sent(library: list[Sample]) -> None:
    root = Path(__file__).parent.parent.parent / "rules" / "library" / "samples"
    files = {path.read_bytes() for path in root.rglob("*.json")}
    assert {sample.body for sample in library} == files


def test_a_freshened_sample_is_another_occurrence_of_the_same_kind(library: list[Sample]) -> None:
    making = [sample for sample in library if commands_of(sample)]
    assert len(making) >= 8
    for sample in making:
        fresh = freshened(sample)
        assert dedup_key_of(fresh) != dedup_key_of(sample), sample.name
        assert commands_of(fresh) == commands_of(sample), sample.name


def test_a_sample_whose_key_is_nowhere_stays_as_it_is(library: list[Sample]) -> None:
    unreadable = msgspec.structs.replace(library[0], body=b"{")
    assert freshened(unreadable) == unreadable
