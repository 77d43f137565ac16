"""SIGHUP at ``gateway serve``: the rules are loaded at once, watched or not; a terminal that is closed ends it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests import shop
from tests.cli.test_serve import OPENER, post, served

BAD = shop.RULES.replace("userId: $.customer.id", "usrId: $.customer.id", 1)


def rules_of(address: str) -> dict[str, Any]:
    request = urllib.request.Request(f"{address}/api/status", headers=shop.bearer())
    found: dict[str, Any] = json.load(OPENER.open(request, timeout=10))["rules"]
    return found


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("watching", ["on", "off"])
def test_sighup_loads_the_rules(tmp_path: Path, watching: str) -> None:
    with served(tmp_path, GATEWAY_RELOAD=watching) as (process, banner):
        address = banner["address"]
        first = banner["rules"]["version"]
        shop_yaml = tmp_path / "rules" / "shop.yaml"
        shop_yaml.write_text(BAD)
        process.send_signal(signal.SIGHUP)
        until(lambda: rules_of(address)["reload_failed"] is not None)
        assert rules_of(address)["version"] == first
        body = shop.order()
        assert post(address, body, shop.headers(body, event="1"))["status"] == "accepted"
        shop_yaml.write_text(shop.RULES.replace("A shop", "Another shop"))
        process.send_signal(signal.SIGHUP)
        until(lambda: rules_of(address)["version"] != first)
        assert rules_of(address)["reload_failed"] is None
        assert post(address, body, shop.headers(body, event="2"))["status"] == "accepted"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
    logged = [json.loads(line) for line in err.splitlines()]
    told = [line["message"] for line in logged if line["level"] == "error" and "usrId" in line["message"]]
    assert told
    assert re.search(r"shop\.yaml:\d+:\d+: .*usrId", told[0])


def test_a_gateway_ends_with_its_terminal(tmp_path: Path) -> None:
    shop.write_rules(tmp_path / "rules")
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", "serve", "--port", "0", "--json"],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **shop.environ(tmp_path)},
    )
    try:
        os.close(theirs)
        assert process.stdout is not None
        banner = json.loads(process.stdout.readline())
        process.send_signal(signal.SIGHUP)  # the terminal is there: somebody asks for the rules
        assert rules_of(banner["address"])["version"] == banner["rules"]["version"]
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        assert json.loads(err.splitlines()[-1])["message"] == "stopped"
    finally:
        process.kill()
        process.communicate()
