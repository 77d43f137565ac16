"""The ready-made sources: they load, their examples pass, and recorded webhooks become what they should."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.inbound.arrival import joined_headers
from gateway.model import Command, WebhookState
from gateway.rules import Arrival, Ruleset, Translation, load, translate
from gateway.rules.examples import ExampleResult, requests, run_examples
from gateway.terms import Once

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "rules" / "library"
DESTINATIONS = LIBRARY / "destinations.yaml.example"
CORPUS = ROOT.parent / "shared" / "corpus" / "payloads"
FILES = sorted(LIBRARY.glob("*.yaml"))
SAMPLES = sorted(path for path in (LIBRARY / "samples").rglob("*") if path.is_file())
SECRETS = dict.fromkeys(("SHOPIFY_SECRET", "WOOCOMMERCE_SECRET", "CALENDLY_SECRET", "INTILERY_AUTH_TOKEN"), "a-secret")
NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
_json = msgspec.json.Decoder(float_hook=Decimal)


def loaded(environ: dict[str, str]) -> Ruleset:
    return load(LIBRARY, environ=environ, destinations=DESTINATIONS)


RULESET = loaded(SECRETS)
RESULTS = list(run_examples(RULESET, LIBRARY))


def become(source: str, body: Any, **headers: str) -> Translation:
    """What a body becomes. ``headers`` are written with ``_`` for ``-``."""
    arrival = Arrival(
        webhook_id="0" * 32,
        source=source,
        body=body,
        headers={name.replace("_", "-").lower(): value for name, value in headers.items()},
        query={},
        path={},
        received_at=NOW,
    )
    return translate(RULESET.sources[source], arrival, now=NOW)


def sample(name: str) -> Any:
    return _json.decode((LIBRARY / "samples" / name).read_bytes())


def shopify(topic: str, body: Any, event: str = "event-1") -> Translation:
    return become("shopify", body, X_Shopify_Topic=topic, X_Shopify_Event_Id=event)


def woocommerce(topic: str, body: Any) -> Translation:
    return become("woocommerce", body, X_WC_Webhook_Topic=topic)


def shown(source: str) -> Iterator[tuple[str, Translation]]:
    """Each example of a source by name, and what its request becomes."""
    for request in requests(RULESET.sources[source], LIBRARY):
        yield request.name, become(source, _json.decode(request.body), **joined_headers(request.headers))


def messages(*translations: Translation) -> list[Command]:
    """What reaches a person: every command but the identifies."""
    return [command for one in translations for command in one.commands if command.command != "identify"]


# -- the files ----------------------------------------------------------------------------------------------------


def test_there_is_a_file_for_each_source() -> None:
    assert {path.stem for path in FILES} == set(RULESET.sources) == {"shopify", "woocommerce", "calendly"}


def test_nothing_is_wrong_but_unset_secrets() -> None:
    assert RULESET.warnings == ()
    warnings = loaded({}).warnings
    assert len(warnings) == len(SECRETS)
    for name in SECRETS:
        assert any(f"{name} is not set" in warning.message for warning in warnings)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_goes_to_the_default_destination_and_says_what_that_must_list(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    head, _, body = text.partition("\nsource: ")
    assert "destination:" not in body
    for kind in ("asset", "journey"):
        used = set(re.findall(rf"\${kind}\.([\w-]+)", body))
        said = re.search(rf"^#   {kind}s: (.+)$", head, re.MULTILINE)
        assert used == set(said[1].split(", ") if said else [])
    for secret in RULESET.sources[file.stem].secrets:
        assert re.search(rf"^#   {secret} ", head, re.MULTILINE)


def test_the_destinations_file_lists_what_is_used_and_nothing_else() -> None:
    used = {
        kind: {name for file in FILES for name in re.findall(rf"\${kind}\.([\w-]+)", file.read_text(encoding="utf-8"))}
        for kind in ("asset", "journey")
    }
    assert list(RULESET.destinations) == ["default"]
    default = RULESET.destinations["default"]
    assert set(default.assets) == used["asset"]
    assert set(default.journeys) == used["journey"]
    assert all(re.fullmatch(r"[0-9a-f]{24}", journey) for journey in default.journeys.values())


# -- examples and samples -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: f"{result.source}: {result.name}")
def test_an_example_passes(result: ExampleResult) -> None:
    assert result.passed, f"{result.file}:{result.line}: {result.difference}"


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.relative_to(LIBRARY / "samples").as_posix())
def test_a_sample_is_shown_by_an_example_and_names_nobody_real(path: Path) -> None:
    source = path.parent.name
    assert path.read_bytes() in {request.body for request in requests(RULESET.sources[source], LIBRARY)}
    addresses = re.findall(r"[^\s\"]+@([\w.-]+)", path.read_text(encoding="utf-8"))
    assert {domain.lower() for domain in addresses} <= {"example.com"}


@pytest.mark.parametrize("source", RULESET.sources)
def test_a_rule_is_fired_by_one_example_and_passed_over_by_another(source: str) -> None:
    matched = [translation.matched for _, translation in shown(source)]
    for rule in RULESET.sources[source].rules:
        assert any(rule.id in one for one in matched), f"no example fires '{rule.name}'"
        assert any(rule.id not in one for one in matched), f"every example fires '{rule.name}'"


@pytest.mark.parametrize("source", RULESET.sources)
def test_an_ordinary_webhook_gives_no_warnings(source: str) -> None:
    assert {name: translation.warnings for name, translation in shown(source) if translation.warnings} == {}


@pytest.mark.parametrize("source", RULESET.sources)
def test_the_commands_of_an_example_leave_after_their_identify(source: str) -> None:
    for _, translation in shown(source):
        identified = {command.id: command.user_id for command in translation.commands if command.command == "identify"}
        for command in messages(translation):
            assert command.after is not None
            assert identified[command.after] == command.user_id


# -- amounts ------------------------------------------------------------------------------------------------------


def test_amounts_keep_their_digits() -> None:
    (confirmation,) = messages(shopify("orders/create", sample("shopify/order.json")))
    assert b'"total":61.40,' in confirmation.body
    assert b'"price":18.20' in confirmation.body
    (notice,) = messages(woocommerce("order.updated", sample("woocommerce/order_refunded.json")))
    assert b'"refund":{"amount":27.10,' in notice.body


# -- one message for one happening --------------------------------------------------------------------------------


def test_shopify_tells_repeats_by_topic_and_event() -> None:
    order = sample("shopify/order.json")
    key = shopify("orders/create", order).dedup_key
    assert key is not None
    assert shopify("orders/create", {**order, "updated_at": "2026-04-09T00:00:00Z"}).dedup_key == key
    assert shopify("orders/updated", order).dedup_key != key
    assert shopify("orders/create", order, "event-2").dedup_key != key
    assert become("shopify", order, X_Shopify_Topic="orders/create").dedup_key is None, "a hash stands for it"


def once(translation: Translation) -> Once:
    """The once key of the only message."""
    (message,) = messages(translation)
    assert message.once is not None
    return message.once


def test_a_shopify_checkout_starts_its_journey_once_for_each_address() -> None:
    checkout = sample("shopify/checkout.json")
    first = shopify("checkouts/update", checkout)
    assert [command.command for command in messages(first)] == ["start_journey"]
    later = shopify("checkouts/update", {**checkout, "total_price": "60.15"}, "event-2")
    assert later.dedup_key != first.dedup_key
    assert once(later) == once(first)
    assert messages(shopify("checkouts/update", {**checkout, "email": None, "customer": None}, "event-0")) == []
    corrected = shopify("checkouts/update", {**checkout, "email": "b.nguyen@example.com"}, "event-3")
    assert once(corrected) != once(first)


def test_woocommerce_sends_one_message_for_each_state_of_an_order() -> None:
    order = sample("woocommerce/order_processing.json")
    first = woocommerce("order.created", order)
    assert woocommerce("order.created", order).dedup_key == first.dedup_key
    again = woocommerce("order.updated", {**order, "date_modified_gmt": "2026-05-04T09:20:00"})
    assert again.dedup_key != first.dedup_key
    assert once(again) == once(first)
    completed = woocommerce("order.updated", {**order, "status": "completed"})
    assert once(completed) != once(first)
    corrected = {**order, "billing": {**order["billing"], "email": "dai@example.com"}}
    assert once(woocommerce("order.updated", corrected)) != once(first)


@pytest.mark.parametrize(
    "body",
    [
        {"id": 10482},
        {"id": 611, "status": "publish", "name": "Darjeeling"},
    ],
    ids=["deleted", "without a time of change"],
)
def test_a_hash_stands_for_what_woocommerce_gives_no_key(body: Any) -> None:
    assert woocommerce("order.updated", body).dedup_key is None


def test_a_guest_of_woocommerce_is_never_customer_0() -> None:
    order = sample("woocommerce/order_guest.json")
    for number in (0, "0", "", None):
        guest = woocommerce("order.updated", {**order, "customer_id": number})
        assert {command.user_id for command in guest.commands} == {"zofia.żółkiewska@example.com"}


def test_calendly_tells_repeats_by_booking_and_moment() -> None:
    created = sample("calendly/invitee_created.json")
    key = become("calendly", created).dedup_key
    assert key is not None
    assert become("calendly", {**created, "event": "invitee.canceled"}).dedup_key != key
    assert become("calendly", {**created, "created_at": "2026-06-09T08:30:02.000000Z"}).dedup_key != key
    assert become("calendly", {**created, "created_by": None}).dedup_key == key


def test_a_moved_booking_is_one_message_whichever_half_comes_first() -> None:
    old = become("calendly", sample("calendly/invitee_canceled_rescheduled.json"))
    new = become("calendly", sample("calendly/invitee_created_rescheduled.json"))
    assert old.dedup_key != new.dedup_key
    (message,) = messages(old, new)
    assert b'"assetId":"ASSET-BOOKING-RESCHEDULED"' in message.body


# -- recorded webhooks --------------------------------------------------------------------------------------------

UNMATCHED, TRANSLATED, IGNORED = WebhookState.UNMATCHED, WebhookState.TRANSLATED, WebhookState.IGNORED
RECORDED = {
    "shopify/carts-create": ("carts/create", UNMATCHED),
    "shopify/customers-create.2": ("customers/create", TRANSLATED),
    "shopify/fulfillments-update": ("fulfillments/update", UNMATCHED),
    "shopify/orders-cancelled": ("orders/cancelled", UNMATCHED),
    "shopify/products-update": ("products/update", UNMATCHED),
    "woocommerce/coupon.created": ("coupon.created", UNMATCHED),
    "woocommerce/coupon.updated": ("coupon.updated", UNMATCHED),
    "woocommerce/customer.updated": ("customer.updated", UNMATCHED),
    # It waits for its payment.
    "woocommerce/order.created.abridged": ("order.created", UNMATCHED),
    "woocommerce/order.updated": ("order.updated", TRANSLATED),
    # What the REST API answers for a refund; no topic sends it.
    "woocommerce/order_refund": ("action.woocommerce_order_refunded", UNMATCHED),
    "woocommerce/product.created": ("product.created", UNMATCHED),
    "woocommerce/product.updated": ("product.updated", UNMATCHED),
    "calendly/invitee.canceled.rescheduled": ("", IGNORED),
    "calendly/invitee.created": ("", TRANSLATED),
}
"""By name: the topic that it came under, and what must become of it. None may meet a mapping error."""


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the recorded webhooks are not here")
def test_every_recorded_webhook_is_looked_at() -> None:
    here = {
        f"{source}/{path.name.removesuffix('.json')}"
        for source in RULESET.sources
        for path in (CORPUS / source).iterdir()
    }
    assert here == set(RECORDED)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_webhook_becomes_what_it_should(name: str) -> None:
    file = CORPUS / f"{name}.json"
    if not file.is_file():
        pytest.skip("the recorded webhooks are not here")
    topic, state = RECORDED[name]
    source = name.partition("/")[0]
    headers = {"X_Shopify_Topic": topic, "X_Shopify_Event_Id": "event-1", "X_WC_Webhook_Topic": topic}
    found = become(source, _json.decode(file.read_bytes()), **headers)
    assert (found.state, found.errors, found.warnings) == (state, (), ())
    assert bool(found.commands) is (state is TRANSLATED)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the recorded webhooks are not here")
def test_a_recorded_order_gives_what_stands_in_it() -> None:
    body = _json.decode((CORPUS / "woocommerce" / "order.updated.json").read_bytes())
    (confirmation,) = messages(woocommerce("order.updated", body))
    order = _json.decode(confirmation.body)["order"]
    assert order["total"] == Decimal(body["total"])
    assert len(order["items"]) == len(body["line_items"])


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the recorded webhooks are not here")
def test_a_recorded_shopify_order_would_be_confirmed_if_it_were_new() -> None:
    body = _json.decode((CORPUS / "shopify" / "orders-cancelled.json").read_bytes())
    found = shopify("orders/create", {**body, "financial_status": "paid"})
    assert (found.errors, found.warnings) == ((), ())
    (confirmation,) = messages(found)
    order = _json.decode(confirmation.body)["order"]
    assert order["total"] == Decimal(body["total_price"])
    assert [item["price"] for item in order["items"]] == [Decimal(item["price"]) for item in body["line_items"]]
