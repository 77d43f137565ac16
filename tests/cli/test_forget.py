"""``gateway forget``: one person is erased, and the proof is printed."""

from __future__ import annotations

import pytest

from tests import shop
from tests.cli.test_reader import Past, past, read, run, server

__all__ = ["past", "server"]  # fixtures
USER = "115310627314723954"


def test_a_person_is_erased_and_looked_for_again(past: Past) -> None:
    assert read("forget", USER, "--dry-run")["webhooks"] == 2
    assert len(read("webhooks")["items"]) == 3
    result = run("forget", USER, "--also", "ada@example.com", "--yes")
    assert result.exit_code == 0, result.output
    for part in (f"erased {USER}", "2  webhooks, with", "2  commands", "2  attempts", "nothing that names the person"):
        assert part in result.stdout, part
    assert [row["id"] for row in read("webhooks")["items"]] == [past.unparseable]
    assert read("commands")["items"] == []
    assert "never arrived" in run("find", USER).stdout
    again = read("forget", USER, "--yes")
    assert (again["webhooks"], again["remaining"], again["left"]) == (0, 0, [])


def test_it_is_asked_before(past: Past) -> None:
    result = run("forget", USER)
    assert result.exit_code == 2
    assert "Erase 2 webhooks with 2 commands for good?" in result.stderr
    assert len(read("webhooks")["items"]) == 3


def test_over_a_server_too(past: Past, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", "")
    refused = run("forget", USER, "--yes", "--server", server)
    assert (refused.exit_code, "may look and not act" in refused.stderr) == (2, True)
    monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", shop.ADMIN)
    assert read("forget", USER, "--yes", "--server", server)["webhooks"] == 2
    assert len(read("webhooks", "--server", server)["items"]) == 1


@pytest.mark.parametrize(("words", "says"), [((" ",), "user: is empty"), (("u", "--also", "ab"), "4 or more")])
def test_what_can_not_be_asked_is_said(past: Past, words: tuple[str, ...], says: str) -> None:
    result = run("forget", *words, "--yes")
    assert result.exit_code == 2
    assert says in result.stderr
    assert len(read("webhooks")["items"]) == 3
