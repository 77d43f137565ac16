"""YAML 1.2 as nodes: what a scalar is, where each thing stands, and what is refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.nodes import MAX_DEPTH, MAX_MENDED, Node, YAMLFile
from gateway.rules.places import place_of


def read(text: str) -> Node:
    yaml = YAMLFile("shop.yaml", text)
    assert yaml.problems == []
    assert yaml.root is not None
    return yaml.root


def problems(text: str) -> list[str]:
    return [str(problem).removeprefix("shop.yaml:") for problem in YAMLFile("shop.yaml", text).problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, word) for word in ("on", "On", "off", "yes", "Yes", "no", "NO", "y", "n", "nUll", "tRue", "nil")],
        *[(word, None) for word in ("null", "Null", "NULL", "~")],
        *[(word, True) for word in ("true", "True", "TRUE")],
        *[(word, False) for word in ("false", "False", "FALSE")],
        ("0", 0),
        ("-0", 0),
        ("12", 12),
        ("-12", -12),
        ("115310627314723954123456789", 115310627314723954123456789),
        ("0.10", Decimal("0.10")),
        ("-1.5", Decimal("-1.5")),
        ("1e3", Decimal("1e3")),
        ("1.5E-3", Decimal("1.5E-3")),
        ("1" * 1001, "1" * 1001),
        *[
            (word, word)
            for word in (
                "012", "007", "00", "-01", "1_000", "1,000", "0x10", "0o17", "0b1", "+1", ".5", "5.", "1.e3", "1e",
                ".inf", "-.inf", ".nan", "NaN", "Infinity", "1.2.3", "12:30:00", "2026-01-05", "2026-01-05T10:00:00Z",
                "=", "<", "٣", "1 2",
            )
        ],
        ("'5'", "5"),
        ('"5"', "5"),
        ("'null'", "null"),
        ("'true'", "true"),
        ("''", ""),
        ('"a\\tb\\u00e9"', "a\tbé"),
        ("'it''s'", "it's"),
        ("|\n  a\n  b\n", "a\nb\n"),
        (">-\n  a\n  b\n", "a b"),
    ],
)  # fmt: skip
def test_a_scalar_is_what_yaml_1_2_and_json_say(text: str, value: Any) -> None:
    node = read(f"key: {text}").get("key")
    assert node is not None
    assert node.value == value
    assert type(node.value) is type(value)
    assert str(node.value) == str(value)


def test_what_is_not_written_is_null_and_stands_at_its_key() -> None:
    root = read("a:\n\n\nb: 1\n")
    node = root.get("a")
    assert node is not None
    assert (node.value, node.text, node.line, node.column) == (None, "", 1, 1)


@pytest.mark.parametrize(("text", "quoted"), [("a", False), ("'a'", True), ('"a"', True), ("|\n  a", True)])
def test_a_node_knows_whether_it_is_quoted(text: str, quoted: bool) -> None:
    node = read(f"key: {text}").get("key")
    assert node is not None
    assert node.quoted is quoted


def test_everything_knows_where_it_stands() -> None:
    root = read("a: 1\nb:\n  - c\n  - {d: 'e', f: [g]}\n")
    (a, one), (b, items) = root.entries
    first, second = items.items
    (d, e), (f, g) = second.entries
    assert [(node.line, node.column) for node in (root, a, one, b, items, first, second, d, e, f, g, g.items[0])] == [
        (1, 1), (1, 1), (1, 4), (2, 1), (3, 3), (3, 5), (4, 5), (4, 6), (4, 9), (4, 14), (4, 17), (4, 18),
    ]  # fmt: skip


def test_a_node_is_plain_data_and_says_what_it_is() -> None:
    root = read("a: 1\nb: [x, null, {c: 0.5}]\nd: {}\ne: []\nf: true\ng: ''\n")
    assert root.plain() == {"a": 1, "b": ["x", None, {"c": Decimal("0.5")}], "d": {}, "e": [], "f": True, "g": ""}
    assert [value.describe() for _, value in root.entries] == [
        "the number 1", "a list", "an empty mapping", "an empty list", "true", "''",
    ]  # fmt: skip
    assert Node(kind="scalar", line=1, column=1, text="x" * 70, value="x" * 70).describe() == f"'{'x' * 57}...'"


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_end_in_any_way(ending: str) -> None:
    yaml = YAMLFile("shop.yaml", ending.join(["\ufeff# x", "a: 1", "b: 2", "a: 3"]))
    assert [str(problem) for problem in yaml.problems] == [
        "shop.yaml:4:1: the key 'a' stands twice; the first is in line 2"
    ]
    assert yaml.problems[0].source == "a: 3"


def test_other_separators_end_no_line() -> None:
    assert problems("a: 'x\u2028y\u0085z'\na: 2") == ["2:1: the key 'a' stands twice; the first is in line 1"]


def test_nesting_has_a_limit() -> None:
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH).kind == "list"
    (problem,) = problems("[" * (MAX_DEPTH + 2) + "]" * (MAX_DEPTH + 2))
    assert problem == f"1:{MAX_DEPTH + 2}: nested deeper than {MAX_DEPTH} levels"
    assert len(problems("a: " + "[" * 50_000)) == 1


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "\ufeff", "--- # x\n...\n"])
def test_a_file_that_says_nothing_has_no_root_or_an_empty_one(text: str) -> None:
    yaml = YAMLFile("shop.yaml", text)
    assert yaml.problems == []
    assert yaml.root is None or yaml.root.value is None


def test_a_refused_line_is_read_as_it_was_meant_and_so_are_those_below() -> None:
    yaml = YAMLFile("shop.yaml", "a: x: y\nb: {c: $.items[0]}\nd: 1\nd: 2\n")
    assert [problem.line for problem in yaml.problems] == [1, 2, 4]
    assert yaml.root is not None
    assert yaml.root.plain() == {"a": "x: y", "b": {"c": "$.items[0]"}, "d": 1}


def test_only_so_many_lines_are_mended() -> None:
    found = problems("".join(f"key{number}: x: y\n" for number in range(MAX_MENDED * 2)))
    assert len(found) == MAX_MENDED + 1


def test_what_follows_from_a_misread_line_is_no_news() -> None:
    yaml = YAMLFile("shop.yaml", "a: {b: $.x | round(2, 3)}\nc: 1\n")
    assert yaml.root is not None
    node = yaml.root.entries[0][1].entries[0][1]
    yaml.problem(node, "there is no such filter")
    assert len(yaml.problems) == 1
    yaml.problem(yaml.root.entries[1][1], "another")
    yaml.problem(yaml.root.entries[1][1], "another")
    assert len(yaml.problems) == 2


def test_a_place_outside_of_the_file_is_its_end() -> None:
    yaml = YAMLFile("shop.yaml", "a: 1\nbc: 2")
    yaml.problem_at(9, 9, "x")
    yaml.problem_at(0, 0, "y")
    assert [(problem.line, problem.column) for problem in yaml.problems] == [(2, 6), (1, 1)]


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("$.name | @ | x", "@"),
        ("'$.name | @'", "@"),
        ("'it''s ''so'' @'", "@"),
        ('"say \\"hi\\" \\u00e9\\t\\x41 @"', "@"),
        ('"a \\\n    b @"', "@"),
        ("a\n   b\n\n   c @ d", "@"),
        ("|\n  first\n    second @\n", "@"),
        (">+2\n    a\n\n   b @\n", "@"),
        ("'a\n\n   b @'", "@"),
        ("  @", "@"),
    ],
)
def test_a_position_in_a_text_is_found_in_the_file(text: str, mark: str) -> None:
    """Behind quotes, escapes, folded lines and indentation."""
    source = f"key: {text.replace('@', 'Ω')}\n"
    yaml = YAMLFile("shop.yaml", source)
    assert yaml.problems == []
    assert yaml.root is not None
    node = yaml.root.entries[0][1]
    line, column = yaml.place(node, node.text.index("Ω"))
    assert yaml.line(line)[column - 1] == "Ω"


@given(
    st.lists(st.sampled_from(["a", "é", "'", '"', "\\", " ", "漢", "{", "$"]), max_size=20),
    st.sampled_from(["'", '"']),
    st.lists(st.sampled_from(["b", " "]), max_size=5),
)
def test_a_position_in_quotes_is_found_behind_any_text(before: list[str], quote: str, after: list[str]) -> None:
    text = "".join(before) + "Ω" + "".join(after)
    written = text.replace("'", "''") if quote == "'" else text.replace("\\", "\\\\").replace('"', '\\"')
    line = f"key: {quote}{written}{quote}"
    yaml = YAMLFile("shop.yaml", line)
    assert yaml.root is not None
    node = yaml.root.entries[0][1]
    assert node.text == text
    assert yaml.place(node, text.index("Ω")) == (1, line.index("Ω") + 1)


def test_a_position_behind_the_end_of_a_text_is_behind_its_last_character() -> None:
    assert place_of(["key: 'ab'"], "ab", 2, line=1, column=6, style="'") == (1, 9)
    assert place_of(["key: ab"], "ab", 3, line=1, column=6, style=None) == (1, 9)
