"""An example may expect $asset.NAME, so that it holds for every destinations file."""

from __future__ import annotations

from pathlib import Path

from gateway.rules import load_files
from gateway.rules.examples import run_examples

RULES = """
source: shop
verify: none
rules:
  - name: Welcome
    send_email: {userId: $.id, assetId: $asset.welcome}
examples:
  - name: a welcome
    request: {body: {id: u}}
    expect:
      - send_email: {assetId: $asset.%s}
"""
DESTINATIONS = """
destinations:
  staging: {client_id: acme, auth_token: $env.TOKEN, assets: {welcome: STAGING-1, other: STAGING-2}}
"""


def differences(expected: str, tmp_path: Path) -> list[str]:
    files = {"shop.yaml": RULES % expected, "destinations.yaml": DESTINATIONS}
    return [result.difference for result in run_examples(load_files(files, environ={}), tmp_path)]


def test_the_destinations_own_code_is_expected(tmp_path: Path) -> None:
    assert differences("welcome", tmp_path) == [""]


def test_another_code_differs(tmp_path: Path) -> None:
    assert differences("other", tmp_path) == ["send_email.assetId: expected text 'STAGING-2', found text 'STAGING-1'"]


def test_a_code_that_is_not_listed_says_so(tmp_path: Path) -> None:
    assert differences("welcom", tmp_path) == [
        "send_email.assetId: expected text '$asset.welcom (not listed)', found text 'STAGING-1'"
    ]
