"""Values: paths with every root, templates, missing, null and nothing, as the page says them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.rules.evaluation import bodies, problems_of, refused, rule_of, sent, translated

ORDER: Any = {
    "id": 115310627314723954,
    "name": "#1001",
    "email": "Ann@Example.com",
    "empty": "",
    "null": None,
    "zero": 0,
    "no": False,
    "list": [],
    "object": {},
    "tags": ["a", "b"],
    "customer": {"id": 7, "first_name": "Ann", "none": None},
    "lines": [{"sku": "A", "qty": 2, "price": Decimal("0.10")}, {"sku": "B", "qty": 1}, {"qty": 5}],
}


@pytest.mark.parametrize(
    ("value", "is_sent"),
    [
        ("plain", "plain"),
        ("12", 12),
        ("0.10", Decimal("0.10")),
        ("true", True),
        ("on", "on"),
        ("012", "012"),
        ("'12'", "12"),
        ("null", None),
        ("$.name", "#1001"),
        ("$.name|lower", "#1001"),
        ("$.email | lower | replace('@', '|')", "ann|example.com"),
        ("$.nowhere | default('a | b')", "a | b"),
        ("'{{ $.name }}'", "#1001"),
        ("'Order {{ $.name }} of {{ $.customer.first_name | upper }}'", "Order #1001 of ANN"),
        ("'{{ $.customer.id }}'", "7"),
        ("[$.name, plain, {a: $.zero}]", ["#1001", "plain", {"a": 0}]),
        ("{a: {b: $.name}}", {"a": {"b": "#1001"}}),
        ("{$literal: $5}", "$5"),
        ("{$literal: '{{ x }}'}", "{{ x }}"),
        ("{$literal: {$each: [1, null]}}", {"$each": [1, None]}),
        ("$.lines[1].sku", "B"),
        ("$.lines[-1].qty", 5),
        ("$.lines[*].sku", ["A", "B"]),
        ("$.lines[?(@.qty > 1)].qty", [2, 5]),
        ("$.lines[0:2].qty", [2, 1]),
        ("$.lines[*]['sku', 'qty']", ["A", 2, "B", 1, 5]),
        ("$..sku", ["A", "B"]),
        ("$['customer']['id']", 7),
        ("$.lines[?(@.sku == 'B')].qty | first", 1),
    ],
)
def test_a_value_is_a_template_an_expression_or_itself(value: str, is_sent: Any) -> None:
    assert sent(f"x: {value}" if not value.startswith("$") else f'x: "{value}"', ORDER) == {"x": is_sent}


@pytest.mark.parametrize(
    ("path", "body", "is_sent"),
    [
        # A path that can name at most one place gives that value; any other a list, whatever the data.
        ("$.a", {"a": 1}, {"x": 1}),
        ("$.a", {"a": [1]}, {"x": [1]}),
        ("$.a[0]", {"a": [1]}, {"x": 1}),
        ("$.a[*]", {"a": [1]}, {"x": [1]}),
        ("$.a[*]", {"a": []}, {"x": []}),
        ("$.a[*]", {}, {}),
        ("$.a[*].b", {"a": [{}]}, {"x": []}),
        ("$.a[?(@.b > 1)]", {"a": [{"b": 1}]}, {"x": []}),
        ("$.a[?(@.b > 1)]", {}, {}),
        ("$.a[0:1]", {"a": []}, {"x": []}),
        ("$.a['b','c']", {"a": {}}, {"x": []}),
        ("$.a['b','c']", {}, {}),
        ("$..b", {"a": 1}, {"x": []}),
        ("$.a..b", {}, {}),
        ("$.a..b", {"a": {"b": {"b": 1}}}, {"x": [{"b": 1}, 1]}),
        ("$.a[*] | first", {"a": [1]}, {"x": 1}),
        ("$.a[*] | first", {"a": []}, {}),
        ("$.a[*].b[*]", {"a": [{"b": [1, 2]}, {"b": [3]}, {}]}, {"x": [1, 2, 3]}),
        ("$.a[3]", {"a": [1]}, {}),
        ("$.a[-2]", {"a": [1]}, {}),
        ("$.a.b", {"a": [{"b": 1}]}, {}),
        ("$.a[0]", {"a": {"0": 1}}, {}),
        ("$.a[0]", {"a": "text"}, {}),
        ("$", [1], {"x": [1]}),
        ("$", None, {"x": None}),
    ],
)
def test_shape_follows_the_path(path: str, body: Any, is_sent: Any) -> None:
    assert sent(f'x: "{path}"', body) == is_sent


@pytest.mark.parametrize(
    ("fields", "is_sent"),
    [
        ("x: $.nowhere", {}),
        ("x: $.null", {"x": None}),
        ("x: $.empty", {"x": ""}),
        ("x: $.zero\ny: $.no", {"x": 0, "y": False}),
        ("x: $.list\ny: $.object", {"x": [], "y": {}}),
        ("x: {a: $.nowhere}", {}),
        ("x: {a: {b: {c: $.nowhere}}}", {}),
        ("x: {a: {b: $.nowhere}, c: 1}", {"x": {"c": 1}}),
        ("x: [$.nowhere, 1, $.null, {a: $.nowhere}, [$.nowhere]]", {"x": [1, None, []]}),
        ("x: {}", {"x": {}}),
        ("x: []", {"x": []}),
        ("x: $.empty | default(1)\ny: $.null | default(1)\nz: $.list | default(1)", {"x": 1, "y": 1, "z": 1}),
        ("x: $.nowhere | default(1)\ny: $.object | default(1)", {"x": 1, "y": 1}),
        ("x: $.zero | default(1)\ny: $.no | default(1)", {"x": 0, "y": False}),
        ("x: $.nowhere | default($.null)", {"x": None}),
        ("x: $.nowhere | default($.elsewhere)", {}),
        ("x: $.nowhere | upper | trim | date | sort | first", {}),
    ],
)
def test_missing_null_and_nothing(fields: str, is_sent: Any) -> None:
    assert sent(fields, ORDER) == is_sent


@pytest.mark.parametrize(
    ("template", "is_sent"),
    [
        ("shop-{{ $.customer.id }}", {"x": "shop-7"}),
        ("shop-{{ $.nowhere }}", {}),
        ("shop-{{ $.null }}", {}),
        ("shop-{{ $.empty }}", {}),
        ("shop-{{ $.list }}", {}),
        ("shop-{{ $.object }}", {}),
        ("shop-{{ $.zero }}-{{ $.no }}", {"x": "shop-0-false"}),
        ("{{ $.name }}{{ $.nowhere }}", {}),
        ("Dear {{ $.nowhere | default('customer') }}", {"x": "Dear customer"}),
        ("Dear {{ $.nowhere | default('') }}!", {"x": "Dear !"}),
        ("Dear {{ $.null | default('') | trim }}!", {}),
        ("{{ $.lines[0].price }} {{ $.id }}", {"x": "0.10 115310627314723954"}),
        ("{{ $.tags | join(', ') }}", {"x": "a, b"}),
        ("{{ $.name | replace('}}', '{{') }}", {"x": "#1001"}),
        ("{{$.name}}", {"x": "#1001"}),
    ],
)
def test_a_template_with_nothing_inside_is_missing(template: str, is_sent: Any) -> None:
    assert sent(f'x: "{template}"', ORDER) == is_sent


@pytest.mark.parametrize("path", ["$.tags", "$.customer", "$.lines"])
def test_a_list_or_an_object_in_a_template_is_a_mapping_error(path: str) -> None:
    problem = refused(f'order: {{ref: "no. {{{{ {path} }}}}"}}', ORDER)
    assert (problem.rule, problem.field, problem.path) == ("r", "order.ref", path)
    assert "a template takes text and numbers" in problem.message


def test_required_makes_nothing_an_error_anywhere_and_names_the_place() -> None:
    problem = refused('order: {items: {$each: "$.lines[*]", $as: {sku: $item.sku | required}}}', ORDER)
    assert problem.field == "order.items[2].sku"
    assert problem.path == "$item.sku | required"
    assert "missing" in problem.message


def test_a_filter_that_cannot_read_its_input_gives_missing_and_a_warning() -> None:
    translation = translated(rule_of("x: $.name | number\ny: 1"), ORDER)
    assert "x" not in bodies(translation)[0]
    (warning,) = translation.warnings
    assert (warning.rule, warning.path) == ("r", "$.name | number")
    assert "found text '#1001'" in warning.message
    assert translation.errors == ()


@pytest.mark.parametrize(
    ("value", "is_sent"),
    [
        ("$header.X-Shop-Id", "a, b"),
        ("$header.x-shop-id", "a, b"),
        ("$header.X-SHOP-ID", "a, b"),
        ("$query.shop", "uk"),
        ("$query.many", ["1", "2"]),
        ("$query.many[0]", "1"),
        ("$path.brand", "acme"),
        ("$webhook.id", "0" * 32),
        ("$webhook.source", "s"),
        ("$webhook.received_at", "2026-01-05T12:00:00Z"),
        ("$webhook.event_type", "order"),
        ("$let.first", "Ann"),
        ("$let.greeting", "Dear Ann"),
        ("$let.customer.id", 7),
        ("$let.lines[*].qty", [2, 1, 5]),
        ("$let.own", "ANN"),
    ],
)
def test_roots(value: str, is_sent: Any) -> None:
    text = f"""
        path: "{{brand}}"
        event_type: $query.kind
        let:
          first: $.customer.first_name
          greeting: "Dear {{{{ $let.first }}}}"
          customer: $.customer
          lines: $.lines
        rules:
          - name: r
            let: {{own: $let.first | upper}}
            send_email: {{userId: u, assetId: a, x: "{value}"}}
    """
    arrival: Any = {
        "headers": {"x-shop-id": "a, b"}, "path": {"brand": "acme"},
        "query": {"shop": "uk", "many": ["1", "2"], "kind": "order"},
    }  # fmt: skip
    assert bodies(translated(text, ORDER, **arrival))[0]["x"] == is_sent


def test_a_let_is_a_value_like_any_other() -> None:
    fields = 'x: $let.shaped.name\ny: $let.constant\nz: $let.all | join("")'.replace('"', "'")
    more = "let:\n  shaped: {name: $.name}\n  constant: 5\n  all: {$each: $.tags, $as: $item}\n"
    assert sent(fields, ORDER, more=more) == {"x": "#1001", "y": 5, "z": "ab"}


def test_a_rules_let_hides_the_sources_and_is_made_anew_for_each_element() -> None:
    text = """
        let: {who: source}
        rules:
          - name: one
            for_each: $.lines[*]
            let: {who: $item.qty}
            send_email: {userId: u, assetId: a, x: $let.who}
          - name: two
            send_email: {userId: u, assetId: a, x: $let.who}
    """
    assert [body["x"] for body in bodies(translated(text, ORDER))] == [2, 1, 5, "source"]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("$.a + 1", "plus"),
        ("$.a.`len`", "size"),
        ("$.a.`sub(/x/, y)`", "replace"),
        ("$.a[\\\\x]", "sort"),
        ("$.a | $.b", "filter"),
        ("$.a[?(@.b =~ 'x')]", "=~"),
        ("$.a[?(@.b == paid)]", "quotes"),
        ("$env.SECRET", "credentials"),
        ("$batch.x", "events"),
        ("$item", "for_each"),
        ("$let.unknown", "unknown"),
        ("$5", "$literal"),
        ("$.a | shout", "shout"),
        ("$.a | extract($.pattern)", "in quotes"),
        ("$.a | truncate(1, 2, 3)", "too many"),
        ("$.a | round(x)", "quotes"),
        ("$.a | round('x')", "digits"),
        ("$.a | round(digit: 1)", "digits"),
        ("$.a[0:3:0]", "step"),
        ("$header", "name"),
        ("$header.X.y", "one value"),
    ],
)
def test_what_is_not_in_the_language_is_refused_at_load(expression: str, said: str) -> None:
    found = problems_of(rule_of(f'x: "{expression}"'))
    assert found.startswith("s.yaml:")
    assert said in found


def test_what_comes_out_of_a_payload_is_no_expression() -> None:
    body = {"a": "$.secret", "b": "{{ $.secret }}", "c": {"$each": "$.x", "$as": 1}, "secret": "s"}
    assert sent('x: $.a\ny: "{{ $.b }}"\nz: $.c', body) == {
        "x": "$.secret", "y": "{{ $.secret }}", "z": {"$each": "$.x", "$as": 1},
    }  # fmt: skip


def test_no_payload_bends_the_json() -> None:
    evil = '", "assetId": "other", "x": "\u2028\\'
    assert sent('x: $.a\ny: "<{{ $.a }}>"', {"a": evil}) == {"x": evil, "y": f"<{evil}>"}
