"""A webhook becomes commands: which rules run, in which order, what one error stops, what is kept."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import pytest

from gateway.model import CommandState, WebhookState, command_id
from tests.rules.evaluation import NOW, bodies, problems_of, rule_of, source_of, translated

TWO = """
    rules:
      - name: first
        when: {$.a: 1}
        send_email: {userId: $.user, assetId: one}
      - name: second
        when: {$.b: 1}
        send_sms: {userId: $.user, assetId: two}
"""


@pytest.mark.parametrize(
    ("body", "matched", "state"),
    [
        ({"a": 1, "b": 1, "user": "u"}, ("first", "second"), WebhookState.TRANSLATED),
        ({"b": 1, "user": "u"}, ("second",), WebhookState.TRANSLATED),
        ({"user": "u"}, (), WebhookState.UNMATCHED),
        ({"a": 1}, ("first",), WebhookState.UNTRANSLATABLE),
        ([], (), WebhookState.UNMATCHED),
    ],
)
def test_every_rule_that_matches_runs_in_the_files_order(
    body: Any, matched: tuple[str, ...], state: WebhookState
) -> None:
    translation = translated(TWO, body)
    assert (translation.matched, translation.state) == (matched, state)
    assert [command.rule for command in translation.commands] == (list(matched) if not translation.errors else [])


def test_a_mapping_error_stops_only_its_rule() -> None:
    text = """
        rules:
          - name: broken
            send_email: {userId: $.nobody, assetId: a}
          - name: good
            send_email: {userId: u, assetId: a}
    """
    translation = translated(text, {})
    assert [command.rule for command in translation.commands] == ["good"]
    assert [(error.rule, error.field, error.path) for error in translation.errors] == [("broken", "userId", "$.nobody")]
    assert translation.state is WebhookState.TRANSLATED
    assert translation.matched == ("broken", "good")
    assert translation.reason is None


EACH = """
    rules:
      - name: r
        for_each: $.items[*]
        {key}
        identify: {{userId: $item.user, traits: {{n: $item.n}}}}
        send_email: {{userId: $item.user, assetId: a, n: $item.n}}
"""


def test_with_for_each_an_error_stops_only_its_element() -> None:
    items = [{"user": "a", "n": 1}, {"n": 2}, {"user": "c", "n": 3}]
    translation = translated(EACH.format(key=""), {"items": items})
    assert [(one.element, one.command, one.user_id) for one in translation.commands] == [
        ("0", "identify", "a"), ("0", "send_email", "a"), ("2", "identify", "c"), ("2", "send_email", "c"),
    ]  # fmt: skip
    assert [(error.element, error.field, error.path) for error in translation.errors] == [("1", "userId", "$item.user")]
    assert translation.state is WebhookState.TRANSLATED


def test_a_key_identifies_an_element() -> None:
    items = [{"user": "a", "id": "x"}, {"user": "b", "id": 7}, {"user": "c"}, {"user": "d", "id": [1]}]
    translation = translated(EACH.format(key="key: $item.id"), {"items": items})
    assert [one.element for one in translation.commands] == ["x", "x", "7", "7"]
    assert [(error.element, error.field) for error in translation.errors] == [("2", "key"), ("3", "key")]
    again = translated(EACH.format(key="key: $item.id"), {"items": items[1::-1]})
    assert {one.id for one in again.commands} == {one.id for one in translation.commands}


def test_two_elements_with_one_key_are_not_one_command() -> None:
    items = [{"user": "a", "id": 1}, {"user": "b", "id": "1"}]
    translation = translated(EACH.format(key="key: $item.id"), {"items": items})
    assert [one.user_id for one in translation.commands] == ["a", "a"]
    assert [(error.field, error.element) for error in translation.errors] == [("key", "1")]
    assert "an element before" in translation.errors[0].message


@pytest.mark.parametrize(
    ("for_each", "body", "elements"),
    [
        ("$.items", {"items": {"user": "a"}}, ["0"]),
        ("$.items", {"items": []}, []),
        ("$.items[*]", {"items": []}, []),
        ("$.items[?(@.user == 'b')]", {"items": [{"user": "a"}, {"user": "b"}]}, ["0"]),
    ],
)
def test_for_each_goes_over_a_list_and_one_object_is_a_list_of_one(
    for_each: str, body: Any, elements: list[str]
) -> None:
    text = EACH.format(key="").replace("$.items[*]", f'"{for_each}"')
    translation = translated(text, body)
    assert [one.element for one in translation.commands[::2]] == elements
    assert translation.state is WebhookState.TRANSLATED
    assert translation.errors == ()


@pytest.mark.parametrize("body", [{}, {"items": None}, None])
def test_for_each_over_nothing_is_a_mapping_error(body: Any) -> None:
    translation = translated(EACH.format(key="").replace("$.items[*]", "$.items"), body)
    assert [(error.rule, error.field, error.path) for error in translation.errors] == [("r", "for_each", "$.items")]


def test_stop_ends_the_file_after_a_match() -> None:
    text = """
        rules:
          - name: first
            when: {$.a: 1}
            stop: true
            send_email: {userId: u, assetId: a}
          - name: second
            send_email: {userId: u, assetId: b}
    """
    assert translated(text, {"a": 1}).matched == ("first",)
    assert translated(text, {"a": 2}).matched == ("second",)
    lines = translated(text, {"a": 1}, trace=True).trace
    assert [line.matched for line in lines] == [True, False]
    assert "first" in lines[1].why


def test_a_shadow_rule_keeps_no_live_one_from_running() -> None:
    text = """
        rules:
          - name: beside
            stop: true
            mode: {mode}
            send_email: {{userId: u, assetId: a}}
          - name: live
            send_email: {{userId: u, assetId: b}}
    """
    shadow = translated(text.format(mode="shadow"), {})
    assert [(command.rule, command.state) for command in shadow.commands] == [
        ("beside", CommandState.DRY_RUN),
        ("live", CommandState.PENDING),
    ]
    assert [line.matched for line in translated(text.format(mode="shadow"), {}, trace=True).trace] == [True, True]
    # A dry run stands where the live rule will stand.
    assert translated(text.format(mode="dry_run"), {}).matched == ("beside",)


def test_a_rule_that_is_off_is_not_run() -> None:
    text = rule_of("x: 1").replace("- name: r", "- name: r\n    enabled: false")
    assert translated(text).state is WebhookState.UNMATCHED


def test_ignore_is_not_noise_in_unmatched() -> None:
    text = "ignore: {$.test: true}\n" + rule_of("x: 1")
    translation = translated(text, {"test": True})
    assert (translation.state, translation.commands) == (WebhookState.IGNORED, ())
    assert translation.reason
    assert translated(text, {"test": "true"}).state is WebhookState.TRANSLATED


def test_a_source_without_rules_records() -> None:
    assert translated("title: x\n", {"a": 1}).state is WebhookState.UNMATCHED


@pytest.mark.parametrize(
    ("dedup_key", "body", "key"),
    [
        ("$.id", {"id": 7}, "7"),
        ("$.id", {"id": Decimal("0.10")}, "0.10"),
        ("$.id", {}, None),
        ("$.id", {"id": ""}, None),
        ("$.id", {"id": [1]}, None),
        ("[$.a, $.b]", {"a": "x", "b": "yz"}, "1:x|2:yz"),
        ("[$.a, $.b]", {"a": "x"}, None),
    ],
)
def test_dedup_key(dedup_key: str, body: Any, key: str | None) -> None:
    assert translated(f"dedup_key: {dedup_key}\n" + rule_of("x: 1"), body).dedup_key == key


def test_two_lists_of_parts_are_never_one_key() -> None:
    text = "dedup_key: [$.a, $.b]\n" + rule_of("x: 1")
    assert translated(text, {"a": "x|1:y", "b": "z"}).dedup_key != translated(text, {"a": "x", "b": "y|1:z"}).dedup_key


def test_event_type_names_the_kind() -> None:
    text = "event_type: $header.X-Topic\n" + rule_of("x: $webhook.event_type")
    translation = translated(text, None, headers={"x-topic": "orders/create"})
    assert translation.event_type == "orders/create"
    assert bodies(translation)[0]["x"] == "orders/create"
    assert "x" not in bodies(translated(text))[0]


def test_a_commands_identity_is_webhook_rule_element_and_command() -> None:
    translation = translated(EACH.format(key=""), {"items": [{"user": "u"}]}, webhook_id="f" * 32)
    assert [one.id for one in translation.commands] == [
        command_id("f" * 32, "r", "0", "identify"), command_id("f" * 32, "r", "0", "send_email"),
    ]  # fmt: skip
    assert [body["messageId"] for body in bodies(translation)] == [one.id for one in translation.commands]
    named = EACH.format(key="").replace("- name: r", "- name: renamed\n        id: r")
    assert [one.id for one in translated(named, {"items": [{"user": "u"}]}, webhook_id="f" * 32).commands] == [
        one.id for one in translation.commands
    ]


def test_an_unknown_destination_is_a_mapping_error() -> None:
    text = "path: '{brand}'\ndestination: $path.brand\n" + rule_of("x: 1")
    translation = translated(text, None, path={"brand": "acme"})
    assert translation.commands == ()
    (error,) = translation.errors
    assert (error.field, error.path) == ("destination", "$path.brand")
    assert "'acme'" in error.message
    assert translated(text, None, path={"brand": "default"}).commands[0].destination == "default"


def test_asset_codes_are_those_of_the_chosen_destination() -> None:
    destinations = """
destinations:
  uk: {client_id: c, auth_token: $env.T, assets: {order: UK-1}, journeys: {welcome: j-uk}}
  us: {client_id: c, auth_token: $env.T, assets: {order: US-1}, journeys: {welcome: j-us}}
"""
    text = "path: '{brand}'\ndestination: $path.brand\n" + rule_of("assetId: $asset.order\nj: $journey.welcome")
    source = source_of(text, destinations_yaml=destinations)
    for brand, code in (("uk", "UK-1"), ("us", "US-1")):
        (body,) = bodies(translated(source, None, path={"brand": brand}))
        assert (body["assetId"], body["j"]) == (code, f"j-{brand}")


# -- the index --------------------------------------------------------------------------------------------------------

MANY = "rules:\n" + "".join(
    f"  - name: r{number}\n    when: {{$.topic: {test}}}\n    send_email: {{userId: u, assetId: a}}\n"
    for number, test in enumerate(
        ["orders/create", "orders/update", "[orders/create, orders/paid]", "{ne: orders/create}",
         "{starts_with: orders}", "5", "'5'", "null", "{exists: false}", "true", "[a, 5]"]
    )
) + "  - name: all\n    send_email: {userId: u, assetId: a}\n"  # fmt: skip


@pytest.mark.parametrize(
    "topic",
    ["orders/create", "orders/paid", "orders/update", "x", 5, "5", "5.0", Decimal("5.0"), True, None, [],
     ["orders/create", "x"], ["orders/paid", 5], {}, "\ud83d", 10**1200, ""],
    ids=repr,
)  # fmt: skip
def test_an_index_passes_over_rules_that_cannot_match_and_no_others(topic: Any) -> None:
    source = source_of(MANY)
    assert source.index is not None
    plain = msgspec.structs.replace(source, index=None)
    for body in ({"topic": topic}, {}, None):
        assert translated(source, body) == translated(plain, body)
        assert translated(source, body, trace=True).matched == translated(plain, body).matched


def test_rules_are_not_indexed_by_named_values_of_their_own() -> None:
    text = "let: {kind: $.kind}\nrules:\n" + "".join(
        f"  - name: r{number}\n    let: {{kind: $.{place}}}\n    when: {{$let.kind: x}}\n"
        "    send_email: {userId: u, assetId: a}\n"
        for number, place in enumerate(["a", "b", "c", "d"])
    )
    assert translated(text, {"b": "x", "d": "x"}).matched == ("r1", "r3")


# -- budgets ----------------------------------------------------------------------------------------------------------

STALLING = {
    "a path over a wide list": 'x: "$..*"',
    "a list taken whole": "x: $.list",
    "a template over a long text, again and again": "x: {$each: $.few, $as: '{{ $.text }}'}",
    "a long text, again and again": "x: {$each: $.few, $as: $.text}",
    "a large object, again and again": "x: {$each: $.few, $as: {y: $.objects}}",
    "the body in itself": "x: {$each: $.objects, $as: {y: $}}",
    "$each over a long list": "x: {$each: $.list, $as: 1}",
    "$each inside of $each": "x: {$each: $.few, $as: {$each: $.few, $as: {$each: $.few, $as: $item}}}",
    "$each with many fields": "x: {$each: $.some, $as: {a: $item, b: $item, c: $item, d: $item, e: $item, f: $item}}",
    "$merge, again and again": "x: {$each: $.few, $as: {$merge: $.wide, y: 1}}",
    "$omit, again and again": "x: {$each: $.few, $as: {$omit: [a], $from: $.wide}}",
    "sort": "x: $.some | sort",
    "sort, again and again": "x: {$each: $.few, $as: $.few | sort | size}",
    "unique": "x: $.objects | unique | size",
    "sum": "x: $.some | sum",
    "join and split": "x: \"$.texts | join(',') | split('') | join(',') | split(',') | sort | unique\"",
    "replace": "x: {$each: $.few, $as: \"$.text | replace('x', 'y') | size\"}",
    "json": "x: {$each: $.few, $as: $.objects | json | size}",
    "parse_json": "x: $.floats | parse_json | size",
    "strip_html": "x: $.html | strip_html | size",
    "url_encode": "x: $.text | url_encode | url_encode | size",
    "hash": "x: {$each: $.few, $as: $.text | hash}",
    "phone": "x: {$each: $.some, $as: \"$item | phone('GB')\"}",
    "date": "x: {$each: $.some, $as: \"$.at | date('long')\"}",
    "zones that are none": "x: {$each: $.some, $as: \"$.at | date('long', zone: $item)\"}",
    "currencies that are none": 'x: {$each: $.some, $as: "$.at | money($item)"}',
    "division of long numbers": "x: {$each: $.some, $as: $.number | divided_by(7) | size}",
    "an expression of thousands of states": "x: \"$.text | extract('((a|b|c|d|e).{100}){3}zzzz')\"",
    "where with a large argument": "x: \"$.copies | where('a', $.wide) | size\"",
    "warnings": "x: {$each: $.some, $as: $.html | number}",
}
_wide = {f"k{number}": number for number in range(2_000)}


@cache
def payload() -> dict[str, Any]:
    """A body for all of these. Made when asked for: it is large, and only collecting this file needs none of it."""
    return {
        "list": [0] * 5_000_000,
        "some": [f"x{number}" for number in range(20_000)],
        "few": list(range(300)),
        "text": "x" * 900_000,
        "texts": ["abc" * 10] * 30_000,
        "html": "<" * 900_000,
        "floats": "[" + "1.5," * 200_000 + "1]",
        "objects": [{"a": number, "b": [number]} for number in range(30_000)],
        "wide": _wide,
        "copies": [{"a": dict(_wide)} for _ in range(2_000)],
        "at": "2026-01-05T10:00:00Z",
        "number": Decimal("0." + "3" * 999),
    }


@pytest.mark.parametrize("fields", STALLING.values(), ids=STALLING)
def test_no_rule_holds_the_service_up(fields: str) -> None:
    translation = translated(rule_of(fields), payload())
    assert translation.state is WebhookState.UNTRANSLATABLE
    assert translation.reason == "the rules would take more than 100,000 steps over this payload"
    assert translation.commands == ()


@pytest.mark.parametrize(
    "when",
    ['"$.objects[*].a": {gt: 5}', "$.some: {contains: zz}", "$.copies: $.copies",
     "$.some: {before: 2026-01-01T00:00:00Z}", "$.some: {ne: zz}", "$.some: {exists: true, matches: zz}",
     "$.text: {matches: '((a|b|c|d|e).{100}){3}zzzz'}"],
)  # fmt: skip
def test_no_condition_holds_the_service_up(when: str) -> None:
    body = {**payload(), "some": payload()["some"] * 5, "copies": payload()["copies"] * 5}
    translation = translated(rule_of("x: 1").replace("- name: r", f"- name: r\n    when: {{{when}}}"), body)
    assert translation.state is WebhookState.UNTRANSLATABLE
    assert "100,000 steps" in str(translation.reason)


def test_commands_cost_too() -> None:
    text = EACH.format(key="")
    few = translated(text, {"items": [{"user": "u"}] * 800})
    assert len(few.commands) == 1600
    many = translated(text, {"items": [{"user": "u"}] * 2000})
    assert (many.state, many.commands) == (WebhookState.UNTRANSLATABLE, ())
    assert "100,000 steps" in str(many.reason)


def test_an_everyday_payload_is_far_from_the_budget() -> None:
    order = {"lines": [{"sku": f"S{n}", "price": "1.10", "title": "t" * 100} for n in range(500)], "note": "n" * 10_000}
    fields = """
        lines: {$each: "$.lines[*]", $as: {sku: $item.sku, price: $item.price | number, title: $item.title | upper}}
        total: "$.lines | sum('price')"
        skus: "$.lines[*].sku | sort | unique | join(', ')"
        note: $.note | strip_html | truncate(100)
    """
    assert len(translated(rule_of(fields), order).commands) == 1


def test_over_the_budget_a_trace_still_says_what_was_made_and_what_not() -> None:
    text = rule_of("x: 1") + "  - name: heavy\n    when: {'$..*': zz}\n    send_email: {userId: u, assetId: a}\n"
    plain, traced = (translated(text, payload(), trace=trace) for trace in (False, True))
    assert msgspec.structs.replace(traced, trace=()) == plain
    assert plain.state is WebhookState.UNTRANSLATABLE


def test_a_traces_own_looking_costs_the_webhook_nothing() -> None:
    rules = "".join(
        f"  - name: r{number}\n    when: {{'$.list[*]': a{number}}}\n    send_email: {{userId: u, assetId: a}}\n"
        for number in range(15)
    )
    body = {"list": [f"x{number}" for number in range(1000)]}
    plain, traced = (translated(f"rules:\n{rules}", body, trace=trace) for trace in (False, True))
    assert plain.state is traced.state is WebhookState.UNMATCHED
    assert len(traced.trace) == 15


def test_lengths_count_from_the_receipt() -> None:
    text = rule_of("x: 1").replace("- name: r", "- name: r\n    expires: 2h")
    (command,) = translated(text, None, received_at=NOW - timedelta(hours=1)).commands
    assert command.expires_at == NOW + timedelta(hours=1)


def test_what_is_over_the_limit_of_errors_is_counted_out() -> None:
    translation = translated(EACH.format(key=""), {"items": [{}] * 500})
    assert len(translation.errors) == 100


def test_problems_name_line_and_column() -> None:
    assert problems_of("rules:\n  - name: r\n    send_email: {userId: u, assetId: $.a | shout}\n").startswith(
        "s.yaml:5:"
    )
