"""``gateway find``: one story, or that it never arrived; from the store itself and from a running gateway."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from gateway.admin.finding import spellings
from gateway.model import WebhookState
from gateway.store import Quarantined, QuarantineLimits, open_store
from tests import shop
from tests.cli.test_reader import Past, past, read, run, server
from tests.store.making import webhook

__all__ = ["past", "server"]  # fixtures


def test_it_tells_what_arrived_and_what_became_of_it(past: Past) -> None:
    result = run("find", "ADA@example.com")
    assert result.exit_code == 0, result.output
    for part in (
        f"webhook {past.delivered}  shop  orders/create",
        "send_email to 115310627314723954 by rule Order confirmation",
        "delivered",
        "eventId ",
        f"webhook {past.unmatched}  shop  x/y",
        "unmatched",
        "3 webhooks were looked through, back to ",
        "shop    2",
        "30 days",
    ):
        assert part in result.stdout, part
    assert "never arrived" not in result.stdout


def test_it_finds_by_customer_and_by_what_intilery_called_it(past: Past) -> None:
    shown = read("show", past.delivered)
    for text in ("115310627314723954", shown["commands"][1]["intilery_event_id"], past.delivered[:16]):
        assert past.delivered in [row["id"] for row in read("find", text)["found"]], text
    command = read("find", shown["commands"][1]["intilery_event_id"])["found"][0]["commands"][1]
    assert command["attempts"][0]["outcome"] == "accepted"


def test_what_never_arrived_is_said_with_when_each_source_was_heard(past: Past) -> None:
    result = run("find", "nobody@example.org")
    assert result.exit_code == 0
    assert "nobody@example.org: never arrived, in all that is kept\n" in result.stdout
    sources = {row["name"]: row for row in read("find", "nobody@example.org")["sources"]}
    assert sources["brands"]["last_heard"] is None
    assert sources["shop"]["last_heard"] is not None
    shallow = run("find", "nobody@example.org", "--depth", "1")
    assert "as far as was looked" in shallow.stdout
    assert "1 webhook was looked through" in shallow.stdout
    assert "older ones were not" in shallow.stdout


def test_how_long_a_source_is_kept_is_as_its_file_says(past: Past, tmp_path: Path) -> None:
    rules = tmp_path / "rules" / "shop.yaml"
    rules.write_text(shop.RULES.replace("title: A shop", "title: A shop\nretention: 36h"))
    assert {row["name"]: row["kept_for_days"] for row in read("find", "xyz")["sources"]} == {"brands": 30, "shop": 1.5}
    rules.write_text("source: [broken")
    [row] = read("find", "#1001")["sources"]
    assert (row["name"], row["in_rules"]) == ("shop", False)
    assert "shop (not in the rules)" in run("find", "#1001").stdout


async def _quarantine(url: str) -> str:
    store = open_store(url)
    await store.open(serving=False)
    refused = Quarantined(
        webhook=webhook(state=WebhookState.QUARANTINED, body=b"order #2002", reason="the signature does not match"),
        cause="mismatch",
    )
    limits = QuarantineLimits(count=9, bytes=9999, source_count=9, source_bytes=9999, since=refused.webhook.received_at)
    await store.quarantine([refused], limits=limits)
    await store.close()
    return refused.webhook.id


def test_what_is_in_quarantine_is_told(past: Past) -> None:
    id = asyncio.run(_quarantine(os.environ["GATEWAY_STORE"]))
    view = read("find", "#2002")
    assert (view["found"], [row["id"] for row in view["quarantined"]]) == ([], [id])
    assert {row["name"]: row["quarantined"] for row in view["sources"]} == {"brands": 0, "shop": 1}
    told = run("find", "#2002").stdout
    assert "never arrived" not in told
    assert f"in quarantine  {id}  shop" in told
    assert "the signature does not match" in told
    assert "never arrived" in run("find", "#2003").stdout


def test_a_server_tells_the_same(past: Past, server: str) -> None:
    for text in ("#1001", "nobody"):
        assert read("find", text, "--server", server) == read("find", text)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("x",), "3 to 200"),
        (("xyz", "--depth", "0"), "1 to 10,000,000"),
        (("xyz", "--depth", "many"), "1 to 10,000,000"),
        (("xyz", "--since", "whenever"), "a length of time ago"),
    ],
)
def test_what_can_not_be_asked_is_said(past: Past, words: tuple[str, ...], says: str) -> None:
    result = run("find", *words)
    assert result.exit_code == 2
    assert says in result.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("#1001", ("#1001", "%231001")),
        ("Müller", ("Müller", "M\\u00fcller", "M%C3%BCller")),
        ("a/b c", ("a/b c", "a\\/b c", "a%2Fb%20c", "a%2Fb+c")),
        ("+44 20 7946-0958", ("+44 20 7946-0958", "%2B44%2020%207946-0958", "%2B44+20+7946-0958", "442079460958")),
        ("0049301234567", ("0049301234567", "49301234567")),
        ("2026-11-25", ("2026-11-25",)),
        ("1234", ("1234",)),
    ],
)
def test_a_text_is_looked_for_as_senders_write_it(text: str, expected: tuple[str, ...]) -> None:
    assert spellings(text) == expected
