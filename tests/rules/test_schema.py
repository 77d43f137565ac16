"""The JSON Schema: it takes what the loader takes, marks common mistakes, and its files are those of this code."""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from gateway.rules.filters import FILTERS
from gateway.rules.nodes import YAMLFile
from gateway.rules.reference.pages import pages
from gateway.rules.reference.shown import DESTINATIONS, file_of
from gateway.rules.reference.verify_examples import KIND_EXAMPLES
from gateway.rules.schema import DESTINATIONS_FILE, RULES_FILE, destinations_schema, json_schema, patterns, written
from gateway.rules.syntax import SyntaxProblem, read_expression
from tests.rules.test_reference import SHOWN

ROOT = Path(__file__).parent.parent.parent
LIBRARY = ROOT / "rules" / "library"
RULES = Draft7Validator(json_schema())
DESTINATIONS_SCHEMA = Draft7Validator(destinations_schema())


def plain(text: str) -> Any:
    file = YAMLFile("a.yaml", text)
    assert file.root is not None
    assert file.problems == []
    return file.root.plain()


def objections(text: str) -> list[str]:
    schema = DESTINATIONS_SCHEMA if re.search(r"^destinations:", text, re.MULTILINE) else RULES
    return [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in schema.iter_errors(plain(text))]


def test_the_schemas_are_schemas() -> None:
    Draft7Validator.check_schema(json_schema())
    Draft7Validator.check_schema(destinations_schema())


@pytest.mark.parametrize("file", sorted(LIBRARY.glob("*.yaml")), ids=lambda file: file.name)
def test_a_ready_source_is_valid(file: Path) -> None:
    assert objections(file.read_text(encoding="utf-8")) == []


def test_the_destinations_example_is_valid() -> None:
    text = (LIBRARY / "destinations.yaml.example").read_text(encoding="utf-8")
    assert list(DESTINATIONS_SCHEMA.iter_errors(plain(text))) == []


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_of_the_reference_is_valid(name: str) -> None:
    assert objections(file_of(SHOWN[name])) == []


@pytest.mark.parametrize("kind", KIND_EXAMPLES)
def test_an_example_of_a_scheme_is_valid(kind: str) -> None:
    assert objections(f"source: shop\n{KIND_EXAMPLES[kind]}") == []


BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTED = [
    (page.relative_to(ROOT).as_posix(), block)
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for block in BLOCK.findall(page.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize(("page", "block"), DOCUMENTED, ids=[f"{page}-{n}" for n, (page, _) in enumerate(DOCUMENTED)])
def test_a_file_in_the_documentation_is_valid(page: str, block: str) -> None:
    assert objections(block) == [], page


RULE = "source: shop\nverify: none\nrules:\n  - name: A\n"
MAIL = RULE + "    send_email: {userId: $.id, assetId: a}\n"
BAD = {
    "no source": "verify: none\n",
    "no verify": "source: shop\n",
    "a source in capitals": "source: Shop\nverify: none\n",
    "an unknown source key": "source: shop\nverify: none\nrule: []\n",
    "an unknown preset": "source: shop\nverify: shopfy\n",
    "a secret in the file": "source: shop\nverify: {bearer: {secret: hunter2}}\n",
    "a scheme without its key": "source: shop\nverify: {header: {name: X-Token}}\n",
    "an unknown key of hmac": "source: shop\nverify: {hmac: {header: X, secret: $env.A, algorythm: sha1}}\n",
    "an unknown algorithm": "source: shop\nverify: {hmac: {header: X, secret: $env.A, algorithm: sha3}}\n",
    "none beside a secret": "source: shop\nverify: [none, shopify]\n",
    "a path with a space": 'source: shop\nverify: none\npath: "{brand}/my orders"\n',
    "an event type that is no expression": "source: shop\nverify: none\nevent_type: order\n",
    "a body of another kind": "source: shop\nverify: none\nbody: yaml\n",
    "a let without a name": 'source: shop\nverify: none\nlet: {"my mail": $.email}\n',
    "a rule key under defaults that can't stand there": "source: shop\nverify: none\ndefaults: {when: {$.a: 1}}\n",
    "a rule without a name": "source: shop\nverify: none\nrules: [{send_email: {userId: a, assetId: b}}]\n",
    "a rule without a command": RULE + "    when: {$.a: 1}\n",
    "a misspelt rule key": MAIL + "    wen: {$.a: 1}\n",
    "two commands": MAIL + "    send_sms: {userId: $.id, assetId: a}\n",
    "delay and at": MAIL + "    delay: 1h\n    at: $.starts\n",
    "key without for_each": MAIL + "    key: $.id\n",
    "a delay of no unit": MAIL + "    delay: 30\n",
    "once that is the same for all": MAIL + "    once: always\n",
    "a limit without a time": MAIL + "    limit: {per: $.id, at_most: 3}\n",
    "a clock of 25 hours": MAIL + '    quiet_hours: {from: "25:00", to: "08:00"}\n',
    "another policy": MAIL + "    on_unknown_outcome: again\n",
    "a priority in words": MAIL + "    priority: high\n",
    "stop in words": MAIL + '    stop: "yes"\n',
    "no userId": RULE + "    send_email: {assetId: a}\n",
    "no assetId": RULE + "    send_email: {userId: $.id}\n",
    "no journey": RULE + "    start_journey: {userId: $.id, properties: {step: 1}}\n",
    "a messageId of one's own": RULE + "    send_email: {userId: $.id, assetId: a, messageId: b}\n",
    "an unknown field of track": RULE + "    track: {userId: $.id, event: E, total: 1}\n",
    "two names for one customer": RULE + "    identify: {userId: $.id, anonymousId: $.a}\n",
    "traits as text": RULE + "    identify: {userId: $.id, traits: none}\n",
    "a misspelt filter": RULE + "    send_email: {userId: $.id | lowr, assetId: a}\n",
    "a misspelt filter in a template": RULE + '    send_email: {userId: "a-{{ $.id | lowr }}", assetId: a}\n',
    "a template that is not closed": RULE + '    send_email: {userId: "a-{{ $.id", assetId: a}\n',
    "an unknown root": RULE + "    send_email: {userId: $headers.id, assetId: a}\n",
    "a bracket that is not closed": RULE + '    send_email: {userId: "$.a[0", assetId: a}\n',
    "a fact of the webhook that is none": RULE + "    send_email: {userId: $webhook.time, assetId: a}\n",
    "a secret in a command": RULE + "    send_email: {userId: $env.A, assetId: a}\n",
    "text that begins with $": RULE + "    send_email: {userId: a, assetId: a, price: $5}\n",
    "an unknown operator key": RULE + "    send_email: {userId: a, assetId: a, items: {$every: $.a, $as: 1}}\n",
    "$each without $as": RULE + "    send_email: {userId: a, assetId: a, items: {$each: $.a}}\n",
    "a key beside $literal": RULE + "    send_email: {userId: a, assetId: a, x: {$literal: 1, y: 2}}\n",
    "$pick without $from": RULE + "    send_email: {userId: a, assetId: a, x: {$pick: [y]}}\n",
    "a condition that is no expression": MAIL + "    when: {status: paid}\n",
    "an unknown operator": MAIL + "    when: {$.a: {equals: 1}}\n",
    "no operator": MAIL + "    when: {$.a: {}}\n",
    "in without a list": MAIL + "    when: {$.a: {in: paid}}\n",
    "exists in words": MAIL + '    when: {$.a: {exists: "yes"}}\n',
    "any without a list": MAIL + "    when: {any: {$.a: 1}}\n",
    "conditions as a list": MAIL + "    when: [{$.a: 1}]\n",
    "an example without an expectation": MAIL + "examples:\n  - {name: n, request: {body: {}}}\n",
    "an example without a request": MAIL + "examples:\n  - {name: n, expect: []}\n",
    "an unknown key of a request": MAIL + "examples:\n  - {request: {boddy: {}}, expect: []}\n",
    "an expectation that is no command": MAIL + "examples:\n  - {request: {body: {}}, expect: [{send_mail: {}}]}\n",
    "a destination without a token": "destinations: {uk: {client_id: acme}}\n",
    "a token in the file": "destinations: {uk: {client_id: acme, auth_token: abc}}\n",
    "an unknown key of a destination": "destinations: {uk: {client_id: a, auth_token: $env.A, brand: x}}\n",
    "a rate of nothing": "destinations: {uk: {client_id: a, auth_token: $env.A, rate: 0}}\n",
}


@pytest.mark.parametrize("what", BAD)
def test_a_mistake_is_marked(what: str) -> None:
    assert objections(BAD[what]) != []


def test_without_its_mistake_a_file_is_valid() -> None:
    """What the bad files are made of is good."""
    assert objections(MAIL) == []
    assert objections(RULE + "    SEND_SMS: {userId: $.id, assetId: 007}\n") == []
    assert objections("source: shop\nverify: none\n") == []
    assert objections(DESTINATIONS) == []


GOOD_EXPRESSIONS = (
    "$", "$.a", "$.a.b[0].c", "$.items[?(@.qty > 1)].sku", "$..email", "$[0]", "$['first name']", "$.a[*].b | first",
    "$item", "$item.sku", "$outer.x", "$batch[0]", "$let.email", "$let.a.b", "$header.X-Shop-Id", "$query['a.b']",
    "$path.brand", "$asset.order-confirmation", "$webhook.received_at", "$webhook.id|string",
    "$.a | default('a | b')", "$.a|default(\"x)\")|trim", "$.t | date('%d', zone: 'Europe/London')",
    "$.a | lookup('t', $.b | lower)", "$.a[?(@.x == 'a|b' || @.y)].z | join(', ')",
)  # fmt: skip
BAD_EXPRESSIONS = (
    "", "a", "$a", "$5", "$let", "$header", "$env.A", "$webhook.time", "$.a | lowr", "$.a |", "$.a | lower upper",
    "$.a | default('x", "$.a | default(1", "$.a[0", "$.a ]", "$.a | lower | upcase",
)  # fmt: skip


@pytest.mark.parametrize("text", GOOD_EXPRESSIONS)
def test_the_pattern_takes_an_expression(text: str) -> None:
    assert re.search(patterns.EXPRESSION, text)
    assert re.search(patterns.TEXT, text)
    assert re.search(patterns.TEXT, f"a {{{{ {text} }}}} b {{{{{text}}}}}")
    assert re.search(patterns.DYNAMIC, text)


@pytest.mark.parametrize("text", BAD_EXPRESSIONS)
def test_the_pattern_refuses_what_is_none(text: str) -> None:
    assert not re.search(patterns.EXPRESSION, text)
    assert not re.search(patterns.DYNAMIC, text)
    assert not re.search(patterns.TEXT, f"a {{{{ {text} }}}} b")


@given(st.text(alphabet="$.ab[]'\"|(){} ,@*0?\\", max_size=40))
def test_the_pattern_and_the_reader_agree_on_brackets_and_quotes(tail: str) -> None:
    """Where the pattern takes a text, the reader can take it apart into the same filters."""
    text = f"$.x{tail}"
    if re.search(patterns.EXPRESSION, text):
        # What stands inside of brackets is not the pattern's to judge.
        with suppress(SyntaxProblem):
            assert {call.name for call in read_expression(text).calls} <= set(FILTERS)


@pytest.mark.parametrize("pattern", [patterns.EXPRESSION, patterns.DYNAMIC, patterns.TEXT])
@pytest.mark.parametrize("piece", ["(", "[", "{{ ", "$.a|", " ", "'", "$.a | trim ", "{{ $.a }} ", "\\"])
def test_a_long_text_is_judged_at_once(pattern: str, piece: str) -> None:
    """Editors run the patterns at every key stroke: none may backtrack without end. This one ends, or never does."""
    re.search(pattern, "$.a" + piece * 2000 + "!")
    re.search(pattern, "{{ $.a" + piece * 2000 + "!")


def undescribed(schema: Any, where: str = "") -> list[str]:
    """The properties that say nothing about themselves."""
    if not isinstance(schema, dict):
        return []
    found = [
        f"{where}.{name}"
        for name, one in schema.get("properties", {}).items()
        if isinstance(one, dict) and not one.get("description")
    ]
    for key in ("properties", "definitions"):
        for name, one in schema.get(key, {}).items():
            found += undescribed(one, f"{where}.{name}")
    for one in (schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())):
        found += undescribed(one, where)
    return found


def test_every_key_is_described() -> None:
    assert undescribed(json_schema()) == []
    assert undescribed(destinations_schema()) == []


def test_every_filter_is_offered() -> None:
    offered = {
        snippet["label"].rpartition(" ")[2] for snippet in json_schema()["definitions"]["value"]["defaultSnippets"]
    }
    assert offered == set(FILTERS)


@pytest.mark.parametrize(
    ("name", "schema"),
    [(RULES_FILE, json_schema()), (DESTINATIONS_FILE, destinations_schema())],
    ids=["rules", "destinations"],
)
def test_the_committed_schema_is_of_this_code(name: str, schema: dict[str, Any]) -> None:
    assert (LIBRARY / name).read_text(encoding="utf-8") == written(schema), (
        f"rules/library/{name} is not what the code says now; run `make docs`"
    )


@pytest.mark.parametrize("name", pages())
def test_the_committed_page_is_of_this_code(name: str) -> None:
    page = ROOT / "docs" / "reference" / name
    assert page.exists(), f"docs/reference/{name} is not there; run `make docs`"
    assert page.read_text(encoding="utf-8") == pages()[name], (
        f"docs/reference/{name} is not what the code says now; run `make docs`"
    )


def test_numbers_are_judged_as_yaml_reads_them() -> None:
    assert not list(
        RULES.iter_errors(plain(MAIL.replace("assetId: a", "assetId: a, total: 0.10, n: 12345678901234567890")))
    )
    assert isinstance(plain("a: 0.10")["a"], Decimal)
