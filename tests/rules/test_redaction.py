"""What a source may not keep is taken out of the parsed body, wherever the path says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.paths import PathProblem
from gateway.rules.redaction import REDACTED, compile_redaction, hidden_by, hidden_header


@pytest.mark.parametrize(
    ("path", "body", "after"),
    [
        ("$.card", {"card": {"number": "4242"}, "id": 1}, {"card": REDACTED, "id": 1}),
        ("$.card.number", {"card": {"number": "4242", "brand": "x"}}, {"card": {"number": REDACTED, "brand": "x"}}),
        ("$.items[*].note", {"items": [{"note": "a"}, {"x": 1}]}, {"items": [{"note": REDACTED}, {"x": 1}]}),
        ("$.items[0]", {"items": [1, 2]}, {"items": [REDACTED, 2]}),
        ("$.items[-1]", {"items": [1, 2]}, {"items": [1, REDACTED]}),
        ("$..iban", {"a": [{"iban": "x"}], "iban": {"iban": "y"}}, {"a": [{"iban": REDACTED}], "iban": REDACTED}),
        ("$['a','b']", {"a": 1, "b": 2, "c": 3}, {"a": REDACTED, "b": REDACTED, "c": 3}),
        ("$.a.*", {"a": {"x": 1, "y": [2]}}, {"a": {"x": REDACTED, "y": REDACTED}}),
    ],
)
def test_what_stands_there_is_gone(path: str, body: Any, after: Any) -> None:
    assert compile_redaction(path).erase(body) is True
    assert body == after


@pytest.mark.parametrize("body", [None, 1, "text", [], {}, {"other": 1}, {"card": "no object"}])
def test_where_nothing_stands_nothing_changes(body: Any) -> None:
    before = repr(body)
    assert compile_redaction("$.card.number").erase(body) is False
    assert repr(body) == before


def test_a_body_of_any_depth() -> None:
    body: Any = {"iban": "x"}
    for _ in range(5000):
        body = [body]
    assert compile_redaction("$..iban").erase(body) is True


def test_a_header_is_named_in_lower_case() -> None:
    redaction = compile_redaction("$header.X-Customer-Token")
    assert redaction.header == "x-customer-token"
    assert redaction.erase({"x-customer-token": 1}) is False


@pytest.mark.parametrize("path", ["$", "$.a[?(@.b)]", "$.a[1:2]", "$.a + 1", "$.a["])
def test_paths_that_can_not_be_redacted(path: str) -> None:
    with pytest.raises(PathProblem):
        compile_redaction(path)


def test_a_rule_that_reads_what_is_redacted() -> None:
    redactions = (compile_redaction("$.card"),)
    assert hidden_by("$.card.number", redactions) is redactions[0]
    assert hidden_by("$.card", redactions) is redactions[0]
    assert hidden_by("$.card[0]", redactions) is redactions[0]
    assert hidden_by("$.cards", redactions) is None


json = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)


@given(json)
def test_nothing_is_left_at_any_depth(body: Any) -> None:
    compile_redaction("$..a").erase(body)
    pending = [body]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            assert node.get("a", REDACTED) == REDACTED
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)


@pytest.mark.parametrize(
    ("redacted", "path", "hidden"),
    [
        ("$.card", "$['card'].number", True),
        ("$.people[*].ssn", "$.people[0].ssn", True),
        ("$.people[*].ssn", "$.people[*].ssn", True),
        ("$.people[0].ssn", "$.people[*].ssn", False),
        ("$.people[0]", "$.people[0:2]", False),
        ("$.people[*]", "$.people[?(@.a == 1)].ssn", False),
        ("$.people", "$.people[?(@.a == 1)].ssn", True),
        ("$..ssn", "$.people[0].ssn", True),
        ("$..ssn", "$..ssn", True),
        ("$..person.ssn", "$.a.person.ssn.last", True),
        ("$..person.ssn", "$.a.person.name", False),
        ("$.card.ssn", "$..ssn", False),
        ("$['a','b']", "$.b", True),
        ("$.*", "$.anything", True),
        ("$.card", "$", False),
        ("$batch.token", "$batch.token", True),
        ("$batch.token", "$.token", False),
        ("$.token", "$batch.token", False),
    ],
)
def test_what_a_path_reads_is_judged_by_its_steps(redacted: str, path: str, hidden: bool) -> None:
    assert (hidden_by(path, (compile_redaction(redacted),)) is not None) is hidden


def test_a_header_is_known_in_any_spelling() -> None:
    for text in ("$header.X-Person", "$header['x-person']", '$header["X-PERSON"]'):
        redaction = compile_redaction(text)
        assert hidden_header("x-person", (redaction,)) is redaction
        assert hidden_header("x-other", (redaction,)) is None
