"""The contract's own fields: what they take, what they refuse, and what an error says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from gateway.intilery.contract import violations
from tests.rules.evaluation import bodies, problems_of, refused, rule_of, sent, translated


@pytest.mark.parametrize(
    ("value", "user"),
    [
        ("ABC/123", "ABC/123"), (7, "7"), (12345678901234567890123456, "12345678901234567890123456"), ("007", "007"),
        (Decimal("12.50"), "12.50"), (Decimal("1E+3"), "1000"), (-1, "-1"), ("NULL-7", "NULL-7"), (" a ", " a "),
    ],
)  # fmt: skip
def test_user_id_becomes_a_string(value: Any, user: str) -> None:
    (command,) = translated(rule_of("userId: $.id"), {"id": value}).commands
    assert command.user_id == user
    assert bodies(translated(rule_of("userId: $.id"), {"id": value}))[0]["userId"] == user


@pytest.mark.parametrize(
    "value",
    [0, "0", "00", "0.0",
     "null", "NULL", "none", "None", "undefined", "[object Object]", " null ", True, False, [1], {"a": 1},
     "   "],
    ids=repr,
)  # fmt: skip
def test_user_id_that_is_nobodys_is_a_mapping_error(value: Any) -> None:
    problem = refused("userId: $.customer.id", {"customer": {"id": value}})
    assert (problem.rule, problem.field, problem.path) == ("r", "userId", "$.customer.id")
    assert "is not a customer's id" in problem.message


@pytest.mark.parametrize(
    ("field", "call"),
    [("userId", "send_email"), ("assetId", "send_email"), ("event", "track"), ("userId", "identify")],
)
@pytest.mark.parametrize(
    ("body", "there"),
    [({}, "missing"), ({"a": {}}, "missing"), ({"a": {"b": None}}, "null"), ({"a": {"b": ""}}, "nothing (empty text)"),
     ({"a": {"b": []}}, "nothing (an empty list)"), ({"a": {"b": {}}}, "nothing (an empty object)"),
     ({"a": "text"}, "missing"), (None, "missing"), ([], "missing")],
)  # fmt: skip
def test_a_required_field_that_is_nothing_says_rule_field_path_and_what_stood_there(
    field: str, call: str, body: Any, there: str
) -> None:
    problem = refused(f"{field}: $.a.b", body, call=call)
    assert (problem.rule, problem.field, problem.path) == ("r", field, "$.a.b")
    assert problem.message == f"{field} is nothing: $.a.b is {there}"


def test_a_filter_that_lost_the_value_says_what_the_payload_had() -> None:
    problem = refused("userId: $.id | ignore(0)", {"id": 0})
    assert problem.message == "userId is nothing: $.id | ignore(0) is missing (its path has the number 0)"


def test_a_template_never_makes_all_guests_one_customer() -> None:
    problem = refused("userId: 'shop-{{ $.customer.id }}'", {"customer": None})
    assert (problem.field, problem.path) == ("userId", "shop-{{ $.customer.id }}")


def test_a_journey_needs_its_id() -> None:
    text = "rules:\n  - name: r\n    start_journey: {userId: u, properties: {journeyIdToTrigger: $.j, n: 1}}\n"
    translation = translated(text, {"j": None})
    (problem,) = translation.errors
    assert problem.field == "properties.journeyIdToTrigger"
    (body,) = bodies(translated(text, {"j": 6046429}))
    assert body["properties"] == {"journeyIdToTrigger": "6046429", "n": 1}


def test_a_step_that_is_nothing_is_left_out() -> None:
    properties = "{journeyIdToTrigger: j, stepIdToTrigger: $.step}"
    text = f"rules:\n  - name: r\n    start_journey: {{userId: u, properties: {properties}}}\n"
    assert bodies(translated(text, {}))[0]["properties"] == {"journeyIdToTrigger": "j"}
    assert bodies(translated(text, {"step": "s"}))[0]["properties"] == {
        "journeyIdToTrigger": "j",
        "stepIdToTrigger": "s",
    }


@pytest.mark.parametrize(
    ("written", "asset"), [("007", "007"), ("1e3", "1e3"), ("0.10", "0.10"), ("'x y'", "x y"), ("yes", "yes")]
)
def test_an_asset_is_the_text_as_written(written: str, asset: str) -> None:
    assert bodies(translated(rule_of(f"assetId: {written}")))[0]["assetId"] == asset


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("2019-11-18T13:30:11.444Z", "2019-11-18T13:30:11.444Z"),
        ("2019-11-18T13:30:11Z", "2019-11-18T13:30:11.000Z"),
        ("2019-11-18T13:30:11.4449999Z", "2019-11-18T13:30:11.444Z"),
        ("2019-11-18T13:30:11+02:00", "2019-11-18T11:30:11.000Z"),
        ("2019-11-18T13:30:11+0200", "2019-11-18T11:30:11.000Z"),
        ("2019-11-18 13:30:11 -05:00", "2019-11-18T18:30:11.000Z"),
        ("2019-11-18 13:30:11 UTC", "2019-11-18T13:30:11.000Z"),
        ("2019-11-18T24:00:00Z", "2019-11-19T00:00:00.000Z"),
        ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
        ("20191118T133011Z", "2019-11-18T13:30:11.000Z"),
        ("Mon, 18 Nov 2019 13:30:11 +0100", "2019-11-18T12:30:11.000Z"),
        (1574083811, "2019-11-18T13:30:11.000Z"),
        ("1574083811", "2019-11-18T13:30:11.000Z"),
        (1574083811444, "2019-11-18T13:30:11.444Z"),
        ("1574083811444", "2019-11-18T13:30:11.444Z"),
        (Decimal("1574083811.5"), "2019-11-18T13:30:11.500Z"),
        ("0999-01-01T00:00:00Z", "0999-01-01T00:00:00.000Z"),
    ],
)
def test_a_timestamp_becomes_utc_with_milliseconds(value: Any, written: str) -> None:
    assert sent("timestamp: $.at", {"at": value}) == {"timestamp": written}


@pytest.mark.parametrize(
    "value",
    ["2019-11-18T13:30:11", "2019-11-18", "05/06/2024", 946684799, "946684799", 4102444800, "4102444800000", 5,
     "soon", True, {"a": 1}, [1574083811], "2019-02-30T00:00:00Z", "2019-11-18T25:00:00Z",
     "2019-11-18T13:30:11+99:00", "0001-01-01T00:00:00+14:00", Decimal("1E+900"), "1" * 5000],
    ids=lambda value: repr(value)[:24],
)  # fmt: skip
def test_an_unreadable_timestamp_is_a_mapping_error(value: Any) -> None:
    problem = refused("timestamp: $.at", {"at": value})
    assert (problem.field, problem.path) == ("timestamp", "$.at")
    assert problem.message.startswith("timestamp: ")


@pytest.mark.parametrize(
    ("fields", "more", "value", "written"),
    [
        ("timestamp: $.at", "zone: Europe/London", "2024-07-01 12:00:00", "2024-07-01T11:00:00.000Z"),
        ("timestamp: $.at", "zone: Europe/London", "2024-07-01", "2024-06-30T23:00:00.000Z"),
        ("timestamp: $.at", "zone: Europe/London", "2024-07-01T12:00:00+05:00", "2024-07-01T07:00:00.000Z"),
        (
            "timestamp: \"$.at | date(from: '%d/%m/%Y', from_zone: 'Europe/London')\"",
            "",
            "05/06/2024",
            "2024-06-04T23:00:00.000Z",
        ),
    ],
)
def test_a_time_without_a_zone(fields: str, more: str, value: str, written: str) -> None:
    assert sent(fields, {"at": value}, more=more) == {"timestamp": written}


def test_a_timestamp_that_is_nothing_is_left_out() -> None:
    for value in (None, "", [], {}):
        assert sent("timestamp: $.at", {"at": value}) == {}


@pytest.mark.parametrize("written", ["SEND_EMAIL", "send_email", "Send_Email"])
def test_a_command_may_be_written_in_any_case_and_is_sent_in_lower(written: str) -> None:
    text = f"rules:\n  - name: r\n    {written}: {{userId: u, event: {written}, assetId: a}}\n"
    assert bodies(translated(text))[0]["event"] == "send_email"


def test_a_plain_event_has_a_name_of_its_own() -> None:
    assert refused("event: $.e", {"e": "Send_SMS"}, call="track").field == "event"
    (body,) = bodies(translated(rule_of("event: $.e\nproperties: {n: 1}", call="track"), {"e": "Order Completed"}))
    assert (body["event"], body["properties"]) == ("Order Completed", {"n": 1})


def test_anonymous_id_may_stand_for_user_id_in_identify_and_track() -> None:
    text = "rules:\n  - name: r\n    identify: {anonymousId: $.a, traits: {n: 1}}\n"
    (command,) = translated(text, {"a": "x-1"}).commands
    assert command.user_id == "x-1"
    assert violations("identify", bodies(translated(text, {"a": "x-1"}))[0]) is None
    assert "userId" in problems_of("rules:\n  - name: r\n    send_email: {anonymousId: $.a, assetId: a}\n")


def test_identify_and_command_name_the_same_customer() -> None:
    text = """
        rules:
          - name: r
            identify: {userId: $.one, traits: {n: 1}}
            send_email: {userId: $.two, assetId: a}
    """
    identify, command = translated(text, {"one": 7, "two": "7"}).commands
    assert (identify.command, command.command) == ("identify", "send_email")
    assert command.after == identify.id
    assert command.state == "waiting"
    translation = translated(text, {"one": 7, "two": 8})
    assert translation.commands == ()
    assert "'7'" in translation.errors[0].message
    assert "'8'" in translation.errors[0].message


def test_a_mapping_error_in_either_stops_both() -> None:
    text = """
        rules:
          - name: r
            identify: {userId: u, traits: {n: $.n | required}}
            send_email: {userId: u, assetId: $.a}
    """
    for body, field in (({"n": 1}, "assetId"), ({"a": "x"}, "traits.n")):
        translation = translated(text, body)
        assert translation.commands == ()
        assert [error.field for error in translation.errors] == [field]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("send_email: {userId: u}", "assetId"),
        ("send_email: {assetId: a}", "userId"),
        ("send_email: {userId: '', assetId: a}", "userId"),
        ("send_email: {userId: 0, assetId: a}", "userId"),
        ("send_email: {userId: u, assetId: a, timestamp: 05/06/2024}", "timestamp"),
        ("send_email: {userId: u, assetId: a, event: send_sms}", "event"),
        ("send_mail: {userId: u, assetId: a}", "send_email"),
        ("start_journey: {userId: u}", "journeyIdToTrigger"),
        ("start_journey: {userId: u, properties: text}", "properties"),
        ("track: {userId: u}", "event"),
        ("track: {userId: u, event: send_sms}", "command"),
        ("track: {userId: u, event: X, total: 5}", "properties"),
        ("identify: {userId: u, email: x}", "traits"),
        ("identify: {userId: u, traits: [1]}", "traits"),
    ],
)
def test_what_could_never_be_a_valid_call_is_refused_at_load(text: str, said: str) -> None:
    assert said in problems_of(f"rules:\n  - name: r\n    {text}\n")


def test_a_body_over_the_limit_is_a_mapping_error() -> None:
    problem = refused("a: $.t\nb: $.t", {"t": "x" * 600_000})
    assert "1,000,000" in problem.message
    assert len(translated(rule_of("a: $.t"), {"t": "x" * 900_000}).commands) == 1
