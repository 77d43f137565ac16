"""Lookup tables of mappings and of CSV text."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.rules.tables import table_from_csv, table_from_mapping


def test_a_mapping_of_one_key() -> None:
    table = table_from_mapping("t", {"uk": "A", 7: {"deep": 1}}, keys=1)
    assert table.key_count == 1
    assert table.rows == {("uk",): "A", ("7",): {"deep": 1}}


def test_mappings_inside_are_more_keys() -> None:
    table = table_from_mapping("t", {"uk": {"order": 1, "cancel": None}, "us": {"order": [2]}})
    assert table.key_count == 2
    assert table.rows == {("uk", "order"): 1, ("uk", "cancel"): None, ("us", "order"): [2]}


@pytest.mark.parametrize(
    ("mapping", "keys", "words"),
    [
        ({}, None, "empty"),
        ({"a": {"b": 1}, "c": 2}, None, "uneven: 'a' holds a mapping, 'c' holds the number 2"),
        ({"a": 1}, 2, "'a' holds the number 1"),
        ({"1": "a", 1: "b"}, None, "'1' stands twice"),
        ({None: 1}, None, "a key is null"),
        ({"a": {}}, 2, "empty object"),
    ],
)
def test_what_is_no_table(mapping: Any, keys: int | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        table_from_mapping("t", mapping, keys=keys)


def test_csv() -> None:
    table = table_from_csv("t", '\ufeffcountry,kind,asset\nuk, order ,"UK, 1"\n\n,,\r\nus,order,\n')
    assert table.key_count == 2
    assert table.rows == {("uk", "order"): "UK, 1", ("us", "order"): ""}


@pytest.mark.parametrize("text", ["code;name\n10;Booked\n", "code\tname\n10\tBooked\n"])
def test_csv_of_other_spreadsheets(text: str) -> None:
    assert table_from_csv("t", text).rows == {("10",): "Booked"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no rows"),
        ("a,b\n", "no rows"),
        ("a\n1\n", "row 1 has one column"),
        ("a,,c\n", "row 1: column 2 has no name"),
        ("a,a\n", "row 1: two columns have one name"),
        ("a,b\n1,2,3\n", "row 2 has 3 cells; it takes 2: a, b"),
        ("a,b\n1,2\n\n1,3\n", "row 4: the key 1 stands twice"),
        ("a,b\n,2\n", "row 2: the key 'a' is empty"),
        ('a,b\n"1,2\n', "row 2: unexpected end of data"),
        ("a,b\n" + "".join(f"{n},x\n" for n in range(100_001)), "over 100,000 rows"),
    ],
)
def test_a_csv_problem_names_its_row(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        table_from_csv("t", text)
