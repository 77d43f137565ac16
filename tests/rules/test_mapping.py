"""Objects, lists, traits and operator keys: what stands under a command is the JSON that is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.rules.evaluation import bodies, problems_of, refused, rule_of, sent, translated

# -- traits ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("traits", "body", "is_sent"),
    [
        ("{phone: $.phone, n: 1}", {}, {"n": 1}),
        ("{phone: $.phone, n: 1}", {"phone": None}, {"n": 1}),
        ("{phone: $.phone, n: 1}", {"phone": ""}, {"n": 1}),
        ("{phone: $.phone, n: 1}", {"phone": []}, {"n": 1}),
        ("{phone: $.phone, n: 1}", {"phone": {}}, {"n": 1}),
        ("{points: $.points, vip: $.vip}", {"points": 0, "vip": False}, {"points": 0, "vip": False}),
        ("{phone: {$literal: null}}", {}, {"phone": None}),
        ("{phone: {$literal: ''}, tags: {$literal: []}}", {}, {"phone": "", "tags": []}),
        ("{phone: null, tags: [], n: 1}", {}, {"n": 1}),
        ("{address: {city: $.city, zip: $.zip}}", {"city": "Leeds", "zip": None}, {"address": {"city": "Leeds"}}),
        ("{address: {city: $.city}, n: 1}", {"city": ""}, {"n": 1}),
        ("{address: {zip: {$literal: null}}}", {}, {"address": {"zip": None}}),
        # ... however it came there.
        ("{address: $.address}", {"address": {"city": "Leeds", "zip": None, "geo": {"lat": None}}},
         {"address": {"city": "Leeds"}}),
        ("{$merge: $.customer}", {"customer": {"phone": None, "city": "Leeds"}}, {"city": "Leeds"}),
        ("{$merge: $.customer, phone: $.phone}", {"customer": {"phone": "1"}, "phone": None}, {"phone": "1"}),
        ("$.customer", {"customer": {"phone": "", "n": [1, None, {"a": None}]}}, {"n": [1]}),
        ("{a: {$pick: [x, y], $from: $.c}}", {"c": {"x": None, "y": 1, "z": 2}}, {"a": {"y": 1}}),
        ("{tags: [$.a, $.b]}", {"a": "", "b": "x"}, {"tags": ["x"]}),
        ("{tags: [$.a], n: 1}", {}, {"n": 1}),
        ("{tags: {$each: $.l, $as: $item.t}, n: 1}", {"l": [{"t": None}, {}]}, {"n": 1}),
        ("{name: '{{ $.first }} {{ $.last }}', n: 1}", {"first": "Ann", "last": ""}, {"n": 1}),
    ],
)  # fmt: skip
def test_traits_leave_nothing_out(traits: str, body: Any, is_sent: Any) -> None:
    assert sent(f"traits: {traits}", body, call="identify") == {"traits": is_sent}


def test_traits_that_are_left_empty_go() -> None:
    assert sent("traits: {phone: $.phone}", {"phone": None}, call="identify") == {}


def test_beside_traits_null_is_sent() -> None:
    assert sent("context: {ip: $.ip}", {"ip": None}, call="identify") == {"context": {"ip": None}}


def test_traits_take_an_object() -> None:
    problem = refused("traits: $.customer", {"customer": "Ann"}, call="identify")
    assert (problem.field, problem.path) == ("traits", "$.customer")
    assert "text 'Ann'" in problem.message


def test_traits_of_any_depth_end_in_an_answer() -> None:
    deep: Any = None
    for _ in range(900):
        deep = {"a": deep}
    translation = translated(rule_of("traits: {x: $.deep}", call="identify"), {"deep": deep})
    assert translation.commands == ()


# -- $each -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("each", "body", "is_sent"),
    [
        ("{$each: $.l, $as: $item.a}", {"l": [{"a": 1}, {"a": 2}]}, {"x": [1, 2]}),
        ("{$each: $.l, $as: $item.a}", {"l": {"a": 1}}, {"x": [1]}),
        ("{$each: $.l, $as: $item}", {"l": "text"}, {"x": ["text"]}),
        ("{$each: $.l, $as: $item}", {"l": None}, {}),
        ("{$each: $.l, $as: $item}", {}, {}),
        ("{$each: $.l, $as: $item}", {"l": []}, {"x": []}),
        ("{$each: $.l, $as: $item.a}", {"l": [{"a": 1}, {}, {"a": None}, 5]}, {"x": [1, None]}),
        ("{$each: $.l, $as: {a: $item.a}}", {"l": [{"a": 1}, {}, 5]}, {"x": [{"a": 1}]}),
        ("{$each: $.l, $as: {a: $item.a, n: 1}}", {"l": [{}]}, {"x": [{"n": 1}]}),
        ("{$each: $.l, $as: $.n}", {"l": [1, 2], "n": 9}, {"x": [9, 9]}),
        ("{$each: $.l, $as: '{{ $item }}-{{ $.n }}'}", {"l": [1, 2], "n": 9}, {"x": ["1-9", "2-9"]}),
        ("{$each: $.l, $as: [$item.a, $item.b]}", {"l": [{"a": 1}, {}]}, {"x": [[1], []]}),
        ("{$each: [$.a, $.b, 3], $as: $item}", {"a": 1}, {"x": [1, 3]}),
        ("{$each: $.l, $as: {$each: $item.m, $as: {o: $outer.n, i: $item}}}",
         {"l": [{"n": 1, "m": [7, 8]}, {"n": 2, "m": []}, {"n": 3}]},
         {"x": [[{"o": 1, "i": 7}, {"o": 1, "i": 8}], []]}),
        ("{$each: $.l, $as: {a: {$each: $item, $as: $item}, b: $item}}", {"l": [[1], [2]]},
         {"x": [{"a": [1], "b": [1]}, {"a": [2], "b": [2]}]}),
    ],
)  # fmt: skip
def test_each_makes_a_list_from_a_list(each: str, body: Any, is_sent: Any) -> None:
    assert sent(f"x: {each}", body) == is_sent


def test_in_for_each_the_element_is_outer_to_each() -> None:
    text = """
        rules:
          - name: r
            for_each: $.orders
            send_email:
              userId: $item.user
              assetId: a
              lines: {$each: $item.lines, $as: {order: $outer.id, sku: $item}}
              id: $item.id
    """
    orders = [{"user": "u", "id": 1, "lines": ["A", "B"]}, {"user": "v", "id": 2, "lines": {"x": 1}}]
    made = bodies(translated(text, {"orders": orders}))
    assert [one["lines"] for one in made] == [
        [{"order": 1, "sku": "A"}, {"order": 1, "sku": "B"}], [{"order": 2, "sku": {"x": 1}}],
    ]  # fmt: skip
    assert [one["id"] for one in made] == [1, 2]


# -- $merge, $pick, $omit, $literal -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "body", "is_sent"),
    [
        ("x: {$merge: $.a}", {"a": {"b": 1, "c": None}}, {"x": {"b": 1, "c": None}}),
        ("x: {$merge: [$.a, $.b], c: 3}", {"a": {"b": 1, "c": 1}, "b": {"b": 2}}, {"x": {"b": 2, "c": 3}}),
        ("x: {$merge: $.a, c: $.nowhere}", {"a": {"c": 1}}, {"x": {"c": 1}}),
        ("x: {$merge: $.a}", {}, {}),
        ("x: {$merge: $.a}", {"a": {}}, {}),
        ("$merge: $.a\nb: 2", {"a": {"b": 1, "c": 1}}, {"b": 2, "c": 1}),
        ("x: {$pick: [b, z], $from: $.a}", {"a": {"b": None, "c": 1}}, {"x": {"b": None}}),
        ("x: {$pick: [z], $from: $.a}", {"a": {"b": 1}}, {}),
        ("x: {$omit: [b], $from: $.a}", {"a": {"b": 1, "c": 2}}, {"x": {"c": 2}}),
        ("x: {$omit: [b], $from: $.a}", {}, {}),
        ("x: {$merge: {$omit: [b], $from: $.a}, d: 1}", {"a": {"b": 1, "c": 2}}, {"x": {"c": 2, "d": 1}}),
        ("x: {$literal: {$merge: 1, a: '$.b'}}", {}, {"x": {"$merge": 1, "a": "$.b"}}),
        ("x: {$literal: null}", {}, {"x": None}),
    ],
)
def test_operator_keys(fields: str, body: Any, is_sent: Any) -> None:
    assert sent(fields, body) == is_sent


@pytest.mark.parametrize("fields", ["x: {$merge: $.a, n: 1}", "x: {n: 1, y: {$pick: [b], $from: $.a}}"])
@pytest.mark.parametrize("odd", ["text", 5, [1], True])
def test_what_is_no_object_is_left_out_with_a_warning(fields: str, odd: Any) -> None:
    translation = translated(rule_of(fields), {"a": odd})
    assert bodies(translation)[0]["x"] == {"n": 1}
    assert len(translation.warnings) == 1


RESERVED = {
    "event": "send_sms", "userId": "other", "assetId": "other", "timestamp": "x", "messageId": "m", "own": 1,
}  # fmt: skip


def test_root_keys_come_only_from_their_own_keys() -> None:
    translation = translated(rule_of("$merge: $.a"), {"a": RESERVED})
    (body,) = bodies(translation)
    (command,) = translation.commands
    assert body == {"userId": "u", "event": "send_email", "assetId": "a", "messageId": command.id, "own": 1}
    assert "assetId, event, messageId, timestamp, userId" in translation.warnings[0].message


def test_a_journeys_ids_come_only_from_their_own_keys() -> None:
    text = """
        rules:
          - name: r
            start_journey:
              userId: u
              $merge: $.root
              properties:
                $merge: $.data
                journeyIdToTrigger: j
    """
    data = {"journeyIdToTrigger": "evil", "stepIdToTrigger": "evil", "a": 1}
    (body,) = bodies(translated(text, {"data": data, "root": {"properties": {"x": 1}, "b": 2, **RESERVED}}))
    assert body["properties"] == {"a": 1, "journeyIdToTrigger": "j"}
    assert body["assetId"] == "other", "a journey has no assetId of its own: there it is data"
    assert (body["userId"], body["event"], body["b"]) == ("u", "start_journey", 2)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ("$each: $.a\n$as: $item", "can't make a whole command"),
        ("x: {$each: $.a}", "$as"),
        ("x: {$each: $.a, $as: 1, b: 2}", "can't stand beside"),
        ("x: {$pick: [a]}", "$from"),
        ("x: {$pick: a, $from: $.a}", "list of keys"),
        ("x: {$unknown: 1}", "not an operator"),
        ("$merge: {userId: $.a}", "can't come out of $merge"),
        ("messageId: $.a", "messageId"),
    ],
)
def test_operator_keys_that_can_never_work_are_refused(fields: str, said: str) -> None:
    assert said in problems_of(rule_of(fields))


def test_a_command_is_never_one_expression() -> None:
    assert "takes a mapping" in problems_of("rules:\n  - name: r\n    send_email: $.command\n")


# -- exact -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "written"),
    [
        (12345678901234567890123456, "12345678901234567890123456"),
        (0, "0"),
        (-1, "-1"),
        (10**999, "1" + "0" * 999),
        (Decimal("0.10"), "0.10"),
        (Decimal("100.00"), "100.00"),
        (Decimal("-0.0"), "-0.0"),
        (Decimal("1E-7"), "1E-7"),
        (Decimal("1E+400"), "1E+400"),
        (Decimal("-1.5E-400"), "-1.5E-400"),
        (Decimal("12345678901234567890.1234567890123456789"), "12345678901234567890.1234567890123456789"),
    ],
    ids=lambda one: str(one)[:30],
)
def test_numbers_keep_their_digits(number: int | Decimal, written: str) -> None:
    translation = translated(
        rule_of("a: $.n\nb: {$each: $.l, $as: $item}\nc: $.o"), {"n": number, "l": [number], "o": {"n": number}}
    )
    assert f'"a":{written},"b":[{written}],"c":{{"n":{written}}}'.encode() in translation.commands[0].body


@pytest.mark.parametrize(
    ("expression", "is_sent"),
    [
        ("$.big | plus(1)", 12345678901234567890123457),
        ("$.price | times(3)", Decimal("0.30")),
        ("$.price | string", "0.10"),
        ("'{{ $.price }} {{ $.big }}'", "0.10 12345678901234567890123456"),
        ("$.text | number", Decimal("0.10")),
        ("$.small | plus($.price)", Decimal("0.1000001")),
    ],
)
def test_filters_are_exact(expression: str, is_sent: Any) -> None:
    body = {"big": 12345678901234567890123456, "price": Decimal("0.10"), "text": "0.10", "small": Decimal("1E-7")}
    assert sent(f"x: {expression}", body) == {"x": is_sent}


@pytest.mark.parametrize("expression", ["$.a | times($.a)", "$.a | divided_by(0)", "$.tiny | times($.tiny)"])
def test_a_result_beyond_all_bounds_is_none(expression: str) -> None:
    body = {"a": Decimal("1E+999"), "tiny": Decimal("1E-999")}
    translation = translated(rule_of(f"x: {expression}"), body)
    assert "x" not in bodies(translation)[0]
    assert len(translation.warnings) == 1
    assert refused(f"x: {expression} | required", body).field == "x"


@pytest.mark.parametrize("text", ["\U0001f600", "\x00", "\u2028", "é" * 1000, "\u202e", "\ufffd"])
def test_text_is_what_came(text: str) -> None:
    assert sent('x: $.a\ny: "<{{ $.a }}>"', {"a": text}) == {"x": text, "y": f"<{text}>"}


def test_half_an_emoji_that_reached_a_rule_is_a_mapping_error() -> None:
    translation = translated(rule_of("x: $.a"), {"a": "cut \ud83d"})
    assert translation.commands == ()
    assert "can't be written as JSON" in translation.errors[0].message
