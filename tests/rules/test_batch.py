"""Taking a body apart, and what the elements of one request become together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.model import WebhookState
from gateway.rules import Arrival, Source
from gateway.rules.batch import MAX_ELEMENTS, NotTakenApart, element_arrivals, elements, translate_request
from tests.rules.evaluation import bodies, source_of

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)


def arrival(body: Any) -> Arrival:
    return Arrival(webhook_id="0" * 32, source="s", body=body, headers={}, query={}, path={}, received_at=NOW)


def taken(path: str, body: Any) -> Any:
    return elements(source_of(f"events: {path!r}"), body)


@pytest.mark.parametrize(
    ("path", "body", "found"),
    [
        ("$[*]", [1, {"a": 2}, None], [1, {"a": 2}, None]),
        ("$[*]", {"a": 1, "b": 2}, [{"a": 1, "b": 2}]),
        ("$", [1, 2], [1, 2]),
        ("$", "text", ["text"]),
        ("$.list", {"list": [1]}, [1]),
        ("$.list[*]", {"list": {"a": 1}}, [{"a": 1}]),
        ("$.list[*]", {"list": [[1], [2]]}, [[1], [2]]),
        ("$.entry[*].changes[*]", {"entry": [{"changes": [1, 2]}, {"changes": [3]}, {}]}, [1, 2, 3]),
        ("$.list[?(@.kind == 'a')]", {"list": [{"kind": "a"}, {"kind": "b"}]}, [{"kind": "a"}]),
        ("$..item", {"x": [{"item": 1}], "item": 2}, [2, 1]),
    ],
)
def test_the_elements_of_a_body(path: str, body: Any, found: list[Any]) -> None:
    assert sorted(map(repr, taken(path, body))) == sorted(map(repr, found))


@pytest.mark.parametrize(
    ("path", "body", "state"),
    [
        ("$[*]", None, WebhookState.UNTRANSLATABLE),
        ("$[*]", [], WebhookState.IGNORED),
        ("$.list[*]", {}, WebhookState.UNTRANSLATABLE),
        ("$.list[*]", {"list": None}, WebhookState.UNTRANSLATABLE),
        ("$.list[*]", "text", WebhookState.UNTRANSLATABLE),
        ("$.list[*]", {"list": []}, WebhookState.IGNORED),
        ("$[*]", [0] * (MAX_ELEMENTS + 1), WebhookState.UNTRANSLATABLE),
    ],
)
def test_a_body_without_elements(path: str, body: Any, state: WebhookState) -> None:
    with pytest.raises(NotTakenApart) as found:
        taken(path, body)
    assert found.value.state is state
    assert str(found.value).startswith("events: ")


def test_as_many_as_allowed() -> None:
    assert len(taken("$[*]", [0] * MAX_ELEMENTS)) == MAX_ELEMENTS


RULE = "rules:\n  - name: R\n    track: {userId: $.id, event: E, properties: {shop: $batch.shop}}\n"


def source(more: str = "") -> Source:
    return source_of("events: $.list[*]\n" + more + RULE)


def test_a_key_that_reads_the_element_through_a_let_has_no_index() -> None:
    assert not source("let: {id: $.id, key: 'k-{{ $let.id }}'}\ndedup_key: $let.key\n").dedup_by_index
    assert source("let: {id: $batch.id}\ndedup_key: [$let.id, $header.X-Id]\n").dedup_by_index
    assert not source().dedup_by_index


def test_the_body_around_is_kept_only_where_rules_read_it() -> None:
    assert source().keeps_batch
    plain = "events: $[*]\nrespond: {body: '{{ $batch.id }}'}\n"
    assert not source_of(plain + RULE.replace("$batch.shop", "$.shop")).keeps_batch
    in_loop = "rules:\n  - name: R\n    for_each: $.x\n    track: {userId: $item, event: '{{ $batch.id }}'}\n"
    assert source_of("events: $[*]\n" + in_loop).keeps_batch


def test_all_of_it_is_redacted_before_the_first_rule_runs() -> None:
    body = {"shop": "uk", "list": [{"id": 1, "ssn": "x"}, {"id": 2, "ssn": "y"}]}
    redacting = source_of("events: $.list[*]\nredact: [$.ssn, $batch.shop]\n")
    found = list(element_arrivals(redacting, arrival(body)))
    assert [one.body["ssn"] for one in found] == ["[redacted]"] * 2
    assert found[0].batch == {"shop": "[redacted]", "list": [found[0].body, found[1].body]}
    assert [one.index for one in found] == [0, 1]


@pytest.mark.parametrize(
    ("listed", "state", "made"),
    [
        ([{"id": 1}, {"id": 2}], WebhookState.TRANSLATED, ["1", "2"]),
        ([{"id": 1}, {}], WebhookState.TRANSLATED, ["1"]),
        ([{}, {}], WebhookState.UNTRANSLATABLE, []),
        ([{"test": True}, {}], WebhookState.UNTRANSLATABLE, []),
        ([{"test": True}, {"test": True}], WebhookState.IGNORED, []),
        ([], WebhookState.IGNORED, []),
        ([{"id": 3}], WebhookState.TRANSLATED, ["3"]),
    ],
)
def test_what_the_elements_become_together(listed: list[Any], state: WebhookState, made: list[str]) -> None:
    done = translate_request(source("ignore: {$.test: true}\n"), arrival({"shop": "uk", "list": listed}), now=NOW)
    assert done.state is state
    assert [body["userId"] for body in bodies(done)] == made
    assert all(body["properties"] == {"shop": "uk"} for body in bodies(done))
