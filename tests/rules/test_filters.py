"""The filters all together: every example through the real compiler, and every filter on any JSON."""

from __future__ import annotations

import copy
import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.rules.filters import FILTERS, SUBJECTS, Example, Filter, Param, RequiredMissing, Unreadable, suggest
from gateway.rules.filters.filter import MAX_ELEMENTS, MAX_TEXT
from gateway.rules.filters.kinds import KINDS
from gateway.rules.tables import table_from_mapping
from gateway.rules.values import MISSING
from tests.effort import tries
from tests.rules.evaluation import run, same, value

PAGE = set(
    """default ignore required string number integer boolean json parse_json list get pairs date date_add upper lower
    capitalize trim truncate replace extract split join first last slice size sum min max unique sort reverse compact
    map where plus minus times divided_by round abs money major lookup phone email hash url_encode base64 strip_html
    """.split()  # noqa: SIM905 - a list of words reads as one
)


def test_the_list_of_the_page_is_complete() -> None:
    assert set(FILTERS) >= PAGE


def test_each_filter_has_one_subject() -> None:
    assert sorted(name for names in SUBJECTS.values() for name in names) == sorted(FILTERS)


@pytest.mark.parametrize(
    ("name", "example"), [(name, example) for name, one in FILTERS.items() for example in one.examples]
)
def test_example(name: str, example: Example) -> None:
    before = copy.deepcopy(example.body)
    result, warnings = run(example.expression, example.body, tables=example.tables, zone=example.zone)
    assert name in example.expression
    assert same(result, example.result)
    assert bool(warnings) is example.warns
    assert example.body == before


@pytest.mark.parametrize("one", FILTERS.values(), ids=FILTERS)
def test_each_filter_is_documented(one: Filter) -> None:
    assert len(one.examples) >= 2
    assert re.fullmatch(r"[A-Z0-9a-z'].*[a-z0-9.'>+)]\.", one.summary), one.summary
    assert one.takes
    assert one.gives
    assert all(param.summary and param.kind in KINDS for param in one.params)
    assert all(bool(param.choices) is (param.kind == "choice") for param in one.params)
    optional = [not param.required or param.many for param in one.params]
    assert optional == sorted(optional), "a required parameter can't follow an optional one"
    assert all(not param.many for param in one.params[:-1])


@pytest.mark.parametrize("one", FILTERS.values(), ids=FILTERS)
def test_what_a_filter_says_of_lists_is_so(one: Filter) -> None:
    # check relies on it: a list before a filter that takes none is a problem.
    readable: list[Any] = []
    for example in one.examples:
        call = example.expression.partition("|")[2].strip()
        for elements in ([1], ["a", "b"], [{"name": "a", "value": 1}]):
            result, warnings = run(
                f"$.many | {call}", {**_object(example.body), "many": elements}, tables=example.tables
            )
            if not warnings and call.startswith(one.name) and "|" not in call:
                readable.append(result)
    assert bool(readable) is one.takes_list
    if one.gives_list:
        assert all(isinstance(result, list) or result is MISSING for result in readable)


def _object(body: Any) -> dict[str, Any]:
    return body if isinstance(body, dict) else {}


def test_only_these_take_missing() -> None:
    assert {name for name, one in FILTERS.items() if one.takes_missing} == {"default", "required", "size", "sum"}


def test_missing_passes_through_all_others() -> None:
    for name, one in FILTERS.items():
        if one.takes_missing or any(param.required for param in one.params):
            continue
        assert value(f"$.nowhere | {name}", {}) is MISSING


_decimals = st.decimals(allow_nan=False, allow_infinity=False, places=4) | st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(-(10**9), 10**9), st.integers(-1200, 1200)
)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**1000, -(10**999), 1715000000, 1715000000123, 0])
    | _decimals
    | st.text(max_size=40)
    | st.sampled_from(
        ["12.50", "-3", "1e5", "2026-01-05T10:00:00Z", "2026-01-05", "9999-12-31T23:59:59-10:00", "a@b.co", "a,b,,",
         "<b>x</b>", "&#xD800;&#0;", "+447700900123", '{"a": [1.50]}', "[" * 5000, "9" * 1200, "0.1" * 9,
         "true", "é\u0301"]
    )
)  # fmt: skip
_json = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["a", "name", "value", "x"]) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=12,
)
_bits = st.sampled_from(["a", "name", "value"]).map(
    lambda name: lambda found: found.get(name, MISSING) if isinstance(found, dict) else MISSING
)
_raw: dict[str, st.SearchStrategy[Any]] = {
    "value": _json,
    "text": _scalars | st.text(max_size=5),
    "number": _scalars,
    "integer": st.integers(-(10**7), 10**7) | st.integers(-30, 130),
    "boolean": st.booleans(),
    "list": st.lists(_json, max_size=3),
    "regex": st.sampled_from(["a", "(.)(b)?", "[0-9]+", "(?P<x>.*)", "^$"]) | st.text(max_size=8),
    "path": _bits,
    "table": st.just(table_from_mapping("t", {"a": {"b": 1}, "x": {"y": [2]}})),
    "zone": st.sampled_from(["Europe/London", "America/New_York", "Pacific/Kiritimati", "UTC"]),
    "locale": st.sampled_from(["en", "de-AT", "ar", "fa", "zh_Hant", "hi", "fr-DK"]),
    "currency": st.sampled_from(["GBP", "jpy", "KWD", "CLF"]),
    "region": st.sampled_from(["GB", "us", "DE", "UK"]),
    "duration": st.sampled_from(["-24h", "3d", "1y2mo", "90s", "99y"]),
    "format": st.sampled_from(["%d/%m/%Y", "%-I:%M %p %Z %z %:z", "long", "full", "%s %U %W %V %G %j %^A %b %f %%"]),
    "reading": st.sampled_from(["%d/%m/%Y", "%Y-%m-%dT%H:%M:%S%z", "%s", "%e %B %Y %I:%M %p", "%Y%j"]),
}


@st.composite
def _argument(draw: st.DrawFn, param: Param) -> Any:
    if not param.required and draw(st.booleans()):
        return param.default
    strategy = st.sampled_from(param.choices) if param.choices else _raw[param.kind]
    written = draw(strategy)
    try:
        return param.prepare(written)
    except ValueError:
        assume(False)


def _assert_plain(found: Any) -> None:
    kind = type(found)
    if kind is list:
        assert len(found) <= MAX_ELEMENTS
        for item in found:
            _assert_plain(item)
    elif kind is dict:
        for key, item in found.items():
            assert type(key) is str
            _assert_plain(item)
    else:
        assert found is None or kind in (bool, int, Decimal, str)
        assert kind is not str or len(found) <= MAX_TEXT


@pytest.mark.parametrize("one", FILTERS.values(), ids=FILTERS)
@settings(max_examples=tries(80), deadline=None)
@given(data=st.data())
def test_any_json_gives_plain_json_or_unreadable(one: Filter, data: st.DataObject) -> None:
    found = data.draw(_json if not one.takes_missing else _json | st.just(MISSING))
    arguments = [
        tuple(data.draw(st.lists(_argument(param), max_size=3))) if param.many else data.draw(_argument(param))
        for param in one.params
    ]
    before = copy.deepcopy(found)
    try:
        first = one.function(found, *arguments)
    except (Unreadable, RequiredMissing) as error:
        refused: Exception = error
    else:
        assert same(found, before)
        if first is not MISSING:
            _assert_plain(first)
        assert same(one.function(found, *arguments), first)
        return
    assert same(found, before)
    assert str(refused)
    assert isinstance(refused, Unreadable) or one.name == "required"
    with pytest.raises(type(refused), match=re.escape(str(refused))):
        one.function(found, *arguments)


@pytest.mark.parametrize(
    ("name", "found", "arguments"),
    [
        ("replace", "a" * 500_000, ("a", "bb" * 10)),
        ("join", ["x"] * 1000, ("y" * 2000,)),
        ("join", ["x" * 600_000, "y" * 600_000], (" ",)),
        ("split", "," * 200_000, (",",)),
        ("split", "x" * 200_000, ("",)),
        ("upper", "ΐ" * 600_000, ()),
        ("url_encode", "é" * 300_000, ()),
        ("base64", "a" * 900_000, ()),
        ("json", "\u0001" * 300_000, ()),
        ("sort", [1] * 100_001, (None, "asc")),
        ("times", 10**900, (10**900,)),
        ("plus", Decimal("1e900"), (Decimal("1e-900"),)),
        ("divided_by", Decimal("1e900"), (Decimal("1e-900"), 12)),
        ("round", Decimal("1e999"), (2,)),
        ("money", Decimal("1e500"), ("GBP", None)),
        ("money", Decimal("9" * 30), ("GBP", None)),
        ("strip_html", "<div>" * 300_000, ()),
        ("strip_html", "&#" + "1" * 5000, ()),
        ("date", "1" * 100_000, (None, None, None, None, None)),
        ("phone", "1" * 100_000, ("GB",)),
    ],
)
def test_what_outgrows_its_budget_is_unreadable(name: str, found: Any, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(Unreadable):
        FILTERS[name].function(found, *arguments)


def test_html_of_any_depth_is_read_once() -> None:
    assert FILTERS["strip_html"].function("<div>" * 190_000 + "x") == "x"
    assert FILTERS["strip_html"].function("<a b=" * 190_000) == ""
    assert FILTERS["strip_html"].function("<!--" * 240_000) == ""


@pytest.mark.parametrize(
    ("written", "meant"),
    [("upcase", "upper"), ("uper", "upper"), ("uniq", "unique"), ("LOWER", "lower"), ("divide_by", "divided_by"),
     ("length", "size"), ("strftime", "date"), ("qqqqqq", None)],
)  # fmt: skip
def test_suggest(written: str, meant: str | None) -> None:
    assert suggest(written) == meant
