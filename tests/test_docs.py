"""What the documentation says exists, and what exists is documented.

The documentation is README.md, CHANGELOG.md and every Markdown file under docs/ and bench/. Its fenced ``yaml`` blocks
are complete files, of rules (``source:``) or of destinations (``destinations:``), and load. A piece of a file is fenced
as ``yaml fragment`` and has to be YAML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from ruamel.yaml import YAML

from gateway.cli import main
from gateway.rules import load
from gateway.settings import SETTINGS, Setting

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").rglob("*.md")]
)
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$", re.MULTILINE | re.DOTALL)
SECRETS = re.compile(r"\$env\.(\w+)")


class Block(NamedTuple):
    page: str
    line: int
    info: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(name: str, text: str) -> Iterator[Block]:
    for found in FENCE.finditer(text):
        inner = re.sub(rf"^{found['indent']}", "", found["text"], flags=re.MULTILINE)
        yield Block(name, text.count("\n", 0, found.start()) + 2, found["info"].strip(), inner)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


BLOCKS = [block for page in PAGES for block in blocks(page_name(page), read(page))]
YAML_BLOCKS = [block for block in BLOCKS if block.info.split(" ")[0] in ("yaml", "yml")]
EVERYTHING = "\n".join(read(page) for page in PAGES if page.name != "CHANGELOG.md")


# -- the command line ---------------------------------------------------------------------------------------------


def commands(group: click.Command, path: tuple[str, ...] = ("gateway",)) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its words: ``gateway rules``."""
    if isinstance(group, click.Group):
        for name, command in group.commands.items():
            yield from commands(command, (*path, name))
        if not group.invoke_without_command:
            return
    if len(path) > 1:
        yield " ".join(path), group


COMMANDS = {name: command for name, command in commands(main) if not command.hidden}


def test_there_are_commands() -> None:
    assert {"gateway serve", "gateway demo", "gateway check", "gateway test", "gateway try"} <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_documented(name: str) -> None:
    assert re.search(rf"{re.escape(name)}\b", EVERYTHING), f"`{name}` stands in no page of docs/ and not in README.md"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_shows_an_example(name: str) -> None:
    words = name.split(" ")
    text = COMMANDS[name].get_help(click.Context(COMMANDS[name], info_name=name))
    usage, _, rest = text.partition("\n")
    assert usage.startswith("Usage: ")
    _, found, example = rest.partition("Example")
    assert found, f"{name} --help has no example"
    assert re.search(rf"\b{' '.join(words)}\b", example), f"the example of {name} --help does not run {name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_has_help(name: str) -> None:
    options = [option for option in COMMANDS[name].params if isinstance(option, click.Option) and not option.hidden]
    assert [option.opts[0] for option in options if not option.help] == []


def named_commands(text: str) -> set[str]:
    """The second word of ``gateway …`` where a page shows code: in backticks, or at the start of a line of a block."""
    code = "\n".join(block.text for block in blocks("", text) if block.info in ("", "sh", "bash", "console", "text"))
    prose = FENCE.sub("", text)
    return {
        *re.findall(r"`(?:\.venv/bin/)?gateway ([a-z][a-z-]*)", prose),
        *re.findall(r"^\s*(?:\$ )?(?:\.venv/bin/)?gateway ([a-z][a-z-]*)", code, re.MULTILINE),
    }


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_a_command_that_a_page_names_exists(page: Path) -> None:
    assert {name for name in named_commands(read(page)) if f"gateway {name}" not in COMMANDS} == set()


def test_commands_are_found_in_a_page() -> None:
    text = "Run `gateway one --x`, not gateway nothing.\n\n```sh\n$ gateway two\ngateway three  # gateway four\n```\n"
    assert named_commands(text) == {"one", "two", "three"}


# -- settings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_is_documented_with_its_default(setting: Setting) -> None:
    lines = [line for line in EVERYTHING.splitlines() if f"`{setting.name}`" in line]
    assert lines, f"`{setting.name}` stands in no page of docs/ and not in README.md: {setting.help}"
    if setting.default is not None:
        assert any(f"`{setting.default}`" in line for line in lines), (
            f"no line that names `{setting.name}` gives its default, `{setting.default}`"
        )


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_a_setting_that_a_page_names_exists(page: Path) -> None:
    known = {name for setting in SETTINGS for name in (setting.name, f"{setting.name}_FILE" * setting.secret)}
    assert set(re.findall(r"\bGATEWAY_[A-Z_]*[A-Z]\b", read(page))) - known == set()


# -- links --------------------------------------------------------------------------------------------------------


def headings(text: str) -> set[str]:
    """The anchors that a Markdown page has."""
    titles = re.findall(r"^#{1,6} +(.+?) *#*$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def broken_links(page: Path) -> list[str]:
    prose = re.sub(r"`[^`\n]*`", "", FENCE.sub("", read(page)))
    found = []
    for target in re.findall(r"\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)", prose):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        other = page if not path else page.parent / path
        if not other.exists():
            found.append(f"{target}: no such file")
        elif anchor and other.suffix == ".md" and anchor not in headings(read(other)):
            found.append(f"{target}: no such heading; there are {', '.join(sorted(headings(read(other))))}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("# One & two\n[x](b.md) [y](#one--two) [z](#three) [w](https://example.com/) `[v](c.md)`\n")
    missing, anchor = broken_links(page)
    assert missing == "b.md: no such file"
    assert anchor.startswith("#three: no such heading")


# -- rules files --------------------------------------------------------------------------------------------------


def kind(block: Block) -> str:
    if block.info.split(" ")[1:] == ["fragment"]:
        return "fragment"
    return next(
        (key for key in ("source", "destinations") if re.search(rf"^{key}:", block.text, re.MULTILINE)), "other"
    )


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=str)
def test_a_yaml_block_is_what_it_says(block: Block, tmp_path: Path) -> None:
    """Rules load with the first destinations file of their page beside them, and with every secret set."""
    match kind(block):
        case "fragment":
            assert YAML(typ="safe").load(block.text) is not None
        case "source":
            beside = [other for other in YAML_BLOCKS if other.page == block.page and kind(other) == "destinations"]
            (tmp_path / "documented.yaml").write_text(block.text, encoding="utf-8")
            for other in beside[:1]:
                (tmp_path / "destinations.yaml").write_text(other.text, encoding="utf-8")
            texts = [block.text, *(other.text for other in beside[:1])]
            load(tmp_path, environ=dict.fromkeys(SECRETS.findall("\n".join(texts)), "a-secret"))
        case "destinations":
            (tmp_path / "destinations.yaml").write_text(block.text, encoding="utf-8")
            load(tmp_path, environ=dict.fromkeys(SECRETS.findall(block.text), "a-secret"))
        case _:
            pytest.fail(f"{block}: neither a rules file nor a destinations file; fence a piece as `yaml fragment`")


def test_there_is_a_rules_file_to_read_aloud() -> None:
    assert [block for block in YAML_BLOCKS if block.page == "README.md" and kind(block) == "source"]


NAMED = [
    path
    for folder in ("", "intilery", "inbound", "rules", "delivery")
    for path in sorted((ROOT / "gateway" / folder).glob("*.py"))
    if not path.stem.startswith("__")
]


@pytest.mark.parametrize("path", NAMED, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_house_as_built_names_every_module(path: Path) -> None:
    """docs/architecture.md is kept true: who opens a folder finds each file's place in the story there."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert re.search(rf"\b{path.stem}\b", page), (
        f"{path.relative_to(ROOT)}: docs/architecture.md does not say what it is"
    )
