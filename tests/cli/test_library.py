"""``gateway library`` and ``gateway add``: the ready sources of this checkout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.cli import main
from gateway.cli.packs import library_folder, packs
from gateway.errors import SettingsError


def test_the_library_lists_what_each_source_handles() -> None:
    result = CliRunner().invoke(main, ["library"])
    assert result.exit_code == 0
    for pack in packs():
        assert pack.name in result.stdout
        for rule in pack.rules:
            assert f"- {rule}" in result.stdout


def test_the_library_as_json() -> None:
    found = {pack["name"]: pack for pack in json.loads(CliRunner().invoke(main, ["library", "--json"]).stdout)}
    assert {"shopify", "woocommerce", "calendly"} <= set(found)
    assert found["shopify"]["hook"].startswith("/hooks/shopify")
    assert found["shopify"]["secrets"] == ["SHOPIFY_SECRET"]
    assert found["shopify"]["assets"]


@pytest.mark.parametrize("name", ["shopify", "woocommerce", "calendly"])
def test_what_is_added_passes_its_own_examples(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = tmp_path / "rules"
    result = CliRunner().invoke(main, ["add", name, "--rules", str(rules)])
    assert result.exit_code == 0, result.output
    assert f"{name.upper()}_SECRET" in result.stdout
    assert f"https://YOUR-GATEWAY/hooks/{name}" in result.stdout

    # Its examples speak of the codes of this file.
    shutil.copyfile(library_folder() / "destinations.yaml.example", rules / "destinations.yaml")
    monkeypatch.setenv(f"{name.upper()}_SECRET", "x")
    monkeypatch.setenv("INTILERY_AUTH_TOKEN", "x")
    assert CliRunner().invoke(main, ["check", str(rules), "--strict"]).exit_code == 0
    assert " 0 failed" in CliRunner().invoke(main, ["test", str(rules)]).stdout


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "shopify.yaml").write_text("mine")
    result = CliRunner().invoke(main, ["add", "shopify", "--rules", str(tmp_path)])
    assert result.exit_code == 2
    assert "shopify.yaml is there already" in result.stderr
    assert (tmp_path / "shopify.yaml").read_text() == "mine"
    assert list(tmp_path.iterdir()) == [tmp_path / "shopify.yaml"]


def test_adding_as_json_names_what_is_to_be_done(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["add", "calendly", "--rules", str(tmp_path), "--json"])
    view = json.loads(result.stdout)
    assert view["files"][0] == str(tmp_path / "calendly.yaml")
    assert all(Path(file).is_file() for file in view["files"])
    assert view["secrets"] == ["CALENDLY_SECRET"]


def test_an_unknown_source_names_those_there_are(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["add", "shopfy", "--rules", str(tmp_path)])
    assert result.exit_code == 2
    assert "shopify" in result.stderr


def test_without_a_library_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("gateway.cli.packs._HERE", tmp_path / "gateway")
    with pytest.raises(SettingsError, match="did not come with"):
        packs()
