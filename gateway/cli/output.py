"""What commands print: JSON for programs, aligned text for people."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

import click
import msgspec

_SMALL = 6
"""Columns that a flexible column keeps on the narrowest terminal."""
_INDENT = 4
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


def shown_value(value: Any) -> str:
    """A JSON value in one line, its control characters shown and not obeyed."""
    return printable(_encode(value).decode())


def counted(count: int, noun: str) -> str:
    """So many of a thing: ``1 webhook``, ``1,204 webhooks``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@contextmanager
def progress_bar(label: str, *, hidden: bool, show_pos: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr that is told how much is done of how much. Without a word, such as where what was asked for is
    refused, none is drawn."""
    with ExitStack() as stack:
        bar: Any = None

        def progress(done: int, total: int) -> None:
            nonlocal bar
            if bar is None:
                shown = click.progressbar(
                    length=max(total, 1), label=label, file=sys.stderr, hidden=hidden, show_pos=show_pos
                )
                bar = stack.enter_context(shown)
            bar.length = max(total, 1)
            bar.update(done - bar.pos)

        yield progress


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


def cut(text: str, width: int | None) -> str:
    """A text in so many columns, with ``…`` where something is left out."""
    return text if width is None or len(text) <= width else f"{text[: width - 1]}…"


def room() -> int | None:
    """The columns of the terminal that stdout is, or None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_table(
    headers: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    widths: Sequence[int] | None = None,
    flexible: Sequence[str] = (),
) -> list[int]:
    """Columns under their headers, each as wide as its widest cell; the last one is not padded.

    On a terminal that is too narrow, the columns whose headers are ``flexible`` become smaller and their texts are cut,
    while the last one, where it is flexible, is told whole in lines of its own.

    With the ``widths`` that a table before it gave, it is more of that table: no headers, and columns as wide as there.
    """
    table = [tuple(row) for row in rows]
    if widths is None:
        table.insert(0, tuple(headers))
    least = widths or [0] * len(headers)
    lengths = [[len(click.unstyle(cell)) for cell in row] for row in table]
    found = [max(column) for column in zip(least, *lengths, strict=True)]
    columns = room()
    told = columns is not None and headers[-1] in flexible and _total(found) > columns
    if columns is not None:
        _shrink(found, [number for number, header in enumerate(headers[:-1]) if header in flexible], columns, told=told)
    for number, row in enumerate(table):
        cells = [
            cut(cell, width) if headers[column] in flexible and column < len(row) - 1 else cell
            for column, (cell, width) in enumerate(zip(row, found, strict=True))
        ]
        padded = [cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(cells, found, strict=True)]
        header = number == 0 and widths is None
        padded[-1] = "" if told else cells[-1]
        line = "  ".join(padded).rstrip()
        click.echo(click.style(line, bold=True) if header else line)
        if told and not header and columns is not None and cells[-1]:
            indent = " " * _INDENT
            click.echo(textwrap.fill(cells[-1], columns, initial_indent=indent, subsequent_indent=indent))
    return found


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _shrink(widths: list[int], flexible: Sequence[int], columns: int, *, told: bool) -> None:
    """Take from the widest of the flexible columns until all fit, or all of them are small."""
    while flexible and _total(widths[:-1] if told else widths) > columns:
        widest = max(flexible, key=widths.__getitem__)
        if widths[widest] <= _SMALL:
            return
        widths[widest] -= 1
