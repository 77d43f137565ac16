"""What commands print: JSON for programs, aligned text for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

import click
import msgspec

_encode = msgspec.json.Encoder(decimal_format="number").encode
_COLOURS = {
    "delivered": "green",
    "translated": "green",
    "accepted": "green",
    "failed": "red",
    "refused": "red",
    "untranslatable": "red",
    "unparseable": "red",
    "quarantined": "red",
    "held": "yellow",
    "unknown": "yellow",
    "expired": "yellow",
    "unmatched": "yellow",
    "pending": "cyan",
    "waiting": "cyan",
    "delivering": "cyan",
}

json_option: Callable[[Any], Any] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON and nothing else on stdout."
)


def print_json(value: Any, *, indent: int = 2) -> None:
    """One JSON value, its numbers exact."""
    text = _encode(value)
    click.echo((msgspec.json.format(text, indent=indent) if indent else text).decode())


def print_line(value: Any) -> None:
    """One JSON value in one line, for streams."""
    print_json(value, indent=0)


def pretty(value: Any) -> str:
    """JSON for a person to read."""
    return msgspec.json.format(_encode(value), indent=2).decode()


def styled_state(state: str) -> str:
    """A state in its colour; click leaves colours out where stdout is no terminal."""
    return click.style(state, fg=_COLOURS.get(state))


def local_time(moment: str | None) -> str:
    """An ISO 8601 moment as the local time of this machine: ``2026-01-05 10:00:00``."""
    if moment is None:
        return "-"
    return datetime.fromisoformat(moment).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def zone_name() -> str:
    """What the times of :func:`local_time` are in, for the header of a list."""
    return datetime.now().astimezone().tzname() or "local"


def printable(text: object) -> str:
    """Text that came from outside, its control characters shown and not obeyed."""
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in str(text))


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns under their headers, each as wide as its widest cell; the last one is not padded."""
    table = [tuple(headers), *(tuple(row) for row in rows)]
    widths = [max(len(click.unstyle(row[column])) for row in table) for column in range(len(headers))]
    for number, row in enumerate(table):
        cells = [
            cell + " " * (width - len(click.unstyle(cell))) if column < len(row) - 1 else cell
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(cells).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)
