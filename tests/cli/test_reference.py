"""``gateway reference`` as a person at a terminal reads it."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.cli.reference import plain
from gateway.rules.reference.lookup import entry, names


@pytest.mark.parametrize("name", names())
def test_a_terminal_gets_no_markdown(name: str) -> None:
    shown = plain(entry(name) or "")
    assert shown
    for mark in ("```", "\\|", "](", "###"):
        assert mark not in shown, shown


def test_tables_are_columns_and_code_is_indented() -> None:
    text = (
        "### `x`\n\nIt `is`, see [there](a.md).\n\n```yaml\na: 1\n```\n\n| in | out |\n|---|---|\n| `a \\| b` | 12 |\n"
    )
    assert plain(text).splitlines()[1:] == ["", "It is, see there.", "", "    a: 1", "", "  in     out", "  a | b  12"]


def test_it_suggests_only_what_is_near() -> None:
    def said(name: str) -> str:
        result = CliRunner().invoke(main, ("reference", name), prog_name="gateway")
        assert result.exit_code == 2
        return result.stderr

    assert "did you mean lower?" in said("lowr")
    assert "gateway reference lists what there is" in said("sandwich")
