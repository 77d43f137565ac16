"""What commands print for people."""

from __future__ import annotations

import pytest

from gateway.cli.output import counted, progress_bar
from gateway.errors import SettingsError


def test_a_thing_is_counted_in_its_number() -> None:
    assert [counted(number, "webhook") for number in (0, 1, 1204)] == ["0 webhooks", "1 webhook", "1,204 webhooks"]


def test_a_bar_is_drawn_from_the_first_word_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsError), progress_bar("copying", hidden=False):
        raise SettingsError("there is such a file already")
    assert capsys.readouterr().err == ""
    with progress_bar("copying", hidden=False) as progress:
        progress(1, 4)
        progress(4, 4)
    assert "copying" in capsys.readouterr().err
