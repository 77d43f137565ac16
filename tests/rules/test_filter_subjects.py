"""The facts of each subject's filters, beyond their examples."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.rules.filters import FILTERS, Unreadable
from gateway.rules.scope import EvaluationFailed
from gateway.rules.tables import Table
from gateway.rules.values import MISSING, is_bounded
from tests.rules.evaluation import run, same, value, warning

_decimals = st.builds(
    lambda digits, exponent: Decimal(digits).scaleb(exponent), st.integers(-(10**9), 10**9), st.integers(-900, 900)
)


# -- presence and types --------------------------------------------------------------------------------------------


def test_default_speaks_of_nothing() -> None:
    for nothing in (None, "", [], {}):
        assert value("$.a | default('b')", {"a": nothing}) == "b"
    for something in (0, False, " ", [None]):
        assert same(value("$.a | default('b')", {"a": something}), something)


@pytest.mark.parametrize("nothing", [{}, {"a": None}, {"a": ""}, {"a": []}])
def test_required_stops_the_rule(nothing: Any) -> None:
    with pytest.raises(EvaluationFailed, match="required"):
        run("$.a | required", nothing)


def test_ignore_compares_as_conditions_do() -> None:
    for dropped in (0, "0", Decimal("0.00"), ""):
        assert value("$.a | ignore(0, '')", {"a": dropped}) is MISSING
    for kept in (False, None, " ", "00", []):
        assert same(value("$.a | ignore(0, '')", {"a": kept}), kept)


@pytest.mark.parametrize(
    "text", ["", " ", "abc", "+1", "01", "1.", ".5", "0x10", "NaN", "Infinity", "1,5", "１２", "1e1001"]
)
def test_number_reads_the_grammar_of_json(text: str) -> None:
    assert "takes a number" in warning("$.a | number", {"a": text})


@given(st.decimals(allow_nan=False, allow_infinity=False).filter(is_bounded))
def test_number_and_string_keep_every_digit(number: Decimal) -> None:
    text = FILTERS["string"].function(number)
    assert "E" not in text
    assert FILTERS["number"].function(text) == number


def test_a_boolean_is_no_number() -> None:
    assert "found true" in warning("$.a | number", {"a": True})
    assert "found true" in warning("$.a | plus(1)", {"a": True})


def test_json_and_back() -> None:
    body = {"a": {"id": 12345678901234567890123456, "total": Decimal("0.10"), "x": [None, True, "é"]}}
    assert same(value("$.a | json | parse_json", body), body["a"])
    assert "digits" in warning("$.a | parse_json", {"a": "[1e1001]"})
    assert "no JSON" in warning("$.a | parse_json", {"a": "[" * 100_000})
    assert "takes text" in warning("$.a | parse_json", {"a": {}})


# -- text ----------------------------------------------------------------------------------------------------------


@given(st.text(), st.integers(0, 60), st.text(max_size=4))
def test_truncate_counts_the_ellipsis(text: str, length: int, ellipsis: str) -> None:
    made = FILTERS["truncate"].function(text, length, ellipsis)
    if len(text) <= length:
        assert made == text
    else:
        assert made.endswith(ellipsis)
        assert len(made) == max(length, len(ellipsis))


@given(st.text(), st.text(min_size=1, max_size=2), st.text(max_size=3))
def test_replace_is_plain_text(text: str, old: str, new: str) -> None:
    assert FILTERS["replace"].function(text, old, new) == text.replace(old, new)


@given(st.lists(st.text(alphabet="abc", min_size=1)))
def test_split_undoes_join(parts: list[str]) -> None:
    assert FILTERS["split"].function(FILTERS["join"].function(parts, ","), ",") == parts


@pytest.mark.parametrize(
    ("start", "length", "result"),
    [(0, 1, "L"), (2, 5, "quid"), (-3, 2, "ui"), (6, 1, ""), (9, 1, ""), (-7, 3, ""), (1, -1, ""), (1, 0, "")],
)
def test_slice_as_liquid(start: int, length: int, result: str) -> None:
    assert FILTERS["slice"].function("Liquid", start, length) == result
    assert FILTERS["slice"].function(list("Liquid"), start, length) == list(result)


def test_extract_groups() -> None:
    body = {"a": "sku AB-12"}
    assert value("$.a | extract('(?P<letters>[A-Z]+)-(?P<digits>[0-9]+)', 'digits')", body) == "12"
    assert value("$.a | extract('([A-Z]+)-([0-9]+)', group: 2)", body) == "12"
    assert value("$.a | extract('(x)?sku')", body) is MISSING
    assert "no group 3" in warning("$.a | extract('(A)', 3)", body)


@pytest.mark.parametrize("pattern", ["(a", "(?=a)", r"(a)\1", "a{9999}", ""])
def test_a_pattern_of_another_engine_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="allowed"):
        FILTERS["extract"].params[0].prepare(pattern)


# -- numbers and money ---------------------------------------------------------------------------------------------


@given(_decimals, _decimals)
def test_arithmetic_is_exact_or_unreadable(left: Decimal, right: Decimal) -> None:
    assume(is_bounded(left) and is_bounded(right))
    for name, exact in (("plus", Fraction(left) + Fraction(right)), ("minus", Fraction(left) - Fraction(right)),
                        ("times", Fraction(left) * Fraction(right))):  # fmt: skip
        try:
            assert Fraction(FILTERS[name].function(left, right)) == exact
        except Unreadable:
            assert abs(left.adjusted() - right.adjusted()) > 900 or abs(left.adjusted() + right.adjusted()) > 900


@given(st.integers(-(10**20), 10**20), st.integers(-(10**6), 10**6), st.integers(0, 20))
def test_quotients_are_half_up(number: int, divisor: int, digits: int) -> None:
    assume(divisor)
    made = Fraction(FILTERS["divided_by"].function(number, divisor, digits))
    error = made - Fraction(number, divisor)
    assert abs(error) <= Fraction(1, 2 * 10**digits)
    if abs(error) == Fraction(1, 2 * 10**digits):
        assert abs(made) > abs(Fraction(number, divisor))


def test_a_negative_zero_is_zero() -> None:
    assert same(value("$.a | times(-1)", {"a": Decimal("0.0")}), Decimal("0.0"))
    assert same(value("$.a | round(1)", {"a": "-0.04"}), Decimal("0.0"))


def test_round_of_large_numbers_is_not_binary() -> None:
    assert value("$.a | round(2)", {"a": "1.005"}) == Decimal("1.01")
    assert value("$.a | round(-2)", {"a": 1250}) == 1300
    assert value("$.a | round(1)", {"a": "12345678901234567890.25"}) == Decimal("12345678901234567890.3")


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "result"),
    [
        ("1234567.891", "USD", "en-US", "$1,234,567.89"),
        ("-3.3", "GBP", "en-GB", "-£3.30"),
        ("1.2345", "KWD", "en", "KWD\xa01.235"),
        ("99.5", "JPY", "ja", "￥100"),
        ("1234.5", "RSD", "en", "RSD\xa01,234.50"),
        ("10", "EUR", "fr-DK", "10,00\xa0€"),
    ],
)
def test_money(amount: str, currency: str, locale: str, result: str) -> None:
    made = value(f"$.a | money('{currency}', '{locale}')", {"a": amount})
    assert made == result


@given(st.integers(-(10**12), 10**12), st.sampled_from([("GBP", 100), ("JPY", 1), ("KWD", 1000), ("CLF", 10_000)]))
def test_major_is_exact(amount: int, currency: tuple[str, int]) -> None:
    assert Fraction(FILTERS["major"].function(amount, currency[0], None)) == Fraction(amount, currency[1])


# -- lists and objects ---------------------------------------------------------------------------------------------


def test_sort_puts_nothing_last_and_is_stable() -> None:
    body = {"a": [{"p": "10", "n": 1}, {"n": 2}, {"p": 9, "n": 3}, {"p": Decimal("10.0"), "n": 4}, {"p": None, "n": 5}]}
    assert value("$.a | sort('p') | map('n')", body) == [3, 1, 4, 2, 5]
    assert value("$.a | sort('p', 'desc') | map('n')", body) == [1, 4, 3, 2, 5]
    assert "no order" in warning("$.a | sort", body)


@given(st.lists(st.integers() | st.text(max_size=3) | st.booleans() | st.none()))
def test_sort_keeps_the_elements(found: list[Any]) -> None:
    made = FILTERS["sort"].function(found, None, "asc")
    assert sorted(map(repr, made)) == sorted(map(repr, found))
    assert same(FILTERS["sort"].function(made, None, "asc"), made)


def test_unique_knows_numbers_from_text() -> None:
    body = {"a": [1, Decimal("1.0"), "1", True, {"x": [1]}, {"x": [Decimal(1)]}, None, None]}
    assert value("$.a | unique", body) == [1, "1", True, {"x": [1]}, None]


def test_where_compares_as_conditions_do() -> None:
    body = {"a": [{"n": 1}, {"n": "1"}, {"n": True}, {"n": None}, {}]}
    assert value("$.a | where('n', 1)", body) == [{"n": 1}, {"n": "1"}]
    assert value("$.a | where('n', true)", body) == [{"n": True}]
    assert value("$.a | where('n', null)", body) == [{"n": None}]
    assert value("$.a | where('n')", body) == [{"n": 1}, {"n": "1"}, {"n": True}]


def test_pairs_of_a_repeated_name_keep_the_last() -> None:
    assert value("$.a | pairs", {"a": [{"name": "x", "value": 1}, {"name": "x", "value": 2}, {"value": 3}]}) == {"x": 2}


def test_one_object_counts_as_a_list_of_one() -> None:
    body = {"line": {"sku": "A", "price": "2.50"}}
    assert value("$.line | map('sku')", body) == ["A"]
    assert value("$.line | sum('price')", body) == Decimal("2.50")


# -- tables, contacts, encodings -----------------------------------------------------------------------------------


def test_lookup_takes_as_many_keys_as_the_table_has() -> None:
    function = FILTERS["lookup"].function
    table = Table(name="t", key_count=2, rows={("a", "1"): "found"})
    assert function("a", table, (1,)) == "found"
    assert function("a", table, (2,)) is MISSING
    assert function("a", table, (MISSING,)) is MISSING
    with pytest.raises(Unreadable, match="has 2 keys; 1 were given"):
        function("a", table, ())


@pytest.mark.parametrize(
    "address",
    ["a@b.co", "a.b+c@sub.example.com", "o'neil@example.ie", "jörg@müller.de", "x_y-z@a-b.example", "1@2.com"],
)
def test_an_address_is_an_address(address: str) -> None:
    assert value("$.a | email", {"a": f" {address}\n"}) == address


@pytest.mark.parametrize(
    "address",
    ["a", "a@b", "@b.co", "a@", "a b@c.co", "a@@b.co", ".a@b.co", "a.@b.co", "a..b@c.co", "a@-b.co", "a@b-.co",
     "a@b..co", "a@127.0.0.1", "a@b.co, c@d.co", "Ann <a@b.co>", "a\u200b@b.co", "a" * 65 + "@b.co",
     "a@" + "b" * 64 + ".co",
     "a@b.co\nBcc: x@y.z", 12, None, ["a@b.co"]],
)  # fmt: skip
def test_what_is_no_address(address: Any) -> None:
    assert "ann@example.com" in warning("$.a | email", {"a": address})


@pytest.mark.parametrize(
    "number", ["12345", "+44 1", "+999 12345678", "call me", True, "07700 900123 07700 900123", ""]
)
def test_what_is_no_phone_number(number: Any) -> None:
    assert "found" in warning("$.a | phone('GB')", {"a": number})


def test_a_region_of_the_payload_that_does_not_exist_is_a_warning() -> None:
    assert "ISO 3166" in warning("$.a | phone($.c)", {"a": "07700 900123", "c": "Narnia"})


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<a title='a > b' href=\"x\">y</a>", "y"),
        ("<a title=it's>y</a> it's", "y it's"),
        ("a<br/>b<!-- c > d -->e", "abe"),
        ("<SCRIPT type=x>alert('</b>')</ScRiPt >k", "k"),
        ("<style>p{}</style", ""),
        ("I <3 you & 2 <= 3", "I <3 you & 2 <= 3"),
        ("&lt;b&gt; &eacute; &#x263A; &nbsp;", "<b> é ☺ \xa0"),
        ("<!DOCTYPE html><?xml x?><p>z", "z"),
        ("half <b", "half "),
    ],
)
def test_strip_html(source: str, text: str) -> None:
    assert value("$.a | strip_html", {"a": source}) == text


def test_hash_algorithms() -> None:
    assert value("$.a | hash('SHA1', encoding: 'base64')", {"a": "abc"}) == "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="
    assert value("$.a | hash('sha1')", {"a": "abc"}) == "a9993e364706816aba3e25717850c26c9cd0d89d"
    with pytest.raises(ValueError, match="sha256, sha512, sha1, md5"):
        FILTERS["hash"].params[0].prepare("crc32")
