"""What ``load`` says about every known mistake, word for word; and that it says nothing else to any text at all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.errors import RulesError
from gateway.rules import Problem, Ruleset, load
from gateway.rules.load import load_files
from gateway.rules.problems import choices, did_you_mean
from tests.effort import tries
from tests.rules.mistakes import MISTAKES
from tests.rules.mistakes.fine import FINE
from tests.rules.mistakes.mistake import DESTINATIONS, HEAD, SEND, Files, Mistake, value, when

ENVIRON = {"INTILERY_CLIENT_ID": "acme", "INTILERY_AUTH_TOKEN": "x", "UK_TOKEN": "x", "IE_TOKEN": "x"}
ANY_MACHINE = settings(max_examples=tries(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])


def written(folder: Path, files: str | Files) -> Path:
    for name, text in ({"shop.yaml": files} if isinstance(files, str) else files).items():
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def said(folder: Path, files: str | Files) -> list[str]:
    """All that is said about a folder, problems or warnings; the file's name only where there are several."""
    try:
        found = [f"warning {warning}" for warning in load(written(folder, files), environ=ENVIRON).warnings]
    except RulesError as error:
        found = [str(problem) for problem in error.problems]
    found = [line.replace(f"{folder}/", "", 1) for line in found]
    alone = isinstance(files, str) or len(files) == 1
    return [line.replace("shop.yaml:", "", 1) for line in found] if alone else found


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_mistake(mistake: Mistake, tmp_path: Path) -> None:
    assert said(tmp_path, mistake.files) == list(mistake.said)


@pytest.mark.parametrize(("name", "files"), FINE, ids=[name for name, _ in FINE])
def test_what_looks_like_a_mistake_and_is_none(name: str, files: str | Files, tmp_path: Path) -> None:
    assert said(tmp_path, files) == []


def test_every_mistake_has_a_name_of_its_own() -> None:
    assert len({mistake.name for mistake in MISTAKES}) == len(MISTAKES)


@pytest.mark.parametrize(
    "word", ["None", "dict", "tuple", "NoneType", "Traceback", "scalar", "simple key", "stream end"]
)
def test_no_word_of_a_programmer(word: str) -> None:
    pattern = re.compile(rf"(?<![\w$.'_]){word}(?![\w'_])")
    assert [line for mistake in MISTAKES for line in mistake.said if pattern.search(line)] == []


def test_a_corrected_line_loads(tmp_path: Path) -> None:
    """What a message says to write is right: put in place of the wrong line, nothing is said about it any more."""
    tried = 0
    for mistake in MISTAKES:
        # The lines that the text itself says to write, where nothing else is wrong in the file.
        if not isinstance(mistake.files, str) or len(mistake.said) != 1 or "; write: " not in mistake.said[0]:
            continue
        place, _, line = mistake.said[0].partition("; write: ")
        number = int(place.split(":")[0])
        lines = mistake.files.split("\n")
        old = lines[number - 1]
        lines[number - 1] = old[: len(old) - len(old.lstrip())] + line
        again = said(tmp_path, "\n".join(lines))
        assert not any(one.startswith(f"{number}:") and "; write: " in one for one in again), (mistake.name, again)
        tried += 1
    assert tried > 25


# -- files ---------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RulesError) as error:
        load(tmp_path / "gone", environ=ENVIRON)
    assert (
        str(error.value)
        == f"{tmp_path / 'gone'}:1:1: there is no such folder of rules files; gateway add or gateway new makes one"
    )


def test_a_file_of_another_ending_is_not_served(tmp_path: Path) -> None:
    assert said(tmp_path, {"shop.yml": value("1")}) == [
        "warning shop.yml:1:1: is not served: only *.yaml is; rename it"
    ]


def test_a_folder_of_a_files_name_is_not_served(tmp_path: Path) -> None:
    (tmp_path / "inn.yaml").mkdir()
    assert said(tmp_path, {"shop.yaml": value("1")}) == ["warning inn.yaml:1:1: is a folder, and only files are served"]


def test_a_link_to_nothing_is_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    # Not a source that was taken away: its hook would answer 404.
    (tmp_path / "inn.yaml").symlink_to("gone.yaml")
    assert said(tmp_path, {"shop.yaml": value("1"), "b.csv": "k,v\n"}) == [
        "inn.yaml:1:1: can't be read: No such file or directory (a link to gone.yaml)"
    ]


def test_a_problem_names_the_way_to_its_file(tmp_path: Path) -> None:
    with pytest.raises(RulesError) as error:
        load(written(tmp_path, value("$.a | uper")), environ=ENVIRON)
    assert error.value.problems[0].file == str(tmp_path / "shop.yaml")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(RulesError, match=r"shop\.yaml:1:1: has 1,000,001 bytes; a file has at most 1,000,000"):
        load(written(tmp_path, "#" * 1_000_001), environ=ENVIRON)


def test_a_byte_that_is_not_utf8_is_pointed_at(tmp_path: Path) -> None:
    with pytest.raises(RulesError) as error:
        load(written(tmp_path, {"shop.yaml": f"{HEAD}title: Café ".encode() + b"caf\xe9\n"}), environ=ENVIRON)
    (problem,) = error.value.problems
    assert (problem.line, problem.column, problem.source[12:15]) == (3, 16, "caf")


def test_secrets_that_are_not_set_are_pointed_at(tmp_path: Path) -> None:
    unset = "IE_TOKEN is not set (nor IE_TOKEN_FILE)"
    unreadable = "A_SECRET_OLD is not set: the file that A_SECRET_OLD_FILE names can't be read"
    files = {"shop.yaml": "source: shop\nverify:\n  stripe:\n    secret: [$env.A_SECRET, $env.A_SECRET_OLD]\n"}
    (tmp_path / "token").touch()
    environ = {"UK_TOKEN_FILE": str(tmp_path / "token"), "A_SECRET_OLD_FILE": str(tmp_path / "none")}
    ruleset = load(written(tmp_path, {**files, "destinations.yaml": DESTINATIONS}), environ=environ)
    assert [str(warning).removeprefix(f"{tmp_path}/") for warning in ruleset.warnings] == [
        "shop.yaml:4:14: source 'shop' is disabled: A_SECRET is not set (nor A_SECRET_FILE)",
        f"shop.yaml:4:29: source 'shop' is disabled: {unreadable}",
        f"destinations.yaml:9:17: destination 'ie' is disabled: {unset}; its commands wait",
    ]


def test_what_stands_in_no_file_names_none(tmp_path: Path) -> None:
    (warning,) = load(written(tmp_path, {"shop.yaml": f"{HEAD}rules: []\n"}), environ={}).warnings
    assert str(warning) == "destination 'default' is disabled: INTILERY_CLIENT_ID is not set; its commands wait"
    assert (warning.file, warning.excerpt) == ("", "")


# -- excerpts ------------------------------------------------------------------------------------------------------


def excerpt(source: str, column: int, line: int = 7) -> str:
    return Problem(file="shop.yaml", line=line, column=column, message="x", source=source).excerpt


def test_an_excerpt_has_a_caret_under_the_place() -> None:
    assert excerpt("  total: $.a | uper", 16) == "     7 |   total: $.a | uper\n       |                ^"


def test_an_excerpt_of_a_line_that_is_not_known_is_empty() -> None:
    assert excerpt("", 1) == ""


@pytest.mark.parametrize(
    ("source", "column", "before"),
    [
        ("\tx: $.a", 2, " "),
        ("名前: $.a", 5, "名前: "),
        ("🎉🎉: $.a", 3, "🎉🎉"),
        ("e\u0301: $.a", 3, "e\u0301"),
        ("a\x07b", 3, "a "),
    ],
)
def test_a_caret_stands_under_a_character_of_any_width(source: str, column: int, before: str) -> None:
    widths = {"名": 2, "前": 2, "🎉": 2, "\u0301": 0}
    shown, caret = excerpt(source, column).split("\n")
    assert shown.removeprefix("     7 | ").startswith(before)
    assert caret == "       | " + " " * sum(widths.get(character, 1) for character in before) + "^"


@pytest.mark.parametrize("column", [1, 50, 150, 290, 300, 301])
def test_of_a_long_line_the_part_around_the_caret_is_shown(column: int) -> None:
    source = "".join(f"{number:<10}" for number in range(30))
    shown, caret = excerpt(source, column).split("\n")
    assert len(shown) <= 9 + 100 + 4
    at = caret.index("^")
    assert shown[at : at + 3].strip("… ") == source[column - 1 : column + 2].strip()
    assert shown.removesuffix(" …")[-1:] == (source[-1] if not shown.endswith("…") else shown.removesuffix(" …")[-1:])


@given(st.text(max_size=300), st.integers(1, 310))
def test_any_line_has_an_excerpt(source: str, column: int) -> None:
    found = excerpt(source, column)
    assert found == "" if not source else len(found.split("\n")) == 2


# -- what is near --------------------------------------------------------------------------------------------------


def test_what_is_near_is_asked_for() -> None:
    assert did_you_mean("Colour", ["color", "size"]) == "; did you mean 'color'?"
    assert did_you_mean("weight", ["color", "size"]) == ""


def test_a_short_list_is_shown_and_a_long_one_where_nothing_is_near() -> None:
    long = [f"{letter}{letter}{letter}" for letter in "abcdefghij"]
    assert choices("ret", ["red", "blue"]) == "; allowed: red, blue; did you mean 'red'?"
    assert choices("aab", long) == "; did you mean 'aaa'?"
    assert choices("xyz", long) == f"; allowed: {', '.join(long)}"
    assert choices("x", [], what="known") == "; known: none"


# -- any text ------------------------------------------------------------------------------------------------------

WHOLE = """\
# A shop.
source: shop
title: 'It''s a shop'
path: "{brand}"
verify: {bearer: {secret: $env.UK_TOKEN}}
zone: Europe/London
dedup_key: [$.id, $header.X-Id]
ignore: {$.test: true}
let:
  email: $.email | lower
  customer: $.customer.id | default($let.email)
tables: {brands: {uk: Shop UK, ie: Shop IE}}
defaults: {priority: 5, expires: 2d}
rules:
  - name: Order confirmation
    when:
      $header.X-Topic: orders/create
      $.status: [paid, authorized]
      any: [{$.total: {gt: 5, lt: 100}}, {not: {$.vip: false}}]
    identify: {userId: $let.customer, traits: {email: $let.email}}
    send_email:
      userId: $let.customer
      assetId: A1
      brand: $path.brand | lookup(brands)
      text: |
        Dear {{ $.name | default('you') }},
        thank you.
      items: {$each: '$.items[?(@.qty > 0)]', $as: {sku: $item.sku}}
  - name: Reminder
    for_each: $.bookings[*]
    key: $item.id
    at: $item.starts_at | date_add('-24h')
    if_past: skip
    send_sms: {userId: $let.customer, assetId: "007"}
examples:
  - name: nothing
    request: {body: {id: 1}}
    expect: []
"""


def read(text: str) -> Ruleset | RulesError:
    """What comes of any text: the rules, or an error whose every problem has its place inside of the file."""
    try:
        return load_files({"shop.yaml": text}, environ=ENVIRON)
    except RulesError as refused:
        error = refused
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    for problem in error.problems:
        assert 1 <= problem.line <= len(lines), problem
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1, problem
        assert problem.source == lines[problem.line - 1], problem
        assert problem.message.isprintable(), problem
        assert problem.excerpt.count("\n") <= 1
    assert error.problems
    assert list(error.problems) == sorted(error.problems, key=lambda one: (one.line, one.column))
    return error


def test_the_whole_file_is_good() -> None:
    ruleset = read(WHOLE)
    assert isinstance(ruleset, Ruleset)
    assert ruleset.warnings == ()


@ANY_MACHINE
@given(st.text())
def test_any_text_is_read_or_refused_with_places(text: str) -> None:
    read(text)


@ANY_MACHINE
@given(st.text(alphabet=" \n-:{}[],'\"|>&*!%@`#?$.abx1{}()\\\t"))
@example("{{}}")
@example("? a\n: b")
@example("a: !<tag> b")
@example('"\\UFFFFFFFF"')
@example("- - - a\n   b")
@example("a: |9\n b")
@example("--- a\n...\nb")
@example("%YAML 3.0\n--- a")
@example("a: &x\n  b: *x")
@example("{a: {b: [$.c[}")
def test_any_yaml_is_read_or_refused_with_places(text: str) -> None:
    read(text)
    read(HEAD + text)


PIECES = (
    " ", "\t", "\n", "  ", "'", '"', "{", "}", "[", "]", "(", ")", ",", ": ", ":", "#", " #", "$", "|", "*", "&",
    "!", "{{", "}}", "- ", "é", "🎉", "\u00a0", "\x00", "\r", "0", "a", "$.", "$item", "[*]", "..", "`", "@", "%", "\\",
)  # fmt: skip


@ANY_MACHINE
@given(
    st.lists(
        st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 12), st.sampled_from(("", *PIECES))),
        min_size=1,
        max_size=4,
    )
)
def test_a_good_file_with_slips_is_read_or_refused_with_places(slips: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for at, deleted, piece in slips:
        text = text[:at] + piece + text[at + deleted :]
    read(text)


@ANY_MACHINE
@given(st.data())
def test_a_good_file_with_its_lines_moved_is_read_or_refused_with_places(data: st.DataObject) -> None:
    lines = WHOLE.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        slip = data.draw(st.sampled_from(["delete", "double", "indent", "outdent", "swap"]))
        if slip == "delete":
            del lines[at]
        elif slip == "double":
            lines.insert(at, lines[at])
        elif slip == "indent":
            lines[at] = " " + lines[at]
        elif slip == "outdent":
            lines[at] = lines[at].removeprefix(" ")
        else:
            other = data.draw(st.integers(0, len(lines) - 1))
            lines[at], lines[other] = lines[other], lines[at]
    read("\n".join(lines))


@ANY_MACHINE
@given(st.text(alphabet=st.characters(exclude_categories=("Cs", "Cc")), max_size=60))
def test_any_expression_is_read_or_refused_with_places(text: str) -> None:
    read(value("'$." + text.replace("'", "''") + "'"))
    read(when("'$" + text.replace("'", "''") + "': x"))
    read(value("'{{ $." + text.replace("'", "''") + " }}'"))


def test_a_file_full_of_mistakes_gives_them_all(tmp_path: Path) -> None:
    body = "".join(f"  - name: Rule {number}\n    {SEND[:-1]}, x: $.a | uper}}\n" for number in range(300))
    found = said(tmp_path, f"{HEAD}rules:\n{body}")
    assert len(found) == 300
    assert len(set(found)) == 300
    assert found[0] == "5:54: there is no filter 'uper'; did you mean 'upper'?"
