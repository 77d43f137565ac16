"""The reference: what it shows is true, it shows everything, and the committed pages are those of this code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from gateway.errors import AuthenticationFailed
from gateway.inbound.authentication import Scheme, scheme_from, sign, verify
from gateway.inbound.declared import KINDS
from gateway.inbound.presets import PRESETS, default_secret
from gateway.inbound.request import Request
from gateway.intilery.contract import timestamp
from gateway.rules import Arrival, Ruleset, Translation, load, translate
from gateway.rules.conditions import GROUPS
from gateway.rules.examples import run_examples
from gateway.rules.keys import RULE_KEYS, SOURCE_KEYS
from gateway.rules.load import load_files
from gateway.rules.mapping import OPERATORS as OPERATOR_KEYS
from gateway.rules.nodes import YAMLFile
from gateway.rules.operators import OPERATORS
from gateway.rules.reference.key_examples import RULES, SOURCES
from gateway.rules.reference.lookup import entry, names
from gateway.rules.reference.pages import pages
from gateway.rules.reference.shown import DESTINATIONS, RECEIVED, Shown, file_of
from gateway.rules.reference.source_page import EXAMPLES_FILE
from gateway.rules.reference.value_examples import (
    CONDITION_EXAMPLES,
    GROUP_EXAMPLES,
    OPERATOR_EXAMPLES,
    ROOT_EXAMPLES,
)
from gateway.rules.reference.verify_examples import KIND_EXAMPLES, KIND_WORDS, words_for
from gateway.rules.roots import ROOTS
from gateway.rules.schema import json_schema
from gateway.rules.schema.verification import keys_of
from gateway.rules.values import MISSING, describe
from tests.inbound.pairs import pair_for

DATA = "gateway/rules/reference"
SERVED_ROOTS = {"$", *ROOTS} - {
    root for root, key in {"batch": "events", "fetch": "fetch"}.items() if key not in SOURCE_KEYS
}
SHOWN: dict[str, Shown] = {
    **{f"source key {name}": shown for name, shown in SOURCES.items()},
    **{f"rule key {name}": shown for name, shown in RULES.items()},
    **{f"operator key {name}": shown for name, shown in OPERATOR_EXAMPLES.items()},
    **{f"root {name}": shown for name, shown in ROOT_EXAMPLES.items()},
    **{f"group {name}": shown for name, shown in GROUP_EXAMPLES.items()},
}


def loaded(shown: Shown, folder: Path) -> Ruleset:
    (folder / "shop.yaml").write_text(file_of(shown), encoding="utf-8")
    (folder / "destinations.yaml").write_text(DESTINATIONS, encoding="utf-8")
    for name, text in shown.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return load(folder, environ=dict(shown.environ))


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_does_what_the_reference_says(name: str, tmp_path: Path) -> None:
    shown = SHOWN[name]
    ruleset = loaded(shown, tmp_path)
    results = list(run_examples(ruleset, tmp_path))
    assert results
    assert [(result.name, result.difference) for result in results if not result.passed] == []


def facts_of(translation: Translation) -> dict[str, str | None]:
    facts: dict[str, str | None] = {
        "dedup_key": translation.dedup_key,
        "event_type": translation.event_type,
        "event_time": translation.event_time and timestamp(translation.event_time),
        "cancelled": translation.cancellations[-1].name if translation.cancellations else None,
    }
    if translation.commands:
        command = translation.commands[-1]
        once, limit = command.once, command.limit
        until = f" until {once.until.isoformat(timespec='milliseconds')[:-6]}Z" if once and once.until else ""
        facts |= {
            "once": once and once.key + until,
            "limit": limit and f"{limit.at_most} for {limit.key} in {limit.within} s",
            "name": command.name,
            "priority": str(command.priority),
            "on_unknown": str(command.on_unknown),
        }
    return facts


@pytest.mark.parametrize("name", [name for name, shown in SHOWN.items() if shown.facts])
def test_what_an_example_says_besides_is_true(name: str, tmp_path: Path) -> None:
    shown = SHOWN[name]
    source = loaded(shown, tmp_path).sources["shop"]
    now = datetime.fromisoformat(RECEIVED)
    arrival = Arrival(
        webhook_id="0" * 32, source="shop", body=shown.body, query=shown.query, path={}, received_at=now,
        headers={key.lower(): value for key, value in shown.headers.items()},
    )  # fmt: skip
    facts = facts_of(translate(source, arrival, now=now))
    assert {key: facts[key] for key in shown.facts} == dict(shown.facts)


CASES = [
    (operator, value, expected)
    for operator, tested in CONDITION_EXAMPLES.items()
    for expected, values in ((True, tested.holds), (False, tested.fails))
    for value in values
]


@pytest.mark.parametrize(
    ("operator", "value", "expected"),
    CASES,
    ids=[f"{one} {'holds for' if yes else 'fails for'} {describe(value)}" for one, value, yes in CASES],
)
def test_an_operator_holds_as_the_reference_says(operator: str, value: Any, expected: bool, tmp_path: Path) -> None:
    shown = Shown(
        says="", rules=f"rules:\n  - name: R\n    when: {{$.value: {CONDITION_EXAMPLES[operator].written}}}\n"
        "    track: {userId: u, event: E}\n",
    )  # fmt: skip
    source = loaded(shown, tmp_path).sources["shop"]
    arrival = Arrival(
        webhook_id="0" * 32, source="shop", body={} if value is MISSING else {"value": value}, headers={}, query={},
        path={}, received_at=datetime(2026, 1, 5, tzinfo=UTC),
    )  # fmt: skip
    assert bool(translate(source, arrival, now=arrival.received_at).matched) is expected


@pytest.mark.parametrize(
    ("table", "examples", "where"),
    [
        (SOURCE_KEYS, SOURCES, f"SOURCES of {DATA}/key_examples.py"),
        (RULE_KEYS, RULES, f"RULES of {DATA}/key_examples.py"),
        (
            OPERATOR_KEYS,
            OPERATOR_EXAMPLES,
            f"OPERATOR_EXAMPLES (and _SUMMARIES) of {DATA}/value_examples.py",
        ),
        (SERVED_ROOTS, ROOT_EXAMPLES, f"ROOT_EXAMPLES of {DATA}/value_examples.py"),
        (GROUPS, GROUP_EXAMPLES, f"GROUP_EXAMPLES (and _SUMMARIES) of {DATA}/value_examples.py"),
        (OPERATORS, CONDITION_EXAMPLES, f"CONDITION_EXAMPLES of {DATA}/value_examples.py"),
    ],
    ids=["source keys", "rule keys", "operator keys", "roots", "groups", "operators"],
)
def test_everything_has_an_example(table: Any, examples: Mapping[str, Any], where: str) -> None:
    lacking = [name for name in table if name not in examples]
    assert not lacking, (
        f"{', '.join(lacking)}: without an example. Add one to {where}: a piece of a rules file, a webhook and what it "
        "becomes; then run `make docs`"
    )
    gone = [name for name in examples if name not in table]
    assert not gone, f"{', '.join(gone)}: an example of what is no more; take it out of {where}"


# -- verification ----------------------------------------------------------------------------------------------------

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
SECRETS = {"SHOP_SECRET": "5ec2e7" * 8, "SHOP_PASSWORD": "pass", "SHOP_SECRET_OLD": "01d0" * 8}


def scheme(text: str) -> Scheme:
    root = YAMLFile("a.yaml", text).root
    assert root is not None
    return scheme_from(root.plain()["verify"])


@pytest.mark.parametrize("kind", KIND_EXAMPLES)
def test_an_example_of_a_scheme_lets_its_sender_in_and_nobody_else(kind: str) -> None:
    declared = scheme(KIND_EXAMPLES[kind])
    body = b'{"a": 1}'
    headers: dict[str, str] = {"content-type": "application/json", "x-shop-time": str(int(NOW.timestamp()))}
    private, public = pair_for(kind)
    secrets = {**SECRETS, "SHOP_PUBLIC_KEY": public}
    signed = sign(declared, body=body, headers=headers, credential=secrets.get, now=NOW, private_key=private)
    headers |= {name.lower(): value for name, value in signed.headers.items()}
    good = Request(
        source="shop", query=signed.query, headers=tuple(headers.items()), body=signed.body, received_at=NOW,
        client="192.0.2.7", proxied=True,
    )  # fmt: skip
    assert verify(declared, good, credential=secrets.get, now=NOW).request is good
    bad = Request(source="shop", headers=(), body=b'{"a": 2}', received_at=NOW)
    with pytest.raises(AuthenticationFailed):
        verify(declared, bad, credential=secrets.get, now=NOW)


def test_every_scheme_and_each_of_its_keys_is_explained() -> None:
    assert [kind for kind in KINDS if kind not in KIND_EXAMPLES or kind not in KIND_WORDS] == [], (
        "add it to KIND_WORDS and KIND_EXAMPLES of gateway/rules/reference/verify_examples.py"
    )
    assert [key for kind in KINDS for key in keys_of(kind) if not words_for(kind, key)] == [], (
        "add it to KEY_WORDS of gateway/rules/reference/verify_examples.py"
    )


# -- the pages -------------------------------------------------------------------------------------------------------


def test_the_examples_that_the_pages_show_pass(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(EXAMPLES_FILE, encoding="utf-8")
    results = list(run_examples(load(tmp_path, environ={}), tmp_path))
    assert [result.difference for result in results] == ["", "", ""]


VERIFY_FRAGMENTS = re.findall(r"```yaml fragment\n(verify:.*?)```", pages()["verify.md"], re.DOTALL)


@pytest.mark.parametrize("fragment", VERIFY_FRAGMENTS, ids=range(len(VERIFY_FRAGMENTS)))
def test_what_the_page_of_verification_shows_loads_and_is_valid(fragment: str) -> None:
    text = f"source: shop\n{fragment}"
    assert "shop" in load_files({"shop.yaml": text, "sender.pem": pair_for("rsa")[1]}, environ={}).sources
    root = YAMLFile("shop.yaml", text).root
    assert root is not None
    assert [error.message for error in Draft7Validator(json_schema()).iter_errors(root.plain())] == []


@pytest.mark.parametrize("preset", PRESETS)
def test_the_page_of_the_senders_has_a_row_with_all_that_is_known(preset: str) -> None:
    row = PRESETS[preset]
    lines = pages()["senders.md"].splitlines()
    (cells,) = [line.split(" | ") for line in lines if line.startswith(f"| `{preset}` ")]
    assert len(cells) == 9
    where, algorithm, signed, age, challenge, dedup, secret, source = cells[1:]
    assert where
    assert algorithm
    assert signed
    assert age == str(row.keys.get("tolerance", ""))
    assert challenge == (f"`{row.challenge}`" if row.challenge else "")
    assert dedup == (f"`{row.dedup_key}`" if row.dedup_key else "")
    assert secret == f"`{default_secret(preset)}`"
    assert source.removesuffix(" |") == row.source
    assert any(line.startswith(f"- `{preset}`: {row.title}") for line in lines)


def test_the_pages_name_everything() -> None:
    text = "\n".join(pages().values())
    forms = ("`{}`", "`${}`", "`{{{}:")
    assert [name for name in names() if not any(form.format(name) in text for form in forms)] == []


@pytest.mark.parametrize("name", names())
def test_one_name_can_be_looked_up(name: str) -> None:
    found = entry(name)
    assert found is not None
    assert found.startswith("### `")


def test_an_operator_key_is_looked_up_with_its_sign_and_a_filter_with_its_bar() -> None:
    assert entry("$each") is not None
    assert entry("| lower") == entry("lower")
    assert entry("nothing-like-it") is None
