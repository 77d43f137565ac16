"""Records become log lines and metrics."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from gateway.delivery import (
    AttemptMade,
    CommandEnded,
    DestinationPaused,
    DestinationResumed,
    LookedUp,
    ResultLost,
    StoreFailed,
    Stumbled,
)
from gateway.errors import StoreUnavailable
from gateway.inbound.fetch import FetchStumbled
from gateway.inbound.received import Received
from gateway.model import Attempt, Command, CommandState, Outcome, RulesVersion, WebhookState
from gateway.reload import Failure, RulesRefused, RulesServed
from gateway.rules import Problem, Ruleset
from gateway.store import Verdict
from gateway.telemetry import Telemetry, configure_logging

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
COMMAND = Command(
    id="w-1",
    webhook_id="w",
    source="shop",
    rule="Order",
    command="send_email",
    action="track",
    destination="uk",
    user_id="ada@example.com",
    body=b'{"userId": "ada@example.com"}',
    created_at=NOW,
)
ATTEMPT = Attempt(number=1, at=NOW, outcome=Outcome.REFUSED, status=400, duration_ms=120)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging(format="json", level="info", stream=stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(log: io.StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


def metrics(telemetry: Telemetry) -> list[str]:
    return telemetry.metrics.exposition().decode().splitlines()


def test_an_accepted_webhook_is_counted_and_not_logged(log: io.StringIO) -> None:
    telemetry = Telemetry()
    record = Received(
        source="shop", status=200, answer="accepted", webhook_id="w", state=WebhookState.TRANSLATED, commands=2
    )
    telemetry.received(record)
    assert 'gateway_commands_made_total{source="shop"} 2.0' in metrics(telemetry)
    assert log.getvalue() == ""


def test_what_never_leaves_is_counted_and_its_reason_not_logged(log: io.StringIO) -> None:
    telemetry = Telemetry()
    over = msgspec.structs.replace(COMMAND, state=CommandState.SUPPRESSED, reason="limit: 'ada@example.com' had 1")
    record = Received(source="shop", status=200, answer="accepted", state=WebhookState.TRANSLATED, ended=(over,))
    telemetry.received(record)
    telemetry.delivery(CommandEnded(command=over))
    count = 'gateway_commands_total{command="send_email",destination="uk",state="suppressed"} 2.0'
    assert count in metrics(telemetry)
    (line,) = lines(log)
    assert line["message"] == "uk: send_email does not leave: suppressed"
    assert "ada" not in log.getvalue()


@pytest.mark.parametrize(
    ("status", "answer", "level"),
    [(401, "authentication_failed", "warning"), (503, "not_stored", "error"), (404, "unknown_source", None)],
)
def test_a_refusal_is_logged_by_its_weight(log: io.StringIO, status: int, answer: str, level: str | None) -> None:
    telemetry = Telemetry()
    telemetry.received(Received(source="shop", status=status, answer=answer, reason="why"))
    assert [line["level"] for line in lines(log)] == ([level] if level else [])
    assert ('gateway_store_errors_total{verb="receive"} 1.0' in metrics(telemetry)) == (answer == "not_stored")


@pytest.mark.parametrize(("status", "answer"), [(400, "unreadable_request"), (503, "overloaded"), (200, "challenge")])
def test_a_flood_of_one_kind_gets_few_lines_and_is_counted(log: io.StringIO, status: int, answer: str) -> None:
    clock = [0.0]
    telemetry = Telemetry(clock=lambda: clock[0])
    reason = None if answer == "challenge" else "why"
    for _ in range(500):
        telemetry.received(Received(source="shop", status=status, answer=answer, reason=reason))
    telemetry.received(Received(source="other", status=status, answer=answer, reason=reason))
    clock[0] += 1
    telemetry.received(Received(source="shop", status=status, answer=answer, reason=reason))
    told = lines(log)
    assert len(told) == 12
    assert "other" in told[10]["message"]
    assert told[11]["message"].endswith("(490 like it had no line)")
    assert f'gateway_webhooks_received_total{{answer="{answer}",source="shop"}} 501.0' in metrics(telemetry)


def test_a_store_that_is_away_gets_a_line_now_and_then_for_what_it_can_not_do(log: io.StringIO) -> None:
    clock = [0.0]
    telemetry = Telemetry(clock=lambda: clock[0])
    for _ in range(30):
        telemetry.delivery(StoreFailed(verb="record", message="no connection"))
        telemetry.delivery(StoreFailed(verb="claim", message="no connection"))
        telemetry.fetching(FetchStumbled(source="shop", webhook_id="w", error=StoreUnavailable("no connection")))
        clock[0] += 0.5
    assert [line["message"] for line in lines(log)] == [
        "the store could not record: no connection",
        "the store could not claim: no connection",
        "shop: the store failed while fetching: no connection",
        "the store could not record: no connection (19 like it had no line)",
        "the store could not claim: no connection (19 like it had no line)",
        "shop: the store failed while fetching: no connection (19 like it had no line)",
    ]
    assert 'gateway_store_errors_total{verb="record"} 30.0' in metrics(telemetry)


def test_the_driver_of_the_store_is_not_heard_of_each_lost_connection(log: io.StringIO) -> None:
    logging.getLogger("psycopg.pool").warning("error connecting in 'gateway-read'")
    assert lines(log) == []


def test_attempts_are_counted_and_those_that_failed_for_good_are_logged(log: io.StringIO) -> None:
    telemetry = Telemetry()
    verdict = Verdict(state=CommandState.FAILED, reason="assetId must not be empty")
    telemetry.delivery(AttemptMade(command=COMMAND, attempt=ATTEMPT, verdict=verdict))
    telemetry.delivery(AttemptMade(command=COMMAND, attempt=ATTEMPT, verdict=Verdict(state=CommandState.PENDING)))
    found = metrics(telemetry)
    assert 'gateway_attempts_total{destination="uk",outcome="refused"} 2.0' in found
    assert 'gateway_commands_total{command="send_email",destination="uk",state="failed"} 1.0' in found
    assert 'gateway_delivery_seconds_sum{destination="uk"} 0.24' in found
    [line] = lines(log)
    assert line["message"] == "uk: send_email failed: assetId must not be empty"
    assert line["command"] == "w-1"
    assert "ada@example.com" not in log.getvalue()


def test_lookups_are_counted_and_logged_with_what_they_mean(log: io.StringIO) -> None:
    telemetry = Telemetry()
    verdict = Verdict(state=CommandState.HELD, reason="nobody knows")
    telemetry.delivery(LookedUp(command=COMMAND, finding="inconclusive", verdict=verdict))
    found = metrics(telemetry)
    assert 'gateway_lookups_total{destination="uk",finding="inconclusive"} 1.0' in found
    assert 'gateway_commands_total{command="send_email",destination="uk",state="held"} 1.0' in found
    [line] = lines(log)
    assert line["message"] == "uk: send_email was looked up: inconclusive, so it is held: nobody knows"
    assert "ada@example.com" not in log.getvalue()


def test_what_happens_to_a_destination_and_to_the_store_is_logged_and_counted(log: io.StringIO) -> None:
    telemetry = Telemetry()
    telemetry.delivery(DestinationPaused(name="uk", reason="the token has no rights"))
    assert 'gateway_destination_paused{destination="uk"} 1.0' in metrics(telemetry)
    telemetry.delivery(DestinationResumed(name="uk"))
    telemetry.delivery(StoreFailed(verb="claim", message="disk full"))
    telemetry.delivery(ResultLost(command=COMMAND, attempt=ATTEMPT))
    telemetry.delivery(Stumbled(where="destination uk", error=ValueError("odd")))
    found = metrics(telemetry)
    assert 'gateway_destination_paused{destination="uk"} 0.0' in found
    assert 'gateway_store_errors_total{verb="claim"} 1.0' in found
    assert [line["level"] for line in lines(log)] == ["error", "warning", "error", "error", "error"]
    assert "ValueError: odd" in lines(log)[-1]["exception"]
    assert "ada@example.com" not in log.getvalue()


def served(version: str, *, revision: str | None = None, changed: tuple[str, ...] = ()) -> RulesServed:
    kept = RulesVersion(version=version, files={}, loaded_at=NOW, revision=revision)
    warning = Problem(file="shop.yaml", line=3, column=7, message="SHOP_SECRET is not set")
    ruleset = Ruleset(version=kept, sources={}, destinations={}, warnings=(warning,))
    return RulesServed(ruleset=ruleset, at=NOW, changed=changed)


def test_rules_that_cannot_be_served_are_told_with_all_their_problems(log: io.StringIO) -> None:
    telemetry = Telemetry()
    telemetry.reloaded(served("one", revision="abc123"))
    before = metrics(telemetry)
    assert 'gateway_rules_info{revision="abc123",version="one"} 1.0' in before
    [loaded] = [line for line in before if line.startswith("gateway_rules_loaded_timestamp_seconds ")]
    assert float(loaded.split()[1]) == NOW.timestamp()
    assert "gateway_rules_reload_failed 0.0" in before
    problems = tuple(Problem(file="shop.yaml", line=n, column=2, message="is wrong") for n in (4, 9))
    telemetry.reloaded(RulesRefused(served="one", failure=Failure(since=NOW, problems=problems)))
    assert "gateway_rules_reload_failed 1.0" in metrics(telemetry)
    assert [(line["level"], line["message"]) for line in lines(log)[-3:]] == [
        ("error", "the rules folder can't be served and version one goes on: 2 problems, the first at shop.yaml:4:2"),
        ("error", "rules: shop.yaml:4:2: is wrong"),
        ("error", "rules: shop.yaml:9:2: is wrong"),
    ]
    telemetry.reloaded(served("two", changed=("shop.yaml",)))
    assert "gateway_rules_reload_failed 0.0" in metrics(telemetry)
    assert [(line["level"], line["message"]) for line in lines(log)[-2:]] == [
        ("info", "rules version two is served; changed: shop.yaml"),
        ("warning", "rules: shop.yaml:3:7: SHOP_SECRET is not set"),
    ]


def test_the_backlog_and_the_version_are_what_they_were_last(log: io.StringIO) -> None:
    telemetry = Telemetry()
    telemetry.reloaded(served("one"))
    telemetry.reloaded(served("two"))
    telemetry.metrics.backlog({"uk": {CommandState.PENDING: 3}})
    telemetry.metrics.backlog({"us": {CommandState.WAITING: 1}})
    found = [line for line in metrics(telemetry) if line.startswith(("gateway_backlog{", "gateway_rules_info{"))]
    assert found == [
        'gateway_backlog{destination="us",state="waiting"} 1.0',
        'gateway_rules_info{revision="",version="two"} 1.0',
    ]


def test_two_gateways_in_one_process_count_for_themselves() -> None:
    first, second = Telemetry(), Telemetry()
    first.metrics.store_failed("claim")
    assert 'gateway_store_errors_total{verb="claim"} 1.0' not in metrics(second)


def test_text_for_a_terminal_keeps_a_message_in_its_line(log: io.StringIO) -> None:
    configure_logging(format="text", level="warning", stream=log)
    logging.getLogger("gateway").info("not this")
    logging.getLogger("gateway").warning("a\nb \udcff", extra={"fields": {"source": "shop"}})
    [line] = log.getvalue().splitlines()
    assert line[8:] == " warning a\\nb ? source=shop"


def test_json_survives_what_a_sender_made_us_quote(log: io.StringIO) -> None:
    logging.getLogger("gateway").warning("a\nb \udcff\x00", extra={"fields": {"source": "shop", "webhook": None}})
    [line] = lines(log)
    assert line["message"] == "a\nb ?\x00"
    assert line["source"] == "shop"
    assert "webhook" not in line
