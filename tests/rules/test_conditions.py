"""Conditions, as the page says them: a condition never raises; it holds, or it does not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.rules.evaluation import holds, problems_of, translated


@pytest.mark.parametrize(
    ("test", "values", "others"),
    [
        # Equality: of text, numbers, booleans, null.
        ("paid", ["paid"], ["Paid", "paid ", None, 1, True, {}, {"a": "paid"}]),
        ("10", [10, Decimal("10.0"), "10", "10.00", "1e1"],
         ["010", " 10", "ten", True, None, "10,0", "0x0A", Decimal("10.1")]),
        ("10.5", [Decimal("10.5"), "10.50", Decimal("1.05E+1")], [10, "10,5"]),
        ("'10'", ["10"], [10, "10.0", Decimal(10), "010"]),
        ("true", [True], ["true", 1, "1", False, None, {}]),
        ("false", [False], [0, "", None, "false", {}]),
        ("1", [1, "1", Decimal("1.0")], [True, "one"]),
        ("0", [0, "0", "-0", Decimal("0E+5")], [False, "", None]),
        ("'true'", ["true"], [True]),
        ("null", [None], ["", "null", 0, False, {}]),
        ("''", [""], [None, " "]),
        ("012", ["012"], [12, 10, "12"]),
        ("yes", ["yes"], [True, "YES"]),
        # Membership.
        ("[paid, authorized]", ["paid", "authorized"], ["pending", None]),
        ("[1, paid, null, true]", [1, "1", "paid", None, True], ["true", 2, False]),
        # Operators.
        ("{eq: paid}", ["paid"], ["x"]),
        ("{in: [1, 2]}", [1, "2"], [3]),
        ("{ne: paid}", ["x", None, 1, {}], ["paid"]),
        ("{ne: 10}", ["x", 9], [10, "10.0"]),
        ("{not_in: [a, b]}", ["c", None], ["a", "b"]),
        ("{exists: true}", ["x", 0, False, {"a": None}, [0]], ["", None, {}, [], [None, ""]]),
        ("{exists: false}", ["", None, {}, [], [None, ""]], ["x", 0, False, [None, 0]]),
        ("{is_null: true}", [None], ["", 0, {}]),
        ("{is_null: false}", ["", 0, {}], [None]),
        ("{gt: 10}", [11, "10.01", Decimal("10.0001"), 10**30], [10, "10", "x", None, True, {}]),
        ("{gte: 10}", [10, "10.0"], [Decimal("9.99"), "9"]),
        ("{lt: 10}", [9, "-1", "9.99"], [10, "10.0", None, False]),
        ("{lte: 10}", [10, "10"], [11, "abc"]),
        ("{gte: 10, lt: 20}", [10, "19.99"], [20, 9]),
        ("{gt: b}", ["c", "ba"], ["a", "b", 5]),
        ("{gt: '10'}", [11, "11"], ["9", 9]),
        ("{contains: ell}", ["hello"], ["HELLO", None, {"ell": 1}]),
        ("{contains: 5}", ["a5", 150], [16]),
        ("{starts_with: store/order/}", ["store/order/created"], ["order"]),
        ("{ends_with: .pdf}", ["a.pdf"], ["a.pdf "]),
        ("{matches: '^ord-[0-9]+$'}", ["ord-12"], ["ord-", "xord-1", None, "half \ud83d"]),
        ("{matches: '(?i)GOLD'}", ["some gold"], ["silver"]),
        ("{before: 2026-01-05T12:00:00Z}", ["2026-01-05T12:30:00+01:00", 1767600000, "1767600000000"],
         ["2026-01-05T12:00:00Z", "2026-01-05T11:00:00", "soon", None, True, 5]),
        ("{after: 2026-01-05T12:00:00Z}", ["2026-01-05T12:00:00.001Z", "Mon, 05 Jan 2026 13:00:00 +0000"],
         ["2026-01-05T12:00:00Z", "2026-01-05", ""]),
        ("{starts_with: a, ends_with: z}", ["az", "a-z"], ["a", "z"]),
        ("{exists: true, ne: x}", ["y"], ["x", "", None]),
    ],
)  # fmt: skip
def test_tests_of_one_value(test: str, values: list[Any], others: list[Any]) -> None:
    for value in values:
        assert holds(f"$.a: {test}", {"a": value}), value
    for value in others:
        assert not holds(f"$.a: {test}", {"a": value}), value


@pytest.mark.parametrize(
    ("test", "when_missing"),
    [
        ("x", False), ("null", False), ("''", False), ("[x, null]", False), ("{eq: x}", False), ("{ne: x}", True),
        ("{not_in: [x]}", True), ("{exists: false}", True), ("{exists: true}", False), ("{is_null: true}", False),
        ("{is_null: false}", False), ("{gt: 1}", False), ("{lt: 1}", False), ("{contains: ''}", False),
        ("{matches: ''}", False), ("{before: 2026-01-01T00:00:00Z}", False), ("{ne: x, gt: 1}", False),
        ("{ne: x, exists: false}", True), ("{ne: null}", True),
    ],
)  # fmt: skip
def test_missing_fails_every_test_but_three_and_an_empty_list_is_missing(test: str, when_missing: bool) -> None:
    assert holds(f"$.a: {test}", {}) is when_missing
    assert holds(f"$.a: {test}", {"a": []}) is when_missing
    assert holds(f'"$.l[*].a": {test}', {"l": []}) is when_missing
    assert holds(f"$.a.b.c: {test}", {"a": "x"}) is when_missing
    assert holds(f"$.a: {test}", None) is when_missing


@pytest.mark.parametrize(
    ("test", "list_", "expected"),
    [
        ("A", ["A", "B"], True), ("A", ["B"], False), ("A", [["A"]], False), ("[A, C]", ["B", "C"], True),
        ("{gte: 10, lt: 20}", [5, 25], False), ("{gte: 10, lt: 20}", [5, 15], True),
        ("{starts_with: a, ends_with: z}", ["ab", "yz"], False), ("{starts_with: a, ends_with: z}", ["az"], True),
        ("{ne: A}", ["A", "B"], False), ("{ne: A}", ["B"], True), ("{not_in: [A, B]}", ["C", "B"], False),
        ("{not_in: [A, B]}", ["C"], True), ("{ne: A, starts_with: B}", ["B1", "A"], False),
        ("{ne: A, starts_with: B}", ["B1", "C"], True), ("{is_null: true}", [None, 1], True),
        ("{is_null: true}", [1], False), ("null", [None], True), ("{exists: true, gt: 1}", [None, 2], True),
        ("5", ["x", "5.0"], True), ("true", [1, "true"], False), ("{contains: x}", ["ax", 5, None, {}], True),
    ],
)  # fmt: skip
def test_a_list_counts_by_its_elements(test: str, list_: list[Any], expected: bool) -> None:
    assert holds(f"$.a: {test}", {"a": list_}) is expected
    assert holds(f'"$.a[*]": {test}', {"a": list_}) is expected
    assert holds(f'"$.o[*].v": {test}', {"o": [{"v": one} for one in list_] + [{}]}) is expected


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("$.a: 1\n$.b: 2", True),
        ("$.a: 1\n$.b: 3", False),
        ("any: [{$.a: 9}, {$.b: 2}]", True),
        ("any: [{$.a: 9}, {$.b: 9}]", False),
        ("any: [{$.a: 1, $.b: 9}]", False),
        ("all: [{$.a: 1}, {$.b: 2}]", True),
        ("all: [{$.a: 1}, {$.b: 9}]", False),
        ("not: {$.a: 9}", True),
        ("not: {$.a: 1, $.b: 2}", False),
        ("not: {$.a: 1, $.b: 9}", True),
        ("not: {$.missing: x}", True),
        ("$.a: 1\nany: [{$.b: 9}, {not: {$.b: 9}}]\nnot: {any: [{$.a: 2}, {$.b: 3}]}", True),
        ("$.a: $.one", True),
        ("$.a: $.b", False),
        ("$.a: {lt: $.b}", True),
        ("$.a: $.missing", False),
        ("$.missing: $.missing", False),
        ("$.a: {ne: $.missing}", True),
        ("$.name: '{{ $.first }} {{ $.last }}'", True),
        ("$.name | lower: ann lee", True),
        ("$.items | size: {gt: 1}", True),
        ("$.items: $.same", False),
        ("$.object: $.equal", True),
        ("$.object: $.other", False),
    ],
)
def test_all_must_hold_and_groups(when: str, expected: bool) -> None:
    body = {
        "a": 1, "b": 2, "one": "1.0", "name": "Ann Lee", "first": "Ann", "last": "Lee", "items": [1, 2], "same": [1, 2],
        "object": {"n": 1, "t": "1"}, "equal": {"t": "1", "n": Decimal("1.0")}, "other": {"n": "1", "t": "1"},
    }  # fmt: skip
    assert holds(when, body) is expected


def test_no_when_always_holds() -> None:
    assert translated("rules:\n  - name: r\n    send_email: {userId: u, assetId: a}\n", None).matched == ("r",)


@pytest.mark.parametrize(
    ("when", "arrival", "expected"),
    [
        ("$header.X-Topic: a", {"headers": {"x-topic": "a"}}, True),
        ("$header.x-TOPIC: a", {"headers": {"x-topic": "a"}}, True),
        ("$header.X-Topic: 'a, b'", {"headers": {"x-topic": "a, b"}}, True),
        ("$header.X-Topic: a", {"headers": {}}, False),
        ("$header.X-Count: 5", {"headers": {"x-count": "5"}}, True),
        ("$query.q: a", {"query": {"q": ["b", "a"]}}, True),
        ("$query.q: {ne: a}", {"query": {"q": ["b", "a"]}}, False),
        ("$webhook.source: s", {}, True),
    ],
)
def test_headers_and_the_query(when: str, arrival: Any, expected: bool) -> None:
    assert holds(when, None, **arrival) is expected


def test_a_time_without_a_zone_is_read_in_the_sources() -> None:
    text = """
        {zone}
        rules:
          - name: r
            when: {{$.at: {{before: 2026-07-01T12:00:00Z}}}}
            send_email: {{userId: u, assetId: a}}
    """
    body = {"at": "2026-07-01 12:30"}
    assert translated(text.format(zone="zone: Europe/London"), body).matched == ("r",)
    assert translated(text.format(zone=""), body).matched == ()


def test_a_required_value_that_is_nothing_only_fails_its_condition() -> None:
    assert not holds("$.a | required: x", {})
    assert holds("not: {$.a | required: x}", {})


DEEP: Any = None
for _ in range(900):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    "odd",
    [None, True, 0, -1, Decimal("1E+999"), 10**1000, Decimal("0E-1000"), "", "\x00", "\ud83d", "9" * 5000, [], [[]],
     {}, {"a": {}}, [None], DEEP, {"": {"": ""}}, "1e999999", "0x10", "2026-99-99", "NaN", "Infinity"],
    ids=lambda odd: repr(odd)[:12],
)  # fmt: skip
@pytest.mark.parametrize(
    "test",
    ["x", "1", "'1'", "null", "[1, x, null]", "{gt: 1}", "{lte: x}", "{contains: x}", "{matches: x}",
     "{before: 2026-01-01T00:00:00Z}",      "{exists: true}", "{is_null: true}", "{ne: 1}", "{not_in: [1]}", "$.a",
     "{gt: $.a}", "{contains: $.a}", "{before: $.a}", "{ne: $.b}"],
)  # fmt: skip
def test_a_condition_never_raises_on_odd_data(test: str, odd: Any) -> None:
    text = f"rules:\n  - name: r\n    when: {{$.a: {test}, $.b: {test}}}\n    send_email: {{userId: u, assetId: a}}\n"
    translation = translated(text, {"a": odd, "b": [odd, odd]})
    assert translation.errors == ()
    assert translation.reason is None


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("status: paid", "$.status"),
        ("$.a: {equals: 1}", "equals"),
        ("$.a: {exists: yes}", "true or false"),
        ("$.a: {in: x}", "list"),
        ("$.a: []", "list"),
        ("$.a: {}", "nothing"),
        ("$.a: {gt: [1]}", "one value"),
        ("$.a: {matches: '('}", "regular expression"),
        ("$.a: {matches: '(?=x)'}", "RE2"),
        ("$.a: {before: tomorrow}", "time"),
        ("$.a: {before: 2026-01-01}", "zone"),
        ("any: {$.a: 1}", "list"),
    ],
)
def test_what_could_never_be_asked_is_refused_at_load(when: str, said: str) -> None:
    text = f"rules:\n  - name: r\n    when: {{{when}}}\n    send_email: {{userId: u, assetId: a}}\n"
    assert said in problems_of(text)


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("$.status: [paid, authorized]", "$.status is 'pending', expected one of paid, authorized"),
        ("$.missing: paid", "$.missing is missing, expected paid"),
        ("$.total: {gte: 10}", "$.total is the number 5, expected at least 10"),
        ("not: {$.total: 5}", "what not excludes holds: $.total"),
    ],
)
def test_the_trace_says_in_plain_words_why_a_rule_did_not_match(when: str, said: str) -> None:
    text = f"rules:\n  - name: r\n    when: {{{when}}}\n    send_email: {{userId: u, assetId: a}}\n"
    (line,) = translated(text, {"status": "pending", "total": 5}, trace=True).trace
    assert (line.matched, line.why) == (False, said)
