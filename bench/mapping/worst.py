"""The worst that a payload of 1 MB (and of 10 MB) and a rule can do together, as far as we know: shapes and rules."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

MEGABYTE = 1_000_000


def _nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


def payloads() -> dict[str, Any]:
    """By name; each is about 1 MB as JSON, those named so 10 MB."""
    return {
        "whole numbers": {"a": [1] * (MEGABYTE // 2)},
        "decimals": {"a": [Decimal("1.5")] * (MEGABYTE // 4)},
        "short texts": {"a": ["x"] * (MEGABYTE // 4)},
        "empty lists": {"a": [[] for _ in range(MEGABYTE // 3)]},
        "empty objects": {"a": [{} for _ in range(MEGABYTE // 3)]},
        "objects": {"a": [{"a": 1, "b": "2"} for _ in range(MEGABYTE // 16)]},
        "distinct objects": {"a": [{"a": f"x{n}", "b": [n]} for n in range(MEGABYTE // 24)]},
        "one wide object": {"a": {str(n): n for n in range(MEGABYTE // 14)}},
        "lists of lists": {"a": [[[1] * 10] * 10] * (MEGABYTE // 250)},
        "lists 100 deep": {"a": [_nested(100) for _ in range(MEGABYTE // 200)]},
        "450 deep": {"a": _nested(450)},
        "two long texts": {"a": "x" * (MEGABYTE // 2), "b": "x" * (MEGABYTE // 2)},
        "text of <": {"a": "<" * MEGABYTE},
        "text of tags": {"a": "<a>" * (MEGABYTE // 3)},
        "text of entities": {"a": "&amp;" * (MEGABYTE // 5)},
        "JSON of decimals": {"a": "[" + "1.5," * (MEGABYTE // 4 - 2) + "1]"},
        "JSON of objects": {"a": "[" + "{}," * (MEGABYTE // 3 - 2) + "1]"},
        "numbers of 1,000 digits": {"a": [int("7" * 999)] * 1000},
        "text of 1,000 digits": {"a": ["7" * 999] * 1000},
        "decimals of 1,000 digits": {"a": [Decimal("0." + "3" * 999)] * 1000},
        "phone numbers": {"a": ["07700900123"] * (MEGABYTE // 14)},
        "times": {"a": ["2026-01-05T10:00:00Z"] * (MEGABYTE // 23)},
        "names of no zone": {"a": [f"Europe/Lx{n:05}" for n in range(MEGABYTE // 18)]},
        "10 MB of numbers": {"a": [1] * (5 * MEGABYTE)},
        "10 MB of lists": {"a": [[] for _ in range(3 * MEGABYTE)]},
        "10 MB of lists inside": {"b": {"a": [[[] for _ in range(1000)] for _ in range(3000)]}, "a": 1},
        "10 MB of text": {"a": "x<" * (5 * MEGABYTE)},
    }


_EXPRESSIONS = (
    "$", "$.a", "$..*", "$..*..*", "$.a[*]", "$.a[*][*][*]", "$..a", "$..['a','b','c']", "$.a[::2]", "$..a..b",
    "$.a[?(@.a == '2')]", "$.a[?(@.b != @.a && @.a < @.b)]", "$..[?(@.a == $.a)]", "$.a[?($.a == $.b)]",
    "$..[?($.a < $.b)]", "$..[?(@..b)]",
    "$.a | sort", "$.a | unique", "$.a | unique('a')", "$.a | sum", "$.a | min", "$.a | join(',')", "$.a | compact",
    "$.a | join(',') | split(',') | join(',') | split(',') | sort | unique | reverse | join('x')",
    "$.a | json | json | json | json", "$.a | parse_json", "$.a | strip_html", "$.a | url_encode", "$.a | upper",
    "$.a | hash", "$.a | replace('x', 'yy')", "$.a | split('')", "$.a | extract('(x+x+)+y')",
    "$.a | extract('((a|b|c|d|e).{100}){3}zzzz')", "$.a | where('a', 5)", "$.a | where('a', $.a)", "$.a | map('a')",
    "$.a | pairs('a', 'b')", "$.a | ignore($.b)", "{{ $.a }} {{ $.a }} {{ $.a }}",
)  # fmt: skip

_EACH = (
    "{x: $item.a, y: $item.b}", "$.a", "{x: $}", "{$merge: $.a, y: 1}", "{$omit: [x], $from: $.a}",
    "{$each: $.a, $as: $item}", "{$each: $item, $as: {x: $item, y: $outer}}", "\"{{ $.a }} {{ $item }}\"",
    "\"$item | phone('GB')\"", "\"$item | date('long')\"", "\"$webhook.received_at | date('long', zone: $item)\"",
    "\"$webhook.received_at | date('long', locale: $item)\"", "\"$item | money($item)\"", "\"$item | hash\"",
    '"$item | divided_by(7) | times($item) | divided_by($item)"', '"$item | round(2) | plus(1) | number | string"',
    '"$.a | sort"', '{a: "$item | email", b: "$item | number", c: "$item | boolean", d: "$item | integer"}',
)  # fmt: skip

_CONDITIONS = (
    "$.a: {contains: zz}", "$.a: $.b", "$.a: $.a", "$.a: {lt: -5}", "$.a: {before: 2020-01-01T00:00:00Z}",
    '"$..*": {ne: 5}', "$.a: [1, 2, 3, 4, 5, 6, 7, 8, 9, x, y, z]", "$.a: {matches: '((a|b|c|d|e).{100}){3}zzzz'}",
)  # fmt: skip

_FOR_EACH = (
    "send_email: {userId: u, assetId: a, x: $item.a}",
    "send_email: {userId: $item.x.y, assetId: a}",
    "send_email: {userId: $item, assetId: a, timestamp: $item}",
    "key: '{{ $item }}'\n    send_email: {userId: u, assetId: a, x: $.a}",
    "identify: {userId: u, traits: {x: $item}}\n    send_email: {userId: u, assetId: a}",
)


def _file(*rules: str) -> str:
    return "source: s\nverify: none\nrules:\n" + "".join(
        f"  - name: r{number}\n    {rule}\n" for number, rule in enumerate(rules)
    )


def rules() -> Iterator[tuple[str, str]]:
    """(what the rule does, the rules file)."""
    for expression in _EXPRESSIONS:
        written = '"' + expression.replace('"', '\\"') + '"'
        yield expression, _file(f"send_email: {{userId: u, assetId: a, x: {written}}}")
        if "|" not in expression and "{" not in expression:
            yield f"traits: {expression}", _file(f"identify: {{userId: u, traits: {{x: {written}}}}}")
    for shape in _EACH:
        text = f"send_email:\n      userId: u\n      assetId: a\n      x: {{$each: $.a, $as: {shape}}}"
        yield f"$each: $.a, $as: {shape}", _file(text)
    for condition in _CONDITIONS:
        yield f"when: {condition}", _file(f"when: {{{condition}}}\n    send_email: {{userId: u, assetId: a}}")
    for call in _FOR_EACH:
        yield "for_each: $.a, " + call.replace("\n    ", ", "), _file(f"for_each: $.a\n    {call}")
    calls = "\n    send_email: {userId: u, assetId: a}"
    yield "200 rules: $.a contains", _file(*(f"when: {{$.a: {{contains: zz{n}}}}}{calls}" for n in range(200)))
    yield "200 rules: $..name", _file(*(f"when: {{$..zz{n}: x}}{calls}" for n in range(200)))
    fields = ", ".join(f"x{n}: $.a" for n in range(100))
    yield "100 fields: $.a", _file(f"send_email: {{userId: u, assetId: a, {fields}}}")
