"""Destinations of which only some customers may be reached: ``test_user`` and ``allow``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.errors import RulesError
from gateway.model import Command, CommandState
from gateway.rules import Arrival, load_files, translate
from gateway.rules.examples import run_examples

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
RULES = """\
source: shop
verify: none
rules:
  - name: Welcome
    identify: {userId: $.id, traits: {email: $.email}}
    send_email: {userId: $.id, assetId: A, note: "for {{ $.id }}"}
  - name: Seen
    when: {$.guest: {exists: true}}
    track: {anonymousId: $.guest, event: seen, properties: {n: 0.10}}
  - name: Later
    when: {$.later: true}
    delay: 1h
    mode: dry_run
    send_sms: {userId: $.id, assetId: B}
examples:
  - name: a customer is welcomed
    request: {body: {id: c1, email: a@b.c}}
    expect:
      - identify: {userId: c1}
      - send_email: {userId: c1}
"""


def folder(terms: str) -> dict[str, str]:
    destinations = f"destinations: {{default: {{client_id: acme, auth_token: $env.T{terms and ', '}{terms}}}}}"
    return {"shop.yaml": RULES, "destinations.yaml": destinations}


def made(terms: str, **body: Any) -> list[Command]:
    source = load_files(folder(terms), environ={}).sources["shop"]
    arrival = Arrival(webhook_id="w", source="shop", body=body, headers={}, query={}, path={}, received_at=NOW)
    return list(translate(source, arrival, now=NOW).commands)


def told(commands: list[Command]) -> list[tuple[str, str, str, str | None]]:
    return [(one.command, one.user_id, one.state.value, one.reason) for one in commands]


NOT_ALLOWED = "its customer is not in allow of the destination 'default'"
INSTEAD = "to the test_user of the destination 'default' instead of its customer"
NO_TRAITS = "the destination 'default' has a test_user: no other customer's traits are written onto it"


def test_only_those_in_allow_are_sent_to() -> None:
    assert told(made("allow: [c1, 0815]", id="c1")) == [
        ("identify", "c1", "pending", None),
        ("send_email", "c1", "waiting", None),
    ]
    for id in ("0815", "c1"):
        assert made("allow: [c1, 0815]", id=id)[0].state is CommandState.PENDING
    other = made("allow: [c1, 0815]", id=815)
    assert told(other) == [
        ("identify", "815", "suppressed", NOT_ALLOWED),
        ("send_email", "815", "suppressed", NOT_ALLOWED),
    ]
    assert [(one.finished_at, one.due_at, one.after) for one in other] == [(NOW, None, None)] * 2
    assert {one.state for one in made("allow: []", id="c1")} == {CommandState.SUPPRESSED}


def test_everything_goes_to_the_test_user_and_nobodys_traits_do() -> None:
    commands = made("test_user: t1", id="c1", email="a@b.c")
    assert told(commands) == [
        ("identify", "c1", "suppressed", NO_TRAITS),
        ("send_email", "t1", "pending", INSTEAD),
    ]
    mail = commands[1]
    assert (mail.after, mail.due_at) == (None, NOW)
    assert msgspec.json.decode(mail.body) == {
        "userId": "t1",
        "event": "send_email",
        "messageId": mail.id,
        "assetId": "A",
        "note": "for c1",
    }


def test_the_test_user_itself_is_served_whole() -> None:
    assert told(made("test_user: t1, allow: [t1]", id="t1")) == [
        ("identify", "t1", "pending", None),
        ("send_email", "t1", "waiting", None),
    ]


def test_who_has_only_an_anonymous_id_is_not_reached_either() -> None:
    seen = made("test_user: 7", id="7", guest="g1")[-1]
    assert (seen.user_id, seen.body) == (
        "7",
        b'{"userId":"7","event":"seen","properties":{"n":0.10},"messageId":"%s"}' % seen.id.encode(),
    )


def test_what_is_only_recorded_stays_as_it_is() -> None:
    *_, later = made("test_user: t1", id="c1", later=True)
    assert told([later]) == [("send_sms", "c1", "dry_run", "the rule's mode is dry_run")]


def test_without_either_nothing_changes() -> None:
    for terms in ("", "test_user: null, allow: null"):
        assert [one.state.value for one in made(terms, id="c1")] == ["pending", "waiting"]


def test_examples_say_what_the_rules_make() -> None:
    ruleset = load_files(folder("test_user: t1"), environ={})
    assert [result.passed for result in run_examples(ruleset, Path())] == [True]


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ("test_user: [a]", "test_user takes a customer's id; found a list"),
        ("test_user: 0", "test_user takes a customer's id"),
        ("allow: c1", "allow takes a list of customers' ids; found 'c1'"),
        ("allow: [c1, null]", "allow takes a customer's id"),
        ("test_user: t1, allow: [c1]", "test_user 't1' is not in allow, so that nothing is sent"),
    ],
)
def test_what_is_no_customer_is_said(terms: str, says: str) -> None:
    with pytest.raises(RulesError) as caught:
        load_files(folder(terms), environ={})
    assert says in str(caught.value)
