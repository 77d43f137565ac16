"""Examples are tests: what they accept, and the difference that they print."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from gateway.rules import load_files
from gateway.rules.examples import ExampleResult, run_examples

RULES = """
source: s
verify: none
path: "{brand}"
rules:
  - name: Order
    when: {$header.X-Topic: order}
    identify: {userId: $.id, traits: {email: $.email}}
    send_email:
      userId: $.id
      assetId: a
      order: {total: $.total, lines: $.lines, brand: $path.brand, shop: $query.shop}
  - name: Refund
    when: {$header.X-Topic: "order, refund"}
    delay: 1h
    send_sms: {userId: $.id, assetId: "007"}
"""
BODY = "{id: 115310627314723954, total: 0.10, email: ann@example.com, lines: [{sku: A, n: 1}]}"
ORDER = f"""
    name: an order
    now: 2026-01-05T10:00:00Z
    request: {{path: uk, headers: {{X-Topic: order}}, query: {{shop: north}}, body: {BODY}}}
"""
REFUND = """
    name: a refund
    now: 2026-01-05T10:00:00Z
    request: {path: uk, headers: {X-Topic: "order, refund"}, body: {id: 7}}
"""
EXACT = "{userId: '115310627314723954', traits: {email: ann@example.com}}"
IDENTIFY = "{identify: {traits: {email: ann@example.com}}}"


def run(example: str, expected: str, folder: Path = Path()) -> ExampleResult:
    whole = textwrap.dedent(example).strip("\n") + "\n" + textwrap.dedent(expected).strip("\n")
    text = f"{RULES}examples:\n  - " + textwrap.indent(whole, "    ").lstrip() + "\n"
    (result,) = run_examples(load_files({"s.yaml": text}, environ={}), folder)
    return result


@pytest.mark.parametrize(
    "expected",
    [
        f'expect: [{IDENTIFY}, {{send_email: {{userId: "115310627314723954"}}}}]',
        f"expect: [{IDENTIFY}, {{send_email: {{order: {{total: 0.10, brand: uk, shop: north}}}}}}]",
        f"expect: [{IDENTIFY}, {{SEND_EMAIL: {{order: {{lines: [{{sku: A}}]}}}}}}]",
        f"expect: [{{identify: {{$exact: {EXACT}}}}}, {{send_email: {{}}}}]",
        f"expect: [{IDENTIFY}, {{send_email: {{}}, rule: Order, state: waiting, destination: default}}]",
        f"expect: [{IDENTIFY}, {{send_email: {{order: {{lines: {{$exact: [{{sku: A, n: 1}}]}}}}}}}}]",
        "expect_state: translated",
    ],
)
def test_listed_keys_must_match_and_others_are_free(expected: str) -> None:
    result = run(ORDER, expected)
    assert result.passed, result.difference
    assert (result.source, result.name, result.file) == ("s", "an order", "s.yaml")


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        (
            f"expect: [{IDENTIFY}, {{send_email: {{userId: 115310627314723954}}}}]",
            "send_email.userId: expected the number",
        ),
        (f"expect: [{IDENTIFY}, {{send_email: {{order: {{total: '0.10'}}}}}}]", "order.total: expected text '0.10'"),
        (f"expect: [{IDENTIFY}, {{send_email: {{order: {{total: 0.11}}}}}}]", "found the number 0.10"),
        (f"expect: [{IDENTIFY}, {{send_email: {{order: {{lines: []}}}}}}]", "expected 0 elements, found 1"),
        (f"expect: [{IDENTIFY}, {{send_email: {{coupon: x}}}}]", "send_email.coupon: expected text 'x', found missing"),
        (f"expect: [{IDENTIFY}, {{send_sms: {{}}}}]", "expected send_sms; made send_email (rule 'Order')"),
        (f"expect: [{IDENTIFY}]", "made send_email (rule 'Order') for '115310627314723954', which is not expected"),
        ("expect: []", "which is not expected"),
        (f"expect: [{IDENTIFY}, {{send_email: {{}}}}, {{send_sms: {{}}}}]", "expected send_sms as number 3; not made"),
        ("expect: [{send_email: {}}, {identify: {}}]", "expected send_email; made identify"),
        (f"expect: [{IDENTIFY}, {{send_email: {{order: {{$exact: {{total: 0.1}}}}}}}}]", "which $exact forbids"),
        (f"expect: [{IDENTIFY}, {{send_email: {{}}, rule: Other}}]", "rule: expected Other, found Order"),
        ("expect_error: {rule: Order}", "made"),
        ("expect_state: unmatched", "expected the state unmatched; it is translated"),
    ],
)
def test_a_difference_says_what_was_expected_and_what_came(expected: str, difference: str) -> None:
    result = run(ORDER, expected)
    assert not result.passed
    assert difference in result.difference


def test_times_are_those_of_now() -> None:
    good = "expect: [{send_sms: {assetId: '007'}, state: waiting, not_before: 2026-01-05T11:00:00Z}]"
    assert run(REFUND, good).passed
    assert "not_before: expected" in run(REFUND, good.replace("T11", "T12")).difference


@pytest.mark.parametrize(
    ("body", "expected", "passes"),
    [
        ("{total: 1}", "expect_error: {rule: Order, field: userId}", True),
        ("{total: 1}", "expect_error: {rule: Order, field: userId, path: $.id, message: missing}", True),
        ("{total: 1}", "expect_error: {rule: Refund}", False),
        ("{total: 1}", "expect_error: {rule: Order, field: assetId}", False),
        ("{total: 1}", "expect_state: untranslatable\nexpect_error: {field: userId}", True),
        ("{total: 1}", "expect: []", False),
        ("{total: 1}", "expect: []\nexpect_error: {rule: Order}", True),
        ("{id: 1}", "expect_error: {rule: Order}", False),
    ],
)
def test_an_error_may_be_expected(body: str, expected: str, passes: bool) -> None:
    example = f"name: x\nrequest: {{path: uk, headers: {{X-Topic: order}}, body: {body}}}"
    assert run(example, expected).passed is passes


def test_a_field_stands_for_all_under_it() -> None:
    text = RULES.replace("{email: $.email}", "{address: {city: $.city | required}}")
    example = "{name: x, request: {path: uk, headers: {X-Topic: order}, body: {id: 1}}, expect_error: {field: %s}}"
    for field, passes in (
        ("traits", True),
        ("traits.address", True),
        ("traits.address.city", True),
        ("traits.add", False),
    ):
        files = {"s.yaml": f"{text}examples:\n  - {example % field}\n"}
        (result,) = run_examples(load_files(files, environ={}), Path())
        assert result.passed is passes, (field, result.difference)


def test_a_body_may_stand_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text('{"id": 7, "total": 0.10, "email": "ann@example.com"}', encoding="utf-8")
    (tmp_path / "order.form").write_text("id=7&total=0.10&email=ann%40example.com", encoding="utf-8")
    example = "name: x\nrequest: {path: uk, headers: {X-Topic: order}, body: {file: %s}}"
    for file, total in (("order.json", "0.10"), ("order.form", "'0.10'")):
        expected = f"expect: [{IDENTIFY}, {{send_email: {{userId: '7', order: {{total: {total}}}}}}}]"
        result = run(example % file, expected, tmp_path)
        assert result.passed, result.difference
    assert "missing.json" in run(example % "missing.json", "expect: []", tmp_path).difference
