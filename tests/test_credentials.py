"""Credentials come from a variable or from a file, which is read again when it changes."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway.credentials import Credentials


def test_the_variable_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("filed")
    environ = {"A": "plain", "A_FILE": str(tmp_path / "secret"), "B": "", "B_FILE": str(tmp_path / "secret")}
    credential = Credentials(environ)
    assert credential("A") == "plain"
    assert credential("B") == "filed"
    assert credential("C") is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" a b \n\n", " a b \n"), ("", None), ("\n", None)],
)
def test_one_newline_at_the_end_of_a_file_is_not_part_of_the_secret(
    tmp_path: Path, text: str, value: str | None
) -> None:
    (tmp_path / "secret").write_bytes(text.encode())
    assert Credentials({"A_FILE": str(tmp_path / "secret")})("A") == value


def test_the_name_of_a_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("filed")
    credential = Credentials({"A_FILE": str(tmp_path / "secret")})
    assert credential("A") == "filed"
    assert credential("A_FILE") is None


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("first")
    credential = Credentials({"A_FILE": str(path)})
    assert credential("A") == "first"
    path.write_text("second, longer")
    assert credential("A") == "second, longer"
    # The same size, and as secrets are mounted: a new file put in the place of the old one.
    (tmp_path / "next").write_text("third!, longer")
    (tmp_path / "next").replace(path)
    assert credential("A") == "third!, longer"


def test_a_file_that_cannot_be_read_is_an_unset_secret_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "secret"
    credential = Credentials({"A_FILE": str(path)})
    with caplog.at_level(logging.WARNING):
        assert credential("A") is None
        assert credential("A") is None
    assert [record.getMessage() for record in caplog.records] == [
        f"A_FILE: {path} can't be read: No such file or directory"
    ]
    path.write_bytes(b"\xff\xfe")
    assert credential("A") is None
    path.write_text("there now")
    assert credential("A") == "there now"
