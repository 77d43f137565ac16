"""The filter that asks a table of the rules file."""

from __future__ import annotations

from typing import Any

from gateway.rules.filters.filter import Example, Param, register
from gateway.rules.tables import Table
from gateway.rules.values import MISSING, Unreadable, as_text, describe


@register(
    "lookup",
    summary="What a table has for the value; missing where it has no such row. In a table of several keys the value is "
    "the first, and the arguments are the others.",
    takes="text, a number, a boolean",
    gives="what stands in the table",
    params=(
        Param(name="table", kind="table", summary="a table of the file"),
        Param(
            name="keys",
            kind="value",
            required=False,
            many=True,
            default=(),
            summary="the further keys of a table of several",
        ),
    ),
    examples=(
        Example(
            expression="$.country | lookup('languages')",
            body={"country": "DE"},
            result="de",
            tables={"languages": {"DE": "de", "FR": "fr"}},
        ),
        Example(
            expression="$.country | lookup('languages') | default('en')",
            body={"country": "NZ"},
            result="en",
            tables={"languages": {"DE": "de", "FR": "fr"}},
        ),
        Example(
            expression="$.shop | lookup('templates', $.kind)",
            body={"shop": "uk", "kind": "order"},
            result="UK-1",
            tables={"templates": {"uk": {"order": "UK-1"}, "us": {"order": "US-1"}}},
        ),
        Example(
            expression="$.status | lookup('names')",
            body={"status": 10},
            result="Booked",
            tables={"names": {"10": "Booked"}},
        ),
        Example(
            expression="$.status | lookup('names')", body={"status": None}, warns=True, tables={"names": {"a": "b"}}
        ),
    ),
)
def lookup(value: Any, table: Table, keys: tuple[Any, ...]) -> Any:
    if 1 + len(keys) != table.key_count:
        raise Unreadable(f"the table {table.name} has {table.key_count} keys; {1 + len(keys)} were given")
    found: list[str] = []
    for key in (value, *keys):
        if key is MISSING:
            return MISSING
        text = as_text(key)
        if text is None:
            raise Unreadable(f"a key is {describe(key)}; takes text, a number or a boolean")
        found.append(text)
    return table.rows.get(tuple(found), MISSING)
