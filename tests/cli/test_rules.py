"""``gateway check``, ``test`` and ``try``, as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from gateway.cli import main
from tests import shop

EXAMPLES = """\
examples:
  - name: an order sends one confirmation
    request: {headers: {X-Shop-Topic: orders/create}, body: {number: "#1", customer: {id: u1, email: a@b.example}}}
    expect:
      - identify: {userId: u1}
      - send_email: {userId: u1, assetId: 202601-ORDER}
"""
WRONG = """\
  - name: this one is wrong
    request: {headers: {X-Shop-Topic: orders/create}, body: {number: "#1", customer: {id: u1}}}
    expect: []
"""


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in shop.environ(tmp_path).items():
        monkeypatch.setenv(name, value)
    shop.write_rules(tmp_path / "rules")


def run(*words: str, input: str | None = None) -> Result:
    return CliRunner().invoke(main, words, input=input, prog_name="gateway")


def test_check_says_that_all_is_good() -> None:
    result = run("check")
    assert result.exit_code == 0, result.output
    assert "2 sources, 3 rules, no problems" in result.stdout
    assert result.stderr == ""


def test_check_prints_every_problem_where_it_is(tmp_path: Path) -> None:
    bad = shop.RULES.replace("assetId: SMS-1", "asetId: SMS-1").replace(
        "orders/create}", "orders/create, $.x: {gtt: 1}}"
    )
    file = tmp_path / "rules" / "shop.yaml"
    file.write_text(bad)
    result = run("check", str(tmp_path / "rules"))
    assert result.exit_code == 1
    problems = [line for line in result.stderr.splitlines() if line.startswith(f"{file}:")]
    assert len(problems) >= 2
    assert "^" in result.stderr
    assert result.stdout == ""

    result = run("check", str(tmp_path / "rules"), "--json")
    assert result.exit_code == 1
    assert result.stderr == ""
    view = json.loads(result.stdout)
    assert view["ok"] is False
    assert [f"{row['file']}:{row['line']}:{row['column']}: {row['message']}" for row in view["problems"]] == problems


def test_check_strict_fails_on_an_unset_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_SECRET")
    relaxed = run("check")
    assert relaxed.exit_code == 0
    assert "SHOP_SECRET is not set" in relaxed.stderr
    assert run("check", "--strict").exit_code == 1
    assert json.loads(run("check", "--strict", "--json").stdout)["ok"] is False


def test_check_lists_the_secrets_and_shows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_SECRET")
    result = run("check", "--secrets", "--json")
    assert json.loads(result.stdout)["secrets"] == [
        {"name": "SHOP_SECRET", "set": False, "for": "source shop", "at": "shop.yaml:4"},
        {"name": "INTILERY_AUTH_TOKEN", "set": True, "for": "destination default", "at": "destinations.yaml:4"},
        {"name": "INTILERY_AUTH_TOKEN", "set": True, "for": "destination uk", "at": "destinations.yaml:4"},
    ]
    assert "SHOP_SECRET" in run("check", "--secrets").stdout
    monkeypatch.setenv("SHOP_SECRET", shop.SECRET)
    assert shop.SECRET not in run("check", "--secrets").output


def test_test_runs_every_example(tmp_path: Path) -> None:
    (tmp_path / "rules" / "shop.yaml").write_text(shop.RULES + EXAMPLES)
    result = run("test")
    assert result.exit_code == 0, result.output
    assert "1 passed, 0 failed\nwithout an example: brands\n" in result.stdout


def test_test_names_what_it_did_not_test(tmp_path: Path) -> None:
    result = run("test")
    assert (result.exit_code, result.stdout) == (0, "0 passed, 0 failed\nwithout an example: brands, shop\n")
    assert json.loads(run("test", "--json").stdout) == {
        "passed": 0,
        "failed": 0,
        "untested": ["brands", "shop"],
        "examples": [],
    }
    (tmp_path / "none").mkdir()
    assert run("test", str(tmp_path / "none")).stdout == (
        f"0 passed, 0 failed\nnothing is tested: no *.yaml of a source stands directly in {tmp_path / 'none'}\n"
    )


def test_test_warns_of_a_field_that_was_left_out(tmp_path: Path) -> None:
    rules = shop.RULES.replace("email: $.customer.email", "email: $.customer.email, phone: '$.phones | lower'")
    assert rules != shop.RULES
    (tmp_path / "rules" / "shop.yaml").write_text(
        rules + EXAMPLES.replace('body: {number: "#1",', 'body: {number: "#1", phones: ["+1"],')
    )
    result = run("test")
    assert result.exit_code == 0, result.output
    assert "warning rule 'Order confirmation', $.phones | lower: lower: found a list of 1" in result.stdout
    (example,) = json.loads(run("test", "--json").stdout)["examples"]
    assert example["passed"]
    assert "found a list of 1" in example["warnings"][0]


def test_test_shows_what_differs(tmp_path: Path) -> None:
    (tmp_path / "rules" / "shop.yaml").write_text(shop.RULES + EXAMPLES + WRONG)
    result = run("test", "--junit", str(tmp_path / "results.xml"))
    assert result.exit_code == 1
    assert "this one is wrong" in result.stdout
    assert "send_email" in result.stdout
    assert "1 passed, 1 failed" in result.stdout
    suite = ET.parse(tmp_path / "results.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert [case.get("name") for case in suite] == ["an order sends one confirmation", "this one is wrong"]
    assert suite[1].find("failure") is not None

    result = run("test", "--json")
    assert result.exit_code == 1
    view = json.loads(result.stdout)
    assert (view["passed"], view["failed"]) == (1, 1)
    assert [example["passed"] for example in view["examples"]] == [True, False]


def test_try_prints_exactly_the_promised_shape(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_bytes(shop.order())
    result = run("try", "shop", str(tmp_path / "order.json"), "--header", "X-Shop-Topic: orders/create", "--json")
    assert result.exit_code == 0, result.output
    view: dict[str, Any] = json.loads(result.stdout)
    assert list(view) == ["source", "state", "commands", "trace", "errors", "warnings"]
    assert (view["source"], view["state"]) == ("shop", "translated")
    identify, email = view["commands"]
    assert list(email) == ["rule", "command", "destination", "action", "body"]
    assert (identify["command"], identify["action"]) == ("identify", "identify")
    assert (email["rule"], email["command"], email["action"]) == ("Order confirmation", "send_email", "track")
    assert email["destination"] == "default"
    assert email["body"]["userId"] == "115310627314723954"
    assert [list(line) for line in view["trace"]] == [["rule", "matched", "why"]] * 2


def test_try_reads_stdin_and_speaks_to_people() -> None:
    text = shop.order(customer=None).decode()
    result = run("try", "shop", "-", "--header", "X-Shop-Topic:orders/create", input=text)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("shop: untranslatable")
    assert "Order confirmation" in result.stdout
    assert "userId" in result.stdout


def test_try_takes_a_path_and_a_query() -> None:
    result = run("try", "brands", "-", "--path", "uk", "--query", "a=1", "--json", input='{"user": "u1"}')
    [command] = json.loads(result.stdout)["commands"]
    assert command["destination"] == "uk"
    assert command["command"] == "start_journey"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("try", "shpo", "-"), "did you mean shop?"),
        (("try", "shop", "-", "--header", "nonsense"), "NAME:VALUE"),
        (("try", "shop", "no-such-file"), "does not exist"),
        (("check", "--strickt"), "--strict"),
        (("try", "shop", "-", "--server", "http://127.0.0.1:1"), "can't be asked"),
    ],
)
def test_wrong_usage_is_2_and_said_on_stderr(words: tuple[str, ...], says: str) -> None:
    result = run(*words, input="{}")
    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stdout == ""


def test_a_bad_setting_is_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PORT", "eighty")
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr.startswith("gateway: GATEWAY_PORT: 'eighty'")


def test_a_folder_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    result = run("check", str(tmp_path / "nowhere"))
    assert result.exit_code == 1
    assert "no such folder" in result.stderr


@pytest.mark.parametrize(("words", "key"), [(("schema",), "rules"), (("schema", "--destinations"), "destinations")])
def test_the_schemas_are_json_schemas(words: tuple[str, ...], key: str) -> None:
    result = run(*words)
    assert result.exit_code == 0, result.output
    schema = json.loads(result.stdout)
    assert schema["$schema"].startswith("http://json-schema.org/draft-07")
    assert key in schema["properties"]


def test_check_strict_counts_the_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_SECRET")
    assert ", no problems, 1 warning; version " in run("check").stdout
    assert ", no problems, 1 warning (which --strict counts); version " in run("check", "--strict").stdout


def test_check_of_a_folder_without_rules_says_so(tmp_path: Path) -> None:
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    (tmp_path / "empty" / "deeper" / "shop.yaml").write_text(shop.RULES)
    result = run("check", str(tmp_path / "empty"))
    assert result.exit_code == 0
    assert result.stdout == f"nothing is served: no *.yaml stands directly in {tmp_path / 'empty'}\n"
    assert run("check", str(tmp_path / "empty"), "--strict").exit_code == 1
    assert json.loads(run("check", str(tmp_path / "empty"), "--strict", "--json").stdout)["ok"] is False


def test_check_of_a_file_is_wrong_usage(tmp_path: Path) -> None:
    result = run("check", str(tmp_path / "rules" / "shop.yaml"))
    assert result.exit_code == 2
    assert "shop.yaml is a file; DIR is the folder" in result.stderr


def test_a_missing_folder_has_no_line(tmp_path: Path) -> None:
    result = run("check", str(tmp_path / "nowhere"))
    assert result.stderr.startswith(f"{tmp_path / 'nowhere'}: there is no such folder")


def failing(tmp_path: Path, example: str) -> str:
    """What ``gateway test`` says about one example."""
    (tmp_path / "rules" / "shop.yaml").write_text(shop.RULES + "examples:\n" + example)
    result = run("test", "--junit", str(tmp_path / "results.xml"))
    assert result.exit_code == 1, result.output
    [case] = ET.parse(tmp_path / "results.xml").getroot()
    assert case.get("file") == str(tmp_path / "rules" / "shop.yaml")
    assert f"{tmp_path / 'rules' / 'shop.yaml'}:24\n" in result.stdout
    return result.stdout


def test_a_forgotten_identify_is_one_difference(tmp_path: Path) -> None:
    body = "{number: 1, customer: {id: u1}}"
    said = failing(
        tmp_path,
        f"  - request: {{headers: {{X-Shop-Topic: orders/create}}, body: {body}}}\n"
        "    expect: [{send_email: {userId: u1}}]\n",
    )
    assert "list the identify first, in order: identify, send_email" in said
    assert "expected send_email" not in said


def test_where_no_rule_matched_each_says_why(tmp_path: Path) -> None:
    said = failing(
        tmp_path,
        "  - request: {headers: {X-Shop-Topic: orders/paid}, body: {number: 1}}\n"
        "    expect: [{send_email: {userId: u1}}]\n",
    )
    assert "nothing was made: no rule matched" in said
    assert "Order confirmation: $header.X-Shop-Topic is 'orders/paid', expected orders/create" in said
    assert "Parcel on its way: $header.X-Shop-Topic" in said


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    said = failing(tmp_path, "  - request: {body: {file: samples/none.json}}\n    expect: []\n")
    assert f"'samples/none.json' can't be read: No such file or directory; looked for in {tmp_path / 'rules'}" in said


def test_another_asset_is_shown_with_its_path(tmp_path: Path) -> None:
    said = failing(
        tmp_path,
        "  - request: {headers: {X-Shop-Topic: orders/create}, body: {number: 1, customer: {id: u1}}}\n"
        "    expect: [{identify: {userId: u1}}, {send_email: {assetId: other}}]\n",
    )
    assert "send_email.assetId: expected text 'other', found text '202601-ORDER'" in said


@pytest.mark.parametrize(
    ("ignore", "body", "says"),
    [
        ("{$.livemode: false}", '{"livemode": false}', "$.livemode is false"),
        ("{$.kind: [ping, test], $.n: {gte: 3}}", '{"kind": "test", "n": 4}', "$.kind is test and $.n is at least 3"),
        ("{any: [{$.a: 1}, {$.b: 2}]}", '{"b": 2}', "$.b is 2"),
        ("{not: {$.live: true}}", '{"live": 0}', "not: $.live is true"),
        ("{not: {any: [{$.a: [1, 2]}, {$.b: 2}]}}", '{"b": 3}', "not: $.a is one of 1, 2 or $.b is 2"),
    ],
)
def test_an_ignored_webhook_says_which_condition_held(tmp_path: Path, ignore: str, body: str, says: str) -> None:
    (tmp_path / "rules" / "shop.yaml").write_text(shop.RULES.replace("{$.test: true}", ignore))
    assert run("try", "shop", "-", input=body).stdout == f"shop: ignored: {says}\n"
    assert json.loads(run("try", "shop", "-", "--json", input=body).stdout)["reason"] == says


def test_try_names_the_paths_that_the_payload_lacks(tmp_path: Path) -> None:
    rules = shop.RULES.replace("rules:\n", "let: {who: $.customer.id, mail: '$let.address | lower'}\nrules:\n", 1)
    rules = rules.replace("let: {who", "let: {address: $.customer.mail, unused: $.nothing, who")
    rules = rules.replace("email: $.customer.email", "email: $let.mail, ref: 'R-{{ $.ref | default($.other) }}'")
    rules = rules.replace("{$.test: true}", "{$.test: true, $.never: 1}")
    (tmp_path / "rules" / "shop.yaml").write_text(rules)
    given = ("try", "shop", "-", "--header", "X-Shop-Topic:orders/create")
    body = '{"number": 1, "total": null, "customer": {"id": "u1"}}'
    view = json.loads(run(*given, "--json", input=body).stdout)
    assert view["missing"] == [
        {"path": "$.customer.mail", "line": 8},
        {"path": "$.other", "line": 14},
        {"path": "$.ref", "line": 14},
    ]
    said = run(*given, input=body)
    assert said.exit_code == 0
    assert "  not in this payload: $.customer.mail (line 8), $.other (line 14), $.ref (line 14)\n" in said.stdout
