"""The version of a rules folder: of its files' texts and nothing else; and the git revision that they are of."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gateway.errors import RulesError
from gateway.rules import load, paths_of, version_of
from tests import shop

ENVIRON = {"SHOP_SECRET": "s", "INTILERY_AUTH_TOKEN": "t"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return shop.write_rules(tmp_path / "rules")


def revision(folder: Path) -> str | None:
    return load(folder, environ=ENVIRON).version.revision


def test_reading_tells_the_version_that_loading_gives(folder: Path) -> None:
    assert version_of(folder) == load(folder, environ=ENVIRON).version.version


def test_it_is_that_of_the_texts(folder: Path, tmp_path: Path) -> None:
    before = version_of(folder)
    (folder / "shop.yaml").touch()
    (folder / "notes.md").write_text("no rules file")
    # What editors and copiers leave beside the file that they write.
    for name in (".shop.yaml", ".shop.yaml.swp", "shop.yaml~", "#shop.yaml#", "._shop.yaml"):
        (folder / name).write_bytes(b"\xff half a file")
    (folder / ".#shop.yaml").symlink_to("nobody@nowhere")
    assert version_of(folder) == before
    assert list(paths_of(folder)) == ["brands.yaml", "destinations.yaml", "shop.yaml"]
    assert load(folder, environ=ENVIRON).version.version == before
    (folder / "codes.csv").write_text("a,b\n")
    assert version_of(folder) not in (before, None)
    elsewhere = tmp_path / "production.yaml"
    elsewhere.write_text(shop.DESTINATIONS + "# another\n")
    (folder / "codes.csv").unlink()
    assert version_of(folder, destinations=elsewhere) not in (before, None)


def test_what_cannot_be_read_has_none(folder: Path, tmp_path: Path) -> None:
    (folder / "shop.yaml").write_bytes(b"\xff\xfe")
    assert version_of(folder) is None
    assert version_of(tmp_path / "nowhere") is None
    assert version_of(folder / "shop.yaml") is None
    with pytest.raises(RulesError, match="there is no such folder"):
        load(tmp_path / "nowhere", environ=ENVIRON)


@pytest.fixture
def repository(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    git(folder.parent, "init", "-q")
    return folder


def git(folder: Path, *words: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=A", "-c", "user.email=a@b.example", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_revision_says_whether_the_files_are_those_of_it(repository: Path) -> None:
    assert revision(repository) is None  # nothing was committed yet
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "Rules")
    commit = git(repository, "rev-parse", "HEAD")[:12]
    assert revision(repository) == commit
    (repository.parent / "elsewhere.yaml").write_text("")
    (repository / "notes.md").write_text("")
    assert revision(repository) == commit
    (repository / "shop.yaml").write_text(shop.RULES + "# changed\n")
    assert revision(repository) == f"{commit}+dirty"
    git(repository, "checkout", "-q", "shop.yaml")
    assert revision(repository) == commit
    (repository / ".gitignore").write_text("more.yaml\n")
    (repository / "more.yaml").write_text("source: more\nverify: none\nrules: []\n")
    assert revision(repository) == f"{commit}+dirty"


def test_a_folder_outside_git_has_no_revision(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert revision(folder) is None
    monkeypatch.setenv("PATH", "")
    assert revision(folder) is None
