"""Any payload, any rules: translate never raises, what it makes is valid, and the same input gives the same output."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway.intilery.contract import MAX_BODY, violations
from gateway.rules import Source, Translation
from gateway.rules.filters import FILTERS
from tests.effort import tries
from tests.rules.evaluation import problems_of, source_of, translated

# -- payloads ----------------------------------------------------------------------------------------------------------

NAMES = ["id", "user", "email", "items", "at", "name", "a", "b", "status", "customer", "journeyIdToTrigger", "userId"]
_keys = (
    st.sampled_from(NAMES) | st.text(max_size=4) | st.sampled_from(["", "\ud83d", "\x00", "$each", "a.b", "__class__"])
)
_scalars = (
    st.none() | st.booleans() | st.integers(-5, 5) | st.integers()
    | st.sampled_from([10**26 + 1, -(10**999), 2**63, 2**64, 1767600000, 1767600000000])
    | st.decimals(allow_nan=False, allow_infinity=False)
    | st.sampled_from([Decimal("0.10"), Decimal("-0"), Decimal("1E+999"), Decimal("1E-999"), Decimal("0E-1000")])
    | st.text(max_size=8)
    | st.sampled_from(
        ["", "0", "null", "undefined", "[object Object]", "\ud83d", "a\udc00b", "\x00", "paid", "orders/create",
         "2026-01-05T10:00:00Z", "2026-01-05", "05/06/2024", "ann@example.com", "07700900123", "12.50", "1e5",
         "1" * 1500, "<b>x</b>", '{"a": [1]}', "{{ $.a }}", "$.a", "x" * 3000, "Europe/London", "GBP"]
    )
)  # fmt: skip
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=5), max_leaves=25
)


@st.composite
def _deep(draw: st.DrawFn) -> Any:
    value, name = draw(_scalars), draw(_keys)
    for _ in range(draw(st.sampled_from([300, 900]))):
        value = [value] if name == "" else {name: value}
    return value


@st.composite
def payloads(draw: st.DrawFn) -> Any:
    """Any JSON; half of the time an object with the names that the rules read."""
    if draw(st.booleans()):
        return draw(_values | _deep())
    return draw(st.dictionaries(st.sampled_from(NAMES), _values | _deep(), max_size=8))


_texts = st.text(max_size=6) | st.sampled_from(["orders/create", "paid", "", "\ud83d"])
ARRIVALS = st.fixed_dictionaries(
    {
        "headers": st.dictionaries(st.sampled_from(["x-topic", "x-id", "x-odd"]), _texts),
        "query": st.dictionaries(st.sampled_from(["shop", "q"]), _texts | st.lists(_texts, max_size=3)),
        "path": st.fixed_dictionaries({"brand": st.sampled_from(["default", "other", ""])}),
    }
)

_decode = msgspec.json.Decoder(float_hook=Decimal).decode

# -- what must hold ----------------------------------------------------------------------------------------------------


def _well(translation: Translation) -> None:
    ids = [command.id for command in translation.commands]
    assert len(ids) == len(set(ids))
    for command in translation.commands:
        assert len(command.body) <= MAX_BODY
        body = _decode(command.body)
        assert violations(command.action, body) is None
        assert body["messageId"] == command.id
        assert body.get("userId", body.get("anonymousId")) == command.user_id
        if command.command != "track":
            assert body["event"] == command.command
    for problem in translation.errors:
        assert problem.rule
        assert problem.message
    if not translation.commands and translation.errors:
        assert translation.reason
    msgspec.json.encode([[p.rule, p.field] for p in translation.errors])


def _same_every_time(source: Source, body: Any, arrival: dict[str, Any]) -> None:
    first = translated(source, body, **arrival)
    _well(first)
    assert translated(source, body, **arrival) == first
    traced = translated(source, body, trace=True, **arrival)
    assert msgspec.structs.replace(traced, trace=()) == first
    if first.reason is None or "steps" not in first.reason:
        plain = translated(msgspec.structs.replace(source, index=None), body, **arrival)
        assert plain == first or "steps" in str(plain.reason)
    if traced.trace:
        assert {line.rule for line in traced.trace if line.matched} >= set(first.matched)


RICH = r"""
    path: "{brand}"
    zone: Europe/London
    destination: $path.brand
    dedup_key: [$header.X-Topic, $.id]
    event_type: $header.X-Topic
    ignore: {$.status: ignored, $.b: {exists: true}}
    tables: {names: {ann: Ann, '1': One}}
    let:
      email: $.email | trim | lower
      customer: $.customer.id | default($let.email) | default($.user) | default('guest')
      items: {$each: $.items, $as: {n: $item.name, v: $item.a | number | default(0)}}
    rules:
      - name: mail
        when: {$header.X-Topic: orders/create}
        once: $.id
        identify:
          userId: $let.customer
          traits: {email: $let.email, name: $.name, address: $.customer, $merge: $.a}
        send_email:
          userId: $let.customer
          assetId: 007
          timestamp: $.at
          greeting: "Dear {{ $.name | default('customer') }}, {{ $let.email }}"
          order:
            items: $let.items
            first: $.items[0]
            all: $.items[*].name
            more: $.items[?(@.a > 1 && @.b != 'x')]
          $merge: $.b
      - name: sms
        when: {$header.X-Topic: [orders/create, paid], not: {$.status: paid}}
        send_sms:
          userId: $.user
          assetId: $.name | default('x')
          body: $
          deep: $..a
          total: $.items | sum('a')
      - name: each
        when: {$header.X-Topic: paid}
        for_each: $.items
        key: $item.id | default($item) | json | hash
        let: {own: $item.name}
        send_push:
          userId: $let.customer
          assetId: p
          own: $let.own
          inner: {$each: $item.items, $as: {$each: $item.a, $as: {o: $outer.b, i: $item}}}
      - name: journey
        when: {any: [{$.a: {gt: 1}}, {$.b: {contains: a}}, {$.at: {after: 2026-01-01T00:00:00Z}}]}
        start_journey:
          userId: $let.customer
          properties:
            journeyIdToTrigger: $.journeyIdToTrigger | default('j')
            stepIdToTrigger: $.id
            $merge: $.customer
          $merge:
            - $.a
            - $.b
      - name: event
        when: {"$.items[*].status": {matches: "^p.*d$"}}
        track: {userId: $.user, event: $.name, properties: $.a, context: {ip: $.b}}
      - name: anonymous
        when: {$.name: {exists: true}}
        identify: {anonymousId: $.name, traits: $.customer}
      - name: letter
        delay: 1h
        expires: $.at
        send_print:
          userId: $let.customer
          assetId: l
          when: $.at | date('long')
          who: $.name | lookup('names')
          rest: {$omit: [id], $from: $.customer}
      - name: filters
        send_email:
          userId: u
          assetId: f
          a: $.a | sort | unique | join('-')
          b: $.b | json | parse_json | get('a')
          c: $.items | where('status', 'paid') | map('name') | first
          d: $.name | split(' ') | last | truncate(5) | upper | url_encode
          e: $.email | email | hash
          f: $.a | times($.b) | plus(1) | round(2) | money('GBP')
          g: $.name | extract('([a-z]+)') | replace('a', $.b)
          h: $.customer | pairs | size
          i: $.items | compact | reverse | slice(0, 2)
          j: $.user | phone('GB') | default($.a)
          k: "$.at | date_add($.b) | date('%A', zone: $.name, locale: $.status)"
"""

SOURCE = source_of(RICH)


@settings(
    max_examples=tries(600), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(payloads(), ARRIVALS)
def test_any_payload_against_rules_that_use_everything(body: Any, arrival: dict[str, Any]) -> None:
    _same_every_time(SOURCE, body, arrival)


@pytest.mark.parametrize("body", [{name: {} for name in NAMES}, {name: [] for name in NAMES}, dict.fromkeys(NAMES, "")])
def test_empty_everything(body: Any) -> None:
    for topic in ("orders/create", "paid"):
        _same_every_time(SOURCE, body, {"headers": {"x-topic": topic}, "query": {}, "path": {"brand": "default"}})


def test_the_rich_file_makes_something_of_an_everyday_order() -> None:
    item = {"name": "x", "a": "2", "status": "paid", "items": [{"a": [1]}]}
    body = {
        "id": 1, "user": "u", "email": " Ann@Example.com", "at": "2027-01-05T10:00:00Z", "name": "ann", "status": "new",
        "a": {"n": 3}, "customer": {"id": 7}, "items": [item],
    }  # fmt: skip
    made: set[str] = set()
    for topic in ("orders/create", "paid"):
        translation = translated(SOURCE, body, headers={"x-topic": topic}, path={"brand": "default"})
        assert translation.errors == ()
        made |= {command.rule for command in translation.commands}
    assert made == {rule.id for rule in SOURCE.rules}


# -- any rules --------------------------------------------------------------------------------------------------------

_roots = st.sampled_from(
    ["$", "$.a", "$.b", "$.items", "$.items[*]", "$.items[0]", "$..a", "$..*", "$.customer.id",
     "$.items[?(@.a == 1)].b", "$.items[::-1]", "$['a','b']", "$let.x", "$header.X-Topic", "$query.q", "$webhook.id",
     "$webhook.received_at",
     "$path.brand", "$.at", "$.email", "$.name", "$..[?(@.a)]", "$.items[*].items[*]", "$.a[?(@ != 'x')]"]
)  # fmt: skip
_arguments: dict[str, list[str]] = {
    "value": ["1", "'x'", "null", "$.a", "$.b"], "text": ["','", "'a'", "$.name"], "number": ["2", "0.5", "$.a"],
    "integer": ["0", "2", "-1"], "boolean": ["true"], "list": ["[1]"], "regex": ["'([a-z])+'", "'.*'"],
    "path": ["'a'", "'items[0].a'"], "table": ["'t'"], "zone": ["'UTC'", "$.a"], "locale": ["'de'", "$.name"],
    "currency": ["'JPY'", "$.b"], "region": ["'GB'", "$.a"], "duration": ["'-24h'", "'1mo'"],
    "format": ["'long'", "'%Y'"], "reading": ["'%d/%m/%Y'"],
}  # fmt: skip


_LISTS = re.compile(r"\[\*|\.\.|\[\?|::|','")
_ANY = st.sampled_from(sorted(FILTERS))
_OF_LISTS = st.sampled_from(sorted(name for name, one in FILTERS.items() if one.takes_list))


@st.composite
def _expression(draw: st.DrawFn, *, single: bool = False) -> str:
    """Any path and filters; a filter that takes no list is refused where there surely is one, so none is drawn there.
    ``single``: and in the end it is none."""
    text = draw(_roots)
    many = bool(_LISTS.search(text))
    for _ in range(draw(st.integers(0, 3))):
        name = draw(_OF_LISTS if many else _ANY)
        many = FILTERS[name].gives_list or (many and FILTERS[name].keeps_list)
        given = [
            draw(st.sampled_from([f"'{one}'" for one in param.choices] or _arguments[param.kind]))
            for param in FILTERS[name].params
            if param.required
        ]
        text += f" | {name}({', '.join(given)})" if given else f" | {name}"
    return f"{text} | first" if single and many else text


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


_leaves = (
    _expression().map(_quoted)
    | st.lists(_expression(single=True), min_size=1, max_size=2).map(
        lambda holes: _quoted("-".join("{{ " + hole + " }}" for hole in holes))
    )
    | st.sampled_from(["plain", "12", "0.10", "null", "true", "007", "{$literal: null}", "{}", "[]", "''"])
)


def _shapes(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.dictionaries(st.sampled_from(["p", "q", "event", "userId"]), inner, min_size=1, max_size=3).map(
            lambda fields: "{" + ", ".join(f"{key}: {one}" for key, one in fields.items()) + "}"
        ),
        st.tuples(inner, inner).map(lambda two: f"{{$each: {two[0]}, $as: {two[1]}}}"),
        st.tuples(inner, inner).map(lambda two: f"{{$each: {two[0]}, $as: {{i: $item, j: $item.a, v: {two[1]}}}}}"),
        inner.map(lambda one: f"{{$merge: {one}, z: 1}}"),
        inner.map(lambda one: f"{{$omit: [a, id], $from: {one}}}"),
    )


_yaml = st.recursive(_leaves, _shapes, max_leaves=6)
_tests = st.sampled_from(
    ["paid", "5", "'5'", "null", "true", "[a, 5, null]", "{exists: true}", "{exists: false}", "{ne: a}",
     "{not_in: [a, 1]}",
     "{gt: 1, lt: 10}", "{contains: a}", "{matches: '^[a-z]+$'}", "{before: 2026-01-01T00:00:00Z}", "{is_null: true}",
     "$.b", "{gte: $.a}", "{starts_with: $.name}"]
)  # fmt: skip
_conditions = st.recursive(
    st.tuples(_expression(), _tests).map(lambda two: f"{{{_quoted(two[0])}: {two[1]}}}"),
    lambda inner: st.one_of(
        inner.map(lambda one: f"{{not: {one}}}"),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: f"{{any: [{', '.join(parts)}]}}"),
    ),
    max_leaves=3,
)


@st.composite
def _rule(draw: st.DrawFn, number: int) -> str:
    lines = [f"- name: r{number}"]
    if draw(st.booleans()):
        lines.append(f"  when: {draw(_conditions)}")
    elif draw(st.booleans()):
        lines.append(f"  when: {{$.status: {draw(st.sampled_from(['paid', 'new', '[paid, new]']))}}}")
    if draw(st.integers(0, 3)) == 0:
        lines.append(f"  for_each: {_quoted(draw(_expression()))}")
        if draw(st.booleans()):
            lines.append("  key: $item.id")
    user = draw(st.sampled_from(["u", "$.user", "$.customer.id", "'{{ $.id }}-x'", "$.id | string"]))
    if draw(st.booleans()):
        lines.append(f"  identify: {{userId: {user}, traits: {{t: {draw(_yaml)}, v: {draw(_yaml)}}}}}")
    fields = ", ".join(f"{name}: {draw(_yaml)}" for name in draw(st.lists(st.sampled_from("vwxyz"), unique=True)))
    call = draw(st.sampled_from(["send_email", "send_sms", "start_journey", "track"]))
    asset = draw(st.sampled_from(["a", "$.name", "$.a | default('x')"]))
    at = draw(st.sampled_from(["", ", timestamp: $.at", ", timestamp: $webhook.received_at"]))
    if call == "start_journey":
        lines.append(f"  start_journey: {{userId: {user}{at}, properties: {{journeyIdToTrigger: {asset}, {fields}}}}}")
    elif call == "track":
        lines.append(f"  track: {{userId: {user}{at}, event: {asset}, properties: {{{fields}}}}}")
    else:
        merge = draw(st.sampled_from(["", ", $merge: $", ", $merge: [$.a, $.customer]"]))
        merge = merge.replace("[$.a, $.customer]", "$.customer")
        lines.append(f"  {call}: {{userId: {user}, assetId: {asset}{at}{merge}{', ' if fields else ''}{fields}}}")
    return "\n".join(lines)


@st.composite
def rules_files(draw: st.DrawFn) -> str:
    """A rules file of random pieces."""
    rules = "\n".join(draw(_rule(number)) for number in range(draw(st.integers(1, 5))))
    head = f"path: '{{brand}}'\ntables: {{t: {{a: 1}}}}\nlet: {{x: {draw(_yaml)}}}\n"
    return head.replace("$let.x", "$.a") + f"rules:\n{rules}\n"


@settings(
    max_examples=tries(250), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(rules_files(), st.lists(payloads(), min_size=1, max_size=3), ARRIVALS)
def test_any_payload_against_any_rules(text: str, bodies: list[Any], arrival: dict[str, Any]) -> None:
    assume(not problems_of(text))
    source = source_of(text)
    for body in bodies:
        _same_every_time(source, body, arrival)


@settings(max_examples=tries(100), deadline=None)
@given(rules_files())
def test_any_file_is_a_source_or_problems_that_say_where(text: str) -> None:
    for problem in problems_of(text).splitlines():
        assert re.match(r"s\.yaml:[1-9][0-9]*:[1-9][0-9]*: \S", problem)
