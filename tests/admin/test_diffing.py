"""``POST /api/diff``: candidate rules beside what stored webhooks became, without values unless an admin asks."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from gateway.admin import diffing
from gateway.intilery.sandbox import Faults
from tests import shop
from tests.admin.test_replaying import CORRECTED, Shop, here, store_setting
from tests.inbound.test_fetch import API, SHORT, api, serve

__all__ = ["api", "here", "serve", "store_setting"]  # fixtures

CHANGED = CORRECTED.replace("total: $.total}", "total: $.total, vat: true}")


async def ask(here: Shop, text: str, token: str = shop.READER, **asked: Any) -> tuple[int, Any]:
    body = {"files": {"shop.yaml": text, "brands.yaml": shop.BRANDS}, **asked}
    answer = await here.http.post("/api/diff", json=body, headers=shop.bearer(token))
    return answer.status_code, answer.json()


async def past(here: Shop) -> tuple[str, str, str]:
    """An order that was delivered, a parcel that was, and one that no rule matched."""
    order, parcel, lost = [await here.order(topic) for topic in ("orders/create", "orders/fulfilled", "x/y")]
    await here.until(order, "delivered", "delivered")
    await here.until(parcel, "delivered")
    return order, parcel, lost


async def test_what_would_appear_vanish_or_change_is_told_without_values(here: Shop) -> None:
    order, parcel, lost = await past(here)
    calls = len(here.sandbox.calls)
    status, view = await ask(here, CHANGED)
    assert status == 200
    assert (view["compared"], view["differing"], view["not_compared"], view["next"]) == (3, 3, 0, None)
    assert view["counts"] == {"appears": 1, "vanishes": 1, "changes": 1}
    assert view["rules"] == [
        {"source": "shop", "rule": "Order confirmation", "command": "send_email"}
        | {"appears": 0, "vanishes": 0, "changes": 1},
        {"source": "shop", "rule": "Parcel on its way", "command": "send_sms"}
        | {"appears": 1, "vanishes": 1, "changes": 0},
    ]
    found = {item["webhook"]: item for item in view["items"]}
    assert found.keys() == {order, parcel, lost}
    [appears] = found[lost]["differences"]
    assert (found[lost]["state"], found[lost]["would_be"]) == ("unmatched", "translated")
    assert appears == {
        "kind": "appears",
        "rule": "Parcel on its way",
        "command": "send_sms",
        "destination": "default",
        "state": "pending",
    }
    assert found[order]["differences"][0]["changes"] == [{"path": "body.order.vat"}]
    for value in ("115310627314723954", "ada@example.com", "49.9", "#1001"):
        assert value not in str(view)
    # Nothing was written and nothing was sent.
    assert len(here.sandbox.calls) == calls
    assert await here.until(lost) == []
    assert len((await here.http.get("/api/rules", headers=shop.bearer())).json()["items"]) == 1


async def test_an_admin_may_see_values(here: Shop) -> None:
    order, _, lost = await past(here)
    status, view = await ask(here, CHANGED, shop.ADMIN, values=True, ids=[order, lost])
    assert status == 200
    [changes], [appears] = [item["differences"] for item in view["items"]]
    assert changes["user_id"] == "115310627314723954"
    assert changes["changes"] == [{"path": "body.order.vat", "now": True}]
    assert appears["body"]["assetId"] == "SMS-1"
    status, problem = await ask(here, CHANGED, values=True)
    assert (status, "may look and not act" in problem["detail"]) == (401, True)


async def test_the_same_rules_make_no_difference_whatever_became_of_it(here: Shop) -> None:
    await past(here)
    here.sandbox.faults = Faults(success_false=True)
    failed = await here.order("orders/create")
    await here.until(failed, "failed", "held")
    _, view = await ask(here, shop.RULES)
    assert (view["compared"], view["differing"], view["items"]) == (4, 0, [])
    assert view["counts"] == {"appears": 0, "vanishes": 0, "changes": 0}


async def test_a_webhook_that_could_not_be_translated_any_more(here: Shop) -> None:
    order, _, _ = await past(here)
    broken = shop.RULES.replace(
        "userId: $.customer.id\n      assetId: $asset", "userId: $.nobody\n      assetId: $asset"
    )
    _, view = await ask(here, broken, shop.ADMIN, values=True, ids=[order])
    [item] = view["items"]
    assert item["would_be"] == "untranslatable"
    assert "userId" in item["errors"][0]["message"]
    assert {difference["kind"] for difference in item["differences"]} == {"vanishes"}


async def test_a_source_that_the_candidate_lacks_vanishes(here: Shop) -> None:
    await past(here)
    answer = await here.http.post("/api/diff", json={"files": {"brands.yaml": shop.BRANDS}}, headers=shop.bearer())
    view = answer.json()
    assert (view["compared"], view["counts"]["vanishes"]) == (3, 3)


async def test_pages_and_samples_are_bounded(here: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diffing, "_SLICE", 2)
    order, parcel, lost = await past(here)
    _, first = await ask(here, CHANGED, limit=2, samples=1)
    assert (first["compared"], [item["webhook"] for item in first["items"]]) == (2, [lost])
    assert first["counts"] == {"appears": 1, "vanishes": 1, "changes": 0}
    _, second = await ask(here, CHANGED, limit=2, cursor=first["next"])
    assert [item["webhook"] for item in second["items"]] == [order]
    assert second["next"] is None
    _, some = await ask(here, CHANGED, filter={"type": "orders/fulfilled"})
    assert [item["webhook"] for item in some["items"]] == [parcel]


async def diffed(client: httpx.AsyncClient, name: str, text: str) -> Any:
    body = {"files": {name: text}, "values": True}
    answer = await client.post("/api/diff", json=body, headers=shop.bearer())
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_thin_webhook_is_compared_with_what_was_fetched(api: API, serve: Any) -> None:
    api.says("/orders/7", {"customer": "c7"})
    text = "source: thin\nverify: none\n" + SHORT.replace("SHOP/", f"{api.url}/")
    async with serve(SHORT) as hooks:
        await hooks.ended(await hooks.send())
        same = await diffed(hooks.client, "thin.yaml", text)
        assert (same["compared"], same["differing"]) == (1, 0)
        other = await diffed(hooks.client, "thin.yaml", text.replace("E-1", "E-2"))
        [[found]] = [item["differences"] for item in other["items"]]
        assert found["changes"] == [{"path": "body.assetId", "was": "E-1", "now": "E-2"}]
        elsewhere = await diffed(hooks.client, "thin.yaml", text.replace("/orders/{{", "/other/{{"))
        assert (elsewhere["compared"], elsewhere["not_compared"], elsewhere["items"]) == (0, 1, [])
        assert api.asked == ["GET /orders/7"], "nothing is asked for a comparison"


BATCH = """\
source: batch
verify: none
events: $.events
rules:
  - name: Each
    send_email: {userId: $.user, assetId: A, shop: '$batch.shop'}
"""


async def test_the_elements_of_a_batch_are_compared_with_the_body_around_them(here: Shop) -> None:
    (here.gateway.settings.rules / "batch.yaml").write_text(BATCH, encoding="utf-8")
    await here.serve(shop.RULES)
    body = {"shop": "acme", "events": [{"user": "u1"}, {"user": "u2"}]}
    assert (await here.http.post("/hooks/batch", json=body)).json()["webhooks"] == 2
    same = await diffed(here.http, "batch.yaml", BATCH)
    assert (same["compared"], same["differing"]) == (2, 0)
    other = await diffed(here.http, "batch.yaml", BATCH.replace("$batch.shop", "$batch.events[0].user"))
    assert [item["differences"][0]["changes"] for item in other["items"]] == [
        [{"path": "body.shop", "was": "acme", "now": "u1"}]
    ] * 2


@pytest.mark.parametrize(
    ("asked", "status", "says"),
    [
        ({"filter": {"colour": "red"}}, 400, "colour is no filter"),
        ({"limit": 0}, 400, "1 to 1,000"),
        ({"limit": 5000}, 400, "1 to 1,000"),
        ({"cursor": "x"}, 400, "cursor"),
        ({"filter": {"state": "quarantined"}}, 400, "in quarantine"),
        ({"ids": ["x"], "filter": {"state": "unmatched"}}, 400, "or a filter"),
        ({"ids": ["x"]}, 404, "no such webhook"),
        ({"files": {"shop.yaml": "source: shop"}}, 400, "shop.yaml:1"),
        ({"files": 7}, 400, "object"),
    ],
)
async def test_what_can_not_be_asked_is_said(here: Shop, asked: dict[str, Any], status: int, says: str) -> None:
    got, problem = await ask(here, shop.RULES, **asked)
    assert got == status, problem
    assert says in problem["detail"]
