"""Drafts: over many shapes of payloads, each loads, its example passes, and it claims nothing that is not so."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from gateway.errors import RulesError, Unparseable
from gateway.inbound.declared import scheme_from
from gateway.inbound.needs import secrets_of
from gateway.inbound.presets import PRESETS
from gateway.inbound.schemes import NoVerification
from gateway.rules import load
from gateway.rules.draft import Draft, draft
from gateway.rules.draft.senders import proof_of, sender_of
from gateway.rules.draft.text import scalar
from gateway.rules.examples import run_examples
from gateway.rules.nodes import YAMLFile
from gateway.rules.schema import json_schema
from tests.effort import tries

NOW = datetime(2026, 1, 5, 10, tzinfo=UTC)
CORPUS = Path(__file__).parent.parent.parent.parent / "shared" / "corpus" / "payloads"
SCHEMA = Draft7Validator(json_schema())


def drafted(
    body: Any, folder: Path, *, source: str = "shop", headers: Mapping[str, str] | None = None, **more: Any
) -> Draft:
    """A draft that has proved itself: it loads, its example passes, nobody unsigned gets in, nothing is sent."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    made = draft(source, data, headers=headers or {}, now=NOW, **more)
    (folder / made.sample).parent.mkdir(parents=True, exist_ok=True)
    (folder / made.sample).write_bytes(data)
    (folder / f"{source}.yaml").write_text(made.text, encoding="utf-8")
    ruleset = load(folder, environ={})
    results = list(run_examples(ruleset, folder))
    assert [result.difference for result in results] == [""]
    loaded = ruleset.sources[source]
    assert not isinstance(loaded.verify, NoVerification)
    assert loaded.secrets
    assert all(rule.mode == "dry_run" for rule in loaded.rules)
    root = YAMLFile("a.yaml", made.text).root
    assert root is not None
    assert [error.message for error in SCHEMA.iter_errors(root.plain())] == []
    for guess in made.guesses:
        assert f"# guess: {guess.what}" in made.text
    return made


def values(made: Draft) -> dict[str, str]:
    return {guess.what: guess.value for guess in made.guesses}


ORDER = {
    "event": "order.created",
    "event_id": "e-1",
    "created_at": "2026-01-05T09:00:00Z",
    "customer": {
        "id": 31,
        "email": "Ada@Example.com",
        "first_name": "Ada",
        "last_name": "Love",
        "phone": "07700 900123",
        "country_code": "GB",
    },
    "order": {
        "number": "A-1",
        "total": "49.90",
        "currency": "EUR",
        "line_items": [{"name": "Tea", "qty": 2, "price": 5}],
    },
}


def test_everything_that_an_order_says_is_guessed(tmp_path: Path) -> None:
    made = drafted(ORDER, tmp_path)
    assert made.has_rule
    assert values(made) == {
        "kind of webhook": "$.event",
        "what a repeat is known by": "$.event_id",
        "e-mail address": "$.customer.email | email | lower",
        "customer's id": '$.customer.id | ignore(0, "")',
        "phone number": "$.customer.phone | phone($.customer.country_code)",
        "first name": "$.customer.first_name",
        "last name": "$.customer.last_name",
        "time of what happened": "$.created_at",
        "number of the order or booking": "$.order.number",
        "amount": "$.order.total | number",
        "currency": "$.order.currency",
        "lines of the order": "$.order.line_items[*]",
    }
    assert '"userId": "31"' in made.text
    assert '"phone": "+447700900123"' in made.text


def test_what_is_of_others_is_not_the_customers(tmp_path: Path) -> None:
    body = {
        "type": "issue.opened",
        "sender": {"id": 1, "email": "staff@example.com", "name": "Staff"},
        "store": {"email": "shop@example.com", "phone": "+447700900123"},
        "assigned_to": {"user": {"id": 5, "email": "agent@example.com"}},
    }
    made = drafted(body, tmp_path)
    assert not made.has_rule
    assert values(made) == {"kind of webhook": "$.type"}
    assert "no rule was drafted" in made.text


def test_a_guest_is_known_by_the_address(tmp_path: Path) -> None:
    made = drafted({"customer_id": 0, "billing": {"email": "guest@example.com"}}, tmp_path)
    assert 'customer: $.customer_id | ignore(0, "") | default($let.email)' in made.text
    assert '"userId": "guest@example.com"' in made.text


def test_without_a_number_the_address_is_the_customer_and_the_file_says_so(tmp_path: Path) -> None:
    made = drafted({"email": "ada@example.com"}, tmp_path)
    assert "customer: $let.email" in made.text
    assert "no number of a customer was found" in made.text


def test_a_phone_alone_is_enough(tmp_path: Path) -> None:
    made = drafted({"contact": {"mobile": "+44 7700 900123"}}, tmp_path)
    assert values(made) == {"phone number": "$.contact.mobile | phone"}
    assert '"userId": "+447700900123"' in made.text


def test_a_phone_whose_country_is_not_known_is_not_guessed(tmp_path: Path) -> None:
    made = drafted({"customer": {"id": "c9", "phone": "07700 900123"}}, tmp_path)
    assert "phone number" not in values(made)


def test_a_list_becomes_one_command_for_each_element(tmp_path: Path) -> None:
    body = [
        {"event": "open", "email": "a@example.com", "timestamp": 1767600000},
        {"event": "open", "email": "b@example.com", "timestamp": 1767600001},
        {"event": "click", "email": "c@example.com", "timestamp": 1767600002},
    ]
    made = drafted(body, tmp_path)
    assert "for_each: \"$[?(@.event == 'open')]\"" in made.text
    assert made.text.count("- send_email:") == 2
    assert "c@example.com" not in made.text


def test_a_form_is_read(tmp_path: Path) -> None:
    made = drafted(
        b"type=subscribe&data%5Bmerges%5D%5BEMAIL%5D=ada%40example.com&data%5Bmerges%5D%5BFNAME%5D=Ada", tmp_path
    )
    assert made.sample.endswith(".form")
    assert values(made)["e-mail address"] == "$.data.merges.EMAIL | email | lower"
    assert values(made)["first name"] == "$.data.merges.FNAME"


def test_a_header_names_the_kind(tmp_path: Path) -> None:
    made = drafted(
        {"customer": {"id": 7}}, tmp_path, headers={"X-Acme-Topic": "orders/create", "X-Acme-Event-Id": "e1"}
    )
    assert values(made)["kind of webhook"] == "$header.x-acme-topic"
    assert values(made)["what a repeat is known by"] == "$header.x-acme-event-id"
    assert "$header.x-acme-topic: orders/create" in made.text


def test_an_id_that_stays_while_things_change_is_no_dedup_key(tmp_path: Path) -> None:
    """It would lose the second webhook of an order."""
    assert "what a repeat is known by" not in values(drafted({"type": "order", "id": 9, "status": "paid"}, tmp_path))
    changed = drafted({"type": "order", "id": 9, "updated_at": "2026-01-05T09:00:00Z"}, tmp_path)
    assert values(changed)["what a repeat is known by"] == "$.type, $.id, $.updated_at"
    envelope = drafted({"type": "order.paid", "id": "ev_9", "data": {"id": 9}}, tmp_path)
    assert values(envelope)["what a repeat is known by"] == "$.id"


def test_cents_are_only_known_of_senders_that_document_them(tmp_path: Path) -> None:
    intent = {"object": "payment_intent", "amount": 4990, "currency": "eur", "customer": "cus_1"}
    event = {"object": "event", "id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": intent}}
    assert values(drafted(event, tmp_path))["amount"] == "$.data.object.amount | major($.data.object.currency)"
    other = drafted({"user_id": "u1", "amount": 4990, "currency": "eur"}, tmp_path)
    assert values(other)["amount"] == "$.amount | number"
    assert "if it counts cents: | major($.currency)" in other.text


HOSTILE: list[Any] = [
    None, True, 5, "text", [], {}, [[]], [1, 2], [None, {}], {"": ""}, {"a b": {"email": "x@example.com"}},
    {"where": {"email": "x@example.com"}}, {"it's": {"email": "x@example.com"}}, {"email": "not an address"},
    {"email": ["x@example.com"]}, {"email": {"email": "x@example.com"}}, {"customer": {"id": "null"}},
    {"customer": {"id": "[object Object]"}, "email": "x@example.com"}, {"customer": {"id": {}}},
    {"customer": {"id": 10**30, "name": "#: {{ x }} 'q' \"d\" \\ \u2028 🙂"}}, {"type": "a: b # c", "user_id": 1},
    {"type": "yes", "user_id": "on"}, {"created_at": "05/06/2024", "user_id": 1}, {"timestamp": 10**40, "user_id": 1},
    {"user_id": 1, "line_items": [1, 2]}, {"user_id": 1, "line_items": [{}]}, {"user_id": "x" * 5000},
    {"items": [[{"email": "x@example.com"}]]}, {"a": {"b": {"c": {"d": {"e": {"f": {"email": "x@example.com"}}}}}}},
    {"émail": "é@example.com", "user": {"naïve key": 1, "id": "ü"}}, {"$.a": {"email": "x@example.com"}},
    {"user_id": 1, "phone": "+" + "1" * 40}, {"user_id": True}, {"total": "1e999", "user_id": 1},
    [{"email": "x@example.com", "event": "it's"}], [{"email": "x@example.com"}, 5, None],
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_a_strange_payload_makes_a_draft_that_works(number: int, tmp_path: Path) -> None:
    drafted(HOSTILE[number], tmp_path)


KEYS = [
    "id", "type", "event", "customer", "email", "data", "items", "name", "phone", "total", "user_id", "created_at",
    "first_name", "currency", "country", "where", "updated_at",
]  # fmt: skip
VALUES = ["ada@example.com", "+447700900123", "2026-01-05T10:00:00Z", "order.paid", "GB", "EUR", "0"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from(VALUES),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=15,
)


@settings(max_examples=tries(100), deadline=None)
@given(body=JSON)
def test_any_payload_makes_a_draft_that_works(body: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    drafted(body, tmp_path_factory.mktemp("drafts"))


FILES = sorted(path for path in CORPUS.rglob("*") if path.is_file()) if CORPUS.is_dir() else []


@pytest.mark.skipif(not FILES, reason="the corpus is not here")
@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_real_payload_makes_a_draft_that_works(file: Path, tmp_path: Path) -> None:
    try:
        made = drafted(file.read_bytes(), tmp_path)
    except Unparseable:
        assert file.suffix in (".xml", ".txt")
        return
    known = {"standard-webhooks": None, "cal.com": "cal_com"}.get(file.parent.name, file.parent.name)
    # Recognised as somebody else's: never.
    assert made.proof.sender in (None, known)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_recognised_by_its_header_or_left_alone(preset: str) -> None:
    """Where two senders use one header, neither is claimed by the header alone."""
    header = str(PRESETS[preset].keys.get("header", "")).lower()
    if not header or PRESETS[preset].kind == "jwt":
        return
    headers = {header.replace("*", "1"): "x"} | ({"webhook-id": "x"} if header == "webhook-signature" else {})
    found = sender_of({}, headers)
    shared = [name for name, row in PRESETS.items() if str(row.keys.get("header", "")).lower() == header]
    assert found is None or found[0] in shared
    assert found is not None or len(shared) > 1 or preset == "intercom"


@pytest.mark.parametrize("preset", PRESETS)
def test_what_a_known_sender_is_drafted_with_is_a_scheme_of_its_preset(preset: str) -> None:
    header = str(PRESETS[preset].keys.get("header", "")).replace("*", "1").lower()
    proof = proof_of("my-shop", {}, {header: "x", "webhook-id": "1"})
    if proof.sender is None:
        return
    verify = YAMLFile("a.yaml", f"verify: {proof.lines[0]}\n" + "\n".join(proof.lines[1:])).root
    assert verify is not None
    scheme = scheme_from(verify.plain()["verify"])
    assert getattr(scheme, "preset", "") == proof.sender
    assert "MY_SHOP_" in str(secrets_of(scheme)) or PRESETS[proof.sender].kind == "basic"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-acme-signature": "a" * 64}, "hmac: {header: x-acme-signature, algorithm: sha256, encoding: hex, "),
        (
            {"x-acme-hmac": "sha1=" + "a" * 40},
            "hmac: {header: x-acme-hmac, algorithm: sha1, encoding: hex, prefix: sha1=, ",
        ),
        ({"x-signature": "A" * 43 + "="}, "hmac: {header: x-signature, algorithm: sha256, encoding: base64, "),
        ({"x-acme-token": "t"}, "header: {name: x-acme-token, "),
        ({"authorization": "Bearer t"}, "bearer: {"),
        ({"authorization": "Basic dTpw"}, "basic: {user: $env.SHOP_USER, "),
        ({"user-agent": "acme"}, "query: {name: token, "),
    ],
    ids=["sha256", "sha1", "base64", "token", "bearer", "basic", "nothing"],
)
def test_how_an_unknown_sender_proves_itself_is_guessed_and_refuses(
    headers: dict[str, str], expected: str, tmp_path: Path
) -> None:
    made = drafted({"user_id": 1}, tmp_path, headers=headers)
    assert re.search(rf"  {re.escape(expected)}(?:secret|password): \$env\.SHOP_SECRET\}}\n", made.text)
    assert "NOT SURE" in made.text
    assert made.proof.by_address is ("query" in expected)


def test_a_known_sender_gets_its_preset_and_its_ready_rules(tmp_path: Path) -> None:
    body = {"admin_graphql_api_id": "gid://shopify/Order/1", "email": "ada@example.com"}
    named = drafted(body, tmp_path, source="shopify", ready=frozenset({"shopify"}))
    assert "verify: shopify\n" in named.text
    assert "gateway add shopify" in named.text
    (tmp_path / "shopify.yaml").unlink()
    other = drafted(body, tmp_path, source="my-shop")
    assert "verify:\n  shopify: {secret: $env.MY_SHOP_SECRET}\n" in other.text
    assert "gateway add" not in other.text
    assert other.secrets == ("MY_SHOP_SECRET",)


def test_a_sender_that_signs_its_address_gets_a_place_for_it(tmp_path: Path) -> None:
    body = {"merchant_id": "m", "event_id": "e", "type": "booking.created", "data": {"object": {}}}
    assert "public_url: https://YOUR-GATEWAY/hooks/shop" in drafted(body, tmp_path).text


def test_what_a_recording_file_says_is_kept(tmp_path: Path) -> None:
    beginning = 'source: shop\ntitle: Our shop\n# mine\npath: "{brand}"\nverify: zendesk\nevent_type: $.event\n'
    made = drafted(ORDER, tmp_path, beginning=beginning, path="uk")
    assert made.text.startswith(beginning)
    assert made.text.count("event_type:") == 1
    assert 'path: "uk"' in made.text


def test_several_destinations_without_a_default_get_one(tmp_path: Path) -> None:
    (tmp_path / "destinations.yaml").write_text(
        "destinations:\n  uk: {client_id: a, auth_token: $env.A}\n  ie: {client_id: b, auth_token: $env.B}\n"
    )
    assert "destination: uk" in drafted(ORDER, tmp_path, destination="uk").text


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(RulesError, match="lower-case letters"):
        draft("My Shop", b"{}", headers={}, now=NOW)


def test_a_body_that_is_not_what_it_says_is_refused() -> None:
    with pytest.raises(Unparseable):
        draft("shop", b'{"id": ', headers={"content-type": "application/json"}, now=NOW)


@pytest.mark.parametrize(
    "text", ["yes", "a: b", "a #b", "-", "", " a", "1", "é\u2028", "\x7f", "🙂", "'", "a:", "$.a | b"]
)
def test_a_scalar_reads_back(text: str) -> None:
    root = YAMLFile("a.yaml", f"a: {scalar(text)}\n").root
    assert root is not None
    assert root.plain() == {"a": text}


def test_no_proof_is_ever_nothing() -> None:
    assert not any(re.search("none", line) for line in proof_of("shop", {}, {}).lines)
