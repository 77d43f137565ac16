"""Compiled paths give what jsonpath-ng's find() gives: on the public compliance suite, and on generated documents."""

from __future__ import annotations

import json
import warnings
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonpath_ng.ext import parse as parse_with_library

from gateway.rules.budget import Budget, OverBudget
from gateway.rules.paths import PathProblem, compile_path
from gateway.rules.values import MISSING
from tests.effort import tries

SUITE = Path(__file__).parents[3] / "shared" / "corpus" / "jsonpath" / "cts.json"

FOLLOWS_THE_PAGE = frozenset(
    {
        # Text that reads as a number compares with a number as a number, inside [?()] as in conditions.
        "filter, equals number",
        "filter, not-equals number",
        "filter, equals number, zero and negative zero",
        "filter, equals number, negative zero and zero",
        "filter, equals number, with and without decimal fraction",
        "filter, equals number, decimal fraction",
        "filter, equals number, decimal fraction, trailing 0",
    }
)
REFUSED = frozenset(
    {
        # A step of 0 is a mistake; the library gives [] for it.
        "slice selector, zero step",
        "slice selector, step, -0",
        # Text in a comparison stands in quotes; the library reads a bare word as text, and warns.
        "filter, true, incorrectly capitalized",
        "filter, false, incorrectly capitalized",
        "filter, null, incorrectly capitalized",
        # What a condition asks begins with @ or $, as in RFC 9535; the library reads a bare word, and a literal, as the
        # name of a field.
        "filter, literal true must be compared",
        "filter, literal false must be compared",
        "filter, literal string must be compared",
        "filter, literal int must be compared",
        "filter, literal null must be compared",
        "filter, and, literals must be compared",
        "filter, or, literals must be compared",
        "filter, and, right hand literal must be compared",
        "filter, or, right hand literal must be compared",
        "filter, and, left hand literal must be compared",
        "filter, or, left hand literal must be compared",
    }
)


def found(path: str, document: Any) -> list[Any]:
    """What a compiled path finds, as the list of values that find() gives."""
    compiled = compile_path(path)
    value = compiled.read(document, Budget())
    if value is MISSING:
        return []
    return [value] if compiled.get is not None else value


def problem_of(path: str) -> PathProblem | None:
    """Why a path is refused."""
    try:
        compile_path(path)
    except PathProblem as problem:
        return problem
    return None


def _is_read_by_library(path: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            parse_with_library(path)
    except Exception:
        return False
    return True


def found_by_library(path: str, document: Any) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return [match.value for match in parse_with_library(path).find(document)]


def _cases() -> list[dict[str, Any]]:
    if not SUITE.exists():
        return []
    cases: list[dict[str, Any]] = json.loads(SUITE.read_text("utf-8"))["tests"]
    return cases


def _exact(document: Any) -> Any:
    """A document as payloads are read: with exact decimals."""
    return json.loads(json.dumps(document), parse_float=Decimal)


def _same(left: Any, right: Any) -> bool:
    return json.dumps(left, default=float) == json.dumps(right, default=float)


@pytest.mark.skipif(not SUITE.exists(), reason="the compliance suite is not here")
def test_the_suite_is_whole_and_the_exceptions_are_in_it() -> None:
    names = {case["name"] for case in _cases()}
    assert len(names) > 650
    assert names >= FOLLOWS_THE_PAGE | REFUSED


@pytest.mark.parametrize("case", [pytest.param(case, id=case["name"]) for case in _cases()])
def test_the_compliance_suite(case: dict[str, Any]) -> None:
    path = case["selector"]
    problem = problem_of(path)
    assert (problem is not None) is (case["name"] in REFUSED or not _is_read_by_library(path))
    if problem is not None:
        assert str(problem)
        assert 0 <= problem.at <= len(path)
        return
    if "document" not in case:
        return
    ours, theirs = found(path, _exact(case["document"])), found_by_library(path, case["document"])
    assert _same(ours, theirs) is (case["name"] not in FOLLOWS_THE_PAGE)


# -- generated documents and paths ------------------------------------------------------------------------------------

_names = st.sampled_from(["a", "b", "c", "where2", "key-1", "sku"])
_texts = st.sampled_from(["", "x", "y", "zz", "a b", "Ünï"])  # no numbers: text that reads as one compares as one
_documents = st.recursive(
    st.integers(-3, 3) | _texts | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_names, inner, max_size=4),
    max_leaves=20,
)


@st.composite
def _singular_step(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        name = draw(_names)
        return f"['{name}']" if "-" in name or draw(st.booleans()) else f".{name}"
    return f"[{draw(st.integers(-3, 3))}]"


@st.composite
def _slice(draw: st.DrawFn) -> str:
    start, end = (draw(st.none() | st.integers(-4, 4)) for _ in range(2))
    step = draw(st.none() | st.sampled_from([-2, -1, 1, 2]))
    parts = ["" if one is None else str(one) for one in (start, end)]
    return f"[{':'.join(parts)}{'' if step is None else f':{step}'}]"


@st.composite
def _filter(draw: st.DrawFn) -> str:
    def comparison() -> str:
        target = "@" + "".join(draw(st.lists(_singular_step(), max_size=2)))
        kind = draw(st.sampled_from(["exists", "not", "compare", "between"]))
        if kind == "exists":
            return target
        if kind == "not":
            return f"!{target}"
        if kind == "between":
            return f"{target} {draw(st.sampled_from(['==', '!=']))} @{draw(_singular_step())}"
        operand = draw(st.integers(-3, 3) | _texts)
        op = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="]))
        return f"{target} {op} {operand if isinstance(operand, int) else repr(operand)}"

    parts = [comparison() for _ in range(draw(st.integers(1, 3)))]
    text = parts[0]
    for part in parts[1:]:
        text += f" {draw(st.sampled_from(['&&', '||']))} {part}"
    return f"[?({text})]"


@st.composite
def _paths(draw: st.DrawFn) -> str:
    path = "$"
    for _ in range(draw(st.integers(0, 4))):
        descend = draw(st.integers(0, 5)) == 0
        step = draw(
            _singular_step()
            | st.just("[*]")
            | _slice()
            | _filter()
            | st.lists(_names, min_size=2, max_size=3, unique=True).map(
                lambda names: "[" + ",".join(f"'{name}'" for name in names) + "]"
            )
        )
        if descend:
            step = "." + step if step.startswith(".") else ".." + step
        path += step
    return path


@settings(max_examples=tries(1500), deadline=None)
@given(_paths(), _documents)
def test_generated_paths_find_what_the_library_finds(path: str, document: Any) -> None:
    assert found(path, document) == found_by_library(path, document)


@settings(max_examples=tries(500), deadline=None)
@given(st.lists(_singular_step(), max_size=5).map(lambda steps: "$" + "".join(steps)), _documents)
def test_a_singular_path_gives_its_value_or_nothing(path: str, document: Any) -> None:
    compiled = compile_path(path)
    assert compiled.get is not None
    value = compiled.get(document)
    assert ([] if value is MISSING else [value]) == found_by_library(path, document)


@given(st.text(max_size=30) | st.text("$.[]*?@'\"()&|!=<>,:0123abc `~\\ \n", max_size=30).map(lambda text: f"${text}"))
def test_any_text_is_a_path_or_a_problem(text: str) -> None:
    problem = problem_of(text)
    if problem is None:
        compile_path(text).read({"a": [1]}, Budget())
    else:
        assert str(problem)
        assert 0 <= problem.at <= max(len(text), 1)


# -- comparisons inside [?()] are those of conditions -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("@.n == 1", [1, "1", Decimal("1.0")]),
        ("@.n == '1'", ["1"]),
        ("@.n > 1", [Decimal("1.5"), "2"]),
        ("@.n != 1", [Decimal("1.5"), "2", "x", None, True]),
        ("@.n == true", [True]),
        ("@.n == null", [None]),
        ("@.n < 1.5", [1, "1", Decimal("1.0")]),
        ("@.n == 1.5", [Decimal("1.5")]),
        ("@.n == 'x'", ["x"]),
        ("@.n >= 'x'", ["x"]),
        ("@.n == $.list[1].n", [1, "1", Decimal("1.0")]),
    ],
)
def test_values_compare_as_in_conditions(condition: str, expected: list[Any]) -> None:
    values = [1, "1", Decimal("1.0"), Decimal("1.5"), "2", "x", None, True]
    document = {"list": [{"n": one} for one in values]}
    assert repr(found(f"$.list[?({condition})].n", document)) == repr(expected)


# -- budgets ----------------------------------------------------------------------------------------------------------


@cache
def large(kind: str) -> Any:
    """Made when asked for: only collecting this file needs none of it."""
    match kind:
        case "wide":
            return {"a": [{"b": [1, 2, 3], "c": "x"} for _ in range(40_000)]}
        case "texts":
            return {"a": "x" * 800_000, "b": "x" * 800_000, "l": [1] * 5000}
        case _:
            return {"a": [0] * 5_000_000}


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("$..*", "wide"), ("$..b", "wide"), ("$.a[*].b[*]", "wide"), ("$.a[?(@.c == 'y')]", "wide"),
        ("$.a[*]['b','c']", "wide"), ("$..[?(@..b)]", "wide"), ("$.a[*]", "long"), ("$.a[::2]", "long"),
        ("$..x", "long"), ("$.l[?($.a == $.b)]", "texts"), ("$.l[?($.a < $.b)]", "texts"),
    ],
)  # fmt: skip
def test_a_path_spends_before_it_looks(path: str, document: str) -> None:
    budget = Budget()
    with pytest.raises(OverBudget, match="100,000 steps"):
        compile_path(path).read(large(document), budget)


def test_a_singular_path_costs_nothing() -> None:
    assert compile_path("$.a[4999999]").read(large("long"), Budget(0)) == 0


def test_what_a_path_spends_is_what_it_visits() -> None:
    document = {"a": [{"b": 1}] * 10}
    for path, least, most in (("$.a[*]", 10, 20), ("$.a[*].b", 10, 40), ("$..b", 21, 60), ("$.a[0:5]", 5, 10)):
        budget = Budget()
        compile_path(path).read(document, budget)
        assert least <= 100_000 - budget.left <= most
