"""Lookup tables: a mapping written in a rules file, or a CSV beside it, as rows of keys and a value."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.model import JSON
from gateway.rules.values import as_text, describe

MAX_ROWS = 100_000


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that ``lookup`` finds by their keys. Keys are text and match exactly."""

    name: str
    key_count: int
    """How many keys name a row; 1 or more."""
    rows: dict[tuple[str, ...], JSON]


def table_from_mapping(name: str, mapping: Mapping[Any, Any], *, keys: int | None = None) -> Table:
    """A table of a mapping. Several keys are mappings inside mappings: ``{uk: {order: A1}, us: {order: A2}}``.

    Without ``keys``, mappings count as keys as deep as they go, and every row must be equally deep; with ``keys: 1``
    a value may be a mapping itself.

    :raises ValueError: it is empty, uneven, has a key that is no text or number, or over 100,000 rows.
    """
    level: dict[tuple[str, ...], Any] = {(): dict(mapping)}
    count = 0
    while count < keys if keys is not None else _deeper(name, level):
        count += 1
        inner: dict[tuple[str, ...], Any] = {}
        for path, value in level.items():
            if not isinstance(value, Mapping) or not value:
                raise ValueError(
                    f"table {name}: '{'.'.join(path)}' holds {describe(value)}; it takes a mapping of key to value"
                )
            for key, item in value.items():
                text = as_text(key)
                if text is None:
                    raise ValueError(f"table {name}: a key is {describe(key)}; allowed: text, a number, true, false")
                if (*path, text) in inner:
                    raise ValueError(f"table {name}: the key '{'.'.join((*path, text))}' stands twice")
                inner[(*path, text)] = item
            if len(inner) > MAX_ROWS:
                raise ValueError(f"table {name} has over {MAX_ROWS:,} rows")
        level = inner
    if count < 1:
        raise ValueError(f"table {name} is empty; it takes a mapping of key to value")
    return Table(name=name, key_count=count, rows=level)


def _deeper(name: str, level: Mapping[tuple[str, ...], Any]) -> bool:
    """Whether every value is a mapping, so that there is one more key."""
    mappings = [path for path, value in level.items() if isinstance(value, Mapping) and value]
    if mappings and len(mappings) < len(level):
        odd = next(path for path in level if path not in set(mappings))
        raise ValueError(
            f"table {name} is uneven: '{'.'.join(mappings[0])}' holds a mapping, "
            f"'{'.'.join(odd)}' holds {describe(level[odd])}; every row takes as many keys"
        )
    return bool(mappings)


def table_from_csv(name: str, text: str) -> Table:
    """A table of CSV text. The first row names the columns; the first columns are keys, the last is the value.

    Values are text. Cells are trimmed, rows without any text are skipped, a byte order mark is too. The separator is
    the comma, or the semicolon or tab where the first row has no comma (as spreadsheets of some countries write).

    :raises ValueError: with the row's number, counted in lines of the file from 1.
    """
    text = text.removeprefix("\ufeff")
    head = text.split("\n", 1)[0]
    separator = next((mark for mark in ",;\t" if mark in head), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    rows: dict[tuple[str, ...], Any] = {}
    try:
        for raw in reader:
            cells = [cell.strip() for cell in raw]
            if not any(cells):
                continue
            if not header:
                header = _header(name, cells, reader.line_num)
                continue
            where = f"table {name}, row {reader.line_num}"
            if len(cells) != len(header):
                raise ValueError(f"{where} has {len(cells)} cells; it takes {len(header)}: {', '.join(header)}")
            key = tuple(cells[:-1])
            if not all(key):
                raise ValueError(f"{where}: the key '{header[key.index('')]}' is empty")
            if key in rows:
                raise ValueError(f"{where}: the key {' / '.join(key)} stands twice")
            rows[key] = cells[-1]
            if len(rows) > MAX_ROWS:
                raise ValueError(f"table {name} has over {MAX_ROWS:,} rows")
    except csv.Error as error:
        raise ValueError(f"table {name}, row {reader.line_num}: {error}") from None
    if not rows:
        raise ValueError(f"table {name} has no rows; the first row names the columns, the others hold keys and a value")
    return Table(name=name, key_count=len(header) - 1, rows=rows)


def _header(name: str, cells: list[str], line: int) -> list[str]:
    if len(cells) < 2:
        raise ValueError(f"table {name}, row {line} has one column; it takes at least two: keys, then the value")
    if not all(cells):
        raise ValueError(
            f"table {name}, row {line}: column {cells.index('') + 1} has no name; the first row names them"
        )
    if len(set(cells)) < len(cells):
        raise ValueError(f"table {name}, row {line}: two columns have one name")
    return cells
