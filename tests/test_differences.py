"""Differences between what a webhook became and what other rules would make of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.differences import MOST_CHANGES, NOTHING, differences
from gateway.model import Command, CommandState
from gateway.store import WITHDRAWN, DifferenceKind
from tests.store.making import NOW, command, webhook

HOOK = webhook()


def one(body: Any = None, **fields: Any) -> Command:
    return command(HOOK, body=msgspec.json.encode(body or {}), **fields)


def changed(was: Command, now: Command) -> dict[str, tuple[Any, Any]]:
    found = differences([was], [now])
    if not found:
        return {}
    [difference] = found
    assert difference.kind is DifferenceKind.CHANGES
    return {change.path: (change.was, change.now) for change in difference.changes}


def test_commands_are_matched_by_identity() -> None:
    stays, goes, comes = one(rule="a"), one(rule="b"), one(rule="c")
    found = differences([stays, goes], [stays, comes])
    assert [(difference.kind, difference.command) for difference in found] == [
        (DifferenceKind.APPEARS, comes),
        (DifferenceKind.VANISHES, goes),
    ]


def test_what_became_of_a_command_is_no_difference() -> None:
    made = one({"a": 1})
    for state in CommandState:
        if state is not CommandState.DRY_RUN:
            was = msgspec.structs.replace(made, state=state, reason="because", attempts=3, priority=-5)
            assert differences([was], [made]) == []


@pytest.mark.parametrize(
    ("was", "now", "expected"),
    [
        ({"a": 1}, {"a": 2}, {"body.a": (1, 2)}),
        ({"a": 1}, {"a": "1"}, {"body.a": (1, "1")}),
        ({"a": True}, {"a": 1}, {"body.a": (True, 1)}),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3, 4]}}, {"body.a.b[1]": (2, 3), "body.a.b[2]": (NOTHING, 4)}),
        ({"a": None}, {}, {"body.a": (None, NOTHING)}),
        ({}, {"a b": {}}, {"body['a b']": (NOTHING, {})}),
        ({"a": []}, {"a": {}}, {"body.a": ([], {})}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {}),
    ],
)
def test_bodies_differ_where_their_values_do(was: Any, now: Any, expected: dict[str, Any]) -> None:
    assert changed(one(was), one(now)) == expected


def test_where_it_goes_and_when_counts_too() -> None:
    was = one(not_before=NOW)
    now = one(destination="uk", user_id="other", expires_at=NOW + timedelta(hours=1), state=CommandState.DRY_RUN)
    assert changed(was, now) == {
        "sent": (True, False),
        "destination": ("default", "uk"),
        "user_id": ("customer", "other"),
        "not_before": (str(NOW), NOTHING),
        "expires_at": (NOTHING, str(NOW + timedelta(hours=1))),
    }


def test_what_a_replay_withdrew_is_not_what_it_became() -> None:
    made = one()
    withdrawn = msgspec.structs.replace(made, state=CommandState.CANCELLED, reason=WITHDRAWN)
    assert differences([withdrawn], []) == []
    assert [found.kind for found in differences([withdrawn], [made])] == [DifferenceKind.APPEARS]
    cancelled = msgspec.structs.replace(made, state=CommandState.CANCELLED, reason="cancelled by a person")
    assert [found.kind for found in differences([cancelled], [])] == [DifferenceKind.VANISHES]


def test_no_more_changes_are_told_than_a_person_reads() -> None:
    [found] = differences([one({"a": list(range(1000))})], [one({"a": list(range(1, 1001))})])
    assert len(found.changes) == MOST_CHANGES


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**50), 2**50) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=3), JSON_VALUES), st.dictionaries(st.text(max_size=3), JSON_VALUES))
def test_there_is_a_change_exactly_where_two_bodies_are_not_the_same(was: Any, now: Any) -> None:
    same = msgspec.json.encode(was, order="sorted") == msgspec.json.encode(now, order="sorted")
    assert (changed(one(was), one(now)) == {}) is same
    back = {path: (old, new) for path, (new, old) in changed(one(now), one(was)).items()}
    assert changed(one(was), one(now)) == back
